//! What a scenario is.

use std::fmt;

use super::stage::Stage;

/// A situation that every client meets, and the rule for it.
///
/// # Examples
///
/// ```
/// use pusher_test::conformance::{Needs, scenarios};
///
/// let handles = scenarios().filter(|scenario| scenario.needs() == Needs::Handles);
/// assert!(handles.count() > 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) source: &'static str,
    pub(crate) needs: Needs,
    pub(crate) is_for_any_server: bool,
}

/// What a runtime implements for a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Needs {
    /// [`Runtime`](super::Runtime).
    Runtime,
    /// [`WithHandles`](super::WithHandles) or [`WithFutures`](super::WithFutures).
    Handles,
}

impl Scenario {
    /// Returns the name, a sentence with `_` between its words.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the rule that the scenario checks.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        self.rule
    }

    /// Returns where the rule comes from: a row of `docs/protocol.md`, a section of an RFC, or a page of the documentation.
    #[must_use]
    pub const fn source(&self) -> &'static str {
        self.source
    }

    /// Returns what a runtime implements for it.
    #[must_use]
    pub const fn needs(&self) -> Needs {
        self.needs
    }

    /// Whether it can be played with any [`ForeignServer`](super::ForeignServer): it is not about what only the
    /// development server does, nor about the auth endpoint alone.
    #[must_use]
    pub const fn is_for_any_server(&self) -> bool {
        self.is_for_any_server
    }
}

/// What plays a scenario.
pub(crate) type Play<R> = fn(&mut Stage<R>);

/// The name, and the rule and its source below it.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name.replace('_', " "))?;
        writeln!(f, "  rule: {}", self.rule)?;
        write!(f, "  from: {}", self.source)
    }
}

/// The scenarios of one kind of runtime: their descriptions, and `all`, which returns them with the functions. Each line
/// begins with the server that it needs: `any`, or `ours` for the development server.
macro_rules! list {
    ($needs:ident for $bound:ident: $($server:ident $module:ident::$name:ident: $rule:literal from $source:literal;)+) => {
        pub(crate) static LIST: &[Scenario] = &[$(Scenario {
            name: stringify!($name),
            rule: $rule,
            source: $source,
            needs: Needs::$needs,
            is_for_any_server: crate::conformance::scenario::is_any!($server),
        }),+];

        pub(crate) fn all<R: $bound>() -> Vec<(&'static Scenario, Play<R>)> {
            let plays: Vec<Play<R>> = vec![$($module::$name::<R>),+];
            LIST.iter().zip(plays).collect()
        }
    };
}

macro_rules! is_any {
    (any) => {
        true
    };
    (ours) => {
        false
    };
}

pub(crate) use {is_any, list};
