// What the dashboards are asked about: a million scores and a thousand, each of ten KPIs over a year, three versions, one instance
// in fifty with a property. Half of the instances are of the last thirty days.
import { KEY } from "./service.mjs";

const DAY_MS = 86_400_000;
const ITEMS_PER_REQUEST = 1_000;
const WRITERS = 4;
const VERSIONS = 3;
const TAGGED_EVERY = 50;

export const KPIS = [
  ["Speed", "number", 10], ["Cost", "number", 2], ["Tokens", "number", 500], ["Solved", "boolean", 0.6], ["Deflected", "boolean", 0.4],
  ["Accuracy", "percentage", 0.9], ["Coverage", "percentage", 0.7], ["Mood", "likert5", 3.5], ["Tone", "likert7", 5], ["Rating", "likert10", 7],
].map(([name, kpi_type, goal]) => ({ name, kpi_type, goal }));

const VALUES = {
  number: (n) => ((n * 7919) % 2500) / 100, boolean: (n) => (n * 31) % 3 === 0, percentage: (n) => ((n * 7919) % 101) / 100,
  likert5: (n) => 1 + (n % 5), likert7: (n) => 1 + (n % 7), likert10: (n) => 1 + (n % 10),
};

export async function call(url, method, path, body) {
  const answer = await fetch(`${url}/api/v1/${path}`, {
    method, headers: { "xProxy-api-key": KEY, "content-type": "application/json" }, body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
  return text ? JSON.parse(text) : null;
}

export async function define(url, useCase, kpis) {
  for (const kpi of kpis) await call(url, "POST", `use_cases/definitions/${useCase}/kpis`, kpi);
}

// Answers the seconds that each tenth took.
export async function fill(url, useCase, scores, progress) {
  await define(url, useCase, KPIS);
  const instances = scores / KPIS.length;
  const now = Date.now() - 60_000;
  const at = (n) => {
    const share = n / instances;
    return Math.floor(now - (share < 0.5 ? 360 - 660 * share : 60 * (1 - share)) * DAY_MS);
  };
  const seconds = [];
  for (let tenth = 0; tenth < 10; tenth += 1) {
    if (tenth > 0 && tenth % Math.floor(10 / VERSIONS) === 0 && tenth / Math.floor(10 / VERSIONS) < VERSIONS) {
      await call(url, "POST", `use_cases/definitions/${useCase}/increment_version`);
    }
    const began = performance.now();
    await fillTenth(url, useCase, Math.floor((tenth * instances) / 10), Math.floor(((tenth + 1) * instances) / 10), at);
    seconds.push((performance.now() - began) / 1000);
    progress(`${useCase}: ${tenth + 1} of 10, ${Math.round(scores / 10 / seconds.at(-1))} scores/s`);
  }
  await tag(url, useCase, instances);
  return seconds;
}

async function fillTenth(url, useCase, first, end, at) {
  const step = Math.floor(ITEMS_PER_REQUEST / KPIS.length);
  let next = first;
  const write = async () => {
    while (next < end) {
      const from = next;
      next = Math.min(from + step, end);
      const items = [];
      for (let n = from; n < next; n += 1) {
        const timestamp = new Date(at(n)).toISOString();
        for (const { name, kpi_type } of KPIS) items.push({ use_case_id: idOf(useCase, n), kpi_name: name, score: VALUES[kpi_type](n), timestamp });
      }
      const { accepted } = await call(url, "POST", `use_cases/definitions/${useCase}/scores`, { scores: items });
      if (accepted !== items.length) throw new Error(`${items.length - accepted} of ${items.length} were refused`);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
}

// In no order, as ids are.
const idOf = (useCase, n) => `${(Math.imul(n + 1, 2_654_435_761) >>> 0).toString(16)}-${useCase}-${n}`;

async function tag(url, useCase, instances) {
  let next = 0;
  const write = async () => {
    while (next < instances) {
      const n = next;
      next += TAGGED_EVERY;
      await call(url, "PUT", `use_cases/instances/${useCase}/${idOf(useCase, n)}/properties`, { properties: { plan: "pro" } });
    }
  };
  await Promise.all(Array.from({ length: 32 }, write));
}
