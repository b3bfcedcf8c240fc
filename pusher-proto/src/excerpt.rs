//! Excerpts of received texts that errors may show.

use alloc::format;
use alloc::string::String;

/// Returns the start of `text`: whole characters, at most `max` bytes.
#[must_use]
pub fn start_of(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    &text[..end]
}

/// The start of `text`, at most `max` bytes.
pub(crate) fn excerpt(text: &str, max: usize) -> String {
    start_of(text, max).into()
}

/// The start of an answer, without signatures, keys and tokens.
///
/// An answer that cannot be used may be truncated, escaped or wrapped. Therefore everything after the name of a secret
/// field is left out, and everywhere else anything that looks like a signature, a key or a token.
pub(crate) fn safe_excerpt(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let ends = SECRETS.iter().filter_map(|name| Some(lower.find(name)? + name.len()));
    match ends.min() {
        Some(end) => format!("{}…", excerpt(&without_tokens(&text[..end]), MAX_LEN - '…'.len_utf8())),
        None => excerpt(&without_tokens(text), MAX_LEN),
    }
}

/// Replaces every long run of letters and digits, such as base64, hexadecimal numbers and JSON web tokens.
fn without_tokens(text: &str) -> String {
    let is_token_char = |c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c);
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.find(|c| !is_token_char(c)).unwrap_or(rest.len());
        let (token, behind) = rest.split_at(run);
        let is_word = !token.contains(|c: char| c.is_ascii_digit());
        safe.push_str(if token.len() < MIN_TOKEN_LEN || is_word { token } else { "…" });
        let other = behind.find(is_token_char).unwrap_or(behind.len());
        let (between, behind) = behind.split_at(other);
        safe.push_str(between);
        rest = behind;
    }
    safe
}

/// The words before a secret, in lower case: names in JSON, also inside a JSON string or in PHP, and an HTTP scheme and
/// header.
const SECRETS: [&str; 7] =
    ["auth\"", "auth\\\"", "auth'", "shared_secret", "bearer ", "authorization:", "authorization\""];

/// Shortest run that may be a secret: half a signature, or 16 bytes in hexadecimal.
const MIN_TOKEN_LEN: usize = 32;

/// Longest excerpt of an answer, in bytes.
const MAX_LEN: usize = 1_024;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn what_is_no_secret_is_shown_up_to_the_limit() {
        for text in
            ["", "no", "CSRF token mismatch.", r#"{"message":"Unauthenticated."}"#, "<!DOCTYPE html>\n<h1>é</h1>"]
        {
            assert_eq!(safe_excerpt(text), text);
        }
        let path = "vendor/laravel/framework/src/Illuminate/Auth/Middleware/Authenticate.php";
        assert_eq!(safe_excerpt(path), path);
        assert_eq!(safe_excerpt(&"a.".repeat(1_000)), "a.".repeat(512));
    }

    #[test]
    fn signatures_keys_and_tokens_are_left_out() {
        let signature = "0123456789abcdef".repeat(4);
        let key = "kZc3w9TtVxYhR1oXb7pJ5nQf2eUuGd0sLmAaCcEeGgI=";
        let texts = [
            format!(r#"{{"data":{{"auth":"key:{signature}"}}}}"#),
            format!(r#"{{"shared_secret":"{key}","#),
            format!(r#""{{\"auth\":\"key:short\",\"x\":\"{key}\"}}""#),
            format!("array('auth' => 'key:short', '{key}')"),
            format!("key:{signature} and {key}"),
            "Authorization: Bearer short".to_string(),
            "authorization: Basic short".to_string(),
            r#"{"Authorization":"Basic short"}"#.to_string(),
            format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkEifQ.{key}"),
            format!("{}{signature}", "a.".repeat(500)),
        ];
        for text in texts {
            let shown = safe_excerpt(&text);
            let leaks =
                [&signature[..12], "short", &key[..10], "eyJzdWIi"].into_iter().find(|secret| shown.contains(secret));
            assert_eq!(leaks, None, "{shown}");
            assert!(shown.contains('…'), "{shown}");
            assert!(shown.len() <= MAX_LEN, "{}", shown.len());
        }
    }

    #[test]
    fn no_secret_is_shown_because_there_is_another_one_before_or_behind_it() {
        let forms = [
            r#""auth":"short""#,
            r#"\"auth\":\"short\""#,
            "'auth' => 'short'",
            "shared_secret=short",
            "Bearer short",
            "AUTHORIZATION: short",
            r#""Authorization":"short""#,
            "0123456789abcdef0123456789abcdef",
        ];
        for first in forms {
            for second in forms {
                let shown = safe_excerpt(&alloc::format!("so: {first}, {second}."));
                assert!(shown.starts_with("so: ") && shown.contains('…'), "{shown}");
                assert!(!shown.contains("short") && !shown.contains("abcdef"), "{first} and {second}: {shown}");
            }
        }
    }

    #[test]
    fn an_excerpt_ends_at_a_character() {
        assert_eq!(excerpt("aé", 2), "a");
        assert_eq!(excerpt("aé", 9), "aé");
    }
}
