// Dashboards: every figure and every drawing is what the API answers to the same question, whatever the filters are.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { api, cells, chartOf, each, eventually, gone, isShare, newUseCase, open, percentage, ROOT_KEY, shown, tables, text, unique, URL_BASE, visible } from "./support.mjs";

const DAY_MS = 86_400_000;
const dateOf = (ms) => new Date(ms).toISOString().slice(0, 10);
const daysAfter = (date, days) => dateOf(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS);
const count = (number) => number.toLocaleString("en-US");
const p = (number) => (number < 0.001 ? "p < 0.001" : `p = ${number.toFixed(3)}`);
const share = (part, all) => percentage(all > 0 ? (100 * part) / all : null);

const TYPES = { boolean: "Boolean", number: "Number", percentage: "Percentage", likert5: "Likert (5)", likert7: "Likert (7)", likert10: "Likert (10)" };
const TRENDS = { improving: "Improving", degrading: "Getting worse", stable: "Stable", insufficient_data: "Too few data for a trend" };
const VERDICTS = { improved: "Better", worsened: "Worse", no_significant_change: "No significant difference", insufficient_data: "No verdict" };

// A use case of these tests: every type of KPI, both directions, properties, days without scores, a second version, an event, a benchmark.
const OURS = unique("Every-Kind");
const NOON_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS - DAY_MS / 2;
const RISE = new Date(NOON_MS - 12 * DAY_MS).toISOString();
const EVENT = { at: new Date(NOON_MS - 6 * DAY_MS).toISOString(), title: "New prompt", description: "Shorter & <plainer> answers" };
const KPIS = [
  { name: "Solved", kpi_type: "boolean", goal: 0.5, benchmarks: [{ name: "industry", value: 0.1 }] },
  { name: "Handling Time", kpi_type: "number", goal: 6, unit: "min", direction: "lower_is_better", description: "From <hello> to goodbye" },
  { name: "Balance", kpi_type: "number", goal: 0, unit: "€" },
  { name: "Coverage", kpi_type: "percentage", goal: 0.4, benchmarks: [{ name: "last year", value: 0.35 }] },
  { name: "Ease", kpi_type: "likert7", goal: 5 },
  { name: "Recommends", kpi_type: "likert10", goal: 7.5 },
  { name: "Not Scored", kpi_type: "likert5", goal: 3 },
];

before(async () => {
  const definition = `/api/v1/use_cases/definitions/${OURS}`;
  await api("POST", "/api/v1/use_cases/definitions", { name: OURS, description: "Of the tests of dashboards" });
  for (const kpi of KPIS) await api("POST", `${definition}/kpis`, kpi);
  await api("POST", `${definition}/increment_version`, { timestamp: RISE });
  const instances = Array.from({ length: 60 }, (_, n) => {
    // Every third day has none.
    const day = 1 + Math.floor(n / 3) + Math.floor(n / 6);
    const at = NOON_MS - (30 - day) * DAY_MS + (n % 3) * 3_600_000 * 3;
    return { use_case_id: `${OURS}-${n}`, timestamp: new Date(at).toISOString(), version: at < Date.parse(RISE) ? 1 : 2, properties: { plan: n % 2 === 0 ? "free" : "paid & more", region: ["eu", "us", "apac"][n % 3] } };
  });
  await each(instances, (instance) => api("POST", `/api/v1/use_cases/instances/${OURS}`, instance));
  const drawn = {
    Solved: (n) => Number((n * 7) % 10 < 4), "Handling Time": (n) => 2 + ((n * 13) % 17) / 2, Balance: (n) => ((n * 11) % 23) - 12.5,
    Coverage: (n) => ((n * 17) % 101) / 100, Ease: (n) => 1 + ((n * 5) % 13) / 2, Recommends: (n) => 10 - ((n * 3) % 9),
  };
  const scores = instances.slice(0, 55).flatMap(({ use_case_id, timestamp }, n) =>
    Object.entries(drawn).filter((_, at) => (n + at) % 8 !== 0).map(([kpi_name, draw]) => ({ use_case_id, kpi_name, score: draw(n), timestamp })));
  const { rejected } = await api("POST", `${definition}/scores`, { scores });
  assert.equal(rejected, 0);
  await api("POST", `${definition}/events`, EVENT);
});
after(() => api("DELETE", `/api/v1/use_cases/definitions/${OURS}`));

const dashboard = (useCase, parameters) => api("GET", `/api/v1/dashboard/${useCase}?${new URLSearchParams(parameters)}`);
const panel = (page, name) => page.getByRole("article", { name, exact: true });
const section = (page, name) => page.getByRole("region", { name, exact: true });

/** What the range of the filters is to the API. */
async function range(page) {
  return { from: await page.getByLabel("From", { exact: true }).inputValue(), to: daysAfter(await page.getByLabel("To", { exact: true }).inputValue(), 1), time_zone: await page.getByLabel("Time zone", { exact: true }).inputValue() };
}

/** The figures that the dashboard shows, in its own words. */
async function figures(page) {
  const panels = await page.getByRole("article").evaluateAll((articles) =>
    articles.map((article) => ({
      name: article.querySelector("h2").innerText,
      headline: article.querySelector("header .number").innerText,
      badges: [...article.querySelectorAll("header .badge")].map((badge) => badge.innerText.replace(/^[^\p{L}]+/u, "")),
      figures: Object.fromEntries([...article.querySelectorAll("dl > div")].map((figure) => [...figure.children].map((cell) => cell.innerText))),
    })));
  return { reviewed: await text(section(page, "Use cases reviewed").locator("p").first()), panels };
}

/** The same of an answer of the API. */
function expected({ kpis, use_cases }) {
  return {
    reviewed: `Use Cases Reviewed: ${percentage(use_cases.reviewed_percentage)}`,
    panels: kpis.map((kpi) => ({
      name: kpi.kpi_name,
      headline: kpi.count > 0 ? kpi.display : `No scores (Goal: ${shown(kpi, kpi.goal)})`,
      badges: [
        TYPES[kpi.kpi_type],
        kpi.direction === "higher_is_better" ? "Higher is better" : "Lower is better",
        kpi.goal_met === null ? "No scores" : kpi.goal_met ? "Goal met" : "Goal missed",
        ...(kpi.count > 0 ? [TRENDS[kpi.trend.verdict]] : []),
      ],
      figures: kpi.count === 0 ? {} : {
        Scores: count(kpi.count),
        Average: shown(kpi, kpi.average),
        "Percent of goal": percentage(kpi.percent_of_goal),
        ...(kpi.kpi_type === "boolean" ? {} : { "Meet the goal": percentage(kpi.scores_meeting_goal_percentage) }),
        Reviewed: `${percentage(kpi.reviewed.percentage)} (${count(kpi.reviewed.count)})`,
        "Standard deviation": shown(kpi, kpi.standard_deviation),
        ...(kpi.kpi_type === "boolean" ? {} : {
          Minimum: shown(kpi, kpi.minimum), Maximum: shown(kpi, kpi.maximum),
          "Median (p50)": shown(kpi, kpi.percentiles.p50), p90: shown(kpi, kpi.percentiles.p90), p95: shown(kpi, kpi.percentiles.p95), p99: shown(kpi, kpi.percentiles.p99),
        }),
      },
    })),
  };
}

/** Waits until the dashboard shows what the API answers to these parameters. */
async function showsAnswer(page, useCase, parameters) {
  const answer = await dashboard(useCase, parameters);
  await eventually(async () => assert.deepEqual(await figures(page), expected(answer)));
  return answer;
}

/** The name of a bucket of a series in UTC. */
function bucketName(start, granularity) {
  const day = new Date(start).toLocaleDateString("en-US", { month: "short", day: "numeric", year: "numeric", timeZone: "UTC" });
  return { hour: `${new Date(start).toLocaleDateString("en-US", { month: "short", day: "numeric", timeZone: "UTC" })}, ${new Date(start).toLocaleTimeString("en-US", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" }).replace(/\s+/g, " ")}`,
    day, week: `Week of ${day}`, month: new Date(start).toLocaleDateString("en-US", { month: "long", year: "numeric", timeZone: "UTC" }) }[granularity];
}

/** What happened in each bucket, as the table says it. */
function changes(answer, points) {
  const found = points.map(() => []);
  for (const event of [...answer.events].sort((a, b) => a.at.localeCompare(b.at))) {
    const at = points.findLastIndex(({ start }) => start <= event.at);
    if (at >= 0) found[at].push(event.kind === "version" ? `v${event.version}` : event.title);
  }
  return found.map((names) => names.join(", "));
}

const seriesRows = (kpi, answer) => {
  const happened = changes(answer, kpi.series);
  return kpi.series.map((point, at) => [bucketName(point.start, answer.range.granularity), shown(kpi, point.average), count(point.count), point.goal_met === null ? "–" : point.goal_met ? "met" : "missed", happened[at]]);
};

function distributionRows(kpi) {
  const { distribution: found, count: all } = kpi;
  const row = (name, number) => [name, count(number), share(number, all)];
  if (found.kind === "boolean") return [row("True", found.true), row("False", found.false)];
  if (found.kind === "likert") return found.buckets.map((bucket) => row(String(bucket.point), bucket.count));
  const edge = (number) => {
    if (isShare(kpi)) return `${(100 * number).toLocaleString("en-US", { maximumFractionDigits: 2 })}%`;
    const sign = number < 0 ? "−" : "";
    return sign + (["$", "€"].includes(kpi.unit) ? kpi.unit : "") + Math.abs(number).toLocaleString("en-US", { maximumFractionDigits: 2 });
  };
  return found.buckets.map(({ from, to, count: number }) => row(from === null ? `Below ${edge(to)}` : to === null ? `${edge(from)} and more` : `${edge(from)} to ${edge(to)}`, number));
}

for (const useCase of ["Chat-Bot", "Image-Ad", "Content-Generator", OURS]) {
  test(`every figure of ${useCase.replace(/-\w+-\d+$/, "")} is the API's`, async (t) => {
    const page = await open(t, { path: `/use-cases/${useCase}?range=90d` });
    await visible(page.getByRole("article"));
    const answer = await showsAnswer(page, useCase, { ...(await range(page)), granularity: "day" });
    assert.ok(answer.kpis.length > 0);
    const behind = await tables(page);
    assert.match(await text(section(page, "Use cases reviewed")), new RegExp(`${count(answer.use_cases.reviewed)} of ${count(answer.use_cases.total)} instances have a score`));
    for (const kpi of answer.kpis) {
      const its = panel(page, kpi.kpi_name);
      if (kpi.description) assert.ok((await text(its)).includes(kpi.description));
      if (kpi.count === 0) {
        assert.equal(await its.getByRole("figure").count(), 0);
        continue;
      }
      const overTime = section(page, `${kpi.kpi_name} over time`);
      assert.deepEqual(behind[`${kpi.kpi_name} over time, by day`], seriesRows(kpi, answer), kpi.kpi_name);
      if (kpi.trend.verdict !== "insufficient_data") assert.ok((await text(overTime)).includes(`(${p(kpi.trend.p_value)}, ${kpi.trend.buckets} days with scores)`));
      assert.deepEqual(behind[`Distribution of ${kpi.kpi_name}`], distributionRows(kpi), kpi.kpi_name);
      const parts = (profile, name) => profile.map((part) => [name(part), shown(kpi, part.average), count(part.count)]);
      const hours = section(page, `${kpi.kpi_name} by hour of day`);
      assert.deepEqual(behind[`${kpi.kpi_name} by hour of day`], parts(kpi.seasonality.hour_of_day.profile, ({ hour }) => `${String(hour).padStart(2, "0")}:00`));
      const days = section(page, `${kpi.kpi_name} by day of week`);
      assert.deepEqual(behind[`${kpi.kpi_name} by day of week`], parts(kpi.seasonality.day_of_week.profile, ({ day }) => day[0].toUpperCase() + day.slice(1)));
      for (const [where, { seasonal, p_value }] of [[hours, kpi.seasonality.hour_of_day], [days, kpi.seasonality.day_of_week]]) {
        if (p_value === null) continue;
        const said = await text(where);
        assert.ok(said.includes(seasonal ? "There is a pattern" : "No clear pattern") && said.includes(`(${p(p_value)})`), said);
      }
      for (const { name, value, comparison } of kpi.benchmarks) {
        const said = await text(section(page, `Benchmarks of ${kpi.kpi_name}`));
        assert.ok(said.includes(`${VERDICTS[comparison.verdict]} ${name} (${shown(kpi, value)}).`) && said.includes(p(comparison.p_value)), said);
      }
    }
  });
}

test("our own use case has what the comparison with the API is worth", async () => {
  const { kpis, events } = await dashboard(OURS, { from: daysAfter(dateOf(NOON_MS), -40), granularity: "day" });
  assert.deepEqual(new Set(kpis.flatMap(({ distribution }) => distribution?.kind ?? [])), new Set(["boolean", "number", "percentage", "likert"]));
  assert.ok(kpis[0].series.some(({ count: number }) => number > 0) && kpis[0].series.some(({ count: number }) => number === 0));
  assert.equal(kpis.at(-1).count, 0);
  assert.deepEqual(events.map(({ kind }) => kind).sort(), ["event", "version"]);
});

/** The numbers of an SVG path, as points. */
const pointsOf = (path) => [...path.matchAll(/[ML]\s*(-?[\d.]+)[ ,]+(-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);

/** The paths and texts of a chart's SVG. */
const drawn = (where) =>
  where.locator("svg").first().evaluate((svg) => ({
    texts: [...svg.querySelectorAll("text")].map((one) => ({ text: one.textContent, x: one.getCTM().e })),
    paths: [...svg.querySelectorAll("path")].map((one) => ({ d: one.getAttribute("d"), stroke: one.getAttribute("stroke"), fill: one.getAttribute("fill"), dashed: one.hasAttribute("stroke-dasharray"), shift: [one.getCTM().e, one.getCTM().f] })),
  }));

const WARN = /^(#7a4d00|rgb\(122,\s?77,\s?0\))$/i;
const ACCENT = /^(#3547c9|rgb\(53,\s?71,\s?201\))$/i;

/** Where the chart of a series has its buckets, its goal, its averages, and its vertical lines. */
async function seriesDrawn(where) {
  const { texts, paths } = await drawn(await chartOf(where));
  const placed = ({ d, shift }) => pointsOf(d).map(([x, y]) => [x + shift[0], y + shift[1]]);
  const lineOf = (found) => found.map(placed).filter((points) => points.length > 1).sort((a, b) => Math.abs(b.at(-1)[0] - b[0][0]) - Math.abs(a.at(-1)[0] - a[0][0]))[0];
  const goal = lineOf(paths.filter(({ stroke, dashed }) => dashed && WARN.test(stroke ?? "")));
  const average = lineOf(paths.filter(({ stroke, fill }) => ACCENT.test(stroke ?? "") && (fill === "none" || !fill)));
  const verticals = paths.filter(({ dashed }) => dashed).map(placed).filter((points) => points.length === 2 && Math.abs(points[0][0] - points[1][0]) < 0.5).map(([[x]]) => x);
  return { texts, goal, average, verticals };
}

for (const [useCase, kpiName, preset] of [["Chat-Bot", "Deflection Rate", "90d"], [OURS, "Handling Time", "30d"]]) {
  test(`the chart of ${kpiName} has its averages, goal, version and events where they belong`, async (t) => {
    const page = await open(t, { path: `/use-cases/${useCase}?range=${preset}` });
    const overTime = section(page, `${kpiName} over time`);
    const { texts, goal, average, verticals } = await seriesDrawn(overTime);
    const answer = await dashboard(useCase, { ...(await range(page)), granularity: "day" });
    const kpi = answer.kpis.find(({ kpi_name }) => kpi_name === kpiName);
    const last = kpi.series.length - 1;
    assert.ok(texts.some(({ text: label }) => label === `Goal: ${shown(kpi, kpi.goal)}`), "the legend tells the goal");
    const [[left, height], [right, level]] = [goal[0], goal.at(-1)];
    assert.ok(Math.abs(height - level) < 1 && right - left > 300, "the goal is level and goes all the way");
    const x = (at) => left + ((right - left) * at) / last;
    // Every average has its place: two of them tell the scale, and where on it the goal is.
    const known = kpi.series.flatMap((point, at) => (point.average === null ? [] : [[at, point.average]]));
    assert.deepEqual(average.map(([where]) => Math.round((where - left) / ((right - left) / last))), known.map(([at]) => at));
    const [low, high] = [known.reduce((a, b) => (b[1] < a[1] ? b : a)), known.reduce((a, b) => (b[1] > a[1] ? b : a))];
    const yOf = ([at]) => average[known.findIndex((one) => one[0] === at)][1];
    const scale = (value) => yOf(low) + ((yOf(high) - yOf(low)) * (value - low[1])) / (high[1] - low[1]);
    assert.ok(yOf(high) < yOf(low), "more is higher");
    for (const [n, [at, value]] of known.entries()) assert.ok(Math.abs(average[n][0] - x(at)) < 1 && Math.abs(average[n][1] - scale(value)) < 1, `${kpi.series[at].start}`);
    assert.ok(Math.abs(level - scale(kpi.goal)) < 1, "the goal is where it is among the averages");
    const marks = changes(answer, kpi.series).flatMap((name, at) => (name ? [[name, at]] : []));
    assert.equal(marks.length, useCase === OURS ? 2 : 1);
    for (const [name, at] of marks) {
      assert.ok(verticals.some((where) => Math.abs(where - x(at)) < 1), `a line for ${name}`);
      assert.ok(texts.some(({ text: label }) => label === name), `the label ${name}`);
    }
  });
}

test("tooltips tell the average and the number of scores, and what happened", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}?range=30d` });
  const overTime = section(page, "Solved over time");
  const { goal } = await seriesDrawn(overTime);
  const answer = await dashboard(OURS, { ...(await range(page)), granularity: "day" });
  const { series, goal: aim } = answer.kpis[0];
  const happened = changes(answer, series);
  const chart = await chartOf(overTime);
  const hover = async (where, x, y) => {
    const box = await where.boundingBox();
    await page.mouse.move(box.x + x, box.y + y);
  };
  const [left, right] = [goal[0][0], goal.at(-1)[0]];
  const places = [series.findIndex((point, at) => at > 0 && point.count > 1), series.findIndex((point, at) => at > 0 && point.count === 0), happened.indexOf("v2"), happened.indexOf(EVENT.title)];
  for (const at of places) {
    await hover(chart, left + ((right - left) * at) / (series.length - 1), 100);
    const point = series[at];
    const told = point.average === null ? "No scores" : `Average ${shown({ kpi_type: "boolean" }, point.average)} of ${point.count} score${point.count === 1 ? "" : "s"}`;
    const wanted = [bucketName(point.start, "day"), told, `Goal: ${shown({ kpi_type: "boolean" }, aim)}`, happened[at]].filter(Boolean).join("\n");
    await eventually(async () => assert.equal(await chart.locator("> div").nth(1).innerText(), wanted));
  }
  // Of a distribution: the range under the pointer.
  const ease = answer.kpis.find(({ kpi_name }) => kpi_name === "Ease");
  const bars = await chartOf(section(page, "Distribution of the scores of Ease"));
  const box = await bars.boundingBox();
  await hover(bars, box.width / 2, box.height / 2);
  const point = ease.distribution.buckets.find((bucket) => bucket.point === 4);
  await visible(bars.getByText("Point 4"));
  await visible(bars.getByText(`${point.count} scores (${share(point.count, ease.count)})`));
  const truth = answer.kpis[0].distribution;
  await visible(section(page, "Distribution of the scores of Solved").locator("svg text", { hasText: `${truth.true} (${share(truth.true, answer.kpis[0].count)})` }));
});

/** Chooses with a control of the filters. */
const choose = (page, label, option) => page.getByLabel(label, { exact: true }).selectOption(option);
const inAddress = (page) => Object.fromEntries(new URL(page.url()).searchParams);

test("presets and dates of one's own are the range that is asked for", async (t) => {
  const page = await open(t, { path: "/use-cases/Chat-Bot" });
  await visible(page.getByRole("article"));
  for (const [preset, days, granularity] of [["90d", 90, "day"], ["7d", 7, "day"], ["365d", 365, "week"], ["30d", 30, "day"]]) {
    await choose(page, "Range", preset);
    assert.deepEqual(inAddress(page), { range: preset });
    const asked = await range(page);
    assert.ok([Date.now(), Date.now() - 60_000].some((now) => asked.to === dateOf(now + DAY_MS)), "today is the last day");
    assert.equal(asked.from, daysAfter(asked.to, -days));
    const answer = await showsAnswer(page, "Chat-Bot", { ...asked, granularity });
    const label = await section(page, "Deflection Rate over time").locator("div[role=img]").getAttribute("aria-label");
    assert.equal(label, `Deflection Rate over time, by ${granularity}`);
    assert.equal(answer.range.granularity, granularity);
  }
  await choose(page, "Range", "custom");
  const { to } = await range(page);
  const [first, last] = [daysAfter(to, -61), daysAfter(to, -32)];
  await page.getByLabel("From", { exact: true }).fill(first);
  await page.getByLabel("To", { exact: true }).fill(last);
  assert.deepEqual(inAddress(page), { from: first, to: last });
  await showsAnswer(page, "Chat-Bot", { from: first, to: daysAfter(last, 1), time_zone: "UTC", granularity: "day" });
  assert.equal(await page.getByLabel("Range", { exact: true }).inputValue(), "custom");
  // A range that is none is said at once, and changes nothing.
  await page.getByLabel("From", { exact: true }).fill(daysAfter(last, 3));
  await visible(page.getByText("The first day must not be after the last one."));
  assert.deepEqual(inAddress(page), { from: first, to: last });
});

test("every granularity makes a series of its own", async (t) => {
  const page = await open(t, { path: "/use-cases/Image-Ad?range=7d" });
  const overTime = section(page, "Conversion $ Value over time");
  await visible(overTime);
  for (const granularity of ["hour", "week", "month", "day"]) {
    await choose(page, "Granularity", granularity);
    assert.deepEqual(inAddress(page), { range: "7d", granularity });
    await visible(page.getByRole("img", { name: `Conversion $ Value over time, by ${granularity}`, exact: true }));
    const answer = await dashboard("Image-Ad", { ...(await range(page)), granularity });
    const kpi = answer.kpis.find(({ kpi_name }) => kpi_name === "Conversion $ Value");
    // By hand, as anybody would.
    await overTime.getByRole("button", { name: "Show as table" }).click();
    assert.deepEqual(await cells(overTime.getByRole("table")), seriesRows(kpi, answer));
    await overTime.getByRole("button", { name: "Show as chart" }).click();
  }
});

test("versions, properties and time zones narrow the figures, alone and together", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}` });
  await visible(page.getByRole("article"));
  const steps = [
    [() => choose(page, "Version", "1"), { version: "1" }],
    [() => choose(page, "Version", "2"), { version: "2" }],
    [async () => { await choose(page, "Filter by property", "plan"); await page.getByLabel("Value of plan").selectOption("paid & more"); }, { version: "2", "property.plan": "paid & more" }],
    [async () => { await choose(page, "Filter by property", "region"); await page.getByLabel("Value of region").selectOption("us"); }, { version: "2", "property.plan": "paid & more", "property.region": "us" }],
    [() => choose(page, "Version", ""), { "property.plan": "paid & more", "property.region": "us" }],
    [() => page.getByRole("button", { name: "Remove filter plan: paid & more" }).click(), { "property.region": "us" }],
    [async () => { await page.getByLabel("Time zone", { exact: true }).fill("asia/tokyo"); await page.getByLabel("Time zone", { exact: true }).press("Enter"); }, { "property.region": "us", time_zone: "Asia/Tokyo" }],
    [() => page.getByRole("button", { name: "Reset filters" }).click(), {}],
  ];
  const seen = new Set();
  for (const [act, parameters] of steps) {
    await act();
    await eventually(async () => assert.deepEqual(inAddress(page), parameters));
    const asked = await range(page);
    assert.equal(asked.time_zone, parameters.time_zone ?? "UTC");
    const answer = await showsAnswer(page, OURS, { ...asked, ...parameters, granularity: "day" });
    if (!parameters.time_zone) seen.add(JSON.stringify(expected(answer)));
  }
  // Another zone moves the ends of the range, which there need not be scores at.
  assert.equal(seen.size, steps.length - 1, "each of the other filters makes a difference");
  assert.equal(await page.getByRole("button", { name: "Reset filters" }).count(), 0);
});

test("a time zone moves the days, and one that there is not is refused at the field", async (t) => {
  const page = await open(t, { path: "/use-cases/Chat-Bot?range=7d" });
  await visible(page.getByRole("article"));
  const zone = page.getByLabel("Time zone", { exact: true });
  await zone.fill("Pacific/Auckland");
  await zone.press("Enter");
  await eventually(async () => assert.deepEqual(inAddress(page), { range: "7d", time_zone: "Pacific/Auckland" }));
  const asked = await range(page);
  const today = new Intl.DateTimeFormat("en-CA", { timeZone: "Pacific/Auckland", dateStyle: "short" }).format(new Date());
  assert.equal(daysAfter(asked.to, -1), today);
  const answer = await showsAnswer(page, "Chat-Bot", { ...asked, granularity: "day" });
  assert.match(await text(section(page, "Use cases reviewed")), /\(Pacific\/Auckland\)/);
  const rows = (await tables(page))["Deflection Rate over time, by day"];
  assert.deepEqual(rows.map(([, , number]) => number), answer.kpis[0].series.map((point) => count(point.count)));
  assert.equal(rows[0][0], bucketName(`${asked.from}T00:00:00Z`, "day"));
  await zone.fill("Mars/Olympus");
  await zone.press("Enter");
  await visible(page.getByText("There is no time zone “Mars/Olympus”"));
  assert.equal(await zone.getAttribute("aria-invalid"), "true");
  assert.deepEqual(inAddress(page), { range: "7d", time_zone: "Pacific/Auckland" });
});

test("what the API refuses stands at the filter that it is about", async (t) => {
  const page = await open(t, { path: null, refusals: true });
  const tomorrow = dateOf(Date.now() + DAY_MS);
  const refused = async (parameters) => {
    const answer = await fetch(`${URL_BASE}/api/v1/dashboard/Chat-Bot?${new URLSearchParams(parameters)}`, { headers: { "xProxy-api-key": ROOT_KEY } });
    assert.ok(answer.status >= 400 && answer.status < 500);
    const { message } = await answer.json();
    return message[0].toUpperCase() + message.slice(1);
  };
  for (const [address, label, parameters] of [
    ["version=7", "Version", { version: "7" }],
    ["from=2010-01-01&to=2020-01-01&granularity=hour", "Granularity", { from: "2010-01-01", to: "2020-01-02", granularity: "hour" }],
    [`from=${tomorrow}&to=2020-01-01`, "Range", { from: tomorrow, to: "2020-01-02" }],
  ]) {
    await page.goto(`/use-cases/Chat-Bot?${address}`);
    const control = page.getByLabel(label, { exact: true });
    await eventually(async () => assert.equal(await control.getAttribute("aria-invalid"), "true", address));
    const message = page.locator(`[id="${(await control.getAttribute("aria-describedby")).split(" ").at(-1)}"]`);
    assert.equal((await text(message)).replace(/\.$/, ""), await refused(parameters));
    assert.equal(await page.getByRole("article").count(), 0);
    await visible(page.getByText("There is no dashboard until the filters are put right."));
  }
});

test("the address is the view: another browser, back and forward, and reset", async (t) => {
  const page = await open(t, { path: "/use-cases/Content-Generator" });
  await visible(page.getByRole("article"));
  const steps = [["Range", "90d"], ["Granularity", "week"]];
  for (const [label, option] of steps) await choose(page, label, option);
  await choose(page, "Filter by property", "model_version");
  await page.getByLabel("Value of model_version").selectOption("writer-2");
  await page.getByLabel("Time zone", { exact: true }).fill("America/New_York");
  await page.getByLabel("Time zone", { exact: true }).press("Enter");
  await eventually(async () => assert.equal(new URL(page.url()).search, "?range=90d&granularity=week&property.model_version=writer-2&time_zone=America%2FNew_York"));
  const parameters = { ...(await range(page)), granularity: "week", "property.model_version": "writer-2" };
  await showsAnswer(page, "Content-Generator", parameters);

  const other = await open(t, { path: page.url(), timezoneId: "Asia/Tokyo" });
  await visible(other.getByRole("article"));
  await showsAnswer(other, "Content-Generator", parameters);
  assert.deepEqual(await range(other), await range(page));
  const chip = (where) => where.getByRole("list", { name: "Property filters" }).getByText("model_version: writer-2");
  await visible(chip(other));
  assert.equal(await other.getByLabel("Granularity", { exact: true }).inputValue(), "week");
  assert.deepEqual(await tables(other), await tables(page));

  await page.goBack();
  await showsAnswer(page, "Content-Generator", { ...(await range(page)), granularity: "week", "property.model_version": "writer-2", time_zone: "UTC" });
  assert.equal(await page.getByLabel("Time zone", { exact: true }).inputValue(), "UTC");
  await page.goBack();
  await gone(chip(page));
  const unfiltered = await showsAnswer(page, "Content-Generator", { ...(await range(page)), granularity: "week" });
  await page.goBack();
  await page.goBack();
  assert.equal(await page.getByLabel("Range", { exact: true }).inputValue(), "30d");
  await showsAnswer(page, "Content-Generator", { ...(await range(page)), granularity: "day" });
  await page.goForward();
  await page.goForward();
  await eventually(async () => assert.deepEqual(await figures(page), expected(unfiltered)));
  await page.getByRole("button", { name: "Reset filters" }).click();
  assert.deepEqual(inAddress(page), {});
  await showsAnswer(page, "Content-Generator", { ...(await range(page)), granularity: "day" });
});

test("a score that is recorded is in the dashboard when it is opened again", async (t) => {
  const { name: useCase } = await newUseCase(t, [{ name: "Mood", kpi_type: "likert5", goal: 4 }]);
  const page = await open(t, { path: `/use-cases/${useCase}` });
  const record = (id, score) => api("PUT", `/api/v1/use_cases/instances/${useCase}/${useCase}-${id}/kpis/Mood`, { score });
  await visible(section(page, "No scores"));
  await record("a", 5);
  await page.reload();
  await eventually(async () => assert.equal((await figures(page)).panels[0]?.headline, "5.00 / 5.00 (Goal: 4.00)"));
  await record("b", 2);
  await page.getByRole("link", { name: "Instances", exact: true }).click();
  await visible(page.getByRole("table"));
  await page.getByRole("link", { name: "Dashboard", exact: true }).click();
  await eventually(async () => {
    const [{ headline, badges, figures: found }] = (await figures(page)).panels;
    assert.deepEqual([headline, badges[2], found.Scores, found.Reviewed], ["3.50 / 5.00 (Goal: 4.00)", "Goal missed", "2", "100.00% (2)"]);
  });
  await showsAnswer(page, useCase, { ...(await range(page)), granularity: "day" });
});

test("what got worse is said first, and only when it did", async (t) => {
  const page = await open(t, { path: "/use-cases/Chat-Bot?range=90d" });
  const notice = section(page, "Regressions");
  await visible(notice);
  const answer = await dashboard("Chat-Bot", await range(page));
  const worse = answer.events.flatMap((event) => event.comparisons.filter(({ verdict }) => verdict === "worsened").map((comparison) => ({ event, comparison })));
  assert.ok(worse.length > 0);
  const said = worse.map(({ event, comparison }) => {
    const kpi = answer.kpis.find(({ kpi_id }) => kpi_id === comparison.kpi_id);
    const averages = `${shown(kpi, comparison.candidate.average)} instead of ${shown(kpi, comparison.baseline.average)}`;
    return `${comparison.kpi_name} got significantly worse after ${event.kind === "version" ? `version ${event.version}` : `“${event.title}”`}: ${averages} (${p(comparison.p_value_adjusted ?? comparison.p_value)})`;
  });
  assert.deepEqual((await notice.getByRole("listitem").allInnerTexts()).map((item) => item.replace(/\s+/g, " ").trim()), said);
  assert.match(await text(notice.getByRole("heading")), worse.length === 1 ? /One regression in this range/ : new RegExp(`${worse.length} regressions in this range`));
  await choose(page, "Range", "7d");
  await gone(notice);
});

/** The window of the event, as comparisons take it. */
function windowOf({ events }) {
  const { candidate } = events.find(({ kind }) => kind === "event").window;
  const hours = Math.ceil((Date.parse(candidate.to) - Date.parse(candidate.from)) / 3_600_000);
  return hours % 24 === 0 ? `${hours / 24}d` : `${hours}h`;
}

test("versions and events are listed with what each KPI made of them", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}` });
  const list = section(page, "Versions and events");
  await visible(list);
  const answer = await dashboard(OURS, { ...(await range(page)), granularity: "day" });
  const titles = await list.getByRole("heading", { level: 3 }).allInnerTexts();
  assert.deepEqual(titles, [EVENT.title, "Version 2"]);
  await visible(list.getByText(EVENT.description));
  for (const event of answer.events) {
    const title = event.kind === "version" ? `Version ${event.version}` : event.title;
    const items = (await list.getByRole("list", { name: `What the KPIs made of ${title}`, exact: true }).getByRole("listitem").allInnerTexts()).map((item) => item.replace(/\s+/g, " "));
    assert.equal(items.length, KPIS.length);
    for (const comparison of event.comparisons) {
      const kpi = answer.kpis.find(({ kpi_id }) => kpi_id === comparison.kpi_id);
      const item = items.find((one) => one.includes(` ${kpi.kpi_name} `));
      assert.ok(item.includes(VERDICTS[comparison.verdict]), item);
      if (comparison.verdict !== "insufficient_data") {
        assert.ok(item.includes(`${shown(kpi, comparison.candidate.average)} instead of ${shown(kpi, comparison.baseline.average)}`) && item.includes(p(comparison.p_value_adjusted ?? comparison.p_value)), item);
      }
    }
  }
  await list.getByRole("link", { name: "Compare before and after New prompt" }).click();
  await eventually(async () => assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, `/use-cases/${OURS}/compare?by=moment&at=${encodeURIComponent(EVENT.at)}&window=${windowOf(answer)}&time_zone=UTC`));
  await page.goBack();
  await list.getByRole("link", { name: "Compare before and after Version 2" }).click();
  await eventually(async () => assert.deepEqual(inAddress(page), { by: "version", baseline: "1", candidate: "2", from: answer.range.from.slice(0, 10), to: daysAfter(answer.range.to.slice(0, 10), -1), time_zone: "UTC" }));
});

/** The bytes and the name of what a click downloads. */
async function downloaded(page, locator) {
  const [download] = await Promise.all([page.waitForEvent("download"), locator.click()]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

test("the series come as CSV, as the API gives them", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}?range=90d&granularity=week&property.plan=paid+%26+more` });
  const link = page.getByRole("link", { name: "Series as CSV" });
  await visible(link);
  const { name, bytes } = await downloaded(page, link);
  assert.equal(name, `dashboard-${OURS}.csv`);
  const parameters = new URLSearchParams({ ...(await range(page)), granularity: "week", "property.plan": "paid & more", format: "csv" });
  const answer = await fetch(`${URL_BASE}/api/v1/dashboard/${OURS}?${parameters}`, { headers: { "xProxy-api-key": ROOT_KEY } });
  assert.equal(bytes.toString(), await answer.text());
  assert.match(bytes.toString(), /^use_case_name,kpi_id,kpi_name,/);
});

test("charts are downloaded as SVG and PNG", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}` });
  const overTime = section(page, "Handling Time over time");
  await chartOf(overTime);
  const width = Number(await overTime.locator("svg").getAttribute("width"));
  const svg = await downloaded(page, overTime.getByRole("button", { name: "as SVG" }));
  assert.equal(svg.name, "handling-time-over-time-by-day.svg");
  const read = await page.evaluate((source) => {
    const found = new DOMParser().parseFromString(source, "image/svg+xml");
    return { root: found.documentElement.localName, namespace: found.documentElement.namespaceURI, errors: found.querySelectorAll("parsererror").length, ground: found.documentElement.firstElementChild.getAttribute("fill"), texts: [...found.querySelectorAll("text")].map((one) => one.textContent) };
  }, svg.bytes.toString());
  assert.deepEqual([read.root, read.namespace, read.errors, read.ground], ["svg", "http://www.w3.org/2000/svg", 0, "#ffffff"]);
  for (const label of ["Average", "Goal: 6.00 min", "v2", "New prompt"]) assert.ok(read.texts.includes(label), `${label} of ${read.texts}`);
  const png = await downloaded(page, overTime.getByRole("button", { name: "as PNG" }));
  assert.equal(png.name, "handling-time-over-time-by-day.png");
  assert.equal(png.bytes.subarray(0, 8).toString("hex"), "89504e470d0a1a0a");
  assert.equal(png.bytes.subarray(12, 16).toString(), "IHDR");
  assert.deepEqual([png.bytes.readUInt32BE(16), png.bytes.readUInt32BE(20)], [2 * width, 2 * 270]);
  // What is in the picture is the chart: its own colours, not an empty ground.
  const colours = await page.evaluate(async (data) => {
    const image = await createImageBitmap(new Blob([Uint8Array.from(atob(data), (one) => one.charCodeAt(0))], { type: "image/png" }));
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const { data: pixels } = context.getImageData(0, 0, image.width, image.height);
    const found = {};
    for (let at = 0; at < pixels.length; at += 4) found[pixels.slice(at, at + 4).join()] = (found[pixels.slice(at, at + 4).join()] ?? 0) + 1;
    return found;
  }, png.bytes.toString("base64"));
  for (const colour of ["255,255,255,255", "53,71,201,255", "122,77,0,255"]) assert.ok(colours[colour] > 50, `${colour}: ${colours[colour]}`);
});

test("a use case without KPIs says what to do", async (t) => {
  const { name: useCase } = await newUseCase(t);
  const page = await open(t, { path: `/use-cases/${useCase}` });
  await visible(page.getByRole("heading", { name: "No KPIs yet" }));
  assert.match(await text(page.getByRole("main")), /Use Cases Reviewed: – No instances were created in the range/);
  assert.equal(await page.getByRole("link", { name: "Series as CSV" }).count(), 0);
  await page.getByRole("link", { name: "Add the first KPI" }).click();
  await eventually(async () => assert.equal(new URL(page.url()).pathname, `/use-cases/${useCase}/configuration`));
});

test("a range without scores offers a longer one, and filters without scores their end", async (t) => {
  const { name: useCase } = await newUseCase(t, [{ name: "Mood", kpi_type: "likert5", goal: 4 }]);
  const timestamp = new Date(Date.now() - 200 * DAY_MS).toISOString();
  await api("PUT", `/api/v1/use_cases/instances/${useCase}/${useCase}-1/kpis/Mood`, { score: 3, timestamp });
  const page = await open(t, { path: `/use-cases/${useCase}` });
  const empty = section(page, "No scores");
  await visible(empty.getByText("Nothing was scored in this range."));
  assert.equal((await figures(page)).panels[0].headline, "No scores (Goal: 4.00)");
  await empty.getByRole("button", { name: "Show the last 90 days" }).click();
  assert.deepEqual(inAddress(page), { range: "90d" });
  await empty.getByRole("button", { name: "Show the last 365 days" }).click();
  assert.deepEqual(inAddress(page), { range: "365d" });
  await gone(empty);
  await showsAnswer(page, useCase, { ...(await range(page)), granularity: "week" });
  await page.goto(`/use-cases/${useCase}?range=365d&version=1&property.plan=none`);
  await visible(empty.getByText("No score fits the range and the filters."));
  await empty.getByRole("button", { name: "Show all versions and properties" }).click();
  assert.deepEqual(inAddress(page), { range: "365d" });
  await gone(empty);
});

test("on paper every chart is drawn, and the filters are left out", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}` });
  await visible(page.getByRole("article"));
  const charts = () => page.locator("main figure div[role=img]").evaluateAll((all) => [all.length, all.filter((one) => one.querySelector("svg path")).length]);
  const [all, some] = await charts();
  assert.ok(all > 20 && some < all, `${some} of ${all} are drawn before`);
  const paper = await page.pdf({ format: "A4" });
  assert.equal(paper.subarray(0, 5).toString(), "%PDF-");
  await eventually(async () => assert.deepEqual(await charts(), [all, all]));
  await page.emulateMedia({ media: "print" });
  assert.equal(await section(page, "Filters").isVisible(), false);
  assert.equal(await page.getByRole("article").first().isVisible(), true);
});

test("what is refused does not stand above the figures from before", async (t) => {
  const page = await open(t, { path: "/use-cases/Chat-Bot?from=2010-01-01&to=2020-01-01&granularity=week", refusals: true });
  await visible(page.getByRole("article"));
  await choose(page, "Granularity", "hour");
  await visible(page.getByText("There is no dashboard until the filters are put right."));
  assert.equal(await page.getByLabel("Granularity", { exact: true }).getAttribute("aria-invalid"), "true");
  assert.equal(await page.getByRole("article").count(), 0);
  assert.equal(await section(page, "Use cases reviewed").count(), 0);
  assert.equal(await page.getByRole("link", { name: "Series as CSV" }).count(), 0);
  await choose(page, "Granularity", "month");
  await visible(page.getByRole("article"));
  assert.equal(await page.getByText("There is no dashboard").count(), 0);
});

test("small numbers and small differences of large ones can be told apart", async (t) => {
  const useCase = unique("Small-Numbers");
  const definition = `/api/v1/use_cases/definitions/${useCase}`;
  for (const kpi of [
    { name: "Cost", kpi_type: "number", goal: 0.004, unit: "$", direction: "lower_is_better", benchmarks: [{ name: "last year", value: 0.0031 }] },
    { name: "Tokens", kpi_type: "number", goal: 12_300, bucket_width: 5 },
    { name: "Saved", kpi_type: "number", goal: 20, unit: "%", benchmarks: [{ name: "industry", value: 15 }] },
    { name: "Steady", kpi_type: "boolean", goal: 1, benchmarks: [{ name: "all of them", value: 1 }] },
  ]) await api("POST", `${definition}/kpis`, kpi);
  const at = (n) => new Date(NOON_MS - (n % 10) * DAY_MS).toISOString();
  const draw = { Cost: (n) => 0.0011 + ((n * 7) % 13) / 1500, Tokens: (n) => 12_320 + ((n * 7) % 60), Saved: (n) => 19 + (n % 4), Steady: () => 1 };
  const instances = Array.from({ length: 40 }, (_, n) => ({ use_case_id: `${useCase}-${n}`, timestamp: at(n) }));
  await each(instances, (instance) => api("POST", `/api/v1/use_cases/instances/${useCase}`, instance));
  const scores = instances.flatMap(({ use_case_id, timestamp }, n) => Object.entries(draw).map(([kpi_name, score]) => ({ use_case_id, kpi_name, timestamp, score: score(n) })));
  assert.equal((await api("POST", `${definition}/scores`, { scores })).rejected, 0);

  const page = await open(t, { path: `/use-cases/${useCase}` });
  await visible(page.getByRole("article"));
  const answer = await dashboard(useCase, { ...(await range(page)), granularity: "day" });
  const wanted = expected(answer).panels;
  const { panels } = await figures(page);
  // The headline is the service's, with two decimals; below it two digits are told whatever the size.
  assert.match(answer.kpis[0].display, /^\$0\.0\d \(Goal: \$0\.00\)$/);
  assert.equal(panels[0].headline, answer.kpis[0].display);
  assert.deepEqual(panels.map((one) => one.figures), wanted.map((one) => one.figures));
  assert.match(panels[0].figures.Average, /^\$0\.00\d+$/);
  const said = await text(section(page, "Benchmarks of Cost"));
  assert.match(said, /last year \(\$0\.0031\)\. .* \$0\.00\d+ instead of \$0\.0031 \(difference \+\$0\.00\d+, between /);
  assert.match(await text(section(page, "Benchmarks of Saved")), /\(difference \+\d\.\d\d percentage points, between \+\d\.\d\d and \+\d\.\d\d with 95% confidence\)/);
  // Many scores, and no verdict all the same: the reason is the service's.
  const steady = await text(section(page, "Benchmarks of Steady"));
  assert.match(steady, /No verdict all of them \(100\.00%\)\. A benchmark of exactly 0% or 100% leaves nothing to chance/);
  assert.match(await text(section(page, "Steady by hour of day")), /too few data, or all scores are equal/);
  const behind = await tables(page);
  for (const [name, pattern] of [["Cost", /^\$0(\.\d{1,3})? to \$0\.\d{1,3}$/], ["Tokens", /^12,\d\d[05] to 12,\d\d[05]$/]]) {
    const ranges = behind[`Distribution of ${name}`].map(([one]) => one);
    assert.ok(ranges.length > 2);
    for (const one of ranges) {
      const [from, to] = one.split(" to ");
      assert.ok(pattern.test(one) && from !== to, one);
    }
    assert.equal(new Set(ranges).size, ranges.length);
  }
  for (const where of ["Cost over time", "Distribution of the scores of Cost", "Tokens over time", "Distribution of the scores of Tokens", "Cost by day of week"]) {
    const { texts } = await drawn(await chartOf(section(page, where)));
    const labels = texts.map(({ text: label }) => label).filter((label) => /^\$?[\d.,]+K?$/.test(label) && !/^\d{1,2}$/.test(label));
    assert.ok(labels.length > 2 && new Set(labels).size === labels.length, `${where}: ${labels}`);
  }
});

test("lines over a distribution stand where their values are, small ones too", async (t) => {
  const useCase = unique("Small-Lines");
  await api("POST", `/api/v1/use_cases/definitions/${useCase}/kpis`, { name: "Cost", kpi_type: "number", goal: 0.004, unit: "$" });
  for (const [at, score] of [0.0015, 0.0055, 0.0095].entries()) await api("PUT", `/api/v1/use_cases/instances/${useCase}/${useCase}-${at}/kpis/Cost`, { score });
  const page = await open(t, { path: `/use-cases/${useCase}` });
  const { texts, paths } = await drawn(await chartOf(section(page, "Distribution of the scores of Cost")));
  const [from, to] = ["$0", "$0.01"].map((edge) => texts.find(({ text: label }) => label === edge).x);
  const verticals = paths.map(({ d, shift }) => pointsOf(d).map(([x, y]) => [x + shift[0], y + shift[1]])).filter((points) => points.length === 2 && Math.abs(points[0][0] - points[1][0]) < 0.5 && Math.abs(points[0][1] - points[1][1]) > 100).map(([[x]]) => x);
  for (const value of [0.004, 0.0055]) assert.ok(verticals.some((x) => Math.abs(x - (from + ((to - from) * value) / 0.01)) < 2), `${value} of ${verticals} between ${from} and ${to}`);
});

test("times and nonsense in an address leave the page whole", async (t) => {
  const page = await open(t, { path: null });
  const first = `${daysAfter(dateOf(NOON_MS), -9)}T00:00:00Z`;
  for (const [search, wanted] of [
    [`from=${first}&to=${daysAfter(dateOf(NOON_MS), -2)}T00:00:00Z`, [-9, -2]],
    [`from=${first}&to=${daysAfter(dateOf(NOON_MS), -2)}T12:30:00%2B02:00`, [-9, -1]],
    ["from=2026-13-40&to=2026-11-01", null],
    ["from=soon&to=later&range=toString", null],
  ]) {
    await page.goto(`/use-cases/Chat-Bot?${search}`);
    await visible(page.getByRole("article"));
    const asked = await range(page);
    if (wanted) assert.deepEqual([asked.from, asked.to], wanted.map((days) => daysAfter(dateOf(NOON_MS), days)), search);
    else assert.equal(await page.getByLabel("Range", { exact: true }).inputValue(), "30d", search);
    await showsAnswer(page, "Chat-Bot", { ...asked, granularity: "day" });
  }
});

test("a year that is being typed asks for nothing until it is a whole one", async (t) => {
  const page = await open(t, { path: `/use-cases/Chat-Bot?from=${daysAfter(dateOf(NOON_MS), -20)}&to=${dateOf(NOON_MS)}` });
  await visible(page.getByRole("article"));
  const asked = [];
  page.on("request", (request) => request.url().includes("/api/v1/dashboard/") && asked.push(new URL(request.url()).searchParams.get("from")));
  const from = page.getByLabel("From", { exact: true });
  const before = await page.evaluate(() => history.length);
  const [year, month, day] = daysAfter(dateOf(NOON_MS), -400).split("-");
  await from.focus();
  // Year first, so that the date is whole all along.
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.type(year, { delay: 30 });
  await eventually(() => assert.equal(inAddress(page).from?.slice(0, 4), year));
  assert.equal(await page.evaluate(() => history.length), before + 1);
  assert.deepEqual(asked.filter((one) => one < "2000"), []);
  await from.fill(`${year}-${month}-${day}`);
  await eventually(() => assert.equal(inAddress(page).from, `${year}-${month}-${day}`));
  // What it is left with is said.
  await from.fill("0202-01-01");
  await from.blur();
  await visible(page.getByText("Dates begin with the year 2000."));
  assert.equal(inAddress(page).from, `${year}-${month}-${day}`);
});
