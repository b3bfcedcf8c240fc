//! Publishing events.

use alloc::borrow::Cow;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;

use serde::Serialize;

use super::super::App;
use super::super::strings::check_socket_id;
use super::body::{BatchBody, EventBody};
use super::{ApiCall, Info, InvalidCall, Published, PublishedBatch, check_user_id};
use crate::wire::read::server_to_user;
use crate::{ChannelKind, ChannelName, Data, SocketId};

/// An event to publish. [`App::publish`] and [`App::send_to_user`] create it; [`Publish::sign`] and
/// [`App::publish_batch`] turn it into a call.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
///
/// use pusher_proto::SocketId;
/// use pusher_proto::signing::App;
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let event = app.publish(["chat"], "message", "hello").exclude(&SocketId::new("123.456")?);
/// let call = event.sign(Duration::from_secs(1_700_000_000))?;
/// assert_eq!(call.method, "POST");
/// assert!(call.target.starts_with("/apps/3/events?auth_key=app-key"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is published before the call is signed and sent"]
pub struct Publish<'a> {
    app: &'a App,
    to: To,
    event: String,
    data: Result<String, String>,
    excluded: Option<SocketId>,
    info: Info,
}

#[derive(Clone, Debug)]
enum To {
    Channels(Vec<String>),
    User(String),
}

/// # Publishing
impl App {
    /// Publishes an event on up to 100 channels.
    ///
    /// Like in the official libraries, a string is sent unchanged, and everything else as JSON. Text that is already
    /// JSON is therefore not wrapped again, and a [`Data`] is sent as [`Data::text`] returns it.
    ///
    /// An event for an encrypted channel is encrypted with a key derived from [`App::encryption_master_key`] (feature
    /// `encryption`). Such an event cannot have other channels. The nonce is derived from the master key, the channel,
    /// the second and the data, so no random numbers are needed: it is the same only for the same data on the same
    /// channel in the same second.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::time::Duration;
    ///
    /// use pusher_proto::SocketId;
    /// use pusher_proto::signing::{App, Info};
    ///
    /// let app = App::new("3", "app-key", "app-secret")?;
    /// let now = Duration::from_secs(1_700_000_000);
    /// let call = app
    ///     .publish(["chat", "presence-lobby"], "moved", &[3, 4])
    ///     .exclude(&SocketId::new("1.2")?)
    ///     .info(Info::USER_COUNT)
    ///     .sign(now)?;
    /// assert_eq!(
    ///     call.body,
    ///     r#"{"name":"moved","channels":["chat","presence-lobby"],"data":"[3,4]","socket_id":"1.2","info":"user_count"}"#,
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish<T: Serialize + ?Sized>(
        &self,
        channels: impl IntoIterator<Item = impl AsRef<str>>,
        event: impl AsRef<str>,
        data: &T,
    ) -> Publish<'_> {
        let channels = channels.into_iter().map(|channel| channel.as_ref().to_string()).collect();
        Publish::new(self, To::Channels(channels), event.as_ref(), data)
    }

    /// Sends an event to all connections on which a user is signed in, which receive it as a `UserEvent`.
    ///
    /// Laravel Reverb and laravel-websockets do not support users: they answer with a success, but deliver the event to
    /// no one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use pusher_proto::signing::App;
    /// # let app = App::new("3", "app-key", "app-secret")?;
    /// # let now = Duration::from_secs(1_700_000_000);
    /// let call = app.send_to_user("ann", "notice", "hello").sign(now)?;
    /// assert!(call.body.contains(r##""channels":["#server-to-user-ann"]"##));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_to_user<T: Serialize + ?Sized>(
        &self,
        user_id: impl AsRef<str>,
        event: impl AsRef<str>,
        data: &T,
    ) -> Publish<'_> {
        Publish::new(self, To::User(user_id.as_ref().to_string()), event.as_ref(), data)
    }

    /// Publishes up to ten events in one call, each on one channel. The channels may be encrypted or not.
    ///
    /// # Errors
    ///
    /// If there are no or too many events, if one of them is for several channels, or if [`Publish::sign`] would refuse
    /// one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use pusher_proto::signing::App;
    /// # let app = App::new("3", "app-key", "app-secret")?;
    /// # let now = Duration::from_secs(1_700_000_000);
    /// let events = [app.publish(["a"], "e", "1"), app.publish(["b"], "e", "2")];
    /// let call = app.publish_batch(&events, now)?;
    /// assert_eq!(
    ///     call.body,
    ///     r#"{"batch":[{"name":"e","channel":"a","data":"1"},{"name":"e","channel":"b","data":"2"}]}"#,
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish_batch(&self, events: &[Publish<'_>], now: Duration) -> Result<ApiCall<PublishedBatch>, InvalidCall> {
        match events.len() {
            0 => return Err(InvalidCall::NoEvent),
            len if len > MAX_BATCH_LEN => return Err(InvalidCall::TooManyEvents { len, max: MAX_BATCH_LEN }),
            _ => {}
        }
        let entry = |(place, event): (usize, &Publish<'_>)| {
            let channels = event.channels()?;
            let [channel] = <[String; 1]>::try_from(channels)
                .map_err(|channels| InvalidCall::BatchChannels { len: channels.len() })?;
            let data = event.sent_data(self, core::slice::from_ref(&channel), place, now)?.into_owned();
            Ok::<_, InvalidCall>((channel, data))
        };
        let parts: Vec<_> = events.iter().enumerate().map(entry).collect::<Result<_, _>>()?;
        let batch = events.iter().zip(&parts);
        let batch = batch.map(|(event, (channel, data))| EventBody { channel: Some(channel), ..event.body(data) });
        let body = BatchBody { batch: batch.collect() };
        self.post("/batch_events", body.to_json(), now)
    }
}

impl<'a> Publish<'a> {
    fn new<T: Serialize + ?Sized>(app: &'a App, to: To, event: &str, data: &T) -> Self {
        let data = Data::from_serialize(data).map_err(|error| error.to_string());
        // Servers require the field, so a missing payload is sent as `null`.
        let data = data.map(|data| if data.is_absent() { "null".into() } else { data.text().into_owned() });
        Self { app, to, event: event.into(), data, excluded: None, info: Info::NONE }
    }

    /// Excludes one connection, usually the one that caused the event; the client has to send you its socket id.
    pub fn exclude(mut self, socket_id: &SocketId) -> Self {
        self.excluded = Some(socket_id.clone());
        self
    }

    /// Requests the number of users or subscriptions in the answer, as far as the server counts them.
    pub const fn info(mut self, info: Info) -> Self {
        self.info = info;
        self
    }

    /// Returns the call, signed for the time `now` since the Unix epoch: `SystemTime::UNIX_EPOCH.elapsed()?`.
    ///
    /// # Errors
    ///
    /// If a name, the number of channels or the size of the data is not accepted, or if the event cannot be encrypted
    /// for its channel.
    pub fn sign(&self, now: Duration) -> Result<ApiCall<Published>, InvalidCall> {
        let channels = self.channels()?;
        let data = self.sent_data(self.app, &channels, 0, now)?;
        let body = EventBody { channels: Some(&channels), ..self.body(&data) };
        self.app.post("/events", body.to_json(), now)
    }

    fn body<'b>(&'b self, data: &'b str) -> EventBody<'b> {
        EventBody {
            name: &self.event,
            channels: None,
            channel: None,
            data,
            socket_id: self.excluded.as_ref().map(SocketId::as_str),
            info: self.info.as_list(),
        }
    }

    /// The names as they are sent, checked.
    fn channels(&self) -> Result<Vec<String>, InvalidCall> {
        match self.event.len() {
            1..=MAX_EVENT_NAME_LEN => {}
            len => return Err(InvalidCall::EventName { len }),
        }
        if RESERVED_PREFIXES.iter().any(|prefix| self.event.starts_with(prefix)) {
            return Err(InvalidCall::ReservedEventName);
        }
        if let Some(socket_id) = &self.excluded {
            check_socket_id(socket_id).map_err(|_| InvalidCall::SocketId)?;
        }
        let channels = match &self.to {
            To::User(id) => {
                check_user_id(id)?;
                return Ok([server_to_user(id)].into());
            }
            To::Channels(channels) => channels,
        };
        match channels.len() {
            0 => return Err(InvalidCall::NoChannel),
            len if len > MAX_CHANNELS => return Err(InvalidCall::TooManyChannels { len, max: MAX_CHANNELS }),
            _ => {}
        }
        for name in channels {
            let channel = self.app.checked_channel(name)?;
            if channels.len() > 1 && channel.kind() == ChannelKind::PrivateEncrypted {
                return Err(InvalidCall::EncryptedWithOthers { channel });
            }
        }
        Ok(channels.clone())
    }

    /// The data as it is sent; `place` is the position of the event in its batch.
    fn sent_data(
        &self,
        app: &App,
        channels: &[String],
        place: usize,
        now: Duration,
    ) -> Result<Cow<'_, str>, InvalidCall> {
        let data = self.data.as_deref().map_err(|error| InvalidCall::Data(error.into()))?;
        let channel = channels.first().and_then(|name| ChannelName::new(name).ok());
        let data = match channel.filter(|channel| channel.kind() == ChannelKind::PrivateEncrypted) {
            Some(channel) => Cow::Owned(seal(app, channel, data, place, now)?),
            None => Cow::Borrowed(data),
        };
        let (len, max) = (data.len(), app.max_event_len);
        if len > max { Err(InvalidCall::DataTooLarge { len, max }) } else { Ok(data) }
    }
}

#[cfg(feature = "encryption")]
fn seal(app: &App, channel: ChannelName, data: &str, place: usize, now: Duration) -> Result<String, InvalidCall> {
    let Some(key) = &app.master_key else { return Err(InvalidCall::NoMasterKey { channel }) };
    let nonce = key.derived_nonce(&channel, data, place, now);
    Ok(key.seal(&channel, data, nonce).raw().into())
}

#[cfg(not(feature = "encryption"))]
fn seal(_: &App, channel: ChannelName, _: &str, _: usize, _: Duration) -> Result<String, InvalidCall> {
    Err(InvalidCall::NoEncryption { channel })
}

/// Longest name of an event, in bytes (the official libraries).
const MAX_EVENT_NAME_LEN: usize = 200;

/// Channels that an event may have (Pusher docs, *HTTP API reference, POST event*).
const MAX_CHANNELS: usize = 100;

/// Events in one batch (Pusher docs, *HTTP API reference, POST batch events*).
const MAX_BATCH_LEN: usize = 10;

/// Prefixes of the protocol's own event names. On encrypted channels, clients do not decrypt such events.
const RESERVED_PREFIXES: [&str; 2] = ["pusher:", "pusher_internal:"];
