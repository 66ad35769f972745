// The Worker as it ships, with a database that fails on demand, and objects that are reset on demand. For tests only; nothing of
// this is in the code that ships.
//   GET /__faults: which calls of D1 fail, and how, counted or drawn. Answers what was injected since the last time.
//   POST /__chaos: the same for the chaos tests, any number of kinds at once, drawn. Answers the counts by kind.
//   GET /__object?name=…&sql=… &lose=1 or &restart=1: what an object holds, or its end, with all that it holds or without.
import { DurableObject } from "cloudflare:workers";
import * as wasm from "../../build/index.js";
import { service } from "../../entry/service.js";

// mode: "refuse" (nothing happens), "lose" (it takes effect, and then the connection is lost), "slow", or "none".
// Every `every`th call, counted; or, with `random`, one of so many, drawn with a fixed seed.
const faults = { mode: "none", where: "objects", every: 1, random: false, seed: 1, seen: 0, injected: 0 };

// Shares of calls by who calls ("objects" or "worker") and kind (see KINDS), and how often a kind comes at most.
let chaos = { rates: {}, limits: {}, counts: {} };

// Longer than the service waits for D1 (12 s).
const STALL_MS = 13_000;
const SLOW_MS = 300;

let seed = 1;
function draw() {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 4_294_967_296;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const fail = (kind) => {
  throw new Error(`injected: ${kind}`);
};

// Each gets the call of D1, and the object's state where an object calls. `ctx.abort` resets the object as a crash does: what
// it has in memory is gone, every call to it fails, and nothing of it goes on; the next call finds a new object.
const KINDS = {
  refuse: () => fail("refuse"),
  lose: async (work) => (await work(), fail("lose")),
  slow: async (work) => (await pause(SLOW_MS), work()),
  // No answer in time: it takes effect at once, or only when the service has long gone on without it.
  mute: async (work) => {
    const answer = await work();
    await pause(STALL_MS);
    return answer;
  },
  late: async (work) => (await pause(STALL_MS), work()),
  // Before the batch is sent, while it is under way, and when it is committed, but the object does not know yet.
  evict_before: async (_, ctx) => (await pause(0), ctx.abort("injected: evict_before")),
  evict_during: async (work, ctx) => {
    const answer = work();
    await pause(draw() * 12);
    ctx.abort("injected: evict_during");
    return answer;
  },
  evict_after: async (work, ctx) => (await work(), ctx.abort("injected: evict_after")),
};

async function withFaults(where, work, ctx) {
  for (const [kind, rate] of Object.entries(chaos.rates[where] ?? {})) {
    const name = `${where}:${kind}`;
    const count = chaos.counts[name] ?? 0;
    if (draw() >= rate || count >= (chaos.limits[name] ?? Infinity)) continue;
    chaos.counts[name] = count + 1;
    return KINDS[kind](work, ctx);
  }
  if (where !== faults.where) return work();
  faults.seen += 1;
  const isNext = faults.random ? draw() < 1 / faults.every : faults.seen % faults.every === 0;
  if (faults.mode === "none" || !isNext) return work();
  faults.injected += 1;
  return KINDS[faults.mode](work, ctx);
}

function unreliable(database, where, ctx) {
  return new Proxy(database, {
    get(target, property) {
      // The Rust side checks the name of the class.
      if (property === "constructor") return target.constructor;
      if (property === "batch") return (statements) => withFaults(where, () => target.batch(statements), ctx);
      const value = target[property];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

export class Aggregator extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.inner = new wasm.Aggregator(ctx, { ...env, DB: unreliable(env.DB, "objects", ctx) });
  }

  call(text) {
    return this.inner.call(text);
  }

  // SQL in the object's own storage: rows as arrays, blobs as their length.
  sql(statement) {
    const shown = (value) => (value instanceof ArrayBuffer ? value.byteLength : value);
    return [...this.ctx.storage.sql.exec(statement).raw()].map((row) => row.map(shown));
  }

  // Everything the object holds is gone, and it starts anew.
  async lose() {
    await this.ctx.storage.deleteAll();
    this.ctx.abort("lost");
  }

  // It starts anew with what it holds.
  restart() {
    this.ctx.abort("restarted");
  }
}

// By the object's internal name.
async function reach(env, parameters) {
  const object = env.AGGREGATOR.getByName(parameters.get("name"));
  if (parameters.has("sql")) return Response.json(await object.sql(parameters.get("sql")));
  const end = parameters.has("lose") ? object.lose() : object.restart();
  return end.then(() => Response.json("still there"), () => Response.json("gone"));
}

const unreliableEnv = (env, ctx) => ({ ...env, DB: unreliable(env.DB, "worker", ctx) });

export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/__faults") {
      const { injected } = faults;
      seed = 1;
      Object.assign(faults, { mode: searchParams.get("mode"), where: searchParams.get("where") ?? "objects", every: Number(searchParams.get("every")), random: searchParams.get("random") === "true", seen: 0, injected: 0 });
      return Response.json({ injected });
    }
    if (pathname === "/__chaos") {
      const { counts } = chaos;
      const next = await request.json();
      seed = next.seed;
      chaos = { rates: next.rates, limits: next.limits, counts: {} };
      return Response.json(counts);
    }
    if (pathname === "/__object") return reach(env, searchParams);
    return service.fetch(request, unreliableEnv(env, ctx), ctx);
  },

  scheduled(event, env, ctx) {
    return service.scheduled(event, unreliableEnv(env, ctx), ctx);
  },
};
