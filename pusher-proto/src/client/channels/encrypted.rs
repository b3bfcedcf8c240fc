//! Encrypted channels: events that need a key, and newer keys.

use super::{Channels, Entry};
use crate::client::authorizations::{Authorizations, Job, Outcome};
use crate::client::encryption::{Key, Opened, Vault};
use crate::client::outbox::{MAX_HELD_BYTES, Outbox};
use crate::client::room::Room;
use crate::event::{ChannelEvent, Diagnostic, Event};
use crate::excerpt::excerpt;
use crate::wire::envelope::Envelope;
use crate::wire::names;
use crate::{AuthError, AuthResponse, ChannelKind, ChannelName, DecryptionError, Instant};

impl Channels {
    /// Handles an event of an encrypted channel. Neither ciphertext nor unencrypted payloads are passed on. Returns
    /// whether the event was accepted for the application.
    pub(super) fn handle_encrypted(
        &mut self,
        channel: &ChannelName,
        envelope: Envelope,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) -> bool {
        let Some(entry) = self.table.get_mut(channel) else { return false };
        // Names that begin with `pusher:` are reserved for the server, whose events are never encrypted. The
        // application must not mistake one for a decrypted event.
        if names::is_reserved(envelope.event()) {
            let (channel, event) = (channel.clone(), excerpt(envelope.event(), ChannelName::MAX_LEN).into());
            outbox.offer(Event::Diagnostic(Diagnostic::NotEncrypted { channel, event }));
            return false;
        }
        let Some(vault) = &mut entry.vault else {
            deliver(entry, channel, Opened::Failed(envelope, DecryptionError::WrongKey), outbox);
            return true;
        };
        let before = vault.held_bytes();
        // All of them are emitted at once when the key comes.
        let events = self.options.held_encrypted_events.min(self.options.max_pending_events);
        let room = Room::new(events, MAX_HELD_BYTES, self.held_bytes, before);
        let opened = vault.receive(envelope, room, now);
        self.held_bytes = self.held_bytes - before + vault.held_bytes();
        if matches!(opened, Opened::Held { ask: true, .. }) {
            requests.ask_for_key(entry.order, channel, vault.failures(), now);
        }
        deliver(entry, channel, opened, outbox);
        true
    }

    /// An event of a channel's past. On an encrypted channel, it needs a key that is known: a page does not wait for a
    /// newer one.
    pub(crate) fn read_past(&self, channel: &ChannelName, envelope: Envelope) -> Result<ChannelEvent, DecryptionError> {
        let envelope = envelope.renamed();
        let envelope = match channel.kind() {
            ChannelKind::PrivateEncrypted if names::is_reserved(envelope.event()) => {
                return Err(DecryptionError::NotEncrypted);
            }
            ChannelKind::PrivateEncrypted => {
                let vault = self.table.get(channel).and_then(|entry| entry.vault.as_ref());
                vault.ok_or(DecryptionError::WrongKey)?.read(envelope)?
            }
            ChannelKind::Public | ChannelKind::Private | ChannelKind::Presence => envelope,
        };
        Ok(ChannelEvent::received(channel.clone(), envelope))
    }

    /// A request for a newer key has ended.
    pub(crate) fn handle_key(&mut self, channel: &ChannelName, outcome: Outcome, outbox: &mut Outbox) {
        let Some(entry) = self.table.get_mut(channel) else { return };
        let Some(mut vault) = entry.vault.take() else { return };
        let is_late = matches!(outcome, Outcome::TooLate(_));
        let answer = match outcome {
            Outcome::Authorized(auth) => key(&auth),
            Outcome::Delayed { error, retry_at, failures } => {
                vault.note_failures(failures);
                entry.vault = Some(vault);
                let diagnostic = Diagnostic::KeyRetry { channel: channel.clone(), retry_at, error };
                return outbox.offer(Event::Diagnostic(diagnostic));
            }
            Outcome::Failed(error) | Outcome::TooLate(error) => Err(error),
        };
        self.held_bytes -= vault.held_bytes();
        match answer {
            Ok(key) => vault.rotate(key).for_each(|opened| deliver(entry, channel, opened, outbox)),
            Err(error) => {
                vault.give_up(&error, is_late).for_each(|opened| deliver(entry, channel, opened, outbox));
            }
        }
        entry.vault = Some(vault);
    }

    /// A newer key of this channel is no longer needed, and neither are the events that wait for it.
    pub(super) fn cancel_refresh(&mut self, channel: &ChannelName, requests: &mut Authorizations, outbox: &mut Outbox) {
        let Some(entry) = self.table.get_mut(channel) else { return };
        let Some(vault) = &mut entry.vault else { return };
        self.held_bytes -= vault.held_bytes();
        let lost = vault.stop_waiting();
        requests.cancel(Job::Key(entry.order), outbox);
        if entry.is_wanted() && lost > 0 {
            outbox.lag(lost as u64);
        }
    }
}

impl Entry {
    /// Takes the key from an authorization.
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
        Opened::Event { opened, sealed } => return entry.deliver(channel, opened, Some(&sealed), outbox),
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
