//! Strategies for [`proptest`]: names, payloads, frames, and whole stories.
//!
//! ```
//! use proptest::prelude::*;
//! use pusher_test::strategy;
//!
//! proptest!(|(story in strategy::stories())| {
//!     story.play(|client, _| assert!(client.channels().count() < 100))?;
//! });
//! ```
//!
//! Values become simpler when proptest shrinks them: names get shorter, stories lose steps, and what remains of a step becomes a
//! more usual one. [The guide](crate::guide::property_tests) has a complete example.

use std::fmt::Debug;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use pusher_proto::server::Dialect;
use pusher_proto::{ChannelName, ClientEventName, CloseReason};

use crate::Choices;
use crate::generate::{self, Envelope};
use crate::story::{self, Story, Subject};
use crate::transcript::{Answer, Call, Line};

/// A strategy that draws from up to `most` bytes.
fn drawn<T: Debug>(most: usize, draw: impl Fn(&mut Choices) -> T) -> impl Strategy<Value = T> {
    vec(any::<u8>(), 0..=most).prop_map(move |bytes| draw(&mut Choices::from_bytes(bytes)))
}

/// Valid names of channels of every kind; see [`generate::channel_name`].
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
///
/// proptest!(|(name in pusher_test::strategy::channel_names())| {
///     prop_assert!(name.as_str().len() <= pusher_proto::ChannelName::MAX_LEN);
/// });
/// ```
pub fn channel_names() -> impl Strategy<Value = ChannelName> {
    drawn(SHORT, generate::channel_name)
}

/// Names of channels that hosted Pusher accepts as well; see [`generate::portable_channel_name`].
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
///
/// proptest!(|(name in pusher_test::strategy::portable_channel_names())| prop_assert!(name.is_portable()));
/// ```
pub fn portable_channel_names() -> impl Strategy<Value = ChannelName> {
    drawn(SHORT, generate::portable_channel_name)
}

/// Texts that are not the name of a channel; see [`generate::invalid_channel_name`].
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
/// use pusher_proto::ChannelName;
///
/// proptest!(|(name in pusher_test::strategy::invalid_channel_names())| prop_assert!(ChannelName::new(name).is_err()));
/// ```
pub fn invalid_channel_names() -> impl Strategy<Value = String> {
    drawn(SHORT, generate::invalid_channel_name)
}

/// Names of events of the application; see [`generate::event_name`].
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
///
/// proptest!(|(name in pusher_test::strategy::event_names())| prop_assert!(!name.is_empty()));
/// ```
pub fn event_names() -> impl Strategy<Value = String> {
    drawn(SHORT, generate::event_name)
}

/// Valid names of client events; see [`generate::client_event_name`].
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
///
/// proptest!(|(name in pusher_test::strategy::client_event_names())| prop_assert!(name.as_str().starts_with("client-")));
/// ```
pub fn client_event_names() -> impl Strategy<Value = ClientEventName> {
    drawn(SHORT, generate::client_event_name)
}

/// Texts that are not the name of a client event; see [`generate::invalid_client_event_name`].
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
/// use pusher_proto::ClientEventName;
///
/// proptest!(|(name in pusher_test::strategy::invalid_client_event_names())| {
///     prop_assert!(ClientEventName::new(name).is_err());
/// });
/// ```
pub fn invalid_client_event_names() -> impl Strategy<Value = String> {
    drawn(SHORT, generate::invalid_client_event_name)
}

/// The `user_data` of sign-ins, as JSON; see [`generate::user_data`].
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
///
/// proptest!(|(user in pusher_test::strategy::user_data())| prop_assert!(user.contains("\"id\"")));
/// ```
pub fn user_data() -> impl Strategy<Value = String> {
    drawn(SHORT, generate::user_data)
}

/// The `channel_data` of presence channels, as JSON; see [`generate::channel_data`].
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
///
/// proptest!(|(member in pusher_test::strategy::channel_data())| prop_assert!(member.contains("\"user_id\"")));
/// ```
pub fn channel_data() -> impl Strategy<Value = String> {
    drawn(SHORT, generate::channel_data)
}

/// Payloads as JSON; see [`generate::json`].
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
/// use pusher_proto::Data;
///
/// proptest!(|(json in pusher_test::strategy::json())| prop_assert!(Data::from_json(json).is_ok()));
/// ```
pub fn json() -> impl Strategy<Value = String> {
    drawn(SHORT, generate::json)
}

/// Frames with an event, and the parts that a reader has to find; see [`generate::envelope`].
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
///
/// proptest!(|(envelope in pusher_test::strategy::envelopes())| prop_assert!(envelope.text.contains("\"event\"")));
/// ```
pub fn envelopes() -> impl Strategy<Value = Envelope> {
    drawn(2 * SHORT, generate::envelope)
}

/// The five dialects.
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
///
/// proptest!(|(dialect in pusher_test::strategy::dialects())| prop_assert_eq!(dialect.name().parse(), Ok(dialect)));
/// ```
pub fn dialects() -> impl Strategy<Value = Dialect> {
    drawn(1, generate::dialect)
}

/// Frames as a server of this dialect sends them; see [`generate::frame`].
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
/// use pusher_proto::server::Dialect;
///
/// proptest!(|(frame in pusher_test::strategy::frames(Dialect::Reverb))| prop_assert!(frame.contains("event")));
/// ```
pub fn frames(dialect: Dialect) -> impl Strategy<Value = String> {
    drawn(LONG, move |choices| generate::frame(choices, dialect))
}

/// Everything that a server of this dialect sends on a connection, in order; see [`generate::conversation`].
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
/// use pusher_proto::server::Dialect;
///
/// proptest!(|(frames in pusher_test::strategy::conversations(Dialect::Soketi))| prop_assert!(!frames.is_empty()));
/// ```
pub fn conversations(dialect: Dialect) -> impl Strategy<Value = Vec<String>> {
    drawn(LONG, move |choices| generate::conversation(choices, dialect))
}

/// Frames that no server should send; see [`generate::hostile_frame`].
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
///
/// proptest!(|(frame in pusher_test::strategy::hostile_frames())| prop_assert!(frame.len() < 500_000));
/// ```
pub fn hostile_frames() -> impl Strategy<Value = String> {
    drawn(LONG, generate::hostile_frame)
}

/// What an application may want: calls of `connect`, `disconnect`, `subscribe`, `unsubscribe`, `trigger`, `signin`, `signout`,
/// `switch`, and what the operating system says about the network.
///
/// # Examples
///
/// ```
/// use proptest::collection::vec;
/// use proptest::prelude::*;
/// use pusher_test::strategy::wishes;
/// use pusher_test::story::Story;
/// use pusher_test::transcript::Line;
///
/// proptest!(|(wishes in vec(wishes(), 0..10))| {
///     Story::new(wishes.into_iter().map(Line::call)).play(|_, _| ())?;
/// });
/// ```
pub fn wishes() -> impl Strategy<Value = Call> {
    drawn(SHORT, story::wish)
}

/// Answers of the auth server: permissions, refusals, outages, and nonsense.
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
///
/// proptest!(|(answer in pusher_test::strategy::answers())| prop_assert_eq!(answer.to_string().parse(), Ok(answer)));
/// ```
pub fn answers() -> impl Strategy<Value = Answer> {
    drawn(SHORT, story::answer)
}

/// Ways in which a socket can end.
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
///
/// proptest!(|(reason in pusher_test::strategy::closes())| prop_assert!(!reason.to_string().is_empty()));
/// ```
pub fn closes() -> impl Strategy<Value = CloseReason> {
    drawn(8, story::close)
}

/// Times between two things that happen, from no time to ten minutes. Most are short; some are just long enough for a ping, a
/// retry or a timeout.
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
/// use std::time::Duration;
///
/// proptest!(|(time in pusher_test::strategy::time_steps())| prop_assert!(time <= Duration::from_secs(600)));
/// ```
pub fn time_steps() -> impl Strategy<Value = Duration> {
    drawn(3, story::time)
}

/// Single lines of a story: whatever can happen to a client, at the right time or at the wrong one.
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
/// use pusher_test::transcript::Line;
///
/// proptest!(|(line in pusher_test::strategy::lines())| prop_assert!(line.to_string().parse::<Line>().is_ok()));
/// ```
pub fn lines() -> impl Strategy<Value = Line> {
    drawn(STEP, story::line)
}

/// Stories in which a model server of any dialect keeps to the protocol; see [`Story::legal`]. They stay so when they shrink.
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
///
/// proptest!(|(story in pusher_test::strategy::legal_stories())| story.play(|_, _| ())?);
/// ```
pub fn legal_stories() -> impl Strategy<Value = Story> {
    stories_about(Subject::new())
}

/// Legal stories about the channels and events of an application; see [`Story::about`]. Payloads may come from a strategy too:
/// build the subject in `prop_flat_map`.
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
/// use pusher_test::pusher_proto::Event;
/// use pusher_test::story::Subject;
/// use pusher_test::strategy::stories_about;
///
/// let orders = Subject::new().channel("private-orders".parse()?).event("created", [r#"{"id":1}"#, r#"{"id":2}"#]);
/// proptest!(|(story in stories_about(orders))| story.play(|_client, events| {
///     let created = events.iter().filter(|event| matches!(event, Event::Channel(_)));
///     assert!(created.into_iter().all(|event| event.name() == "created"));
/// })?);
/// # Ok::<(), pusher_proto::InvalidName>(())
/// ```
pub fn stories_about(subject: Subject) -> impl Strategy<Value = Story> {
    let steps = vec(vec(any::<u8>(), 0..=STEP), 0..=story::MAX_STEPS);
    (dialects(), steps).prop_map(move |(dialect, steps)| Story::of_legal_steps(dialect, &subject, steps))
}

/// Stories in which the server, the network and the clock do anything; see [`Story::wild`].
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
///
/// proptest!(|(story in pusher_test::strategy::wild_stories())| story.play(|_, _| ())?);
/// ```
pub fn wild_stories() -> impl Strategy<Value = Story> {
    vec(lines(), 0..=story::MAX_STEPS).prop_map(Story::new)
}

/// Stories of both kinds, in equal numbers.
///
/// # Examples
///
/// ```
/// use proptest::prelude::*;
///
/// proptest!(|(story in pusher_test::strategy::stories())| story.play(|_, _| ())?);
/// ```
pub fn stories() -> impl Strategy<Value = Story> {
    proptest::prop_oneof![legal_stories(), wild_stories()]
}

/// Bytes of a value that has a few parts.
const SHORT: usize = 64;

/// Bytes of an exchange with a server.
const LONG: usize = 256;

/// Bytes of one step of a story.
const STEP: usize = 24;
