// The API of the service, typed from its OpenAPI document (`schema.d.ts` is made of public/openapi.json by scripts/portal.sh).
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Definition = Schemas["Definition"];
export type Kpi = Schemas["Kpi"];
export type KpiType = Schemas["KpiType"];
export type KpiPanel = Schemas["KpiPanel"];
export type Dashboard = Schemas["Dashboard"];
export type Comparison = Schemas["Comparison"];
export type Instance = Schemas["Instance"];
export type Score = Schemas["Score"];
export type Key = Schemas["Key"];
export type PropertyKey = Schemas["PropertyKey"];

/** A refusal by the service, or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string | null = null,
  ) {
    super(message);
  }

  /** Trying again may help. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** What to do when a request is refused because nobody is signed in any more. */
let signedOut: () => void = () => {};
export function onSignedOut(handler: () => void): void {
  signedOut = handler;
}

export async function refusal(response: Response): Promise<ApiError> {
  const requestId = response.headers.get("x-request-id");
  const body = (await response.json().catch(() => null)) as Schemas["Error"] | null;
  const detail = body?.xproxy_error;
  return new ApiError(response.status, detail?.code ?? "unexpected_error", detail?.message ?? "the service did not say why", requestId);
}

const failures: Middleware = {
  async onResponse({ request, response }) {
    if (response.ok) return;
    const error = await refusal(response);
    if (response.status === 401 && !request.url.endsWith("/api/v1/session")) signedOut();
    throw error;
  },
  onError({ error }) {
    if (error instanceof DOMException && error.name === "AbortError") return error;
    return new ApiError(0, "no_answer", "the service can't be reached; check the connection");
  },
};

/** `{"property.model": "m-1"}` of the parameter `properties` becomes `property.model=m-1`; what is not given is left out. */
export function query(parameters: Record<string, unknown>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (name === "properties" && value && typeof value === "object") {
      for (const [key, text] of Object.entries(value)) search.append(key, String(text));
    } else if (Array.isArray(value)) {
      for (const one of value) search.append(name, String(one));
    } else if (value !== undefined && value !== null && value !== "") {
      search.append(name, String(value));
    }
  }
  return search.toString();
}

export const api = createClient<paths>({ baseUrl: location.origin, credentials: "same-origin", querySerializer: query });
api.use(failures);

/** The body of an answer: refusals were thrown before. */
export async function body<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}

/** All pages of a list. */
export async function all<T>(page: (cursor?: string) => Promise<{ data?: { items: T[]; cursor?: string | null } }>): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const { data } = await page(cursor);
    items.push(...(data?.items ?? []));
    cursor = data?.cursor ?? undefined;
  } while (cursor);
  return items;
}
