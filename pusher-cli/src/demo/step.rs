//! What a step of the tour is.

use std::pin::Pin;

use super::tour::Tour;
use super::wait::Miss;

/// One step. To add one, write an async function and a line in its group's `STEPS`.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) run: for<'a> fn(&'a mut Tour) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>,
}

/// Makes a [`Step`] from a name and an async function of `&mut Tour`.
macro_rules! step {
    ($name:literal, $function:path) => {
        $crate::demo::step::Step { name: $name, run: |tour| Box::pin($function(tour)) }
    };
}
pub(super) use step;

/// What was seen, in words, or why it was not.
pub(super) type Outcome = Result<String, Miss>;
