// What the checks share: a development server, clients that record what happens to them, and deadlines.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";

import Publisher from "pusher";
import Pusher from "pusher-js";

const APP = { id: "interop-id", key: "interop-key", secret: "interop-secret" };

/** How long one thing may take that should happen at once. */
const PATIENCE_MS = 5_000;

/** One check's view of the server. What it starts ends with it. */
export class Stage {
  #ends = [];

  constructor(server) {
    this.server = server;
  }

  /** The HTTP library, with other options if given. */
  publisher(options = {}) {
    const { id: appId, key, secret } = APP;
    return new Publisher({ appId, key, secret, host: "127.0.0.1", port: this.server.port, ...options });
  }

  /** A connected client. */
  async client(options) {
    const client = this.connecting(options);
    await client.connected();
    return client;
  }

  /** A client that is about to connect. */
  connecting(options) {
    const client = new Client(this.server, options);
    this.#ends.push(() => client.disconnect());
    return client;
  }

  async relay() {
    const relay = await Relay.start(this.server);
    this.#ends.push(() => relay.end());
    return relay;
  }

  end() {
    for (const end of this.#ends) end();
  }
}

/** A development server as a process of its own. */
export class Server {
  #process;
  #output = "";

  constructor(program, port) {
    this.program = program;
    this.port = port;
  }

  static async start(program) {
    const server = new Server(program, await freePort());
    await server.start();
    return server;
  }

  async start() {
    const app = ["--app-id", APP.id, "--key", APP.key, "--secret", APP.secret];
    const args = ["serve", "--host", "127.0.0.1", "--port", String(this.port), ...app];
    const child = spawn(this.program, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => (this.#output = (this.#output + chunk).slice(-2_000)));
    }
    let failure;
    child.on("error", (error) => (failure = error.message));
    child.on("exit", (code, signal) => (failure ??= `ended with ${signal ?? code}: ${this.#output}`));
    const deadline = Date.now() + PATIENCE_MS;
    while (!(await isListening(this.port))) {
      if (failure !== undefined) throw new Error(`${this.program} serve: ${failure}`);
      if (Date.now() > deadline) throw new Error(`${this.program} serve does not listen on port ${this.port}`);
      await sleep(20);
    }
  }

  /** Ends it as Ctrl-C does. */
  async stop() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGINT");
    await within(2 * PATIENCE_MS, ended, "the server does not end");
  }

  kill() {
    this.#process.kill("SIGKILL");
  }
}

/** `pusher-js`, and what happened to it. */
class Client {
  states = new Recorder("connection");
  errors = new Recorder("errors");
  messages = new Recorder("messages");

  constructor(server, { key = APP.key, port = server.port, userId, userInfo, ...options } = {}) {
    const params = {};
    if (userId !== undefined) params.user_id = userId;
    if (userInfo !== undefined) params.user_info = JSON.stringify(userInfo);
    this.pusher = new Pusher(key, {
      cluster: "",
      wsHost: "127.0.0.1",
      wsPort: port,
      forceTLS: false,
      enabledTransports: ["ws"],
      channelAuthorization: { endpoint: `http://127.0.0.1:${server.port}/pusher/auth`, params },
      ...options,
    });
    const { connection } = this.pusher;
    connection.bind("state_change", ({ current }) => this.states.add(current));
    connection.bind("error", (error) => this.errors.add("error", error.error?.data ?? error.data));
    connection.bind("message", ({ event, data }) => this.messages.add(event, data));
  }

  get socketId() {
    return this.pusher.connection.socket_id;
  }

  get state() {
    return this.pusher.connection.state;
  }

  connected() {
    return this.states.next("connected");
  }

  /** The next error, as its code and message. */
  error() {
    return this.errors.next("error");
  }

  /** Subscribes, and waits for the answer. */
  async subscribe(name) {
    const subscription = this.subscribing(name);
    await subscription.succeeded();
    return subscription;
  }

  subscribing(name) {
    return new Subscription(this.pusher.subscribe(name));
  }

  disconnect() {
    this.pusher.disconnect();
  }
}

/** A channel of `pusher-js`, and its events. */
class Subscription {
  constructor(channel) {
    this.channel = channel;
    this.events = new Recorder(channel.name);
    channel.bind_global((event, data) => this.events.add(event, data));
  }

  succeeded() {
    return this.events.next("pusher:subscription_succeeded");
  }

  /** The data of the next event with this name. Those before it are passed over. */
  next(event) {
    return this.events.next(event);
  }

  /** Whether an event with this name came up to now, passed over or not. */
  saw(event) {
    return this.events.saw(event);
  }

  /** What `pusher-js` tells of the next event with this name beside its data. */
  metadata(event) {
    const metadata = new Promise((resolve) => this.channel.bind(event, (_, metadata) => resolve(metadata)));
    return within(PATIENCE_MS, metadata, `no ${event}`);
  }

  trigger(event, data) {
    this.channel.trigger(event, data);
  }
}

/** Keeps what happened, in order. */
class Recorder {
  #name;
  #items = [];
  #taken = 0;
  #wake = () => {};

  constructor(name) {
    this.#name = name;
  }

  add(event, data) {
    this.#items.push({ event, data });
    this.#wake();
  }

  saw(event) {
    return this.#items.some((item) => item.event === event);
  }

  async next(event) {
    const find = async () => {
      for (;;) {
        while (this.#taken < this.#items.length) {
          const item = this.#items[this.#taken++];
          if (item.event === event) return item.data;
        }
        await new Promise((resolve) => (this.#wake = resolve));
      }
    };
    return within(PATIENCE_MS, find(), () => `no ${event} on ${this.#name}, but ${inspect(this.#items, { depth: 4 })}`);
  }
}

/** Takes connections also while the server is away, and passes them on when it is back. */
class Relay {
  #listener;
  #sockets = new Set();

  static async start(server) {
    const relay = new Relay();
    relay.#listener = createServer({ pauseOnConnect: true }, (client) => relay.#pass(client, server.port));
    relay.port = await listen(relay.#listener);
    return relay;
  }

  async #pass(client, port) {
    this.#sockets.add(client);
    client.on("error", () => client.destroy());
    while (!(await isListening(port))) {
      if (client.destroyed) return;
      await sleep(20);
    }
    const server = connect(port, "127.0.0.1");
    this.#sockets.add(server);
    for (const [from, to] of [[client, server], [server, client]]) {
      from.on("error", () => to.destroy());
      from.pipe(to);
    }
  }

  end() {
    this.#listener.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Fails if it takes longer. */
export async function within(millis, promise, message) {
  const stop = new AbortController();
  const late = sleep(millis, undefined, { signal: stop.signal }).then(() => {
    throw new Error(typeof message === "function" ? message() : message);
  });
  late.catch(() => {}); // Stopping it is no failure.
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop.abort();
  }
}

async function freePort() {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, "close");
  return port;
}

async function listen(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
}

async function isListening(port) {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
