//! Which server it is, recognized by how it writes.

use pusher_server::pusher_proto::server::Dialect;

use super::finding::Finding;
use super::line::Form;
use super::patient::{Evidence, Patient};

pub(super) async fn server(patient: &mut Patient) -> Finding {
    if patient.target.is_hosted() {
        patient.server = Some(Dialect::Pusher);
        return Finding::ok("hosted Pusher, by its host name");
    }
    let evidence = patient.evidence;
    match recognise(evidence) {
        Some(Dialect::Pusher) => {
            Finding::ok("not recognised: it writes frames as hosted Pusher does, but has another host name")
        }
        Some(dialect) => {
            patient.server = Some(dialect);
            Finding::ok(format!("{}, by how it writes pong, success and cache miss", title(dialect)))
        }
        None => Finding::ok("not recognised"),
    }
}

/// The name of a server for people.
pub(super) const fn title(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Reverb => "Laravel Reverb",
        Dialect::LaravelWebsockets => "laravel-websockets",
        Dialect::Soketi => "soketi",
        Dialect::Sockudo | Dialect::SockudoV2 => "Sockudo",
        _ => "hosted Pusher",
    }
}

/// Each server has its own combination, as recorded; see docs/dialects.md, *Telling servers apart*.
fn recognise(evidence: Evidence) -> Option<Dialect> {
    let Evidence { pong, success, cache_miss } = evidence;
    match (pong?, success?, cache_miss) {
        (Form::Text, Form::Text, Some(_)) => Some(Dialect::Pusher),
        (Form::Absent, Form::Text, Some(Form::Absent)) => Some(Dialect::Reverb),
        (Form::Absent, Form::Absent, None) => Some(Dialect::LaravelWebsockets),
        (Form::Object, Form::Absent, Some(Form::Absent)) => Some(Dialect::Soketi),
        (Form::Absent, Form::Text, Some(Form::Text)) => Some(Dialect::Sockudo),
        _ => None,
    }
}
