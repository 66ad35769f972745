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

/**
 * A page in a browser of its own, signed in with a key unless that is null. At the end of the test nothing may have gone wrong in it:
 * no errors in the console, nothing asked of another host. `refusals: true`: answers of 4xx are part of the test, and browsers log each.
 */
export async function open(t, { key = ROOT_KEY, path = "/", viewport = DESKTOP, colorScheme = "light", timezoneId = "UTC", refusals = false, ...options } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, timezoneId, locale: "en-US", baseURL: URL_BASE, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const troubles = [];
  page.on("pageerror", (error) => troubles.push(`an exception: ${error.stack ?? error}`));
  page.on("console", (message) => {
    const expected = refusals && /the server responded with a status of 4\d\d/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !expected) troubles.push(`the console: ${message.text()} (${message.location().url})`);
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (["http:", "https:", "ws:", "wss:"].includes(url.protocol) && url.origin !== URL_BASE) troubles.push(`a request to ${url.origin}`);
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(troubles, []);
  });
  if (key !== null) await signIn(page, key);
  if (path !== null) await page.goto(path);
  return page;
}

/** Signs in as the page of sign-in does, without its form. */
async function signIn(page, key) {
  await page.goto("/docs");
  const status = await page.evaluate(async (api_key) => {
    localStorage.setItem("edge-kpi.signed-in", "1");
    const answer = await fetch("/api/v1/session", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ api_key }) });
    return answer.status;
  }, key);
  assert.equal(status, 200, "signing in");
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
