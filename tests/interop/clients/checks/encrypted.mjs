// Encrypted channels: written by the HTTP library and by our program, read by `pusher-js`.

import assert from "node:assert/strict";

async function readsWhatTheLibraryEncrypts(stage) {
  const client = await stage.client();
  const secret = await client.subscribe("private-encrypted-chat");
  const data = { text: "grüße \"🎉\"", list: [1, null] };
  await stage.publisher().trigger("private-encrypted-chat", "message", data);
  assert.deepEqual(await secret.next("message"), data);
  const { nonce, ciphertext, ...rest } = await client.messages.next("message");
  assert.deepEqual([nonce.length, typeof ciphertext, rest], [32, "string", {}]);
}

async function readsAnEncryptedBatch(stage) {
  const client = await stage.client();
  const [secret, open] = [await client.subscribe("private-encrypted-batch"), await client.subscribe("batch")];
  await stage.publisher().triggerBatch([
    { channel: "private-encrypted-batch", name: "one", data: "not JSON" },
    { channel: "batch", name: "two", data: { n: 2 } },
  ]);
  assert.equal(await secret.next("one"), "not JSON");
  assert.deepEqual(await open.next("two"), { n: 2 });
}

async function readsWhatOurProgramEncrypts(stage) {
  const secret = await (await stage.client()).subscribe("private-encrypted-ours");
  await stage.publish("private-encrypted-ours", "message", { n: 1 });
  assert.deepEqual(await secret.next("message"), { n: 1 });
}

async function replaysTheLastEventOfEncryptedCacheChannels(stage) {
  const first = await (await stage.client()).subscribe("private-encrypted-cache-a");
  await first.next("pusher:cache_miss");
  await stage.publisher().trigger("private-encrypted-cache-a", "message", { n: 1 });
  assert.deepEqual(await first.next("message"), { n: 1 });
  const second = await (await stage.client()).subscribe("private-encrypted-cache-a");
  assert.deepEqual(await second.next("message"), { n: 1 });
}

async function fetchesANewKeyForWhatTheOldOneDoesNotOpen(stage) {
  const { backend, publisher } = await rotating(stage);
  const secret = await (await stage.client({ auth: backend.url })).subscribe("private-encrypted-keys");
  await backend.publisher.trigger("private-encrypted-keys", "message", { n: 1 });
  assert.deepEqual(await secret.next("message"), { n: 1 });
  backend.publisher = publisher;
  await publisher.trigger("private-encrypted-keys", "message", { n: 2 });
  assert.deepEqual(await secret.next("message"), { n: 2 });
}

async function passesOnNothingThatItCannotRead(stage) {
  const { backend, publisher: stranger } = await rotating(stage);
  const secret = await (await stage.client({ auth: backend.url })).subscribe("private-encrypted-strange");
  await stranger.trigger("private-encrypted-strange", "strange", {});
  await backend.publisher.trigger("private-encrypted-strange", "end", {});
  await secret.next("end");
  assert.ok(!secret.saw("strange"));
}

async function sendsNoClientEventsOnEncryptedChannels(stage) {
  const secret = await (await stage.client()).subscribe("private-encrypted-chat");
  await assert.rejects(secret.trigger("client-message", {}), /not currently supported for encrypted channels/);
}

/** An auth server with one key, and a publisher with another. */
async function rotating(stage) {
  const key = (value) => ({ encryptionMasterKeyBase64: Buffer.alloc(32, value).toString("base64") });
  return { backend: await stage.backend(key(1)), publisher: stage.publisher(key(2)) };
}

export const ENCRYPTED = [
  readsWhatTheLibraryEncrypts,
  readsAnEncryptedBatch,
  readsWhatOurProgramEncrypts,
  replaysTheLastEventOfEncryptedCacheChannels,
  fetchesANewKeyForWhatTheOldOneDoesNotOpen,
  passesOnNothingThatItCannotRead,
  sendsNoClientEventsOnEncryptedChannels,
];
