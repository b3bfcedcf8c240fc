//! The program of the guide *Testing*: an application, and its tests against a server on real sockets.

mod program;

#[test]
fn the_guide_shows_this_program() {
    let guide = include_str!("../../../pusher-driver/src/guide/testing.md");
    assert!(guide.contains(include_str!("program.rs")), "copy program.rs into the guide");
}
