// The development server as a process of its own, and a way to it that outlives it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { PATIENCE_MS, within } from "./waiting.mjs";

export const APP = { id: "interop-id", key: "interop-key", secret: "interop-secret" };

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

  /** Where the HTTP API and the auth endpoints are. */
  get url() {
    return `http://127.0.0.1:${this.port}`;
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

/** Takes connections also while the server is away, and passes them on when it is back. */
export class Relay {
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

  /** Ends the connections that there are. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  end() {
    this.#listener.close();
    this.cut();
  }
}

export async function listen(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
}

async function freePort() {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, "close");
  return port;
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
