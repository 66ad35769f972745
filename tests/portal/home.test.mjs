// The overview: a card for each use case with the API's figures, the search, and new use cases.
import assert from "node:assert/strict";
import { test } from "node:test";
import { api, errorAt, eventually, gone, newKey, open, refusalOf, text, unique, visible } from "./support.mjs";

const DAY_MS = 86_400_000;
const VERDICTS = { improving: "Improving", degrading: "Getting worse", stable: "Stable", insufficient_data: "Too few data for a trend" };
const isoDate = (ms) => new Date(ms).toISOString().slice(0, 10);
const card = (page, name) => page.getByRole("listitem").filter({ has: page.getByRole("heading", { name, level: 2, exact: true }) });

test("each card shows what the API says of the last 30 days", async (t) => {
  const page = await open(t);
  const [from, to] = [isoDate(Date.now() - 29 * DAY_MS), isoDate(Date.now() + DAY_MS)];
  const { items } = await api("GET", `/api/v1/dashboard?from=${from}&to=${to}&granularity=day&limit=500`);
  const demo = items.filter(({ use_case_name: name }) => ["Chat-Bot", "Content-Generator", "Image-Ad"].includes(name));
  assert.equal(demo.length, 3);
  for (const { use_case_name: name, type_version, use_cases, kpis } of demo) {
    const place = card(page, name);
    await visible(place.getByRole("region", { name: kpis[0].kpi_name }));
    const shown = await text(place);
    assert.ok(shown.includes(`Version ${type_version}`), shown);
    assert.ok(shown.includes(`Use Cases Reviewed: ${use_cases.reviewed_percentage.toFixed(2)}% of ${use_cases.total}`), shown);
    for (const kpi of kpis) {
      const region = place.getByRole("region", { name: kpi.kpi_name, exact: true });
      const said = await text(region);
      assert.ok(said.includes(kpi.display), `${kpi.display} is not in ${said}`);
      assert.ok(said.includes(kpi.goal_met ? "✓ Goal met" : "✕ Goal missed"), said);
      assert.ok(said.includes(VERDICTS[kpi.trend.verdict]), said);
      await visible(region.getByRole("img", { name: `${kpi.kpi_name} over time` }).locator("svg"));
    }
  }
  await card(page, "Image-Ad").getByRole("link", { name: "Image-Ad", exact: true }).click();
  await visible(page.getByRole("heading", { name: "Image-Ad", level: 1 }));
});

test("the search narrows the cards, and stands in the address", async (t) => {
  const page = await open(t);
  await visible(card(page, "Image-Ad"));
  await page.getByLabel("Search use cases").fill("chat");
  await gone(card(page, "Image-Ad"));
  await visible(card(page, "Chat-Bot"));
  await eventually(async () => assert.equal(new URL(page.url()).search, "?search=chat"));
  const other = await open(t, { path: page.url(), fresh: true });
  await visible(card(other, "Chat-Bot"));
  assert.equal(await card(other, "Image-Ad").count(), 0);
  await other.getByLabel("Search use cases").fill("nothing is called so");
  await visible(other.getByText("No use case has “nothing is called so” in its name."));
});

test("a use case is created; a name that can't be is refused at the field, in the API's words", async (t) => {
  const name = unique("Created");
  t.after(() => api("DELETE", `/api/v1/use_cases/definitions/${name}`));
  const page = await open(t, { refusals: true });
  await page.getByRole("button", { name: "+ Use case" }).click();
  const dialog = page.getByRole("dialog", { name: "New use case" });
  const field = dialog.getByLabel("Name");
  await field.fill("not a name");
  await dialog.getByRole("button", { name: "Create" }).click();
  assert.equal(await errorAt(field), await refusalOf("POST", "/api/v1/use_cases/definitions", { name: "not a name" }));
  await field.fill(name);
  await dialog.getByLabel("Description").fill("Made by a test");
  await dialog.getByRole("button", { name: "Create" }).click();
  await visible(page.getByRole("heading", { name, level: 1 }));
  const made = await api("GET", `/api/v1/use_cases/definitions/${name}`);
  assert.deepEqual([made.name, made.description, made.type_version], [name, "Made by a test", 1]);
});

test("a page whose session ends keeps what was put in, until its owner is back", async (t) => {
  const [first, second] = [await newKey("admin", "ends"), await newKey("admin", "comes after")];
  const page = await open(t, { key: first.api_key, path: "/use-cases/Chat-Bot/configuration", refusals: true });
  await page.getByRole("button", { name: "+ KPI" }).click();
  const dialog = page.getByRole("dialog", { name: "New Use Case KPI" });
  await dialog.getByLabel("Name", { exact: true }).fill("Not lost");
  await api("DELETE", `/api/v1/keys/${first.key_id}`);
  await dialog.getByRole("button", { name: "Create" }).click();
  const again = page.getByRole("dialog", { name: "Sign in again" });
  await visible(again);
  assert.equal(await dialog.locator("input[name=name]").inputValue(), "Not lost");
  // With another key it is another session: the page begins anew.
  await again.getByLabel("API key").fill(second.api_key);
  await again.getByRole("button", { name: "Sign in" }).click();
  await gone(again);
  await visible(page.getByRole("heading", { name: "Chat-Bot", level: 1 }));
});
