// Which field of a form a refusal is about, so that the API's message stands where it can be acted on.
import { ApiError } from "./api";

const FIELDS_OF_CODES: Record<string, string[]> = {
  invalid_use_case_name: ["use_case_name", "name"],
  invalid_kpi_name: ["kpi_name", "name"],
  kpi_already_exists: ["kpi_name", "name"],
  invalid_use_case_id: ["use_case_id"],
  goal_out_of_range: ["goal"],
  score_out_of_range: ["score"],
  scores_incompatible: ["kpi_type"],
  invalid_timestamp: ["timestamp", "at"],
  invalid_api_key: ["api_key"],
};

/** The one of `fields` that the refusal names; `null` if none. */
export function fieldOf(error: ApiError, fields: readonly string[]): string | null {
  const byCode = FIELDS_OF_CODES[error.code]?.find((field) => fields.includes(field));
  const named = fields.find((field) => new RegExp(`(^|[^a-z_])'?${field}'?([^a-z_]|$)`).test(error.message));
  return byCode ?? named ?? null;
}

/** A message as a sentence. */
export function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
