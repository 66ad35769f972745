// The way of somebody new, from an empty account to a dashboard.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { api, eventually, open, screenshot, text, visible } from "./support.mjs";

test("from an empty account to the first dashboard", async (t) => {
  const { admin_key } = await api("POST", "/api/v1/applications", { application_id: "tour", name: "Tour" });
  const page = await open(t, { key: null });
  await page.getByLabel("API key").fill(admin_key.api_key);
  await page.getByRole("button", { name: "Sign in" }).click();

  await visible(page.getByRole("heading", { name: /in two steps/ }));
  await visible(page.getByText("client.use_cases.kpis.update"));
  await screenshot(page, "empty-desktop-light");
  await page.getByRole("button", { name: "Create your first use case" }).click();
  await page.getByLabel("Name").fill("Help-Desk");
  await page.getByRole("button", { name: "Create", exact: true }).click();

  await visible(page.getByRole("heading", { name: "Help-Desk", level: 1 }));
  await page.getByRole("button", { name: "+ KPI" }).first().click();
  const dialog = page.getByRole("dialog", { name: "New Use Case KPI" });
  await dialog.getByLabel("Name", { exact: true }).fill("Deflection Rate");
  await dialog.getByLabel("Goal").fill("25");
  await dialog.getByRole("button", { name: "Create", exact: true }).click();
  await dialog.waitFor({ state: "hidden" });
  await visible(page.getByRole("button", { name: "Actions for Deflection Rate" }));

  // The snippet for curl, as it stands there, with the key put in.
  await page.getByRole("tab", { name: "curl" }).click();
  const shown = await page.getByRole("region", { name: /curl/i }).innerText();
  assert.match(shown, /kpis\/Deflection%20Rate/);
  execFileSync("bash", ["-c", `${shown.trim().replace("your API key", admin_key.api_key)} -sS --fail-with-body`]);

  await page.getByRole("link", { name: "Dashboard" }).click();
  await visible(page.getByText("100.00% True (Goal: 25.00%)"));
  await eventually(async () => assert.match(await text(page.locator("main")), /Use Cases Reviewed: 100\.00%/));
  await page.getByRole("link", { name: "Use cases" }).first().click();
  await visible(page.getByText("100.00% True (Goal: 25.00%)"));
});
