//! The key from which the secrets of encrypted channels are derived.

use core::fmt;

#[cfg(feature = "encryption")]
use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
#[cfg(feature = "encryption")]
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{ChannelName, Secret};

/// A trait without implementations, so that a call that needs it fails to compile with an explanation.
#[cfg(not(feature = "encryption"))]
mod without_encryption {
    #[diagnostic::on_unimplemented(
        message = "`MasterKey::seal` needs the feature `encryption` of pusher-proto",
        label = "needs the feature `encryption`",
        note = "in Cargo.toml: features = [\"encryption\", \"signing\"]"
    )]
    pub trait Seals {}
}

/// The 32 bytes that the shared secrets of an application's encrypted channels are derived from.
///
/// Only the application's servers know it. `Debug` shows `…`, and its memory is wiped on drop.
///
/// # Examples
///
/// ```
/// use pusher_proto::ChannelName;
/// use pusher_proto::signing::MasterKey;
///
/// let key = MasterKey::from_base64("zyrm8pvV2C9fJcBfhyXzvxbJVN/H7QLmbe0xJi1GhPU=")?;
/// let secret = key.shared_secret(&ChannelName::new("private-encrypted-bla")?);
/// assert_eq!(secret.expose(), "nlr49ISQHz91yS3cy/yWmW8wFMNeTnNL5tNHnbPJcLQ=");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; MasterKey::LEN]>);

impl MasterKey {
    /// Length of a key, in bytes.
    pub const LEN: usize = 32;

    /// Returns the key with these bytes.
    #[must_use]
    pub fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads the key from base64 with the standard alphabet and padding.
    ///
    /// # Errors
    ///
    /// If the text is not such base64, or does not contain [`MasterKey::LEN`] bytes.
    pub fn from_base64(text: &str) -> Result<Self, InvalidMasterKey> {
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| InvalidMasterKey::NotBase64)?);
        let bytes = bytes.as_slice().try_into().map_err(|_| InvalidMasterKey::Length { len: bytes.len() })?;
        Ok(Self::new(bytes))
    }

    /// Returns the shared secret of `channel`, in base64 with padding (Pusher docs, *Encrypted channels*).
    #[must_use]
    pub fn shared_secret(&self, channel: &ChannelName) -> Secret {
        Secret::from(STANDARD.encode(self.key_of(channel).as_slice()))
    }

    /// Encrypts the payload of an event for the subscribers of an encrypted channel. `nonce` is 24 random bytes that are
    /// never used again.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::ChannelName;
    /// use pusher_proto::signing::MasterKey;
    ///
    /// let key = MasterKey::new([7; 32]);
    /// let sealed = key.seal(&ChannelName::new("private-encrypted-chat")?, r#"{"text":"hi"}"#, [1; 24]);
    /// assert!(sealed.raw().starts_with(r#"{"nonce":"#));
    /// # Ok::<(), pusher_proto::InvalidName>(())
    /// ```
    #[cfg(feature = "encryption")]
    #[must_use]
    pub fn seal(&self, channel: &ChannelName, text: &str, nonce: [u8; 24]) -> crate::Data {
        use crypto_secretbox::aead::Aead as _;
        use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};

        let cipher = XSalsa20Poly1305::new((&*self.key_of(channel)).into());
        let ciphertext = cipher.encrypt((&nonce).into(), text.as_bytes()).expect("a vector grows as far as it must");
        let (nonce, ciphertext) = (STANDARD.encode(nonce), STANDARD.encode(ciphertext));
        let json = alloc::format!(r#"{{"nonce":"{nonce}","ciphertext":"{ciphertext}"}}"#);
        crate::Data::from_json(json).expect("base64 needs no escapes")
    }

    /// Needs the feature `encryption`. Without it, a call does not compile, and the compiler says which feature to
    /// enable.
    ///
    /// ```compile_fail,E0277
    /// use pusher_proto::ChannelName;
    /// use pusher_proto::signing::MasterKey;
    ///
    /// let channel = ChannelName::new("private-encrypted-chat").unwrap();
    /// MasterKey::new([7; 32]).seal(&channel, "hi", [1; 24]);
    /// ```
    #[cfg(not(feature = "encryption"))]
    pub fn seal(&self, _channel: &ChannelName, _text: &str, _nonce: [u8; 24]) -> crate::Data
    where
        for<'a> &'a Self: without_encryption::Seals,
    {
        crate::Data::ABSENT
    }

    /// A nonce that differs for each channel, text, second and position in a batch, as in SIV modes. Only someone who
    /// has the key can compute it, and it needs no random numbers. Equal events within one second have equal
    /// ciphertexts, which reveals that they are equal and nothing else.
    #[cfg(feature = "encryption")]
    pub(super) fn derived_nonce(&self, channel: &ChannelName, text: &str, place: usize, now: Duration) -> [u8; 24] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice()).expect("HMAC takes keys of every length");
        // The parts have fixed lengths, or end with a byte that channel names cannot contain.
        mac.update(b"pusher-proto nonce\0");
        mac.update(channel.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(&now.as_secs().to_be_bytes());
        mac.update(&(place as u64).to_be_bytes());
        mac.update(text.as_bytes());
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        *digest.first_chunk().expect("24 is less than 32")
    }

    fn key_of(&self, channel: &ChannelName) -> Zeroizing<[u8; 32]> {
        let mut digest = Sha256::new();
        digest.update(channel.as_str());
        digest.update(self.0.as_slice());
        Zeroizing::new(digest.finalize().into())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Why a text is not a master key.
///
/// # Examples
///
/// ```
/// use pusher_proto::signing::{InvalidMasterKey, MasterKey};
///
/// assert_eq!(MasterKey::from_base64("MTIz").err(), Some(InvalidMasterKey::Length { len: 3 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMasterKey {
    /// The text is not base64 of the standard alphabet with padding.
    #[error("a master key must be base64 with the standard alphabet and padding")]
    NotBase64,
    /// The key has the wrong length.
    #[error("a master key has 32 bytes, not {len}")]
    Length {
        /// Bytes that it has.
        len: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_key() {
        let table = [
            ("", InvalidMasterKey::Length { len: 0 }),
            ("MTIz", InvalidMasterKey::Length { len: 3 }),
            ("zyrm8pvV2C9fJcBfhyXzvxbJVN/H7QLmbe0xJi1GhPU", InvalidMasterKey::NotBase64),
            ("zyrm8pvV2C9fJcBfhyXzvxbJVN_H7QLmbe0xJi1GhPU=", InvalidMasterKey::NotBase64),
        ];
        for (text, error) in table {
            assert_eq!(MasterKey::from_base64(text).unwrap_err(), error, "{text}");
        }
    }
}
