// What the browser tests share: a browser, pages that are signed in and watched, the API beside them, axe, screenshots.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const URL_BASE = required("EDGE_KPI_URL");
export const ROOT_KEY = required("EDGE_KPI_API_KEY");
const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const SCREENSHOTS = join(ROOT, "target/screenshots");
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// Nothing here takes long; a test that hangs must not hold everything up.
const PATIENCE_MS = 10_000;

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 360, height: 740 };

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these tests with tests/portal/run.sh`);
  return value;
}

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
});
after(() => browser?.close());

/** A request to the API with a key; refusals are thrown. */
export async function api(method, path, body, key = ROOT_KEY) {
  const headers = { "xProxy-api-key": key, ...(body === undefined ? {} : { "content-type": "application/json" }) };
  const answer = await fetch(URL_BASE + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
}

/** A new key of a role. */
export const newKey = (role, name = `portal ${role}`) => api("POST", "/api/v1/keys", { role, name });

/** The pages that a test has opened. */
const opened = new WeakMap();

/** Browsers that tests share, by who is signed in and how they are set up: what one has loaded the next need not load. */
const shared = new Map();

async function contextOf(key, fresh, options) {
  const make = async () => browser.newContext({ ...options, storageState: key === null ? undefined : await signedIn(key) });
  if (fresh || key === null) return make();
  const name = JSON.stringify([key, options]);
  if (!shared.has(name)) shared.set(name, await make());
  return shared.get(name);
}

/**
 * A page, signed in with a key unless that is null. At the end of the test nothing may have gone wrong in it: no errors in the console,
 * nothing asked of another host. `refusals: true`: answers of 4xx are part of the test, and browsers log each; `failures: true`: so are
 * those of 5xx. `fresh: true`: in a browser of its own, which has loaded nothing yet; so is one without a key.
 */
export async function open(t, { key = ROOT_KEY, path = "/", viewport = DESKTOP, colorScheme = "light", timezoneId = "UTC", refusals = false, failures = false, fresh = false, ...options } = {}) {
  const context = await contextOf(key, fresh, { viewport, colorScheme, timezoneId, locale: "en-US", baseURL: URL_BASE, ...options });
  const page = await context.newPage();
  opened.set(t, [...(opened.get(t) ?? []), page]);
  page.setDefaultTimeout(PATIENCE_MS);
  const troubles = [];
  page.on("pageerror", (error) => troubles.push(`an exception: ${error.stack ?? error}`));
  page.on("console", (message) => {
    const [, kind] = /the server responded with a status of ([45])\d\d/.exec(message.text()) ?? [];
    const expected = (kind === "4" && refusals) || (kind === "5" && failures);
    if (["error", "warning"].includes(message.type()) && !expected) troubles.push(`the console: ${message.text()} (${message.location().url})`);
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (["http:", "https:", "ws:", "wss:"].includes(url.protocol) && url.origin !== URL_BASE) troubles.push(`a request to ${url.origin}`);
  });
  t.after(async () => {
    await (fresh || key === null ? context : page).close();
    assert.deepEqual(troubles, []);
  });
  if (path !== null) await page.goto(path);
  return page;
}

/** What a browser keeps of somebody who has signed in: without the form, and without a page to do it on. */
async function signedIn(api_key) {
  const answer = await fetch(`${URL_BASE}/api/v1/session`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ api_key }) });
  assert.equal(answer.status, 200, "signing in");
  const [, name, value] = /^([^=]+)=([^;]*);/.exec(answer.headers.get("set-cookie"));
  const cookie = { name, value, domain: new URL(URL_BASE).hostname, path: "/", expires: -1, httpOnly: true, secure: true, sameSite: "Strict" };
  return { cookies: [cookie], origins: [{ origin: URL_BASE, localStorage: [{ name: "edge-kpi.signed-in", value: "1" }] }] };
}

let useCases = 0;

/** A use case of the test's own, with KPIs; it goes with the test. Tells its name and the paths of its definition and its instances. */
export async function newUseCase(t, kpis = [], { description = "" } = {}) {
  const name = `${unique("Test")}-${(useCases += 1)}`;
  const definition = `/api/v1/use_cases/definitions/${name}`;
  await api("POST", "/api/v1/use_cases/definitions", { name, description });
  t.after(async () => {
    // Pages that still load something of it would be refused.
    for (const page of opened.get(t) ?? []) await page.close();
    await fetch(URL_BASE + definition, { method: "DELETE", headers: { "xProxy-api-key": ROOT_KEY } });
  });
  for (const kpi of kpis) await api("POST", `${definition}/kpis`, kpi);
  return { name, definition, instances: `/api/v1/use_cases/instances/${name}`, page: `/use-cases/${name}` };
}

/** What the API says to a request that it refuses, as a sentence: so it stands in the portal. */
export async function refusalOf(method, path, body, contentType = "application/json") {
  const headers = { "xProxy-api-key": ROOT_KEY, "content-type": contentType };
  const answer = await fetch(URL_BASE + path, { method, headers, body: typeof body === "string" ? body : JSON.stringify(body) });
  assert.ok(!answer.ok, `${method} ${path} is not refused`);
  const { message } = (await answer.json()).xproxy_error;
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}${/[.!?]$/.test(message) ? "" : "."}`;
}

/** The field that a control is: the message at it, once it is marked as wrong. */
export async function errorAt(control) {
  await eventually(async () => assert.equal(await control.getAttribute("aria-invalid"), "true"));
  const page = control.page();
  const ids = ((await control.getAttribute("aria-describedby")) ?? "").split(" ").filter((id) => /(error|wrong)$/.test(id));
  assert.equal(ids.length, 1, "the control names its error");
  return text(page.locator(`[id="${ids[0]}"]`));
}

/** Every chart below the fold is drawn when it comes into view. */
export async function scrollThrough(page) {
  await page.evaluate(async () => {
    for (let y = 0; y < document.body.scrollHeight; y += innerHeight / 2) {
      scrollTo(0, y);
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 30)));
    }
    scrollTo(0, 0);
  });
}

/** Leaves a picture of the whole page in target/screenshots. */
export async function screenshot(page, name) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await scrollThrough(page);
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true, animations: "disabled" });
}

/** No serious or critical violation of what axe checks. */
export async function assertAccessible(page, what) {
  await page.evaluate(AXE);
  const violations = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(({ id, help, nodes }) => ({ id, help, where: nodes.slice(0, 3).map(({ target, failureSummary }) => `${target}: ${failureSummary}`) }));
  });
  assert.deepEqual(violations, [], what);
}

/** Waits until `check` holds: it returns, or stops throwing. */
export async function eventually(check, patienceMs = PATIENCE_MS) {
  const end = Date.now() + patienceMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** The text of what is found, with every white space as one space. */
export async function text(locator) {
  return (await locator.innerText()).replace(/\s+/g, " ").trim();
}

/** Waits for an element to be there and visible. */
export const visible = (locator) => locator.first().waitFor({ state: "visible" });

/** Waits for an element to be gone. */
export const gone = (locator) => locator.first().waitFor({ state: "hidden" });

/** A name that no other test and no earlier run has taken. */
export const unique = (name) => `${name}-${Date.now().toString(36)}-${process.pid}`;

/** Does `work` for each, a few at a time. */
export async function each(items, work) {
  const waiting = [...items];
  await Promise.all(Array.from({ length: 6 }, async () => { while (waiting.length > 0) await work(waiting.shift()); }));
}

// As the service rounds: all digits count, and what lies in the middle goes to the even neighbour.
const TWO_DIGITS = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2, roundingMode: "halfEven" });
const twoDecimals = (number) => TWO_DIGITS.format(number.toFixed(20));

/** Two decimals; of a number below 0.1 as many more as two digits take, up to eight. */
function decimal(number) {
  if (number === 0 || Math.abs(number) >= 0.1) return twoDecimals(number);
  const more = Math.min(8, 1 - Math.floor(Math.log10(Math.abs(number))));
  return new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: more, roundingMode: "halfEven" }).format(number.toFixed(20));
}

/** A percentage of the API as the portal shows it. */
export const percentage = (number) => (number === null ? "–" : `${twoDecimals(number)}%`);

export const isShare = ({ kpi_type }) => kpi_type === "boolean" || kpi_type === "percentage";

/** A value of a KPI as the portal shows it in English. */
export function shown(kpi, number) {
  if (number === null) return "–";
  if (isShare(kpi)) return `${decimal(100 * number)}%`;
  if (kpi.kpi_type !== "number" || !kpi.unit) return decimal(number);
  return ["$", "€"].includes(kpi.unit) ? `${number < 0 ? "-" : ""}${kpi.unit}${decimal(Math.abs(number))}` : `${decimal(number)}${["%", "°"].includes(kpi.unit) ? "" : " "}${kpi.unit}`;
}

/** The same of a difference. */
export function shownDifference(kpi, number) {
  const sign = number > 0 ? "+" : number < 0 ? "−" : "±";
  const text = shown(kpi, Math.abs(number));
  return sign + (isShare(kpi) || kpi.unit === "%" ? text.replace(/%$/, " percentage points") : text);
}

/** The cells of a table's body, row by row. */
export const cells = (table) =>
  table.locator("tbody tr").evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.innerText.replace(/\s+/g, " ").trim())));

/** The tables behind all charts of a page, by what the charts are called; the charts are shown again afterwards. */
export async function tables(page) {
  const turn = (name) => page.evaluate((text) => document.querySelectorAll("figcaption button").forEach((button) => button.textContent.trim() === text && button.click()), name);
  await turn("Show as table");
  const read = await page.locator("figure table").evaluateAll((all) =>
    all.map((table) => [table.caption.textContent, [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.innerText.replace(/\s+/g, " ").trim()))]));
  await turn("Show as chart");
  return Object.fromEntries(read);
}

/** The chart of a section, as soon as it is drawn. */
export async function chartOf(section) {
  const chart = section.locator("div[role=img]");
  await chart.scrollIntoViewIfNeeded();
  await chart.locator("svg path").first().waitFor({ state: "attached" });
  return chart;
}
