// What only pages do.

import assert from "node:assert/strict";

async function isGoneWithItsPage(stage) {
  const ours = stage.peer({ userId: "rust" });
  await ours.subscribe("presence-room");
  const { page, world } = await stage.open();
  await (await stage.client({ world, userId: "ann" })).subscribe("presence-room");
  await page.close();
  assert.deepEqual(await ours.on("presence-room").next("pusher:member_removed"), { id: "ann", info: null });
}

async function comesBackWithTheNetwork(stage) {
  const { page, world } = await stage.open();
  const relay = await stage.relay();
  const client = await stage.client({ world, port: relay.port, userId: "ann", unavailableTimeout: 100 });
  const room = await client.subscribe("presence-room");
  await page.context().setOffline(true);
  relay.cut();
  await client.states.next("unavailable");
  await page.context().setOffline(false);
  await client.connected();
  await room.succeeded();
  await stage.publisher().trigger("presence-room", "message", { n: 1 });
  assert.deepEqual(await room.next("message"), { n: 1 });
}

async function mayAskTheDevelopmentServerWithHeadersOfItsOwn(stage) {
  const headers = { authorization: "Bearer token", "x-csrf-token": "token" };
  const channelAuthorization = { endpoint: `${stage.server.url}/pusher/auth`, headers };
  await (await stage.client({ channelAuthorization })).subscribe("private-chat");
}

export const BROWSER = [isGoneWithItsPage, comesBackWithTheNetwork, mayAskTheDevelopmentServerWithHeadersOfItsOwn];
