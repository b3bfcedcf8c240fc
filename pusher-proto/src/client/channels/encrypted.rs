//! Encrypted channels: events that need a key, and newer keys.

use super::{Channels, Entry};
use crate::client::encryption::{Key, Opened, Room, Vault};
use crate::client::outbox::Outbox;
use crate::event::{ChannelEvent, Diagnostic, Event};
use crate::excerpt::excerpt;
use crate::wire::envelope::Envelope;
use crate::{
    AuthError, AuthId, AuthPurpose, AuthRequest, AuthResponse, AuthSubject, ChannelName, DecryptionError, Instant,
};

impl Channels {
    /// An event of an encrypted channel. Neither ciphertext nor anything that was never encrypted gets through. Returns
    /// whether it was taken for the application.
    pub(super) fn handle_encrypted(
        &mut self,
        channel: &ChannelName,
        envelope: Envelope,
        now: Instant,
        outbox: &mut Outbox,
    ) -> bool {
        let Some(entry) = self.table.get_mut(channel) else { return false };
        // Names that begin with `pusher:` are the server's, and nothing of theirs is encrypted. The application must not
        // take one for an event that was.
        if envelope.event().starts_with("pusher:") {
            let (channel, event) = (channel.clone(), excerpt(envelope.event(), ChannelName::MAX_LEN).into());
            outbox.offer(Event::Diagnostic(Diagnostic::NotEncrypted { channel, event }));
            return false;
        }
        let Some(vault) = &mut entry.vault else {
            deliver(entry, channel, Opened::Failed(envelope, DecryptionError::WrongKey), outbox);
            return true;
        };
        let before = vault.held_bytes();
        let room = Room {
            // All of them are emitted at once when the key comes.
            events: self.options.held_encrypted_events.min(self.options.max_pending_events),
            bytes: MAX_HELD_BYTES.min(MAX_ALL_HELD_BYTES - (self.held_bytes - before)),
        };
        let opened = vault.receive(envelope, room, now);
        self.held_bytes = self.held_bytes - before + vault.held_bytes();
        if matches!(opened, Opened::Held { ask: true, .. }) {
            self.to_refresh.push_back(channel.clone());
        }
        deliver(entry, channel, opened, outbox);
        true
    }

    /// The answer to a request for a newer key.
    pub(super) fn handle_key(
        &mut self,
        channel: &ChannelName,
        answer: Result<AuthResponse, AuthError>,
        outbox: &mut Outbox,
    ) {
        let Some(entry) = self.table.get_mut(channel) else { return };
        let Some(mut vault) = entry.vault.take() else { return };
        self.held_bytes -= vault.held_bytes();
        match answer.and_then(|auth| key(&auth)) {
            Ok(key) => vault.rotate(key).for_each(|opened| deliver(entry, channel, opened, outbox)),
            Err(error) => {
                let error = DecryptionError::KeyRefresh(error);
                vault.give_up(error).for_each(|opened| deliver(entry, channel, opened, outbox));
            }
        }
        entry.vault = Some(vault);
    }

    /// The next request for a newer key.
    pub(super) fn poll_refresh(&mut self, now: Instant) -> Option<AuthRequest> {
        let channel = self.to_refresh.pop_front()?;
        let socket_id = self.socket_id.clone()?;
        let id = self.next_auth();
        self.table.get_mut(&channel)?.vault.as_mut()?.ask(id);
        self.refreshing.insert(id, (channel.clone(), now + self.options.auth_timeout));
        Some(AuthRequest { id, subject: AuthSubject::Channel(channel), socket_id, purpose: AuthPurpose::KeyRefresh })
    }

    pub(super) fn handle_refresh_timeout(&mut self, now: Instant, outbox: &mut Outbox) {
        while let Some(first) = self.refreshing.first_entry().filter(|first| first.get().1 <= now) {
            let (id, (channel, _)) = first.remove_entry();
            outbox.cancel_auth(id);
            self.handle_key(&channel, Err(AuthError::Timeout), outbox);
        }
    }

    /// Nobody needs a newer key of this channel any more, nor what waits for it.
    pub(super) fn cancel_refresh(&mut self, channel: &ChannelName, outbox: &mut Outbox) {
        let Some(entry) = self.table.get_mut(channel) else { return };
        let Some(vault) = &mut entry.vault else { return };
        self.held_bytes -= vault.held_bytes();
        let (asked, lost) = vault.stop_waiting();
        if let Some(id) = asked {
            self.refreshing.remove(&id);
            outbox.cancel_auth(id);
        } else {
            self.to_refresh.retain(|waiting| waiting != channel);
        }
        if entry.wanted && lost > 0 {
            outbox.lag(lost as u64);
        }
    }

    pub(crate) fn next_auth(&mut self) -> AuthId {
        self.last_auth += 1;
        AuthId(self.last_auth)
    }
}

impl Entry {
    /// Takes the key that an authorization brings.
    pub(super) fn take_key(&mut self, auth: &AuthResponse) -> Result<(), AuthError> {
        self.vault = Some(Vault::new(key(auth)?).into());
        Ok(())
    }
}

fn key(auth: &AuthResponse) -> Result<Key, AuthError> {
    let secret = auth.shared_secret.as_ref().ok_or(AuthError::MissingField("shared_secret"))?;
    Key::from_base64(secret.expose()).ok_or(AuthError::BadSecret)
}

fn deliver(entry: &mut Entry, channel: &ChannelName, opened: Opened, outbox: &mut Outbox) {
    let (envelope, error) = match opened {
        Opened::Event(envelope) => {
            entry.close_gap(channel, outbox);
            return outbox.offer(Event::Channel(ChannelEvent::new(channel.clone(), envelope)));
        }
        Opened::Held { dropped, .. } => {
            for envelope in dropped {
                deliver(entry, channel, Opened::Failed(envelope, DecryptionError::Overflow), outbox);
            }
            return;
        }
        Opened::Failed(envelope, error) => (envelope, error),
    };
    entry.close_gap(channel, outbox);
    let (channel, event) = (channel.clone(), envelope.event().into());
    outbox.offer(Event::DecryptionError { channel, event, error });
}

/// The bytes of the events of one channel that wait for a newer key, and of all channels together: a server can make all of
/// them wait at once.
const MAX_HELD_BYTES: usize = 16 * 1_024 * 1_024;
const MAX_ALL_HELD_BYTES: usize = 64 * 1_024 * 1_024;
