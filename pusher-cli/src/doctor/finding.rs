//! What a check found.

use crate::failure::Failure;

/// What was seen, what it means, and what to do. Sentences begin in lower case and have no full stop.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) outcome: Outcome,
    pub(super) seen: String,
    pub(super) means: Option<String>,
    pub(super) fix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Ok,
    /// It works, but not for everyone, or not for long.
    Warning,
    Failed(Kind),
    /// It was not tried.
    Skipped,
}

/// Which exit code belongs to a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    CannotConnect,
    Refused,
    Other,
}

impl Finding {
    pub(super) fn ok(seen: impl Into<String>) -> Self {
        Self::new(Outcome::Ok, seen)
    }

    pub(super) fn warning(seen: impl Into<String>) -> Self {
        Self::new(Outcome::Warning, seen)
    }

    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Self::new(Outcome::Skipped, why)
    }

    /// Something is not as it should be.
    pub(super) fn failed(seen: impl Into<String>) -> Self {
        Self::new(Outcome::Failed(Kind::Other), seen)
    }

    /// The server cannot be reached, or not now.
    pub(super) fn unreachable(seen: impl Into<String>) -> Self {
        Self::new(Outcome::Failed(Kind::CannotConnect), seen)
    }

    /// The server, or an endpoint, said no.
    pub(super) fn refused(seen: impl Into<String>) -> Self {
        Self::new(Outcome::Failed(Kind::Refused), seen)
    }

    pub(super) fn means(self, means: impl Into<String>) -> Self {
        Self { means: Some(means.into()), ..self }
    }

    pub(super) fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// Turns a failure into a warning: the user did not ask for this.
    pub(super) fn only_warns(self) -> Self {
        let outcome = if let Outcome::Failed(_) = self.outcome { Outcome::Warning } else { self.outcome };
        Self { outcome, ..self }
    }

    pub(super) const fn is_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }

    /// How the program ends if this is the first failure.
    pub(super) fn failure(&self, check: &str) -> Failure {
        let fix = self.fix.as_ref().map_or_else(String::new, |fix| format!("; {fix}"));
        let sentence = format!("{check}: {}{fix}", self.seen);
        match self.outcome {
            Outcome::Failed(Kind::CannotConnect) => Failure::cannot_connect(sentence),
            Outcome::Failed(Kind::Refused) => Failure::refused(sentence),
            Outcome::Failed(Kind::Other) | Outcome::Ok | Outcome::Warning | Outcome::Skipped => {
                Failure::failed(sentence)
            }
        }
    }

    fn new(outcome: Outcome, seen: impl Into<String>) -> Self {
        Self { outcome, seen: seen.into(), means: None, fix: None }
    }
}

impl Outcome {
    /// As `--json` writes it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed(_) => "failed",
            Self::Skipped => "skipped",
        }
    }
}
