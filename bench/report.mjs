// The table: what was measured, and the ratios beside their targets.
import { median } from "./load.mjs";

// Ratios of one round. `at least` and `at most` are the targets.
const TARGETS = [
  ["single score writes, 64 connections, of plain", (r) => r["ours, 64"].perSecond / r["plain, 64"].perSecond, ">=", 4.5],
  ["single score writes, 64 connections, of limit", (r) => r["ours, 64"].perSecond / r["limit, 64"].perSecond, ">=", 0.6],
  ["single score writes, 16 connections, of plain", (r) => r["ours, 16"].perSecond / r["plain, 16"].perSecond, ">=", 3.5],
  ["the same over 8 use case types, of one type", (r) => r["ours, 8 types, 64"].perSecond / r["ours, 64"].perSecond, ">=", 0.6],
  ["bulk: scores/s for each request/s of limit", (r, b) => (r.bulk.perSecond * b.bulkItems) / r["limit, 64"].perSecond, ">=", 20],
  ["bulk: scores/s, of plain", (r, b) => (r.bulk.perSecond * b.bulkItems) / r["plain, 64"].perSecond, ">=", 100],
  ["dashboard of 30 days, p50, of the same over a thousand scores", (r) => r["dashboard, many"].p50 / r["dashboard, few"].p50, "<=", 1.25],
  ["dashboard of 30 days, throughput, of plain", (r) => r["dashboard, many"].perSecond / r["plain dashboard"].perSecond, ">=", 100],
  ["dashboard of 30 days, throughput, of limit", (r) => r["dashboard, many"].perSecond / r["limit, read"].perSecond, ">=", 0.5],
  ["dashboard of 365 days, p50, of 30 days", (r) => r["dashboard, year"].p50 / r["dashboard, many"].p50, "<=", 4],
  ["dashboard of 30 days that is not kept, p50, of the same over a thousand scores", (r) => r["dashboard, many, anew"].p50 / r["dashboard, few, anew"].p50, null],
  ["dashboard of 30 days that is not kept, throughput, of plain", (r) => r["dashboard, many, anew"].perSecond / r["plain dashboard"].perSecond, null],
  ["dashboard with a property filter, p50, of unfiltered", (r) => r["dashboard, filter"].p50 / r["dashboard, many"].p50, "<=", 1.5],
];

const spread = (numbers, digits) => `${median(numbers).toFixed(digits)} (${Math.min(...numbers).toFixed(digits)}–${Math.max(...numbers).toFixed(digits)})`;

const isMet = (value, relation, target) => (relation === ">=" ? value >= target : value <= target);

function ratios(results) {
  const rows = TARGETS.flatMap(([name, ratio, relation, target]) => {
    let values;
    try {
      values = results.rounds.map((round) => ratio(round, results));
    } catch {
      return []; // a scenario that was left out
    }
    if (!relation) return [[name, spread(values, 2), "", null]];
    return [[name, spread(values, 2), `${relation} ${target}`, isMet(median(values), relation, target)]];
  });
  const [first, last] = [results.tenths[0], results.tenths.at(-1)];
  rows.push(["wasm, gzipped, KB", String(results.wasm), "<= 450", results.wasm <= 450]);
  rows.push(["start-up beyond compiling, ms", results.startUpMs.toFixed(2), "<= 1", results.startUpMs <= 1]);
  rows.push(["memory of the Worker and all its objects, MB", results.wasmMemoryMb.toFixed(1), "<= 32", results.wasmMemoryMb <= 32]);
  rows.push(["ingest: rate of the last tenth, of the first", (first / last).toFixed(2), ">= 0.8", first / last >= 0.8]);
  return rows;
}

export function table(results) {
  const lines = [
    `Median of ${results.rounds.length} interleaved rounds (least–most), ${results.stored.toLocaleString("en")} stored scores, ${results.date}.`, "",
    "| ratio | reached | target | met |", "|---|---|---|---|",
    ...ratios(results).map(([name, value, target, met]) => `| ${name} | ${value} | ${target} | ${met === null ? "" : met ? "yes" : "**no**"} |`), "",
    "| scenario | requests/s | p50 ms | p95 ms | p99 ms | CPU ms a request | resident MB |", "|---|---|---|---|---|---|---|",
  ];
  for (const name of Object.keys(results.rounds[0])) {
    const of = (key, digits) => spread(results.rounds.map((round) => round[name][key]), digits);
    lines.push(`| ${name} | ${of("perSecond", 0)} | ${of("p50", 1)} | ${of("p95", 1)} | ${of("p99", 1)} | ${of("cpuMs", 2)} | ${median(results.rounds.map((round) => round[name].residentMb)).toFixed(0)} |`);
  }
  lines.push("", "| rows and calls for | D1 rows written | object rows written | D1 calls | object calls | D1 rows read |", "|---|---|---|---|---|---|");
  for (const [name, cost] of Object.entries(results.rows)) {
    const each = (count) => String(Number((count / cost.scores).toFixed(3)));
    const cells = [cost.d1_rows_written, cost.object_rows_written, cost.d1_calls, cost.object_calls, cost.d1_rows_read].map(each);
    lines.push(`| ${name} | ${cells.join(" | ")} |`);
  }
  return `${lines.join("\n")}\n`;
}
