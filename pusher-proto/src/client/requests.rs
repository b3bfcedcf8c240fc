//! What only servers of version 2 do for a channel that is subscribed.

use super::{Client, Entry};
use crate::wire::protocol::Protocol;
use crate::wire::write;
use crate::{ChannelKind, ChannelName, Data, HistoryError, HistoryId, HistoryQuery, TriggerError};

impl Client {
    /// Changes the info of this client's own member of a presence channel. All subscribers get an
    /// [`Event::MemberUpdated`](crate::Event::MemberUpdated), and so does this client.
    ///
    /// The info lasts until the subscription ends: after a lost connection, it is again that of the authorization. Sockudo
    /// 5.2.0 shows those who join later the info of the authorization too.
    ///
    /// # Errors
    ///
    /// If it cannot be changed now: the channel has no members, or the server does not speak version 2 of the protocol
    /// ([`UnsupportedUpdate`](TriggerError::UnsupportedUpdate)); the client is not connected, or the channel not subscribed;
    /// `info` has more than 1,024 bytes of JSON ([`TooLarge`](TriggerError::TooLarge)); too much waits to be sent
    /// ([`QueueFull`](TriggerError::QueueFull)).
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::{ChannelName, Client, Data, TriggerError};
    ///
    /// fn set_busy(client: &mut Client, room: &ChannelName) -> Result<(), TriggerError> {
    ///     let info = Data::from_json(r#"{"name":"Ada","status":"busy"}"#).expect("JSON");
    ///     client.update_presence(room, &info)
    /// }
    /// ```
    pub fn update_presence(&mut self, channel: &ChannelName, info: &Data) -> Result<(), TriggerError> {
        if channel.kind() != ChannelKind::Presence || self.config.options.recovery.is_none() {
            return Err(TriggerError::UnsupportedUpdate);
        }
        match self.connection.protocol() {
            None => return Err(TriggerError::NotConnected),
            Some(Protocol::V1) => return Err(TriggerError::UnsupportedUpdate),
            Some(Protocol::V2) => {}
        }
        if !self.channels.get(channel).map(|(_, entry)| entry).is_some_and(Entry::is_subscribed) {
            return Err(TriggerError::NotSubscribed);
        }
        let len = info.raw().len();
        if len > MAX_INFO_LEN {
            return Err(TriggerError::TooLarge { len, max: MAX_INFO_LEN });
        }
        self.outbox.check_backlog()?;
        self.agenda.is_dirty = true;
        self.outbox.send(write::presence_update(channel, info));
        Ok(())
    }

    /// Asks the server for a page of the messages that it remembers of a subscribed channel. The outcome is an
    /// [`Event::History`](crate::Event::History) with the id that this returns; until then, further requests wait, at most 64.
    ///
    /// Sockudo has history if it is turned on there, on connections of version 2 of the protocol, which need
    /// [`Recovery`](crate::Recovery). A page says nothing about what was missed: it changes no
    /// [position](Self::positions), and its messages may be ones that were emitted as events.
    ///
    /// # Errors
    ///
    /// If it cannot be asked for now: without a connection ([`NotConnected`](HistoryError::NotConnected)), on a
    /// connection of version 1 ([`Unsupported`](HistoryError::Unsupported)), if the channel is not subscribed
    /// ([`NotSubscribed`](HistoryError::NotSubscribed)), or if too many requests wait
    /// ([`QueueFull`](HistoryError::QueueFull)). The other errors are in the event.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::{Action, ChannelName, Client, Event, HistoryError, HistoryQuery, Instant};
    ///
    /// fn last_ten(client: &mut Client, channel: &ChannelName, now: Instant) -> Result<(), HistoryError> {
    ///     let request = client.request_history(channel, HistoryQuery::default().limit(10))?;
    ///     // A driver performs the actions, and passes on what the server sends, until one of them is the outcome.
    ///     while let Some(action) = client.poll_action(now) {
    ///         if let Action::Emit(Event::History { id, result, .. }) = action
    ///             && id == request
    ///         {
    ///             println!("{} messages", result?.items().len());
    ///             break;
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn request_history(&mut self, channel: &ChannelName, query: HistoryQuery) -> Result<HistoryId, HistoryError> {
        match self.connection.protocol() {
            Some(Protocol::V2) => {}
            None if self.config.options.recovery.is_some() => return Err(HistoryError::NotConnected),
            Some(Protocol::V1) | None => return Err(HistoryError::Unsupported),
        }
        if !self.channels.get(channel).is_some_and(|(_, entry)| entry.is_subscribed()) {
            return Err(HistoryError::NotSubscribed);
        }
        self.agenda.is_dirty = true;
        self.history.push(channel.clone(), query)
    }
}

/// Bytes of a member's info (Sockudo 5.2.0).
const MAX_INFO_LEN: usize = 1_024;
