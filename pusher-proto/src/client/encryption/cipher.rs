//! Decrypts the payloads of encrypted channels: NaCl secretbox, which is XSalsa20 with Poly1305 (Pusher docs,
//! *Encrypted channels*).

use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use crypto_secretbox::aead::Aead;
use crypto_secretbox::{KeyInit, Nonce, XSalsa20Poly1305};
use zeroize::Zeroizing;

use crate::wire::read;
use crate::{Data, DecryptionError};

/// The key of one channel, wiped on drop.
#[derive(PartialEq, Eq)]
pub(crate) struct Key(Zeroizing<[u8; KEY_LEN]>);

impl Key {
    /// Whether this build can open anything.
    pub(crate) const IS_AVAILABLE: bool = true;

    /// Reads a `shared_secret`; `None` if it is not 32 bytes in base64.
    pub(crate) fn from_base64(secret: &str) -> Option<Self> {
        let bytes = Zeroizing::new(decode(secret)?);
        Some(Self(Zeroizing::new(*bytes.first_chunk().filter(|_| bytes.len() == KEY_LEN)?)))
    }

    /// Returns the plaintext, or `None` if it was sealed with another key or has been changed since.
    fn open(&self, sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
        let cipher = XSalsa20Poly1305::new((&*self.0).into());
        let nonce: &Nonce = (&sealed.nonce).into();
        cipher.decrypt(nonce, sealed.ciphertext.as_slice()).ok().map(Zeroizing::new)
    }
}

/// Opens a payload with the first key that fits.
pub(crate) fn open<'k>(data: &Data, keys: impl IntoIterator<Item = &'k Key>) -> Result<String, DecryptionError> {
    let sealed = Sealed::read(data)?;
    let plaintext = keys.into_iter().find_map(|key| key.open(&sealed)).ok_or(DecryptionError::WrongKey)?;
    match core::str::from_utf8(&plaintext) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err(DecryptionError::NotUtf8),
    }
}

/// A payload that has the right form.
struct Sealed {
    nonce: [u8; NONCE_LEN],
    ciphertext: Vec<u8>,
}

impl Sealed {
    fn read(data: &Data) -> Result<Self, DecryptionError> {
        let (nonce, ciphertext) = read::sealed(data).ok_or(DecryptionError::NotEncrypted)?;
        let nonce = decode(&nonce).ok_or(DecryptionError::InvalidBase64)?;
        let ciphertext = decode(&ciphertext).ok_or(DecryptionError::InvalidBase64)?;
        let nonce = nonce.try_into().map_err(|nonce: Vec<u8>| DecryptionError::NonceLen { len: nonce.len() })?;
        if ciphertext.len() < TAG_LEN {
            return Err(DecryptionError::CiphertextLen { len: ciphertext.len() });
        }
        Ok(Self { nonce, ciphertext })
    }
}

/// Reads base64 in the standard and in the URL-safe alphabet, padded or not.
fn decode(text: &str) -> Option<Vec<u8>> {
    let to_standard = |byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    };
    let standard: Zeroizing<Vec<u8>> = Zeroizing::new(text.bytes().map(to_standard).collect());
    ENGINE.decode(&*standard).ok()
}

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Lengths in bytes (NaCl, `crypto_secretbox`).
const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use alloc::format;

    use base64::engine::general_purpose::STANDARD as STANDARD_BASE64;

    use super::*;

    fn data(nonce: &str, ciphertext: &str) -> Data {
        Data::from_json(format!(r#"{{"nonce":"{nonce}","ciphertext":"{ciphertext}"}}"#)).unwrap()
    }

    fn open_with(key: &str, nonce: &str, ciphertext: &str) -> Result<String, DecryptionError> {
        open(&data(nonce, ciphertext), [&Key::from_base64(key).unwrap()])
    }

    #[test]
    fn opens_what_other_clients_open() {
        let hello = r#"{"message":"hello world"}"#;
        let table = [
            (
                KEY_A,
                "xsbOS0KylAV2ziTDHrP/7rSFqpCOah3p",
                "tvttPE2PRQp0bWDmaPyiEU8YJGztmTvTN77OoPwftTNTdDgJXwxHQPE=",
                hello,
            ),
            (KEY_B, NONCE_B, CIPHERTEXT_B, hello),
            (KEY_C, NONCE_C, CIPHERTEXT_C, r#"{"name":"freddy","message":"hello"}"#),
            (
                "SXQgTXVzdCBCZSBUaGlydHkgVHdvIENoYXJhY3RlcnM=",
                "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh",
                "2wM1YT9exdvm6Nb0nx6zWBQpwRXhlxKiLQMHGbf3H2VEmw==",
                r#"{"test":"payload"}"#,
            ),
            (
                "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=",
                "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh",
                "apL0qZR9te81NiHa/vGNcba/Nu4+759ecPfk5J5CnNwE7g==",
                r#"{"test":"payload"}"#,
            ),
        ];
        for (key, nonce, ciphertext, plaintext) in table {
            assert_eq!(open_with(key, nonce, ciphertext), Ok(plaintext.into()), "{ciphertext}");
        }
        for (nonce, ciphertext) in EMPTY_MESSAGES {
            assert_eq!(open_with(KEY_D, nonce, ciphertext), Ok(r#"{"message":""}"#.into()), "{ciphertext}");
        }
    }

    #[test]
    fn opens_an_empty_payload() {
        let key = Key::from_base64(KEY_A).unwrap();
        let nonce = [b'n'; NONCE_LEN];
        let ciphertext = XSalsa20Poly1305::new((&*key.0).into()).encrypt((&nonce).into(), b"".as_slice()).unwrap();
        assert_eq!(ciphertext.len(), TAG_LEN);
        let data = data(&STANDARD_BASE64.encode(nonce), &STANDARD_BASE64.encode(ciphertext));
        assert_eq!(open(&data, [&key]), Ok(String::new()));
    }

    #[test]
    fn refuses_what_other_clients_refuse() {
        let zeros = "0".repeat(68);
        let table = [
            (KEY_A, "xsbOS0KylAV2ziTDHrP/7rSFqpCOah3p", "APttPE2PRQp0bWDmaPyiEU8YJGztmTvTN77OoPwftTNTdDgJXwxHQPE="),
            ("iBvNoPVYwByqSfg6anjPpEQ2j051b3rt1Vmnb+z5do0=", NONCE_B, CIPHERTEXT_B),
            (
                KEY_C,
                "7w2hU5r5VMj3PGXXepgP6E/KgPob5o6t",
                "FX0lJZu33f0dWPb89816ngn0l9NfJC5mFny6EQF6z25K+Ly5LFS9hP7XAC6s5pUoZqGXzC03FA==",
            ),
            (KEY_C, "00000000000000000000000000000000", CIPHERTEXT_C),
            (KEY_C, NONCE_C, &zeros),
        ];
        for (key, nonce, ciphertext) in table {
            assert_eq!(open_with(key, nonce, ciphertext), Err(DecryptionError::WrongKey), "{ciphertext}");
        }
    }

    #[test]
    fn tells_what_is_wrong_with_the_form() {
        let table = [
            (Data::ABSENT, DecryptionError::NotEncrypted),
            (Data::string("plain"), DecryptionError::NotEncrypted),
            (Data::from_json(r#"{"nonce":1,"ciphertext":""}"#).unwrap(), DecryptionError::NotEncrypted),
            (data("!!", CIPHERTEXT_B), DecryptionError::InvalidBase64),
            (data(NONCE_B, "A"), DecryptionError::InvalidBase64),
            (data("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=", CIPHERTEXT_B), DecryptionError::NonceLen { len: 23 }),
            (data("", CIPHERTEXT_B), DecryptionError::NonceLen { len: 0 }),
            (data(NONCE_B, "YWFhYWFhYWFhYWFhYWFh"), DecryptionError::CiphertextLen { len: 15 }),
        ];
        let key = Key::from_base64(KEY_B).unwrap();
        for (data, error) in table {
            assert_eq!(open(&data, [&key]), Err(error), "{data:?}");
        }
    }

    #[cfg(feature = "signing")]
    #[test]
    fn opens_what_the_master_key_seals_for_this_channel_only() {
        use crate::ChannelName;
        use crate::signing::MasterKey;

        let master = MasterKey::new([7; 32]);
        let [a, b] = ["private-encrypted-a", "private-encrypted-b"].map(|name| ChannelName::new(name).unwrap());
        let sealed = master.seal(&a, "hi", [1; 24]);
        let key = |channel| Key::from_base64(master.shared_secret(channel).expose()).unwrap();
        assert_eq!(open(&sealed, [&key(&a)]), Ok("hi".into()));
        assert_eq!(open(&sealed, [&key(&b)]), Err(DecryptionError::WrongKey));
    }

    #[test]
    fn a_key_has_32_bytes_in_either_alphabet() {
        assert!(Key::from_base64(&"0".repeat(44)).is_none(), "33 bytes");
        assert!(Key::from_base64("c2VjcmV0").is_none());
        assert!(Key::from_base64("").is_none());
        assert!(Key::from_base64("nonsense!").is_none());
        let url_safe = KEY_A.replace('/', "_").replace('+', "-");
        assert!(Key::from_base64(url_safe.trim_end_matches('=')).is_some());
    }

    const KEY_A: &str = "6071zp2l/GPnDPDXNWTJDHyIZ8pZMvQrYsa4xuTKK2c=";
    const KEY_B: &str = "iBvNoPVYwByqSfg6anjPpEQ2j051b3rt1Vmnb+z5doo=";
    const NONCE_B: &str = "4sVYwy4j/8dCcjyxtPCWyk19GaaViaW9";
    const CIPHERTEXT_B: &str = "/GMESnFGlbNn01BuBjp31XYa3i9vZsGKR8fgR9EDhXKx3lzGiUD501A=";
    const KEY_C: &str = "EOWC/ked3NtBDvEs9gFwk7x4oZEbH9I0Lz2qkopBxxs=";
    const NONCE_C: &str = "Ew2lLeGzSefk8fyVPbwL1yV+8HMyIBrm";
    const CIPHERTEXT_C: &str = "ig9HfL7OKJ9TL97WFRG0xpuk9w0DXUJhLQlQbGf+ID9S3h15vb/fgDfsnsGxQNQDxw+i";
    const KEY_D: &str = "dwXDg1sGnypM44uPh5Rts/JIP2Y7XkHR5lB/o3rBlVs=";
    const EMPTY_MESSAGES: [(&str, &str); 9] = [
        ("p8v9RQR5r6o3G7e2KRgteRi5P90ajKVz", "glAlout7BU/REO+kzS+Ixa6uTnV1v0ZdPdRyV4hn"),
        ("ZwJVq1LuvUSL5F2EH7RN8P9BcrkxHJS2", "lbjgrLGKFQJWjaCoTwDV9NxcxSiQ42KdvmPEkN7y"),
        ("F7ZhEsQLeo/H60T+eghMYdgulNI7iq78", "qFpG2oVtc2hJR99wOZeIjdxaZQUJaSxnS631G521"),
        ("jU9ShtYe8fz/lOUWnxw7hlb+W5cA6neA", "Qi8vqaCBoq0iDXhbOFBBSLO6jLsQlfZ1rJP6W8iZ"),
        ("yGJN1Q03seO6CS8QHRxDLVvetp0hmyCB", "QZMiHsoEBGN6GtQQduAMTAdPrspQeLPieCa4+fsH"),
        ("Xi+1aPjEBOTsPATGiEtKnS1YTosvXQQu", "BHB7z1oJ51+y790myI6U8Iqtu6BK5CGAw0B6RiNA"),
        ("mGi+Rj860MfSGFGbYBwjJfK/kdajUFfg", "8oh6WxNppFXRQRxE6YHTmipWR6AOlmZe1oIXjQyY"),
        ("YrIvOUf/n6GELtC9GxkccEJsZWdfDXu6", "tfVzEAF0pw7taOmPFWGqfxMHZAYegFr3NHeHQvR3"),
        ("nRZmojqKgQaPN4KSiIgBfIIk7tU3TuDV", "+lMeOemGsySbPaBuD2G07gZmofHc1XCfaX/NV4Y6"),
    ];
}
