//! Answers of auth servers.

use pusher_proto::AuthResponse;

/// A status, and the body of an answer.
pub fn auth(data: &[u8]) {
    let Some(([high, low], body)) = data.split_first_chunk() else { return };
    let status = u16::from_be_bytes([*high, *low]) % 600;
    let answer = AuthResponse::from_http(status, body, Some("7"));
    if let Err(error) = &answer {
        let text = error.to_string();
        assert!(text.len() < 2_048, "an error of {} bytes", text.len());
    }
    assert!(answer.is_err() || (200..300).contains(&status));
}
