// Laravel Echo, with `pusher-js` below it.

import assert from "node:assert/strict";

import Echo from "laravel-echo";
import Pusher from "pusher-js";

import { APP } from "../server.mjs";
import { Recorder } from "../waiting.mjs";

async function listensToEventsByTheirClasses(stage) {
  const { echo } = start(stage);
  const orders = listener(echo.channel("orders"), "OrderShipped", ".order.paid", "\\Shop\\Sold");
  await orders.next("subscribed");
  await stage.publisher().trigger("orders", "App\\Events\\OrderShipped", { id: 1 });
  await stage.publisher().trigger("orders", "order.paid", { id: 2 });
  await stage.publisher().trigger("orders", "Shop\\Sold", { id: 3 });
  assert.deepEqual(await orders.next("OrderShipped"), { id: 1 });
  assert.deepEqual(await orders.next(".order.paid"), { id: 2 });
  assert.deepEqual(await orders.next("\\Shop\\Sold"), { id: 3 });
}

async function listensOnPrivateAndEncryptedChannels(stage) {
  const { echo } = start(stage);
  for (const [kind, name] of [["private", "private-orders"], ["encryptedPrivate", "private-encrypted-orders"]]) {
    const orders = listener(echo[kind]("orders"), ".paid");
    await orders.next("subscribed");
    await stage.publisher().trigger(name, "paid", { name });
    assert.deepEqual(await orders.next(".paid"), { name });
  }
}

async function tellsWhoIsHereAndWhoJoinsAndLeaves(stage) {
  const room = new Recorder("room");
  const ann = start(stage, { user_id: "ann", user_info: '{"name":"Ann"}' }).echo.join("room");
  for (const event of ["here", "joining", "leaving"]) ann[event]((data) => room.add(event, data));
  assert.deepEqual(await room.next("here"), [{ name: "Ann" }]);

  const ours = stage.peer({ userId: "rust", userInfo: { name: "Rust" } });
  assert.deepEqual(await ours.subscribe("presence-room"), { ann: { name: "Ann" }, rust: { name: "Rust" } });
  assert.deepEqual(await room.next("joining"), { name: "Rust" });
  ours.end();
  assert.deepEqual(await room.next("leaving"), { name: "Rust" });
}

async function whispersToOurClientAndBack(stage) {
  const { echo } = start(stage, { user_id: "ann" });
  const ours = stage.peer({ userId: "rust" });
  for (const [kind, name] of [["private", "private-room"], ["join", "presence-room"]]) {
    const channel = echo[kind]("room");
    const whispers = listener(channel, ".client-typing");
    await whispers.next("subscribed");
    await ours.subscribe(name);
    channel.whisper("typing", { text: "grüße" });
    assert.deepEqual(await ours.on(name).next("client-typing"), { text: "grüße" });
    ours.trigger(name, "client-typing", { n: 1 });
    assert.deepEqual(await whispers.next(".client-typing"), { n: 1 });
  }
}

async function showsNotifications(stage) {
  const { echo } = start(stage);
  const notes = listener(echo.private("App.Models.User.1"));
  echo.private("App.Models.User.1").notification((data) => notes.add("notification", data));
  await notes.next("subscribed");
  const event = "Illuminate\\Notifications\\Events\\BroadcastNotificationCreated";
  await stage.publisher().trigger("private-App.Models.User.1", event, { id: "x", type: "Paid" });
  assert.deepEqual(await notes.next("notification"), { id: "x", type: "Paid" });
}

async function leavesEveryKindOfAChannel(stage) {
  const { echo } = start(stage, { user_id: "ann" });
  const channels = [echo.channel("a"), echo.private("a"), echo.encryptedPrivate("a"), echo.join("a")];
  for (const channel of channels.map((channel) => listener(channel))) await channel.next("subscribed");
  echo.leave("a");
  // The server reads in order, so this answer shows that it has left the others.
  await listener(echo.private("later")).next("subscribed");
  const { channels: left } = await (await stage.publisher().get({ path: "/channels" })).json();
  assert.deepEqual(Object.keys(left), ["private-later"]);
}

async function tellsThatAChannelIsForbidden(stage) {
  const { echo } = start(stage);
  const { type, status } = await listener(echo.private("forbidden")).next("error");
  assert.deepEqual({ type, status }, { type: "AuthError", status: 403 });
}

async function signsIn(stage) {
  const { echo, pusher } = start(stage, { user_id: "ann" });
  const user = new Recorder("user");
  pusher.connection.bind("message", ({ event, data }) => user.add(event, data));
  pusher.user.bind_global((event, data) => user.add(event, data));
  echo.connector.signin();
  assert.equal(JSON.parse((await user.next("pusher:signin_success")).user_data).id, "ann");
  await user.next("pusher_internal:subscription_succeeded");
  await stage.publisher().sendToUser("ann", "notice", { n: 1 });
  assert.deepEqual(await user.next("notice"), { n: 1 });
}

async function leavesOutTheSocketThatBroadcastsToOthers(stage) {
  const { echo } = start(stage);
  const orders = listener(echo.channel("orders"), ".paid", ".end");
  await orders.next("subscribed");
  await stage.publisher().trigger("orders", "paid", {}, { socket_id: echo.socketId() });
  await stage.publisher().trigger("orders", "end", {});
  await orders.next(".end");
  assert.ok(!orders.saw(".paid"));
}

/** Echo as an application of Laravel makes it, but for its endpoints. The parameters tell them who asks. */
function start(stage, params = {}) {
  const { port, url } = stage.server;
  const echo = new Echo({
    broadcaster: "pusher",
    Pusher,
    key: APP.key,
    cluster: "",
    wsHost: "127.0.0.1",
    wsPort: port,
    forceTLS: false,
    enabledTransports: ["ws"],
    authEndpoint: `${url}/pusher/auth`,
    auth: { params, headers: {} },
    userAuthentication: { endpoint: `${url}/pusher/user-auth`, params, headers: {} },
    bearerToken: "token",
  });
  stage.atEnd(() => echo.disconnect());
  return { echo, pusher: echo.connector.pusher };
}

/** What happens on a channel of Echo: `subscribed`, `error`, and events under the names by which Echo is told of them. */
function listener(channel, ...events) {
  const recorder = new Recorder(channel.name);
  channel.subscribed(() => recorder.add("subscribed"));
  channel.error((error) => recorder.add("error", error));
  for (const event of events) channel.listen(event, (data) => recorder.add(event, data));
  return recorder;
}

export const ECHO = [
  listensToEventsByTheirClasses,
  listensOnPrivateAndEncryptedChannels,
  tellsWhoIsHereAndWhoJoinsAndLeaves,
  whispersToOurClientAndBack,
  showsNotifications,
  leavesEveryKindOfAChannel,
  tellsThatAChannelIsForbidden,
  signsIn,
  leavesOutTheSocketThatBroadcastsToOthers,
];
