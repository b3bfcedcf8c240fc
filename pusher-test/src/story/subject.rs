//! What a story is about.

use pusher_proto::signing::MasterKey;
use pusher_proto::{ChannelKind, ChannelName};

use crate::Choices;
use crate::generate::{self, CHANNELS, MASTER_KEY, channel};

/// The channels and events of an application, for stories about it. What is not given is that of all stories: six channels,
/// and events with random names and payloads.
///
/// # Examples
///
/// ```
/// use pusher_test::Choices;
/// use pusher_test::pusher_proto::Event;
/// use pusher_test::story::{Story, Subject};
///
/// let subject = Subject::new().channel("private-orders".parse()?).event("created", [r#"{"id":1}"#, r#"{"id":2}"#]);
/// let mut events = Vec::new();
/// for seed in 0..20 {
///     Story::about(&subject, &mut Choices::from_seed(seed)).play(|_client, heard| {
///         events.extend(heard.iter().filter_map(|event| match event {
///             Event::Channel(event) => Some((event.channel().to_string(), event.event().to_string())),
///             _ => None,
///         }));
///     })?;
/// }
/// assert!(!events.is_empty());
/// assert!(events.iter().all(|event| *event == ("private-orders".to_string(), "created".to_string())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    channels: Vec<ChannelName>,
    /// Names, each with one payload.
    events: Vec<(String, String)>,
}

impl Subject {
    /// Returns the subject of all stories.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::story::Subject;
    ///
    /// assert_eq!(Subject::new(), Subject::default());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { channels: Vec::new(), events: Vec::new() }
    }

    /// Adds a channel. Only the added ones are used, in equal parts.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::story::Subject;
    ///
    /// let subject = Subject::new().channel("presence-room".parse()?).channel("private-orders".parse()?);
    /// # Ok::<(), pusher_proto::InvalidName>(())
    /// ```
    #[must_use]
    pub fn channel(mut self, name: ChannelName) -> Self {
        self.channels.push(name);
        self
    }

    /// Adds a kind of event with some payloads, which are usually JSON. Only the added ones are published, each payload in equal
    /// parts, on encrypted channels encrypted.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::story::Subject;
    ///
    /// let subject = Subject::new().event("created", [r#"{"id":1}"#, r#"{"id":2}"#]).event("cancelled", [r#"{"id":1}"#, "?"]);
    /// ```
    #[must_use]
    pub fn event(mut self, name: &str, payloads: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.events.extend(payloads.into_iter().map(|payload| (name.to_owned(), payload.into())));
        self
    }

    /// The names of all channels.
    pub(crate) fn names(&self) -> Vec<ChannelName> {
        if self.channels.is_empty() { CHANNELS.map(channel).into() } else { self.channels.clone() }
    }

    /// Whether it has channels of its own.
    pub(crate) fn is_about_channels(&self) -> bool {
        !self.channels.is_empty()
    }

    pub(crate) fn pick_channel(&self, choices: &mut Choices) -> ChannelName {
        if self.channels.is_empty() {
            channel(choices.pick::<&str>(&CHANNELS))
        } else {
            choices.pick(&self.channels).clone()
        }
    }

    /// Draws the name and the data of an event on this channel.
    pub(crate) fn pick_event(&self, channel: &ChannelName, choices: &mut Choices) -> (String, String) {
        if self.events.is_empty() {
            return (generate::event_name(choices), generate::json(choices));
        }
        let (name, payload) = choices.pick(&self.events).clone();
        if channel.kind() != ChannelKind::PrivateEncrypted {
            return (name, payload);
        }
        let nonce = std::array::from_fn(|_| u8::try_from(choices.below(256)).unwrap_or_default());
        let sealed = MasterKey::new(MASTER_KEY).seal(channel, &payload, nonce);
        (name, sealed.text().into_owned())
    }
}
