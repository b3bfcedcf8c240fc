//! Payloads of encrypted channels in a recording: the same keys open and do not open them, but the keys are not the
//! application's, and nothing is inside.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, Nonce, XSalsa20Poly1305};
use pusher_tokio::ChannelName;
use pusher_tokio::pusher_proto::signing::MasterKey;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::redact::{filler, payload};

/// The shared secrets of all encrypted channels.
#[derive(Default)]
pub(super) struct Vaults(BTreeMap<ChannelName, Vault>);

/// The shared secrets of one channel, in the order in which the auth server answered them.
#[derive(Default)]
struct Vault {
    keys: Vec<Key>,
    /// A payload that none of them opens: the next key may.
    waiting: Option<Sealed>,
}

/// `None` for a place that no key of the application has.
type Key = Option<[u8; KEY_LEN]>;

struct Sealed {
    nonce: [u8; NONCE_LEN],
    ciphertext: Vec<u8>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Parts {
    nonce: String,
    ciphertext: String,
}

impl Vaults {
    /// Returns what stands for a shared secret.
    pub(super) fn secret(&mut self, channel: &ChannelName, secret: &str) -> String {
        let Some(key) = decode(secret).and_then(|bytes| bytes.try_into().ok()) else {
            // The core refuses it as it refuses the original.
            return "invalid".to_owned();
        };
        let place = self.0.entry(channel.clone()).or_default().place(key);
        master_key(place).shared_secret(channel).expose().to_owned()
    }

    /// Returns a frame with a payload of the same length, sealed with the key that stands for the one that opens it. A
    /// payload that should be sealed and is not has no content either. `None` if there is nothing to replace.
    pub(super) fn frame(&mut self, text: &str) -> Option<String> {
        let Envelope { event, channel, data } = serde_json::from_str(text).ok()?;
        let channel = ChannelName::new(&*channel).ok().filter(|channel| channel.as_str().starts_with(ENCRYPTED))?;
        if event.starts_with("pusher:") || event.starts_with("pusher_internal:") {
            return None;
        }
        let (json, is_string) = match serde_json::from_str::<String>(data.get()) {
            Ok(json) => (Cow::Owned(json), true),
            Err(_) => (Cow::Borrowed(data.get()), false),
        };
        let replaced = match serde_json::from_str::<Parts>(&json).ok() {
            Some(parts) => {
                let sealed = Sealed::read(&parts)?;
                let (nonce, filler) = (sealed.nonce, filler(sealed.ciphertext.len() - TAG_LEN));
                let place = self.0.entry(channel.clone()).or_default().open(sealed);
                let replaced = master_key(place).seal(&channel, &filler, nonce);
                if is_string { Value::from(replaced.raw()).to_string() } else { replaced.raw().to_owned() }
            }
            None => payload(data).to_string(),
        };
        // The payload is a part of the text, which begins where it does.
        let start = data.get().as_ptr() as usize - text.as_ptr() as usize;
        let rest = &text[start + data.get().len()..];
        Some([&text[..start], &replaced, rest].concat())
    }
}

impl Vault {
    /// Where a key is; a new one is added.
    fn place(&mut self, key: [u8; KEY_LEN]) -> usize {
        if let Some(place) = self.keys.iter().position(|known| *known == Some(key)) {
            return place;
        }
        // What waits is sealed for the next place. A key that does not open it must not stand there.
        if self.waiting.take().is_some_and(|sealed| !sealed.opens_with(&key)) {
            self.keys.push(None);
        }
        self.keys.push(Some(key));
        self.keys.len() - 1
    }

    /// Where the key is that opens a payload: the next one if none does.
    fn open(&mut self, sealed: Sealed) -> usize {
        let opens = |key: &Key| key.is_some_and(|key| sealed.opens_with(&key));
        self.keys.iter().rposition(opens).unwrap_or_else(|| {
            self.waiting.get_or_insert(sealed);
            self.keys.len()
        })
    }
}

impl Sealed {
    /// `None` for what no key opens.
    fn read(Parts { nonce, ciphertext }: &Parts) -> Option<Self> {
        let nonce = decode(nonce)?.try_into().ok()?;
        let ciphertext = decode(ciphertext).filter(|bytes| bytes.len() >= TAG_LEN)?;
        Some(Self { nonce, ciphertext })
    }

    fn opens_with(&self, key: &[u8; KEY_LEN]) -> bool {
        let nonce: &Nonce = (&self.nonce).into();
        XSalsa20Poly1305::new(key.into()).decrypt(nonce, self.ciphertext.as_slice()).is_ok()
    }
}

/// The key that stands for those of all channels at a place. It is not secret: what it seals has no content.
fn master_key(place: usize) -> MasterKey {
    let mut bytes = [0; MasterKey::LEN];
    bytes[..size_of::<usize>()].copy_from_slice(&place.to_le_bytes());
    MasterKey::new(bytes)
}

/// As the client decodes: the standard and the URL-safe alphabet, padded or not.
fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.replace('-', "+").replace('_', "/")).ok()
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How the names of encrypted channels begin.
const ENCRYPTED: &str = "private-encrypted-";

/// Lengths in bytes (NaCl, `crypto_secretbox`).
const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
