//! Code that several test suites share.

pub mod hot_path;
#[path = "../simulation/harness/mod.rs"]
pub mod simulation;
#[path = "../../pusher-test/src/transcript"]
pub mod transcripts {
    //! Transcripts as text from any source.

    pub(crate) mod describe;
    mod player;
    mod script;
    mod words;

    /// Plays the inputs of a text twice; the outputs must be the same both times.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, if it is not a transcript.
    ///
    /// # Panics
    ///
    /// If the outputs differ.
    pub fn play_twice(text: &str) -> Result<(), String> {
        for case in script::cases(text)? {
            let once = player::bless(&case)?;
            let cases = script::cases(&once)?;
            let played = cases.iter().try_for_each(player::play);
            assert_eq!(played, Ok(()), "{once}");
        }
        Ok(())
    }
}
pub use pusher_test::world;
