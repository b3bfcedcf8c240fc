//! Reading the inputs of a session that `pusher record` wrote.

use std::time::Duration;

use serde_json::Value;

use super::words::{self, Answer};
use super::{Call, InvalidLine, Line, ParseError, Passing, Received, Setup, Step, Transcript};

pub(crate) fn read(text: &str) -> Result<Transcript, ParseError> {
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    if lines.next().is_none_or(|(_, line)| line != HEAD) {
        return Err(ParseError::new(1, InvalidLine::new(format!("a recording must begin with {HEAD:?}"))));
    }
    // The program's own settings, which a recording does not repeat.
    let mut options =
        vec![("key".to_owned(), "app-key".to_owned()), ("client_name".to_owned(), "pusher-cli".to_owned())];
    let (mut steps, mut now) = (Vec::new(), Duration::ZERO);
    for (number, line) in lines {
        let invalid = |reason| ParseError::new(number, reason);
        let refused = |reason: &str| invalid(InvalidLine::new(reason));
        match line.as_bytes().first() {
            None | Some(b'#' | b'>' | b'*') => {}
            Some(b'=') => options.push(option(line).map_err(invalid)?),
            Some(b'0'..=b'9') => {
                let (time, input) = line.split_once(' ').ok_or_else(|| refused("a time without an input"))?;
                let at = seconds(time).map_err(invalid)?;
                let passed = at.checked_sub(now).ok_or_else(|| refused("earlier than the input before"))?;
                now = at;
                steps.extend(inputs(passed, input).map_err(invalid)?.into_iter().map(|line| {
                    let text = words::in_line(&line.to_string()).trim_end().to_owned();
                    Step { number, text, line, outputs: Vec::new() }
                }));
            }
            Some(_) if line == "end" => break,
            Some(_) => return Err(refused("it does not begin a line of a recording")),
        }
    }
    let setup = Setup::new(options.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let setup = setup.map_err(|(_, reason)| ParseError::new(1, reason))?;
    Ok(Transcript { title: "a recorded session".to_owned(), remarks: Vec::new(), options, setup, steps })
}

/// A line of the header as an option of a transcript.
fn option(line: &str) -> Result<(String, String), InvalidLine> {
    let (name, value) = line[1..].trim().split_once(' ').ok_or_else(|| InvalidLine::expected("= NAME VALUE"))?;
    let name = match name {
        "server" => "endpoint",
        "client" => "client_version",
        "seed" => "seed",
        other => return Err(InvalidLine::new(format!("{other:?} is not an option of a recording"))),
    };
    Ok((name.to_owned(), value.to_owned()))
}

/// The time that passes, and then the input: the timer fires only where the recording says that it did.
fn inputs(passed: Duration, input: &str) -> Result<Vec<Line>, InvalidLine> {
    if input == "+" {
        return Ok(vec![Line::Pass(Passing::Asleep(passed))]);
    }
    let (mark, rest) = input.split_once(' ').unwrap_or((input, ""));
    let (word, more) = rest.split_once(' ').unwrap_or((rest, ""));
    let line = match (mark, word) {
        ("!", "subscribe") if more.starts_with('"') => format!("! subscribe {}", text(more)?).parse()?,
        ("!", "auth") => {
            let expected = || InvalidLine::expected("! auth #N JSON");
            let (id, answer) = more.split_once(' ').ok_or_else(expected)?;
            let id = id.strip_prefix('#').and_then(|id| id.parse().ok()).filter(|id| *id > 0);
            Line::call(Call::Auth(id.ok_or_else(expected)?, answered(&json(answer)?)?))
        }
        ("<", "end") => Line::received(ended(&json(more)?)?),
        ("<", _) if rest.starts_with('"') => Line::frame(text(rest)?),
        ("!" | "<", _) => input.parse()?,
        _ => return Err(InvalidLine::new("it is not an input of a recording")),
    };
    let pass = (!passed.is_zero()).then_some(Line::Pass(Passing::Unnoticed(passed)));
    Ok(pass.into_iter().chain([line]).collect())
}

/// The variant of an enum in JSON: its name, and its content or `null`.
fn variant(json: &Value) -> Result<(&str, &Value), InvalidLine> {
    match json {
        Value::String(name) => Ok((name, &Value::Null)),
        Value::Object(object) if object.len() == 1 => {
            let only = object.iter().next();
            only.map(|(name, content)| (name.as_str(), content)).ok_or_else(unreadable)
        }
        _ => Err(unreadable()),
    }
}

fn answered(json: &Value) -> Result<Answer, InvalidLine> {
    let (name, content) = variant(json)?;
    let said = || content.as_str().unwrap_or_default().to_owned();
    Ok(match name {
        "ok" => Answer::ok(content.to_string()),
        "network" => Answer::Network(said()),
        "timeout" => Answer::Timeout,
        "http" => {
            let status =
                content["status"].as_u64().and_then(|status| u16::try_from(status).ok()).ok_or_else(unreadable)?;
            let retry_after = content["retry_after"]["secs"].as_u64().map(|seconds| seconds.to_string());
            let body = content["excerpt"].as_str().unwrap_or_default().to_owned();
            Answer::Http { status, retry_after, body }
        }
        "invalid_json" | "missing_auth" => Answer::ok(said()),
        "bad_secret" => Answer::ok(r#"{"auth":"key:signature","shared_secret":"not base64"}"#),
        "handler" => Answer::Handler(said()),
        "not_configured" => Answer::Handler("no authorizer is configured".to_owned()),
        // The URL and the answer.
        "at" => answered(&content[1])?,
        _ => return Err(unreadable()),
    })
}

fn ended(json: &Value) -> Result<Received, InvalidLine> {
    let (name, content) = variant(json)?;
    let said = words::in_line(content.as_str().unwrap_or_default());
    let line = match name {
        "closed" => match (content[0].as_u64(), content[1].as_str()) {
            (Some(code), reason) => format!("closed {code} {}", words::in_line(reason.unwrap_or_default())),
            (None, _) => "closed".to_owned(),
        },
        "dropped" => "dropped".to_owned(),
        "dns" => format!("failed dns {said}"),
        "tls" => format!("failed tls {said}"),
        "io" | "upgrade" | "websocket" => format!("failed {said}"),
        "http" => {
            let after = content["retry_after"]["secs"].as_u64().map(|seconds| format!(" retry-after={seconds}"));
            format!("failed http {}{}", content["status"], after.unwrap_or_default())
        }
        "frame_too_large" => "too_large".to_owned(),
        "tls_unavailable" => "no_tls".to_owned(),
        _ => return Err(unreadable()),
    };
    line.trim_end().parse()
}

fn json(text: &str) -> Result<Value, InvalidLine> {
    serde_json::from_str(text).map_err(|error| InvalidLine::because(&error))
}

/// The text of a JSON string.
fn text(json: &str) -> Result<String, InvalidLine> {
    serde_json::from_str(json).map_err(|error| InvalidLine::because(&error))
}

/// The time of an input, in whole microseconds.
fn seconds(text: &str) -> Result<Duration, InvalidLine> {
    let invalid = || InvalidLine::new(format!("{text:?} is not a time such as 12.345678"));
    let (seconds, micros) = text.split_once('.').filter(|(_, micros)| micros.len() == 6).ok_or_else(invalid)?;
    let seconds: u32 = seconds.parse().map_err(|_| invalid())?;
    let micros: u32 = micros.parse().map_err(|_| invalid())?;
    Ok(Duration::new(seconds.into(), micros * 1_000))
}

const HEAD: &str = "pusher recording 1";

fn unreadable() -> InvalidLine {
    InvalidLine::new("the JSON is not that of a recording")
}
