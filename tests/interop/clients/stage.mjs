// What one check works with.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

import Publisher from "pusher";

import { Backend } from "./backend.mjs";
import { Client } from "./client.mjs";
import { Peer } from "./peer.mjs";
import { APP, Relay } from "./server.mjs";

/** The development server's master key. */
const MASTER_KEY = Buffer.alloc(32, 7).toString("base64");

/** One check's view of the server. What it starts ends with it. */
export class Stage {
  #ends = [];

  /** Takes a running server, the folder of our programs, where clients of `pusher-js` run, and what opens a page. */
  constructor({ server, programs, world, open }) {
    this.server = server;
    this.programs = programs;
    this.world = world;
    this.open = open;
  }

  /** The HTTP library, with other options if given. */
  publisher(options = {}) {
    const { id: appId, key, secret } = APP;
    const { port } = this.server;
    return new Publisher({ appId, key, secret, host: "127.0.0.1", port, encryptionMasterKeyBase64: MASTER_KEY, ...options });
  }

  /** Publishes with our program, which encrypts where that is due. */
  async publish(channel, event, data) {
    const { id, key, secret } = APP;
    const app = ["--app-id", id, "--key", key, "--secret", secret, "--master-key", MASTER_KEY];
    const message = ["--channel", channel, "--event", event, "--data", JSON.stringify(data)];
    await promisify(execFile)(this.server.program, ["trigger", "--url", this.server.url, ...app, ...message]);
  }

  /** A connected client of `pusher-js`. */
  async client(options) {
    const client = await this.connecting(options);
    await client.connected();
    return client;
  }

  /** A client of `pusher-js` that is about to connect. */
  async connecting({ world = this.world, ...options } = {}) {
    const { port, url: auth } = this.server;
    const client = await Client.start(world, { port, auth, ...options });
    this.atEnd(() => client.disconnect());
    return client;
  }

  /** Our own client, as another process. */
  peer(options) {
    const { port, url: auth } = this.server;
    const peer = new Peer(`${this.programs}/examples/peer`, { port, auth, ...options });
    this.atEnd(() => peer.end());
    return peer;
  }

  /** An auth server that signs with the HTTP library, with other options of it if given. */
  async backend(options) {
    const backend = await Backend.start(this.publisher(options));
    this.atEnd(() => backend.end());
    return backend;
  }

  async relay() {
    const relay = await Relay.start(this.server);
    this.atEnd(() => relay.end());
    return relay;
  }

  /** Does this when the check is over. */
  atEnd(end) {
    this.#ends.push(end);
  }

  async end() {
    for (const end of this.#ends) await end();
  }
}
