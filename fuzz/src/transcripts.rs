//! Arbitrary transcripts.

/// Plays the inputs of a text, if it is a transcript: time and the application in any order, with any words.
pub fn transcripts(data: &[u8]) {
    // A text that is not a transcript is refused with an error.
    let _ = pusher_tests::transcripts::play_twice(&String::from_utf8_lossy(data));
}
