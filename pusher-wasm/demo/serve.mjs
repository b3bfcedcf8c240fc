// Serves a page with pusher-wasm beside pusher-js, and starts the development server that both connect to.
//
//     pusher-wasm/build && node pusher-wasm/demo/serve.mjs
//
// `PUSHER` names a built `pusher` program; without it, cargo builds one.

import { spawn, spawnSync } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const [PORT, SERVER_PORT] = [8000, 6001];
const APP = { id: "app-id", key: "app-key", secret: "app-secret" };

const here = new URL(".", import.meta.url);
const FILES = {
  "/": ["text/html; charset=utf-8", new URL("index.html", here)],
  "/pusher-js.js": ["text/javascript", new URL("node_modules/pusher-js/dist/web/pusher.min.js", here)],
  "/pusher.js": ["text/javascript", new URL("../pkg/pusher.js", here)],
  "/pusher_wasm.js": ["text/javascript", new URL("../pkg/pusher_wasm.js", here)],
  "/pusher_wasm_bg.wasm": ["application/wasm", new URL("../pkg/pusher_wasm_bg.wasm", here)],
};

/** Publishes with a call of the HTTP API (Pusher docs, *HTTP API*). */
async function publish(data) {
  const body = JSON.stringify({ name: "message", channel: "presence-demo", data: JSON.stringify(data) });
  const query = new URLSearchParams({
    auth_key: APP.key,
    auth_timestamp: Math.floor(Date.now() / 1_000),
    auth_version: "1.0",
    body_md5: createHash("md5").update(body).digest("hex"),
  });
  const path = `/apps/${APP.id}/events`;
  query.set("auth_signature", createHmac("sha256", APP.secret).update(`POST\n${path}\n${query}`).digest("hex"));
  const url = `http://127.0.0.1:${SERVER_PORT}${path}?${query}`;
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
  return response.status;
}

async function answer(request, response) {
  if (request.method === "POST" && request.url === "/publish") {
    const status = await publish({ text: await text(request) }).catch(() => 502);
    response.writeHead(status).end();
    return;
  }
  const [type, file] = FILES[request.url] ?? [];
  if (file === undefined) return void response.writeHead(404).end();
  response.setHeader("content-type", type).end(await readFile(file));
}

if (!existsSync(FILES["/pusher.js"][1])) throw new Error("build the package first: pusher-wasm/build");
if (!existsSync(FILES["/pusher-js.js"][1])) {
  spawnSync("npm", ["install", "--silent"], { cwd: fileURLToPath(here), stdio: "inherit" });
}
const serve = ["serve", "--port", SERVER_PORT, "--app-id", APP.id, "--key", APP.key, "--secret", APP.secret].map(String);
const [program, args] = process.env.PUSHER
  ? [process.env.PUSHER, serve]
  : ["cargo", ["run", "--quiet", "-p", "pusher-cli", "--", ...serve]];
const server = spawn(program, args, { cwd: fileURLToPath(new URL("../..", here)), stdio: "inherit" });
server.on("exit", (code) => process.exit(code ?? 1));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.kill("SIGINT"));
createServer(answer).listen(PORT, "127.0.0.1", () => console.log(`pusher-wasm beside pusher-js: http://127.0.0.1:${PORT}/`));
