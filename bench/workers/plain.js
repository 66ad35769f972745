// The design that most people would write, for one KPI. Every request reads the key and the definition from D1; a score is
// upserted into D1 and then counted in the object; the dashboard is GROUP BY in D1.
import { DurableObject } from "cloudflare:workers";

const TABLES = [
  "CREATE TABLE keys (key_hash TEXT PRIMARY KEY, application TEXT NOT NULL)",
  "CREATE TABLE definitions (application TEXT, use_case TEXT, kpi TEXT, type TEXT, goal REAL, PRIMARY KEY (application, use_case, kpi))",
  `CREATE TABLE scores (application TEXT, use_case TEXT, instance TEXT, kpi TEXT, score REAL NOT NULL, at INTEGER NOT NULL,
     PRIMARY KEY (application, use_case, instance, kpi))`,
  "CREATE INDEX scores_by_time ON scores (application, use_case, kpi, at)",
];

const DAY_MS = 86_400_000;

export class Totals extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS totals (kpi TEXT PRIMARY KEY, count INTEGER NOT NULL, sum REAL NOT NULL)");
  }

  add(kpi, score) {
    this.ctx.storage.sql.exec(
      "INSERT INTO totals VALUES (?, 1, ?) ON CONFLICT (kpi) DO UPDATE SET count = count + 1, sum = sum + excluded.sum",
      kpi,
      score,
    );
  }
}

async function hashOf(text) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function applicationOf(request, env) {
  const hash = await hashOf((request.headers.get("authorization") ?? "").replace(/^Bearer /, ""));
  const row = await env.DB.prepare("SELECT application FROM keys WHERE key_hash = ?").bind(hash).first();
  return row?.application;
}

async function setUp(request, env) {
  const { key, scores } = await request.json();
  await env.DB.batch(TABLES.map((table) => env.DB.prepare(table)));
  await env.DB.prepare("INSERT INTO keys VALUES (?, 'app')").bind(await hashOf(key)).run();
  await env.DB.prepare("INSERT INTO definitions VALUES ('app', 'Bench0', 'Speed', 'number', 10)").run();
  // Scores of the last 30 days, with ids in no order.
  const from = Date.now() - 30 * DAY_MS;
  for (let first = 0; first < scores; first += 50_000) {
    await env.DB.prepare(
      `WITH RECURSIVE n (i) AS (VALUES (?1) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
       INSERT INTO scores SELECT 'app', 'Stored', lower(hex(randomblob(16))), 'Speed', (i % 100) * 0.25, ?3 + i * ?4 FROM n`,
    ).bind(first, Math.min(first + 50_000, scores), from, (30 * DAY_MS) / scores).run();
  }
  return new Response("ok");
}

async function write(request, env, application, useCase, instance, kpi) {
  const { score } = await request.json();
  const definition = await env.DB.prepare("SELECT type FROM definitions WHERE application = ? AND use_case = ? AND kpi = ?")
    .bind(application, useCase, kpi).first();
  if (!definition) return new Response("no such KPI", { status: 404 });
  if (typeof score !== "number") return new Response("a score is a number", { status: 400 });
  await env.DB.prepare(
    `INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (application, use_case, instance, kpi) DO UPDATE SET score = excluded.score, at = excluded.at`,
  ).bind(application, useCase, instance, kpi, score, Date.now()).run();
  await env.TOTALS.getByName(`${application}/${useCase}`).add(kpi, score);
  return new Response(null, { status: 204 });
}

async function dashboard(env, application, useCase) {
  const { results } = await env.DB.prepare(
    `SELECT kpi, at / ${DAY_MS} AS day, count(*) AS count, avg(score) AS average FROM scores
     WHERE application = ? AND use_case = ? GROUP BY kpi, day ORDER BY kpi, day`,
  ).bind(application, useCase).all();
  return Response.json({ days: results });
}

export default {
  async fetch(request, env) {
    const [, first, ...rest] = new URL(request.url).pathname.split("/");
    if (first === "setup") return setUp(request, env);
    const application = await applicationOf(request, env);
    if (!application) return new Response("unknown key", { status: 401 });
    if (first === "dashboard") return dashboard(env, application, rest[0]);
    return write(request, env, application, ...rest);
  },
};
