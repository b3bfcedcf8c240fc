// Our client among theirs: the example `peer` of pusher-cli, as a process.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { APP } from "./server.mjs";
import { Recorder } from "./waiting.mjs";

/** Our client, and what happened to it. */
export class Peer {
  #process;
  #recorders = new Map();

  constructor(program, { port, auth, userId, userInfo, watchlist }) {
    const params = [];
    if (userId !== undefined) params.push(`user_id=${userId}`);
    if (userInfo !== undefined) params.push(`user_info=${JSON.stringify(userInfo)}`);
    if (watchlist !== undefined) params.push(`watchlist=${JSON.stringify(watchlist)}`);
    const endpoints = [`ws://127.0.0.1:${port}`, APP.key, `${auth}/pusher/auth`, `${auth}/pusher/user-auth`];
    this.#process = spawn(program, [...endpoints, ...params], { stdio: ["pipe", "pipe", "inherit"] });
    this.#process.on("error", (error) => this.on().add("error", error.message));
    this.#process.stdin.on("error", () => {}); // It has ended, and whoever waits for it learns so.
    createInterface(this.#process.stdout).on("line", (line) => {
      const { channel, event, data, user_id } = JSON.parse(line);
      this.on(channel).add(event, data);
      if (user_id !== null) this.on(channel).add(`sender of ${event}`, user_id);
    });
  }

  /** The events of a channel, or those that belong to none. */
  on(channel = null) {
    if (!this.#recorders.has(channel)) this.#recorders.set(channel, new Recorder(`our client's ${channel}`));
    return this.#recorders.get(channel);
  }

  /** Subscribes, and waits for the answer: the members, of a presence channel. */
  async subscribe(channel) {
    this.#say(`subscribe ${channel}`);
    return this.on(channel).next("pusher:subscription_succeeded");
  }

  unsubscribe(channel) {
    this.#say(`unsubscribe ${channel}`);
  }

  trigger(channel, event, data) {
    this.#say(`trigger ${channel} ${event} ${JSON.stringify(data)}`);
  }

  /** Signs in, and waits for the answer: the id of the user. */
  async signin() {
    this.#say("signin");
    return this.on().next("pusher:signin_success");
  }

  #say(line) {
    this.#process.stdin.write(`${line}\n`);
  }

  end() {
    this.#process.kill();
  }
}
