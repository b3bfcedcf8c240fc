//! Ctrl-C and SIGTERM.

use crate::support::{Run, Running, hang, server, tcp_server};

#[tokio::test(flavor = "multi_thread")]
async fn listen_ends_in_order() {
    let server = server().await;
    for signal in ["INT", "TERM"] {
        let url = server.ws_url();
        let mut listening = Running::start(&["listen", "--url", &url, "--key", "app-key", "--channel", "chat"]);
        listening.line_with("pusher:subscription_succeeded").await;
        listening.signal(signal).await;
        let run = listening.end().await;
        assert!(run.code == Some(0) && !run.stderr.contains("error"), "{run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_ends_in_order() {
    for signal in ["INT", "TERM"] {
        let mut serving = Running::start(&["serve", "--port", "0"]);
        serving.line_with("WebSocket").await;
        serving.signal(signal).await;
        let run = serving.end().await;
        expect_success(&run);
        assert_eq!(run.stdout.lines().last(), Some("stopped"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tour_that_is_interrupted_is_not_a_success() {
    for signal in ["INT", "TERM"] {
        let (address, mut connections) = tcp_server(hang).await;
        let url = format!("ws://{address}");
        let tour = Running::start(&["demo", "--url", &url, "--app-id", "1", "--key", "k", "--secret", "s"]);
        connections.recv().await;
        tour.signal(signal).await;
        tour.end().await.expect_failure(1, "interrupted before the tour was over");
    }
}

fn expect_success(run: &Run) {
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
}
