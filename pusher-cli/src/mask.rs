//! The user's texts without possible secrets: what is printed ends up in the logs of terminals and build servers.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Returns a URL without credentials and query, whether or not it is a valid one.
pub(crate) fn url(url: &str) -> String {
    let (scheme, rest) = url.find("://").map_or(("", url), |at| url.split_at(at + "://".len()));
    // A password may contain any character, so everything before the last @ is hidden.
    let (credentials, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("…@", rest));
    let (place, query) = rest.find(['?', '#']).map_or((rest, ""), |at| (&rest[..at], "?…"));
    format!("{scheme}{credentials}{place}{query}")
}

/// Returns clap's error without values that may be secret.
pub(crate) fn error(mut error: clap::Error) -> clap::Error {
    let text = |error: &clap::Error, kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let replace = |error: &mut clap::Error, kind, text| drop(error.insert(kind, ContextValue::String(text)));
    match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::TooManyValues => {
            let argument = text(&error, ContextKind::InvalidArg).unwrap_or_default();
            if let Some(value) = text(&error, ContextKind::InvalidValue).filter(|value| !value.is_empty()) {
                let flag = argument.split(' ').next().unwrap_or_default();
                let masked = match SECRET_FLAGS.contains(&flag) {
                    true => HIDDEN.into(),
                    false if value.contains("://") || value.contains('@') => url(&value),
                    false => value,
                };
                replace(&mut error, ContextKind::InvalidValue, masked);
            }
        }
        ErrorKind::UnknownArgument => {
            let argument = text(&error, ContextKind::InvalidArg).unwrap_or_default();
            let (flag, _) = argument.split_once('=').unwrap_or((&argument, ""));
            if is_flag(flag) {
                replace(&mut error, ContextKind::InvalidArg, flag.into());
            } else {
                // It may be the rest of a value, as in --auth-header Authorization=Bearer TOKEN.
                replace(&mut error, ContextKind::InvalidArg, HIDDEN.into());
                let tip = "a value that contains spaces needs quotes".to_owned().into();
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
            }
        }
        ErrorKind::InvalidSubcommand => {
            if let Some(word) = text(&error, ContextKind::InvalidSubcommand).filter(|word| !is_word(word)) {
                replace(&mut error, ContextKind::InvalidSubcommand, url(&word));
                error.remove(ContextKind::Suggested);
            }
        }
        _ => {}
    }
    error
}

/// Whether an argument looks like the name of a flag.
fn is_flag(argument: &str) -> bool {
    argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')).is_some_and(is_word)
}

fn is_word(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// Flags whose values are secrets.
const SECRET_FLAGS: [&str; 4] = ["--secret", "--master-key", "--auth-header", "--proxy"];

/// What is shown in place of a secret.
const HIDDEN: &str = "…";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_credentials_and_query_is_left() {
        let table = [
            ("wss://h:6001/prefix", "wss://h:6001/prefix"),
            ("wss://user:password@h/x", "wss://…@h/x"),
            ("https://key:secret@api-eu.pusher.com/apps/3", "https://…@api-eu.pusher.com/apps/3"),
            ("wss://user:p@ss?w/o#rd@h", "wss://…@h"),
            ("user:password@h", "…@h"),
            ("wss:/user:password@h", "…@h"),
            ("wss://h/x?token=1#2", "wss://h/x?…"),
            ("wss://h#token", "wss://h?…"),
            ("localhost", "localhost"),
            ("", ""),
        ];
        for (text, masked) in table {
            assert_eq!(url(text), masked);
        }
    }
}
