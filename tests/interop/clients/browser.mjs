// The web build of `pusher-js`, or of `pusher-wasm`, in pages of a browser.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

import { World } from "./client.mjs";
import { listen } from "./server.mjs";

/** A browser, and the server of its pages. */
export class Browser {
  #browser;
  #listener = createServer(serve);
  #url;

  /** Starts the program of a Chromium, for pages with pusher-js at `/`, or with pusher-wasm at `/?wasm`. */
  static async start(program, path = "/") {
    const browser = new Browser();
    browser.#url = `http://127.0.0.1:${await listen(browser.#listener)}${path}`;
    browser.#browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-quic"] });
    return browser;
  }

  /** A new page, and the world in it. */
  async open() {
    const page = await this.#browser.newPage({ viewport: { width: 960, height: 720 } });
    const call = (method, args) => page.evaluate(([method, args]) => window.agent[method](...args), [method, args]);
    const world = new World((method, args) => (page.isClosed() ? undefined : call(method, args)));
    await page.exposeFunction("tell", world.tell);
    await page.goto(this.#url);
    await page.waitForFunction(() => window.agent !== undefined);
    return { page, world };
  }

  async stop() {
    await this.#browser.close();
    this.#listener.close();
  }
}

const WASM = new URL("../../../pusher-wasm/pkg/", import.meta.url);

const FILES = {
  "/": ["text/html; charset=utf-8", new URL("page.html", import.meta.url)],
  "/agent.js": ["text/javascript", new URL("agent.js", import.meta.url)],
  "/pusher.js": [
    "text/javascript",
    createRequire(import.meta.url).resolve("pusher-js/dist/web/pusher-with-encryption.min.js"),
  ],
  "/wasm.js": ["text/javascript", new URL("wasm.js", import.meta.url)],
  "/wasm/pusher.js": ["text/javascript", new URL("pusher.js", WASM)],
  "/wasm/pusher_wasm.js": ["text/javascript", new URL("pusher_wasm.js", WASM)],
  "/wasm/pusher_wasm_bg.wasm": ["application/wasm", new URL("pusher_wasm_bg.wasm", WASM)],
};

async function serve(request, response) {
  const [type, path] = FILES[request.url.replace(/\?.*/, "")] ?? [];
  if (path === undefined) {
    response.writeHead(404).end();
    return;
  }
  response.setHeader("content-type", type).end(await readFile(path));
}
