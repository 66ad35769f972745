// The Worker as it ships, with a database that fails on demand for the objects that write (or, with `where=worker`, for the
// Worker that reads). For tests only: GET /__faults sets which calls fail, and how. Nothing of this is in the code that ships.
import { DurableObject } from "cloudflare:workers";
import Service, * as wasm from "../../build/index.js";

// mode: "refuse" (nothing happens), "lose" (it takes effect, and then the connection is lost), "slow", or "none".
// Every `every`th call, counted; or, with `random`, one of so many, drawn with a fixed seed.
const faults = { mode: "none", where: "objects", every: 1, random: false, seed: 1, seen: 0, injected: 0 };

function isNext() {
  if (!faults.random) return faults.seen % faults.every === 0;
  faults.seed = (Math.imul(faults.seed, 1_664_525) + 1_013_904_223) >>> 0;
  return faults.seed / 4_294_967_296 < 1 / faults.every;
}

async function withFaults(where, work) {
  if (where !== faults.where) return work();
  faults.seen += 1;
  const hit = faults.mode !== "none" && isNext();
  if (!hit) return work();
  faults.injected += 1;
  if (faults.mode === "slow") await new Promise((resolve) => setTimeout(resolve, 300));
  if (faults.mode === "lose") await work();
  if (faults.mode === "refuse" || faults.mode === "lose") throw new Error(`injected: ${faults.mode}`);
  return work();
}

function unreliable(database, where) {
  return new Proxy(database, {
    get(target, property) {
      // The Rust side checks the name of the class.
      if (property === "constructor") return target.constructor;
      if (property === "batch") return (statements) => withFaults(where, () => target.batch(statements));
      const value = target[property];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

export class Aggregator extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.inner = new wasm.Aggregator(ctx, { ...env, DB: unreliable(env.DB, "objects") });
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
}

// GET /__object?name=…&sql=… or &lose=1, by the object's internal name.
async function reach(env, url) {
  const object = env.AGGREGATOR.getByName(url.searchParams.get("name"));
  if (url.searchParams.has("sql")) return Response.json(await object.sql(url.searchParams.get("sql")));
  return object.lose().then(() => Response.json("still there"), () => Response.json("lost"));
}

export default {
  scheduled(controller, env, ctx) {
    return new Service(ctx, env).scheduled(controller);
  },

  fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (url.pathname === "/__faults") {
      const injected = faults.injected;
      Object.assign(faults, { mode: url.searchParams.get("mode"), where: url.searchParams.get("where") ?? "objects", every: Number(url.searchParams.get("every")), random: url.searchParams.get("random") === "true", seen: 0, injected: 0 });
      return Response.json({ injected });
    }
    if (url.pathname === "/__object") return reach(env, url);
    return new Service(ctx, { ...env, DB: unreliable(env.DB, "worker") }).fetch(request);
  },
};
