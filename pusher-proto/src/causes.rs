//! An error with its causes, as one line.

use core::error::Error;
use core::fmt;

/// Displays an error and its causes in one line, as `not subscribed: the server refused the subscription: …`.
///
/// The `Display` of an error does not repeat what its [`source`](Error::source) says, so that programs which print the chain print
/// everything once: `anyhow` with `{:#}` does, and so does this function for those who have no such library.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ServerError, SubscriptionError, with_causes};
///
/// let error = SubscriptionError::Refused(ServerError::new(4100, "over capacity"));
/// assert_eq!(error.to_string(), "the server refused the subscription");
/// assert_eq!(with_causes(&error).to_string(), "the server refused the subscription: over capacity (code 4100)");
/// ```
pub fn with_causes(error: &dyn Error) -> WithCauses<'_> {
    WithCauses(error)
}

/// What [`with_causes`] returns: `Display` writes the error and its causes with `: ` between them.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ConnectionError, FailReason, with_causes};
///
/// let error = FailReason::GaveUp { attempts: 3, last: Box::new(ConnectionError::PongTimeout) };
/// let line = format!("offline: {}", with_causes(&error));
/// assert_eq!(line, "offline: gave up after 3 failed attempts: the server did not answer a ping");
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct WithCauses<'a>(&'a dyn Error);

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
