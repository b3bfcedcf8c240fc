//! The HTTP request that becomes a WebSocket.

use pusher_tokio::pusher_proto::TransportError;
use pusher_tokio::{CloseReason, Text, with_causes};

use super::finding::Finding;
use super::line::Line;
use super::patient::Patient;

pub(super) async fn upgrade(patient: &mut Patient) -> Finding {
    let fix = match patient.request.tls {
        true => "check the port",
        false => "use wss:// if the server has TLS, and check the port",
    };
    match Line::open(&patient.options, &patient.request, &patient.config).await {
        Ok(line) => {
            patient.line = Some(line);
            let path = patient.request.target.split('?').next().unwrap_or_default();
            let path = path.rsplit_once('/').map_or(path, |(path, _)| path);
            Finding::ok(format!("status 101 at {path}/…"))
        }
        Err(CloseReason::Failed(TransportError::Http { status, location, excerpt, .. })) => {
            refused(patient, status, location.as_deref(), &excerpt).await
        }
        Err(CloseReason::Failed(TransportError::Upgrade(text))) => {
            Finding::unreachable(text).means("what listens there is not a WebSocket server").fix(fix)
        }
        Err(reason) => Finding::unreachable(with_causes(&reason).to_string())
            .means("the connection ended before the server answered the upgrade")
            .fix(fix),
    }
}

pub(super) fn upgrade_late(_patient: &Patient) -> Finding {
    Finding::unreachable("the server accepts the connection but does not answer the upgrade")
        .means("what listens there is not a WebSocket server, or is stuck")
        .fix("check the port, and the logs of the server and of proxies in front of it")
}

/// The URL without the prefix of the path, if the same server sends a greeting there.
pub(super) async fn without_prefix(patient: &Patient) -> Option<String> {
    let prefix = patient.target.prefix();
    let mut request = patient.request.clone();
    request.target = Text::from(request.target.strip_prefix(prefix).filter(|_| !prefix.is_empty())?);
    let mut line = Line::open(&patient.options, &request, &patient.config).await.ok()?;
    let greeted = line.wait(|message| Some(message.event == "pusher:connection_established")).await;
    let url = patient.target.ws_url();
    greeted.ok().filter(|greeted| *greeted).map(|_| url.trim_end_matches(prefix).to_owned())
}

async fn refused(patient: &Patient, status: u16, location: Option<&str>, excerpt: &str) -> Finding {
    let to = location.map_or_else(String::new, |location| format!(", which points to {location}"));
    let body = if excerpt.is_empty() { String::new() } else { format!(": {}", one_line(excerpt)) };
    let seen = format!("HTTP status {status}{to}{body}");
    let finding = if status < 500 { Finding::refused(seen) } else { Finding::unreachable(seen) };
    match status {
        300..=399 => finding
            .means("the server redirects, and WebSockets do not follow redirects")
            .fix("use the address that it points to; http to https means wss://"),
        404 | 405 | 200 => match (without_prefix(patient).await, patient.target.prefix()) {
            (Some(url), prefix) => finding
                .means(format!("the server is not below {prefix}"))
                .fix(format!("use --url {url}, without the path")),
            (None, "") => finding
                .means("there is no WebSocket at /app: another web server, or a proxy that hides it below a path")
                .fix("add the path to --url, such as wss://example.com/reverb, or use the server's own port"),
            (None, prefix) => finding
                .means(format!("there is no WebSocket at {prefix}/app"))
                .fix("check the path of --url, and what the proxy in front of the server passes on"),
        },
        400 | 426 => finding
            .means("a proxy in front of the server does not pass the upgrade on, or the server has TLS")
            .fix("pass Upgrade and Connection on (nginx: proxy_set_header Upgrade $http_upgrade), or use wss://"),
        401 | 403 => finding
            .means("something in front of the server asks for a login, or does not allow this host or origin")
            .fix("let clients reach /app without a login, and check the allowed hosts and origins"),
        500..=599 => finding
            .means("the server, or the proxy in front of it, cannot serve requests at the moment")
            .fix("check that the server runs, and the logs of the proxy"),
        _ => finding.fix("check the address, and the logs of the server"),
    }
}

/// The start of a page, without its line breaks.
pub(super) fn one_line(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(MAX_EXCERPT_LEN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Characters of a body that are shown.
const MAX_EXCERPT_LEN: usize = 60;
