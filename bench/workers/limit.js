// The least that a Worker with a Durable Object can do: one call to an object, one answer. Nothing built on this platform in this
// way answers more often.
import { DurableObject } from "cloudflare:workers";

export class Limit extends DurableObject {
  call() {
    return "ok";
  }
}

export default {
  async fetch(request, env) {
    if (request.method !== "GET") await request.text();
    return new Response(await env.LIMIT.getByName("one").call());
  },
};
