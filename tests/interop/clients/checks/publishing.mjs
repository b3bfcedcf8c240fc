// The HTTP library, `pusher`, publishes and asks.

import assert from "node:assert/strict";

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

/** The status of a call of the HTTP library, which throws if that is no success. */
async function status(response) {
  try {
    return (await response).status;
  } catch (error) {
    return error.status ?? error.message;
  }
}

export const PUBLISHING = [
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
];
