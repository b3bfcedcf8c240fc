//! The core alone.

use std::hint::black_box;

use pusher_tests::hot_path::{Subscriber, frame};

use super::{nanos, print};
use crate::{Result, clock};

pub(super) fn run(frame_len: usize, count: usize, others: usize) -> Result<()> {
    let mut subscriber = Subscriber::new(others);
    let frame = frame(frame_len);
    let start = clock::cpu()?;
    for _ in 0..count {
        let events = subscriber.receive(black_box(frame.clone()));
        if events != 1 {
            return Err(format!("{events} events of one frame").into());
        }
    }
    print(&[nanos(clock::cpu()?.saturating_sub(start)) / count as f64])
}
