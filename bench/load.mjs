// Load by wrk: one run of a scenario, and what it found.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { usage } from "./service.mjs";

let runs = 0;

// scenario: { url, script, connections, env }. Fails if a single answer was not a success: a fast error does not count.
export async function drive(root, pid, scenario, seconds) {
  runs += 1;
  const { url, script, connections, env = {} } = scenario;
  const folder = join(root, "bench/load");
  const before = usage(pid);
  const output = await run("wrk", ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "20s", "-s", join(folder, script), url], {
    ...process.env, LUA_PATH: `${folder}/?.lua;;`, SEED: String(runs), ...env,
  });
  const after = usage(pid);
  const line = output.split("\n").find((text) => text.startsWith("{"));
  if (!line) throw new Error(`wrk told nothing:\n${output}`);
  const found = JSON.parse(line);
  if (found.failed > 0 || found.requests === 0) throw new Error(`${script}: ${found.failed} of ${found.requests} failed:\n${output}`);
  return {
    ...found,
    perSecond: found.requests / found.seconds,
    cpuMs: (1000 * (after.cpuSeconds - before.cpuSeconds)) / found.requests,
    residentMb: after.residentMb,
  };
}

function run(program, parameters, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (data) => (output += data));
    child.stderr.on("data", (data) => (output += data));
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(output) : reject(new Error(`${program} ended with ${code}:\n${output}`))));
  });
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}
