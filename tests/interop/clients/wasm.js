// pusher-wasm for the page of the checks.

import init, { Pusher } from "/wasm/pusher.js";

await init();
window.Pusher = Pusher;

/** The agent reports sign-ins as messages, which pusher-wasm does not pass on. */
export class Client extends Pusher {
  constructor(key, options) {
    super(key, options);
    const event = "pusher:signin_success";
    this.bind(event, (data) => this.connection._emit("message", { event, data }));
  }
}
