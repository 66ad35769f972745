// The Worker's handlers. worker-build's class is made anew for every request; the gate is made once, and after a crash of the
// WebAssembly instance worker-build's wrapper puts a new one in its place just as well.
import Events, { Gate } from "../build/index.js";

let gate;

export const service = {
  fetch(request, env, ctx) {
    gate ??= new Gate();
    return gate.fetch(request, env, ctx);
  },

  scheduled(event, env, ctx) {
    return new Events(ctx, env).scheduled(event);
  },
};
