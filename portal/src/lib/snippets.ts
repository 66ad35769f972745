// Code that records a score for a use case, to be copied.
import type { Kpi } from "./api";
import { likertPoints } from "./format";

export interface SnippetOf {
  useCase: string;
  kpi: Pick<Kpi, "name" | "kpi_type" | "goal">;
  /** With the definition of the KPI before it. */
  define?: boolean;
}

const KEY = "your API key";

/** A score that such a KPI takes. */
export function exampleScore(kpi: SnippetOf["kpi"]): { python: string; json: string } {
  if (kpi.kpi_type === "boolean") return { python: "True", json: "true" };
  const number = String(likertPoints(kpi.kpi_type) !== null ? 4 : kpi.kpi_type === "percentage" ? 0.9 : kpi.goal || 1);
  return { python: number, json: number };
}

const text = (value: string) => JSON.stringify(value);
/** In single quotes of a shell. */
const shell = (value: string) => `'${value.replaceAll("'", `'\\''`)}'`;

export function pythonSnippet({ useCase, kpi, define = false }: SnippetOf, url = location.origin): string {
  const definition = define
    ? `client.use_cases.definitions.kpis.create(${text(useCase)}, name=${text(kpi.name)}, kpi_type=${text(kpi.kpi_type)}, goal=${kpi.goal}, description="")\n`
    : "";
  return `from payi import Payi

client = Payi(base_url=${text(url)}, api_key=${text(KEY)})
${definition}instance = client.use_cases.create(${text(useCase)})
client.use_cases.kpis.update(${text(kpi.name)}, use_case_name=${text(useCase)}, use_case_id=instance.use_case_id, score=${exampleScore(kpi).python})
`;
}

const definitionOf = (kpi: SnippetOf["kpi"]) => `{ "name": ${text(kpi.name)}, "kpi_type": ${text(kpi.kpi_type)}, "goal": ${kpi.goal} }`;

export function curlSnippet({ useCase, kpi, define = false }: SnippetOf, url = location.origin): string {
  const path = `/api/v1/use_cases/instances/${encodeURIComponent(useCase)}/session-1/kpis/${encodeURIComponent(kpi.name)}`;
  const headers = `-H ${shell(`xProxy-api-key: ${KEY}`)} -H 'content-type: application/json'`;
  const definition = define
    ? `curl -X POST ${shell(`${url}/api/v1/use_cases/definitions/${encodeURIComponent(useCase)}/kpis`)} \\
  ${headers} \\
  -d ${shell(definitionOf(kpi))}

`
    : "";
  return `${definition}curl -X PUT ${shell(url + path)} \\
  ${headers} \\
  -d ${shell(`{ "score": ${exampleScore(kpi).json} }`)}
`;
}

export function javascriptSnippet({ useCase, kpi, define = false }: SnippetOf, url = location.origin): string {
  const path = `/api/v1/use_cases/instances/${encodeURIComponent(useCase)}/session-1/kpis/${encodeURIComponent(kpi.name)}`;
  const definition = define
    ? `await send("POST", ${text(`/api/v1/use_cases/definitions/${encodeURIComponent(useCase)}/kpis`)}, ${definitionOf(kpi)});
`
    : "";
  return `async function send(method, path, body) {
  const answer = await fetch(${text(url)} + path, {
    method,
    headers: { "xProxy-api-key": ${text(KEY)}, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

${definition}await send("PUT", ${text(path)}, { score: ${exampleScore(kpi).json} });
`;
}
