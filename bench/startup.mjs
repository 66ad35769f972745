// What starting the Worker takes beyond compiling: making an instance of the compiled module, and whatever runs at load. In Node, whose
// engine is the same: in workerd the clock stands still meanwhile.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Script } from "node:vm";
import { median } from "./load.mjs";

const TIMES = 25;

// Milliseconds, the median.
export function startUpMs(root) {
  globalThis.compiled = new WebAssembly.Module(readFileSync(join(root, "build/index_bg.wasm")));
  globalThis.addEventListener ??= () => {};
  const text = readFileSync(join(root, "build/index.js"), "utf8")
    .replace(/import\{WorkerEntrypoint as (\w+)\}from"cloudflare:workers";/, "class $1{};")
    .replace(/import (\w+) from"\.\/index_bg\.wasm";/, "const $1=globalThis.compiled;")
    .replace(/export\{[^}]*\};?\s*$/, "");
  const times = [];
  for (let n = 0; n < TIMES; n += 1) {
    const script = new Script(`(function(){${text}\n})`);
    const load = script.runInThisContext();
    const began = performance.now();
    load();
    times.push(performance.now() - began);
  }
  return median(times);
}
