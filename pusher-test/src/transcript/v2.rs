//! Short forms of Sockudo's frames in version 2 of the protocol.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pusher_proto::Position;
use serde_json::{Value, json};

use super::{InvalidLine, history};

/// Returns the frame that a short form stands for:
///
/// | Form | Frame |
/// |---|---|
/// | `established ID` | the greeting |
/// | `succeeded CHANNEL [STREAM:SERIAL]` | the success of a subscription, with a position if recovery is on |
/// | `message CHANNEL STREAM:SERIAL[#N] [JSON]` | the event `e`; its data is the number, if none is given |
/// | `delta CHANNEL STREAM:SERIAL#N BASE [JSON]` | the same as a delta to base `BASE` |
/// | `resumed CHANNEL=OUTCOME …` | the answer to a request to replay messages |
/// | `failed CHANNEL CODE[:NEWEST]` | the failure of one channel, before the answer |
/// | `history CHANNEL [STREAM:SERIAL …] [next=CURSOR] [complete] [truncated]` | a page of history |
/// | `error CODE MESSAGE` | an error |
///
/// An outcome is `N` (so many messages were replayed from memory), `N@STREAM:SERIAL` (the same, with the position after
/// them), `cold:…` (the same from history), or the code of a failure.
pub(crate) fn frame(text: &str) -> Result<String, InvalidLine> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let frame = match word {
        "established" => {
            let data = json!({ "socket_id": rest, "activity_timeout": 120 }).to_string();
            json!({ "event": "sockudo:connection_established", "data": data, "message_id": "m" })
        }
        "succeeded" => {
            let (channel, position) = rest.split_once(' ').map_or((rest, None), |(channel, at)| (channel, Some(at)));
            let success = json!({
                "event": "sockudo_internal:subscription_succeeded", "channel": channel, "data": "{}", "message_id": "m",
            });
            position.map_or(Ok(success.clone()), |at| Ok(with_position(success, &self::position(at)?)))?
        }
        "message" => {
            let expected = || InvalidLine::expected("v2 message CHANNEL STREAM:SERIAL [JSON]");
            let (channel, rest) = rest.split_once(' ').ok_or_else(expected)?;
            let (at, data) = rest.split_once(' ').map_or((rest, None), |(at, data)| (at, Some(data)));
            let Some((at, base)) = at.split_once('#') else { return message(channel, at, data) };
            let frame = message(channel, at, data)?;
            // The mark is the last field.
            return Ok(format!(r#"{},"__delta_seq":{}}}"#, frame.trim_end_matches('}'), number(base)?));
        }
        "delta" => {
            let expected = || InvalidLine::expected("v2 delta CHANNEL STREAM:SERIAL#N BASE [JSON]");
            let words: Vec<&str> = rest.splitn(4, ' ').collect();
            let [channel, at, base, data @ ..] = &*words else { return Err(expected()) };
            let (at, seq) = at.split_once('#').ok_or_else(expected)?;
            let delta = literal(&message(channel, at, data.first().copied())?);
            let data = json!({ "event": "e", "seq": number(seq)?, "base_index": number(base)?, "delta": delta });
            json!({ "event": "sockudo:delta", "channel": channel, "data": data })
        }
        "resumed" => {
            let (mut recovered, mut failed) = (Vec::new(), Vec::new());
            for word in rest.split_whitespace() {
                let (channel, outcome) =
                    word.split_once('=').ok_or_else(|| InvalidLine::expected("v2 resumed CHANNEL=OUTCOME …"))?;
                if outcome.starts_with(|c: char| c.is_ascii_digit()) || outcome.starts_with("cold:") {
                    recovered.push(self::recovered(channel, outcome)?);
                } else {
                    failed.push(failure(channel, outcome)?);
                }
            }
            let data = json!({ "recovered": recovered, "failed": failed }).to_string();
            json!({ "event": "sockudo:resume_success", "data": data, "message_id": "m" })
        }
        "failed" => {
            let (channel, code) =
                rest.split_once(' ').ok_or_else(|| InvalidLine::expected("v2 failed CHANNEL CODE"))?;
            let data = failure(channel, code)?.to_string();
            json!({ "event": "sockudo:resume_failed", "channel": channel, "data": data, "message_id": "m" })
        }
        "history" => history::frame(rest)?,
        "error" => {
            let (code, message) = rest.split_once(' ').unwrap_or((rest, ""));
            let data = json!({ "code": number(code)?, "message": message });
            json!({ "event": "sockudo:error", "data": data, "message_id": "m" })
        }
        _ => return Err(InvalidLine::new(format!("{word:?} is not a short form of a frame"))),
    };
    Ok(frame.to_string())
}

fn message(channel: &str, at: &str, data: Option<&str>) -> Result<String, InvalidLine> {
    let at = position(at)?;
    let data = data.map_or_else(|| Ok(json!(at.serial())), serde_json::from_str::<Value>);
    let data = data.map_err(|error| InvalidLine::because(&error))?;
    let frame = json!({ "event": "e", "channel": channel, "data": data, "message_id": "m" });
    Ok(with_position(frame, &at).to_string())
}

/// A delta in the format of Fossil that takes nothing from its base.
fn literal(text: &str) -> String {
    let words = text.as_bytes().chunks(4).map(|chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_be_bytes(word)
    });
    let sum = words.fold(0, u32::wrapping_add);
    let len = fossil_number(u32::try_from(text.len()).unwrap_or(u32::MAX));
    STANDARD.encode(format!("{len}\n{len}:{text}{};", fossil_number(sum)))
}

/// A number in the digits of Fossil.
fn fossil_number(mut number: u32) -> String {
    const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
    let mut digits = Vec::new();
    loop {
        digits.push(char::from(DIGITS[(number & 63) as usize]));
        number >>= 6;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

/// Reads `STREAM:SERIAL`.
pub(crate) fn position(text: &str) -> Result<Position, InvalidLine> {
    let (stream, serial) = text.rsplit_once(':').ok_or_else(|| InvalidLine::expected("STREAM:SERIAL"))?;
    Position::new(stream, number(serial)?).ok_or_else(|| InvalidLine::new(format!("{stream:?} is not a stream")))
}

fn with_position(mut frame: Value, position: &Position) -> Value {
    frame["stream_id"] = position.stream_id().into();
    frame["serial"] = position.serial().into();
    frame
}

fn recovered(channel: &str, outcome: &str) -> Result<Value, InvalidLine> {
    let (source, outcome) = outcome.strip_prefix("cold:").map_or(("hot", outcome), |rest| ("cold", rest));
    let (replayed, at) = outcome.split_once('@').map_or((outcome, None), |(replayed, at)| (replayed, Some(at)));
    let position = at.map(position).transpose()?.map(|at| with_position(json!({ "last_message_id": "m" }), &at));
    Ok(json!({ "channel": channel, "source": source, "replayed": number(replayed)?, "position": position }))
}

fn failure(channel: &str, code: &str) -> Result<Value, InvalidLine> {
    let (code, newest) = code.split_once(':').map_or((code, None), |(code, newest)| (code, Some(newest)));
    let newest = newest.map(number).transpose()?;
    let stream = newest.map(|_| "same");
    Ok(json!({
        "channel": channel, "code": code, "reason": "for people", "expected_stream_id": stream,
        "current_stream_id": stream, "oldest_available_serial": newest, "newest_available_serial": newest,
    }))
}

pub(crate) fn number(text: &str) -> Result<u64, InvalidLine> {
    text.parse().map_err(|_| InvalidLine::new(format!("{text:?} is not a number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_the_frames_of_the_server() {
        let table = [
            ("message a s:3", r#"{"channel":"a","data":3,"event":"e","message_id":"m","serial":3,"stream_id":"s"}"#),
            (
                "resumed a=cold:2@s:4 b=stream_reset",
                concat!(
                    r#"{"data":"{\"failed\":[{\"channel\":\"b\",\"code\":\"stream_reset\",\"current_stream_id\":null,"#,
                    r#"\"expected_stream_id\":null,\"newest_available_serial\":null,\"oldest_available_serial\":null,"#,
                    r#"\"reason\":\"for people\"}],\"recovered\":[{\"channel\":\"a\",\"position\":{\"last_message_id\":\"m\","#,
                    r#"\"serial\":4,\"stream_id\":\"s\"},\"replayed\":2,\"source\":\"cold\"}]}","#,
                    r#""event":"sockudo:resume_success","message_id":"m"}"#,
                ),
            ),
        ];
        for (form, expected) in table {
            let frame: Value = serde_json::from_str(&frame(form).unwrap()).unwrap();
            // As values, because whether maps are sorted depends on a feature of serde_json.
            let expected: Value = serde_json::from_str(expected).unwrap();
            let inner = |value: &Value| value["data"].as_str().map(|data| serde_json::from_str::<Value>(data).unwrap());
            assert_eq!(
                (inner(&frame), &frame["event"], &frame["serial"]),
                (inner(&expected), &expected["event"], &expected["serial"])
            );
        }
        for wrong in ["", "message", "message a", "message a s", "resumed a", "error x", "failed a", "greeting 1.1"] {
            assert!(frame(wrong).is_err(), "{wrong}");
        }
    }
}
