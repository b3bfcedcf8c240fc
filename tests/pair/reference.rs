//! Stories of random steps, in which a client does what a reference of a few lines does.

use std::fmt::Debug;

use libtest_mimic::{Failed, Trial};
use pusher_test::Choices;

/// One test of stories.
///
/// `begin` is called for each of them. What it returns lets the reference and the client take a step, and tells what that
/// leads to: what has to be seen, and what is seen.
pub(crate) fn trial<Step, Seen, Take>(name: &str, draw: fn(&mut Choices) -> Step, begin: fn() -> Take) -> Trial
where
    Step: Copy + Debug + 'static,
    Seen: Debug + PartialEq,
    Take: FnMut(Step) -> (Vec<Seen>, Vec<Seen>) + 'static,
{
    Trial::test(name, move || {
        for seed in 0..STORIES {
            let mut choices = Choices::from_seed(seed);
            let mut take = begin();
            let mut story = Vec::new();
            for _ in 0..STEPS {
                let step = draw(&mut choices);
                story.push(step);
                let (expected, seen) = take(step);
                if seen != expected {
                    return Err(Failed::from(format!("seed {seed}: {seen:?} instead of {expected:?} after {story:?}")));
                }
            }
        }
        Ok(())
    })
}

const STORIES: u64 = 5_000;
const STEPS: usize = 16;
