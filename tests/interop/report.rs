//! What `tests/interop/run` shows: a line for every check.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One part of the checks.
pub(crate) struct Report {
    part: &'static str,
}

impl Report {
    pub(crate) const fn new(part: &'static str) -> Self {
        Self { part }
    }

    /// Runs a check, which says how it went or panics.
    pub(crate) fn check(&self, name: &str, play: impl FnOnce() -> String) {
        match catch_unwind(AssertUnwindSafe(play)) {
            Ok(more) => self.tell("passed", name, &more),
            Err(panic) => self.tell("failed", name, &words(&*panic)),
        }
    }

    fn tell(&self, status: &str, name: &str, more: &str) {
        let more = more.replace(['\n', '\t'], " ");
        println!("{status}\t{}\t{name}\t{more}", self.part);
    }
}

/// What a panic says.
pub(crate) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}
