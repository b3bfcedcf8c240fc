// Webhooks: signed by one side, checked by the other.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";

import { APP } from "../server.mjs";

const BODY = JSON.stringify({
  time_ms: 1_403_175_510_755,
  events: [{ name: "client_event", channel: "private-grüße", event: "client-message", data: "{\"n\":1}" }],
});

async function theLibraryAcceptsWhatWeSign(stage) {
  const { key } = APP;
  const signature = webhook(stage, BODY, "sign", APP.key, APP.secret).output;
  const received = receive(stage, { key, signature, body: BODY });
  assert.ok(received.isValid());
  assert.deepEqual(received.getData(), JSON.parse(BODY));
  assert.ok(!receive(stage, { key, signature, body: `${BODY} ` }).isValid());
  assert.ok(!receive(stage, { key: "other", signature, body: BODY }).isValid());
}

async function theLibraryAcceptsWhatWeSignWithAKeyThatIsBeingReplaced(stage) {
  const old = { key: "old-key", secret: "old-secret" };
  const signature = webhook(stage, BODY, "sign", old.key, old.secret).output;
  const received = receive(stage, { key: old.key, signature, body: BODY });
  assert.deepEqual([received.isValid(), received.isValid(old)], [false, true]);
}

async function weAcceptWhatTheLibrarySigns(stage) {
  const signature = stage.publisher().config.token.sign(BODY);
  const verify = (key, body) => webhook(stage, body, "verify", APP.key, APP.secret, key, signature);
  assert.deepEqual(verify(APP.key, BODY), { code: 0, output: "", error: "" });
  assert.match(verify(APP.key, `${BODY} `).error, /^Error: Signature/);
  assert.match(verify("other", BODY).error, /^Error: Key/);
}

function receive(stage, { key, signature, body }) {
  const headers = { "x-pusher-key": key, "x-pusher-signature": signature, "content-type": "application/json" };
  return stage.publisher().webhook({ headers, rawBody: body });
}

/** Runs the example `webhook` of pusher-proto. */
function webhook(stage, body, ...args) {
  const program = `${stage.programs}/examples/webhook`;
  const { error, status, stdout, stderr } = spawnSync(program, args, { input: body, encoding: "utf8" });
  if (error !== undefined) throw error;
  return { code: status, output: stdout.trim(), error: stderr.trim() };
}

export const WEBHOOKS = [
  theLibraryAcceptsWhatWeSign,
  theLibraryAcceptsWhatWeSignWithAKeyThatIsBeingReplaced,
  weAcceptWhatTheLibrarySigns,
];
