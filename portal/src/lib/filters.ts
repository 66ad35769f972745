// The filters of a dashboard, as they stand in the address: `range` (a preset) or `from` and `to` (dates, both included),
// `granularity`, `time_zone`, `version`, `property.KEY`.
import type { components } from "./schema";
import { BROWSER_ZONE, isoDate } from "./format";
import { isDate } from "./local-time";

export type TimeZone = NonNullable<components["parameters"]["time_zone"]>;

export const PRESETS = { "7d": 7, "30d": 30, "90d": 90, "365d": 365 } as const;
export type Preset = keyof typeof PRESETS;
export const GRANULARITIES = ["hour", "day", "week", "month"] as const;
export type Granularity = (typeof GRANULARITIES)[number];

export interface Filters {
  /** `null` if the range has dates of its own. */
  preset: Preset | null;
  /** Dates in `timeZone`, both included. */
  from: string;
  to: string;
  granularity: Granularity;
  timeZone: string;
  version: number | null;
  properties: Record<string, string>;
}

const DAY_MS = 86_400_000;

/** The years before 2000 take no scores. */
export const FIRST_DATE = "2000-01-01";

/** Date inputs tell of every digit of a year that is typed: 0002, 0020, 0202, 2026. */
export const isTyped = (value: string): boolean => value === "" || (/^\d{4}-/.test(value) && value >= FIRST_DATE);

export function addDays(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
}

/** A zone that the browser can show times in. */
function knownZone(name: string | null): string | null {
  if (!name) return null;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return name;
  } catch {
    return null;
  }
}

/** The day in the zone that an end of the API's is, which may be an RFC 3339 time; `before`: of the moment before it. */
function dayOf(end: string | null, zone: string, before = 0): string | null {
  if (isDate(end)) return end;
  if (!end || !/^\d{4}-\d\d-\d\d[T ]/i.test(end)) return null;
  const at = Date.parse(end) - before;
  return Number.isNaN(at) ? null : isoDate(new Date(at), zone);
}

export function filtersOf(query: URLSearchParams, now = new Date()): Filters {
  const timeZone = knownZone(query.get("time_zone")) ?? BROWSER_ZONE;
  const today = isoDate(now, timeZone);
  // A `to` that is a time is left out, as everywhere in the API.
  const [from, to] = [dayOf(query.get("from"), timeZone), dayOf(query.get("to"), timeZone, 1)];
  const named = query.get("range");
  const preset = from && to ? null : named && Object.hasOwn(PRESETS, named) ? (named as Preset) : "30d";
  const days = preset ? PRESETS[preset] : 0;
  const version = Number(query.get("version"));
  const properties = [...query].filter(([name]) => name.startsWith("property.")).map(([name, text]) => [name.slice("property.".length), text]);
  const granularity = GRANULARITIES.find((one) => one === query.get("granularity"));
  const range = preset ? { from: addDays(today, 1 - days), to: today } : { from: from ?? today, to: to ?? today };
  const length = (Date.parse(range.to) - Date.parse(range.from)) / DAY_MS;
  return {
    preset,
    ...range,
    granularity: granularity ?? (length <= 2 ? "hour" : length <= 100 ? "day" : "week"),
    timeZone,
    version: Number.isInteger(version) && version > 0 ? version : null,
    properties: Object.fromEntries(properties),
  };
}

/** The parameters of the API that these filters are. The last day is included. */
export function parametersOf(filters: Filters) {
  return {
    from: filters.from,
    to: addDays(filters.to, 1),
    // A zone that the service does not know it refuses by name.
    time_zone: filters.timeZone as TimeZone,
    version: filters.version ?? undefined,
    properties: propertiesOf(filters),
  };
}

/** As the API's parameter `properties` takes them: `{"property.model": "m-1"}`. */
export function propertiesOf(filters: Pick<Filters, "properties">): Record<string, string> {
  return Object.fromEntries(Object.entries(filters.properties).map(([key, text]) => [`property.${key}`, text]));
}

/** All zones that the browser knows; UTC first. */
export function timeZones(): string[] {
  return [...new Set(["UTC", BROWSER_ZONE, ...Intl.supportedValuesOf("timeZone")])];
}
