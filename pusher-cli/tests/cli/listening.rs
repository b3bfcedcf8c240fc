//! `pusher listen`: who is there, who is signed in, and what runs for an event.

use pusher_server::Server;
use pusher_server::pusher_proto::server::Publication;

use crate::support::{Running, pusher, server};

const SUCCEEDED: &str = "pusher:subscription_succeeded";

fn listen(server: &Server, more: &[&str]) -> Running {
    Running::start(&[&["listen", "--url", &server.ws_url(), "--key", "app-key"], more].concat())
}

async fn publish(server: &Server, channel: &str, event: &str, data: &str) {
    let url = server.ws_url();
    let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", "app-key", "--secret", "app-secret"];
    let run = pusher(&[&trigger[..], &["-c", channel, "-e", event, "-d", data]].concat()).await;
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_selects_events_of_every_channel() {
    let server = server().await;
    let channels = ["-c", "orders", "invoices", "-e", "order.*", "-e", "pa?d", "--count", "3", "--json"];
    let mut listening = listen(&server, &[&channels[..], &["-e", SUCCEEDED]].concat());
    listening.line_with(SUCCEEDED).await;
    listening.line_with(SUCCEEDED).await;
    publish(&server, "invoices", "created", "0").await;
    publish(&server, "invoices", "paid", "1").await;
    let run = listening.end().await;
    let events: Vec<_> = run.json().into_iter().map(|line| line["event"].clone()).collect();
    assert_eq!(
        (run.code, events),
        (Some(0), vec![SUCCEEDED.into(), SUCCEEDED.into(), "paid".into()]),
        "{}",
        run.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_is_a_matter_of_standard_error() {
    let server = server().await;
    let mut listening = listen(&server, &["-c", "chat", "-e", "message", "--count", "1"]);
    listening.error_with("connected as").await;
    // The subscription is not printed, since the pattern leaves it out.
    while server.handle().connection_count() == 0 {
        tokio::task::yield_now().await;
    }
    let mut second = listen(&server, &["-c", "chat", "--count", "1"]);
    second.line_with(SUCCEEDED).await;
    publish(&server, "chat", "message", "hi").await;
    let run = listening.end().await;
    let lines: Vec<_> = run.stdout.lines().collect();
    assert!(lines.len() == 1 && lines[0].ends_with("chat  message  hi"), "{run:?}");
    assert_eq!(second.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_is_listed_and_its_changes_are_too() {
    let server = server().await;
    let member = |id: &str, more: &[&str]| {
        let secret = ["--secret", "app-secret", "-c", "presence-chat", "--user-id", id];
        listen(&server, &[&secret[..], more].concat())
    };
    let mut ann = member("ann", &[]);
    ann.line_with("1 here: ann").await;
    let mut bob = member("bob", &["--user-info", r#"{"name":"Bob"}"#]);
    bob.line_with("2 here: ").await;
    ann.line_with(r#"presence-chat  joined  bob  {"name":"Bob"}"#).await;
    let mut cyd = member("cyd", &[]);
    ann.line_with("joined  cyd").await;
    cyd.line_with("3 here").await;
    drop(cyd);
    ann.line_with("left  cyd").await;

    server.handle().refuse_connections(Some((4200, "restarting")));
    server.handle().cut_all();
    ann.error_with("waiting").await;
    drop(bob);
    server.handle().refuse_connections(None);
    ann.line_with("the connection was lost: events may be missing here").await;
    ann.line_with("pusher:subscription_succeeded  1 here; left: bob").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_signs_in_gets_events_and_the_watchlist() {
    let server = server().await;
    let endpoint = format!("{}/pusher/user-auth", server.http_url());
    let url = server.ws_url();
    for auth in [["--secret", "app-secret"], ["--user-auth-url", &endpoint]] {
        let user = ["--signin", "--user-id", "ann", "--watchlist", "bob,cyd"];
        let mut ann = listen(&server, &[&user[..], &auth].concat());
        ann.line_with("signed in as ann").await;
        let mut bob = listen(&server, &[&["--signin", "--user-id", "bob"][..], &auth].concat());
        bob.line_with("signed in as bob").await;
        ann.line_with("online  bob").await;
        let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", "app-key", "--secret", "app-secret"];
        let run = pusher(&[&trigger[..], &["--user", "ann", "-e", "note", "-d", "hello"]].concat()).await;
        assert_eq!((run.code, run.stdout.as_str()), (Some(0), "published\n"), "{run:?}");
        ann.line_with("to the user  note  hello").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_is_refused_ends_the_program() {
    let server = server().await;
    let run = listen(&server, &["--signin", "--secret", "wrong"]).end().await;
    run.expect_failure(4, "sign-in: ");
    let run = listen(&server, &["--signin"]).end().await;
    run.expect_failure(2, "--signin needs --secret or --user-auth-url");
    let run = listen(&server, &["--signin", "--auth-url", "http://127.0.0.1:1"]).end().await;
    run.expect_failure(2, "--signin needs --user-auth-url");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_for_each_event_in_order_and_without_a_shell() {
    let server = server().await;
    let script = r#"read -r json; printf '%s|%s|%s|%s\n' "$0" "$PUSHER_EVENT_NAME" "$PUSHER_EVENT_DATA" "$json""#;
    let exec = ["-c", "chat", "--count", "2", "--json", "--exec", "sh", "-c", script, "--flag"];
    let mut listening = listen(&server, &exec);
    listening.line_with(SUCCEEDED).await;
    let hostile = "$(touch /dev/null/x); `exit 7` \" '";
    publish(&server, "chat", "first", hostile).await;
    publish(&server, "chat", "second", "{}").await;
    let run = listening.end().await;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let lines: Vec<_> = run.stdout.lines().filter(|line| line.starts_with("--flag|")).collect();
    assert_eq!(lines.len(), 2, "{run:?}");
    assert!(lines[0].starts_with(&format!("--flag|first|{hostile}|{{\"time\":")), "{run:?}");
    assert!(lines[1].starts_with("--flag|second|{}|{\"time\":"), "{run:?}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_is_reported_and_the_program_goes_on() {
    let server = server().await;
    let mut listening = listen(&server, &["-c", "chat", "--count", "2", "--exec", "sh", "-c", "exit 3"]);
    listening.line_with(SUCCEEDED).await;
    publish(&server, "chat", "first", "{}").await;
    listening.error_with("sh for first on chat: exit status: 3").await;
    publish(&server, "chat", "second", "{}").await;
    listening.end().await.expect_failure(1, "2 of 2 commands failed");

    let mut listening = listen(&server, &["-c", "chat", "--exec", "/no/such/program"]);
    listening.line_with(SUCCEEDED).await;
    publish(&server, "chat", "first", "{}").await;
    listening.end().await.expect_failure(1, "cannot run /no/such/program: ");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_no_variable_of_another_event() {
    let server = server().await;
    let names = ["PUSHER_EVENT_NAME", "PUSHER_EVENT_CHANNEL", "PUSHER_EVENT_DATA", "PUSHER_EVENT_USER_ID"];
    // As in a command of another `pusher listen`.
    let inherited = names.map(|name| (name, "inherited"));
    let script = r#"env | grep -c '^PUSHER_EVENT_'; env | grep inherited; echo end"#;
    let url = server.ws_url();
    let arguments = ["listen", "--url", &url, "--key", "app-key", "-c", "chat", "--count", "3", "--exec-jobs", "1"];
    let exec = ["-e", SUCCEEDED, "-e", "text", "-e", "zero", "--exec", "sh", "-c", script];
    let mut listening = Running::start_with(&inherited, &[&arguments[..], &exec].concat());
    listening.line_with("end").await;
    publish(&server, "chat", "text", "{}").await;
    listening.line_with("end").await;
    server.handle().trigger(&Publication::new("zero", ["chat".try_into().unwrap()], "a\0b")).unwrap();
    let run = listening.end().await;
    assert_eq!(run.code, Some(0), "{run:?}");
    // The success has no data, no event has a sender, and a variable cannot have a zero byte.
    let counts: Vec<_> = run.stdout.lines().filter(|line| line.len() == 1).collect();
    assert_eq!(counts, ["2", "3", "2"], "{run:?}");
    assert!(!run.stdout.contains("inherited"), "{run:?}");
}
