//! The same values for crates that use [`arbitrary`], such as fuzz targets.
//!
//! [`Story`], [`Envelope`] and [`Choices`] implement `Arbitrary`. For types of `pusher-proto`, there are functions to be named in
//! `#[arbitrary(with = …)]`:
//!
//! ```
//! use arbitrary::Unstructured;
//! use pusher_test::story::Story;
//!
//! let mut bytes = Unstructured::new(b"what a fuzzer has found");
//! let name = pusher_test::arbitrary::channel_name(&mut bytes)?;
//! let story: Story = bytes.arbitrary()?;
//! # let _ = (name, story);
//! # Ok::<(), arbitrary::Error>(())
//! ```

use ::arbitrary::{Arbitrary, Result, Unstructured};
use pusher_proto::server::Dialect;
use pusher_proto::{ChannelName, ClientEventName};

use crate::Choices;
use crate::generate::{self, Envelope};
use crate::story::Story;

/// Draws from up to `most` of the bytes.
fn drawn<T>(bytes: &mut Unstructured<'_>, most: usize, draw: impl Fn(&mut Choices) -> T) -> Result<T> {
    let taken = bytes.bytes(bytes.len().min(most))?;
    Ok(draw(&mut Choices::from_bytes(taken)))
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident -> $value:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// None: without bytes, it is a simple value.
        ///
        /// # Examples
        ///
        /// ```
        #[doc = concat!("let value = pusher_test::arbitrary::", stringify!($name), "(&mut arbitrary::Unstructured::new(&[7; 9]))?;")]
        /// # drop(value);
        /// # Ok::<(), arbitrary::Error>(())
        /// ```
        pub fn $name(bytes: &mut Unstructured<'_>) -> Result<$value> {
            drawn(bytes, VALUE, generate::$name)
        }
    )*};
}

functions! {
    /// A valid name of a channel; see [`generate::channel_name`].
    channel_name -> ChannelName;
    /// A text that is not the name of a channel; see [`generate::invalid_channel_name`].
    invalid_channel_name -> String;
    /// A name of an event; see [`generate::event_name`].
    event_name -> String;
    /// A valid name of a client event; see [`generate::client_event_name`].
    client_event_name -> ClientEventName;
    /// A text that is not the name of a client event; see [`generate::invalid_client_event_name`].
    invalid_client_event_name -> String;
    /// The `user_data` of a sign-in; see [`generate::user_data`].
    user_data -> String;
    /// The `channel_data` of a presence channel; see [`generate::channel_data`].
    channel_data -> String;
    /// A payload as JSON; see [`generate::json`].
    json -> String;
    /// One of the five dialects.
    dialect -> Dialect;
    /// A frame that no server should send; see [`generate::hostile_frame`].
    hostile_frame -> String;
}

/// A frame as a server of this dialect sends it; see [`generate::frame`].
///
/// # Errors
///
/// None: without bytes, it is a greeting.
///
/// # Examples
///
/// ```
/// use pusher_proto::server::Dialect;
///
/// let frame = pusher_test::arbitrary::frame(&mut arbitrary::Unstructured::new(b""), Dialect::Reverb)?;
/// assert!(frame.contains("pusher:connection_established"));
/// # Ok::<(), arbitrary::Error>(())
/// ```
pub fn frame(bytes: &mut Unstructured<'_>, dialect: Dialect) -> Result<String> {
    drawn(bytes, VALUE, |choices| generate::frame(choices, dialect))
}

impl<'a> Arbitrary<'a> for Story {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        drawn(bytes, STORY, Self::any)
    }

    fn arbitrary_take_rest(bytes: Unstructured<'a>) -> Result<Self> {
        Ok(Self::any(&mut Choices::from_bytes(bytes.take_rest())))
    }
}

impl<'a> Arbitrary<'a> for Envelope {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        drawn(bytes, VALUE, generate::envelope)
    }
}

/// Takes all bytes that are left.
impl<'a> Arbitrary<'a> for Choices {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self::from_bytes(bytes.bytes(bytes.len())?))
    }
}

/// Bytes of one value.
const VALUE: usize = 256;

/// Bytes of a story that is not the last value.
const STORY: usize = 1_024;
