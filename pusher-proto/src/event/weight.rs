//! How much memory an event holds while it waits, and how to reduce it.

use alloc::boxed::Box;
use core::error::Error;
use core::fmt::{self, Write};

use super::{ConnectionEvent, ConnectionState, Event, Presence, UserEvent, WatchlistEvent};
use crate::members::{Difference, Members};
use crate::{Text, with_causes};

impl Event {
    /// Returns roughly how many bytes the event holds while it waits. Member lists count in full, although lists of the
    /// same channel may share most of their memory.
    ///
    /// An event whose payload is part of a larger buffer keeps the whole buffer alive: see
    /// [`detached`](Self::detached).
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::{ConnectionEvent, Data, Event};
    ///
    /// let event = Event::Connection(ConnectionEvent::new("hello", Data::from_json("[1,2]")?));
    /// assert_eq!(event.weight(), size_of::<Event>() + 10);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[must_use]
    pub fn weight(&self) -> usize {
        let owned = match self {
            Self::Channel(event) => event.len(),
            other => owned(other),
        };
        size_of::<Self>() + owned
    }

    /// Returns the same event in its own buffers (one allocation for a payload), so that the read buffer that it came
    /// in can be reused.
    #[must_use]
    pub fn detached(self) -> Self {
        match self {
            Self::Channel(event) => Self::Channel(event.detached()),
            Self::Connection(ConnectionEvent { event, data }) => {
                Self::Connection(ConnectionEvent { event, data: data.detached() })
            }
            Self::User(UserEvent { event, data }) => Self::User(UserEvent { event, data: data.detached() }),
            Self::Watchlist(event) => {
                let WatchlistEvent { name, user_ids, data } = *event;
                Self::Watchlist(Box::new(WatchlistEvent { name, user_ids, data: data.detached() }))
            }
            other => other,
        }
    }
}

/// Bytes in addition to the event itself. Channel names are shared with the table of channels and do not count.
fn owned(event: &Event) -> usize {
    match event {
        Event::Channel(event) => event.len(),
        Event::Connection(ConnectionEvent { event, data }) | Event::User(UserEvent { event, data }) => {
            event.len() + data.source().len()
        }
        Event::Watchlist(event) => {
            let WatchlistEvent { name, user_ids, data } = &**event;
            let ids = user_ids.iter().map(|id| size_of::<Text>() + id.len());
            size_of::<WatchlistEvent>() + name.len() + ids.sum::<usize>() + data.source().len()
        }
        Event::MemberAdded { member, .. }
        | Event::MemberRemoved { member, .. }
        | Event::MemberUpdated { member, .. } => member.id.len() + member.info.source().len(),
        Event::SubscriptionSucceeded { presence, .. } => presence.as_ref().map_or(0, lists),
        Event::SignedIn { id, data } => id.len() + data.source().len(),
        Event::StateChanged { previous, current } => state(previous) + state(current),
        Event::ConnectionError(error) => printed(error),
        Event::SubscriptionError { error, .. } => printed(error),
        Event::SigninError { error, .. } => printed(error),
        Event::TokenError { error, .. } => printed(error),
        Event::DecryptionError { event, error, .. } => event.len() + printed(error),
        Event::History { result: Ok(page), .. } => page.weight(),
        Event::History { result: Err(error), .. } => printed(error),
        Event::Diagnostic(diagnostic) => printed(diagnostic),
        Event::Unavailable
        | Event::ContinuityLost { .. }
        | Event::Recovered { .. }
        | Event::RewindComplete { .. }
        | Event::UserContinuityLost { .. }
        | Event::SubscriptionCount { .. }
        | Event::CacheMiss { .. }
        | Event::Lagged { .. } => 0,
    }
}

fn lists(presence: &Presence) -> usize {
    let before = presence.difference.as_ref().map(Difference::before);
    presence.members.weight() + before.map_or(0, Members::weight)
}

fn state(state: &ConnectionState) -> usize {
    match state {
        ConnectionState::Waiting { cause, .. } => printed(&**cause),
        ConnectionState::Connected { socket_id } => socket_id.len(),
        ConnectionState::Failed { reason } => printed(reason),
        ConnectionState::Initialized | ConnectionState::Connecting { .. } | ConnectionState::Disconnected => 0,
    }
}

/// An error holds about as much as it prints: text of the server, the application's server or the operating system.
fn printed(error: &dyn Error) -> usize {
    struct Length(usize);

    impl Write for Length {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }

    let mut length = Length(0);
    // Neither counting nor the errors' own formatting can fail.
    let _ = write!(length, "{}", with_causes(error));
    length.0
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use super::*;
    use crate::{
        AuthError, ChannelName, ConnectionError, Data, DecryptionError, Diagnostic, Member, ServerError, SigninError,
        SocketId, SubscriptionError,
    };

    fn json(json: &str) -> Data {
        Data::from_json(json).unwrap()
    }

    #[test]
    fn an_event_weighs_what_it_holds() {
        let channel = ChannelName::new("presence-c").unwrap();
        let member = Member { id: "seven".into(), info: json("[1,2]") };
        let user_ids = vec!["1".into(), "23".into()];
        let notice = WatchlistEvent { name: "online".into(), user_ids, data: json("{}") };
        let refused = || ServerError { code: Some(4009), message: "no".into() };
        let cause = ConnectionError::Server(refused());
        let events = [
            (Event::MemberAdded { channel: channel.clone(), member: member.clone() }, 10),
            (Event::MemberRemoved { channel: channel.clone(), member: member.clone() }, 10),
            (Event::MemberUpdated { channel: channel.clone(), member }, 10),
            (Event::Connection(ConnectionEvent { event: "hello".into(), data: json("[1,2,3]") }), 12),
            (Event::User(UserEvent { event: "hello".into(), data: json("[1,2,3]") }), 12),
            (Event::Watchlist(Box::new(notice)), size_of::<WatchlistEvent>() + 11 + 2 * size_of::<Text>()),
            (
                Event::DecryptionError {
                    channel: channel.clone(),
                    event: "hello".into(),
                    error: DecryptionError::WrongKey,
                },
                5 + DecryptionError::WrongKey.to_string().len(),
            ),
            (Event::SignedIn { id: "7".into(), data: json(r#"{"id":"7"}"#) }, 11),
            (
                Event::SigninError { error: SigninError::Auth(AuthError::Handler("x".repeat(100))), retry_at: None },
                "the user was not authenticated: authorization failed: ".len() + 100,
            ),
            (Event::ConnectionError(cause.clone()), "the server reported an error: no (code 4009)".len()),
            (
                Event::SubscriptionError {
                    channel: channel.clone(),
                    error: SubscriptionError::Refused(refused()),
                    retry_at: None,
                },
                "the server refused the subscription: no (code 4009)".len(),
            ),
            (
                Event::StateChanged {
                    previous: ConnectionState::Connected { socket_id: SocketId::new("1.1").unwrap() },
                    current: ConnectionState::Waiting {
                        attempt: 1,
                        retry_at: crate::Instant::ZERO,
                        cause: cause.into(),
                    },
                },
                3 + "the server reported an error: no (code 4009)".len(),
            ),
            (
                Event::Diagnostic(Diagnostic::UnknownInternalEvent("x".repeat(50).into())),
                "ignored the unknown internal event ".len() + 50,
            ),
            (Event::CacheMiss { channel }, 0),
        ];
        for (event, owned) in events {
            assert_eq!(event.weight(), size_of::<Event>() + owned, "{event:?}");
        }
    }

    /// Mailboxes hold thousands of events, and each event is moved several times on its way.
    #[test]
    fn an_event_takes_120_bytes_in_addition_to_what_it_holds() {
        assert!(size_of::<Event>() <= 120, "{}", size_of::<Event>());
    }

    #[test]
    fn a_list_of_members_weighs_as_much_as_it_holds_and_so_does_the_one_before() {
        let list = |count: usize| {
            let mut members = Members::new(1);
            for id in 0..count {
                members.insert(&alloc::format!("{id:04}"), "{}");
            }
            members
        };
        let channel = ChannelName::new("presence-c").unwrap();
        let difference = Difference::new(list(100), list(1_000));
        let presence = Some(Presence { members: list(1_000), difference: Some(difference) });
        let event = Event::SubscriptionSucceeded { channel, again: false, presence };
        assert_eq!(event.weight(), size_of::<Event>() + 1_100 * (6 + 24));
    }
}
