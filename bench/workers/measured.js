// The release build, with one more path: how much memory its WebAssembly instance has taken, of the Worker and all objects together.
// It never gives any back, so this is the most that it has ever needed.
import "./instances.js";
import service, { Aggregator } from "./index.js";

export { Aggregator };

export default {
  fetch(request, env, ctx) {
    if (request.url.endsWith("/__memory")) return Response.json({ bytes: globalThis.instances.at(-1).exports.memory.buffer.byteLength });
    return service.fetch(request, env, ctx);
  },
};
