//! Requests to the application's server are *for the live socket*, and *say what they are for*. There is *at most one
//! unresolved request* for each channel and for the user, no more of all than the window allows (*windows are kept*), and
//! *every authorization ends*. *Only open requests are cancelled*.

use pusher_proto::{Action, AuthId, AuthPurpose, AuthRequest};

use super::EPSILON;
use super::checker::{Checker, Scene};
use super::facts::{AUTH_TIMEOUT, Channel, OnSocket};
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct OpenRequests;

impl Checker for OpenRequests {
    fn acted(&mut self, action: &Action, scene: &mut Scene<'_>) {
        match action {
            Action::RequestAuth(request) => asked(request, scene),
            Action::CancelAuth(id) => cancelled(*id, scene),
            Action::Connect(..) | Action::Send(..) | Action::Close(..) | Action::Schedule(_) | Action::Emit(_) => {}
        }
    }

    fn ticked(&mut self, scene: &mut Scene<'_>) {
        let facts = scene.facts;
        for request in facts.requests.iter() {
            if facts.now > request.at + AUTH_TIMEOUT + EPSILON {
                let details = format!("{:?} was asked for at {}", request.channel, request.at);
                scene.violated("every authorization ends", details);
            }
        }
    }
}

fn asked(request: &AuthRequest, scene: &mut Scene<'_>) {
    let facts = scene.facts;
    let subject = &request.subject;
    if !facts.is_connected() || scene.client.socket_id() != Some(&request.socket_id) {
        scene.violated("requests are for the live socket", format!("{subject} for {}", request.socket_id));
    }
    if facts.requests.iter().any(|other| other.channel.as_ref() == subject.channel()) {
        scene.violated("at most one unresolved request", format!("a second one for {subject}"));
    }
    if subject.channel().is_some() && facts.requests.in_window() >= facts.limits.auth_window {
        scene.violated("windows are kept", "too many requests");
    }
    let Some(channel) = subject.channel().and_then(|channel| facts.channels.get(channel)) else { return };
    if !channel.wanted || !is_expected(request.purpose, channel) {
        let details = format!("{:?} for {subject}, wanted: {}", request.purpose, channel.wanted);
        scene.violated("requests say what they are for", details);
    }
}

fn is_expected(purpose: AuthPurpose, channel: &Channel) -> bool {
    match purpose {
        AuthPurpose::Subscribe => !channel.was_subscribed,
        AuthPurpose::Resubscribe => channel.was_subscribed,
        AuthPurpose::KeyRefresh => {
            matches!(channel.on_socket, OnSocket::Sent { .. } | OnSocket::Confirmed | OnSocket::Unclear)
        }
        _ => false,
    }
}

fn cancelled(id: AuthId, scene: &mut Scene<'_>) {
    let facts = scene.facts;
    let Some(request) = facts.requests.get(id) else {
        // After a pause in polling the answer may have come before the cancellation was seen.
        if !facts.was_unpolled {
            let details = format!("request {id} is cancelled, and it is not open");
            scene.violated("only open requests are cancelled", details);
        }
        return;
    };
    if facts.now >= request.at + AUTH_TIMEOUT {
        scene.reach(Rare::AuthTimeout);
    } else if !facts.is_connected() {
        scene.reach(if request.is_for_key() { Rare::LostWhileRefreshing } else { Rare::LostWhileAuthorizing });
    } else if request.channel.is_some() {
        scene.reach(Rare::UnsubscribedWhileAuthorizing);
    }
}
