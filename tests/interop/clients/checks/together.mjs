// `pusher-js` and our client, side by side.

import assert from "node:assert/strict";

async function ourClientIsAMemberAmongOthers(stage) {
  const ann = await stage.client({ userId: "ann", userInfo: { name: "Ann \"🎉\"" } });
  const room = await ann.subscribe("presence-room");
  const ours = stage.peer({ userId: "rust", userInfo: { name: "grüße" } });
  assert.deepEqual(await ours.subscribe("presence-room"), { ann: { name: "Ann \"🎉\"" }, rust: { name: "grüße" } });
  assert.deepEqual(await room.next("pusher:member_added"), { id: "rust", info: { name: "grüße" } });

  const bob = await stage.client({ userId: "bob" });
  const { members } = await (await bob.subscribing("presence-room")).succeeded();
  assert.deepEqual(members, { ann: { name: "Ann \"🎉\"" }, bob: null, rust: { name: "grüße" } });
  assert.deepEqual(await ours.on("presence-room").next("pusher:member_added"), { id: "bob", info: null });
  const { users } = await (await stage.publisher().get({ path: "/channels/presence-room/users" })).json();
  assert.deepEqual(users.map(({ id }) => id).sort(), ["ann", "bob", "rust"]);

  await bob.disconnect();
  assert.deepEqual(await ours.on("presence-room").next("pusher:member_removed"), { id: "bob", info: null });
  ours.unsubscribe("presence-room");
  assert.equal((await room.next("pusher:member_removed")).id, "bob");
  assert.deepEqual(await room.next("pusher:member_removed"), { id: "rust", info: { name: "grüße" } });
}

async function ourClientExchangesClientEvents(stage) {
  const ours = stage.peer({ userId: "rust" });
  const ann = await stage.client({ userId: "ann" });
  for (const name of ["private-events", "presence-events", "private-cache-events"]) {
    const theirs = await ann.subscribe(name);
    await theirs.watch("client-message");
    await ours.subscribe(name);
    for (const data of [{ text: "grüße \"🎉\"" }, ["text", 7, null], true]) {
      ours.trigger(name, "client-message", data);
      assert.deepEqual(await theirs.next("client-message"), data);
      await theirs.trigger("client-message", data);
      assert.deepEqual(await ours.on(name).next("client-message"), data);
    }
    if (name.startsWith("presence-")) {
      ours.trigger(name, "client-message", {});
      assert.deepEqual(await theirs.next("metadata of client-message"), { user_id: "rust" });
      await theirs.trigger("client-message", {});
      assert.equal(await ours.on(name).next("sender of client-message"), "ann");
    }
  }
}

async function ourClientReadsWhatTheLibraryPublishes(stage) {
  const names = ["public", "cache-public", "private-a", "private-cache-a", "presence-a", "presence-cache-a"];
  const { url: auth } = await stage.backend();
  const [ours, ann] = [stage.peer({ auth, userId: "rust" }), await stage.client({ auth, userId: "ann" })];
  const theirs = [];
  for (const name of names) {
    await ours.subscribe(name);
    theirs.push(await ann.subscribe(name));
  }
  const data = { text: "grüße \"🎉\"\n", list: [1, null, { deep: true }] };
  await stage.publisher().trigger(names, "message", data);
  for (const name of names) assert.deepEqual(await ours.on(name).next("message"), data);
  for (const channel of theirs) assert.deepEqual(await channel.next("message"), data);
}

async function ourClientReadsEncryptedChannels(stage) {
  const key = (value) => ({ encryptionMasterKeyBase64: Buffer.alloc(32, value).toString("base64") });
  const backend = await stage.backend(key(1));
  const [ours, ann] = [stage.peer({ auth: backend.url }), await stage.client({ auth: backend.url })];
  for (const name of ["private-encrypted-a", "private-encrypted-cache-a"]) {
    await ours.subscribe(name);
    const theirs = await ann.subscribe(name);
    // The second publisher has another key, and the auth server has it from then on too.
    for (const publisher of [stage.publisher(key(1)), stage.publisher(key(2))]) {
      backend.publisher = publisher;
      await publisher.trigger(name, "message", { text: "grüße" });
      assert.deepEqual(await ours.on(name).next("message"), { text: "grüße" });
      assert.deepEqual(await theirs.next("message"), { text: "grüße" });
    }
    backend.publisher = stage.publisher(key(1));
  }
}

async function ourClientIsTheSameUserElsewhere(stage) {
  const [ours, ann] = [stage.peer({ userId: "ann" }), await stage.client({ userId: "ann" })];
  assert.equal(await ours.signin(), "ann");
  // The server reads in order, so this answer shows that it sends our client events for the user.
  await ours.subscribe("later");
  await ann.signin();
  await ann.subscribe("later");
  await stage.publisher().sendToUser("ann", "notice", { n: 1 });
  assert.deepEqual(await ours.on().next("notice"), { n: 1 });
  assert.deepEqual(await ann.user.next("notice"), { n: 1 });

  await stage.publisher().terminateUserConnections("ann");
  assert.match(await ours.on().next("error"), /: closed with 4009: /);
  assert.match(await ours.on().next("state_change"), /^Failed/);
  await ann.states.next("disconnected");
}

async function ourClientWatchesAndIsWatched(stage) {
  const ours = stage.peer({ userId: "rust", watchlist: ["ann"] });
  const ann = await stage.client({ userId: "ann", watchlist: ["rust"] });
  await ours.signin();
  assert.deepEqual(await ours.on().next("offline"), ["ann"]);
  await ann.signin();
  assert.deepEqual(await ours.on().next("online"), ["ann"]);
  assert.deepEqual(await ann.watchlist.next("online"), { name: "online", user_ids: ["rust"] });
  ours.end();
  assert.deepEqual(await ann.watchlist.next("offline"), { name: "offline", user_ids: ["rust"] });
}

async function ourClientComesBackWithTheOthers(stage) {
  const { port } = await stage.relay();
  const room = await (await stage.client({ port, userId: "ann" })).subscribe("presence-room");
  const ours = stage.peer({ port, userId: "rust" });
  await ours.subscribe("presence-room");
  await room.next("pusher:member_added");
  await stage.server.stop();
  await stage.server.start();
  await ours.on("presence-room").next("pusher:continuity_lost");
  await room.succeeded();
  await stage.publisher().trigger("presence-room", "message", { n: 1 });
  assert.deepEqual(await ours.on("presence-room").next("message"), { n: 1 });
  assert.deepEqual(await room.next("message"), { n: 1 });
  assert.deepEqual(Object.keys((await room.look()).members).sort(), ["ann", "rust"]);
}

export const TOGETHER = [
  ourClientIsAMemberAmongOthers,
  ourClientExchangesClientEvents,
  ourClientReadsWhatTheLibraryPublishes,
  ourClientReadsEncryptedChannels,
  ourClientIsTheSameUserElsewhere,
  ourClientWatchesAndIsWatched,
  ourClientComesBackWithTheOthers,
];
