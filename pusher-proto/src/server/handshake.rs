//! The request that opens a socket, and the close codes that refuse it.

use alloc::string::String;

use percent_encoding::percent_decode_str;

use super::dialect::Profile;
use crate::{CloseFrame, Text};

/// A version of the protocol that the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Protocol(u32);

impl Protocol {
    /// Whether `pusher:connection_established` contains the activity timeout (Pusher protocol, *Connection events*).
    pub(super) fn has_activity_timeout(self) -> bool {
        self.0 >= 7
    }

    /// Whether an error frame comes before a close frame (Pusher protocol, *Connection closure*).
    pub(super) fn has_error_before_close(self) -> bool {
        self.0 < 6
    }
}

/// Why a socket is closed before it becomes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    NoApplication,
    Disabled,
    OverQuota,
    NoPath,
    InvalidVersion,
    UnsupportedVersion,
    NoVersion,
    OverCapacity,
}

impl Denial {
    /// The code and the reason (Pusher protocol, *Error codes*).
    pub(super) fn frame(self) -> CloseFrame {
        let (code, reason) = match self {
            Self::NoApplication => (4001, "Application does not exist"),
            Self::Disabled => (4003, "Application disabled"),
            Self::OverQuota => (4004, "Application is over connection quota"),
            Self::NoPath => (4005, "Path not found"),
            Self::InvalidVersion => (4006, "Invalid version string format"),
            Self::UnsupportedVersion => (4007, "Unsupported protocol version"),
            Self::NoVersion => (4008, "No protocol version supplied"),
            Self::OverCapacity => (4100, "Over capacity"),
        };
        CloseFrame { code, reason: Text::from_static(reason) }
    }
}

/// What an upgrade request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) key: String,
    pub(super) protocol: Protocol,
    /// Whether the client asks for version 2 of Sockudo's protocol, and the server speaks it.
    pub(super) version_2: Option<Version2>,
}

/// What a client wants of Sockudo's protocol version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version2 {
    /// Whether it receives its own client events.
    pub(super) echo: bool,
}

/// Reads path and query of the upgrade request, such as `/app/KEY?protocol=7&client=js&version=8.4`.
///
/// If the version is not checked, the newest is assumed.
pub(super) fn read(target: &str, profile: &Profile) -> Result<Request, Denial> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let key = path.strip_prefix("/app/").filter(|key| !key.is_empty() && !key.contains('/')).ok_or(Denial::NoPath)?;
    let key = percent_decode_str(key).decode_utf8_lossy().into_owned();
    let protocol = if profile.checks_version { read_protocol(query)? } else { Protocol(NEWEST) };
    let version_2 = if profile.has_version_2 { read_version_2(query) } else { None };
    Ok(Request { key, protocol, version_2 })
}

/// Sockudo refuses other values of parameters with HTTP 400, which this model does not have.
fn read_version_2(query: &str) -> Option<Version2> {
    let has = |wanted: &str| query.split('&').any(|part| part == wanted);
    has("protocol=2").then(|| Version2 { echo: !has("echo_messages=false") })
}

fn read_protocol(query: &str) -> Result<Protocol, Denial> {
    let version = query.split('&').find_map(|part| part.strip_prefix("protocol=")).ok_or(Denial::NoVersion)?;
    let version = version.parse::<u32>().map_err(|_| Denial::InvalidVersion)?;
    if (OLDEST..=NEWEST).contains(&version) { Ok(Protocol(version)) } else { Err(Denial::UnsupportedVersion) }
}

/// Versions 1 to 3 are no longer supported (Pusher protocol, *Changelog*).
const OLDEST: u32 = 4;
const NEWEST: u32 = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Dialect;

    #[test]
    fn every_wrong_request_has_its_code() {
        let pusher = Dialect::Pusher.profile();
        let table = [
            ("/app/a%20key?protocol=7&client=js", Ok(("a key", 7))),
            ("/app/a?client=js&protocol=4", Ok(("a", 4))),
            ("/app/?protocol=7", Err(4005)),
            ("/app?protocol=7", Err(4005)),
            ("/app/a/x?protocol=7", Err(4005)),
            ("/other/a?protocol=7", Err(4005)),
            ("", Err(4005)),
            ("/app/a?protocol=seven", Err(4006)),
            ("/app/a?protocol=", Err(4006)),
            ("/app/a?protocol=3", Err(4007)),
            ("/app/a?protocol=8", Err(4007)),
            ("/app/a?client=js", Err(4008)),
            ("/app/a", Err(4008)),
        ];
        for (target, result) in table {
            let expected = result.map(|(key, protocol)| Request {
                key: key.into(),
                protocol: Protocol(protocol),
                version_2: None,
            });
            assert_eq!(read(target, pusher).map_err(|denial| denial.frame().code), expected, "{target}");
        }
        let soketi = Dialect::Soketi.profile();
        assert!(read("/app/a?protocol=seven", soketi).is_ok_and(|request| request.protocol == Protocol(NEWEST)));
    }

    #[test]
    fn version_2_has_to_be_asked_for_and_to_be_spoken() {
        let version_2 = |dialect: Dialect, query: &str| {
            read(&alloc::format!("/app/a?{query}"), dialect.profile()).unwrap().version_2.map(|wanted| wanted.echo)
        };
        assert_eq!(version_2(Dialect::SockudoV2, "protocol=2"), Some(true));
        assert_eq!(version_2(Dialect::SockudoV2, "client=x&protocol=2&echo_messages=false"), Some(false));
        assert_eq!(version_2(Dialect::SockudoV2, "protocol=7&echo_messages=false"), None);
        assert_eq!(version_2(Dialect::SockudoV2, ""), None);
        assert_eq!(version_2(Dialect::Sockudo, "protocol=2"), None);
    }
}
