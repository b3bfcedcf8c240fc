//! What the program says of itself.

use crate::support::pusher;

#[tokio::test]
async fn every_command_has_help_that_lists_the_exit_codes() {
    for args in [
        &["--help"][..],
        &["demo", "--help"],
        &["serve", "--help"],
        &["listen", "--help"],
        &["trigger", "--help"],
        &["load", "--help"],
        &["channels", "--help"],
        &["channel", "--help"],
        &["users", "--help"],
        &["terminate", "--help"],
        &["doctor", "--help"],
        &["sign", "--help"],
        &["sign", "channel", "--help"],
        &["verify", "--help"],
        &["auth-server", "--help"],
        &["record", "--help"],
        &["replay", "--help"],
        &["completions", "--help"],
        &["man", "--help"],
    ] {
        let run = pusher(args).await;
        assert_eq!(run.code, Some(0));
        assert!(run.stdout.contains("Exit codes: 0 success"), "{run:?}");
    }
}

#[tokio::test]
async fn tells_its_version() {
    assert_eq!(pusher(&["--version"]).await.stdout, format!("pusher {}\n", env!("CARGO_PKG_VERSION")));
}
