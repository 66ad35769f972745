// API keys: made, shown once, used, listed, revoked; in an application of the tests' own, which has no other keys.
import assert from "node:assert/strict";
import { before, after, test } from "node:test";
import { api, errorAt, eventually, gone, open, refusalOf, text, URL_BASE, visible } from "./support.mjs";

const APPLICATION = `keys-${process.pid}`;
const EMPTY = `${APPLICATION}-empty`;
let admin;

before(async () => {
  admin = (await api("POST", "/api/v1/applications", { application_id: APPLICATION, name: "Keys" })).admin_key;
});
after(async () => {
  await api("DELETE", `/api/v1/applications/${APPLICATION}`);
});

const keys = async () => (await api("GET", "/api/v1/keys?limit=500", undefined, admin.api_key)).items;
const keyNamed = async (name) => (await keys()).find((key) => key.name === name);
const newKey = (name, role = "read", more = {}) => api("POST", "/api/v1/keys", { name, role, ...more }, admin.api_key);
const works = async (api_key) => (await fetch(`${URL_BASE}/api/v1/use_cases/definitions`, { headers: { "xProxy-api-key": api_key } })).status;
const row = (page, name) => page.getByRole("row").filter({ has: page.getByRole("rowheader", { name: new RegExp(`^${name}\\b`) }) });
const cell = (page, name, label) => text(row(page, name).locator(`td[data-label="${label}"]`));
const openKeys = (t, more = {}) => open(t, { key: admin.api_key, path: "/keys", ...more });

test("a key is made, shown once, copied, and works", async (t) => {
  const page = await openKeys(t, { permissions: ["clipboard-read", "clipboard-write"] });
  await visible(page.getByRole("table", { name: "API keys" }));
  await page.getByRole("button", { name: "Create key" }).click();
  const dialog = page.getByRole("dialog", { name: "Create key" });
  assert.equal(await dialog.getByRole("radio", { name: "Ingest" }).isChecked(), true, "the role that may least");
  await dialog.getByLabel("Name").fill("  Help-Desk  ");
  await dialog.getByRole("radio", { name: "Read" }).check();
  await dialog.getByRole("button", { name: "Create", exact: true }).click();

  const shown = page.getByRole("dialog", { name: "Your new key" });
  await visible(shown);
  const api_key = await text(shown.getByRole("group", { name: "New API key" }).locator("code"));
  assert.equal(await works(api_key), 200);
  assert.match(await text(shown), /Help-Desk, role read, never expires/);
  await shown.getByRole("button", { name: "Copy key" }).click();
  await visible(shown.getByRole("button", { name: "Copied" }));
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), api_key);
  await shown.getByRole("button", { name: "I have copied it" }).click();
  await gone(shown);

  const key = await keyNamed("Help-Desk");
  assert.deepEqual([key.role, key.expires_timestamp, key.revoked_timestamp], ["read", null, null]);
  await visible(row(page, "Help-Desk"));
  assert.deepEqual([await cell(page, "Help-Desk", "Role"), await cell(page, "Help-Desk", "State"), await cell(page, "Help-Desk", "Expires")], ["Read", "✓ Active", "Never"]);
  assert.ok((await text(row(page, "Help-Desk"))).includes(key.key_id));
  for (const address of ["/keys", "/keys?revoked=show"]) {
    await page.goto(address);
    await visible(row(page, "Help-Desk"));
    assert.ok(!(await page.content()).includes(api_key), "the key is shown once");
  }
});

test("a key of each role is made with the role that was chosen", async (t) => {
  const page = await openKeys(t);
  for (const role of ["Ingest", "Read", "Editor", "Admin"]) {
    await page.getByRole("button", { name: "Create key" }).click();
    const dialog = page.getByRole("dialog", { name: "Create key" });
    await dialog.getByLabel("Name").fill(`Of ${role}`);
    await dialog.getByRole("radio", { name: role }).check();
    await dialog.getByRole("button", { name: "Create", exact: true }).click();
    await page.getByRole("button", { name: "I have copied it" }).click();
    await visible(row(page, `Of ${role}`));
    assert.equal(await cell(page, `Of ${role}`, "Role"), role);
    assert.equal((await keyNamed(`Of ${role}`)).role, role.toLowerCase());
  }
});

test("an expiry is an instant of the browser's zone, and must lie ahead", async (t) => {
  const page = await openKeys(t, { timezoneId: "America/New_York", refusals: true });
  await page.getByRole("button", { name: "Create key" }).click();
  const dialog = page.getByRole("dialog", { name: "Create key" });
  const expires = dialog.getByLabel("Expires");
  await dialog.getByLabel("Name").fill("For a while");
  await expires.fill("2020-01-15T12:00");
  await dialog.getByRole("button", { name: "Create", exact: true }).click();
  const refusal = await refusalOf("POST", "/api/v1/keys", { role: "ingest", name: "For a while", expires_timestamp: "2020-01-15T17:00:00.000Z" });
  assert.equal(await errorAt(expires), refusal);
  assert.equal(await keyNamed("For a while"), undefined);

  await expires.fill("2099-07-15T12:00");
  await dialog.getByRole("button", { name: "Create", exact: true }).click();
  await visible(page.getByText("role ingest, until Jul 15, 2099, 12:00 PM"));
  assert.equal((await keyNamed("For a while")).expires_timestamp, "2099-07-15T16:00:00.000Z");
  await page.getByRole("button", { name: "I have copied it" }).click();
  await visible(row(page, "For a while"));
  assert.equal(await cell(page, "For a while", "Expires"), "Jul 15, 2099, 12:00 PM");
});

test("a key says when it was last used", async (t) => {
  const { api_key } = await newKey("Used");
  await newKey("Unused");
  assert.equal(await works(api_key), 200);
  // It is noted after the answer.
  const { last_used } = await eventually(async () => {
    const key = await keyNamed("Used");
    assert.ok(key.last_used);
    return key;
  });
  const page = await openKeys(t);
  await visible(row(page, "Used"));
  const day = new Date(`${last_used.slice(0, 10)}T00:00:00Z`).toLocaleDateString("en-US", { dateStyle: "medium", timeZone: "UTC" });
  assert.equal(await cell(page, "Used", "Last used"), day);
  assert.equal(await cell(page, "Unused", "Last used"), "Never");
});

test("revoking asks, ends the key, and hides it", async (t) => {
  const made = await newKey("Not needed");
  const page = await openKeys(t);
  const revoke = page.getByRole("button", { name: "Revoke Not needed" });
  const dialog = page.getByRole("dialog", { name: "Revoke Not needed?" });
  await revoke.click();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await gone(dialog);
  assert.equal(await works(made.api_key), 200, "nothing happens before it is confirmed");

  await revoke.click();
  await dialog.getByRole("button", { name: "Revoke", exact: true }).click();
  await gone(dialog);
  await visible(page.getByText("Not needed was revoked."));
  await gone(row(page, "Not needed"));
  assert.equal(await works(made.api_key), 401);
  assert.ok((await keyNamed("Not needed")).revoked_timestamp);

  const revoked = (await keys()).filter((key) => key.revoked_timestamp).length;
  await page.getByLabel(`Show revoked keys (${revoked})`).check();
  await visible(row(page, "Not needed"));
  assert.equal(await cell(page, "Not needed", "State"), "✕ Revoked");
  assert.equal(await revoke.count(), 0, "it can't be revoked twice");
  assert.equal(page.url(), `${URL_BASE}/keys?revoked=show`);
  await page.reload();
  await visible(row(page, "Not needed"));
  await page.getByLabel(/Show revoked keys/).uncheck();
  await gone(row(page, "Not needed"));
});

test("what the service does not do is said, and nothing is shown as done", async (t) => {
  await newKey("Stays");
  const page = await openKeys(t, { failures: true });
  await page.route("**/api/v1/keys**", (route) =>
    route.request().method() === "GET" ? route.continue() : route.fulfill({ status: 503, json: { statusCode: 503, message: "the service is busy", xproxy_error: { code: "overloaded", message: "the service is busy" } } }),
  );
  await page.getByRole("button", { name: "Revoke Stays" }).click();
  const revoking = page.getByRole("dialog", { name: "Revoke Stays?" });
  await revoking.getByRole("button", { name: "Revoke", exact: true }).click();
  assert.equal(await text(revoking.getByRole("alert")), "The service is busy.");
  await revoking.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await cell(page, "Stays", "State"), "✓ Active");

  await page.getByRole("button", { name: "Create key" }).click();
  const making = page.getByRole("dialog", { name: "Create key" });
  await making.getByLabel("Name").fill("Perhaps");
  await making.getByRole("button", { name: "Create", exact: true }).click();
  assert.match(await text(making.getByRole("alert")), /^The service is busy\. Look into the list before you try again/);
  assert.equal(await making.getByLabel("Name").inputValue(), "Perhaps");
});

test("one's own key is marked, and revoking it signs out", async (t) => {
  const own = await newKey("My own", "admin");
  const page = await openKeys(t, { key: own.api_key, refusals: true });
  await visible(row(page, "My own").getByText("This session"));
  assert.equal(await page.getByText("This session").count(), 1);
  await page.getByRole("button", { name: "Revoke My own" }).click();
  const dialog = page.getByRole("dialog", { name: "Revoke My own?" });
  await visible(dialog.getByText("You are signed in with this key"));
  await dialog.getByRole("button", { name: "Revoke", exact: true }).click();
  await visible(page.getByRole("button", { name: "Sign in" }));
  assert.equal(await works(own.api_key), 401);
});

test("who is no admin does not see keys", async (t) => {
  for (const role of ["read", "editor"]) {
    const { api_key } = await newKey(`Only ${role}`, role);
    const page = await openKeys(t, { key: api_key });
    const asked = [];
    page.on("request", (request) => request.url().includes("/api/v1/keys") && asked.push(request.url()));
    await visible(page.getByText("Keys are made and revoked by admins"));
    assert.equal(await page.getByRole("link", { name: "API keys" }).count(), 0);
    assert.equal(await page.getByRole("table").count(), 0);
    assert.equal(await page.getByRole("button", { name: "Create key" }).count(), 0);
    await page.reload();
    await visible(page.getByText("Keys are made and revoked by admins"));
    assert.deepEqual(asked, [], "what would be refused is not asked for");
  }
});

test("a list without keys to show says so", async (t) => {
  const { admin_key } = await api("POST", "/api/v1/applications", { application_id: EMPTY, name: "Empty" });
  t.after(() => api("DELETE", `/api/v1/applications/${EMPTY}`));
  const page = await openKeys(t, { key: admin_key.api_key });
  await visible(page.getByRole("table", { name: "API keys" }));
  assert.equal(await page.getByLabel(/Show revoked keys/).count(), 0, "nothing is hidden");
  await page.route("**/api/v1/keys?**", async (route) => {
    const { items } = await (await route.fetch()).json();
    await route.fulfill({ json: { items: items.map((key) => ({ ...key, revoked_timestamp: key.created_timestamp })) } });
  });
  await page.reload();
  await visible(page.getByText(/All keys are revoked/));
});
