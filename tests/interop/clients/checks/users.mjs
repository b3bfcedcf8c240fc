// Signed-in users of `pusher-js`.

import assert from "node:assert/strict";

async function signsIn(stage) {
  const ann = await stage.client({ userId: "ann", userInfo: { name: "Ann" } });
  assert.deepEqual(await ann.signin(), { id: "ann", user_info: { name: "Ann" } });
}

async function signsInAsTheLibrarySays(stage) {
  const { url: auth } = await stage.backend();
  assert.deepEqual(await (await stage.client({ auth, userId: "ann" })).signin(), { id: "ann" });
}

async function tellsThatASigninIsForbidden(stage) {
  const backend = await stage.backend();
  backend.refuses = true;
  const client = await stage.client({ auth: backend.url, userId: "ann" });
  await client.signingIn();
  const { type, status } = await client.user.next("pusher:signin_error");
  assert.deepEqual({ type, status }, { type: "AuthError", status: 403 });
  await client.subscribe("still-here");
}

async function reachesAUserOnEveryConnection(stage) {
  const [ann, bob] = ["ann", "bob"].map((userId) => ({ userId }));
  const [phone, desk, other] = [await stage.client(ann), await stage.client(ann), await stage.client(bob)];
  for (const client of [phone, desk, other]) await reachable(client);
  await stage.publisher().sendToUser("ann", "notice", { text: "grüße" });
  await stage.publisher().sendToUser("bob", "end", {});
  for (const client of [phone, desk]) assert.deepEqual(await client.user.next("notice"), { text: "grüße" });
  await other.user.next("end");
  assert.ok(!other.user.saw("notice"));
}

async function tellsWhoOfTheWatchlistComesAndGoes(stage) {
  const ann = await stage.client({ userId: "ann", watchlist: ["bob", "eve"] });
  const bob = await stage.client({ userId: "bob" });
  await bob.signin();
  await ann.signin();
  assert.deepEqual(await ann.watchlist.next("online"), { name: "online", user_ids: ["bob"] });
  assert.deepEqual(await ann.watchlist.next("offline"), { name: "offline", user_ids: ["eve"] });
  await (await stage.client({ userId: "eve" })).signin();
  assert.deepEqual(await ann.watchlist.next("online"), { name: "online", user_ids: ["eve"] });
  await bob.disconnect();
  assert.deepEqual(await ann.watchlist.next("offline"), { name: "offline", user_ids: ["bob"] });
}

async function endsTheConnectionsOfAUserForGood(stage) {
  const [ann, bob] = ["ann", "bob"].map((userId) => ({ userId }));
  const [phone, desk, other] = [await stage.client(ann), await stage.client(ann), await stage.client(bob)];
  for (const client of [phone, desk, other]) await reachable(client);
  const response = await stage.publisher().terminateUserConnections("ann");
  assert.deepEqual([response.status, await response.json()], [200, {}]);
  for (const client of [phone, desk]) {
    assert.equal((await client.error()).code, 4009);
    await client.states.next("disconnected");
  }
  await stage.publisher().sendToUser("bob", "notice", {});
  await other.user.next("notice");
}

async function isSignedInAgainWhenTheServerRestarts(stage) {
  const { port } = await stage.relay();
  const ann = await stage.client({ port, userId: "ann" });
  await reachable(ann);
  await stage.server.stop();
  await stage.server.start();
  await ann.signedIn();
  await ann.subscribe("later");
  await stage.publisher().sendToUser("ann", "notice", { n: 1 });
  assert.deepEqual(await ann.user.next("notice"), { n: 1 });
}

/** Signs in, and waits until events for the user come. */
async function reachable(client) {
  await client.signin();
  // The server reads in order, so this answer shows that it sends events for the user.
  await client.subscribe("reachable");
}

export const USERS = [
  signsIn,
  signsInAsTheLibrarySays,
  tellsThatASigninIsForbidden,
  reachesAUserOnEveryConnection,
  tellsWhoOfTheWatchlistComesAndGoes,
  endsTheConnectionsOfAUserForGood,
  isSignedInAgainWhenTheServerRestarts,
];
