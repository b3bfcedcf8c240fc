//! The list of scenarios.

pub(crate) mod backends;
pub(crate) mod handles;
pub(crate) mod runtime;

use super::scenario::Scenario;

/// All scenarios, in the order in which they run.
pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    runtime::LIST.iter().chain(handles::LIST).chain(backends::LIST)
}
