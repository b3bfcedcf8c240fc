//! The part of the hot path's budget that a test can check: allocations.

use pusher_tests::hot_path::{FRAME_LENS, Subscriber, frame};

#[test]
fn a_channel_event_passes_the_core_without_an_allocation() {
    let mut subscriber = Subscriber::new(100);
    for len in FRAME_LENS {
        let frame = frame(len);
        assert_eq!(frame.len(), len);
        assert_eq!(subscriber.receive(frame.clone()), 1);
        let info = allocation_counter::measure(|| {
            for _ in 0..10 {
                assert_eq!(subscriber.receive(frame.clone()), 1);
            }
        });
        assert_eq!(info.count_total, 0, "{len} bytes");
    }
}

#[test]
fn an_idle_client_and_a_further_channel_are_small() {
    let held = |others: usize| {
        let mut subscriber = None;
        let info = allocation_counter::measure(|| subscriber = Some(Subscriber::new(others)));
        drop(subscriber);
        usize::try_from(info.bytes_current).unwrap_or(usize::MAX)
    };
    let (idle, many) = (held(0), held(10_000));
    // The hash table may have just grown, so the bound is twice the budget of 160 bytes; names have at most 12.
    let per_channel = (many - idle) / 10_000;
    assert!(per_channel <= 2 * 160 + 12, "{per_channel} bytes a channel");
    assert!(idle <= 4 * 1_024, "{idle} bytes for an idle client");
}
