//! Transcripts that nobody has written.

/// Plays the inputs of a text, if it is a transcript: time and the application in any order, with any words.
pub fn transcripts(data: &[u8]) {
    // Whatever is no transcript is refused with a sentence.
    let _ = pusher_tests::transcripts::play_twice(&String::from_utf8_lossy(data));
}
