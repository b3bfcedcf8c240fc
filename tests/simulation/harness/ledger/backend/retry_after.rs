//! *Retry-After is respected*: after 429 or 503 with `Retry-After`, no request to the same endpoint is made until then.
//! Channels and the user have separate endpoints.

use pusher_proto::Action;

use super::{Checker, Scene};

#[derive(Default)]
pub(crate) struct RetryAfter;

impl Checker for RetryAfter {
    fn acted(&mut self, action: &Action, scene: &mut Scene<'_>) {
        let Action::RequestAuth(request) = action else { return };
        let facts = scene.facts;
        let from = facts.backend.endpoint(request.subject.channel().is_some()).wants_from;
        // After a pause in polling, the request may have been queued before the answer came.
        if let Some(from) = from.filter(|from| facts.now < *from && !facts.was_unpolled) {
            let details = format!("a request for {} before {from}", request.subject);
            scene.violated("Retry-After is respected", details);
        }
    }
}
