//! The scenarios of the adapters, played with a Sockudo node.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::adapter::{Adapter, AsyncStd, Blocking, Smol, Tokio};
use crate::api::Api;
use crate::leftovers::Count;
use crate::report::{Report, words};
use crate::scenarios;
use crate::servers::Server;
use crate::world::{Foreign, SERVERS, World};

/// Clients are on `server`. What is published is published through `publishing`. `except` is left out.
pub(crate) fn with_all_adapters(report: &Report, server: &Arc<Server>, publishing: &Server, except: &[&str]) {
    play_all::<Tokio>(report, server, publishing, except);
    play_all::<AsyncStd>(report, server, publishing, except);
    play_all::<Smol>(report, server, publishing, except);
    play_all::<Blocking>(report, server, publishing, except);
}

fn play_all<A: Adapter>(report: &Report, server: &Arc<Server>, publishing: &Server, except: &[&str]) {
    report.check(&format!("{}: the scenarios of the adapters", A::NAME), || {
        let all = scenarios::all::<A>();
        let scenarios: Vec<_> =
            all.iter().filter(|(name, _)| !NEEDS_OURS.contains(name) && !except.contains(name)).collect();
        assert_eq!(scenarios.len(), all.len() - NEEDS_OURS.len() - except.len(), "a name in the list is no scenario");
        let mut failed = Vec::new();
        for (name, play) in &scenarios {
            let played = catch_unwind(AssertUnwindSafe(|| {
                let before = Count::now();
                let mut world =
                    World::<A>::new(Some(Box::new(Node { api: publishing.api(), server: Arc::clone(server) })));
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
