// The official JavaScript packages as clients of the development server.
//
//     node clients.mjs PROGRAM
//
// starts `PROGRAM serve` and prints a line for every check: `passed` or `failed`, what was checked, the check, and why
// it failed, with tabs between them.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

import { Server, Stage, within } from "./stage.mjs";

/** How long one check may take. */
const DEADLINE_MS = 20_000;

// The HTTP library, `pusher`.

async function publishesToOneChannel(stage) {
  const chat = await (await stage.client()).subscribe("chat");
  const data = { text: "grüße \"🎉\"\n", list: [1, null, { deep: true }] };
  const response = await stage.publisher().trigger("chat", "message", data);
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), {});
  assert.deepEqual(await chat.next("message"), data);
}

async function publishesTextAsItIs(stage) {
  const chat = await (await stage.client()).subscribe("chat");
  await stage.publisher().trigger("chat", "message", "not JSON");
  assert.equal(await chat.next("message"), "not JSON");
}

async function publishesToManyChannels(stage) {
  const client = await stage.client();
  const names = ["many-1", "private-many-2", "presence-many-3"];
  const channels = await Promise.all(names.map((name) => client.subscribe(name)));
  await stage.publisher().trigger(names, "message", { n: 1 });
  for (const channel of channels) assert.deepEqual(await channel.next("message"), { n: 1 });
}

async function publishesABatch(stage) {
  const client = await stage.client();
  const [first, second] = [await client.subscribe("batch-1"), await client.subscribe("private-batch-2")];
  const response = await stage.publisher().triggerBatch([
    { channel: "batch-1", name: "one", data: { n: 1 }, info: "subscription_count" },
    { channel: "private-batch-2", name: "two", data: { n: 2 } },
    { channel: "batch-1", name: "three", data: { n: 3 }, socket_id: client.socketId },
    { channel: "batch-1", name: "four", data: { n: 4 } },
  ]);
  assert.deepEqual((await response.json()).batch, [{ subscription_count: 1 }, {}, {}, {}]);
  assert.deepEqual(await first.next("one"), { n: 1 });
  assert.deepEqual(await first.next("four"), { n: 4 });
  assert.deepEqual(await second.next("two"), { n: 2 });
  assert.ok(!first.saw("three"));
}

async function leavesOutTheSocketThatCausedAnEvent(stage) {
  const [cause, other] = [await stage.client(), await stage.client()];
  const [own, others] = [await cause.subscribe("chat"), await other.subscribe("chat")];
  await stage.publisher().trigger("chat", "message", {}, { socket_id: cause.socketId });
  await others.next("message");
  await stage.publisher().trigger("chat", "end", {});
  await own.next("end");
  assert.ok(!own.saw("message"));
}

async function tellsWhoGotAnEvent(stage) {
  const client = await stage.client({ userId: "ann" });
  await Promise.all([client.subscribe("presence-info"), client.subscribe("info")]);
  const info = { info: "user_count,subscription_count" };
  const response = await stage.publisher().trigger(["presence-info", "info", "nobody"], "message", {}, info);
  assert.deepEqual((await response.json()).channels, {
    "presence-info": { user_count: 1, subscription_count: 1 },
    info: { subscription_count: 1 },
    nobody: { subscription_count: 0 },
  });
}

async function listsChannels(stage) {
  const client = await stage.client();
  await Promise.all([client.subscribe("presence-list"), client.subscribe("list")]);
  const ask = async (params) => (await stage.publisher().get({ path: "/channels", params })).json();
  const all = await ask();
  assert.deepEqual([all.channels.list, all.channels["presence-list"]], [{}, {}]);
  const counted = await ask({ filter_by_prefix: "presence-list", info: "user_count" });
  assert.deepEqual(counted, { channels: { "presence-list": { user_count: 1 } } });
  assert.equal(await status(stage.publisher().get({ path: "/channels", params: { info: "user_count" } })), 400);
}

async function tellsOfOneChannel(stage) {
  await (await stage.client()).subscribe("one");
  const ask = async (path, params) => (await stage.publisher().get({ path, params })).json();
  const one = await ask("/channels/one", { info: "subscription_count" });
  assert.deepEqual(one, { occupied: true, subscription_count: 1 });
  assert.deepEqual(await ask("/channels/nobody"), { occupied: false });
}

async function listsUsers(stage) {
  for (const userId of ["ann", "ann", "bob"]) await (await stage.client({ userId })).subscribe("presence-users");
  const users = await stage.publisher().get({ path: "/channels/presence-users/users" });
  assert.deepEqual(await users.json(), { users: [{ id: "ann" }, { id: "bob" }] });
  assert.equal(await status(stage.publisher().get({ path: "/channels/users/users" })), 400);
}

async function refusesAWrongSecret(stage) {
  assert.equal(await status(stage.publisher({ secret: "other" }).trigger("chat", "message", {})), 401);
  assert.equal(await status(stage.publisher({ secret: "other" }).get({ path: "/channels" })), 401);
  assert.equal(await status(stage.publisher({ key: "other" }).trigger("chat", "message", {})), 401);
}

async function refusesAnUnknownApplication(stage) {
  assert.equal(await status(stage.publisher({ appId: "other" }).trigger("chat", "message", {})), 404);
}

async function refusesTooMuchData(stage) {
  const publish = (bytes) => status(stage.publisher().trigger("chat", "message", "x".repeat(bytes)));
  assert.deepEqual([await publish(10_240), await publish(10_241), await publish(2_000_000)], [200, 413, 413]);
}

async function refusesABatchOfEleven(stage) {
  const batch = (length) => Array.from({ length }, () => ({ channel: "chat", name: "message", data: {} }));
  assert.equal(await status(stage.publisher().triggerBatch(batch(10))), 200);
  assert.equal(await status(stage.publisher().triggerBatch(batch(11))), 400);
}

// The client, `pusher-js`.

async function subscribesToAPublicChannel(stage) {
  const client = await stage.client();
  assert.match(client.socketId, /^\d+\.\d+$/);
  const chat = client.subscribing("chat");
  assert.deepEqual(await chat.succeeded(), {});
}

async function subscribesToAPrivateChannel(stage) {
  const chat = (await stage.client()).subscribing("private-chat");
  assert.deepEqual(await chat.succeeded(), {});
}

async function subscribesToAPresenceChannel(stage) {
  const ann = await stage.client({ userId: "ann", userInfo: { name: "Ann \"🎉\"" } });
  await ann.subscribe("presence-chat");
  const bob = await stage.client({ userId: "bob" });
  const members = await bob.subscribing("presence-chat").succeeded();
  assert.equal(members.count, 2);
  assert.deepEqual(members.me, { id: "bob", info: null });
  assert.deepEqual(members.get("ann"), { id: "ann", info: { name: "Ann \"🎉\"" } });
}

async function seesMembersComeAndGo(stage) {
  const room = await (await stage.client({ userId: "ann" })).subscribe("presence-room");
  const bobs = [await stage.client({ userId: "bob", userInfo: { n: 1 } }), await stage.client({ userId: "bob" })];
  for (const bob of bobs) await bob.subscribe("presence-room");
  assert.deepEqual(await room.next("pusher:member_added"), { id: "bob", info: { n: 1 } });

  // A user is gone with the last of his connections, and there only once.
  bobs[0].disconnect();
  const eve = await stage.client({ userId: "eve" });
  await eve.subscribe("presence-room");
  assert.equal((await room.next("pusher:member_added")).id, "eve");
  assert.ok(!room.saw("pusher:member_removed"));
  bobs[1].pusher.unsubscribe("presence-room");
  assert.equal((await room.next("pusher:member_removed")).id, "bob");
  eve.disconnect();
  assert.equal((await room.next("pusher:member_removed")).id, "eve");
  assert.equal(room.channel.members.count, 1);
}

async function replaysTheLastEventOfCacheChannels(stage) {
  for (const name of ["cache-a", "private-cache-a", "presence-cache-a"]) {
    const first = await (await stage.client()).subscribe(name);
    await first.next("pusher:cache_miss");
    for (const n of [1, 2]) await stage.publisher().trigger(name, "message", { n });
    await first.next("message");
    assert.deepEqual(await first.next("message"), { n: 2 });

    const second = await (await stage.client()).subscribe(name);
    assert.deepEqual(await second.next("message"), { n: 2 });
    assert.ok(!second.saw("pusher:cache_miss"));
  }
}

async function countsSubscriptions(stage) {
  const counted = await (await stage.client()).subscribe("private-count");
  const count = async () => (await counted.next("pusher:subscription_count")).subscription_count;
  assert.equal(await count(), 1);
  const other = await stage.client();
  await other.subscribe("private-count");
  assert.equal(await count(), 2);
  other.disconnect();
  assert.equal(await count(), 1);
  assert.equal(counted.channel.subscriptionCount, 1);
}

async function exchangesClientEvents(stage) {
  const [ann, bob] = [await stage.client(), await stage.client()];
  const [own, others] = [await ann.subscribe("private-events"), await bob.subscribe("private-events")];
  for (const data of [{ text: "grüße" }, "text", 7, [true], "{\"n\":1}"]) {
    own.trigger("client-message", data);
    // pusher-js takes a string that is JSON for JSON.
    const expected = data === "{\"n\":1}" ? { n: 1 } : data;
    assert.deepEqual(await others.next("client-message"), expected);
  }
  others.trigger("client-end", {});
  await own.next("client-end");
  assert.ok(!own.saw("client-message"));
}

async function namesTheSenderOnPresenceChannels(stage) {
  const [ann, bob] = [await stage.client({ userId: "ann" }), await stage.client({ userId: "bob" })];
  const [own, others] = [await ann.subscribe("presence-events"), await bob.subscribe("presence-events")];
  const metadata = others.metadata("client-message");
  own.trigger("client-message", {});
  assert.deepEqual(await metadata, { user_id: "ann" });
}

async function refusesClientEventsOnPublicChannels(stage) {
  const client = await stage.client();
  const chat = await client.subscribe("chat");
  chat.trigger("client-message", {});
  assert.match((await client.error()).message, /only supported on private and presence channels/);
  assert.equal(client.state, "connected");
}

async function limitsTheRateOfClientEvents(stage) {
  const client = await stage.client();
  const chat = await client.subscribe("private-rate");
  for (let n = 0; n < 11; n++) chat.trigger("client-message", { n });
  assert.equal((await client.error()).code, 4301);
  assert.equal(client.state, "connected");
}

async function tellsThatAChannelIsForbidden(stage) {
  const client = await stage.client();
  for (const name of ["private-forbidden", "presence-forbidden"]) {
    const forbidden = client.subscribing(name);
    const { type, status } = await forbidden.next("pusher:subscription_error");
    assert.deepEqual({ type, status }, { type: "AuthError", status: 403 });
  }
  await client.subscribe("private-allowed");
}

async function tellsThatASignatureIsWrong(stage) {
  const customHandler = (_, callback) => callback(null, { auth: "interop-key:0123" });
  const client = await stage.client({ channelAuthorization: { customHandler } });
  const forged = client.subscribing("private-chat");
  assert.match((await client.error()).message, /Invalid signature/);
  assert.ok(!forged.saw("pusher:subscription_succeeded"));
  assert.equal(client.state, "connected");
}

async function unsubscribes(stage) {
  const client = await stage.client();
  const [left, kept] = [await client.subscribe("left"), await client.subscribe("kept")];
  client.pusher.unsubscribe("left");
  // The server reads in order, so this answer shows that it has left the other one.
  await client.subscribe("private-later");
  await stage.publisher().trigger(["left", "kept"], "message", {});
  await kept.next("message");
  assert.ok(!left.saw("message") && !client.messages.saw("pusher:error"));
  const state = await (await stage.publisher().get({ path: "/channels/left" })).json();
  assert.deepEqual(state, { occupied: false });
}

async function answersPings(stage) {
  const client = await stage.client({ activityTimeout: 50, pongTimeout: 2_000 });
  const { socketId } = client;
  for (let n = 0; n < 3; n++) await client.messages.next("pusher:pong");
  assert.deepEqual([client.state, client.socketId], ["connected", socketId]);
}

async function refusesAWrongKeyForGood(stage) {
  const client = stage.connecting({ key: "other" });
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

const CHECKS = {
  pusher: [
    publishesToOneChannel,
    publishesTextAsItIs,
    publishesToManyChannels,
    publishesABatch,
    leavesOutTheSocketThatCausedAnEvent,
    tellsWhoGotAnEvent,
    listsChannels,
    tellsOfOneChannel,
    listsUsers,
    refusesAWrongSecret,
    refusesAnUnknownApplication,
    refusesTooMuchData,
    refusesABatchOfEleven,
  ],
  "pusher-js": [
    subscribesToAPublicChannel,
    subscribesToAPrivateChannel,
    subscribesToAPresenceChannel,
    seesMembersComeAndGo,
    replaysTheLastEventOfCacheChannels,
    countsSubscriptions,
    exchangesClientEvents,
    namesTheSenderOnPresenceChannels,
    refusesClientEventsOnPublicChannels,
    limitsTheRateOfClientEvents,
    tellsThatAChannelIsForbidden,
    tellsThatASignatureIsWrong,
    unsubscribes,
    answersPings,
    refusesAWrongKeyForGood,
    comesBackWhenTheServerRestarts,
  ],
};

/** The status of a call of the HTTP library, which throws if that is no success. */
async function status(response) {
  try {
    return (await response).status;
  } catch (error) {
    return error.status ?? error.message;
  }
}

async function run(server) {
  const { version } = createRequire(import.meta.url)("pusher-js/package.json");
  for (const [name, checks] of Object.entries(CHECKS)) {
    for (const check of checks) await play(server, name, check);
  }
}

async function play(server, part, check) {
  // `publishesABatch` is told as "publishes a batch".
  const name = check.name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  const stage = new Stage(server);
  try {
    await within(DEADLINE_MS, check(stage), `takes longer than ${DEADLINE_MS} ms`);
    console.log(["passed", part, name].join("\t"));
  } catch (error) {
    console.log(["failed", part, name, error.message.replace(/\s+/g, " ")].join("\t"));
  } finally {
    stage.end();
  }
}

const [program] = process.argv.slice(2);
if (program === undefined) throw new Error("usage: node clients.mjs PROGRAM");
const server = await Server.start(program);
process.on("exit", () => server.kill());
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));
await run(server);
await server.stop();
