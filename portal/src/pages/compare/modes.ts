// What can be compared, and what each choice means to the API.
import type { Schemas } from "../../lib/api";
import type { DashboardQuery } from "../../lib/dashboards";
import { addDays, FIRST_DATE } from "../../lib/filters";
import { isDate } from "../../lib/local-time";
import type { SideNames } from "../../lib/verdicts";

export const MODES = ["version", "period", "moment", "property", "use_case", "benchmark"] as const;
export type Mode = (typeof MODES)[number];

/** The parameters of the address that belong to one mode and end with it. */
export const OWN = ["baseline", "candidate", "baseline_from", "baseline_to", "at", "window", "key", "value", "kpi"] as const;
export type Choice = Record<(typeof OWN)[number], string>;

/** Before any score. */
export const EVERYTHING_FROM = FIRST_DATE;

interface CompareQuery extends DashboardQuery {
  by: Mode;
  baseline?: string;
  candidate?: string;
  baseline_from?: string;
  baseline_to?: string;
  at?: string;
  window?: string;
  key?: string;
  value?: number;
}

const quoted = (text: string): string => `“${text}”`;

/** The values of a property are compared whatever the filters say of it: they would hold for both sides. */
export function withoutKey(base: DashboardQuery, key: string): DashboardQuery {
  return { ...base, properties: Object.fromEntries(Object.entries(base.properties ?? {}).filter(([name]) => name !== `property.${key}`)) };
}

/** The request, and what its sides are called; or what is still to be chosen. */
export function request(
  mode: Mode,
  choice: Choice,
  base: DashboardQuery,
  { allTime, only }: { allTime: boolean; only: boolean },
): { query: CompareQuery; names: SideNames } | { missing: string } {
  const { baseline, candidate } = choice;
  if (mode === "version") {
    if (only && !candidate) return { missing: "There is only one version." };
    if (only && baseline === candidate) return { missing: "This use case has one version only. Its next one can be compared with it; until then compare periods." };
    if (baseline === candidate) return { missing: "Both sides are the same: choose two different versions." };
    const range = allTime ? { from: undefined, to: undefined } : {};
    return {
      query: { by: mode, ...base, version: undefined, ...range, baseline, candidate },
      names: { baseline: `version ${baseline}`, candidate: `version ${candidate}` },
    };
  }
  if (mode === "period") {
    if (baseline) {
      const names = { baseline: baseline === "previous_year" ? "the same time a year ago" : "the time just before", candidate: "this period" };
      return { query: { by: mode, ...base, baseline }, names };
    }
    if (!choice.baseline_from || !choice.baseline_to) return { missing: "Choose both dates of the period to compare with." };
    // The last day is included, as everywhere in the portal; the API leaves the end out.
    const to = isDate(choice.baseline_to) ? addDays(choice.baseline_to, 1) : choice.baseline_to;
    return {
      query: { by: mode, ...base, baseline_from: choice.baseline_from, baseline_to: to },
      names: { baseline: "the other period", candidate: "this period" },
    };
  }
  if (mode === "moment") {
    if (!choice.at) return { missing: "Choose an event, or a moment of your own: what happened before and after it is compared." };
    return {
      query: { by: mode, ...base, from: undefined, to: undefined, at: choice.at, window: choice.window },
      names: { baseline: "the time before", candidate: "the time after" },
    };
  }
  if (mode === "property") {
    if (!choice.key) return { missing: "No instance has properties yet, so there are no values to compare." };
    if (!baseline || !candidate) return { missing: `Choose two values of ${choice.key}.` };
    if (baseline === candidate) return { missing: "Both sides are the same: choose two different values." };
    return {
      query: { by: mode, ...withoutKey(base, choice.key), key: choice.key, baseline, candidate },
      names: { baseline: quoted(baseline), candidate: quoted(candidate) },
    };
  }
  if (mode === "use_case") {
    if (!candidate) return { missing: "Choose the other use case. KPIs of the same name and type are compared." };
    return { query: { by: mode, ...base, candidate }, names: { baseline: "this use case", candidate: quoted(candidate) } };
  }
  if (choice.value && !choice.kpi) return { missing: "Choose the KPI that the value is a benchmark of." };
  // As it was typed: what is no number the API refuses by name.
  const value = choice.value ? { value: choice.value as unknown as number } : {};
  return {
    query: { by: mode, ...base, ...(choice.kpi ? { kpi: [choice.kpi] } : {}), ...value },
    names: { baseline: "the benchmark", candidate: "the average" },
  };
}

/** The dashboards that show the two sides: whose, and with which parameters. */
export function sidesOf(mode: Mode, choice: Choice, compared: Schemas["Comparisons"], base: DashboardQuery, allTime: boolean): [string, DashboardQuery][] {
  const name = compared.use_case_name;
  // Their series are not shown: as few buckets as possible.
  const shared: DashboardQuery = { ...base, granularity: "month" };
  const spans = [compared.baseline, compared.candidate] as { from: string; to: string }[];
  switch (mode) {
    case "version": {
      const range = allTime ? { from: EVERYTHING_FROM, to: undefined } : {};
      return [choice.baseline, choice.candidate].map((version) => [name, { ...shared, ...range, version: Number(version) }]);
    }
    case "period":
    case "moment":
      return spans.map(({ from, to }) => [name, { ...shared, from, to }]);
    case "property":
      return [choice.baseline, choice.candidate].map((value) => [name, { ...shared, properties: { ...shared.properties, [`property.${choice.key}`]: value } }]);
    case "use_case":
      return [
        [name, shared],
        [choice.candidate, shared],
      ];
    case "benchmark":
      return [[name, { ...shared, ...(choice.kpi ? { kpi: [choice.kpi] } : {}) }]];
  }
}
