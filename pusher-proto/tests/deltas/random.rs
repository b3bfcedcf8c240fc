//! Any text comes back from any delta that an encoder makes of it.

use fastrand::Rng;
use pusher_proto::delta::{Algorithm, DeltaError};

use crate::encoder;

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Fossil, Algorithm::Vcdiff];

fn encode(algorithm: Algorithm, base: &[u8], target: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut choose = |below| rng.usize(..below);
    match algorithm {
        Algorithm::Fossil => encoder::fossil(base, target, &mut choose),
        Algorithm::Vcdiff => encoder::vcdiff(base, target, &mut choose),
    }
}

/// A base, and a target that has parts in common with it.
fn texts(rng: &mut Rng) -> (Vec<u8>, Vec<u8>) {
    let letters = 1 + rng.u8(..) % 8;
    let max = if rng.u8(..) == 0 { 5_000 } else { 200 };
    let some = |rng: &mut Rng, max: usize| -> Vec<u8> {
        let len = rng.usize(..max);
        (0..len).map(|_| b'a' + rng.u8(..letters)).collect()
    };
    let base = some(rng, max);
    let mut target = some(rng, 20);
    while target.is_empty() || rng.usize(..4) > 0 {
        let start = rng.usize(..=base.len());
        target.extend(&base[start..rng.usize(start..=base.len())]);
        target.extend(some(rng, 20));
        target.extend(vec![rng.u8(..); rng.usize(..10)]);
    }
    (base, target)
}

#[test]
fn what_is_encoded_is_decoded() {
    let mut rng = Rng::with_seed(1);
    for round in 0..2_000 {
        let (base, target) = texts(&mut rng);
        for algorithm in ALGORITHMS {
            let delta = encode(algorithm, &base, &target, &mut rng);
            assert_eq!(Algorithm::of(&delta), algorithm);
            assert_eq!(algorithm.apply(&base, &delta, target.len()), Ok(target.clone()), "{algorithm:?} {round}");
            let too_long = algorithm.apply(&base, &delta, target.len() - 1).unwrap_err();
            assert!(matches!(too_long, DeltaError::TooLong { .. }), "{algorithm:?} {round}: {too_long}");
        }
    }
}

#[test]
fn a_delta_that_ends_at_any_byte_is_an_error() {
    let mut rng = Rng::with_seed(2);
    for _ in 0..50 {
        let (base, target) = texts(&mut rng);
        for algorithm in ALGORITHMS {
            let delta = encode(algorithm, &base, &target, &mut rng);
            for end in 0..delta.len() {
                // A VCDIFF delta also ends behind each of its windows.
                match algorithm.apply(&base, &delta[..end], target.len()) {
                    Err(DeltaError::Truncated { .. }) => {}
                    Ok(_) | Err(DeltaError::Empty) if algorithm == Algorithm::Vcdiff => {}
                    other => panic!("{algorithm:?} {end}: {other:?}"),
                }
            }
        }
    }
}

/// Changed bytes either lead to an error or to an output within the limit, whatever they are.
#[test]
fn a_delta_with_changed_bytes_never_exceeds_the_limit() {
    let mut rng = Rng::with_seed(3);
    for _ in 0..5_000 {
        let (base, target) = texts(&mut rng);
        for algorithm in ALGORITHMS {
            let mut delta = encode(algorithm, &base, &target, &mut rng);
            for _ in 0..1 + rng.usize(..3) {
                let at = rng.usize(..delta.len());
                delta[at] = rng.u8(..);
            }
            if let Ok(output) = algorithm.apply(&base, &delta, 2_000) {
                assert!(output.len() <= 2_000 && !output.is_empty());
            }
        }
    }
}
