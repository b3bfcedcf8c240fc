//! An application may poll after each input, or after several.

use libtest_mimic::{Failed, Trial};
use pusher_proto::{Action, Client, Config};
use pusher_test::Choices;
use pusher_test::story::Story;
use pusher_test::transcript::Line;

/// One test of stories in which frames that follow one another are handled before one poll.
pub(crate) fn trial() -> Trial {
    Trial::test("what a client does is the same, however many frames it is given before a poll", || {
        let mut grouped = 0;
        for seed in 0..STORIES {
            let story = Story::legal(&mut Choices::from_seed(seed));
            let polled = play(&story);
            let rarely_polled = group(&story, &polled);
            grouped += rarely_polled.1;
            let (polled, rarely_polled) = (polled.concat(), play(&rarely_polled.0).concat());
            if polled != rarely_polled {
                let at = polled.iter().zip(&rarely_polled).take_while(|(one, other)| one == other).count();
                let [one, other] = [&polled, &rarely_polled].map(|actions| actions.get(at));
                return Err(Failed::from(format!(
                    "seed {seed}: action {at} is {one:?} when polled after each frame, and {other:?} otherwise{story:?}"
                )));
            }
        }
        if grouped < STORIES { Err(format!("only {grouped} frames were grouped").into()) } else { Ok(()) }
    })
}

/// The actions after each line that can be played.
fn play(story: &Story) -> Vec<Vec<Action>> {
    let config = Config::new("KEY", "ws://localhost").expect("a valid configuration");
    let mut actions = Vec::new();
    story
        .play_with(&mut Client::new(config, 0), |_, after_line| {
            // Deadlines may be announced more often or less often.
            let lasting = after_line.iter().filter(|action| !matches!(action, Action::Schedule(_)));
            actions.push(lasting.cloned().collect());
        })
        .expect("the client does nothing that it never may");
    actions
}

/// Leaves out the polls between two frames of which the second does not follow from the first: the client has only told the
/// application about it. Returns how many those are.
fn group(story: &Story, actions: &[Vec<Action>]) -> (Story, u64) {
    let mut lines: Vec<Line> = story.lines().cloned().collect();
    assert_eq!(lines.len(), actions.len(), "every line of a legal story can be played");
    let mut grouped = 0;
    for at in 1..lines.len() {
        let is_cause = actions[at - 1].iter().any(|action| !matches!(action, Action::Emit(_)));
        let [first, second] = &mut lines[at - 1..=at] else { unreachable!("two lines") };
        if let (Line::Receive { is_polled, .. }, Line::Receive { .. }, false) = (first, second, is_cause) {
            *is_polled = false;
            grouped += 1;
        }
    }
    (Story::new(lines), grouped)
}

const STORIES: u64 = 200;
