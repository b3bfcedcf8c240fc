//! The same frames, valid and invalid, read by this crate and by `tungstenite`.

use proptest::prelude::*;
use pusher_websocket::Limits;

use crate::play::play;
use crate::tungstenite_peer::compare;

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_read_the_same_messages_and_find_the_same_faults(
        frames in prop::collection::vec(any_frame(), 0..12),
        cut in 0..6_usize,
        piece in 1..200_usize,
    ) {
        let bytes = frames.concat();
        let bytes = &bytes[..bytes.len().saturating_sub(cut)];
        let ours = play(Limits::new().max_message_len(MAX_LEN).max_frame_len(MAX_LEN as u64), bytes.chunks(piece));
        compare(&ours.messages, ours.violation, bytes, MAX_LEN);
    }
}

const MAX_LEN: usize = 1_000;

/// Mostly valid, so that several valid ones in a row are likely.
pub(crate) fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => Just(0x81_u8), 2 => Just(0x82), 6 => Just(0x01), 2 => Just(0x02), 8 => Just(0x80), 6 => Just(0x00),
        3 => Just(0x89), 2 => Just(0x8a), 1 => Just(0x88), 1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        6 => "[a-zé€😀]{0,20}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..5),
        1 => (100..140_usize).prop_map(|len| vec![b'x'; len]),
        1 => (900..1_100_usize).prop_map(|len| vec![b'y'; len]),
        1 => (990..5_010_u16, "[a-z]{0,3}").prop_map(|(code, why)| [&code.to_be_bytes(), why.as_bytes()].concat()),
    ];
    let flaw =
        prop_oneof![30 => Just(Flaw::None), 1 => Just(Flaw::Masked), 1 => Just(Flaw::Long), 1 => Just(Flaw::Cut)];
    (first, payload, flaw).prop_map(|(first, payload, flaw)| match flaw {
        Flaw::None => crate::play::frame(first, &payload),
        Flaw::Masked => [&[first, 0x80 | (payload.len() % 126) as u8, 0, 0, 0, 0], &payload[..]].concat(),
        Flaw::Long => [&[first, 127], &(payload.len() as u64).to_be_bytes()[..], &payload].concat(),
        // The next frame begins inside this one.
        Flaw::Cut => crate::play::frame(first, &payload)[..1 + payload.len() / 2].to_vec(),
    })
}

#[derive(Clone, Copy, Debug)]
enum Flaw {
    None,
    Masked,
    Long,
    Cut,
}
