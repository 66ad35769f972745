// What clocks show in a time zone, for inputs of the kind `datetime-local`.

/** What a clock in the zone shows at an instant: `2026-11-24T13:37:57`. */
export function wallTime(instant: Date, zone: string): string {
  return instant.toLocaleString("sv-SE", { timeZone: zone }).replace(" ", "T");
}

/** The instant at which a clock in the zone shows a time; of a time that clocks skip, one close by. */
export function instantOf(wall: string, zone: string): string {
  const shown = Date.parse(`${wall}Z`);
  let at = shown;
  // The second round is for a change of the clocks between the first guess and the instant itself.
  for (let round = 0; round < 2; round++) at -= Date.parse(`${wallTime(new Date(at), zone)}Z`) - shown;
  return new Date(at).toISOString();
}

/** A date as the address and the API have it. */
export const isDate = (text: string | null): text is string => text !== null && /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));
