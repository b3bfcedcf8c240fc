//! Application code that runs in the loop and may panic.

use std::any::Any;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::Span;

/// Runs application code. If it panics, the panic is logged, and there is no result.
///
/// The data that the code changes must be valid in any state, since the code may stop anywhere.
pub fn guard<T>(what: &str, run: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => Some(result),
        Err(panic) => {
            tracing::error!(panic = panic_message(panic.as_ref()), "{what} panicked");
            discard(panic);
            None
        }
    }
}

/// A value of the application whose destructor may panic. The panic is logged and does not spread, since the loop
/// serves other users too.
///
/// It is logged in the span that was current when the value was wrapped, since any thread may drop the value.
pub struct Fragile<T>(Option<T>, Span);

impl<T> Fragile<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(Some(value), Span::current())
    }
}

impl<T> Drop for Fragile<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        self.1.in_scope(|| guard("the drop of a value of the application", move || drop(value)));
    }
}

impl<T> Deref for Fragile<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("only drop takes it")
    }
}

impl<T> DerefMut for Fragile<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("only drop takes it")
    }
}

impl<T> fmt::Debug for Fragile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fragile")
    }
}

/// Drops the payload of a panic. Its destructor may panic too, and so on; the payload of such a panic is leaked.
fn discard(panic: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(again);
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    if let Some(message) = panic.downcast_ref::<&str>() {
        return message;
    }
    panic.downcast_ref::<String>().map_or("no message", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_reported_with_its_message_if_that_is_text() {
        assert_eq!(panic_message(&"a literal"), "a literal");
        assert_eq!(panic_message(&String::from("a formatted text")), "a formatted text");
        assert_eq!(panic_message(&7), "no message");
    }

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any(Self);
        }
    }

    #[test]
    fn a_panic_whose_value_panics_without_end_does_not_spread() {
        assert!(guard("the test", || std::panic::panic_any(Bomb)).is_none());
        drop(Fragile::new(Bomb));
        drop(vec![Fragile::new(Bomb), Fragile::new(Bomb)]);
    }
}
