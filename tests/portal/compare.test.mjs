// Comparisons: what is compared is what was chosen, and what is said is what the API answers to the same question.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, cells, chartOf, each, eventually, isShare, newUseCase, open, percentage, shown, shownDifference, tables, text, unique, visible } from "./support.mjs";

const DAY_MS = 86_400_000;
const EVERYTHING = "2000-01-01";
const dateOf = (ms) => new Date(ms).toISOString().slice(0, 10);
const daysAfter = (date, days) => dateOf(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS);
const count = (number) => number.toLocaleString("en-US");
const scores = (number) => `${count(number)} ${number === 1 ? "score" : "scores"}`;
const p = (number) => (number < 0.001 ? "p < 0.001" : `p = ${number.toFixed(3)}`);
const capital = (words) => words[0].toUpperCase() + words.slice(1);
const VERDICTS = { improved: "Better", worsened: "Worse", no_significant_change: "No significant difference", insufficient_data: "No verdict" };

// Two use cases of these tests: three versions, a property, an event, benchmarks; KPIs of which two are in both.
const OURS = unique("Compared");
const THEIRS = unique("Compared-With");
const NOON_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS - DAY_MS / 2;
const RISES = [-20, -8].map((days) => new Date(NOON_MS + days * DAY_MS).toISOString());
const EVENT = { at: new Date(NOON_MS - 14 * DAY_MS).toISOString(), title: "New model" };
const BENCHMARKS = [{ name: "industry", value: 0.35 }, { name: "last year", value: 0.9 }];
const KPIS = {
  [OURS]: [
    { name: "Solved", kpi_type: "boolean", goal: 0.5, benchmarks: BENCHMARKS },
    { name: "Handling Time", kpi_type: "number", goal: 6, unit: "min", direction: "lower_is_better" },
    { name: "Mood", kpi_type: "likert5", goal: 3 },
    { name: "Coverage", kpi_type: "percentage", goal: 0.5 },
  ],
  [THEIRS]: [
    { name: "Solved", kpi_type: "boolean", goal: 0.4 },
    { name: "Handling Time", kpi_type: "number", goal: 6, unit: "min", direction: "lower_is_better" },
    // The same name, another type.
    { name: "Mood", kpi_type: "likert7", goal: 4 },
  ],
};
const DRAWN = {
  // Better with every version; times get shorter.
  Solved: (n, version) => Number((n * 7) % 10 < 2 + 2 * version),
  "Handling Time": (n, version) => 12 - 3 * version + ((n * 13) % 17) / 4,
  Mood: (n) => 1 + ((n * 3) % 5),
};

before(async () => {
  for (const useCase of [OURS, THEIRS]) {
    const definition = `/api/v1/use_cases/definitions/${useCase}`;
    for (const kpi of KPIS[useCase]) await api("POST", `${definition}/kpis`, kpi);
    for (const timestamp of useCase === OURS ? RISES : []) await api("POST", `${definition}/increment_version`, { timestamp });
    const instances = Array.from({ length: useCase === OURS ? 78 : 30 }, (_, n) => {
      const timestamp = new Date(NOON_MS - 27 * DAY_MS + Math.floor(n / 3) * DAY_MS + (n % 3) * 3_600_000).toISOString();
      const version = useCase === OURS ? 1 + RISES.filter((rise) => rise <= timestamp).length : 1;
      return { use_case_id: `${useCase}-${n}`, timestamp, version, properties: n % 7 === 6 ? {} : { plan: ["free", "paid", "trial & more"][n % 3] } };
    });
    await each(instances, (instance) => api("POST", `/api/v1/use_cases/instances/${useCase}`, instance));
    const all = instances.flatMap(({ use_case_id, timestamp, version }, n) => Object.entries(DRAWN).map(([kpi_name, draw]) => ({ use_case_id, kpi_name, timestamp, score: draw(n, version) })));
    // Enough in the first version, one score in the second, none in the third.
    const covered = useCase === OURS ? [0, 1, 2, 3, instances.findIndex(({ version }) => version === 2)] : [];
    for (const n of covered) all.push({ use_case_id: instances[n].use_case_id, kpi_name: "Coverage", score: 0.25 + n / 100, timestamp: instances[n].timestamp });
    const { rejected } = await api("POST", `${definition}/scores`, { scores: all });
    assert.equal(rejected, 0);
  }
  await api("POST", `/api/v1/use_cases/definitions/${OURS}/events`, EVENT);
});
after(() => each([OURS, THEIRS], (useCase) => api("DELETE", `/api/v1/use_cases/definitions/${useCase}`)));

const compare = (useCase, parameters) => api("GET", `/api/v1/dashboard/${useCase}/compare?${new URLSearchParams(parameters)}`);
const dashboard = (useCase, parameters) => api("GET", `/api/v1/dashboard/${useCase}?${new URLSearchParams({ ...parameters, granularity: "month" })}`);
const region = (page, name) => page.getByRole("region", { name, exact: true });
const field = (page, label) => page.getByLabel(label, { exact: true });
const choose = (page, label, option) => field(page, label).selectOption(option);
const inAddress = (page) => Object.fromEntries(new URL(page.url()).searchParams);
const mode = (page, name) => page.getByRole("radio", { name, exact: true }).check();

/** What the range of the filters is to the API. */
async function range(page) {
  return { from: await field(page, "From").inputValue(), to: daysAfter(await field(page, "To").inputValue(), 1), time_zone: await field(page, "Time zone").inputValue() };
}

/** `Version 2 is worse: 20.71% instead of 31.64% (difference …). This is very unlikely to be chance (p < 0.001).` */
function sentence(kpi, names) {
  const average = "benchmark" in kpi.baseline ? kpi.baseline.benchmark : kpi.baseline.average;
  if (kpi.verdict === "insufficient_data") {
    const why = kpi.reason.replace(/^baseline and candidate\b/, names.join(" and ")).replace(/\bthe baseline\b/, names[0]).replace(/\bthe candidate\b/, names[1]);
    return `${capital(why)}.`;
  }
  const [from, to] = [shown(kpi, average), shown(kpi, kpi.candidate.average)];
  const said = kpi.verdict === "no_significant_change" ? `No significant difference: ${to} for ${names[1]}, ${from} for ${names[0]}`
    : `${capital(names[1])} is ${kpi.verdict === "improved" ? "better" : "worse"}: ${to} instead of ${from}`;
  const end = (number) => shownDifference(kpi, number).replace(" percentage points", "");
  const { low, high } = kpi.confidence_interval;
  const chance = kpi.p_value_adjusted ?? kpi.p_value;
  const words = kpi.verdict === "no_significant_change" ? "It may well be chance" : chance < 0.001 ? "This is very unlikely to be chance" : chance < 0.01 ? "This is unlikely to be chance" : "This is probably not chance";
  const adjusted = kpi.p_value_adjusted === undefined ? "" : ", adjusted for several comparisons";
  return `${said} (difference ${shownDifference(kpi, kpi.difference)}, between ${end(low)} and ${end(high)} with 95% confidence). ${words} (${p(chance)}${adjusted}).`;
}

/** What an answer is on the page, in its own words. */
function expected({ comparisons }, names) {
  return comparisons.map((kpi) => {
    const side = (name, { benchmark, ...figures }) => [
      capital(name),
      ...(benchmark !== undefined ? [shown(kpi, benchmark)]
        : [shown(kpi, figures.average), scores(figures.count) + (figures.standard_deviation === null ? "" : ` · SD ${shown(kpi, figures.standard_deviation)}`)]),
    ];
    return {
      title: kpi.benchmark_name ? `${kpi.kpi_name}: ${kpi.benchmark_name}` : kpi.kpi_name,
      verdict: VERDICTS[kpi.verdict],
      sentence: sentence(kpi, names),
      sides: [side(names[0], kpi.baseline), side(names[1], kpi.candidate)],
      interval: kpi.confidence_interval && kpi.difference !== null
        ? `Difference of ${kpi.kpi_name}: ${shownDifference(kpi, kpi.difference)}, from ${shownDifference(kpi, kpi.confidence_interval.low)} to ${shownDifference(kpi, kpi.confidence_interval.high)}` : null,
    };
  });
}

const found = (page) =>
  page.getByRole("article").evaluateAll((articles) => {
    const plain = (element) => element.innerText.replace(/\s+/g, " ").trim();
    return articles.map((article) => ({
      title: plain(article.querySelector("h2")),
      verdict: plain(article.querySelector(".badge")).replace(/^[^\p{L}]+/u, ""),
      sentence: plain(article.querySelector(".sentence")),
      sides: [...article.querySelectorAll("dl > div")].map((side) => [...side.children].map(plain)),
      interval: article.querySelector("[role=img][aria-label^='Difference of']")?.getAttribute("aria-label") ?? null,
    }));
  });

/** Waits until the page shows what the API answers to these parameters. */
async function showsAnswer(page, useCase, parameters, names) {
  const answer = await compare(useCase, parameters);
  await eventually(async () => assert.deepEqual(await found(page), expected(answer, names)));
  const tally = ["worsened", "improved", "no_significant_change", "insufficient_data"].map((verdict) => [answer.comparisons.filter((one) => one.verdict === verdict).length, VERDICTS[verdict]]).filter(([number]) => number > 0);
  await eventually(async () => assert.equal((await text(region(page, "Summary of the comparison"))).replace(/[▲▼=…]\s/g, ""), tally.flat().join(" ")));
  return answer;
}

/** The table of both distributions of a KPI is that of these two dashboards. */
async function showsDistributions(page, kpiName, names, sides) {
  const panels = sides.map(({ kpis }) => kpis.find(({ kpi_name }) => kpi_name === kpiName));
  const bins = panels.map(({ distribution, count: all, kpi_type, unit }) => {
    const edge = (number) => (isShare({ kpi_type }) ? `${100 * number}%` : (unit === "$" ? "$" : "") + number.toLocaleString("en-US", { maximumFractionDigits: 2 }));
    const counts = distribution.kind === "boolean" ? [["True", distribution.true], ["False", distribution.false]]
      : distribution.buckets.map(({ point, from, to, count: number }) => [point !== undefined ? String(point) : `${edge(from)} to ${edge(to)}`, number]);
    return { cell: (name) => { const number = new Map(counts).get(name) ?? 0; return `${percentage((100 * number) / all)} (${count(number)})`; }, names: counts.map(([name]) => name) };
  });
  const label = `Distributions of ${kpiName}: ${names.map(capital).join(" and ")}`;
  await visible(page.locator(`figure:has(div[role=img][aria-label="${label}"])`));
  const rows = (await tables(page))[label];
  assert.deepEqual(new Set(rows.map(([name]) => name)), new Set(bins.flatMap((bin) => bin.names)));
  assert.deepEqual(rows, rows.map(([name]) => [name, bins[0].cell(name), bins[1].cell(name)]));
}

test("two versions are compared over all time, or over a range", async (t) => {
  const page = await open(t, { path: "/use-cases/Chat-Bot/compare" });
  const names = ["version 1", "version 2"];
  const all = await showsAnswer(page, "Chat-Bot", { by: "version", baseline: 1, candidate: 2 }, names);
  assert.equal(all.comparisons[0].verdict, "worsened");
  const sides = await Promise.all([1, 2].map((version) => dashboard("Chat-Bot", { from: EVERYTHING, version })));
  for (const kpi of ["Deflection Rate", "User Satisfaction"]) await showsDistributions(page, kpi, names, sides);
  await choose(page, "Baseline version", "2");
  await visible(page.getByText("Both sides are the same: choose two different versions."));
  assert.equal(await page.getByRole("article").count(), 0);
  await choose(page, "Compared version", "1");
  assert.deepEqual(inAddress(page), { by: "version", baseline: "2", candidate: "1" });
  const reversed = await showsAnswer(page, "Chat-Bot", { by: "version", baseline: 2, candidate: 1 }, ["version 2", "version 1"]);
  assert.equal(reversed.comparisons[0].verdict, "improved");
  await choose(page, "Range", "90d");
  assert.deepEqual(inAddress(page), { by: "version", baseline: "2", candidate: "1", range: "90d" });
  await showsAnswer(page, "Chat-Bot", { by: "version", baseline: 2, candidate: 1, ...(await range(page)) }, ["version 2", "version 1"]);
});

test("the difference is drawn with its interval, on its own side of none", async (t) => {
  const page = await open(t, { path: "/use-cases/Chat-Bot/compare" });
  const { comparisons: [kpi] } = await compare("Chat-Bot", { by: "version", baseline: 1, candidate: 2 });
  const difference = region(page, "Difference of Deflection Rate");
  const chart = await chartOf(difference);
  const drawn = await chart.locator("svg").evaluate((svg) => {
    const boxes = [...svg.querySelectorAll("path")].map((path) => ({ stroke: path.getAttribute("stroke"), fill: path.getAttribute("fill"), thick: Number(path.getAttribute("stroke-width") ?? 1), box: path.getBoundingClientRect().toJSON() }));
    return { boxes, labels: [...svg.querySelectorAll("text")].map((label) => label.textContent) };
  });
  const bar = drawn.boxes.find(({ thick, stroke }) => thick === 8 && stroke !== "none");
  const none = drawn.boxes.find(({ stroke, thick, box }) => thick === 1.5 && stroke === "#171b24" && box.height > 20);
  const dot = drawn.boxes.find(({ fill, box }) => fill === bar.stroke && Math.abs(box.width - 12) < 3);
  assert.equal(bar.stroke, "#a8232f", "worse is red");
  const zero = none.box.x + none.box.width / 2;
  // One scale holds for the ends of the interval and for the difference between them.
  const scale = (bar.box.x - zero) / kpi.confidence_interval.low;
  assert.ok(bar.box.right < zero && scale > 0);
  assert.ok(Math.abs(bar.box.right - (zero + scale * kpi.confidence_interval.high)) < 2);
  assert.ok(Math.abs(dot.box.x + dot.box.width / 2 - (zero + scale * kpi.difference)) < 2);
  assert.ok(drawn.labels.includes("0") && drawn.labels.some((label) => /^\+\d+ pp$/.test(label)) && drawn.labels.some((label) => /^−\d+ pp$/.test(label)), drawn.labels.join());
  assert.match(await text(difference), /^Difference with its 95% interval .* ← Worse No difference Better →$/);
});

test("where lower is better, less is better in words too", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}/compare?by=version&baseline=1&candidate=3` });
  const { comparisons } = await showsAnswer(page, OURS, { by: "version", baseline: 1, candidate: 3 }, ["version 1", "version 3"]);
  const time = comparisons.find(({ kpi_name }) => kpi_name === "Handling Time");
  assert.ok(time.difference < 0 && time.verdict === "improved");
  assert.match(await text(region(page, "Difference of Handling Time")), /← Better No difference Worse →/);
  const sides = await Promise.all([1, 3].map((version) => dashboard(OURS, { from: EVERYTHING, version })));
  await showsDistributions(page, "Handling Time", ["version 1", "version 3"], sides);
});

test("what can't be told yet is said in words, with the sides by their names", async (t) => {
  const page = await open(t, { path: null });
  for (const [baseline, candidate] of [[1, 2], [2, 1], [2, 3]]) {
    await page.goto(`/use-cases/${OURS}/compare?by=version&baseline=${baseline}&candidate=${candidate}`);
    const { comparisons } = await showsAnswer(page, OURS, { by: "version", baseline, candidate }, [`version ${baseline}`, `version ${candidate}`]);
    assert.equal(comparisons.find(({ kpi_name }) => kpi_name === "Coverage").verdict, "insufficient_data");
    const said = await text(page.getByRole("article", { name: "Coverage" }));
    assert.match(said, /No verdict .*version [123]/i);
    assert.doesNotMatch(said, /baseline|candidate|NaN|null|undefined/i);
  }
});

test("three versions stand side by side, ranked", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}/compare` });
  await showsBreakdown(page, OURS, "All versions", { by: "version", from: EVERYTHING }, (value) => `Version ${value}`);
  await choose(page, "Range", "7d");
  const { time_zone, ...days } = await range(page);
  await showsBreakdown(page, OURS, "All versions", { by: "version", ...days, time_zone }, (value) => `Version ${value}`);
});

/** The table of all values of each KPI is the API's. */
async function showsBreakdown(page, useCase, heading, parameters, name) {
  const { kpis } = await api("GET", `/api/v1/dashboard/${useCase}/breakdown?${new URLSearchParams(parameters)}`);
  const part = region(page, heading);
  for (const kpi of kpis) {
    if (kpi.values.length === 0) continue;
    const rows = kpi.values.map((one) => {
      const against = one.against_others;
      return [name(one.value), one.rank === null ? "–" : String(one.rank), shown(kpi, one.average), count(one.count), percentage(one.share_percentage), one.goal_met === null ? "○ No scores" : one.goal_met ? "✓ Goal met" : "✕ Goal missed", against];
    });
    await eventually(async () => {
      const read = await cells(part.getByRole("table", { name: `${heading} by ${kpi.kpi_name}`, exact: true }));
      assert.deepEqual(read.map((row) => row.slice(0, -1)), rows.map((row) => row.slice(0, -1)));
      for (const [at, row] of rows.entries()) {
        const [said, against] = [read[at].at(-1), row.at(-1)];
        assert.ok(said.includes(VERDICTS[against.verdict]), said);
        if (against.verdict === "insufficient_data") continue;
        const chance = p(against.p_value_adjusted ?? against.p_value);
        assert.ok(said.includes(`${shown(kpi, against.candidate.average)} instead of ${shown(kpi, against.baseline.average)}: ${shownDifference(kpi, against.difference)}`) && said.includes(chance), said);
      }
    });
  }
  return kpis;
}

test("a period is compared with the one before, the year before, or dates of one's own", async (t) => {
  const page = await open(t, { path: "/use-cases/Chat-Bot/compare" });
  await mode(page, "Periods");
  assert.deepEqual(inAddress(page), { by: "period" });
  await showsAnswer(page, "Chat-Bot", { by: "period", baseline: "previous", ...(await range(page)) }, ["the time just before", "this period"]);
  await choose(page, "Range", "7d");
  const week = await range(page);
  const { baseline, candidate } = await showsAnswer(page, "Chat-Bot", { by: "period", baseline: "previous", ...week }, ["the time just before", "this period"]);
  const sides = await Promise.all([baseline, candidate].map(({ from, to }) => dashboard("Chat-Bot", { from, to })));
  await showsDistributions(page, "User Satisfaction", ["the time just before", "this period"], sides);
  await choose(page, "Compare the range with", "previous_year");
  const year = await showsAnswer(page, "Chat-Bot", { by: "period", baseline: "previous_year", ...week }, ["the same time a year ago", "this period"]);
  assert.deepEqual(year.comparisons.map(({ verdict }) => verdict), ["insufficient_data", "insufficient_data"]);
  await choose(page, "Compare the range with", "own");
  // To begin with the days just before, as many.
  assert.equal(await field(page, "Baseline to").inputValue(), daysAfter(week.from, -1));
  assert.equal(await field(page, "Baseline from").inputValue(), daysAfter(week.from, -7));
  const [first, last] = [daysAfter(week.from, -70), daysAfter(week.from, -41)];
  await field(page, "Baseline from").fill(first);
  await field(page, "Baseline to").fill(last);
  assert.deepEqual(inAddress(page), { by: "period", range: "7d", baseline_from: first, baseline_to: last });
  // The last day is included.
  await showsAnswer(page, "Chat-Bot", { by: "period", ...week, baseline_from: first, baseline_to: daysAfter(last, 1) }, ["the other period", "this period"]);
});

test("before and after an event, or a moment of one's own", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}/compare` });
  const names = ["the time before", "the time after"];
  await mode(page, "Before and after");
  await showsAnswer(page, OURS, { by: "moment", at: EVENT.at, window: "7d" }, names);
  assert.match(await text(field(page, "Event").locator("option:checked")), /^New model \(/);
  assert.equal(await field(page, "Moment").inputValue(), EVENT.at.slice(0, 16));
  await field(page, "Window").fill("4d");
  await field(page, "Window").press("Enter");
  assert.deepEqual(inAddress(page), { by: "moment", at: EVENT.at, window: "4d" });
  await showsAnswer(page, OURS, { by: "moment", at: EVENT.at, window: "4d" }, names);
  // As clocks show it in the zone of the filters.
  await field(page, "Time zone").fill("Asia/Tokyo");
  await field(page, "Time zone").press("Enter");
  await eventually(async () => assert.equal(await field(page, "Moment").inputValue(), new Date(Date.parse(EVENT.at) + 9 * 3_600_000).toISOString().slice(0, 16)));
  const rise = Date.parse(RISES[1]);
  await field(page, "Moment").fill(new Date(rise + 9 * 3_600_000).toISOString().slice(0, 16));
  await field(page, "Moment").blur();
  assert.equal(inAddress(page).at, RISES[1]);
  await showsAnswer(page, OURS, { by: "moment", at: RISES[1], window: "4d", time_zone: "Asia/Tokyo" }, names);
  assert.equal(await text(field(page, "Event").locator("option:checked")), "A moment of your own");
});

test("two values of a property, and all of them ranked", async (t) => {
  const page = await open(t, { path: "/use-cases/Content-Generator/compare" });
  await mode(page, "Property values");
  await visible(field(page, "Baseline value"));
  await choose(page, "Property", "model_version");
  await choose(page, "Baseline value", "writer-2");
  await choose(page, "Compared value", "writer-1");
  await choose(page, "Range", "90d");
  assert.deepEqual(inAddress(page), { by: "property", key: "model_version", baseline: "writer-2", candidate: "writer-1", range: "90d" });
  const days = await range(page);
  const names = ["“writer-2”", "“writer-1”"];
  await showsAnswer(page, "Content-Generator", { by: "property", key: "model_version", baseline: "writer-2", candidate: "writer-1", ...days }, names);
  const sides = await Promise.all(["writer-2", "writer-1"].map((value) => dashboard("Content-Generator", { ...days, "property.model_version": value })));
  await showsDistributions(page, "Response Quality", names, sides);
  const [{ values }] = await showsBreakdown(page, "Content-Generator", "All values of model_version", { by: "property:model_version", ...days }, String);
  assert.equal(values.length, 2);
  // A filter by another property holds for both sides and the table.
  await choose(page, "Filter by property", "region");
  await choose(page, "Value of region", "eu");
  const filtered = { ...days, "property.region": "eu" };
  await showsAnswer(page, "Content-Generator", { by: "property", key: "model_version", baseline: "writer-2", candidate: "writer-1", ...filtered }, names);
  await showsBreakdown(page, "Content-Generator", "All values of model_version", { by: "property:model_version", ...filtered }, String);
  await choose(page, "Property", "region");
  assert.equal(inAddress(page).key, "region");
  assert.deepEqual([inAddress(page).baseline, inAddress(page).candidate], [undefined, undefined]);
});

test("instances without a property are a value too, and the rest of a ranking has reasons", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}/compare?by=property&key=plan&baseline=free&candidate=${encodeURIComponent("trial & more")}` });
  const days = await range(page);
  await showsAnswer(page, OURS, { by: "property", key: "plan", baseline: "free", candidate: "trial & more", ...days }, ["“free”", "“trial & more”"]);
  const kpis = await showsBreakdown(page, OURS, "All values of plan", { by: "property:plan", ...days }, (value) => value ?? "without plan");
  assert.ok(kpis[0].values.some(({ value }) => value === null));
});

test("use cases are compared by the KPIs that both have", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}/compare` });
  await mode(page, "Use cases");
  await visible(page.getByText("Choose the other use case."));
  const options = await field(page, "Other use case").locator("option").allInnerTexts();
  assert.ok(options.includes("Chat-Bot") && options.includes(THEIRS) && !options.includes(OURS));
  await choose(page, "Other use case", THEIRS);
  assert.deepEqual(inAddress(page), { by: "use_case", candidate: THEIRS });
  const days = await range(page);
  const names = ["this use case", `“${THEIRS}”`];
  const { comparisons } = await showsAnswer(page, OURS, { by: "use_case", candidate: THEIRS, ...days }, names);
  assert.deepEqual(comparisons.map(({ kpi_name }) => kpi_name), ["Solved", "Handling Time"]);
  await showsDistributions(page, "Solved", names, await Promise.all([OURS, THEIRS].map((useCase) => dashboard(useCase, days))));
  await choose(page, "Other use case", "Chat-Bot");
  await visible(page.getByText("The two use cases have no KPI of the same name and type."));
});

test("benchmarks: those of the definition, and a value of one's own", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}/compare` });
  await mode(page, "Benchmarks");
  const names = ["the benchmark", "the average"];
  const { comparisons } = await showsAnswer(page, OURS, { by: "benchmark", ...(await range(page)) }, names);
  assert.deepEqual(comparisons.map(({ benchmark_name }) => benchmark_name), BENCHMARKS.map(({ name }) => name));
  const solved = page.getByRole("article", { name: "Solved: industry" });
  await visible(solved.getByRole("heading", { name: "Distribution of the scores" }));
  await choose(page, "KPI", "Solved");
  // Shares are put in as percentages.
  await field(page, "Benchmark value (optional)").fill("62.5");
  await field(page, "Benchmark value (optional)").press("Enter");
  assert.deepEqual(inAddress(page), { by: "benchmark", kpi: "Solved", value: "0.625" });
  await showsAnswer(page, OURS, { by: "benchmark", kpi: "Solved", value: 0.625, ...(await range(page)) }, names);
  await choose(page, "KPI", "Handling Time");
  await visible(page.getByText("min", { exact: true }));
  await field(page, "Benchmark value (optional)").fill("4.2");
  await field(page, "Benchmark value (optional)").press("Enter");
  assert.deepEqual(inAddress(page), { by: "benchmark", kpi: "Handling Time", value: "4.2" });
  await showsAnswer(page, OURS, { by: "benchmark", kpi: "Handling Time", value: 4.2, ...(await range(page)) }, names);
  const mark = await chartOf(region(page, "Distributions of Handling Time"));
  assert.ok((await mark.locator("svg text").allTextContents()).includes("Benchmark 4.20 min"));
  await field(page, "Benchmark value (optional)").fill("");
  await field(page, "Benchmark value (optional)").press("Enter");
  await visible(page.getByText("No KPI has a benchmark yet."));
});

test("what the API refuses stands at the control that it is about", async (t) => {
  const page = await open(t, { path: null, refusals: true });
  for (const [search, label] of [
    ["by=version&baseline=1&candidate=9", "Compared version"],
    ["by=version&baseline=8&candidate=2", "Baseline version"],
    ["by=moment&at=2026-10-01T00:00:00Z&window=9q", "Window"],
    ["by=moment&at=soon&window=7d", "Moment"],
    ["by=period&baseline=soon", "Compare the range with"],
    ["by=use_case&candidate=No-Such", "Other use case"],
    ["by=benchmark&kpi=Nope&value=0.3", "KPI"],
    ["by=benchmark&kpi=User+Satisfaction&value=9", "Benchmark value (optional)"],
    ["by=benchmark&version=7", "Version"],
    ["by=period&baseline_from=2026-10-09&baseline_to=2026-10-01", "Baseline from"],
  ]) {
    const answered = page.waitForResponse((answer) => answer.url().includes("/api/v1/dashboard/Chat-Bot/compare?"));
    await page.goto(`/use-cases/Chat-Bot/compare?${search}`);
    const { message } = await (await answered).json();
    const control = field(page, label);
    await eventually(async () => assert.equal(await control.getAttribute("aria-invalid"), "true", search));
    const error = page.locator(`[id="${(await control.getAttribute("aria-describedby")).split(" ").at(-1)}"]`);
    assert.equal((await text(error)).replace(/\.$/, ""), capital(message), search);
    assert.equal(await page.locator("[aria-invalid=true]").count(), 1, search);
    assert.equal(await page.getByRole("article").count(), 0);
    await visible(page.getByText("There is no comparison until the choices above are put right."));
  }
  // Put right, it is there.
  await page.goto("/use-cases/Chat-Bot/compare?by=moment&at=2026-10-01T00:00:00Z&window=9q");
  await visible(page.getByText(/must be a number of hours, days or weeks/));
  await field(page, "Window").fill("2w");
  await field(page, "Window").press("Enter");
  await showsAnswer(page, "Chat-Bot", { by: "moment", at: "2026-10-01T00:00:00Z", window: "2w" }, ["the time before", "the time after"]);
});

test("an unknown key of a property says that nothing has it", async (t) => {
  const page = await open(t, { path: "/use-cases/Chat-Bot/compare?by=property&key=nothing&baseline=a&candidate=b" });
  await showsAnswer(page, "Chat-Bot", { by: "property", key: "nothing", baseline: "a", candidate: "b", ...(await range(page)) }, ["“a”", "“b”"]);
});

test("the address is the comparison: another browser, back and forward", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}/compare` });
  await showsAnswer(page, OURS, { by: "version", baseline: 2, candidate: 3 }, ["version 2", "version 3"]);
  await mode(page, "Property values");
  await visible(field(page, "Baseline value"));
  await choose(page, "Baseline value", "paid");
  await choose(page, "Compared value", "trial & more");
  await choose(page, "Version", "2");
  const days = await range(page);
  const asked = { by: "property", key: "plan", baseline: "paid", candidate: "trial & more", version: 2, ...days };
  const names = ["“paid”", "“trial & more”"];
  await showsAnswer(page, OURS, asked, names);
  const other = await open(t, { path: page.url(), fresh: true });
  await showsAnswer(other, OURS, asked, names);
  assert.equal(await other.getByRole("radio", { name: "Property values" }).isChecked(), true);
  assert.deepEqual([await field(other, "Baseline value").inputValue(), await field(other, "Compared value").inputValue(), await field(other, "Version").inputValue()], ["paid", "trial & more", "2"]);
  // The choices of one mode end with it; the filters stay.
  await mode(page, "Periods");
  assert.deepEqual(inAddress(page), { by: "period", version: "2" });
  await page.goBack();
  await showsAnswer(page, OURS, asked, names);
  while (Object.keys(inAddress(page)).length > 0) await page.goBack();
  await showsAnswer(page, OURS, { by: "version", baseline: 2, candidate: 3 }, ["version 2", "version 3"]);
  await page.goForward();
  await eventually(async () => assert.equal(await page.getByRole("radio", { name: "Property values" }).isChecked(), true));
});

test("one version, no KPIs, no properties: what is missing is said", async (t) => {
  const { name: bare } = await newUseCase(t);
  const page = await open(t, { path: `/use-cases/${bare}/compare` });
  await visible(page.getByText("This use case has no KPIs yet."));
  assert.equal(await page.getByRole("radio", { name: "Periods" }).isChecked(), true);
  await mode(page, "Versions");
  await visible(page.getByText("This use case has one version only."));
  await mode(page, "Property values");
  await visible(page.getByText("No instance has properties yet"));
  await mode(page, "Before and after");
  await visible(page.getByText("Choose an event, or a moment of your own"));
  await mode(page, "Benchmarks");
  await visible(page.getByText("No KPI has a benchmark yet."));
});

test("a filter by the property whose values are compared is left out, and that is said", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}/compare?by=property&key=plan&baseline=free&candidate=paid&property.plan=free` });
  const days = await range(page);
  const names = ["“free”", "“paid”"];
  const answer = await showsAnswer(page, OURS, { by: "property", key: "plan", baseline: "free", candidate: "paid", ...days }, names);
  assert.ok(answer.comparisons[0].candidate.count > 0);
  await visible(page.getByText("The filter by plan is left out here: its values are compared."));
  const [{ values }] = await showsBreakdown(page, OURS, "All values of plan", { by: "property:plan", ...days }, (value) => value ?? "without plan");
  assert.ok(values.length > 2);
  // Everywhere else it holds.
  await mode(page, "Periods");
  await showsAnswer(page, OURS, { by: "period", baseline: "previous", "property.plan": "free", ...days }, ["the time just before", "this period"]);
  assert.equal(await page.getByText("is left out here").count(), 0);
});

test("the table of all values is never that of something else", async (t) => {
  const page = await open(t, { path: `/use-cases/${OURS}/compare`, failures: true });
  await visible(region(page, "All versions").getByRole("table"));
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  await page.route((url) => url.pathname.endsWith("/breakdown") && url.searchParams.get("by") === "property:plan", async (route) => {
    await held;
    await route.fulfill({ status: 500, json: { message: "not now" } });
  });
  await mode(page, "Property values");
  const values = region(page, "All values of plan");
  await visible(values.getByText("Loading All values of plan"));
  assert.equal(await values.getByRole("table").count(), 0);
  release();
  await visible(values.getByText("The values can't be shown side by side."));
  assert.equal(await values.getByRole("table").count(), 0);
  assert.equal(await region(page, "All versions").count(), 0);
});

test("dates of an address that are none are refused by name, and times are taken by their day", async (t) => {
  const page = await open(t, { path: null, refusals: true });
  await page.goto("/use-cases/Chat-Bot/compare?by=period&baseline_from=2026-10-01&baseline_to=2026-13-40");
  await eventually(async () => assert.equal(await field(page, "Baseline to").getAttribute("aria-invalid"), "true"));
  await page.goto("/use-cases/Chat-Bot/compare?by=period&range=toString&baseline=previous");
  await showsAnswer(page, "Chat-Bot", { by: "period", baseline: "previous", ...(await range(page)) }, ["the time just before", "this period"]);
  await page.goto("/use-cases/Chat-Bot/compare?by=period&from=2026-11-01T00:00:00Z&to=2026-11-08T00:00:00Z&baseline_from=2026-10-25T00:00:00Z&baseline_to=2026-11-01T00:00:00Z");
  assert.deepEqual(await range(page), { from: "2026-11-01", to: "2026-11-08", time_zone: "UTC" });
  await showsAnswer(page, "Chat-Bot", { by: "period", from: "2026-11-01", to: "2026-11-08", baseline_from: "2026-10-25", baseline_to: "2026-11-01" }, ["the other period", "this period"]);
});
