// What the charts of a comparison are drawn from.
import type { KpiPanel, Schemas } from "./api";
import { count, difference, inPoints, percent } from "./format";
import { axisLooks, axisValue, framed, inside, legend, lines, pointed, tooltip } from "./looks";
import { alignedShapes, scaleAxes, type Drawing } from "./options";
import type { Measure } from "./verdicts";

export interface ComparedSide {
  name: string;
  panel: KpiPanel;
}

const shareOf = (number: number, total: number): number => (total > 0 ? (100 * number) / total : 0);

/** Both distributions as shares, bar by bar beside each other; `null` if they can't share a scale. */
export function sharesDrawing(kpi: Measure & { kpi_name: string }, sides: readonly [ComparedSide, ComparedSide]): Drawing | null {
  const [one, two] = [sides[0].panel.distribution, sides[1].panel.distribution];
  if (!one || !two) return null;
  const label = `Distributions of ${kpi.kpi_name}: ${sides[0].name} and ${sides[1].name}`;
  let names: string[];
  let counts: [number[], number[]];
  let scale: ReturnType<typeof alignedShapes> = null;
  if (one.kind === "boolean" && two.kind === "boolean") {
    names = ["True", "False"];
    counts = [
      [one.true, one.false],
      [two.true, two.false],
    ];
  } else {
    scale = alignedShapes(kpi, one, two);
    if (!scale) return null;
    names = scale[0].bins.map((bin) => bin.name);
    counts = [scale[0].bins.map((bin) => bin.count), scale[1].bins.map((bin) => bin.count)];
  }
  const totals = [sides[0].panel.count, sides[1].panel.count] as const;
  const cell = (side: 0 | 1, at: number) => {
    const number = counts[side][at] ?? 0;
    return `${percent(shareOf(number, totals[side]))} (${count(number)})`;
  };
  return {
    label,
    table: { head: [scale && !scale[0].points ? "Range" : "Value", sides[0].name, sides[1].name], rows: names.map((name, at) => [name, cell(0, at), cell(1, at)]) },
    option: (palette) => ({
      ...framed(palette),
      grid: { left: 4, right: 14, top: 12, bottom: 30, ...inside },
      legend: legend(palette),
      tooltip: {
        ...tooltip(palette),
        axisPointer: { type: "shadow" },
        formatter: (parameters: unknown) => {
          const at = pointed(parameters);
          return lines([names[at] ?? "", `${sides[0].name}: ${cell(0, at)}`, `${sides[1].name}: ${cell(1, at)}`]);
        },
      },
      xAxis: scale ? scaleAxes(kpi, scale[0], palette) : { type: "category", ...axisLooks(palette), axisTick: { show: false }, data: names },
      yAxis: { type: "value", ...axisLooks(palette), splitNumber: 4, axisLabel: { ...axisLooks(palette).axisLabel, formatter: "{value}%" } },
      series: [
        {
          name: sides[0].name,
          type: "bar",
          data: counts[0].map((number) => shareOf(number, totals[0])),
          barGap: "0%",
          barCategoryGap: "20%",
          barMaxWidth: 60,
          itemStyle: { color: palette.accentSoft, borderColor: palette.accent, borderWidth: 1 },
          emphasis: { disabled: true },
        },
        {
          name: sides[1].name,
          type: "bar",
          data: counts[1].map((number) => shareOf(number, totals[1])),
          barMaxWidth: 60,
          itemStyle: { color: palette.accent },
          emphasis: { disabled: true },
        },
        // The axis of values is drawn only if something lies on it.
        ...(scale ? [{ type: "line", xAxisIndex: 1, data: [], silent: true }] : []),
      ],
    }),
  };
}

/** 1, 2, 2.5 or 5 times a power of ten, at least `number`. */
function niceStep(number: number): number {
  const power = 10 ** Math.floor(Math.log10(number));
  return power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= number) ?? 10);
}

/** The difference with its interval, beside no difference at all, which is always in the middle. */
export function intervalDrawing(kpi: Measure & { kpi_name: string }, comparison: Schemas["Comparison"]): Drawing | null {
  const { confidence_interval: interval, difference: point } = comparison;
  if (!interval || point === null) return null;
  const step = niceStep(0.55 * Math.max(Math.abs(interval.low), Math.abs(interval.high), Math.abs(point)) || 0.5);
  const reach = 2 * step;
  const tick = (number: number) => {
    if (Math.abs(number) < reach / 1e6) return "0";
    const text = axisValue(kpi, Math.abs(number), step);
    return (number > 0 ? "+" : "−") + (inPoints(kpi) ? `${text.replace("%", "")} pp` : text);
  };
  const verdict = comparison.verdict;
  return {
    label: `Difference of ${kpi.kpi_name}: ${difference(kpi, point)}, from ${difference(kpi, interval.low)} to ${difference(kpi, interval.high)}`,
    table: { head: ["Difference", "Low", "High"], rows: [[difference(kpi, point), difference(kpi, interval.low), difference(kpi, interval.high)]] },
    option: (palette) => {
      const colour = verdict === "improved" ? palette.good : verdict === "worsened" ? palette.bad : palette.quiet;
      return {
        ...framed(palette),
        grid: { left: 30, right: 30, top: 6, bottom: 22 },
        xAxis: {
          type: "value",
          ...axisLooks(palette),
          min: -reach,
          max: reach,
          interval: step,
          axisLabel: { ...axisLooks(palette).axisLabel, formatter: tick },
          splitLine: { show: false },
        },
        yAxis: { type: "value", show: false, min: -1, max: 1 },
        series: [
          {
            type: "line",
            silent: true,
            symbol: "none",
            data: [
              [interval.low, 0],
              [interval.high, 0],
            ],
            lineStyle: { width: 8, color: colour, cap: "butt", opacity: 0.45 },
            markLine: { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: palette.text, type: "solid", width: 1.5 }, data: [{ xAxis: 0 }] },
          },
          { type: "line", silent: true, symbol: "circle", symbolSize: 12, data: [[point, 0]], itemStyle: { color: colour } },
        ],
      };
    },
  };
}
