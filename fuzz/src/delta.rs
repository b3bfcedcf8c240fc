//! Deltas of any kind, encoded texts, and a store of bases under any input.

use pusher_proto::delta::{Algorithm, Bases, Limits};

#[path = "../../pusher-proto/tests/deltas/encoder.rs"]
mod encoder;

/// A kind, the length of a base in two bytes, the base, and the rest, which depends on the kind: a delta, a target and
/// choices of the encoder, or lines for a store.
pub fn delta(data: &[u8]) {
    let [kind, high, low, rest @ ..] = data else { return };
    let base_len = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
    let (base, rest) = rest.split_at(base_len);
    let algorithm = if kind % 2 == 0 { Algorithm::Fossil } else { Algorithm::Vcdiff };
    match kind / 2 % 3 {
        0 => apply(algorithm, base, rest),
        1 => encode(algorithm, base, rest),
        _ => store(&String::from_utf8_lossy(base), &String::from_utf8_lossy(rest)),
    }
}

fn apply(algorithm: Algorithm, base: &[u8], delta: &[u8]) {
    match algorithm.apply(base, delta, MAX_LEN) {
        Ok(output) => assert!((1..=MAX_LEN).contains(&output.len()), "{} bytes", output.len()),
        Err(error) => assert!(error.to_string().len() < 200, "{error}"),
    }
}

/// The first half of the rest is the target, the other one the choices.
fn encode(algorithm: Algorithm, base: &[u8], rest: &[u8]) {
    let (target, choices) = rest.split_at(rest.len().div_ceil(2));
    if target.is_empty() {
        return;
    }
    let mut choices = choices.iter();
    let mut choose = |below: usize| usize::from(choices.next().copied().unwrap_or_default()) % below;
    let delta = match algorithm {
        Algorithm::Fossil => encoder::fossil(base, target, &mut choose),
        Algorithm::Vcdiff => encoder::vcdiff(base, target, &mut choose),
    };
    assert_eq!(algorithm.apply(base, &delta, target.len()).as_deref(), Ok(target));
}

/// Each line begins with what it is: a frame, the data of a delta or of the start of deltas, or the end of a channel.
fn store(channel: &str, lines: &str) {
    let mut bases = Bases::new(Limits { max_bytes: MAX_HELD, max_frame_len: MAX_LEN });
    for line in lines.split('\n') {
        match (line.get(..1), line.get(1..).unwrap_or_default()) {
            (Some("K"), frame) => {
                bases.keep(channel, "e", frame);
            }
            (Some("D"), data) => match bases.rebuild(channel, data) {
                Ok(frame) => assert!(frame.len() <= MAX_LEN && frame.contains(':'), "{frame}"),
                // The channel now waits, so no further loss is the first one.
                Err(_) => assert!(!bases.rebuild(channel, "").expect_err("there is no base").is_first),
            },
            (Some("E"), data) => bases.enable(data),
            _ => bases.forget(channel),
        }
        assert!(bases.held() <= MAX_HELD, "{} bytes", bases.held());
    }
    bases.forget(channel);
    assert_eq!(bases.held(), 0);
}

/// Longest output, in bytes.
const MAX_LEN: usize = 8 * 1_024;

/// Bytes of all bases.
const MAX_HELD: usize = 4 * 1_024;
