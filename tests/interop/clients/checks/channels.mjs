// Channels of `pusher-js`, but for encrypted ones.

import assert from "node:assert/strict";

async function subscribesToAPublicChannel(stage) {
  const client = await stage.client();
  assert.match(client.socketId, /^\d+\.\d+$/);
  const chat = await client.subscribing("chat");
  assert.deepEqual(await chat.succeeded(), {});
}

async function subscribesToAPrivateChannel(stage) {
  const chat = await (await stage.client()).subscribing("private-chat");
  assert.deepEqual(await chat.succeeded(), {});
}

async function subscribesToAPresenceChannel(stage) {
  const ann = await stage.client({ userId: "ann", userInfo: { name: "Ann \"🎉\"" } });
  await ann.subscribe("presence-chat");
  const bob = await stage.client({ userId: "bob" });
  const { count, me, members } = await (await bob.subscribing("presence-chat")).succeeded();
  assert.deepEqual([count, me], [2, { id: "bob", info: null }]);
  assert.deepEqual(members, { ann: { name: "Ann \"🎉\"" }, bob: null });
}

async function seesMembersComeAndGo(stage) {
  const room = await (await stage.client({ userId: "ann" })).subscribe("presence-room");
  const bobs = [await stage.client({ userId: "bob", userInfo: { n: 1 } }), await stage.client({ userId: "bob" })];
  const [, last] = [await bobs[0].subscribe("presence-room"), await bobs[1].subscribe("presence-room")];
  assert.deepEqual(await room.next("pusher:member_added"), { id: "bob", info: { n: 1 } });

  // A user is gone with the last of his connections, and there only once.
  await bobs[0].disconnect();
  const eve = await stage.client({ userId: "eve" });
  await eve.subscribe("presence-room");
  assert.equal((await room.next("pusher:member_added")).id, "eve");
  assert.ok(!room.saw("pusher:member_removed"));
  await last.unsubscribe();
  assert.equal((await room.next("pusher:member_removed")).id, "bob");
  await eve.disconnect();
  assert.equal((await room.next("pusher:member_removed")).id, "eve");
  assert.deepEqual((await room.look()).members, { ann: null });
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
  await other.disconnect();
  assert.equal(await count(), 1);
  assert.equal((await counted.look()).subscriptionCount, 1);
}

async function exchangesClientEvents(stage) {
  const [ann, bob] = [await stage.client(), await stage.client()];
  const [own, others] = [await ann.subscribe("private-events"), await bob.subscribe("private-events")];
  for (const data of [{ text: "grüße" }, "text", 7, [true], "{\"n\":1}"]) {
    await own.trigger("client-message", data);
    // pusher-js takes a string that is JSON for JSON.
    const expected = data === "{\"n\":1}" ? { n: 1 } : data;
    assert.deepEqual(await others.next("client-message"), expected);
  }
  await others.trigger("client-end", {});
  await own.next("client-end");
  assert.ok(!own.saw("client-message"));
}

async function namesTheSenderOnPresenceChannels(stage) {
  const [ann, bob] = [await stage.client({ userId: "ann" }), await stage.client({ userId: "bob" })];
  const [own, others] = [await ann.subscribe("presence-events"), await bob.subscribe("presence-events")];
  await others.watch("client-message");
  await own.trigger("client-message", {});
  assert.deepEqual(await others.next("metadata of client-message"), { user_id: "ann" });
}

async function refusesClientEventsOnPublicChannels(stage) {
  const client = await stage.client();
  const chat = await client.subscribe("chat");
  await chat.trigger("client-message", {});
  assert.match((await client.error()).message, /only supported on private and presence channels/);
  assert.equal(client.state, "connected");
}

async function limitsTheRateOfClientEvents(stage) {
  const client = await stage.client();
  const chat = await client.subscribe("private-rate");
  await Promise.all(Array.from({ length: 11 }, (_, n) => chat.trigger("client-message", { n })));
  assert.equal((await client.error()).code, 4301);
  assert.equal(client.state, "connected");
}

async function tellsThatAChannelIsForbidden(stage) {
  const client = await stage.client();
  for (const name of ["private-forbidden", "presence-forbidden"]) {
    const forbidden = await client.subscribing(name);
    const { type, status } = await forbidden.next("pusher:subscription_error");
    assert.deepEqual({ type, status }, { type: "AuthError", status: 403 });
  }
  await client.subscribe("private-allowed");
}

async function tellsThatASignatureIsWrong(stage) {
  const { url: auth } = await stage.backend({ secret: "other" });
  const client = await stage.client({ auth });
  const forged = await client.subscribing("private-chat");
  assert.match((await client.error()).message, /Invalid signature/);
  assert.ok(!forged.saw("pusher:subscription_succeeded"));
  assert.equal(client.state, "connected");
}

async function unsubscribes(stage) {
  const client = await stage.client();
  const [left, kept] = [await client.subscribe("left"), await client.subscribe("kept")];
  await left.unsubscribe();
  // The server reads in order, so this answer shows that it has left the other one.
  await client.subscribe("private-later");
  await stage.publisher().trigger(["left", "kept"], "message", {});
  await kept.next("message");
  assert.ok(!left.saw("message") && !client.messages.saw("pusher:error"));
  const state = await (await stage.publisher().get({ path: "/channels/left" })).json();
  assert.deepEqual(state, { occupied: false });
}

export const CHANNELS = [
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
];
