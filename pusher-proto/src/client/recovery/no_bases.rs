//! Without the feature `delta`, no server is asked for deltas.

use crate::{Recovery, Text};

/// Cannot exist.
pub(crate) enum Bases {}

pub(crate) struct LostBase {
    pub(crate) is_first: bool,
}

pub(super) const fn bases(_: &Recovery, _: usize) -> Option<Bases> {
    None
}

impl Bases {
    pub(crate) fn clear(&mut self) {
        match *self {}
    }

    pub(crate) fn enable(&mut self, _: &str) {
        match *self {}
    }

    pub(crate) fn forget(&mut self, _: &str) {
        match *self {}
    }

    pub(crate) fn keep(&mut self, _: &str, _: &str, _: &str) -> bool {
        match *self {}
    }

    pub(crate) fn rebuild(&mut self, _: &str, _: &str) -> Result<Text, LostBase> {
        match *self {}
    }
}
