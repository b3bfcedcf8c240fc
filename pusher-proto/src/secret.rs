//! Text that must not be printed.

use alloc::string::String;
use core::fmt;

use zeroize::Zeroizing;

/// A secret text: `Debug` shows `…`, and its memory is wiped on drop.
///
/// Only this copy is wiped. A secret that was written to a frame or an HTTP request leaves copies in their buffers.
///
/// # Examples
///
/// ```
/// use pusher_proto::Secret;
///
/// let token = Secret::from("Bearer 1234");
/// assert_eq!(format!("{token:?}"), "…");
/// assert_eq!(token.expose(), "Bearer 1234");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Returns the secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::from(String::from(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
