// The connection of `pusher-js`.

import assert from "node:assert/strict";

async function answersPings(stage) {
  const client = await stage.client({ activityTimeout: 50, pongTimeout: 2_000 });
  const { socketId } = client;
  for (let n = 0; n < 3; n++) await client.messages.next("pusher:pong");
  assert.deepEqual([client.state, client.socketId], ["connected", socketId]);
}

async function refusesAWrongKeyForGood(stage) {
  const client = await stage.connecting({ key: "other" });
  assert.equal((await client.error()).code, 4001);
  await client.states.next("disconnected");
}

async function comesBackWhenTheServerRestarts(stage) {
  // If nobody took the connection, pusher-js would come back only after 15 s.
  const { port } = await stage.relay();
  const client = await stage.client({ port, userId: "ann" });
  const { socketId } = client;
  const channels = [await client.subscribe("private-chat"), await client.subscribe("presence-chat")];
  await stage.server.stop();
  assert.equal((await client.error()).code, 4200);
  await client.states.next("connecting");
  await stage.server.start();
  await client.connected();
  assert.notEqual(client.socketId, socketId);
  for (const channel of channels) await channel.succeeded();
  await stage.publisher().trigger("private-chat", "message", { n: 1 });
  assert.deepEqual(await channels[0].next("message"), { n: 1 });
}

export const CONNECTION = [
  answersPings,
  refusesAWrongKeyForGood,
  comesBackWhenTheServerRestarts,
];
