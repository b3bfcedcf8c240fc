// Deadlines, and what happened so far.

import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";

/** How long one thing may take that should happen at once. */
export const PATIENCE_MS = 5_000;

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

/** Keeps what happened, in order. */
export class Recorder {
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

  /** Whether an event with this name came up to now, passed over or not. */
  saw(event) {
    return this.#items.some((item) => item.event === event);
  }

  /** What happened last. */
  get latest() {
    return this.#items.at(-1);
  }

  /** The data of the next event with this name. Those before it are passed over. */
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
