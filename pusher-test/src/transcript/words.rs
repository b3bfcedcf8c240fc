//! The meaning of words in a transcript: channels, servers, answers, failures, options.

use std::time::Duration;

use pusher_proto::{AuthError, AuthResponse, ChannelName, ConfigBuilder, Endpoint, Strictness, TransportError};

use super::script::duration;

pub(crate) fn channel(name: &str) -> Result<ChannelName, String> {
    ChannelName::new(name).map_err(|error| error.to_string())
}

pub(crate) fn endpoint(text: &str) -> Result<Endpoint, String> {
    let (url, wss_port) = text.split_once(" wss_port ").unwrap_or((text, ""));
    let endpoint: Endpoint = match url.split_once("cluster ") {
        Some((_, name)) => Endpoint::cluster(name),
        None => url.parse().map_err(|_| format!("{url:?} is not an endpoint"))?,
    };
    Ok(wss_port.parse().map_or(endpoint.clone(), |port| endpoint.wss_port(port)))
}

pub(crate) fn auth_answer(text: &str) -> Result<Result<AuthResponse, AuthError>, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match word {
        "network" => Err(AuthError::Network(rest.into())),
        "timeout" => Err(AuthError::Timeout),
        "handler" => Err(AuthError::Handler(rest.into())),
        status => {
            let (retry_after, body) = match rest.strip_prefix("retry-after=") {
                Some(rest) => rest.split_once(' ').map_or((Some(rest), ""), |(after, body)| (Some(after), body)),
                None => (None, rest),
            };
            AuthResponse::from_http(http_status(status)?, body.as_bytes(), retry_after)
        }
    })
}

fn http_status(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("{text:?} is not an HTTP status"))
}

pub(crate) fn transport_error(text: &str) -> Result<TransportError, String> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match kind {
        "dns" => TransportError::Dns(rest.into()),
        "tls" => TransportError::Tls(rest.into()),
        "http" => {
            let (status, retry_after) = rest.split_once(" retry-after=").unwrap_or((rest, ""));
            let retry_after = retry_after.parse().ok().map(Duration::from_secs);
            let mut error = TransportError::http(http_status(status)?);
            if let TransportError::Http { retry_after: seconds, .. } = &mut error {
                *seconds = retry_after;
            }
            error
        }
        _ => TransportError::Io(text.into()),
    })
}

pub(crate) fn option(builder: ConfigBuilder, name: &str, value: &str) -> Result<ConfigBuilder, String> {
    let number = || value.parse::<usize>().map_err(|_| format!("{value:?} is not a number"));
    let small = || value.parse::<u32>().map_err(|_| format!("{value:?} is not a number"));
    let codes = || value.split(' ').map(str::parse::<u16>).collect::<Result<Vec<_>, _>>().map_err(|_| "close codes");
    let strictness = || match value {
        "ignore" => Strictness::Ignore,
        "warn" => Strictness::Warn,
        _ => Strictness::Refuse,
    };
    Ok(match name {
        "activity_timeout" => builder.activity_timeout(duration(value)?),
        "pong_timeout" => builder.pong_timeout(duration(value)?),
        "unavailable_timeout" => builder.unavailable_timeout(duration(value)?),
        "max_ping_interval" => builder.max_ping_interval(duration(value)?),
        "reconnect_base" => builder.reconnect_base(duration(value)?),
        "max_attempts" => builder.max_attempts(small()?),
        "auth_retries" => builder.auth_retries(small()?),
        "key_refresh_timeout" => builder.key_refresh_timeout(duration(value)?),
        "subscriptions_per_second" => builder.subscriptions_per_second(small()?),
        "auth_window" => builder.auth_window(number()?),
        "subscribe_window" => builder.subscribe_window(number()?),
        "max_buffered_client_events" => builder.max_buffered_client_events(number()?),
        "keep_client_events" => builder.keep_client_events(value == "true"),
        "client_event_rate" => builder.client_event_rate(small()?),
        "client_event_rate_limit" => builder.client_event_rate_limit(strictness()),
        "max_client_event_len" => builder.max_client_event_len(number()?),
        "client_event_len_limit" => builder.client_event_len_limit(strictness()),
        "held_encrypted_events" => builder.held_encrypted_events(number()?),
        "presence_by_signin" => builder.presence_by_signin(value == "true"),
        "strict_names" => builder.strict_names(strictness()),
        "max_frame_len" => builder.max_frame_len(number()?),
        "max_pending_events" => builder.max_pending_events(number()?),
        "fatal_codes" => builder.fatal_codes(codes()?),
        "retry_codes" => builder.retry_codes(codes()?),
        _ => return Err(format!("{name:?} is not an option")),
    })
}
