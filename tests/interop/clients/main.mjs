// The official JavaScript packages as clients of the development server.
//
//     node main.mjs PROGRAMS PART…
//
// takes `pusher`, `examples/peer` and `examples/webhook` from the folder PROGRAMS, and prints a line for every check of the
// parts: `passed` or `failed`, the part, the check, and why it failed, with tabs between them.

import { BROWSER } from "./checks/browser.mjs";
import { CHANNELS } from "./checks/channels.mjs";
import { CONNECTION } from "./checks/connection.mjs";
import { CONSOLE } from "./checks/console.mjs";
import { ECHO } from "./checks/echo.mjs";
import { ENCRYPTED } from "./checks/encrypted.mjs";
import { PUBLISHING } from "./checks/publishing.mjs";
import { TOGETHER } from "./checks/together.mjs";
import { USERS } from "./checks/users.mjs";
import { WASM } from "./checks/wasm.mjs";
import { WEBHOOKS } from "./checks/webhooks.mjs";
import { World } from "./client.mjs";
import { Server } from "./server.mjs";
import { Stage } from "./stage.mjs";
import { within } from "./waiting.mjs";

/** What pusher-js has to show wherever it runs. */
const EVERYWHERE = [...CHANNELS, ...ENCRYPTED, ...USERS, ...CONNECTION, ...TOGETHER];

const PARTS = {
  pusher: [...PUBLISHING, ...WEBHOOKS],
  "pusher-js": EVERYWHERE,
  echo: ECHO,
  browser: [...EVERYWHERE, ...BROWSER, ...CONSOLE],
  wasm: WASM,
};

/** The parts that run in a browser, and the path of their page. */
const PAGES = { browser: "/", wasm: "/?wasm" };

/** How long one check may take. */
const DEADLINE_MS = 20_000;

async function play(part, check, stage) {
  // `publishesABatch` is told as "publishes a batch".
  const name = check.name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  try {
    await within(DEADLINE_MS, check(stage), `takes longer than ${DEADLINE_MS} ms`);
    console.log(["passed", part, name].join("\t"));
  } catch (error) {
    console.log(["failed", part, name, error.message.replace(/\s+/g, " ")].join("\t"));
  } finally {
    await stage.end();
  }
}

async function run(server, programs, parts) {
  for (const part of parts.filter((part) => !(part in PAGES))) {
    for (const check of PARTS[part]) await play(part, check, new Stage({ server, programs, world: World.node() }));
  }
  for (const part of parts.filter((part) => part in PAGES)) await runInBrowser(part, server, programs);
}

async function runInBrowser(part, server, programs) {
  // Who does not want a browser needs no package for it.
  const { Browser } = await import("./browser.mjs");
  const browser = await Browser.start(process.env.CHROMIUM ?? "/usr/bin/chromium", PAGES[part]);
  const { page, world } = await browser.open();
  for (const check of PARTS[part]) {
    await play(part, check, new Stage({ server, programs, world, open: () => browser.open() }));
  }
  const { PUSHER_INTEROP_SCREENSHOT: path } = process.env;
  if (path !== undefined) await page.screenshot({ path });
  await browser.stop();
}

const [programs, ...parts] = process.argv.slice(2);
const unknown = parts.find((part) => !(part in PARTS));
if (parts.length === 0 || unknown !== undefined) {
  throw new Error(`usage: node main.mjs PROGRAMS PART…, where the parts are ${Object.keys(PARTS).join(", ")}`);
}
const server = await Server.start(`${programs}/pusher`);
process.on("exit", () => server.kill());
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));
await run(server, programs, parts);
await server.stop();
