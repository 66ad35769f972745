// The three Workers in one workerd, each behind a port of its own: no development proxy in between.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";

export const KEY = "root-key-of-the-benchmark";

const DATE = "2026-11-01";

const script = (root, name) => ({ type: "ESModule", path: join(root, name), contents: readFileSync(join(root, name), "utf8") });

function worker(name, modules, modulesRoot, bindings) {
  return { name, modulesRoot, modules, compatibilityDate: DATE, unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }], ...bindings };
}

const object = (className) => ({ className, useSQLite: true });

const wasmOf = (folder) => {
  const name = readdirSync(folder).find((file) => file.endsWith(".wasm"));
  return { type: "CompiledWasm", path: join(folder, name), contents: readFileSync(join(folder, name)) };
};

// `bundle`: the folder into which `wrangler deploy --dry-run` put the release build. `counted`: the same with the entry of tests/cost.
export async function start(root, bundle, counted) {
  const workers = join(root, "bench/workers");
  const beside = (name) => ({ ...script(workers, name), path: join(bundle, name) });
  const ours = [beside("measured.js"), beside("instances.js"), script(bundle, "index.js"), wasmOf(bundle)];
  const service = (name) => ({ d1Databases: { DB: name }, durableObjects: { AGGREGATOR: object("Aggregator") }, bindings: { ROOT_API_KEY: KEY } });
  const miniflare = new Miniflare(convertV4MiniflareOptions({
    inspectorPort: process.env.INSPECTOR_PORT ? Number(process.env.INSPECTOR_PORT) : undefined,
    // Lines of the log are written, as in production, but nobody reads them.
    handleStructuredLogs: () => {},
    workers: [
      worker("limit", [script(workers, "limit.js")], workers, { durableObjects: { LIMIT: object("Limit") } }),
      worker("plain", [script(workers, "plain.js")], workers, { d1Databases: { DB: "plain" }, durableObjects: { TOTALS: object("Totals") } }),
      worker("ours", ours, bundle, {
        ...service("ours"),
        // On Cloudflare a limiter is a counter in memory; here each call of it is a request to another Worker. Plain has none.
        ratelimits: process.env.LIMITERS ? { RATE_LIMIT_ADMIN: { namespace_id: "1", simple: { limit: 50_000, period: 10 } } } : {},
      }),
      worker("counted", [script(counted, "entry.js"), wasmOf(counted)], counted, service("counted")),
    ],
  }));
  await miniflare.ready;
  const urls = {};
  for (const name of ["limit", "plain", "ours", "counted"]) {
    urls[name] = String(await miniflare.unsafeGetDirectURL(name)).replace(/\/$/, "");
  }
  for (const name of ["ours", "counted"]) await migrate(await miniflare.getD1Database("DB", name), join(root, "migrations"));
  return { miniflare, urls, pid: child() };
}

// Statements end with a semicolon at the end of a line; no migration has one anywhere else.
async function migrate(database, folder) {
  for (const name of readdirSync(folder).sort()) {
    const text = readFileSync(join(folder, name), "utf8").replace(/--.*$/gm, "");
    const statements = text.split(/;\s*$/m).map((statement) => statement.trim()).filter(Boolean);
    await database.batch(statements.map((statement) => database.prepare(statement)));
  }
}

// workerd is this process's only child.
function child() {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8").trim().split(/\s+/).map(Number);
  const workerd = children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("workerd"));
  if (workerd.length !== 1) throw new Error(`expected one workerd, found ${workerd.length}`);
  return workerd[0];
}

// Seconds of processor time, and resident megabytes.
export function usage(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100, residentMb: Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024 };
}
