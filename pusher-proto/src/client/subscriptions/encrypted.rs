//! Encrypted channels: events that need a key, and newer keys.

use super::{Entry, Subscriptions};
use crate::client::cipher::Key;
use crate::client::event::Event;
use crate::client::outbox::Outbox;
use crate::client::vault::{Opened, Vault};
use crate::wire::envelope::Envelope;
use crate::{
    AuthError, AuthId, AuthPurpose, AuthRequest, AuthResponse, AuthSubject, ChannelName, DecryptionError, Instant,
};

impl Subscriptions {
    /// An event of an encrypted channel. Neither ciphertext nor anything that was never encrypted gets through.
    pub(super) fn handle_encrypted(
        &mut self,
        channel: &ChannelName,
        envelope: Envelope,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        // All of them are told at once when the key comes.
        let max_held = self.options.held_encrypted_events.min(self.options.max_pending_events);
        let Some(entry) = self.table.get_mut(channel) else { return };
        let Some(vault) = &mut entry.vault else {
            return deliver(entry, channel, Opened::Failed(envelope, DecryptionError::WrongKey), outbox);
        };
        let opened = vault.receive(envelope, max_held, now);
        if matches!(opened, Opened::Held { ask: true, .. }) {
            self.to_refresh.push_back(channel.clone());
        }
        deliver(entry, channel, opened, outbox);
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
        match answer.and_then(|auth| key(&auth)) {
            Ok(key) => vault.rotate(key).for_each(|opened| deliver(entry, channel, opened, outbox)),
            Err(error) => {
                let error = DecryptionError::KeyRefresh(error);
                vault.give_up(error).for_each(|opened| deliver(entry, channel, opened, outbox));
            }
        }
        entry.vault = Some(vault);
    }

    /// The next request for a newer key. It waits for no window: events wait for it.
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
        let (asked, lost) = vault.stop_waiting();
        if let Some(id) = asked {
            self.refreshing.remove(&id);
            outbox.cancel_auth(id);
        } else if lost > 0 {
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
            return outbox.offer(Event::Channel(envelope.into_channel_event(channel.clone())));
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
