//! The file with users and rules.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pusher_tokio::Secret;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use wildmatch::WildMatch;

use crate::failure::Failure;
use crate::input;

/// What the file contains.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    #[serde(default)]
    users: Vec<User>,
    #[serde(default)]
    rules: Vec<Rule>,
    /// Before every answer.
    #[serde(default, deserialize_with = "seconds")]
    pub(super) delay: Duration,
}

/// Someone whom the application knows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    pub(super) id: String,
    /// What `Authorization: Bearer` says.
    #[serde(default, deserialize_with = "secret")]
    token: Option<Secret>,
    /// What other members see.
    #[serde(default)]
    pub(super) info: Value,
    #[serde(default)]
    pub(super) watchlist: Vec<String>,
}

/// What happens to some channels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    #[serde(deserialize_with = "pattern")]
    channels: WildMatch,
    /// Who may subscribe; everyone if it is not given.
    users: Option<Vec<String>>,
    #[serde(default = "yes")]
    allow: bool,
    /// What a failing endpoint answers.
    status: Option<u16>,
    /// Which requests fail: each n-th.
    #[serde(default = "one")]
    every: u64,
    #[serde(default, deserialize_with = "seconds")]
    pub(super) delay: Duration,
    #[serde(skip)]
    requests: AtomicU64,
}

/// What a rule decides about one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Sign,
    Refuse(&'static str),
    Fail(u16),
}

impl Config {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let config: Self = input::toml(path, &input::file(path)?)?;
        let is_status = |status: u16| (400..=599).contains(&status);
        if let Some(rule) =
            config.rules.iter().find(|rule| rule.status.is_some_and(|status| !is_status(status)) || rule.every == 0)
        {
            let text = "status must be one of 400 to 599, and every at least 1";
            return Err(Failure::usage(format!("{}, rule for {}: {text}", path.display(), rule.channels.pattern())));
        }
        Ok(config)
    }

    /// Returns the user of a request: by the token or, for users without one, by the id in the request.
    pub(super) fn user(&self, token: Option<&str>, id: Option<&str>) -> Option<&User> {
        let by_token = |user: &&User| user.token.as_ref().is_some_and(|known| Some(known.expose()) == token);
        let by_name = |user: &&User| user.token.is_none() && Some(user.id.as_str()) == id;
        self.users.iter().find(by_token).or_else(|| self.users.iter().find(by_name))
    }

    /// Whether the file has users; otherwise everyone is who they claim to be.
    pub(super) fn has_users(&self) -> bool {
        !self.users.is_empty()
    }

    /// Returns the rule for a channel, or for [`SIGNIN`], and its decision.
    pub(super) fn decide(&self, subject: &str, user: Option<&str>) -> (Option<&Rule>, Decision) {
        // A sign-in is not a channel, so only a pattern that begins as it does is about it.
        let is_about = |rule: &&Rule| {
            subject.starts_with('#') == rule.channels.pattern().starts_with('#') && rule.channels.matches(subject)
        };
        match self.rules.iter().find(is_about) {
            Some(rule) => (Some(rule), rule.decide(user)),
            None if self.rules.is_empty() || subject == SIGNIN => (None, Decision::Sign),
            None => (None, Decision::Refuse("no rule matches the channel")),
        }
    }
}

impl Rule {
    fn decide(&self, user: Option<&str>) -> Decision {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(status) = self.status.filter(|_| number % self.every == 0) {
            return Decision::Fail(status);
        }
        let is_listed = |users: &Vec<String>| user.is_some_and(|user| users.iter().any(|listed| listed == user));
        match (self.allow, &self.users) {
            (false, _) => Decision::Refuse("a rule refuses the channel"),
            (true, Some(users)) if !is_listed(users) => Decision::Refuse("the rule is for other users"),
            (true, _) => Decision::Sign,
        }
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Some(Secret::from(String::deserialize(deserializer)?)))
}

fn pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WildMatch, D::Error> {
    Ok(WildMatch::new(&String::deserialize(deserializer)?))
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
}

const fn yes() -> bool {
    true
}

const fn one() -> u64 {
    1
}

/// The name of a user's sign-in in rules; no channel can have it.
pub(super) const SIGNIN: &str = "#signin";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_decides() {
        let config: Config = toml::from_str(
            r##"
            [[rules]]
            channels = "private-admin*"
            allow = false
            [[rules]]
            channels = "private-ann"
            users = ["ann"]
            [[rules]]
            channels = "private-flaky"
            status = 503
            every = 2
            [[rules]]
            channels = "presence-*"
            "##,
        )
        .unwrap();
        let decide = |subject, user| config.decide(subject, user).1;
        assert_eq!(decide("private-admins", Some("ann")), Decision::Refuse("a rule refuses the channel"));
        assert_eq!(decide("private-ann", Some("ann")), Decision::Sign);
        assert_eq!(decide("private-ann", Some("bob")), Decision::Refuse("the rule is for other users"));
        assert_eq!(decide("private-ann", None), Decision::Refuse("the rule is for other users"));
        assert_eq!(decide("presence-x", None), Decision::Sign);
        assert_eq!(decide("private-x", None), Decision::Refuse("no rule matches the channel"));
        assert_eq!(decide(SIGNIN, None), Decision::Sign);
        let flaky = [(), (), (), ()].map(|()| decide("private-flaky", None));
        assert_eq!(flaky, [Decision::Sign, Decision::Fail(503), Decision::Sign, Decision::Fail(503)]);
    }
}
