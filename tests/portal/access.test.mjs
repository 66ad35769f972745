// Who gets in, what they may do, and how it ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { api, gone, newKey, open, ROOT_KEY, text, URL_BASE, visible } from "./support.mjs";

const signInForm = (page) => ({ key: page.getByLabel("API key"), button: page.getByRole("button", { name: "Sign in" }) });
const sessionCookie = async (page) => (await page.context().cookies()).find(({ name }) => name === "edge_kpi_session");

test("a key is exchanged for a session, and signing out ends it", async (t) => {
  const page = await open(t, { key: null });
  const { key, button } = signInForm(page);
  await key.fill(ROOT_KEY);
  await button.click();
  await visible(page.getByRole("heading", { name: "Use cases", level: 1 }));
  const cookie = await sessionCookie(page);
  assert.deepEqual([cookie.httpOnly, cookie.secure, cookie.sameSite, cookie.path], [true, true, "Strict", "/"]);
  const hours = (cookie.expires - Date.now() / 1000) / 3600;
  assert.ok(hours > 11.9 && hours <= 12.01, `${hours} hours`);
  // The key itself is nowhere in the browser.
  const kept = await page.evaluate(() => JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }]));
  assert.ok(!kept.includes(ROOT_KEY) && !cookie.value.includes(ROOT_KEY));
  await page.reload();
  await visible(page.getByRole("heading", { name: "Use cases", level: 1 }));

  await page.getByRole("button", { name: "Sign out" }).click();
  await visible(button);
  assert.equal(await sessionCookie(page), undefined);
  await page.goto("/use-cases/Chat-Bot");
  await visible(button);
});

test("a wrong key, or none, is refused at the field", async (t) => {
  const page = await open(t, { key: null, refusals: true });
  const { key, button } = signInForm(page);
  await button.click();
  assert.match(await text(page.getByRole("alert")), /Put your API key in/);
  await key.fill("ekpi_this_is_no_key_at_all_000000");
  await button.click();
  await visible(page.getByText("This key is not known"));
  assert.equal(await key.getAttribute("aria-invalid"), "true");
  assert.equal(await sessionCookie(page), undefined);
});

test("after signing in one is where one wanted to go", async (t) => {
  const page = await open(t, { key: null, path: "/use-cases/Chat-Bot?range=90d" });
  const { key, button } = signInForm(page);
  await key.fill(ROOT_KEY);
  await key.press("Enter");
  await visible(page.getByRole("heading", { name: "Chat-Bot", level: 1 }));
  assert.equal(page.url(), `${URL_BASE}/use-cases/Chat-Bot?range=90d`);
  await gone(button);
});

test("a key that is revoked ends its sessions", async (t) => {
  const made = await newKey("editor", "to be revoked");
  const page = await open(t, { key: made.api_key, refusals: true });
  await visible(page.getByRole("link", { name: "Chat-Bot" }));
  await api("DELETE", `/api/v1/keys/${made.key_id}`);
  await page.getByRole("link", { name: "Chat-Bot" }).click();
  await visible(page.getByText("Your session has ended, or its key was revoked"));
  await page.reload();
  await visible(signInForm(page).button);
});

test("a read key sees everything and can change nothing", async (t) => {
  const { api_key } = await newKey("read");
  const page = await open(t, { key: api_key });
  const editing = /^(\+|new|add|create|edit|delete|remove|record|correct|clear|increment|import|save|revoke)\b|^actions for/i;
  for (const path of ["/", "/use-cases/Chat-Bot?range=90d", "/use-cases/Chat-Bot/compare", "/use-cases/Chat-Bot/instances", "/use-cases/Chat-Bot/configuration"]) {
    await page.goto(path);
    await visible(page.getByRole("heading", { level: 1 }));
    await page.waitForLoadState("networkidle");
    const names = await page.getByRole("button").evaluateAll((buttons) => buttons.map((button) => button.getAttribute("aria-label") ?? button.textContent.trim()));
    assert.ok(names.includes("Sign out"));
    assert.deepEqual(names.filter((name) => editing.test(name)), [], path);
  }
  await visible(page.getByText("Deflection Rate"));
  assert.equal(await page.getByRole("link", { name: "API keys" }).count(), 0);
  await page.goto("/use-cases/Chat-Bot/instances");
  await page.getByRole("table").getByRole("link").first().click();
  const dialog = page.getByRole("dialog");
  await visible(dialog);
  const inDialog = await dialog.getByRole("button").evaluateAll((buttons) => buttons.map((button) => button.getAttribute("aria-label") ?? button.textContent.trim()));
  assert.deepEqual(inDialog.filter((name) => editing.test(name)), []);
});

test("an ingest key is told that it can't see dashboards", async (t) => {
  const { api_key } = await newKey("ingest");
  const page = await open(t, { key: null });
  const { key, button } = signInForm(page);
  await key.fill(api_key);
  await button.click();
  await visible(page.getByText("This key can only record scores"));
  assert.equal(await sessionCookie(page), undefined);
});

test("the page has a strict policy, and no other origin", async () => {
  for (const path of ["/", "/keys", "/use-cases/Chat-Bot/compare"]) {
    const answer = await fetch(URL_BASE + path);
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-type"), /^text\/html/);
    const policy = answer.headers.get("content-security-policy");
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]) {
      assert.ok(policy.split(/; ?/).includes(part), `${part} in ${policy}`);
    }
    assert.doesNotMatch(policy, /unsafe-eval|script-src[^;]*unsafe|https?:/);
    assert.equal(answer.headers.get("x-frame-options"), "DENY");
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  }
});
