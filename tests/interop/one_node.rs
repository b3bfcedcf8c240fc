//! The client against one Sockudo node.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Arc;

use crate::adapter::{Adapter, AsyncStd, Blocking, Smol, Tokio, warm_up};
use crate::api::Api;
use crate::leftovers::Count;
use crate::report::{Report, words};
use crate::scenarios;
use crate::servers::{Programs, Server};
use crate::world::{Foreign, SERVERS, World};

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
        refusal(programs, &server, ["other-key", "app-secret"], "wrong key, app disabled or full")
    });
    report.check("tells that the secret is wrong", || {
        refusal(programs, &server, ["app-key", "other-secret"], "refused the id, key or secret")
    });
    play_all::<Tokio>(&report, &server);
    play_all::<AsyncStd>(&report, &server);
    play_all::<Smol>(&report, &server);
    play_all::<Blocking>(&report, &server);
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

fn play_all<A: Adapter>(report: &Report, server: &Arc<Server>) {
    report.check(&format!("{}: the scenarios of the adapters", A::NAME), || {
        let all = scenarios::all::<A>();
        let scenarios: Vec<_> = all.iter().filter(|(name, _)| !NEEDS_OURS.contains(name)).collect();
        assert_eq!(scenarios.len(), all.len() - NEEDS_OURS.len(), "a name in the list is no scenario");
        let mut failed = Vec::new();
        for (name, play) in &scenarios {
            let played = catch_unwind(AssertUnwindSafe(|| {
                let before = Count::now();
                let mut world = World::<A>::new(Some(Box::new(Node { api: server.api(), server: Arc::clone(server) })));
                play(&mut world);
                world.end();
                before.expect_nothing_more();
            }));
            if let Err(panic) = played {
                failed.push(format!("{}: {}", name.replace('_', " "), words(&*panic)));
            }
        }
        assert!(failed.is_empty(), "{}", failed.join("; "));
        format!("{} scenarios", scenarios.len())
    });
}

/// Scenarios in which the server does at a word what a server never does by itself.
const NEEDS_OURS: [&str; 1] = ["every_range_of_close_codes_has_its_effect"];

/// The node as scenarios use it.
struct Node {
    server: Arc<Server>,
    api: Api,
}

impl Foreign for Node {
    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.server.port()))
    }

    fn publish(&self, channel: &str, data: &str) {
        SERVERS.block_on(self.api.publish(channel, data)).unwrap();
    }

    fn takes(&self, channel: &str) -> bool {
        !channel.starts_with("presence-cache-")
    }

    fn stop(&self) {
        self.server.kill();
    }

    fn start(&self) {
        self.server.start();
    }
}
