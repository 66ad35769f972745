// Version rises and events, and the filters of a view as a refusal is about them.
import type { ApiError, Schemas } from "./api";
import { fieldOf, sentence } from "./errors";

export type DashboardEvent = Schemas["DashboardEvent"];

/** `version 2`, `“New prompt”`: in the middle of a sentence. */
export const named = (change: Schemas["SystemChange"]): string => (change.kind === "version" ? `version ${change.version}` : `“${change.title}”`);

export const changeKey = (change: Schemas["SystemChange"]): string => (change.kind === "version" ? `version-${change.version}` : change.event_id);

/** The message of a refusal by the filter that it is about; empty if it is about none of them. */
export function filterErrors(error: ApiError | null): Record<string, string> {
  if (!error || error.status === 0 || error.status >= 500) return {};
  const message = sentence(error.message);
  if (error.code === "too_many_buckets") return { granularity: message };
  if (error.code === "too_many_rows") return { properties: message };
  if (/propert/.test(error.message)) return { properties: message };
  const field = fieldOf(error, ["time_zone", "granularity", "version", "from", "to"]);
  return field ? { [field]: message } : {};
}
