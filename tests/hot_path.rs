//! The budget of the hot path that a test can hold: allocations.

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
