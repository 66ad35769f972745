// The configuration of a use case: KPIs, versions, events, import, export, code, description, and its end.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { api, errorAt, eventually, gone, newKey, newUseCase, open, refusalOf, ROOT_KEY, text, unique, URL_BASE, visible } from "./support.mjs";

const BUSY = { status: 503, json: { statusCode: 503, message: "the service is busy", xproxy_error: { code: "overloaded", message: "the service is busy" } } };
const openConfiguration = (t, useCase, { search = "", ...more } = {}) => open(t, { path: `${useCase.page}/configuration${search}`, ...more });
const toast = (page, words) => visible(page.locator(".toast").filter({ hasText: words }));
const item = (page, name) => page.getByRole("list", { name: /^KPIs of/ }).getByRole("listitem").filter({ has: page.getByRole("heading", { name, exact: true }) });
const act = async (page, name, action) => {
  await page.getByRole("button", { name: `Actions for ${name}`, exact: true }).click();
  await page.getByRole("menuitem", { name: action }).click();
};
const newDialog = (page) => page.getByRole("dialog", { name: "New Use Case KPI" });
const editDialog = (page, name) => page.getByRole("dialog", { name: `Edit ${name}` });
const named = (dialog, name) => dialog.locator(`[name="${name}"]`);
const press = (dialog, name) => dialog.getByRole("button", { name, exact: true }).click();
const kpiOf = (useCase, name) => api("GET", `${useCase.definition}/kpis/${encodeURIComponent(name)}`);
/** What is put in, of a KPI of the API. */
const held = ({ name, kpi_type, goal, direction, unit, description, benchmarks }) => ({ name, kpi_type, goal, direction, unit, description, benchmarks });
async function benchmark(dialog, at, name, value) {
  await dialog.getByRole("button", { name: "Add benchmark" }).click();
  await dialog.getByLabel(`Name of benchmark ${at}`).fill(name);
  await dialog.getByLabel(`Value of benchmark ${at}`).fill(value);
}

// As they are put in, and as they are stored: shares are put in as percent.
const NEW = {
  "Solved at once": { type: "boolean", goal: "5.1", stored: 0.051, shown: "5.10%", benchmark: ["20", 0.2], preview: "5.61% True (Goal: 5.10%)" },
  "Handling time": { type: "number", goal: "12.5", stored: 12.5, shown: "12.50 min", unit: "min", direction: "lower_is_better", width: 0.5, benchmark: ["-3.25", -3.25], preview: "11.25 min (Goal: 12.50 min)" },
  "Answered (%)": { type: "percentage", goal: "80", stored: 0.8, shown: "80.00%", benchmark: ["99.9", 0.999], preview: "88.00% (Goal: 80.00%)" },
  "Tone": { type: "likert5", goal: "3.5", stored: 3.5, shown: "3.50", benchmark: ["5", 5], preview: "3.85 / 5.00 (Goal: 3.50)" },
  "Clarity & brevity": { type: "likert7", goal: "5.25", stored: 5.25, shown: "5.25", direction: "lower_is_better", benchmark: ["1", 1], preview: "4.73 / 7.00 (Goal: 5.25)" },
  "Würden Sie uns empfehlen?": { type: "likert10", goal: "7", stored: 7, shown: "7.00", benchmark: ["8.5", 8.5], preview: "7.70 / 10.00 (Goal: 7.00)" },
};

test("a KPI of each type is stored as it was put in", async (t) => {
  const useCase = await newUseCase(t);
  const page = await openConfiguration(t, useCase);
  const dialog = newDialog(page);
  for (const [name, { type, goal, stored, shown, unit = null, direction = "higher_is_better", width, benchmark: [put, value], preview }] of Object.entries(NEW)) {
    await page.getByRole("button", { name: "+ KPI" }).click();
    await named(dialog, "name").fill(`  ${name} `);
    await named(dialog, "kpi_type").selectOption(type);
    await named(dialog, "goal").fill(goal);
    await named(dialog, "direction").selectOption(direction);
    assert.equal(await named(dialog, "unit").count(), type === "number" ? 1 : 0);
    if (unit) await named(dialog, "unit").fill(unit);
    if (width) await named(dialog, "bucket_width").fill(String(width));
    await named(dialog, "description").fill(`About ${name}`);
    await benchmark(dialog, 1, "industry", put);
    await visible(dialog.getByText(preview, { exact: true }));
    await press(dialog, "Create");
    await gone(dialog);
    await toast(page, `${name} was created.`);
    const made = await kpiOf(useCase, name);
    assert.deepEqual(held(made), { name, kpi_type: type, goal: stored, direction, unit, description: `About ${name}`, benchmarks: [{ name: "industry", value }] });
    if (width) assert.equal(made.bucket_width, width);
    assert.match(await text(item(page, name)), new RegExp(`About .* Goal ${shown.replace(".", "\\.")} [↑↓] ${direction === "higher_is_better" ? "Higher" : "Lower"} is better`));
  }
  assert.equal((await api("GET", `${useCase.definition}/kpis`)).items.length, 6);
});

test("a KPI of each type is edited: its fields are there as they were, and only what differs is sent", async (t) => {
  const useCase = await newUseCase(t, Object.entries(NEW).map(([name, { type, stored, unit = null, direction, benchmark: [, value] }]) =>
    ({ name, kpi_type: type, goal: stored, unit, direction, description: "as it was", benchmarks: [{ name: "industry", value }] })));
  const page = await openConfiguration(t, useCase);
  const sent = [];
  page.on("request", (request) => request.method() === "PUT" && sent.push(request.postDataJSON()));
  for (const [name, { type, goal, unit, direction = "higher_is_better", benchmark: [put] }] of Object.entries(NEW)) {
    const before = await kpiOf(useCase, name);
    await act(page, name, "Edit");
    const dialog = editDialog(page, name);
    assert.deepEqual(
      await Promise.all([...["name", "kpi_type", "goal", "direction", "description"].map((field) => named(dialog, field).inputValue()), dialog.getByLabel("Value of benchmark 1").inputValue()]),
      [name, type, goal, direction, "as it was", put],
    );
    if (unit) assert.equal(await named(dialog, "unit").inputValue(), unit);
    await named(dialog, "name").fill(`${name}, renamed`);
    await named(dialog, "goal").fill("2.5");
    await press(dialog, "Save");
    await gone(dialog);
    const goalStored = type === "boolean" || type === "percentage" ? 0.025 : 2.5;
    assert.deepEqual(sent.pop(), { name: `${name}, renamed`, goal: goalStored });
    const after = await kpiOf(useCase, before.kpi_id);
    assert.deepEqual(held(after), { ...held(before), name: `${name}, renamed`, goal: goalStored });
    await visible(item(page, `${name}, renamed`));
    await gone(item(page, name));
  }
});

test("what a KPI has can be taken away, and what is not changed is not sent", async (t) => {
  const useCase = await newUseCase(t, [{ name: "Worth", kpi_type: "number", goal: 10, unit: "$", description: "long", benchmarks: [{ name: "industry", value: 8 }, { name: "last year", value: 9 }] }]);
  const page = await openConfiguration(t, useCase);
  const sent = [];
  page.on("request", (request) => request.method() === "PUT" && sent.push(request.postDataJSON()));
  await act(page, "Worth", "Edit");
  const dialog = editDialog(page, "Worth");
  await press(dialog, "Save");
  await gone(dialog);
  assert.deepEqual(sent, []);

  await act(page, "Worth", "Edit");
  await named(dialog, "unit").fill("");
  await named(dialog, "description").fill("");
  await dialog.getByRole("button", { name: "Remove benchmark 1" }).click();
  await benchmark(dialog, 2, "competitor", "11.75");
  await named(dialog, "direction").selectOption("lower_is_better");
  await visible(dialog.getByText(/figures of this KPI are counted again/));
  await press(dialog, "Save");
  await gone(dialog);
  assert.deepEqual(held(await kpiOf(useCase, "Worth")), { name: "Worth", kpi_type: "number", goal: 10, direction: "lower_is_better", unit: null, description: "", benchmarks: [{ name: "last year", value: 9 }, { name: "competitor", value: 11.75 }] });
  assert.match(await text(item(page, "Worth")), /Goal 10\.00 ↓ Lower is better Benchmarks last year 9\.00, competitor 11\.75/);

  await act(page, "Worth", "Edit");
  await named(dialog, "name").fill("Something else");
  await page.keyboard.press("Escape");
  await gone(dialog);
  await visible(item(page, "Worth"));
  assert.equal(sent.length, 1, "what is cancelled is not sent");
});

test("what is wrong with a KPI is said at its field, in the API's words", async (t) => {
  const useCase = await newUseCase(t, [{ name: "Taken", kpi_type: "boolean", goal: 0.5 }]);
  const page = await openConfiguration(t, useCase, { refusals: true });
  await page.getByRole("button", { name: "+ KPI" }).click();
  const dialog = newDialog(page);
  const refused = async (field, body) => {
    await press(dialog, "Create");
    const refusal = await refusalOf("POST", `${useCase.definition}/kpis`, { direction: "higher_is_better", description: "", ...body });
    await eventually(async () => assert.equal(await errorAt(named(dialog, field)), refusal));
    assert.equal(await dialog.locator("[aria-invalid=true]").count(), 1, "at no other field");
  };
  const said = async (field, words) => {
    await press(dialog, "Create");
    await eventually(async () => assert.equal(await errorAt(named(dialog, field)), words));
  };
  await said("name", "Give the KPI a name.");
  await named(dialog, "name").fill("Taken");
  await said("name", "This use case has a KPI Taken already.");
  await named(dialog, "name").fill("New");
  await named(dialog, "goal").fill("");
  await said("goal", "Put a number in.");
  await named(dialog, "goal").fill("101");
  await refused("goal", { name: "New", kpi_type: "boolean", goal: 1.01 });
  for (const [type, goal] of [["likert5", 5.5], ["likert7", 0], ["likert10", 11]]) {
    await named(dialog, "kpi_type").selectOption(type);
    await named(dialog, "goal").fill(String(goal));
    await refused("goal", { name: "New", kpi_type: type, goal });
  }
  await named(dialog, "kpi_type").selectOption("number");
  await named(dialog, "goal").fill("10");
  await named(dialog, "bucket_width").fill("-1");
  await refused("bucket_width", { name: "New", kpi_type: "number", goal: 10, bucket_width: -1 });
  await named(dialog, "bucket_width").fill("");
  for (const name of ["a/b", "..", "benchmark/goal"]) {
    await named(dialog, "name").fill(name);
    await refused("name", { name, kpi_type: "number", goal: 10 });
  }
  // Made meanwhile by somebody else.
  await api("POST", `${useCase.definition}/kpis`, { name: "Meanwhile", kpi_type: "boolean", goal: 0.5 });
  await named(dialog, "name").fill("Meanwhile");
  await refused("name", { name: "Meanwhile", kpi_type: "number", goal: 10 });

  await named(dialog, "name").fill("New");
  await dialog.getByRole("button", { name: "Add benchmark" }).click();
  await dialog.getByLabel("Name of benchmark 1").fill("industry");
  const benchmarks = dialog.getByRole("group", { name: /Benchmarks/ });
  await press(dialog, "Create");
  assert.equal(await text(benchmarks.getByRole("alert")), "A benchmark needs a name and a value.");
  await named(dialog, "kpi_type").selectOption("likert5");
  await dialog.getByLabel("Value of benchmark 1").fill("6");
  await press(dialog, "Create");
  const refusal = await refusalOf("POST", `${useCase.definition}/kpis`, { name: "New", kpi_type: "likert5", goal: 4, benchmarks: [{ name: "industry", value: 6 }] });
  await eventually(async () => assert.equal(await text(benchmarks.getByRole("alert")), refusal));
  assert.deepEqual((await api("GET", `${useCase.definition}/kpis`)).items.map(({ name }) => name), ["Taken", "Meanwhile"], "nothing was made");
});

test("a type that recorded scores forbid is refused at the type", async (t) => {
  const useCase = await newUseCase(t, [{ name: "Worth", kpi_type: "number", goal: 4 }]);
  await api("POST", `${useCase.definition}/scores`, { scores: [30, 40, 3].map((score, n) => ({ use_case_id: unique(`w${n}`), kpi_name: "Worth", score })) });
  const page = await openConfiguration(t, useCase, { refusals: true });
  await act(page, "Worth", "Edit");
  const dialog = editDialog(page, "Worth");
  await named(dialog, "kpi_type").selectOption("likert5");
  assert.equal(await named(dialog, "goal").inputValue(), "4", "a goal that fits stays");
  await press(dialog, "Save");
  const refusal = await errorAt(named(dialog, "kpi_type"));
  assert.equal(refusal, await refusalOf("PUT", `${useCase.definition}/kpis/Worth`, { kpi_type: "likert5" }));
  assert.match(refusal, /^2 recorded scores/);
  assert.equal((await kpiOf(useCase, "Worth")).kpi_type, "number");
});

test("the menu of a KPI is in view wherever its button is, and goes when the page is scrolled", async (t) => {
  const useCase = await newUseCase(t, [{ name: "Solved", kpi_type: "boolean", goal: 0.5 }]);
  const page = await openConfiguration(t, useCase);
  const button = page.getByRole("button", { name: "Actions for Solved" });
  await button.click();
  const menu = page.getByRole("menu", { name: "Actions for Solved" });
  const [{ y: top, height }, below] = [await button.boundingBox(), await menu.boundingBox()];
  assert.ok(below.y >= top + height, "below its button");
  await page.mouse.wheel(0, 60);
  await gone(menu);
  // The button at the lower edge of the screen.
  await page.setViewportSize({ width: 1280, height: Math.ceil(top + height + 10) });
  await page.evaluate(() => scrollTo(0, 0));
  await button.click();
  const above = await menu.boundingBox();
  assert.ok(above.y >= 0 && above.y + above.height <= (await button.boundingBox()).y, JSON.stringify(above));
  await page.getByRole("menuitem", { name: "Edit" }).click();
  await visible(editDialog(page, "Solved"));
});

test("a change that takes long is waited for", async (t) => {
  const useCase = await newUseCase(t, [{ name: "Worth", kpi_type: "number", goal: 4 }]);
  const page = await openConfiguration(t, useCase, { failures: true });
  await page.route("**/kpis/*", (route) => (route.request().method() === "PUT" ? route.fulfill({ status: 503, json: { statusCode: 503, message: "still counting", xproxy_error: { code: "unavailable", message: "still counting" } } }) : route.continue()));
  await act(page, "Worth", "Edit");
  await named(editDialog(page, "Worth"), "goal").fill("5");
  await press(editDialog(page, "Worth"), "Save");
  await visible(page.getByText(/scores of Worth are still being counted again/));
  await api("PUT", `${useCase.definition}/kpis/Worth`, { goal: 5 });
  await page.getByRole("button", { name: "Look again" }).click();
  await visible(page.getByText("Worth was changed."));
  assert.match(await text(item(page, "Worth")), /Goal 5\.00/);
});

test("deleting a KPI says what goes with it, and wants its name", async (t) => {
  const useCase = await newUseCase(t, [["Three", 3], ["One", 1], ["None", 0]].map(([name]) => ({ name, kpi_type: "boolean", goal: 0.5 })));
  await api("POST", `${useCase.definition}/scores`, { scores: [..."abc"].map((id) => ({ use_case_id: unique(id), kpi_name: "Three", score: 1 })).concat({ use_case_id: unique("d"), kpi_name: "One", score: 0 }) });
  const page = await openConfiguration(t, useCase, { failures: true });
  const asking = (name) => page.getByRole("dialog", { name: `Delete ${name}?` });
  for (const [name, words] of [["Three", /3 scores go with it/], ["One", /1 score goes with it/], ["None", /It has no scores/]]) {
    await act(page, name, "Delete");
    await visible(asking(name).getByText(words));
    const button = asking(name).getByRole("button", { name: "Delete", exact: true });
    const typed = asking(name).getByLabel(`Type ${name} to confirm`);
    assert.equal(await button.isDisabled(), true);
    await typed.fill(name.toLowerCase());
    assert.equal(await button.isDisabled(), true);
    await typed.fill(name);
    if (name === "Three") {
      await page.route("**/kpis/*", (route) => route.fulfill(BUSY));
      await button.click();
      assert.equal(await text(asking(name).getByRole("alert")), "The service is busy.");
      await kpiOf(useCase, name);
      await page.unroute("**/kpis/*");
    }
    await button.click();
    await gone(asking(name));
    await toast(page, `${name} was deleted.`);
    await gone(item(page, name));
    assert.ok(!(await api("GET", `${useCase.definition}/kpis`)).items.some((kpi) => kpi.name === name));
  }
  await visible(page.getByText(/No KPIs yet/));
});

test("versions rise now or at a time of the zone, and the history tells", async (t) => {
  const useCase = await newUseCase(t);
  const page = await openConfiguration(t, useCase, { search: "?time_zone=Asia/Tokyo", refusals: true });
  const history = page.getByRole("list", { name: "History of versions" }).getByRole("listitem");
  await eventually(async () => assert.deepEqual((await history.allInnerTexts()).map((one) => one.replace(/\s+/g, " ")), ["Version 1 from the start current"]));
  const button = page.getByRole("button", { name: "Increment version" });
  const dialog = page.getByRole("dialog", { name: "Increment version" });
  const since = dialog.getByLabel("Since");
  const version = async () => (await api("GET", useCase.definition)).type_version;

  await button.click();
  await since.fill("2026-03-01T08:00");
  await press(dialog, "Increment to 2");
  await gone(dialog);
  await toast(page, `${useCase.name} has version 2 now.`);
  assert.equal(await version(), 2);
  await visible(page.getByText("Version 2", { exact: true }));
  const rises = (await api("GET", `/api/v1/dashboard/${useCase.name}?from=2026-01-01`)).events.filter(({ kind }) => kind === "version");
  assert.deepEqual(rises.map(({ version: one, at }) => [one, at]), [[2, "2026-02-28T23:00:00.000Z"]]);

  await button.click();
  for (const [put, timestamp] of [["2026-02-01T08:00", "2026-01-31T23:00:00.000Z"], ["2090-01-01T09:00", "2090-01-01T00:00:00.000Z"]]) {
    await since.fill(put);
    await press(dialog, "Increment to 3");
    const refusal = await refusalOf("POST", `${useCase.definition}/increment_version`, { timestamp });
    await eventually(async () => assert.equal(await errorAt(since), refusal));
    assert.equal(await version(), 2);
  }
  await since.fill("");
  await press(dialog, "Increment to 3");
  await gone(dialog);
  assert.equal(await version(), 3);
  await eventually(async () => {
    const shown = (await history.allInnerTexts()).map((one) => one.replace(/\s+/g, " "));
    assert.match(shown[0], /^Version 3 since .* current$/);
    assert.deepEqual(shown.slice(1), ["Version 2 since Mar 1, 2026, 8:00 AM", "Version 1 from the start"]);
  });
});

test("a version whose answer got lost is not raised twice", async (t) => {
  const useCase = await newUseCase(t);
  const page = await openConfiguration(t, useCase, { failures: true });
  let lost = true;
  await page.route("**/increment_version", async (route) => {
    const answer = await route.fetch();
    await (lost ? route.fulfill(BUSY) : route.fulfill({ response: answer }));
  });
  await page.getByRole("button", { name: "Increment version" }).click();
  const dialog = page.getByRole("dialog", { name: "Increment version" });
  await press(dialog, "Increment to 2");
  assert.equal(await text(dialog.getByRole("alert")), "The service is busy.");
  lost = false;
  await press(dialog, "Increment to 2");
  await gone(dialog);
  assert.equal((await api("GET", useCase.definition)).type_version, 2);
});

test("events are added at a time of the zone, listed by time, and deleted", async (t) => {
  const useCase = await newUseCase(t, [{ name: "Solved", kpi_type: "boolean", goal: 0.5 }]);
  const page = await openConfiguration(t, useCase, { search: "?time_zone=Europe/Berlin", refusals: true });
  await visible(page.getByText("No events yet."));
  const dialog = page.getByRole("dialog", { name: "Add event" });
  const add = async (title, at, description = "") => {
    await page.getByRole("button", { name: "Add event" }).click();
    await dialog.getByLabel("Title").fill(title);
    await dialog.getByLabel("When it happened").fill(at);
    await dialog.getByLabel("Description").fill(description);
    await press(dialog, "Add");
  };
  await add("", "2026-03-01T08:00");
  assert.equal(await errorAt(dialog.getByLabel("Title")), "Say what has changed.");
  await dialog.getByLabel("Title").fill("New prompt <1>");
  await dialog.getByLabel("When it happened").fill("");
  await press(dialog, "Add");
  assert.equal(await errorAt(dialog.getByLabel("When it happened")), "Say when it was.");
  await dialog.getByLabel("When it happened").fill("1999-01-01T01:00");
  await press(dialog, "Add");
  const refusal = await refusalOf("POST", `${useCase.definition}/events`, { at: "1999-01-01T00:00:00.000Z", title: "x" });
  await eventually(async () => assert.equal(await errorAt(dialog.getByLabel("When it happened")), refusal));
  await dialog.getByLabel("When it happened").fill("2026-07-01T08:00");
  await press(dialog, "Add");
  await gone(dialog);
  await add("Older", "2026-01-15T08:00", "Two\nlines");
  await gone(dialog);
  const events = async () => (await api("GET", `${useCase.definition}/events`)).items.map(({ title, at, description }) => ({ title, at, description }));
  assert.deepEqual(await events(), [{ title: "New prompt <1>", at: "2026-07-01T06:00:00.000Z", description: "" }, { title: "Older", at: "2026-01-15T07:00:00.000Z", description: "Two\nlines" }]);
  const list = page.getByRole("list", { name: /^Events of/ }).getByRole("listitem");
  const shown = async () => (await list.allInnerTexts()).map((one) => one.replace(/\s+/g, " "));
  assert.deepEqual(await shown(), ["New prompt <1> Jul 1, 2026, 8:00 AM Delete", "Older Jan 15, 2026, 8:00 AM Two lines Delete"]);

  await page.getByRole("button", { name: "Delete event Older" }).click();
  const asking = page.getByRole("dialog", { name: "Delete this event?" });
  await press(asking, "Cancel");
  assert.equal((await events()).length, 2);
  await page.getByRole("button", { name: "Delete event Older" }).click();
  await press(asking, "Delete");
  await gone(asking);
  assert.equal((await shown()).length, 1);
  assert.deepEqual((await events()).map(({ title }) => title), ["New prompt <1>"]);
});

test("the description is changed at once, and comes back if the service fails", async (t) => {
  const useCase = await newUseCase(t, [], { description: "as it was" });
  const page = await openConfiguration(t, useCase, { failures: true });
  const edit = page.getByRole("button", { name: "Edit description" });
  const field = page.getByLabel(`Description of ${useCase.name}`);
  const description = async () => (await api("GET", useCase.definition)).description;
  await edit.click();
  assert.equal(await field.inputValue(), "as it was");
  await field.fill("Helps <people>\nwho ask");
  await press(page, "Save description");
  await eventually(async () => assert.equal(await description(), "Helps <people>\nwho ask"));
  assert.equal(await page.getByText("Helps <people>").count(), 2, "above the tabs, and where it is edited");

  await page.route(`**${useCase.definition}`, (route) => (route.request().method() === "PUT" ? route.fulfill(BUSY) : route.continue()));
  await edit.click();
  await field.fill("something else");
  await press(page, "Save description");
  await toast(page, "The description was not changed. The service is busy.");
  assert.equal(await field.inputValue(), "something else", "to be sent again");
  await page.getByRole("button", { name: "Cancel" }).click();
  await visible(page.getByText("Helps <people>"));
  assert.equal(await description(), "Helps <people>\nwho ask");
});

test("deleting a use case wants its name, and leads to the others", async (t) => {
  const useCase = await newUseCase(t, [{ name: "Solved", kpi_type: "boolean", goal: 0.5 }]);
  const page = await openConfiguration(t, useCase, { refusals: true });
  await page.getByRole("button", { name: "Delete use case" }).click();
  const asking = page.getByRole("dialog", { name: `Delete ${useCase.name}?` });
  const button = asking.getByRole("button", { name: "Delete use case" });
  await asking.getByLabel(/to confirm$/).fill(`${useCase.name}x`);
  assert.equal(await button.isDisabled(), true);
  await asking.getByLabel(/to confirm$/).fill(useCase.name);
  await button.click();
  await visible(page.getByRole("heading", { name: "Use cases", level: 1 }));
  await toast(page, `${useCase.name} was deleted.`);
  assert.equal(await page.getByRole("link", { name: useCase.name }).count(), 0);
  await assert.rejects(api("GET", useCase.definition), /404/);
  await page.goto(useCase.page);
  await visible(page.getByText(`There is no use case ${useCase.name}`));
});

const choose = (page, name, body) => page.getByLabel(/file with scores/).setInputFiles({ name, mimeType: "text/plain", buffer: Buffer.isBuffer(body) ? body : Buffer.from(body) });
const reportOf = (page) => page.getByRole("region", { name: "Report of the import" });
const rejected = (page) => page.getByRole("table", { name: "Rejected rows" }).locator("tbody tr").evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText.replace(/\s+/g, " ").trim())));
const SOLVED = [{ name: "Solved", kpi_type: "boolean", goal: 0.5 }, { name: "Tone", kpi_type: "likert5", goal: 4 }];

test("a CSV file is imported, with its bad rows named", async (t) => {
  const useCase = await newUseCase(t, SOLVED);
  const page = await openConfiguration(t, useCase);
  const id = unique("csv");
  const rows = [`${id}-1,Solved,true,2026-01-15T09:15:00Z,"said ""yes"", twice"`, `${id}-2,Solved,perhaps,,`, `${id}-3,Tone,4.5,,`, `${id}-4,Tone,9,,`, `${id}-5,Nothing,1,,`, `a b,Solved,1,,`, `${id}-7,Solved,0,2026-01-16T09:15:00Z,`];
  const csv = `use_case_id,kpi_name,score,timestamp,comment\n${rows.join("\n")}\n`;
  await choose(page, "week 3.csv", csv);
  await page.getByRole("button", { name: "Import week 3.csv" }).click();
  await visible(reportOf(page));
  assert.match(await text(reportOf(page)), /^week 3\.csv ✓ 3 accepted ✕ 4 rejected/);
  // The same once more by the API: rows mean the same each time.
  const answer = await fetch(`${URL_BASE}${useCase.definition}/scores`, { method: "POST", headers: { "xProxy-api-key": ROOT_KEY, "content-type": "text/csv" }, body: csv });
  const { errors } = await answer.json();
  assert.deepEqual(await rejected(page), errors.map(({ index, code, message }) => [String(index + 2), `${message} ${code}`.replace(/\s+/g, " ")]));
  assert.deepEqual(errors.map(({ index }) => csv.split("\n")[index + 1]), [rows[1], rows[3], rows[4], rows[5]], "the lines of the file");
  const { items } = await api("GET", `${useCase.definition}/scores`);
  assert.deepEqual(items.map(({ use_case_id, kpi_name, score, comment }) => [use_case_id, kpi_name, score, comment]), [[`${id}-1`, "Solved", 1, 'said "yes", twice'], [`${id}-7`, "Solved", 0, null], [`${id}-3`, "Tone", 4.5, null]]);

  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download the errors" }).click();
  const saved = await saving;
  assert.equal(saved.suggestedFilename(), "week 3-errors.csv");
  const lines = readFileSync(await saved.path(), "utf8").split("\n");
  assert.deepEqual([lines[0], ...lines.slice(1, -1).map((line) => line.split(",").slice(0, 3).join(","))], ["row,line,code,message", ...errors.map(({ index, code }) => `${index + 1},${index + 2},${code}`)]);
  await page.getByRole("region", { name: "Report of the import" }).getByRole("link", { name: "To the dashboard" }).click();
  await visible(page.getByRole("link", { name: "Dashboard" }).and(page.locator("[aria-current=page]")));
});

test("an NDJSON file is imported, and dropped files are taken", async (t) => {
  const useCase = await newUseCase(t, SOLVED);
  const page = await openConfiguration(t, useCase);
  const id = unique("lines");
  const lines = [{ use_case_id: `${id}-1`, kpi_name: "Tone", score: 2.5 }, { use_case_id: `${id}-2`, kpi_name: "Tone", score: 0 }, { use_case_id: `${id}-3`, kpi_name: "Tone", score: 3 }].map((one) => JSON.stringify(one));
  const transfer = await page.evaluateHandle((body) => {
    const dropped = new DataTransfer();
    dropped.items.add(new File([body], "scores.ndjson"));
    return dropped;
  }, lines.join("\n"));
  await page.getByRole("group", { name: "File to import" }).dispatchEvent("drop", { dataTransfer: transfer });
  await page.getByRole("button", { name: "Import scores.ndjson" }).click();
  await visible(reportOf(page));
  assert.match(await text(reportOf(page)), /2 accepted ✕ 1 rejected/);
  assert.deepEqual((await rejected(page)).map(([line]) => line), ["2"]);
  assert.deepEqual((await api("GET", `${useCase.definition}/scores`)).items.map(({ score }) => score).sort(), [2.5, 3]);
});

test("many bad rows: the first 200 are shown, all can be saved", async (t) => {
  const useCase = await newUseCase(t, SOLVED);
  const page = await openConfiguration(t, useCase);
  await choose(page, "bad.csv", `use_case_id,kpi_name,score\n${Array.from({ length: 250 }, (_, n) => `x${n},Solved,${n}.5`).join("\n")}\n`);
  await page.getByRole("button", { name: "Import bad.csv" }).click();
  await visible(page.getByText("The first 200 of 250 are shown."));
  assert.equal((await rejected(page)).length, 200);
  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download the errors" }).click();
  assert.equal(readFileSync(await (await saving).path(), "utf8").trim().split("\n").length, 251);
  assert.deepEqual((await api("GET", `${useCase.definition}/scores`)).items, []);
});

test("a file that can't be imported is refused before it is sent, or in the API's words", async (t) => {
  const useCase = await newUseCase(t, SOLVED);
  const page = await openConfiguration(t, useCase, { refusals: true });
  const input = page.getByLabel(/file with scores/);
  const importing = page.getByRole("button", { name: /^Import / });
  for (const [name, body, words] of [
    ["scores.xlsx", "PK", /^scores\.xlsx is neither a CSV file/],
    ["empty.csv", "", /^empty\.csv is empty\.$/],
    ["large.csv", Buffer.alloc(10 * 1024 * 1024 + 1, "x"), /^large\.csv has 10 MB; at most 10 MB can be imported at once/],
  ]) {
    await choose(page, name, body);
    await eventually(async () => assert.match(await errorAt(input), words));
    assert.equal(await importing.count(), 0);
  }
  await choose(page, "letter.csv", "Dear Sir or Madam,\nthis is no table.\n");
  await importing.click();
  const alert = page.getByRole("alert").filter({ hasText: "The file was not imported as a whole." });
  await visible(alert);
  const refusal = await refusalOf("POST", `${useCase.definition}/scores`, "Dear Sir or Madam,\nthis is no table.\n", "text/csv");
  assert.ok((await text(alert)).includes(refusal), `${await text(alert)}: ${refusal}`);
  assert.equal(await reportOf(page).count(), 0);
});

test("an import shows how far it is, and can be stopped and repeated", async (t) => {
  const useCase = await newUseCase(t, SOLVED);
  const page = await openConfiguration(t, useCase);
  let go;
  const held = new Promise((resolve) => (go = resolve));
  let first = true;
  await page.route("**/scores", async (route) => {
    if (first) {
      first = false;
      await held;
      await route.abort().catch(() => {});
    } else await route.continue();
  });
  await choose(page, "one.csv", `use_case_id,kpi_name,score\n${unique("one")},Solved,1\n`);
  await page.getByRole("button", { name: "Import one.csv" }).click();
  await visible(page.getByRole("progressbar", { name: "Import" }));
  await visible(page.getByText(/^Sending: \d+%|^Sent\. The service is storing/));
  assert.equal(await page.getByLabel(/file with scores/).isDisabled(), true);
  await press(page, "Stop");
  await visible(page.getByText(/The import was stopped/));
  assert.equal(await page.getByRole("progressbar").count(), 0);
  go();
  await page.getByRole("button", { name: "Import one.csv" }).click();
  await visible(reportOf(page).getByText("1 accepted"));
  assert.equal(await page.getByText(/The import was stopped/).count(), 0);
});

/** A use case with scores in two versions, of two models, over some weeks. */
async function exported(t) {
  const useCase = await newUseCase(t, [...SOLVED, { name: "It's \"50%\", done", kpi_type: "number", goal: 1 }]);
  const id = unique("export");
  await api("POST", `${useCase.definition}/increment_version`, { timestamp: "2026-02-01T00:00:00Z" });
  for (const [n, version, model] of [[1, 1, "m-1"], [2, 2, "m-1"], [3, 2, "m & 2"]]) {
    await api("POST", useCase.instances, { use_case_id: `${id}-${n}`, version, properties: { model }, timestamp: `2026-0${n}-10T00:00:00Z` });
  }
  const scores = [1, 2, 3].flatMap((n) => useCaseScores(id, n));
  const { rejected: bad } = await api("POST", `${useCase.definition}/scores`, { scores });
  assert.equal(bad, 0);
  return useCase;
}
const useCaseScores = (id, n) => [
  { use_case_id: `${id}-${n}`, kpi_name: "Solved", score: n % 2, timestamp: `2026-0${n}-10T22:30:00Z` },
  { use_case_id: `${id}-${n}`, kpi_name: "It's \"50%\", done", score: n / 3, timestamp: `2026-0${n}-11T10:00:00Z`, comment: '=1+1, "quoted"\nsecond line' },
];

async function download(page, format) {
  const saving = page.waitForEvent("download");
  await page.getByRole("link", { name: new RegExp(`^${format}\\b`) }).click();
  const saved = await saving;
  return { name: saved.suggestedFilename(), body: readFileSync(await saved.path(), "utf8") };
}
const export_ = async (useCase, search) => (await fetch(`${URL_BASE}${useCase.definition}/scores?${search}`, { headers: { "xProxy-api-key": ROOT_KEY } })).text();
const withoutRequest = (body) => ({ ...JSON.parse(body), request_id: "" });

test("exports are what the API gives, in every format", async (t) => {
  const useCase = await exported(t);
  const { api_key } = await newKey("read");
  const page = await openConfiguration(t, useCase, { key: api_key });
  await visible(page.getByText("All scores of all time"));
  for (const format of ["CSV", "NDJSON", "JSON"]) {
    const { name, body } = await download(page, format);
    const wanted = await export_(useCase, `format=${format.toLowerCase()}`);
    assert.equal(name, `scores-${useCase.name}.${format.toLowerCase()}`);
    if (format === "JSON") assert.deepEqual(withoutRequest(body), withoutRequest(wanted));
    else assert.equal(body, wanted);
    assert.ok(body.includes("second line"));
  }
});

test("an export keeps to the filters of the address and the KPI that is chosen", async (t) => {
  const useCase = await exported(t);
  const page = await openConfiguration(t, useCase, { search: "?from=2026-02-01&to=2026-03-10&time_zone=Europe/Berlin&version=2&property.model=m%20%26%202" });
  const wanted = { from: "2026-02-01", to: "2026-03-11", time_zone: "Europe/Berlin", version: "2", "property.model": "m & 2" };
  const shown = await text(page.getByRole("group", { name: "What is exported" }));
  assert.match(shown, /Feb 1, 2026 – Mar 10, 2026 \(Europe\/Berlin\) Version 2 model = m & 2/);
  const filtered = await download(page, "CSV");
  assert.equal(filtered.body, await export_(useCase, new URLSearchParams({ format: "csv", ...wanted })));
  assert.equal(filtered.body.trim().split("\n").length, 2, "one of the scores, and the header");

  await page.getByRole("button", { name: "Export everything instead" }).click();
  await visible(page.getByText("All scores of all time"));
  const kpi = await kpiOf(useCase, 'It\'s "50%", done');
  await page.getByLabel("KPI to export").selectOption(kpi.kpi_id);
  const ofKpi = await download(page, "NDJSON");
  assert.equal(ofKpi.body, await export_(useCase, `format=ndjson&kpi=${kpi.kpi_id}`));
  assert.equal(ofKpi.body.trim().split("\n").length, 3);
});

test("an export can be imported as it is", async (t) => {
  const useCase = await exported(t);
  const page = await openConfiguration(t, useCase);
  const before = await api("GET", `${useCase.definition}/scores`);
  for (const format of ["CSV", "NDJSON"]) {
    const { name, body } = await download(page, format);
    await api("DELETE", `${useCase.instances}/${before.items[0].use_case_id}/kpis/Solved`);
    await choose(page, name, body);
    await page.getByRole("button", { name: `Import ${name}` }).click();
    await visible(reportOf(page).getByRole("heading", { name }));
    assert.match(await text(reportOf(page)), new RegExp(`${before.items.length} accepted ○ 0 rejected`));
    const after = await api("GET", `${useCase.definition}/scores`);
    const facts = ({ items }) => items.map(({ use_case_id, kpi_id, score, timestamp, comment }) => ({ use_case_id, kpi_id, score, timestamp, comment }));
    assert.deepEqual(facts(after), facts(before));
  }
});

const AWKWARD = `It's "50%" done\\n $HOME \`x\` é`;

test("the code works for a KPI of any name", async (t) => {
  const useCase = await newUseCase(t, [{ name: AWKWARD, kpi_type: "boolean", goal: 0.5 }, { name: "Tone", kpi_type: "likert5", goal: 4 }]);
  const page = await openConfiguration(t, useCase, { permissions: ["clipboard-read", "clipboard-write"] });
  const code = page.locator("#code");
  const { api_key } = await newKey("ingest");
  const shown = async (language) => {
    await code.getByRole("tab", { name: language }).click();
    const source = await code.getByRole("region").innerText();
    await code.getByRole("button", { name: /^Cop/ }).click();
    await eventually(async () => assert.equal((await page.evaluate(() => navigator.clipboard.readText())).trim(), source.trim(), "what is copied is what is shown"));
    return source.replace("your API key", api_key);
  };
  const clear = () => api("DELETE", `${useCase.instances}/session-1/kpis/${encodeURIComponent(AWKWARD)}`);
  const score = async () => (await api("GET", `${useCase.instances}/session-1/kpis`)).items.map((one) => [one.kpi_name, one.score]);
  await visible(item(page, AWKWARD));
  execFileSync("bash", ["-c", `${(await shown("curl")).trim()} -sS --fail-with-body`], { stdio: "pipe" });
  assert.deepEqual(await score(), [[AWKWARD, 1]]);
  await clear();
  execFileSync(process.execPath, ["--input-type=module", "--eval", await shown("JavaScript")], { stdio: "pipe" });
  assert.deepEqual(await score(), [[AWKWARD, 1]]);
  // A string of JSON is one of Python.
  const python = await shown("Python");
  assert.ok(python.includes(`Payi(base_url="${URL_BASE}", api_key="${api_key}")`));
  assert.ok(python.includes(`client.use_cases.kpis.update(${JSON.stringify(AWKWARD)}, use_case_name="${useCase.name}", use_case_id=instance.use_case_id, score=True)`), python);

  await code.getByLabel("KPI in the code").selectOption({ label: "Tone" });
  assert.match(await code.getByRole("region").innerText(), /kpis\.update\("Tone", .*score=4\)/);
});

test("without a KPI the code defines one", async (t) => {
  const useCase = await newUseCase(t);
  const page = await openConfiguration(t, useCase);
  const code = page.locator("#code");
  await visible(code.getByText(/one with editor to define the KPI/));
  assert.match(await code.getByRole("region").innerText(), /kpis\.create\("Test-[^"]+", name="Deflection Rate", kpi_type="boolean", goal=0\.25/);
  await code.getByRole("tab", { name: "Python" }).press("End");
  await visible(code.getByRole("tab", { name: "JavaScript", selected: true }));
  const source = await code.getByRole("region").innerText();
  execFileSync(process.execPath, ["--input-type=module", "--eval", source.replace("your API key", (await newKey("editor")).api_key)], { stdio: "pipe" });
  const made = await kpiOf(useCase, "Deflection Rate");
  assert.deepEqual([made.kpi_type, made.goal], ["boolean", 0.25]);
  assert.deepEqual((await api("GET", `${useCase.instances}/session-1/kpis`)).items.map(({ score }) => score), [1]);
});

test("what is shown as rounded percent is kept to its last digit, unless it is changed", async (t) => {
  const useCase = await newUseCase(t, [{ name: "Third", kpi_type: "boolean", goal: 1 / 3, benchmarks: [{ name: "industry", value: 2 / 3 }] }]);
  const page = await openConfiguration(t, useCase);
  const sent = [];
  page.on("request", (request) => request.method() === "PUT" && sent.push(request.postDataJSON()));
  const dialog = editDialog(page, "Third");
  await act(page, "Third", "Edit");
  assert.equal(await named(dialog, "goal").inputValue(), "33.3333333333333");
  await named(dialog, "description").fill("one of three");
  assert.equal(await dialog.getByText(/counted again/).count(), 0);
  await press(dialog, "Save");
  await gone(dialog);
  assert.deepEqual(sent.pop(), { description: "one of three" });

  await act(page, "Third", "Edit");
  await dialog.getByLabel("Name of benchmark 1").fill("last year");
  await benchmark(dialog, 2, "industry", "33.3333333333333");
  await press(dialog, "Save");
  await gone(dialog);
  assert.deepEqual(sent.pop(), { benchmarks: [{ name: "last year", value: 2 / 3 }, { name: "industry", value: 0.333333333333333 }] });
  assert.equal((await kpiOf(useCase, "Third")).goal, 1 / 3);
});

test("another type wants benchmarks of its own, and gives back those of before", async (t) => {
  const useCase = await newUseCase(t, [{ name: "Solved", kpi_type: "boolean", goal: 0.25, benchmarks: [{ name: "industry", value: 0.22 }] }]);
  const page = await openConfiguration(t, useCase);
  const dialog = editDialog(page, "Solved");
  const type = named(dialog, "kpi_type");
  const value = dialog.getByLabel("Value of benchmark 1");
  await act(page, "Solved", "Edit");
  await type.selectOption("likert5");
  assert.deepEqual([await named(dialog, "goal").inputValue(), await value.inputValue()], ["4", ""]);
  await press(dialog, "Save");
  await visible(dialog.getByRole("alert").filter({ hasText: "A benchmark needs a name and a value." }));
  await type.selectOption("percentage");
  assert.equal(await value.inputValue(), "22");
  await type.selectOption("number");
  await visible(dialog.getByText(/fits the goal, if left empty/));
  await value.fill("7");
  await press(dialog, "Save");
  await gone(dialog);
  const before = await kpiOf(useCase, "Solved");
  assert.deepEqual([before.kpi_type, before.goal, before.benchmarks], ["number", 10, [{ name: "industry", value: 7 }]]);

  await act(page, "Solved", "Edit");
  await named(dialog, "bucket_width").fill("");
  await visible(dialog.getByText(/stays as it is, if left empty/));
  await press(dialog, "Save");
  await gone(dialog);
  assert.equal((await kpiOf(useCase, "Solved")).bucket_width, before.bucket_width);
});

test("a dialog that is saving stays, however often Escape is pressed", async (t) => {
  const useCase = await newUseCase(t);
  const page = await openConfiguration(t, useCase, { failures: true });
  let answer;
  const held = new Promise((resolve) => (answer = resolve));
  await page.route("**/kpis", async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    await held;
    await route.fulfill(BUSY);
  });
  const dialog = newDialog(page);
  const escape = async () => {
    for (let n = 0; n < 4; n++) await page.keyboard.press("Escape");
    // The browser tells of a closed dialog a moment later.
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
  };
  await page.getByRole("button", { name: "+ KPI" }).click();
  await named(dialog, "name").fill("Solved");
  await press(dialog, "Create");
  await visible(dialog.getByRole("button", { name: "Creating…" }));
  await escape();
  assert.equal(await dialog.evaluate((one) => one.matches(":modal")), true);
  answer();
  await visible(dialog.getByRole("alert").filter({ hasText: "The service is busy." }));
  assert.equal(await named(dialog, "name").inputValue(), "Solved");
  await escape();
  assert.equal(await page.locator("dialog").count(), 0);
  await page.getByRole("button", { name: "+ KPI" }).click();
  await visible(dialog);
});

test("a description that is refused takes back nothing else", async (t) => {
  const useCase = await newUseCase(t, [], { description: "as it was" });
  const page = await openConfiguration(t, useCase, { failures: true });
  let answer;
  const held = new Promise((resolve) => (answer = resolve));
  await page.route(`**${useCase.definition}`, async (route) => {
    if (route.request().method() !== "PUT") return route.continue();
    await held;
    await route.fulfill(BUSY);
  });
  await page.getByRole("button", { name: "Edit description" }).click();
  await page.getByLabel(/^Description of/).fill("as it should be");
  await press(page, "Save description");
  await page.getByRole("button", { name: "Increment version" }).click();
  await press(page.getByRole("dialog", { name: "Increment version" }), "Increment to 2");
  await visible(page.getByText("Version 2", { exact: true }));
  answer();
  await toast(page, "The description was not changed. The service is busy.");
  await visible(page.getByText("as it was", { exact: true }));
  assert.equal(await page.getByText("The current version is").locator("strong").innerText(), "2");
});
