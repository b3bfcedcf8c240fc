//! Transcripts as text from any source.

use pusher_proto::with_causes;
use pusher_test::transcript::{Failure, Line, Transcript};

/// Plays the inputs of a text twice; the outputs must be the same both times. Lines that cannot be read as an input are left
/// out, so that the others are played.
///
/// # Errors
///
/// What is wrong with the text, if it is not a transcript.
///
/// # Panics
///
/// If the outputs differ.
pub fn play_twice(text: &str) -> Result<(), String> {
    let is_kept = |line: &&str| !line.starts_with(['!', '<', '+']) || line.trim_end().parse::<Line>().is_ok();
    let text: Vec<&str> = text.lines().filter(is_kept).collect();
    let read = |text: &str| Transcript::parse_all(text).map_err(|error| with_causes(&error).to_string());
    for transcript in read(&text.join("\n"))? {
        let once = transcript.bless().map_err(|failure| failure.to_string())?;
        let played: Result<Vec<()>, Failure> = read(&once)?.iter().map(Transcript::play).collect();
        assert!(played.is_ok(), "{once}\n{played:?}");
    }
    Ok(())
}
