// What the dashboard's charts are drawn from: an option for ECharts and the table of the same figures.
import type { EChartsCoreOption } from "echarts/core";
import type { ChartTable } from "../components/Chart.svelte";
import type { KpiPanel, Schemas } from "./api";
import { bucket, count, likertPoints, percent, value } from "./format";
import { DASHES, STROKE, axisLooks, axisValue, framed, inside, leaning, legend, lines, pointed, shortened, tickStep, tooltip } from "./looks";
import type { Palette } from "./theme.svelte";
import type { Measure, ProfilePart } from "./verdicts";

export type Distribution = Schemas["Distribution"];
export type Change = Schemas["SystemChange"];

export interface Drawing {
  label: string;
  table: ChartTable;
  option: (palette: Palette) => EChartsCoreOption;
}

/** Counts over a scale: the bin `at` reaches from `from + at · width` on. */
// Distributions.

interface Bin {
  name: string;
  count: number;
}

export interface Shape {
  bins: Bin[];
  from: number;
  width: number;
  /** The first bin holds everything below its end, the last one everything above its start. */
  open: { first: boolean; last: boolean };
  /** The bins are points of a scale, or ranges of values. */
  points: boolean;
}

/** `null` for a boolean KPI, of which there is no scale. */
export function shapeOf(kpi: Measure, distribution: Distribution): Shape | null {
  if (distribution.kind === "boolean") return null;
  if (distribution.kind === "likert") {
    const last = likertPoints(kpi.kpi_type) ?? distribution.buckets.length;
    const counts = new Map(distribution.buckets.map((one) => [one.point, one.count]));
    const bins = Array.from({ length: last }, (_, at) => ({ name: String(at + 1), count: counts.get(at + 1) ?? 0 }));
    return { bins, from: 0.5, width: 1, open: { first: false, last: false }, points: true };
  }
  const { buckets, bucket_width: width } = distribution;
  const below = buckets.find((one) => one.from === null);
  const above = buckets.find((one) => one.to === null);
  const places = buckets.map((one) => (one.from !== null ? Math.round(one.from / width) : Math.round((one.to ?? 0) / width) - 1));
  if (places.length === 0) return null;
  return ranged(kpi, width, new Map(places.map((place, at) => [place, buckets[at]?.count ?? 0])), { first: below !== undefined, last: above !== undefined });
}

function ranged(kpi: Measure, width: number, counts: ReadonlyMap<number, number>, open: Shape["open"]): Shape {
  const places = [...counts.keys()];
  const [first, last] = [Math.min(...places), Math.max(...places)];
  const edge = (place: number) => axisValue(kpi, place * width, width);
  const bins = Array.from({ length: last - first + 1 }, (_, at) => {
    const place = first + at;
    const name =
      open.first && at === 0 ? `Below ${edge(place + 1)}` : open.last && place === last ? `${edge(place)} and more` : `${edge(place)} to ${edge(place + 1)}`;
    return { name, count: counts.get(place) ?? 0 };
  });
  return { bins, from: first * width, width, open, points: false };
}

/** Two distributions over the same bins, so that they can lie beside each other; `null` if their widths do not fit together. */
export function alignedShapes(kpi: Measure, one: Distribution, two: Distribution): [Shape, Shape] | null {
  const [a, b] = [shapeOf(kpi, one), shapeOf(kpi, two)];
  if (!a || !b) return null;
  if (a.points) return [a, b];
  const width = Math.max(a.width, b.width);
  const fits = (shape: Shape) => Math.abs(width / shape.width - Math.round(width / shape.width)) < 1e-6;
  if (!fits(a) || !fits(b)) return null;
  const place = (shape: Shape, at: number) => Math.floor((shape.from + (at + 0.5) * shape.width) / width);
  // What is open on one side is put together on the other.
  const low = Math.max(...[a, b].map((shape) => (shape.open.first ? place(shape, 0) : -Infinity)));
  const high = Math.min(...[a, b].map((shape) => (shape.open.last ? place(shape, shape.bins.length - 1) : Infinity)));
  const counted = (shape: Shape) => {
    const counts = new Map<number, number>();
    for (const [at, bin] of shape.bins.entries()) {
      const to = Math.min(high, Math.max(low, place(shape, at)));
      counts.set(to, (counts.get(to) ?? 0) + bin.count);
    }
    return counts;
  };
  const [ofA, ofB] = [counted(a), counted(b)];
  for (const key of ofA.keys()) ofB.set(key, ofB.get(key) ?? 0);
  for (const key of ofB.keys()) ofA.set(key, ofA.get(key) ?? 0);
  const open = { first: low > -Infinity, last: high < Infinity };
  return [ranged(kpi, width, ofA, open), ranged(kpi, width, ofB, open)];
}

/** A vertical line over a distribution. */
export interface ScaleLine {
  name: string;
  value: number;
  colour: "text" | "good" | "warn";
  dashed: boolean;
}

/** The two x axes of a distribution: one for the bars, one for values between them. */
export function scaleAxes(kpi: Measure, shape: Shape, palette: Palette) {
  const { bins, from, width } = shape;
  const looks = axisLooks(palette);
  const step = [1, 2, 4, 5, 10, 20].find((one) => bins.length / one <= 8) ?? Math.ceil(bins.length / 8);
  const until = from + bins.length * width;
  const isEnd = (edge: number) =>
    (shape.open.first && Math.abs(edge - from) < width / 2) || (shape.open.last && Math.abs(edge - until) < width / 2);
  return [
    { type: "category", ...looks, data: bins.map((bin) => bin.name), show: shape.points, position: "bottom", axisTick: { show: false } },
    {
      type: "value",
      ...looks,
      show: !shape.points,
      position: "bottom",
      min: from,
      max: until,
      interval: step * width,
      splitLine: { show: false },
      axisLabel: { ...looks.axisLabel, formatter: (edge: number) => (isEnd(edge) ? "" : axisValue(kpi, Math.abs(edge) < width / 1000 ? 0 : edge, width)) },
    },
  ];
}

/** Vertical lines at values; the label of each stands on a line of its own. */
export function scaleLines(shape: Shape, all: readonly ScaleLine[], palette: Palette) {
  const until = shape.from + shape.bins.length * shape.width;
  return {
    type: "line",
    xAxisIndex: 1,
    data: [],
    silent: true,
    tooltip: { show: false },
    markLine: {
      silent: true,
      symbol: "none",
      // Else places are rounded to two decimals.
      precision: 15,
      data: all.map((line, at) => {
        const beyond = line.value < shape.from ? "← " : line.value > until ? " →" : "";
        const place = Math.min(until, Math.max(shape.from, line.value));
        const text = beyond === " →" ? line.name + beyond : beyond + line.name;
        return {
          xAxis: place,
          lineStyle: { color: palette[line.colour], type: line.dashed ? "dashed" : "solid", width: 2 },
          label: {
            position: "end",
            distance: 4 + 16 * (all.length - 1 - at),
            formatter: () => text,
            align: leaning((place - shape.from) / (until - shape.from)),
            color: palette[line.colour],
            fontSize: 12,
            fontWeight: 600,
          },
        };
      }),
    },
  };
}

/** Bars over the scale with the average and the goal, and whatever else is to be marked. */
export function distributionDrawing(kpi: KpiPanel, more: readonly ScaleLine[] = [], name = "Distribution of"): Drawing | null {
  const { distribution, count: total } = kpi;
  if (!distribution) return null;
  const of = (number: number) => percent(total > 0 ? (100 * number) / total : null);
  const shape = shapeOf(kpi, distribution);
  const label = `${name} ${kpi.kpi_name}`;
  if (distribution.kind === "boolean") return booleanDrawing(label, distribution, of);
  if (!shape) return null;
  const table = { head: [shape.points ? "Point" : "Range", "Scores", "Share"], rows: shape.bins.map((bin) => [bin.name, count(bin.count), of(bin.count)]) };
  const marked: ScaleLine[] = [
    ...(kpi.average === null ? [] : [{ name: `Average ${value(kpi, kpi.average)}`, value: kpi.average, colour: "text" as const, dashed: false }]),
    { name: `Goal ${value(kpi, kpi.goal)}`, value: kpi.goal, colour: "warn", dashed: true },
    ...more,
  ];
  return {
    label,
    table,
    option: (palette) => ({
      ...framed(palette),
      grid: { left: 4, right: 14, top: 8 + 16 * marked.length, bottom: 4, ...inside },
      tooltip: {
        ...tooltip(palette),
        axisPointer: { type: "shadow" },
        formatter: (parameters: unknown) => {
          const bin = shape.bins[pointed(parameters)];
          return bin ? lines([shape.points ? `Point ${bin.name}` : bin.name, `${count(bin.count)} scores (${of(bin.count)})`]) : "";
        },
      },
      xAxis: scaleAxes(kpi, shape, palette),
      yAxis: { type: "value", ...axisLooks(palette), minInterval: 1, splitNumber: 4 },
      series: [
        {
          type: "bar",
          data: shape.bins.map((bin) => bin.count),
          barCategoryGap: shape.points ? "30%" : "8%",
          ...(shape.points ? { barMaxWidth: 90 } : {}),
          itemStyle: { color: palette.accentSoft, borderColor: palette.accent, borderWidth: 1 },
          emphasis: { disabled: true },
        },
        scaleLines(shape, marked, palette),
      ],
    }),
  };
}

function booleanDrawing(label: string, distribution: Extract<Distribution, { kind: "boolean" }>, of: (number: number) => string): Drawing {
  const bars = [
    { name: "True", count: distribution.true },
    { name: "False", count: distribution.false },
  ];
  return {
    label,
    table: { head: ["Value", "Scores", "Share"], rows: bars.map((bar) => [bar.name, count(bar.count), of(bar.count)]) },
    option: (palette) => ({
      ...framed(palette),
      grid: { left: 4, right: 118, top: 6, bottom: 4, ...inside },
      xAxis: { type: "value", ...axisLooks(palette), minInterval: 1, splitNumber: 3 },
      yAxis: { type: "category", inverse: true, ...axisLooks(palette), axisTick: { show: false }, axisLabel: { color: palette.text, fontSize: 13 }, data: bars.map((bar) => bar.name) },
      series: [
        {
          type: "bar",
          silent: true,
          barMaxWidth: 44,
          data: bars.map((bar, at) => ({
            value: bar.count,
            itemStyle: { color: at === 0 ? palette.accent : palette.accentSoft },
          })),
          label: {
            show: true,
            position: "right",
            color: palette.text,
            fontSize: 12,
            formatter: ({ dataIndex }: { dataIndex: number }) => {
              const bar = bars[dataIndex];
              return bar ? `${count(bar.count)} (${of(bar.count)})` : "";
            },
          },
        },
      ],
    }),
  };
}

// Series.

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** The line of which the service told the slope: it goes through the medians, from the first bucket with scores to the last. */
export function trendLine(kpi: KpiPanel): (number | null)[] | null {
  const points = kpi.series ?? [];
  const slope = kpi.trend.slope_per_bucket;
  const known = points.flatMap((point, at) => (point.average === null ? [] : [{ at, average: point.average }]));
  const [first, last] = [known[0], known.at(-1)];
  if (slope === null || !first || !last || first === last) return null;
  const [x, y] = [median(known.map((one) => one.at)), median(known.map((one) => one.average))];
  return points.map((_, at) => (at < first.at || at > last.at ? null : y + slope * (at - x)));
}

/** `v2`, or the title of the event. */
export const changeName = (change: Change): string => (change.kind === "version" ? `v${change.version}` : change.title);

/** What changed in which bucket of the series. */
function changesAt(points: readonly { start: string }[], changes: readonly Change[]): Map<number, string[]> {
  const starts = points.map((point) => Date.parse(point.start));
  const found = new Map<number, string[]>();
  for (const change of [...changes].sort((a, b) => a.at.localeCompare(b.at))) {
    const at = starts.findLastIndex((start) => start <= Date.parse(change.at));
    if (at >= 0) found.set(at, [...(found.get(at) ?? []), changeName(change)]);
  }
  return found;
}

/** The start of a bucket below the axis. */
function shortBucket(start: string, granularity: string, zone: string): string {
  const parts: Record<string, Intl.DateTimeFormatOptions> = {
    hour: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" },
    month: { month: "short", year: "numeric" },
  };
  return new Date(start).toLocaleString(undefined, { ...(parts[granularity] ?? { month: "short", day: "numeric" }), timeZone: zone });
}

export function seriesDrawing(kpi: KpiPanel, changes: readonly Change[], { granularity, zone }: { granularity: string; zone: string }): Drawing {
  const points = kpi.series ?? [];
  const happened = changesAt(points, changes);
  const line = trendLine(kpi);
  const name = (at: number) => bucket(points[at]?.start ?? "", granularity, zone);
  // A line needs two neighbours; a point alone is drawn as one.
  const alone = points.map((_, at) => (points[at - 1]?.average ?? null) === null && (points[at + 1]?.average ?? null) === null);
  const few = points.length <= 62;
  const goalName = `Goal: ${value(kpi, kpi.goal)}`;
  // How often something is true is read from nothing on; elsewhere the changes would not be seen.
  const scale = kpi.kpi_type !== "boolean";
  const step = tickStep([...points.map((point) => point.average), kpi.goal, ...(line ?? []), ...(scale ? [] : [0])], 4);
  // Of labels that would lie over each other only the first is written; tooltips have them all.
  const room = points.length * 0.13;
  let written = -Infinity;
  const marks = [...happened].map(([at, names]) => {
    const shows = at - written >= room;
    if (shows) written = at;
    return { at, text: shows ? shortened(names.join(", "), 18) : "" };
  });

  return {
    label: `${kpi.kpi_name} over time, by ${granularity}`,
    table: {
      head: ["Time", "Average", "Scores", "Goal", "Changes"],
      rows: points.map((point, at) => [
        name(at),
        value(kpi, point.average),
        count(point.count),
        point.goal_met === null ? "–" : point.goal_met ? "met" : "missed",
        (happened.get(at) ?? []).join(", "),
      ]),
    },
    option: (palette) => ({
      ...framed(palette),
      grid: { left: 4, right: 18, top: marks.length > 0 ? 26 : 12, bottom: 30, ...inside },
      legend: { ...legend(palette), data: [{ name: "Average" }, { name: goalName, icon: DASHES }, ...(line ? [{ name: "Trend", icon: STROKE }] : [])] },
      tooltip: {
        ...tooltip(palette),
        axisPointer: { type: "line", lineStyle: { color: palette.quiet, type: "solid" } },
        formatter: (parameters: unknown) => {
          const at = pointed(parameters);
          const point = points[at];
          if (!point) return "";
          const scored = point.count === 1 ? "1 score" : `${count(point.count)} scores`;
          return lines([name(at), point.average === null ? "No scores" : `Average ${value(kpi, point.average)} of ${scored}`, goalName, ...(happened.get(at) ?? [])]);
        },
      },
      xAxis: {
        type: "category",
        ...axisLooks(palette),
        boundaryGap: points.length < 2,
        data: points.map((point) => shortBucket(point.start, granularity, zone)),
        splitLine: { show: false },
      },
      yAxis: {
        type: "value",
        ...axisLooks(palette),
        scale,
        splitNumber: 4,
        axisLabel: { ...axisLooks(palette).axisLabel, formatter: (number: number) => axisValue(kpi, number, step) },
      },
      series: [
        {
          name: "Average",
          type: "line",
          data: points.map((point) => point.average),
          showAllSymbol: true,
          symbol: "circle",
          symbolSize: (_: unknown, { dataIndex }: { dataIndex: number }) => (alone[dataIndex] ? 7 : few ? 5 : 0),
          lineStyle: { width: 2, color: palette.accent },
          itemStyle: { color: palette.accent },
          emphasis: { disabled: true },
          z: 4,
          markLine: {
            silent: true,
            symbol: "none",
            lineStyle: { color: palette.quiet, type: "dotted", width: 2 },
            data: marks.map(({ at, text }) => ({
              xAxis: at,
              label: {
                show: text !== "",
                position: "end",
                formatter: () => text,
                align: leaning(at / Math.max(1, points.length - 1)),
                color: palette.text,
                fontSize: 12,
                fontWeight: 600,
              },
            })),
          },
        },
        {
          name: goalName,
          type: "line",
          data: points.map(() => kpi.goal),
          symbol: "none",
          silent: true,
          lineStyle: { width: 2, type: "dashed", color: palette.warn },
          itemStyle: { color: palette.warn },
          emphasis: { disabled: true },
        },
        ...(line
          ? [
              {
                name: "Trend",
                type: "line",
                data: line,
                symbol: "none",
                silent: true,
                lineStyle: { width: 1.5, color: palette.quiet },
                itemStyle: { color: palette.quiet },
                emphasis: { disabled: true },
              },
            ]
          : []),
      ],
    }),
  };
}

// Rhythms.

export function profileDrawing(kpi: KpiPanel, label: string, parts: readonly (ProfilePart & { short: string })[]): Drawing {
  const likert = likertPoints(kpi.kpi_type) !== null;
  const step = tickStep([likert ? 1 : 0, ...parts.map((part) => part.average)], 3);
  return {
    label,
    table: { head: ["When", "Average", "Scores"], rows: parts.map((part) => [part.name, value(kpi, part.average), count(part.count)]) },
    option: (palette) => ({
      ...framed(palette),
      grid: { left: 4, right: 8, top: 10, bottom: 4, ...inside },
      tooltip: {
        ...tooltip(palette),
        axisPointer: { type: "shadow" },
        formatter: (parameters: unknown) => {
          const part = parts[pointed(parameters)];
          return part ? lines([part.name, part.average === null ? "No scores" : `Average ${value(kpi, part.average)} of ${count(part.count)} scores`]) : "";
        },
      },
      xAxis: { type: "category", ...axisLooks(palette), axisTick: { show: false }, data: parts.map((part) => part.short) },
      yAxis: {
        type: "value",
        ...axisLooks(palette),
        // Likert scales begin at 1.
        ...(likert ? { min: 1 } : {}),
        splitNumber: 3,
        axisLabel: { ...axisLooks(palette).axisLabel, formatter: (number: number) => axisValue(kpi, number, step) },
      },
      series: [
        {
          type: "bar",
          data: parts.map((part) => part.average),
          barCategoryGap: "22%",
          barMaxWidth: 48,
          itemStyle: { color: palette.accentSoft, borderColor: palette.accent, borderWidth: 1 },
          emphasis: { disabled: true },
        },
      ],
    }),
  };
}
