// Values of KPIs as they are put in: shares in percent, everything else as it is.
import type { KpiType } from "./api";
import { likertPoints, unitBehind } from "./format";

type Measure = { kpi_type: KpiType; unit?: string | null | undefined };

export const isShare = (type: KpiType): boolean => type === "boolean" || type === "percentage";

// 5.1 / 100 is 0.050999999999999996: fifteen digits are what a double holds of a decimal.
const rounded = (value: number): number => Number(value.toPrecision(15));

/** What is put in for a value: `0.25` → `25`. */
export const toInput = (type: KpiType, value: number): number => (isShare(type) ? rounded(value * 100) : value);

/** The value that was put in: `25` → `0.25`. If it still is what is shown for `before`, then that to its last digit: of 1/3, `33.3333333333333` is shown. */
export const fromInput = (type: KpiType, input: number, before?: number): number =>
  before !== undefined && input === toInput(type, before) ? before : isShare(type) ? rounded(input / 100) : input;

/** What stands behind the input. */
export function inputUnit({ kpi_type, unit }: Measure): string {
  const points = likertPoints(kpi_type);
  if (isShare(kpi_type)) return "%";
  return points ? `of ${points}` : (unit ?? "");
}

/** Bounds of the input, for its arrows and its keyboard; what is refused the service says. */
export function inputBounds(type: KpiType): { min?: number; max?: number; step: "any" } {
  const points = likertPoints(type);
  if (isShare(type)) return { min: 0, max: 100, step: "any" };
  return points ? { min: 1, max: points, step: "any" } : { step: "any" };
}

/** A single score, with all its digits: `Yes`, `25.5%`, `3.85 of 5`, `$12.475`. */
export function scoreText(kpi: Measure, score: number): string {
  if (kpi.kpi_type === "boolean") return score === 1 ? "Yes" : "No";
  const text = Math.abs(toInput(kpi.kpi_type, score)).toLocaleString(undefined, { maximumFractionDigits: 10 });
  const sign = score < 0 ? "-" : "";
  const unit = inputUnit(kpi);
  return unit === "$" || unit === "€" ? `${sign}${unit}${text}` : `${sign}${text}${unitBehind(unit)}`;
}
