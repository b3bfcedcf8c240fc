// The auth server of an application, with the HTTP library.

import { createServer } from "node:http";
import { text } from "node:stream/consumers";

import { listen } from "./server.mjs";

/** Signs for whoever asks, as long as nobody is refused. */
export class Backend {
  #listener = createServer((request, response) => this.#answer(request, response));
  /** The HTTP library that signs; another one has other keys. */
  publisher;
  /** Whether everybody gets a 403. */
  refuses = false;

  static async start(publisher) {
    const backend = new Backend();
    backend.publisher = publisher;
    backend.url = `http://127.0.0.1:${await listen(backend.#listener)}`;
    return backend;
  }

  async #answer(request, response) {
    const form = Object.fromEntries(new URLSearchParams(await text(request)));
    // Pages are of another origin.
    response.setHeader("access-control-allow-origin", "*");
    if (this.refuses) {
      response.writeHead(403).end();
      return;
    }
    const signed = request.url === "/pusher/user-auth" ? this.#authenticate(form) : this.#authorize(form);
    response.setHeader("content-type", "application/json").end(JSON.stringify(signed));
  }

  #authorize({ socket_id, channel_name, user_id, user_info }) {
    const user = { user_id, user_info: user_info && JSON.parse(user_info) };
    const isPresence = channel_name.startsWith("presence-");
    return this.publisher.authorizeChannel(socket_id, channel_name, isPresence ? user : undefined);
  }

  #authenticate({ socket_id, user_id, watchlist }) {
    return this.publisher.authenticateUser(socket_id, { id: user_id, watchlist: watchlist && JSON.parse(watchlist) });
  }

  end() {
    this.#listener.close();
    this.#listener.closeAllConnections();
  }
}
