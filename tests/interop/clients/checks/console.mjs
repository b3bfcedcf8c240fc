// The page of the development server.

import assert from "node:assert/strict";

/** The console in a page of its own, and a way to wait for a row that contains all these texts. */
async function openConsole(stage) {
  const { page } = await stage.open();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  await page.goto(`${stage.server.url}/`);
  await page.waitForSelector("#status[data-state=open]");
  const row = (...texts) => texts.reduce((rows, hasText) => rows.filter({ hasText }), page.locator("#rows li"));
  return { page, row, seen: (...texts) => row(...texts).first().waitFor(), faults };
}

async function showsSubscriptionsEventsAndRefusals(stage) {
  const { page, seen, faults } = await openConsole(stage);
  const client = await stage.client();
  await client.subscribe("console-room");
  await seen("subscribed", "console-room");
  await stage.publisher().trigger("console-room", "order.created", { n: 1 });
  await seen("event", "console-room", "order.created", '{"n":1}');
  await page.locator("#channels li", { hasText: "console-room" }).waitFor();
  const wrong = stage.publisher({ secret: "wrong" });
  await assert.rejects(wrong.trigger("console-room", "e", {}));
  await seen("call", "401");
  assert.ok(!(await page.content()).includes("interop-secret"));
  assert.deepEqual(faults, []);
}

async function publishesAnEvent(stage) {
  const { page } = await openConsole(stage);
  const room = await (await stage.client()).subscribe("console-publish");
  await page.fill("[name=channels]", "console-publish");
  await page.fill("[name=event]", "made-by-hand");
  await page.fill("[name=data]", '{"n":7}');
  await page.click("#publish button");
  assert.deepEqual(await room.next("made-by-hand"), { n: 7 });
  await page.getByText("Published to console-publish.").waitFor();
}

async function filtersAndPausesTheStream(stage) {
  const { page, row, seen } = await openConsole(stage);
  const publisher = stage.publisher();
  await publisher.trigger("console-a", "one", {});
  await publisher.trigger("console-b", "two", {});
  await seen("console-b");
  await page.keyboard.press("/");
  await page.keyboard.type("console-a");
  await row("console-b").first().waitFor({ state: "detached" });
  assert.equal(await row("console-a").count(), 1);
  await page.keyboard.press("Escape");
  await page.keyboard.press("p");
  await publisher.trigger("console-a", "three", {});
  await page.getByText("Resume (", { exact: false }).waitFor();
  assert.equal(await row("three").count(), 0);
  await page.keyboard.press("p");
  await seen("three");
}

async function survivesARestartOfTheServer(stage) {
  const { page, seen } = await openConsole(stage);
  await stage.server.stop();
  await page.waitForSelector("#status[data-state=lost]");
  await stage.server.start();
  await page.waitForSelector("#status[data-state=open]");
  await stage.publisher().trigger("console-again", "after", {});
  await seen("console-again", "after");
}

async function staysStillUnderTenThousandEvents(stage) {
  const { page, faults } = await openConsole(stage);
  await page.setViewportSize({ width: 390, height: 844 });
  const shifted = await page.evaluate(async () => {
    // The other size moves everything, however long the browser takes for it.
    for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
    const begin = performance.now();
    const shifted = new Set();
    const observer = new PerformanceObserver((list) => {
      const later = list.getEntries().filter(({ startTime }) => startTime > begin);
      const nodes = later.flatMap((entry) => entry.sources.map(({ node }) => node));
      // New rows push older ones down; that is all that may move.
      nodes.filter((node) => node?.closest && !node.closest("#rows")).forEach((node) => shifted.add(node.outerHTML.slice(0, 80)));
    });
    observer.observe({ type: "layout-shift" });
    for (let n = 0; n < 10_000; n += 1) {
      arrive({ at: n, kind: "event", channel: "chat", event: `e${n}`, data: "{}", bad: false });
      if (n % 100 === 0) await new Promise(requestAnimationFrame);
    }
    await new Promise((done) => setTimeout(done, 100));
    return [...shifted];
  });
  assert.equal(await page.locator("#rows li").count(), 1_000);
  assert.deepEqual(shifted, []);
  assert.deepEqual(faults, []);
}

export const CONSOLE = [
  showsSubscriptionsEventsAndRefusals,
  publishesAnEvent,
  filtersAndPausesTheStream,
  survivesARestartOfTheServer,
  staysStillUnderTenThousandEvents,
];
