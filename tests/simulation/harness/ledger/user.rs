//! *A sign-in is reported once, after its gap*, *a gap is reported once*, and *a user's events keep their order* and come only while
//! the user is signed in. *Events need a connection*.

use pusher_proto::Event;

use super::checker::{Checker, Scene};
use super::inputs::AppCall;
use crate::simulation::frame::number_of;

#[derive(Default)]
pub(crate) struct UserSession {
    /// A user was signed in, the connection was lost, and what that means for the user was not reported yet.
    has_gap: bool,
    last_event: u64,
}

impl Checker for UserSession {
    fn called(&mut self, call: &AppCall<'_>, _: &mut Scene<'_>) {
        self.has_gap &= !matches!(call, AppCall::Signout);
    }

    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        let user = &scene.facts.user;
        match event {
            Event::StateChanged { previous, .. } => self.has_gap |= previous.is_connected() && user.signed_in,
            Event::UserContinuityLost { .. } => {
                needs_connection(event, scene);
                if !std::mem::take(&mut self.has_gap) {
                    scene.violated("a gap is reported once", "the user's");
                }
            }
            Event::SignedIn { .. } => {
                needs_connection(event, scene);
                if self.has_gap || user.signed_in || !user.wanted {
                    scene.violated("a sign-in is reported once, after its gap", event.name());
                }
                self.last_event = 0;
            }
            Event::SigninError { .. } => needs_connection(event, scene),
            Event::User(user_event) => {
                needs_connection(event, scene);
                let number = number_of(user_event.event()).unwrap_or(u64::MAX);
                if !user.signed_in || number <= self.last_event {
                    let details = format!("{number} after {}", self.last_event);
                    scene.violated("a user's events keep their order", details);
                }
                self.last_event = number;
            }
            _ => {}
        }
    }
}

fn needs_connection(event: &Event, scene: &mut Scene<'_>) {
    if !scene.facts.is_connected() {
        scene.violated("events need a connection", event.name());
    }
}
