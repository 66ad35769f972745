// Instances: found, opened, scored by hand, corrected, deleted; each test in a use case of its own.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, each, errorAt, eventually, gone, newKey, newUseCase, open, refusalOf, text, unique, URL_BASE, visible } from "./support.mjs";

const PAGE = 25;
const DAY_MS = 86_400_000;
const BUSY = { status: 503, json: { statusCode: 503, message: "the service is busy", xproxy_error: { code: "overloaded", message: "the service is busy" } } };

const KPIS = [
  { name: "Solved", kpi_type: "boolean", goal: 0.5 },
  { name: "Worth", kpi_type: "number", goal: 10, unit: "$" },
  { name: "Answered", kpi_type: "percentage", goal: 0.8 },
  { name: "Tone", kpi_type: "likert5", goal: 4 },
  { name: "Clarity", kpi_type: "likert7", goal: 5 },
  { name: "Recommended", kpi_type: "likert10", goal: 7 },
];

const table = (page) => page.getByRole("table", { name: /^Instances of/ });
const links = (page) => table(page).getByRole("link").allInnerTexts();
const status = (page) => text(page.getByRole("navigation", { name: "Pages of instances" }).getByRole("status"));
const parameter = (page, name) => new URL(page.url()).searchParams.get(name);
const dialogOf = (page, id) => page.getByRole("dialog", { name: `Instance ${id}` });
const scoreOf = (dialog, kpi) => dialog.getByRole("region", { name: kpi, exact: true });
const toast = (page, words) => visible(page.locator(".toast").filter({ hasText: words }));

/** Sixty instances, one a day: of two versions, three models; with ids that sort unlike their times. */
const many = { id: unique("many").toLowerCase() };
const ends = [];
before(async () => {
  Object.assign(many, await newUseCase({ after: (end) => ends.push(end) }, [KPIS[0]]));
  const start = Date.parse(new Date().toISOString().slice(0, 10)) - 61 * DAY_MS;
  await api("POST", `${many.definition}/increment_version`, { timestamp: new Date(start + 20.5 * DAY_MS).toISOString() });
  await each(Array.from({ length: 60 }, (_, n) => n), (n) =>
    api("POST", many.instances, {
      use_case_id: `${many.id}.${n % 4 === 0 ? "chat" : "call"}-${String((n * 37) % 60).padStart(2, "0")}`,
      timestamp: new Date(start + n * DAY_MS + 12 * 3_600_000).toISOString(),
      version: n < 20 ? 1 : 2,
      properties: { model: `m-${n % 3}`, plan: n % 2 ? "free" : "paid" },
    }),
  );
});
after(() => Promise.all(ends.map((end) => end())));

/** The ids that the API lists. */
const listed = async (search) => {
  const ids = [];
  for (let cursor = ""; cursor !== undefined; ) {
    const { items, cursor: next } = await api("GET", `${many.definition}/instances?limit=500&${search}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    ids.push(...items.map((one) => one.use_case_id));
    cursor = next ?? undefined;
  }
  return ids;
};
const openMany = (t, search = "", more = {}) => open(t, { path: `${many.page}/instances${search}`, ...more });
const shows = (page, ids) => eventually(async () => assert.deepEqual(await links(page), ids.slice(0, PAGE)));
const NEWEST = "sort_ascending=false";

test("pages go forward and back, in either order", async (t) => {
  const page = await openMany(t);
  const previous = page.getByRole("button", { name: "Previous" });
  const next = page.getByRole("button", { name: "Next" });
  for (const order of ["newest", "oldest"]) {
    await page.getByLabel("Order").selectOption({ label: order === "newest" ? "Newest first" : "Oldest first" });
    const ids = await listed(`sort_ascending=${order === "oldest"}`);
    assert.equal(ids.length, 60);
    const at = async (from) => {
      await shows(page, ids.slice(from));
      assert.equal(await status(page), `Instances ${from + 1}–${Math.min(from + PAGE, 60)}, ${order} first · times in UTC`);
      assert.deepEqual([await previous.isEnabled(), await next.isEnabled()], [from > 0, from + PAGE < 60]);
    };
    await at(0);
    await next.click();
    await at(25);
    await next.click();
    await at(50);
    await previous.click();
    await at(25);
    await previous.click();
    await at(0);
  }
  assert.equal(parameter(page, "order"), "oldest");
  await next.click();
  await eventually(async () => assert.match(await status(page), /^Instances 26–50/));
  await page.getByLabel("Order").selectOption({ label: "Newest first" });
  await shows(page, await listed(NEWEST));
  assert.match(await status(page), /^Instances 1–25, newest first/, "another order begins at the first page");
});

test("the table shows what an instance is, in the zone of the address", async (t) => {
  const page = await openMany(t, "?time_zone=Pacific/Kiritimati");
  const [newest] = (await api("GET", `${many.definition}/instances?limit=1&${NEWEST}`)).items;
  const created = new Date(newest.create_timestamp).toLocaleString("en-US", { dateStyle: "medium", timeStyle: "short", timeZone: "Pacific/Kiritimati" });
  assert.equal(await text(table(page).locator("tbody tr").first()), `${newest.use_case_id} ${newest.type_version} ${created} model ${newest.properties.model} plan ${newest.properties.plan}`.replace(/\s+/g, " "));
  await visible(page.getByText("times in Pacific/Kiritimati"));
});

test("a search finds ids that begin so, and says when there are none", async (t) => {
  const page = await openMany(t, "", { refusals: true });
  const search = page.getByLabel("Search by id");
  const chat = `${many.id}.chat-`;
  await search.fill(chat);
  const found = await listed(`search=${chat}&sort_ascending=true`);
  assert.equal(found.length, 15);
  await shows(page, found);
  await eventually(() => assert.equal(parameter(page, "search"), chat));
  // A search goes by ids, and says so.
  assert.deepEqual(found, [...found].sort());
  assert.match(await status(page), /^Instances 1–15, by id, A to Z ·/);
  await page.getByLabel("Order").selectOption({ label: "By id, Z to A" });
  await shows(page, [...found].reverse());
  assert.match(await status(page), /^Instances 1–15, by id, Z to A ·/);
  await search.fill(chat.slice(1));
  await visible(page.getByText("No instance matches these filters."));

  await search.fill("a b");
  assert.equal(await errorAt(search), await refusalOf("GET", `${many.definition}/instances?search=a%20b`));
  assert.equal(await page.getByRole("alert").count(), 1, "said once, at the field");
  await search.fill("nobody");
  await page.getByRole("button", { name: "Show all instances" }).click();
  await shows(page, await listed(NEWEST));
  assert.match(await status(page), /, newest first ·/);
  assert.equal(await search.inputValue(), "");
});

test("filters by version, property and date narrow the list, and the address holds them", async (t) => {
  const page = await openMany(t);
  await page.getByLabel("Version").selectOption({ label: "Version 1" });
  await shows(page, await listed(`${NEWEST}&version=1`));

  await page.getByLabel("Property", { exact: true }).selectOption("model");
  const value = page.getByLabel("Property value");
  const offered = await page.locator(`datalist[id="${await value.getAttribute("list")}"] option`).evaluateAll((options) => options.map((option) => option.value));
  assert.deepEqual(offered.sort(), ["m-0", "m-1", "m-2"]);
  await value.fill("m-1");
  await page.getByRole("button", { name: "Add filter" }).click();
  await shows(page, await listed(`${NEWEST}&version=1&property.model=m-1`));
  await page.getByLabel("Property", { exact: true }).selectOption("plan");
  await value.fill("free");
  await page.getByRole("button", { name: "Add filter" }).click();
  const both = await listed(`${NEWEST}&version=1&property.model=m-1&property.plan=free`);
  assert.ok(both.length > 0);
  await shows(page, both);

  await page.reload();
  await shows(page, both);
  await page.getByRole("button", { name: "Remove filter model = m-1" }).click();
  await shows(page, await listed(`${NEWEST}&version=1&property.plan=free`));
  await page.getByRole("button", { name: "Clear filters" }).click();
  await shows(page, await listed(NEWEST));
  assert.equal(new URL(page.url()).search, "");

  const day = (ago) => new Date(Date.now() - ago * DAY_MS).toISOString().slice(0, 10);
  await page.getByLabel("Created", { exact: true }).selectOption({ label: "Last 7 days" });
  await shows(page, await listed(`${NEWEST}&from=${day(6)}&to=${day(-1)}`));
  await page.getByLabel("Created", { exact: true }).selectOption({ label: "Between dates…" });
  await page.getByLabel("Created from").fill(day(40));
  await page.getByLabel("Created until").fill(day(31));
  // Both days are meant.
  const between = await listed(`${NEWEST}&from=${day(40)}&to=${day(30)}`);
  assert.equal(between.length, 10);
  await shows(page, between);
  assert.deepEqual([parameter(page, "range"), parameter(page, "from"), parameter(page, "to")], [null, day(40), day(31)]);
});

test("an address can be shared: the same list, the same instance open", async (t) => {
  const page = await openMany(t, "?version=2&property.plan=paid&order=oldest");
  const ids = await listed("sort_ascending=true&version=2&property.plan=paid");
  await shows(page, ids);
  await table(page).getByRole("link", { name: ids[2], exact: true }).click();
  await visible(dialogOf(page, ids[2]));
  const address = page.url();

  const { api_key } = await newKey("read");
  const other = await open(t, { key: api_key, path: address });
  await visible(dialogOf(other, ids[2]));
  await visible(scoreOf(dialogOf(other, ids[2]), "Solved"));
  await other.keyboard.press("Escape");
  await gone(dialogOf(other, ids[2]));
  assert.deepEqual(await links(other), ids.slice(0, PAGE));
  assert.equal(parameter(other, "instance"), null);

  await page.goBack();
  await gone(dialogOf(page, ids[2]));
  await page.goForward();
  await visible(dialogOf(page, ids[2]));
});

test("an address of an instance that is not there says so", async (t) => {
  const page = await openMany(t, "?instance=nobody", { refusals: true });
  await visible(dialogOf(page, "nobody").getByText("There is no instance nobody"));
});

test("a list that can't be loaded is asked for again", async (t) => {
  const page = await open(t, { path: null, failures: true });
  let down = true;
  await page.route("**/instances?**", (route) => (down ? route.fulfill(BUSY) : route.continue()));
  await page.goto(`${many.page}/instances`);
  await visible(page.getByRole("alert").filter({ hasText: "The service is busy." }));
  down = false;
  await page.getByRole("button", { name: "Try again" }).click();
  await shows(page, await listed(NEWEST));
  assert.equal(await page.getByRole("alert").count(), 0);
});

test("an open instance shows what the API holds of it", async (t) => {
  const { page: path, instances } = await newUseCase(t, KPIS);
  await api("POST", instances, { use_case_id: "one", timestamp: "2026-01-15T09:15:00Z", properties: { model: "m-1", note: "<b>bold</b>" } });
  await api("PUT", `${instances}/one/kpis/Worth`, { score: 12.475, timestamp: "2026-01-15T10:20:00Z", comment: "first line\n<i>second</i>", source: "survey" });
  await api("PUT", `${instances}/one/kpis/Solved`, { score: 0, timestamp: "2026-01-16T23:30:00Z" });
  const page = await open(t, { path: `${path}/instances?instance=one&time_zone=Europe/Berlin` });
  const dialog = dialogOf(page, "one");
  const worth = scoreOf(dialog, "Worth");
  await visible(worth.getByText("$12.475"));
  assert.match(await text(worth), /Jan 15, 2026, 11:20 AM · from survey first line <i>second<\/i>$/);
  assert.match(await text(scoreOf(dialog, "Solved")), /No .*Jan 17, 2026, 12:30 AM/);
  for (const kpi of ["Answered", "Tone", "Clarity", "Recommended"]) await visible(scoreOf(dialog, kpi).getByText("No score"));
  assert.deepEqual(await dialog.getByRole("table", { name: "Properties" }).locator("tbody tr").allInnerTexts().then((rows) => rows.map((row) => row.replace(/\s+/g, " ").replace(" ⋮", "").trim())), ["model m-1", "note <b>bold</b>"]);
  assert.match(await text(dialog.locator("dl")), /Version 1 Created Jan 15, 2026, 10:15 AM \(Europe\/Berlin\)/);
});

test("scores of every type are recorded, and the dashboard shows them", async (t) => {
  const { name, page: path, instances } = await newUseCase(t, KPIS);
  await api("POST", instances, { use_case_id: "one" });
  const page = await open(t, { path: `${path}/instances?instance=one` });
  const dialog = dialogOf(page, "one");
  const INPUTS = { Solved: ["Yes", "Yes", 1], Worth: ["-3.125", "-$3.125", -3.125], Answered: ["5.1", "5.1%", 0.051], Tone: ["3.5", "3.5 of 5", 3.5], Clarity: ["7", "7 of 7", 7], Recommended: ["1", "1 of 10", 1] };
  for (const [kpi, [input, shown]] of Object.entries(INPUTS)) {
    const item = scoreOf(dialog, kpi);
    await item.getByRole("button", { name: `Record score of ${kpi}` }).click();
    if (kpi === "Solved") await item.getByRole("radio", { name: input }).check();
    else await item.getByLabel("Score", { exact: true }).fill(input);
    await item.getByRole("button", { name: "Record score", exact: true }).click();
    await visible(item.getByText(shown, { exact: true }));
    await visible(item.getByRole("button", { name: `Correct score of ${kpi}` }));
    await gone(item.getByText("Saving…"));
  }
  const held = (await api("GET", `${instances}/one/kpis`)).items;
  assert.deepEqual(Object.fromEntries(held.map((one) => [one.kpi_name, one.score])), Object.fromEntries(Object.entries(INPUTS).map(([kpi, [, , score]]) => [kpi, score])));
  for (const { timestamp } of held) assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 60_000, "now, if no time is put in");

  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "Dashboard" }).click();
  const { kpis } = await api("GET", `/api/v1/dashboard/${name}`);
  assert.deepEqual(kpis.map(({ count }) => count), [1, 1, 1, 1, 1, 1]);
  for (const { display } of kpis) await visible(page.getByText(display, { exact: true }));
});

test("a score is corrected with a comment, a source and a time, and keeps them when it is corrected again", async (t) => {
  const { name, page: path, instances } = await newUseCase(t, [KPIS[3]]);
  await api("PUT", `${instances}/one/kpis/Tone`, { score: 2 });
  const page = await open(t, { path: `${path}/instances?instance=one&time_zone=America/New_York` });
  const item = scoreOf(dialogOf(page, "one"), "Tone");
  const correct = item.getByRole("button", { name: "Correct score of Tone" });
  await correct.click();
  assert.equal(await item.getByLabel("Score", { exact: true }).inputValue(), "2");
  await item.getByLabel("Score", { exact: true }).fill("4.25");
  await item.getByLabel("Comment").fill("Was too harsh");
  await item.getByLabel("Source").fill("editor");
  await item.getByLabel("When it happened").fill("2026-07-01T09:30");
  await item.getByRole("button", { name: "Save score" }).click();
  await visible(item.getByText("Was too harsh"));
  await gone(item.getByText("Saving…"));
  const score = async () => (await api("GET", `${instances}/one/kpis`)).items[0];
  const { create_timestamp, update_timestamp, request_id, ...corrected } = await score();
  assert.deepEqual([corrected.score, corrected.comment, corrected.source, corrected.timestamp], [4.25, "Was too harsh", "editor", "2026-07-01T13:30:00.000Z"]);
  assert.match(await text(item), /4\.25 of 5 .*Jul 1, 2026, 9:30 AM · from editor Was too harsh/);

  await page.reload();
  await correct.click();
  await item.getByLabel("Score", { exact: true }).fill("5");
  await item.getByRole("button", { name: "Save score" }).click();
  await visible(item.getByText("5 of 5"));
  await gone(item.getByText("Saving…"));
  const again = await score();
  assert.deepEqual([again.score, again.comment, again.source, again.timestamp], [5, "Was too harsh", "editor", corrected.timestamp]);

  await page.goto(`${path}?from=2026-07-01&to=2026-07-01&time_zone=America/New_York`);
  const { kpis } = await api("GET", `/api/v1/dashboard/${name}?from=2026-07-01&to=2026-07-02&time_zone=America/New_York`);
  assert.equal(kpis[0].count, 1);
  await visible(page.getByText(kpis[0].display, { exact: true }));
});

test("clearing a score asks, and takes it out of the figures", async (t) => {
  const { name, page: path, instances } = await newUseCase(t, [KPIS[0], KPIS[3]]);
  await api("PUT", `${instances}/one/kpis/Tone`, { score: 2, comment: "Bad" });
  const page = await open(t, { path: `${path}/instances?instance=one` });
  const item = scoreOf(dialogOf(page, "one"), "Tone");
  const asking = page.getByRole("dialog", { name: "Clear the score of Tone?" });
  await item.getByRole("button", { name: "Clear score of Tone" }).click();
  await asking.getByRole("button", { name: "Cancel" }).click();
  await visible(item.getByText("2 of 5"));
  assert.equal((await api("GET", `${instances}/one/kpis`)).items.length, 1);
  await item.getByRole("button", { name: "Clear score of Tone" }).click();
  await asking.getByRole("button", { name: "Clear score" }).click();
  await gone(asking);
  await visible(item.getByText("No score"));
  assert.equal(await item.getByText("Bad").count(), 0);
  await toast(page, "The score of Tone was cleared.");
  assert.deepEqual((await api("GET", `${instances}/one/kpis`)).items, []);
  assert.equal((await api("GET", `/api/v1/dashboard/${name}?kpi=Tone`)).kpis[0].count, 0);
});

test("a score that is wrong is refused at its field, and nothing is stored", async (t) => {
  const { page: path, instances } = await newUseCase(t, KPIS);
  await api("POST", instances, { use_case_id: "one" });
  const page = await open(t, { path: `${path}/instances?instance=one`, refusals: true });
  const dialog = dialogOf(page, "one");
  for (const [kpi, input, score] of [["Tone", "6", 6], ["Clarity", "0.5", 0.5], ["Recommended", "11", 11], ["Answered", "150", 1.5], ["Worth", "2000000000000000", 2e15]]) {
    const item = scoreOf(dialog, kpi);
    await item.getByRole("button", { name: `Record score of ${kpi}` }).click();
    await item.getByLabel("Score", { exact: true }).fill(input);
    await item.getByLabel("Comment").fill("kept");
    await item.getByRole("button", { name: "Record score", exact: true }).click();
    const refusal = await refusalOf("PUT", `${instances}/one/kpis/${kpi}`, { score });
    assert.equal(await errorAt(item.getByLabel("Score", { exact: true })), refusal);
    assert.deepEqual([await item.getByLabel("Score", { exact: true }).inputValue(), await item.getByLabel("Comment").inputValue()], [input, "kept"], "what was put in is still there");
    await toast(page, `The score of ${kpi} was not recorded. ${refusal}`);
    await visible(item.getByText("No score"));
  }
  const solved = scoreOf(dialog, "Solved");
  await solved.getByRole("button", { name: "Record score of Solved" }).click();
  await solved.getByRole("button", { name: "Record score", exact: true }).click();
  await visible(solved.getByRole("alert").filter({ hasText: "Choose yes or no." }));
  const tone = scoreOf(dialog, "Tone");
  assert.equal(await tone.getByLabel("Score", { exact: true }).inputValue(), "6", "its form is still open");
  await tone.getByLabel("Score", { exact: true }).fill("");
  await tone.getByRole("button", { name: "Record score", exact: true }).click();
  await eventually(async () => assert.equal(await errorAt(tone.getByLabel("Score", { exact: true })), "Put a number in."));
  await tone.getByLabel("Score", { exact: true }).fill("3");
  await tone.getByLabel("When it happened").fill("2090-01-01T00:00");
  await tone.getByRole("button", { name: "Record score", exact: true }).click();
  assert.equal(await errorAt(tone.getByLabel("When it happened")), await refusalOf("PUT", `${instances}/one/kpis/Tone`, { score: 3, timestamp: "2090-01-01T00:00:00.000Z" }));
  assert.deepEqual((await api("GET", `${instances}/one/kpis`)).items, []);
});

test("a score is shown at once, and taken back if the service fails", async (t) => {
  const { page: path, instances } = await newUseCase(t, [KPIS[3]]);
  await api("PUT", `${instances}/one/kpis/Tone`, { score: 2, comment: "as it was" });
  const page = await open(t, { path: `${path}/instances?instance=one`, failures: true });
  const item = scoreOf(dialogOf(page, "one"), "Tone");
  await visible(item.getByText("2 of 5"));
  let answer;
  const held = new Promise((resolve) => (answer = resolve));
  await page.route("**/one/kpis/**", async (route) => {
    await held;
    await route.fulfill(BUSY);
  });
  await item.getByRole("button", { name: "Correct score of Tone" }).click();
  await item.getByLabel("Score", { exact: true }).fill("5");
  await item.getByRole("button", { name: "Save score" }).click();
  await visible(item.getByText("5 of 5"));
  await visible(item.getByText("Saving…"));
  assert.equal(await item.getByLabel("Score", { exact: true }).count(), 0, "the form is gone at once");
  answer();
  await visible(item.getByText("2 of 5"));
  await toast(page, "The score of Tone was not recorded. The service is busy.");
  assert.equal(await item.getByLabel("Score", { exact: true }).inputValue(), "5", "to be sent again");
  assert.equal((await api("GET", `${instances}/one/kpis`)).items[0].score, 2);
  await page.unroute("**/one/kpis/**");
  await item.getByRole("button", { name: "Save score" }).click();
  await visible(item.getByText("5 of 5"));
  await eventually(async () => assert.equal((await api("GET", `${instances}/one/kpis`)).items[0].score, 5));
});

test("a new instance is made, with an id of one's own or one that is made up", async (t) => {
  const { definition, page: path, instances, name } = await newUseCase(t, [KPIS[0]]);
  const elsewhere = await newUseCase(t);
  await api("POST", `${definition}/increment_version`, {});
  const taken = unique("taken");
  await api("POST", elsewhere.instances, { use_case_id: taken });
  const page = await open(t, { path: `${path}/instances`, refusals: true });
  await visible(page.getByText("No instances yet."));
  const begin = page.getByRole("button", { name: "New instance" });
  const form = page.getByRole("dialog", { name: "New instance" });
  const create = form.getByRole("button", { name: "Create", exact: true });
  const id = form.getByLabel("Id");

  await begin.click();
  await id.fill("a b");
  await create.click();
  assert.equal(await errorAt(id), await refusalOf("POST", instances, { use_case_id: "a b" }));
  await id.fill(taken);
  await create.click();
  const refusal = await refusalOf("POST", instances, { use_case_id: taken });
  await eventually(async () => assert.equal(await errorAt(id), refusal));
  const own = unique("own");
  await id.fill(own);
  await form.getByLabel("Version").selectOption("1");
  await create.click();
  await visible(dialogOf(page, own));
  const made = await api("GET", `${instances}/${own}`);
  assert.deepEqual([made.use_case_name, made.type_version], [name, 1]);
  assert.equal(parameter(page, "instance"), own);
  await page.keyboard.press("Escape");
  await eventually(async () => assert.deepEqual(await links(page), [own]));

  await begin.click();
  await id.fill(own);
  await create.click();
  assert.equal(await errorAt(id), "There is an instance with this id already.");
  await id.fill("");
  await create.click();
  await gone(form);
  const invented = (await api("GET", `${definition}/instances`)).items.find((one) => one.use_case_id !== own);
  assert.equal(invented.type_version, 2);
  await visible(dialogOf(page, invented.use_case_id));
});

test("properties are added, changed and removed, and what is refused comes back", async (t) => {
  const { page: path, instances } = await newUseCase(t);
  await api("POST", instances, { use_case_id: "one", properties: { model: "m-1" } });
  const page = await open(t, { path: `${path}/instances?instance=one`, failures: true });
  const dialog = dialogOf(page, "one");
  const row = (key) => dialog.getByRole("row").filter({ has: page.getByRole("rowheader", { name: key, exact: true }) });
  const held = async () => (await api("GET", `${instances}/one`)).properties;
  const add = dialog.getByRole("button", { name: "Add property" });
  const menu = async (key, action) => {
    await dialog.getByRole("button", { name: `Actions for property ${key}` }).click();
    await page.getByRole("menuitem", { name: action }).click();
  };
  const save = dialog.getByRole("button", { name: "Save property" });

  await add.click();
  await dialog.getByLabel("Property", { exact: true }).fill("plan");
  await dialog.getByLabel("Value").fill("paid & free");
  await save.click();
  await visible(row("plan").getByText("paid & free"));
  await eventually(async () => assert.deepEqual(await held(), { model: "m-1", plan: "paid & free" }));

  await menu("model", "Change");
  assert.equal(await dialog.getByLabel("Value").inputValue(), "m-1");
  assert.equal(await dialog.getByLabel("Property", { exact: true }).isEditable(), false);
  await dialog.getByLabel("Value").fill("m-2");
  await save.click();
  await eventually(async () => assert.deepEqual(await held(), { model: "m-2", plan: "paid & free" }));
  await visible(row("model").getByText("m-2"));

  await add.click();
  await save.click();
  assert.equal(await errorAt(dialog.getByLabel("Property", { exact: true })), "Put a name in.");
  await dialog.getByLabel("Property", { exact: true }).fill("model");
  await save.click();
  await eventually(async () => assert.match(await errorAt(dialog.getByLabel("Property", { exact: true })), /has this property already/));
  await dialog.getByRole("button", { name: "Cancel" }).click();

  await page.route("**/properties", (route) => route.fulfill(BUSY));
  await menu("plan", "Remove");
  await toast(page, "The property plan was not removed. The service is busy.");
  await visible(row("plan").getByText("paid & free"));
  await page.unroute("**/properties");
  await menu("plan", "Remove");
  await gone(row("plan"));
  await eventually(async () => assert.deepEqual(await held(), { model: "m-2" }));
  await page.keyboard.press("Escape");
  assert.equal(await text(table(page).locator("tbody td").last()), "model m-2", "the list has it too");
});

test("deleting an instance asks, and takes it out of the list and the figures", async (t) => {
  const { name, definition, page: path, instances } = await newUseCase(t, [KPIS[0]]);
  await api("PUT", `${instances}/one/kpis/Solved`, { score: 1 });
  await api("PUT", `${instances}/two/kpis/Solved`, { score: 0 });
  const page = await open(t, { path: `${path}/instances?instance=one` });
  await visible(scoreOf(dialogOf(page, "one"), "Solved"));
  await dialogOf(page, "one").getByRole("button", { name: "Delete instance" }).click();
  const asking = page.getByRole("dialog", { name: "Delete this instance?" });
  assert.match(await text(asking), /The instance one goes with its score,/);
  await asking.getByRole("button", { name: "Cancel" }).click();
  assert.equal((await api("GET", `${definition}/instances`)).items.length, 2);
  await dialogOf(page, "one").getByRole("button", { name: "Delete instance" }).click();
  await asking.getByRole("button", { name: "Delete", exact: true }).click();
  await gone(dialogOf(page, "one"));
  await toast(page, "one was deleted.");
  await eventually(async () => assert.deepEqual(await links(page), ["two"]));
  assert.equal(parameter(page, "instance"), null);
  await page.getByRole("link", { name: "Dashboard" }).click();
  const { kpis } = await api("GET", `/api/v1/dashboard/${name}`);
  assert.equal(kpis[0].count, 1);
  await visible(page.getByText(kpis[0].display, { exact: true }));
});

test("a page that can't be loaded leaves the one on show where it is", async (t) => {
  const page = await openMany(t, "", { failures: true });
  const ids = await listed(NEWEST);
  await shows(page, ids);
  let down = true;
  await page.route("**/instances?**", (route) => (down ? route.fulfill(BUSY) : route.continue()));
  const next = page.getByRole("button", { name: "Next" });
  for (let n = 0; n < 2; n++) {
    await next.click();
    await visible(page.getByRole("alert").filter({ hasText: "The service is busy." }));
    await eventually(async () => assert.equal(await next.isEnabled(), true));
    assert.match(await status(page), /^Instances 1–25,/);
    assert.deepEqual(await links(page), ids.slice(0, PAGE));
  }
  down = false;
  await page.getByRole("button", { name: "Try again" }).click();
  await shows(page, ids.slice(25));
  assert.match(await status(page), /^Instances 26–50,/);
  await next.click();
  await shows(page, ids.slice(50));
  assert.match(await status(page), /^Instances 51–60,/);
});

test("a score keeps its last digit when only its comment is corrected", async (t) => {
  const { page: path, instances } = await newUseCase(t, [KPIS[2]]);
  await api("PUT", `${instances}/one/kpis/Answered`, { score: 1 / 3 });
  const page = await open(t, { path: `${path}/instances?instance=one` });
  const item = scoreOf(dialogOf(page, "one"), "Answered");
  await item.getByRole("button", { name: "Correct score of Answered" }).click();
  assert.equal(await item.getByLabel("Score", { exact: true }).inputValue(), "33.3333333333333");
  await item.getByLabel("Comment").fill("a third");
  await item.getByRole("button", { name: "Save score" }).click();
  await visible(item.getByText("a third"));
  await gone(item.getByText("Saving…"));
  const [held] = (await api("GET", `${instances}/one/kpis`)).items;
  assert.deepEqual([held.score, held.comment], [1 / 3, "a third"]);
});

test("what is refused late leaves alone what was put in or stored meanwhile", async (t) => {
  const { page: path, instances } = await newUseCase(t, [KPIS[1], KPIS[3]]);
  await api("POST", instances, { use_case_id: "one", properties: { model: "m-1", plan: "free" } });
  const page = await open(t, { path: `${path}/instances?instance=one`, failures: true });
  const dialog = dialogOf(page, "one");
  let answer;
  const held = new Promise((resolve) => (answer = resolve));
  const refuse = async (route) => {
    await held;
    await route.fulfill(BUSY);
  };
  await page.route("**/one/kpis/**", refuse);
  await page.route("**/one/properties", (route) => ("model" in route.request().postDataJSON().properties ? refuse(route) : route.continue()));

  const [worth, tone] = ["Worth", "Tone"].map((kpi) => scoreOf(dialog, kpi));
  await tone.getByRole("button", { name: "Record score of Tone" }).click();
  await tone.getByLabel("Score", { exact: true }).fill("3");
  await tone.getByRole("button", { name: "Record score", exact: true }).click();
  await visible(tone.getByText("Saving…"));
  await worth.getByRole("button", { name: "Record score of Worth" }).click();
  await worth.getByLabel("Score", { exact: true }).fill("12");

  const change = async (key, value) => {
    await dialog.getByRole("button", { name: `Actions for property ${key}` }).click();
    await page.getByRole("menuitem", { name: "Change" }).click();
    await dialog.getByLabel("Value").fill(value);
    await dialog.getByRole("button", { name: "Save property" }).click();
  };
  await change("model", "m-2");
  await change("plan", "paid");
  await eventually(async () => assert.equal((await api("GET", `${instances}/one`)).properties.plan, "paid"));
  await dialog.getByRole("button", { name: "Add property" }).click();
  await dialog.getByLabel("Property", { exact: true }).fill("language");

  answer();
  await toast(page, "The score of Tone was not recorded. The service is busy.");
  await toast(page, "The property model was not changed. The service is busy.");
  assert.deepEqual(await Promise.all([tone, worth].map((item) => item.getByLabel("Score", { exact: true }).inputValue())), ["3", "12"]);
  assert.equal(await dialog.getByLabel("Property", { exact: true }).inputValue(), "language");
  const rows = dialog.getByRole("table", { name: "Properties" }).locator("tbody tr");
  assert.deepEqual((await rows.allInnerTexts()).map((row) => row.replace(/\s+/g, " ").replace("⋮", "").trim()), ["model m-1", "plan paid"]);
});
