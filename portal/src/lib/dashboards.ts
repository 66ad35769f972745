// Dashboards as JSON (the same address also gives CSV), and wall clocks in the zone that was chosen.
import { api, body, type Dashboard } from "./api";
import type { Granularity, TimeZone } from "./filters";

export interface DashboardQuery {
  from?: string;
  to?: string;
  time_zone?: TimeZone;
  version?: number;
  properties?: Record<string, string>;
  granularity?: Granularity;
  kpi?: string[];
}

export async function dashboardOf(useCase: string, query: DashboardQuery, signal?: AbortSignal): Promise<Dashboard> {
  const answer = await body(api.GET("/api/v1/dashboard/{use_case_name}", { params: { path: { use_case_name: useCase }, query }, signal }));
  return answer as Dashboard;
}

/** What clocks in a zone show at an instant, as `datetime-local` takes it: `2026-11-10T12:00`. */
export function wallOf(instant: string, zone: string): string {
  if (/^\d{4}-\d{2}-\d{2}$/.test(instant)) return `${instant}T00:00`;
  const at = new Date(instant);
  if (Number.isNaN(at.getTime())) return "";
  return at.toLocaleString("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" }).replace(" ", "T");
}

/** The instant at which clocks in a zone show a date and time. */
export function instantOf(wall: string, zone: string): string {
  const shown = Date.parse(`${wall}Z`);
  const offset = (at: number) => Date.parse(`${wallOf(new Date(at).toISOString(), zone)}Z`) - at;
  // Again with what was found: the offset may have changed between the two.
  const first = shown - offset(shown);
  return new Date(shown - offset(first)).toISOString();
}
