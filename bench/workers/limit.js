// The least that a Worker with a Durable Object can do: one call to an object, one answer. Nothing built on this platform in this
// way answers more often.
import { DurableObject } from "cloudflare:workers";

export class Limit extends DurableObject {
  fetch() {
    return new Response("ok");
  }
}

export default {
  async fetch(request, env) {
    return env.LIMIT.getByName("one").fetch(request);
  },
};
