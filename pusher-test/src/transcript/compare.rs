//! Comparing what happened with what a transcript expects.

use super::words::duration;

/// A random delay is blessed as the range in which it must be.
pub(crate) fn ranged(line: &str) -> String {
    let mut words = line.splitn(4, ' ');
    let (Some("*"), Some(verb @ ("waiting" | "retry" | "key_retry")), Some(what), Some(rest)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return line.to_owned();
    };
    let Some((delay, cause)) = rest.split_once(": ") else { return line.to_owned() };
    let failures = what.strip_prefix("attempt=").and_then(|attempt| attempt.parse().ok()).unwrap_or(u32::MAX);
    let usual = 2_u64.saturating_pow(failures).min(30);
    let range = match duration(delay).map_or(0.0, |delay| delay.as_secs_f64()) {
        0.0 => delay.to_owned(),
        // A server can ask for a longer delay than the usual one.
        seconds if seconds > usual as f64 && seconds > 1.0 => {
            format!("{0}s..{1}s", seconds.floor(), seconds.floor() + 1.0)
        }
        1.0.. => format!("1s..{usual}s"),
        _ => "0s..1s".to_owned(),
    };
    format!("* {verb} {what} {range}: {cause}")
}

/// Frames are compared as JSON, delays by their range, everything else exactly.
pub(crate) fn matches(happened: &str, expected: &str) -> bool {
    if happened == expected {
        return true;
    }
    if let (Some(happened), Some(expected)) = (happened.strip_prefix("> "), expected.strip_prefix("> ")) {
        let parse = |text| serde_json::from_str::<serde_json::Value>(text).ok();
        return parse(happened).is_some() && parse(happened) == parse(expected);
    }
    let Some((start, rest)) = expected.split_once("..") else { return false };
    let Some((before, low)) = start.rsplit_once(' ') else { return false };
    let (high, after) = rest.split_once(':').unwrap_or((rest, ""));
    let Some(delay) = happened.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) else { return false };
    let delay = duration(delay.trim_end_matches(':').trim());
    delay.is_ok_and(|delay| {
        duration(low).is_ok_and(|low| low <= delay) && duration(high).is_ok_and(|high| delay <= high)
    })
}
