// make demo: fills a running service, through its public API, with the use cases of a GenAI team: 90 days, weekly rhythm, two
// version changes, one of them a visible regression. Seeded: every run on the same day makes the same data.
//
// Environment: EDGE_KPI_URL (else PORT on this machine), EDGE_KPI_API_KEY (else ROOT_API_KEY, else the key that `make dev` keeps
// under STATE_DIR). Option: --json FILE writes the figures that are printed at the end.
import { readFileSync, writeFileSync } from "node:fs";

const URL_BASE = process.env.EDGE_KPI_URL ?? `http://127.0.0.1:${process.env.PORT ?? 8787}`;
const DAYS = 90;
const DAY_MS = 86_400_000;
const DEMO = "Demo:"; // what the description of a use case that this script may replace begins with
const PARALLEL = 8;
// One of those with which, on whatever weekday the demo is made, the planted regression is significant and nothing else is.
const SEED = 27_000;

// The last full day ends the demo.
const END_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS;
const START_MS = END_MS - DAYS * DAY_MS;

const USE_CASES = [
  {
    name: "Chat-Bot",
    description: `${DEMO} answers customers' questions before an agent has to`,
    instances: 2000,
    // Version 2 answers faster and helps less: the regression to find.
    versions: [{ day: 60 }],
    kpis: [
      { name: "Deflection Rate", kpi_type: "boolean", goal: 0.25, description: "Sessions that needed no agent",
        reviewed: 0.9, draw: (random, { version }) => Number(random() < (version === 1 ? 0.31 : 0.19)) },
      { name: "User Satisfaction", kpi_type: "likert5", goal: 3.5, description: "The user's rating at the end",
        reviewed: 0.55, draw: (random) => likert(random, 3.7, 1.0) },
    ],
  },
  {
    name: "Image-Ad",
    description: `${DEMO} makes pictures for advertisements`,
    instances: 2000,
    // A change that changes nothing.
    versions: [{ day: 45 }],
    kpis: [
      { name: "Clickthrough Rate", kpi_type: "boolean", goal: 0.05, description: "Ads that were clicked",
        reviewed: 0.95, draw: (random) => Number(random() < 0.055) },
      { name: "Close Rate", kpi_type: "boolean", goal: 0.01, description: "Ads that led to a sale",
        reviewed: 0.95, draw: (random) => Number(random() < 0.012) },
      { name: "Conversion $ Value", kpi_type: "number", goal: 10, unit: "$", description: "What a conversion is worth",
        reviewed: 0.4, draw: (random) => Math.round(100 * Math.exp(2.3 + 0.65 * normal(random))) / 100 },
      { name: "Customer Satisfaction", kpi_type: "likert5", goal: 3.5, description: "Asked after the purchase",
        reviewed: 0.3, draw: (random) => likert(random, 3.85, 0.9) },
    ],
  },
  {
    name: "Content-Generator",
    description: `${DEMO} writes product texts`,
    instances: 1000,
    versions: [],
    properties: (random) => ({ model_version: random() < 0.5 ? "writer-1" : "writer-2", region: ["eu", "us", "apac"][Math.floor(random() * 3)] }),
    kpis: [
      { name: "Response Quality", kpi_type: "likert5", goal: 4.0, description: "The editor's rating",
        reviewed: 0.88, draw: (random) => likert(random, 4.05, 0.8) },
    ],
  },
];

async function main() {
  const key = apiKey();
  const api = (method, path, body, headers = {}) => call(key, method, path, body, headers);
  await api("GET", "/api/v1/use_cases/definitions?limit=1");
  for (const [at, useCase] of USE_CASES.entries()) {
    await fill(api, useCase, generator(SEED + at));
  }
  await summarise(api);
}

async function fill(api, useCase, random) {
  const definition = `/api/v1/use_cases/definitions/${useCase.name}`;
  await replace(api, useCase, definition);
  for (const { draw, reviewed, ...kpi } of useCase.kpis) await api("POST", `${definition}/kpis`, kpi);
  const rises = useCase.versions.map(({ day }) => START_MS + day * DAY_MS);
  for (const rise of rises) await api("POST", `${definition}/increment_version`, { timestamp: iso(rise) });

  const instances = draw(useCase, rises, random);
  // An instance with scores and without properties is made by its first score.
  const announced = instances.filter(({ properties, scores }) => properties || scores.length === 0);
  const progress = meter(`${useCase.name}: instances`, announced.length);
  await each(announced, async ({ id, at, version, properties }) => {
    await api("POST", `/api/v1/use_cases/instances/${useCase.name}`, { use_case_id: id, timestamp: iso(at), version, properties });
    progress();
  });
  const scored = meter(`${useCase.name}: scores`, instances.flatMap(({ scores }) => scores).length);
  for (let version = 1; version <= rises.length + 1; version += 1) {
    const scores = instances.filter((instance) => instance.version === version).flatMap((instance) => instance.scores);
    for (let at = 0; at < scores.length; at += 500) {
      const portion = scores.slice(at, at + 500);
      const { rejected, errors } = await api("POST", `${definition}/scores`, { scores: portion }, { "xProxy-UseCase-Version": `${version}` });
      if (rejected > 0) throw new Error(`${rejected} scores were refused, the first: ${errors[0].message}`);
      scored(portion.length);
    }
  }
}

// A use case of the same name is replaced if an earlier demo made it, and left alone otherwise.
async function replace(api, useCase, definition) {
  const { items } = await api("GET", `/api/v1/use_cases/definitions?use_case_name=${useCase.name}`);
  if (items.length > 0) {
    if (!items[0].description.startsWith(DEMO)) {
      throw new Error(`there is a use case ${useCase.name} that no demo made; the demo does not touch it. Use another application or state.`);
    }
    await api("DELETE", definition);
  }
  await api("POST", "/api/v1/use_cases/definitions", { name: useCase.name, description: useCase.description });
}

// All instances of a use case in the order of time, with what they score.
function draw(useCase, rises, random) {
  const instances = [];
  const times = Array.from({ length: useCase.instances }, () => moment(random)).sort((a, b) => a - b);
  for (const [n, at] of times.entries()) {
    const version = 1 + rises.filter((rise) => rise <= at).length;
    const id = `${useCase.name.toLowerCase()}-${iso(END_MS).slice(0, 10)}-${String(n).padStart(4, "0")}`;
    const scores = [];
    for (const kpi of useCase.kpis) {
      const score = kpi.draw(random, { version });
      if (random() >= kpi.reviewed) continue;
      // The score comes some minutes after the instance began.
      const timestamp = iso(at + Math.floor(random() * 30) * 60_000);
      const comment = kpi.kpi_type === "likert5" && score <= 1.5 && random() < 0.3 ? "Did not answer my question" : undefined;
      scores.push({ use_case_id: id, kpi_name: kpi.name, score, timestamp, comment, source: kpi.kpi_type === "likert5" ? "survey" : "app" });
    }
    instances.push({ id, at, version, properties: useCase.properties?.(random), scores });
  }
  return instances;
}

// A moment in the 90 days: weekends are quiet, office hours are not.
function moment(random) {
  for (;;) {
    const at = START_MS + Math.floor(random() * DAYS * 24 * 60) * 60_000;
    const date = new Date(at);
    const weekend = date.getUTCDay() % 6 === 0;
    const hour = date.getUTCHours();
    const busy = hour >= 8 && hour < 18 ? 1 : hour >= 6 && hour < 22 ? 0.4 : 0.08;
    // The last half hour of the range is left out, so that no score falls behind its end.
    if (at < END_MS - 45 * 60_000 && random() < busy * (weekend ? 0.35 : 1)) return at;
  }
}

async function summarise(api) {
  const range = `from=${iso(START_MS)}&to=${iso(END_MS)}`;
  const figures = [];
  for (const { name } of USE_CASES) {
    const shown = await api("GET", `/api/v1/dashboard/${name}?${range}&granularity=week`);
    const { total, reviewed, reviewed_percentage } = shown.use_cases;
    console.log(`\n${name} (version ${shown.type_version}): ${total} instances, ${reviewed_percentage.toFixed(2)}% reviewed`);
    for (const kpi of shown.kpis) {
      const met = kpi.goal_met ? "✓ goal met  " : "✗ goal missed";
      console.log(`  ${kpi.kpi_name.padEnd(22)} ${kpi.display.padEnd(34)} ${met.padEnd(14)} ${String(kpi.count).padStart(5)} scores`);
    }
    figures.push({ use_case_name: name, total, reviewed, kpis: shown.kpis.map(({ kpi_name, count, average, display, goal_met }) => ({ kpi_name, count, average, display, goal_met })) });
  }
  console.log(`\nSee it in the portal: ${URL_BASE}/use-cases/Chat-Bot?range=90d`);
  console.log(`Read more: curl -H 'xProxy-api-key: …' '${URL_BASE}/api/v1/dashboard/Chat-Bot?${range}&granularity=week'`);
  const option = process.argv.indexOf("--json");
  if (option > 0) writeFileSync(process.argv[option + 1], JSON.stringify(figures, null, 2));
}

function apiKey() {
  const key = process.env.EDGE_KPI_API_KEY ?? process.env.ROOT_API_KEY;
  if (key) return key;
  try {
    return readFileSync(`${process.env.STATE_DIR ?? ".state"}/root_api_key`, "utf8").trim();
  } catch {
    throw new Error("no API key: run `make dev` first, or set EDGE_KPI_API_KEY");
  }
}

async function call(key, method, path, body, headers) {
  let answer;
  try {
    answer = await fetch(URL_BASE + path, {
      method,
      headers: { "xProxy-api-key": key, ...(body && { "content-type": "application/json" }), ...headers },
      body: body && JSON.stringify(body),
    });
  } catch (error) {
    throw new Error(`no service answers at ${URL_BASE} (${error.cause?.code ?? error.message}): run \`make dev\` in another terminal first`);
  }
  const text = await answer.text();
  if (!answer.ok) {
    let message = text;
    try { message = JSON.parse(text).message; } catch { /* not JSON: shown as it is */ }
    throw new Error(`${method} ${path} was answered with ${answer.status}: ${message}`);
  }
  return text ? JSON.parse(text) : undefined;
}

// A few at a time.
async function each(items, work) {
  let next = 0;
  await Promise.all(Array.from({ length: PARALLEL }, async () => {
    while (next < items.length) await work(items[next++]);
  }));
}

function meter(label, total) {
  let done = 0;
  let shown = -1;
  return (more = 1) => {
    done += more;
    const percent = Math.floor((100 * done) / total);
    // A line of its own for each quarter where nobody watches; a line that moves where somebody does.
    const step = process.stdout.isTTY ? 1 : 25;
    if (percent < shown + step && done < total) return;
    shown = percent;
    process.stdout.write(`${process.stdout.isTTY ? "\r" : ""}${label.padEnd(32)} ${String(percent).padStart(3)}%${process.stdout.isTTY && done < total ? "" : "\n"}`);
  };
}

function likert(random, mean, spread) {
  return Math.min(5, Math.max(1, Math.round(mean + spread * normal(random))));
}

// Box and Muller (1958).
function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

// mulberry32: a small seeded generator, the same everywhere.
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function iso(ms) {
  return new Date(ms).toISOString();
}

main().catch((error) => {
  console.error(`\nerror: ${error.message}`);
  process.exit(1);
});
