//! The client against one Sockudo node.

use std::process::Command;
use std::sync::Arc;

use crate::play;
use crate::report::Report;
use crate::runtimes::warm_up;
use crate::servers::{Programs, Server};

pub(crate) fn run(programs: &Programs) {
    let report = Report::new("sockudo");
    // Long before anything is counted: a thread gets its name a moment after it begins.
    warm_up();
    let mut server = None;
    report.check("starts", || {
        server = Some(Arc::new(Server::sockudo(programs, None)));
        String::new()
    });
    let Some(server) = server else { return };
    report.check("takes the tour", || {
        let (code, output, errors) = demo(programs, &server, "app-key", "app-secret");
        assert_eq!((code, &*errors), (Some(0), ""));
        output.lines().last().unwrap_or_default().to_owned()
    });
    report.check("tells that the key is wrong", || {
        refusal(
            programs,
            &server,
            ["other-key", "app-secret"],
            "the key may be wrong, or the application disabled or full",
        )
    });
    report.check("tells that the secret is wrong", || {
        refusal(programs, &server, ["app-key", "other-secret"], "refused the id, key or secret")
    });
    play::with_all_adapters(&report, &server, &server, &[]);
}

/// Runs `pusher demo`: its exit code, and what it said.
fn demo(programs: &Programs, server: &Server, key: &str, secret: &str) -> (Option<i32>, String, String) {
    let url = format!("ws://127.0.0.1:{}", server.port());
    let args = ["demo", "--url", &url, "--app-id", "app1", "--key", key, "--secret", secret];
    let output = Command::new(&programs.pusher).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().trim().to_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// One line with this sentence, and the exit code of a refusal.
fn refusal(programs: &Programs, server: &Server, [key, secret]: [&str; 2], sentence: &str) -> String {
    let (code, _, errors) = demo(programs, server, key, secret);
    assert!(code == Some(4) && errors.contains(sentence) && !errors.contains('\n'), "{code:?}: {errors}");
    errors
}
