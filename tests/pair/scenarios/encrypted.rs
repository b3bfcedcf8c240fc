//! Encrypted channels. To servers, they are ordinary private channels whose payloads are passed on unchanged.

use pusher_proto::server::Dialect;
use pusher_proto::signing::MasterKey;

use super::Scenario;
use crate::stage::*;

pub(super) const SCENARIOS: &[(&str, Scenario)] = &[
    ("reads what was encrypted for a channel", reads),
    ("asks for the key again when it was replaced", rotation),
    ("never passes plaintext on", plaintext),
    ("reads the event that a cache repeats", cached),
];

const NAME: &str = "private-encrypted-chat";

fn seal(key: u8, text: &str, nonce: u8) -> String {
    let sealed = MasterKey::new([key; MasterKey::LEN]).seal(&channel(NAME), text, [nonce; 24]);
    sealed.text().into_owned()
}

fn reads(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribed(A, NAME);
    stage.trigger(NAME, "secret", &seal(7, r#"{"n":"é/"}"#, 1));
    stage.expect(A, &[r#"event private-encrypted-chat secret "{\"n\":\"é/\"}""#]);
}

fn rotation(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribed(A, NAME);
    stage.authority(A).app = app().encryption_master_key(MasterKey::new([8; MasterKey::LEN]));
    stage.world.sent(A).for_each(drop);
    stage.trigger(NAME, "secret", &seal(8, "1", 1));
    stage.trigger(NAME, "secret", &seal(8, "2", 2));
    let event = |text: &str| format!("event private-encrypted-chat secret \"{text}\"");
    assert_eq!(stage.heard(A), ["1", "2"].map(event));
    assert_eq!(stage.world.sent(A).count(), 0, "a new key needs no new subscription");
}

fn plaintext(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribed(A, NAME);
    stage.trigger(NAME, "secret", r#"{"n":1}"#);
    stage.expect(A, &["decryption_error private-encrypted-chat secret: the payload is not encrypted"]);
}

fn cached(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    let name = "private-encrypted-cache-chat";
    stage.subscribe(A, name);
    let sealed = MasterKey::new([7; MasterKey::LEN]).seal(&channel(name), "1", [1; 24]);
    stage.trigger(name, "secret", &sealed.text());
    stage.subscribe(B, name);
    let succeeded = format!("subscription_succeeded {name}");
    let event = format!("event {name} secret \"1\"");
    match dialect {
        Dialect::Pusher => stage.expect(B, &[&succeeded, &event]),
        Dialect::Reverb => stage.expect(B, &[&succeeded]),
        Dialect::LaravelWebsockets => stage.expect(B, &[&succeeded]),
        Dialect::Soketi => stage.expect(B, &[&succeeded, &event]),
        Dialect::Sockudo | Dialect::SockudoV2 => stage.expect(B, &[&succeeded, &event]),
    }
}
