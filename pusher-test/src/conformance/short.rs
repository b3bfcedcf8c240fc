//! Values in messages.

use std::fmt;

/// A value as `Debug` writes it, cut if it is long: payloads may have megabytes.
pub(super) struct Short<T>(pub(super) T);

impl<T: fmt::Debug> fmt::Display for Short<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:?}", self.0);
        match text.char_indices().nth(MOST) {
            Some((end, _)) => write!(f, "{}… ({} bytes)", &text[..end], text.len()),
            None => f.write_str(&text),
        }
    }
}

/// The most characters of a value that a message has.
const MOST: usize = 400;

#[cfg(test)]
mod tests {
    use super::{MOST, Short};

    #[test]
    fn long_values_are_cut_between_characters() {
        assert_eq!(Short("short").to_string(), r#""short""#);
        let text = Short("é".repeat(1_000_000)).to_string();
        assert_eq!(text, format!("\"{}… (2000002 bytes)", "é".repeat(MOST - 1)));
    }
}
