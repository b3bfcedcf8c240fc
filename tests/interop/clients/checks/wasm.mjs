// `pusher-wasm` in a page: what pusher-js has to show, where both are alike, and where they differ.

import assert from "node:assert/strict";

import { BROWSER } from "./browser.mjs";
import { CHANNELS } from "./channels.mjs";
import { CONNECTION } from "./connection.mjs";
import { ENCRYPTED } from "./encrypted.mjs";
import { TOGETHER } from "./together.mjs";
import { USERS } from "./users.mjs";
import { APP } from "../server.mjs";

async function throwsForClientEventsThatCanNeverBeSent(stage) {
  const client = await stage.client();
  for (const name of ["chat", "private-encrypted-chat"]) {
    const channel = await client.subscribe(name);
    await assert.rejects(channel.trigger("client-message", {}), /only on private and presence channels/);
  }
  const events = await client.subscribe("private-events");
  await assert.rejects(events.trigger("message", {}), /client-/);
}

async function failsForGoodWithAWrongKey(stage) {
  const client = await stage.connecting({ key: "other" });
  assert.equal((await client.error()).code, 4001);
  await client.states.next("failed");
}

async function failsForGoodWhenTheServerEndsTheConnectionsOfItsUser(stage) {
  const ann = await stage.client({ userId: "ann" });
  await ann.signin();
  await stage.publisher().terminateUserConnections("ann");
  assert.equal((await ann.error()).code, 4009);
  await ann.states.next("failed");
}

async function reportsAGapBeforeTheFirstEventAfterIt(stage) {
  const { port } = await stage.relay();
  const chat = await (await stage.client({ port })).subscribe("private-chat");
  await stage.server.stop();
  await stage.server.start();
  await chat.next("pusher:continuity_lost");
  await chat.succeeded();
  await stage.publisher().trigger("private-chat", "message", { n: 1 });
  assert.deepEqual(await chat.next("message"), { n: 1 });
}

async function triesAgainWhatTheBackendRefusedWhenAsked(stage) {
  const backend = await stage.backend();
  backend.refuses = true;
  const client = await stage.client({ auth: backend.url });
  const chat = await client.subscribing("private-chat");
  assert.equal((await chat.next("pusher:subscription_error")).status, 403);
  backend.refuses = false;
  await client.again("private-chat");
  await chat.succeeded();
}

/** Calls a function in a page of its own, with a key and options for clients, and with `next` for events. */
async function inPage(stage, call) {
  const { page } = await stage.open();
  stage.atEnd(() => page.close());
  await page.evaluate(() => {
    window.next = (emitter, event) => new Promise((resolve) => emitter.bind(event, resolve));
  });
  const { port, url } = stage.server;
  const options = { wsHost: "127.0.0.1", wsPort: port, forceTLS: false, authEndpoint: `${url}/pusher/auth` };
  return page.evaluate(call, { key: APP.key, options });
}

async function survivesProvidersThatThrow(stage) {
  const errors = await inPage(stage, async ({ key, options }) => {
    const errors = [];
    for (const name of ["headersProvider", "paramsProvider"]) {
      let calls = 0;
      const provider = () => {
        calls += 1;
        if (calls === 1) throw new Error("no token yet");
        return { "x-csrf-token": "token" };
      };
      const channelAuthorization = { endpoint: options.authEndpoint, [name]: provider };
      const pusher = new Pusher(key, { ...options, channelAuthorization });
      errors.push((await next(pusher.subscribe("private-chat"), "pusher:subscription_error")).error);
      await next(pusher.subscribe("private-chat"), "pusher:subscription_succeeded");
    }
    return errors;
  });
  for (const error of errors) assert.match(error, /: Error: no token yet$/);
}

async function survivesCallbacksWhoseErrorsCannotBeReported(stage) {
  await inPage(stage, async ({ key, options }) => {
    const throws = () => {
      throw new Error("on purpose");
    };
    for (const reportError of [undefined, throws]) {
      window.reportError = reportError;
      const pusher = new Pusher(key, options);
      const connected = next(pusher.connection, "connected");
      pusher.connection.bind("connected", throws);
      await connected;
      await next(pusher.subscribe("chat"), "pusher:subscription_succeeded");
    }
  });
}

async function refusesWhateverAHandlerThrows(stage) {
  const errors = await inPage(stage, async ({ key, options }) => {
    const thrown = [null, undefined, Object.create(null), "a text", new Error("an error")];
    const names = thrown.map((_, index) => `private-${index}`);
    const customHandler = () => {
      throw thrown.shift();
    };
    const pusher = new Pusher(key, { ...options, channelAuthorization: { customHandler } });
    const errors = [];
    for (const name of names) errors.push((await next(pusher.subscribe(name), "pusher:subscription_error")).error);
    return errors;
  });
  const causes = errors.map((error) => error.replace(/^.*authorization failed: /, ""));
  assert.deepEqual(causes, ["JsValue(null)", "JsValue(undefined)", "JsValue(Object({}))", "a text", "Error: an error"]);
}

async function needsAnEndpointOnlyForPrivateChannelsWhereThereIsNoUrl(stage) {
  const [succeeded, missing, relative] = await inPage(stage, ({ key, options }) => {
    const main = async (url, key, { authEndpoint, ...options }) => {
      const next = (emitter, event) => new Promise((resolve) => emitter.bind(event, resolve));
      const { default: init, Pusher } = await import(url);
      await init();
      const pusher = new Pusher(key, options);
      await next(pusher.subscribe("chat"), "pusher:subscription_succeeded");
      const { error } = await next(pusher.subscribe("private-chat"), "pusher:subscription_error");
      const chat = new Pusher(key, { ...options, authEndpoint }).subscribe("private-chat");
      await next(chat, "pusher:subscription_succeeded");
      try {
        new Pusher(key, { ...options, authEndpoint: "/pusher/auth" });
      } catch ({ message }) {
        return [chat.subscribed, error, message];
      }
    };
    const args = [new URL("/wasm/pusher.js", location).href, key, options].map((arg) => JSON.stringify(arg));
    const source = `(${main})(${args}).catch((error) => [error.message]).then((result) => postMessage(result))`;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    return new Promise((resolve, reject) => {
      const worker = new Worker(url, { type: "module" });
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
  });
  assert.equal(succeeded, true);
  assert.match(missing, /the options need an absolute endpoint/);
  assert.match(relative, /the URL of the auth endpoint must have the form/);
}

async function asksTheServerOfThePageAroundAFrameWithoutAUrl(stage) {
  const [error, origin] = await inPage(stage, ({ key, options }) => {
    const main = async (key, { authEndpoint, ...options }) => {
      const { default: init, Pusher } = await import("/wasm/pusher.js");
      await init();
      const chat = new Pusher(key, options).subscribe("private-chat");
      chat.bind("pusher:subscription_error", ({ error }) => parent.postMessage(error));
    };
    const frame = document.createElement("iframe");
    frame.srcdoc = `<script type="module">(${main})(${JSON.stringify(key)}, ${JSON.stringify(options)})</script>`;
    document.body.append(frame);
    return new Promise((resolve) => addEventListener("message", ({ data }) => resolve([data, location.origin])));
  });
  assert.ok(error.includes(`${origin}/pusher/auth: `), error);
}

async function tellsTheUserNothingOfChannels(stage) {
  const events = await inPage(stage, async ({ key, options }) => {
    const channelAuthorization = { customHandler: (_, callback) => callback(new Error("not allowed")) };
    const pusher = new Pusher(key, { ...options, channelAuthorization });
    const events = [];
    pusher.user.bind_global((event) => events.push(event));
    // Both are refused at once, and whichever is reported first removes the other.
    const [a, b] = [pusher.subscribe("private-a"), pusher.subscribe("private-b")];
    a.bind("pusher:subscription_error", () => b.unsubscribe());
    b.bind("pusher:subscription_error", () => a.unsubscribe());
    await Promise.race([next(a, "pusher:subscription_error"), next(b, "pusher:subscription_error")]);
    await next(pusher.subscribe("chat"), "pusher:subscription_succeeded");
    return events;
  });
  assert.deepEqual(events, []);
}

async function reportsHowLongAMessageAboveTheLimitWas(stage) {
  const errors = await inPage(stage, async ({ key, options }) => {
    let socket;
    window.WebSocket = class extends WebSocket {
      constructor(...args) {
        super(...args);
        socket = this;
      }
    };
    const pusher = new Pusher(key, options);
    await next(pusher.connection, "connected");
    const limit = 16 * 1_024 * 1_024;
    const errors = [];
    for (const data of ["é".repeat(limit + 1), new ArrayBuffer(limit + 1)]) {
      const failed = next(pusher.connection, "error");
      socket.dispatchEvent(new MessageEvent("message", { data }));
      errors.push((await failed).error.data.message);
    }
    return errors;
  });
  assert.match(errors[0], /33554434/);
  assert.match(errors[1], /16777217/);
}

/** Checks of pusher-js that concern its raw messages, its errors for client events, or its state after a final refusal. */
const OTHERWISE = new Set([
  "refusesClientEventsOnPublicChannels",
  "answersPings",
  "refusesAWrongKeyForGood",
  "readsWhatTheLibraryEncrypts",
  "sendsNoClientEventsOnEncryptedChannels",
  "endsTheConnectionsOfAUserForGood",
  "ourClientIsTheSameUserElsewhere",
]);

const ALIKE = [...CHANNELS, ...CONNECTION, ...ENCRYPTED, ...USERS, ...TOGETHER, ...BROWSER];

export const WASM = [
  ...ALIKE.filter((check) => !OTHERWISE.has(check.name)),
  throwsForClientEventsThatCanNeverBeSent,
  failsForGoodWithAWrongKey,
  failsForGoodWhenTheServerEndsTheConnectionsOfItsUser,
  reportsAGapBeforeTheFirstEventAfterIt,
  triesAgainWhatTheBackendRefusedWhenAsked,
  survivesProvidersThatThrow,
  survivesCallbacksWhoseErrorsCannotBeReported,
  refusesWhateverAHandlerThrows,
  needsAnEndpointOnlyForPrivateChannelsWhereThereIsNoUrl,
  asksTheServerOfThePageAroundAFrameWithoutAUrl,
  tellsTheUserNothingOfChannels,
  reportsHowLongAMessageAboveTheLimitWas,
];
