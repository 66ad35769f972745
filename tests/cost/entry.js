// The Worker as it ships, with counters where it costs: at D1, at the calls of objects, and at the objects' own SQLite. For tests
// only; nothing of this is in the code that ships.
//   GET /__cost: the counts since the last time.
import { DurableObject } from "cloudflare:workers";
import * as wasm from "../../build/index.js";
import { service } from "../../entry/service.js";

// The clock stands still, in the middle of a slot and of a day: what an isolate remembers for a while it remembers, and no count
// depends on when the test runs.
const NOW_MS = Date.UTC(2026, 10, 20, 12, 7, 30);
Date.now = () => NOW_MS;

const none = () => ({
  d1_calls: 0,
  d1_statements: 0,
  d1_rows_read: 0,
  d1_rows_written: 0,
  object_calls: 0,
  object_statements: 0,
  object_rows_read: 0,
  object_rows_written: 0,
});
// Worker and objects share a process here, and so this.
let counts = none();

// A host object with some properties of ours.
function replaced(target, ours) {
  return new Proxy(target, {
    get(_, property) {
      if (Object.hasOwn(ours, property)) return ours[property];
      // The Rust side checks the name of the class.
      if (property === "constructor") return target.constructor;
      const value = target[property];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

// Ways to reach a storage that the service does not go, so nothing counts them: one that it takes some day must be heard of.
const unheard = (...names) =>
  Object.fromEntries(names.map((name) => [name, () => { throw new Error(`tests/cost/entry.js does not count ${name}()`); }]));

const OTHER_STATEMENTS = unheard("all", "first", "raw", "run");

function countedDatabase(database) {
  const prepare = (sql) => {
    const statement = database.prepare(sql);
    const bind = (...values) => Object.assign(statement.bind(...values), OTHER_STATEMENTS);
    return replaced(statement, { bind, ...OTHER_STATEMENTS });
  };
  const batch = async (statements) => {
    counts.d1_calls += 1;
    counts.d1_statements += statements.length;
    const results = await database.batch(statements);
    for (const { meta } of results) {
      counts.d1_rows_read += meta.rows_read;
      counts.d1_rows_written += meta.rows_written;
    }
    return results;
  };
  return replaced(database, { prepare, batch, ...unheard("exec", "dump", "withSession") });
}

function countedNamespace(namespace) {
  const getByName = (name) => {
    const stub = namespace.getByName(name);
    const call = (text) => {
      counts.object_calls += 1;
      return stub.call(text);
    };
    return { call };
  };
  return replaced(namespace, { getByName, ...unheard("get") });
}

function countedState(ctx) {
  const { sql } = ctx.storage;
  const exec = (...statement) => {
    const cursor = sql.exec(...statement);
    counts.object_statements += 1;
    // The service reads a cursor to its end before it waits for anything.
    queueMicrotask(() => {
      counts.object_rows_read += cursor.rowsRead;
      counts.object_rows_written += cursor.rowsWritten;
    });
    return cursor;
  };
  const others = unheard("get", "put", "delete", "list");
  return replaced(ctx, { storage: replaced(ctx.storage, { sql: replaced(sql, { exec }), ...others }) });
}

const countedEnv = (env) => ({
  ...env,
  DB: countedDatabase(env.DB),
  AGGREGATOR: countedNamespace(env.AGGREGATOR),
});

export class Aggregator extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.inner = new wasm.Aggregator(countedState(ctx), countedEnv(env));
  }

  call(text) {
    return this.inner.call(text);
  }
}

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/__cost") {
      const answer = Response.json(counts);
      counts = none();
      return answer;
    }
    return service.fetch(request, countedEnv(env), ctx);
  },
};
