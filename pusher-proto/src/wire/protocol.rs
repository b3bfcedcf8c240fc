//! The two protocols that a server may speak on a socket.

use alloc::format;

use crate::Text;

/// The protocol of a socket. The greeting decides it: the names of the protocol's own events begin with `pusher` in
/// version 1, and with `sockudo` in version 2, which only Sockudo speaks.
///
/// Everything behind `wire` uses the names of version 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Protocol {
    #[default]
    V1,
    V2,
}

impl Protocol {
    /// The protocol of a greeting with this name.
    pub(crate) fn of_greeting(event: &str) -> Self {
        if event.starts_with(V2_PREFIX) { Self::V2 } else { Self::V1 }
    }

    /// A message of this client, which `write` has written for version 1, as this protocol has it.
    pub(crate) fn outgoing(self, text: Text) -> Text {
        match (self, text.strip_prefix(V1_START)) {
            (Self::V2, Some(rest)) => format!("{V2_START}{rest}").into(),
            // Client events have no prefix.
            (Self::V1, _) | (Self::V2, None) => text,
        }
    }
}

/// What the names of version 2 begin with, where those of version 1 begin with `pusher`.
pub(super) const V2_PREFIX: &str = "sockudo";

/// How every message of the protocol itself begins, as `write` writes it.
const V1_START: &str = r#"{"event":"pusher:"#;
const V2_START: &str = r#"{"event":"sockudo:"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::write;
    use crate::{ChannelName, ClientEventName, Data};

    #[test]
    fn only_the_prefix_of_messages_differs_between_the_protocols() {
        let channel = ChannelName::new("a\"pusher:b").unwrap();
        let subscribe = write::subscribe(&channel, None);
        assert_eq!(Protocol::V1.outgoing(subscribe.clone()), subscribe);
        let expected = r#"{"event":"sockudo:subscribe","data":{"channel":"a\"pusher:b"}}"#;
        assert_eq!(Protocol::V2.outgoing(subscribe), expected);
        assert_eq!(Protocol::V2.outgoing(write::PING), r#"{"event":"sockudo:ping","data":{}}"#);
        let event = ClientEventName::new("client-x").unwrap();
        let event = write::client_event(&event, &channel, &Data::ABSENT);
        assert_eq!(Protocol::V2.outgoing(event.clone()), event);
    }
}
