//! The examples of the guide on testing, which is part of `pusher-driver` and cannot compile them itself.
#![cfg(test)]

mod paused;
mod simulated;
mod threads;

/// The guide shows each example in a block that is not compiled.
#[test]
fn the_guide_shows_these_examples() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../pusher-driver/src/guide/testing.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let blocks = guide.split("```rust,ignore\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let shown: Vec<&str> = blocks.map(|(block, _)| block).filter(|block| block.contains("pusher_test::")).collect();
    let examples = [include_str!("paused.rs"), include_str!("threads.rs"), include_str!("simulated.rs")];
    let tested = examples.map(|file| file.split_once("\n\n").unwrap().1);
    assert_eq!(shown, tested);
}
