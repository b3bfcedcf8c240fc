//! UTF-8 text that is shared, not copied.

use alloc::string::String;
use core::borrow::Borrow;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::{Deref, Range};
use core::str::Utf8Error;

use bytes::Bytes;
use bytestring::ByteString;

/// Immutable UTF-8 text over a shared buffer: cloning and slicing copy nothing.
///
/// # Examples
///
/// ```
/// use pusher_proto::Text;
///
/// let frame = Text::from(r#"{"event":"pusher:ping"}"#);
/// assert_eq!(frame.slice(10..21), "pusher:ping");
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(ByteString);

impl Text {
    /// Wraps a string that lives as long as the program.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }

    /// Wraps a buffer without copying it.
    ///
    /// # Errors
    ///
    /// If the bytes are not UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, Utf8Error> {
        ByteString::try_from(bytes).map(Self)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a part of the text that shares this buffer.
    ///
    /// # Panics
    ///
    /// If a bound is outside of the text or inside a character.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        Self(self.0.slice_ref(&self.as_str()[range]))
    }

    /// Returns the same text in its own buffer, so that the shared one can be freed.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self::from(self.as_str())
    }

    /// Returns the shared buffer.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Hashes like `str`, as [`Borrow`] requires.
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(ByteString::from(text))
    }
}

/// Wraps a buffer that is known to be UTF-8, without a copy and without another look at it.
impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<ByteString> for Text {
    fn from(text: ByteString) -> Self {
        Self(text)
    }
}

impl From<Text> for ByteString {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        // Without the string's unused capacity: a text may be kept for a long time.
        Self(ByteString::from(text.into_boxed_str().into_string()))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_a_buffer_and_gives_it_back() {
        let bytes = Bytes::from_static("hé".as_bytes());
        let text = Text::from_utf8(bytes.clone()).unwrap();
        assert!(text == "hé" && text == *"hé" && text != "h" && text != *"he");
        assert_eq!((AsRef::<str>::as_ref(&text), text.clone().into_bytes()), ("hé", bytes));
        assert!(Text::from_utf8(Bytes::from_static(b"\xff")).is_err());
    }
}
