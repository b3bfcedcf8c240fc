//! Close frames and the codes in them.

use bytestring::ByteString;

use crate::error::Violation;

/// The content of a close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The status code (RFC 6455, section 7.4).
    pub code: u16,
    /// The reason as text; often empty.
    pub reason: ByteString,
}

impl CloseFrame {
    /// Reads the payload of a close frame. `None` if it has no code.
    pub(crate) fn read(payload: &[u8]) -> Result<Option<Self>, Violation> {
        let (code, reason) = match payload {
            [] => return Ok(None),
            [_] => return Err(Violation::CloseLength),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        if !may_be_sent(code) {
            return Err(Violation::CloseCode(code));
        }
        let reason = ByteString::try_from(reason).map_err(|_| Violation::Utf8)?;
        Ok(Some(Self { code, reason }))
    }
}

/// Whether a code is allowed in a close frame (RFC 6455, section 7.4, and the registry that it creates).
pub(crate) const fn may_be_sent(code: u16) -> bool {
    // 1004 has no meaning yet; 1005, 1006 and 1015 mean that there was no frame with a code.
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The longest prefix of a reason that fits into a close frame.
pub(crate) fn fitting(reason: &str) -> &str {
    let mut end = reason.len().min(MAX_REASON_LEN);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

/// A control frame has at most 125 bytes, two of which are the code (RFC 6455, section 5.5).
const MAX_REASON_LEN: usize = 123;
