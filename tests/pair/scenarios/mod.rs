//! The list of scenarios. A scenario in which all servers behave the same has no `match`; the others list the behaviour
//! of each server.

mod backend;
mod busy;
mod channels;
mod client_events;
mod connecting;
mod encrypted;
mod liveness;
mod presence;
mod refusals;
mod users;
mod version_2;

use pusher_proto::server::Dialect;

/// Panics where a server of this dialect, or the client, does something else than the scenario says.
pub(crate) type Scenario = fn(Dialect);

pub(crate) fn all() -> Vec<(&'static str, Scenario)> {
    let parts: [&[(&str, Scenario)]; 10] = [
        connecting::SCENARIOS,
        channels::SCENARIOS,
        refusals::SCENARIOS,
        presence::SCENARIOS,
        encrypted::SCENARIOS,
        client_events::SCENARIOS,
        users::SCENARIOS,
        liveness::SCENARIOS,
        backend::SCENARIOS,
        busy::SCENARIOS,
    ];
    parts.concat()
}

/// The scenarios of version 2 of Sockudo's protocol.
pub(crate) fn of_version_2() -> &'static [(&'static str, Scenario)] {
    version_2::SCENARIOS
}
