// Numbers and times as people read them: in the browser's locale, and in the time zone that was chosen.
import type { Kpi, KpiType } from "./api";

export const BROWSER_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

type Measure = Pick<Kpi, "kpi_type"> & { unit?: string | null | undefined };

// Rounded as the service rounds in its `display`: by all digits of the number (1.005 is a little less), the middle to the even
// neighbour. Else an average could read €1.13 here and €1.12 there.
const formats = new Map<string, Intl.NumberFormat>();
function decimal(value: number, least: number, most = least): string {
  const key = `${least} ${most}`;
  const format = formats.get(key) ?? new Intl.NumberFormat(undefined, { minimumFractionDigits: least, maximumFractionDigits: most, roundingMode: "halfEven" });
  formats.set(key, format);
  return format.format(value.toFixed(20) as Intl.StringNumericLiteral);
}

// What is smaller than the eighth decimal is what sums of decimals are off by, not a figure.
const DECIMALS_MAX = 8;

/** Two decimals; below 0.1 as many more as two digits take: `12.47`, `0.0042`. */
function readable(value: number): string {
  const magnitude = Math.abs(value);
  const most = magnitude > 0 && magnitude < 0.1 ? 1 - Math.floor(Math.log10(magnitude)) : 2;
  return decimal(value, 2, Math.min(most, DECIMALS_MAX));
}

/** Always two decimals, as the service's `display` has them. */
const rounded = (value: number): string => decimal(value, 2);

/** A percentage as the API gives it: `88.87` → `88.87%`; a dash where there is nothing to share. */
export const percent = (value: number | null | undefined): string => (value == null ? "–" : `${decimal(value, 2)}%`);

export const count = (value: number): string => value.toLocaleString();

export function likertPoints(type: KpiType): number | null {
  return type === "likert5" ? 5 : type === "likert7" ? 7 : type === "likert10" ? 10 : null;
}

/** A value of a KPI with its unit: `$12.47`, `12.47 min`, `21.50°`, `5.23%`, `3.85`. */
export function value(kpi: Measure, number: number | null | undefined, digits: (value: number) => string = readable): string {
  if (number == null) return "–";
  if (kpi.kpi_type === "boolean" || kpi.kpi_type === "percentage") return `${digits(number * 100)}%`;
  if (kpi.kpi_type !== "number") return digits(number);
  const sign = number < 0 ? "-" : "";
  const text = digits(Math.abs(number));
  if (kpi.unit === "$" || kpi.unit === "€") return `${sign}${kpi.unit}${text}`;
  return `${sign}${text}${unitBehind(kpi.unit)}`;
}

/** A unit as it stands behind a number: ` min`, `%`. */
export const unitBehind = (unit: string | null | undefined): string => (!unit ? "" : unit === "%" || unit === "°" ? unit : ` ${unit}`);

/** Values are percentages, so that a difference in percent could be taken for a relative one. */
export const inPoints = (kpi: Measure): boolean => kpi.kpi_type === "boolean" || kpi.kpi_type === "percentage" || (kpi.kpi_type === "number" && kpi.unit === "%");

/** A difference of two values, with its sign: points of a percentage are named so. */
export function difference(kpi: Measure, number: number): string {
  const sign = number > 0 ? "+" : number < 0 ? "−" : "±";
  const text = value(kpi, Math.abs(number));
  return sign + (inPoints(kpi) ? text.replace(/%$/, " percentage points") : text);
}

/** The average beside its goal: `5.23% True (Goal: 5.00%)`, `3.85 / 5.00 (Goal: 3.50)`, `$12.47 (Goal: $10.00)`. */
export function headline(kpi: Measure & { goal: number; average: number | null }): string {
  const goal = `(Goal: ${value(kpi, kpi.goal, rounded)})`;
  if (kpi.average == null) return `No scores ${goal}`;
  const points = likertPoints(kpi.kpi_type);
  const middle = kpi.kpi_type === "boolean" ? " True" : points ? ` / ${decimal(points, 2)}` : "";
  return `${value(kpi, kpi.average, rounded)}${middle} ${goal}`;
}

export const TYPE_NAMES: Record<KpiType, string> = {
  boolean: "Boolean",
  number: "Number",
  percentage: "Percentage",
  likert5: "Likert (5)",
  likert7: "Likert (7)",
  likert10: "Likert (10)",
};

/** A p-value: `p = 0.012`, `p < 0.001`. */
export function pValue(p: number | null | undefined): string {
  if (p == null) return "";
  return p < 0.001 ? "p < 0.001" : `p = ${decimal(p, 3)}`;
}

export function dateTime(instant: string, zone: string): string {
  return new Date(instant).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short", timeZone: zone });
}

export function date(instant: string, zone: string): string {
  return new Date(instant).toLocaleDateString(undefined, { dateStyle: "medium", timeZone: zone });
}

/** The first instant of a bucket of the series, as its granularity has it. */
export function bucket(start: string, granularity: string, zone: string): string {
  const at = new Date(start);
  const parts: Record<string, Intl.DateTimeFormatOptions> = {
    hour: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" },
    day: { month: "short", day: "numeric", year: "numeric" },
    week: { month: "short", day: "numeric", year: "numeric" },
    month: { month: "long", year: "numeric" },
  };
  const text = at.toLocaleString(undefined, { ...parts[granularity], timeZone: zone });
  return granularity === "week" ? `Week of ${text}` : text;
}

/** The calendar date in a zone, as the API takes it: `2026-11-24`. */
export function isoDate(at: Date, zone: string): string {
  return new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" }).format(at);
}
