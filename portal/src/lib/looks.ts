// How charts look, whatever they show: axes, legends, tooltips, and numbers as short as they can be on them.
import type { EChartsCoreOption } from "echarts/core";
import { isShare } from "./amounts";
import type { Palette } from "./theme.svelte";
import type { Measure } from "./verdicts";

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

/** Labels of the axes lie within the grid's place. */
export const inside = { outerBoundsMode: "same", outerBoundsContain: "axisLabel" };

export const framed = (palette: Palette): EChartsCoreOption => ({
  textStyle: { fontFamily: FONT, color: palette.text },
});

/** The power of ten of a number's last digit: of 0.25 it is −2. Thirds have no last one; four digits are enough. */
function lastDigit(number: number): number {
  const [digits = "", power = "0"] = Number(number.toPrecision(4)).toExponential().split("e");
  return Number(power) - (digits.split(".")[1]?.length ?? 0);
}

/** Values on an axis, or the ends of ranges, that are multiples of `step`: as short as they can be and still differ. */
export function axisValue(kpi: Measure, number: number, step: number): string {
  const unit = isShare(kpi.kpi_type) ? 100 : 1;
  const magnitude = Math.abs(number * unit);
  const last = lastDigit(step * unit);
  const digits = magnitude > 0 ? Math.floor(Math.log10(magnitude)) - last + 1 : 1;
  // 12,345 is no longer than 12.345K.
  const compact = magnitude >= 10_000 && digits <= 4;
  const text = magnitude.toLocaleString(undefined, compact ? { notation: "compact", maximumSignificantDigits: Math.max(1, digits) } : { maximumFractionDigits: Math.min(20, Math.max(0, -last)) });
  const sign = number < 0 ? "−" : "";
  if (isShare(kpi.kpi_type)) return `${sign}${text}%`;
  return kpi.unit === "$" || kpi.unit === "€" ? `${sign}${kpi.unit}${text}` : sign + text;
}

/** What the ticks of an axis over these values are multiples of: ECharts divides the span into about `parts`. */
export function tickStep(values: readonly (number | null)[], parts: number): number {
  const known = values.filter((number) => number !== null);
  const span = Math.max(...known) - Math.min(...known);
  // Of a single value the axis reaches half of it to both sides.
  const part = (span > 0 ? span : Math.abs(known[0] ?? 0) || 1) / parts;
  return Number.isFinite(part) ? 10 ** Math.floor(Math.log10(part)) : 1;
}

/** Lines of a tooltip, as elements: names are people's own and must not become markup. */
export function lines(texts: readonly string[]): HTMLElement {
  const box = document.createElement("div");
  for (const [at, text] of texts.entries()) {
    const line = document.createElement("div");
    line.textContent = text;
    if (at === 0) line.style.fontWeight = "600";
    line.style.whiteSpace = "normal";
    line.style.maxWidth = "260px";
    box.append(line);
  }
  return box;
}

export const tooltip = (palette: Palette) => ({
  trigger: "axis",
  confine: true,
  transitionDuration: 0,
  backgroundColor: palette.surface,
  borderColor: palette.line,
  padding: [7, 10],
  textStyle: { color: palette.text, fontSize: 13, fontFamily: FONT },
});

export const STROKE = "path://M0,4H20V6H0Z";
export const DASHES = "path://M0,4H8V6H0ZM12,4H20V6H12Z";

/** The place in the data that a tooltip of `trigger: "axis"` is about. */
export function pointed(parameters: unknown): number {
  const first = Array.isArray(parameters) ? parameters[0] : parameters;
  return (first as { dataIndex?: number } | undefined)?.dataIndex ?? 0;
}

export const axisLooks = (palette: Palette) => ({
  axisLine: { lineStyle: { color: palette.line } },
  axisTick: { lineStyle: { color: palette.line } },
  axisLabel: { color: palette.quiet, fontSize: 12, hideOverlap: true },
  splitLine: { lineStyle: { color: palette.line, opacity: 0.7 } },
});

export const legend = (palette: Palette) => ({
  bottom: 0,
  left: 0,
  selectedMode: false,
  itemWidth: 20,
  itemHeight: 10,
  itemGap: 14,
  textStyle: { color: palette.text, fontSize: 12 },
});

/** Labels of vertical lines lean away from the edges. */
export const leaning = (place: number): "left" | "center" | "right" => (place < 0.16 ? "left" : place > 0.84 ? "right" : "center");

export const shortened = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length - 1).trimEnd()}…` : text);
