// Dashboards as JSON (the same address also gives CSV), and moments in the zone that was chosen.
import { api, body, type Dashboard } from "./api";
import { isDate, wallTime } from "./local-time";
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

/** A moment of the address, which may be a date, as `datetime-local` takes it; empty if it is none. */
export function momentInput(moment: string, zone: string): string {
  if (isDate(moment)) return `${moment}T00:00`;
  const at = new Date(moment);
  return Number.isNaN(at.getTime()) ? "" : wallTime(at, zone).slice(0, 16);
}
