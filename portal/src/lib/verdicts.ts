// What comparisons, trends and rhythms say, in sentences for people who decide about products.
import type { Kpi, Schemas } from "./api";
import { count, difference, inPoints, pValue as plainP, value } from "./format";

type Comparison = Schemas["Comparison"];
/** What a value is written with. */
export type Measure = Pick<Kpi, "kpi_type"> & { unit?: string | null };

export interface SideNames {
  /** In the middle of a sentence: `version 1`. */
  baseline: string;
  /** `version 2`. */
  candidate: string;
}

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** On one line. */
const pValue = (p: number | null): string => plainP(p).replaceAll(" ", "\u00a0");

/** The number that decides the verdict. */
export const decidingP = (comparison: Comparison): number | null => comparison.p_value_adjusted ?? comparison.p_value;

export function baselineAverage(comparison: Comparison): number | null {
  return "benchmark" in comparison.baseline ? comparison.baseline.benchmark : comparison.baseline.average;
}

/** `between −15.02 and −6.63 with 95% confidence`. */
function interval(kpi: Measure, comparison: Comparison): string {
  const found = comparison.confidence_interval;
  if (!found) return "";
  const end = (number: number) => difference(kpi, number).replace(inPoints(kpi) ? " percentage points" : "", "");
  const level = (found.level * 100).toLocaleString(undefined, { maximumFractionDigits: 2 });
  return `between ${end(found.low)} and ${end(found.high)} with ${level}% confidence`;
}

function chance(comparison: Comparison): string {
  const p = decidingP(comparison);
  if (p === null) return "";
  const adjusted = comparison.p_value_adjusted === undefined ? "" : ", adjusted for several comparisons";
  const words =
    comparison.verdict === "no_significant_change"
      ? "It may well be chance"
      : p < 0.001
        ? "This is very unlikely to be chance"
        : p < 0.01
          ? "This is unlikely to be chance"
          : "This is probably not chance";
  return `${words} (${pValue(p)}${adjusted}).`;
}

/** Why nothing can be said, with the sides called by their names. */
export function reasonOf(comparison: Comparison, sides: SideNames): string {
  const reason = (comparison.reason ?? "there are too few scores")
    .replace(/^baseline and candidate\b/, `${sides.baseline} and ${sides.candidate}`)
    .replace(/\bthe baseline\b/, sides.baseline)
    .replace(/\bthe candidate\b/, sides.candidate);
  return `${capital(reason)}.`;
}

/** `Version 2 is worse: 20.71% instead of 31.64% (difference …). This is very unlikely to be chance (p < 0.001).` */
export function verdictSentence(kpi: Measure, comparison: Comparison, sides: SideNames): string {
  if (comparison.verdict === "insufficient_data") return reasonOf(comparison, sides);
  const [before, after] = [value(kpi, baselineAverage(comparison)), value(kpi, comparison.candidate.average)];
  const range = interval(kpi, comparison);
  const change = comparison.difference === null ? "" : ` (difference ${[difference(kpi, comparison.difference), range].filter(Boolean).join(", ")})`;
  const said =
    comparison.verdict === "no_significant_change"
      ? `No significant difference: ${after} for ${sides.candidate}, ${before} for ${sides.baseline}`
      : `${capital(sides.candidate)} is ${comparison.verdict === "improved" ? "better" : "worse"}: ${after} instead of ${before}`;
  return `${said}${change}. ${chance(comparison)}`.trim();
}

/** The same in short, for lists: `20.71% instead of 31.64% (p < 0.001)`. */
export function shortVerdict(kpi: Measure, comparison: Comparison): string {
  const [before, after] = [baselineAverage(comparison), comparison.candidate.average];
  if (before === null || after === null) return "No scores on one of the sides";
  const change = comparison.difference === null ? "" : `: ${difference(kpi, comparison.difference)}`;
  const range = interval(kpi, comparison);
  const p = pValue(decidingP(comparison));
  const details = [range, p].filter(Boolean).join("; ");
  return `${value(kpi, after)} instead of ${value(kpi, before)}${change}${details ? ` (${details})` : ""}`;
}

export const scores = (number: number): string => `${count(number)} ${number === 1 ? "score" : "scores"}`;

function signedPercent(number: number): string {
  const sign = number > 0 ? "+" : number < 0 ? "−" : "±";
  return `${sign}${Math.abs(number).toLocaleString(undefined, Math.abs(number) < 10 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 0 })}%`;
}

const BUCKETS: Record<string, [string, string]> = { hour: ["hour", "hours"], day: ["day", "days"], week: ["week", "weeks"], month: ["month", "months"] };

/** `Getting worse: −58% over the range (p = 0.009, 14 days with scores).` */
export function trendSentence(trend: Schemas["Trend"], granularity: string): string {
  const [one, several] = BUCKETS[granularity] ?? ["bucket", "buckets"];
  const buckets = `${count(trend.buckets)} ${trend.buckets === 1 ? one : several} with scores`;
  if (trend.verdict === "insufficient_data") return `Too few data for a trend: ${buckets}; it takes 8.`;
  const change = !trend.change_percent ? "" : ` ${signedPercent(trend.change_percent)} over the range`;
  const details = `(${[pValue(trend.p_value), buckets].filter(Boolean).join(", ")})`;
  if (trend.verdict === "stable") return `No clear trend${change ? `: the line changes by${change}, which may be chance` : ""} ${details}.`;
  return `${trend.verdict === "improving" ? "Improving" : "Getting worse"}:${change || " over the range"} ${details}.`;
}

export const DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const;

export const hourName = (hour: number): string => `${String(hour).padStart(2, "0")}:00`;

export interface ProfilePart {
  name: string;
  count: number;
  average: number | null;
}

/** Whether averages follow the hour or the day, and where they are highest and lowest. */
export function seasonSentence(
  kpi: Measure,
  what: "hour of day" | "day of week",
  figures: { seasonal: boolean; eta_squared: number | null; p_value: number | null },
  parts: readonly ProfilePart[],
): string {
  const known = parts.filter((part): part is ProfilePart & { average: number } => part.average !== null);
  const [first] = known;
  if (!first || known.length < 2 || figures.p_value === null) return `No verdict on a pattern by ${what}: too few data, or all scores are equal.`;
  const peak = known.reduce((best, part) => (part.average > best.average ? part : best), first);
  const low = known.reduce((least, part) => (part.average < least.average ? part : least), first);
  const where = what === "hour of day" ? "at" : "on";
  const extremes = `highest ${where} ${peak.name} (${value(kpi, peak.average)}), lowest ${where} ${low.name} (${value(kpi, low.average)})`;
  const p = pValue(figures.p_value);
  const explained = figures.eta_squared === null ? "" : `${(figures.eta_squared * 100).toLocaleString(undefined, { maximumFractionDigits: 1 })}% of the variance`;
  if (figures.seasonal) return `There is a pattern by ${what}: ${extremes}. It explains ${explained} (${p}).`;
  const why = figures.p_value < 0.01 && explained ? `it explains only ${explained}` : "which may be chance";
  return `No clear pattern by ${what}: ${extremes}; ${why} (${p}).`;
}
