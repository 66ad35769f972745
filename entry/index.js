// The Worker's entry. worker-build's class does not extend DurableObject, so it can't be called by RPC; this one does, and
// hands every call on to it.
import { DurableObject } from "cloudflare:workers";
import * as wasm from "../build/index.js";

export { service as default } from "./service.js";

export class Aggregator extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.inner = new wasm.Aggregator(ctx, env);
  }

  // One text in, one text out: see src/aggregator/protocol.rs.
  call(text) {
    return this.inner.call(text);
  }
}
