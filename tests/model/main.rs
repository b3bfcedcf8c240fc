//! The client and the model server against a reference made of sets: every walk up to a depth, and long ones at random.

mod reference;
mod subject;

use std::collections::{HashSet, VecDeque};

use proptest::prelude::{BoxedStrategy, Just, Strategy};
use proptest::sample::select;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use crate::reference::{NAMES, Reference, Step};
use crate::subject::Subject;

/// Walks are searched breadth first. If two of them lead the reference to the same state, only the shorter one
/// continues. From every state, the walk to rest is tested as well.
#[test]
fn every_walk_up_to_a_depth_goes_as_the_reference_says() {
    let depth = std::env::var("PUSHER_DEPTH").map_or(9, |depth| depth.parse().expect("PUSHER_DEPTH is a number"));
    let mut seen = HashSet::from([Reference::new()]);
    let mut open = VecDeque::from([(Reference::new(), Vec::new())]);
    let (mut walks, mut deepest) = (0_u64, 0);
    while let Some((reference, path)) = open.pop_front() {
        if path.len() == depth {
            continue;
        }
        for step in steps().into_iter().filter(|step| reference.is_possible(*step)) {
            let path: Vec<Step> = path.iter().copied().chain([step]).collect();
            let mut reference = reference.clone();
            reference.apply(step);
            let mut subject = walk(&path);
            subject.check(&reference).unwrap_or_else(|difference| panic!("{path:?}\n{difference}"));
            walks += 1;
            if seen.insert(reference.clone()) {
                settle(&mut subject, reference.clone()).unwrap_or_else(|difference| panic!("{path:?}\n{difference}"));
                deepest = path.len();
                open.push_back((reference, path));
            }
        }
    }
    println!("{walks} walks of at most {depth} steps, {} states", seen.len());
    assert_eq!(deepest, depth, "the deepest walks lead to new states");
}

fn walk(path: &[Step]) -> Subject {
    let mut subject = Subject::new();
    for step in path {
        subject.apply(*step);
    }
    subject
}

/// No more faults happen, until nothing is in progress; then the client must have what the application wants.
fn settle(subject: &mut Subject, mut reference: Reference) -> Result<(), String> {
    let wishes: Vec<Step> = reference.wanted.iter().map(|name| Step::Subscribe(*name)).collect();
    let mut steps = [Step::Connect, Step::Reconnect].into_iter().chain(wishes);
    let quiet = [Step::Authorize, Step::Reach, Step::Arrive];
    loop {
        let next = steps.next().or_else(|| quiet.into_iter().find(|step| reference.is_possible(*step)));
        let Some(step) = next else { break };
        if reference.is_possible(step) {
            reference.apply(step);
            subject.apply(step);
            subject.check(&reference)?;
        }
    }
    if reference.is_settled() { Ok(()) } else { Err(format!("this is not what is wanted: {reference:?}")) }
}

/// The steps of the search. Calls of `connect` and `disconnect` are only in the random walks.
fn steps() -> Vec<Step> {
    let mut steps = vec![Step::Reach, Step::Arrive, Step::Authorize, Step::Refuse];
    steps.extend([Step::Publish, Step::Deadline, Step::Cut, Step::Reconnect]);
    steps.extend(NAMES.map(Step::Subscribe));
    steps.extend(NAMES.map(Step::Unsubscribe));
    steps
}

prop_state_machine! {
    /// The same client for a long time.
    #[test]
    fn long_walks_go_as_the_reference_says(sequential 1..200 => Walk);
}

struct Walk;

impl ReferenceStateMachine for Walk {
    type State = Reference;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Reference> {
        Just(Reference::new()).boxed()
    }

    fn transitions(reference: &Reference) -> BoxedStrategy<Step> {
        let steps = steps().into_iter().chain([Step::Connect, Step::Disconnect]);
        select(steps.filter(|step| reference.is_possible(*step)).collect::<Vec<_>>()).boxed()
    }

    fn apply(mut reference: Reference, step: &Step) -> Reference {
        reference.apply(*step);
        reference
    }

    fn preconditions(reference: &Reference, step: &Step) -> bool {
        reference.is_possible(*step)
    }
}

impl StateMachineTest for Walk {
    type SystemUnderTest = Subject;
    type Reference = Self;

    fn init_test(_: &Reference) -> Subject {
        Subject::new()
    }

    fn apply(mut subject: Subject, reference: &Reference, step: Step) -> Subject {
        subject.apply(step);
        subject.check(reference).unwrap_or_else(|difference| panic!("{difference}"));
        subject
    }

    fn teardown(mut subject: Subject, reference: Reference) {
        settle(&mut subject, reference).unwrap_or_else(|difference| panic!("{difference}"));
    }
}
