// make bench: limit, plain and ours side by side in one workerd, interleaved, several rounds. Writes target/bench/bench.{md,json}.
// QUICK=1: fewer and shorter rounds, and a hundred thousand stored scores instead of a million.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { KPIS, call, define, fill } from "./data.mjs";
import { drive } from "./load.mjs";
import { table } from "./report.mjs";
import { KEY, start, usage } from "./service.mjs";
import { startUpMs } from "./startup.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const quick = Boolean(process.env.QUICK);
const ROUNDS = Number(process.env.ROUNDS ?? (quick ? 2 : 5));
const SECONDS = quick ? 2 : 4;
const WARM_UP_SECONDS = quick ? 2 : 5;
const STORED = Number(process.env.STORED ?? (quick ? 100_000 : 1_000_000));
const FEW = 1_000;
const TYPES = 8;
const BULK_ITEMS = 1_000;
const BULK_CONNECTIONS = 4;
const READ_CONNECTIONS = 16;

const began = performance.now();
const progress = (text) => process.stderr.write(`[${String(Math.round((performance.now() - began) / 1000)).padStart(4)} s] ${text}\n`);

function scenarios(urls) {
  const write = (url, prefix, infix, connections, types = 1) => ({ url, script: "scores.lua", connections, env: { KEY, PREFIX: prefix, INFIX: infix, TYPES: String(types) } });
  const limit = (connections) => write(urls.limit, "/", "/", connections);
  const plain = (connections) => write(urls.plain, "/write/", "/", connections);
  const ours = (connections, types) => write(urls.ours, "/api/v1/use_cases/instances/", "/kpis/", connections, types);
  const read = (url, path) => ({ url, script: "read.lua", connections: READ_CONNECTIONS, env: { KEY, URL_PATH: path } });
  const kpis = KPIS.slice(0, 4).map(({ name }) => `&kpi=${name}`).join("");
  const dashboard = (useCase, days, more = "") => read(urls.ours, `/api/v1/dashboard/${useCase}?${range(days)}&granularity=day${kpis}${more}`);
  const anew = (useCase, days) => {
    const scenario = read(urls.ours, `/api/v1/dashboard/${useCase}?granularity=day${kpis}`);
    return { ...scenario, env: { ...scenario.env, DAYS: String(days) } };
  };
  return {
    "limit, 64": limit(64), "plain, 64": plain(64), "ours, 64": ours(64), "ours, 8 types, 64": ours(64, TYPES),
    "limit, 16": limit(16), "plain, 16": plain(16), "ours, 16": ours(16),
    "bulk": { url: urls.ours, script: "bulk.lua", connections: BULK_CONNECTIONS, env: { KEY, ITEMS: String(BULK_ITEMS), URL_PATH: "/api/v1/use_cases/definitions/Bulk/scores" } },
    "limit, read": read(urls.limit, "/"),
    "dashboard, few": dashboard("Few", 30), "dashboard, many": dashboard("Many", 30), "dashboard, year": dashboard("Many", 365),
    "dashboard, filter": dashboard("Many", 30, "&property.plan=pro"),
    "dashboard, few, anew": anew("Few", 30), "dashboard, many, anew": anew("Many", 30), "dashboard, year, anew": anew("Many", 364),
    // One takes the better part of a second: sixteen at a time would not end within a round.
    "plain dashboard": { ...read(urls.plain, "/dashboard/Stored"), connections: 2 },
  };
}

// Up to the end of today, so that the last day of scores is in it.
function range(days) {
  const end = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
  const from = new Date(Date.parse(end) - days * 86_400_000).toISOString().slice(0, 10);
  return `from=${from}&to=${end}`;
}

async function prepare(urls) {
  progress("plain: its tables and its stored scores");
  const made = await fetch(`${urls.plain}/setup`, { method: "POST", body: JSON.stringify({ key: KEY, scores: STORED }) });
  if (!made.ok) throw new Error(`plain: ${made.status} ${await made.text()}`);
  const speed = KPIS.filter(({ name }) => name === "Speed");
  for (let n = 0; n < TYPES; n += 1) await define(urls.ours, `Bench${n}`, speed);
  await define(urls.ours, "Bulk", speed);
  await fill(urls.ours, "Few", FEW, () => {});
  return fill(urls.ours, "Many", STORED, progress);
}

// Every scenario answers what it should before it is measured.
async function checkAnswers(urls, all) {
  const get = async (name) => {
    const { url, env } = all[name];
    const answer = await fetch(url + env.URL_PATH, { headers: { "xProxy-api-key": KEY, authorization: `Bearer ${KEY}` } });
    if (!answer.ok) throw new Error(`${name}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const year = await get("dashboard, year");
  const count = year.kpis.reduce((sum, kpi) => sum + kpi.count, 0);
  if (year.kpis.length !== 4 || count !== (STORED / KPIS.length) * 4) throw new Error(`the dashboard counts ${count} scores`);
  const filtered = await get("dashboard, filter");
  if (!(filtered.kpis[0].count > 0)) throw new Error("the filtered dashboard shows no scores");
  const { days } = await get("plain dashboard");
  if (days.reduce((sum, day) => sum + day.count, 0) !== STORED) throw new Error("plain does not count what it stores");
}

// What was acknowledged is counted; the requests that were under way when a run ended may be.
async function checkCounts(urls, acknowledged, runs) {
  for (const [name, useCases, scoresPer, connections] of [["writes", Array.from({ length: TYPES }, (_, n) => `Bench${n}`), 1, 64], ["bulk", ["Bulk"], BULK_ITEMS, BULK_CONNECTIONS]]) {
    let count = 0;
    for (const useCase of useCases) count += (await call(urls.ours, "GET", `dashboard/${useCase}?${range(3)}`)).kpis[0].count;
    const least = acknowledged[name] * scoresPer;
    const most = least + runs[name] * connections * scoresPer;
    if (count < least || count > most) throw new Error(`${name}: ${count} scores are counted, ${least} to ${most} expected`);
    progress(`${name}: ${least} scores acknowledged, ${count} counted`);
  }
}

async function measure(urls, pid) {
  const all = scenarios(urls);
  await checkAnswers(urls, all);
  const only = process.env.ONLY && new RegExp(process.env.ONLY);
  const names = Object.keys(all).filter((name) => !only || only.test(name));
  const acknowledged = { writes: 0, bulk: 0 };
  const runs = { writes: 0, bulk: 0 };
  const run = async (name, seconds) => {
    const found = await drive(root, pid, all[name], seconds);
    const kind = name === "bulk" ? "bulk" : name.startsWith("ours") ? "writes" : null;
    if (kind) {
      acknowledged[kind] += found.requests;
      runs[kind] += 1;
    }
    return found;
  };
  for (const name of names) {
    progress(`warm-up: ${name}`);
    await run(name, WARM_UP_SECONDS);
  }
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const found = {};
    for (const name of names) {
      found[name] = await run(name, SECONDS);
      progress(`round ${round + 1} of ${ROUNDS}, ${name}: ${found[name].perSecond.toFixed(0)}/s, p50 ${found[name].p50.toFixed(1)} ms, ${found[name].cpuMs.toFixed(2)} ms of CPU`);
    }
    rounds.push(found);
  }
  await checkCounts(urls, acknowledged, runs);
  return rounds;
}

// Rows written for a score, in D1 and in the object. Counts, not measurements: a write costs the same each time.
async function countRows(url) {
  const cost = async () => (await fetch(`${url}/__cost`)).json();
  await define(url, "Counted", KPIS.slice(0, 2));
  const score = (id, kpi) => call(url, "PUT", `use_cases/instances/Counted/${id}/kpis/${kpi}`, { score: 1 });
  await score("first", "Speed");
  const items = Array.from({ length: BULK_ITEMS }, (_, n) => ({ use_case_id: `${n}`, kpi_name: "Speed", score: n }));
  const works = {
    "a new instance and its score": [1, () => score("a", "Speed")],
    "a score on an existing instance": [1, () => score("a", "Cost")],
    "a score in bulk, new instances": [BULK_ITEMS, () => call(url, "POST", "use_cases/definitions/Counted/scores", { scores: items })],
    "a dashboard": [1, () => call(url, "GET", "dashboard/Counted")],
  };
  const counted = {};
  for (const [name, [scores, work]] of Object.entries(works)) {
    await cost();
    await work();
    counted[name] = { scores, ...(await cost()) };
  }
  return counted;
}

// Compressed, in KB, by the program that scripts/build.sh and tests/cost ask, too: libraries differ by a hundredth.
function wasmSize() {
  const zipped = execFileSync("gzip", ["-9", "-c", join(root, "build/index_bg.wasm")], { maxBuffer: 1 << 24 });
  return Math.floor(zipped.length / 1024);
}

const bundle = process.env.BUNDLE;
const { miniflare, urls, pid } = await start(root, bundle, process.env.COUNTED);
try {
  const idleMb = usage(pid).residentMb;
  const tenths = await prepare(urls);
  const rounds = await measure(urls, pid);
  const { bytes } = await (await fetch(`${urls.ours}/__memory`)).json();
  const rows = await countRows(urls.counted);
  const results = { date: new Date().toISOString().slice(0, 10), quick, stored: STORED, bulkItems: BULK_ITEMS, idleMb, tenths, rounds, rows, wasm: wasmSize(), wasmMemoryMb: bytes / 2 ** 20, startUpMs: startUpMs(root) };
  const folder = join(root, "target/bench");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "bench.json"), `${JSON.stringify(results, null, 1)}\n`);
  const text = table(results);
  writeFileSync(join(folder, "bench.md"), text);
  console.log(text);
} finally {
  await miniflare.dispose();
}
