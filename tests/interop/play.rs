//! The scenarios of the adapters, played with a Sockudo node.

use std::net::SocketAddr;
use std::sync::Arc;

use pusher_test::conformance::{self, Suite, Verdict, WithHandles, scenarios};

use crate::SERVERS;
use crate::api::Api;
use crate::report::Report;
use crate::runtimes::{AsyncStd, Blocking, Smol, Tokio};
use crate::servers::Server;

/// Clients are on `server`. What is published is published through `publishing`. `except` is left out.
pub(crate) fn with_all_adapters(
    report: &Report,
    server: &Arc<Server>,
    publishing: &Server,
    except: &'static [&'static str],
) {
    let node = || Node { api: publishing.api(), server: Arc::clone(server), except };
    play_all(report, Tokio, node());
    play_all(report, AsyncStd, node());
    play_all(report, Smol, node());
    play_all(report, Blocking, node());
}

fn play_all<H: WithHandles>(report: &Report, runtime: H, node: Node) {
    let about = runtime.about();
    report.check(&format!("{}: the scenarios of the adapters", about.name()), || {
        let is_known = |name: &&str| scenarios().any(|scenario| scenario.name() == *name);
        assert!(node.except.iter().all(is_known), "a name in the list is not a scenario: {:?}", node.except);
        let (mut passed, mut failed) = (0, Vec::new());
        for outcome in Suite::new().server(node).handles(runtime).play() {
            match outcome.verdict {
                Verdict::Passed => passed += 1,
                Verdict::Failed(why) => failed.push(format!("{}: {why}", outcome.name)),
                _ => {}
            }
        }
        assert!(failed.is_empty(), "{}", failed.join("; "));
        format!("{passed} scenarios")
    });
}

/// The node as scenarios use it.
struct Node {
    server: Arc<Server>,
    api: Api,
    except: &'static [&'static str],
}

impl conformance::ForeignServer for Node {
    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.server.port()))
    }

    fn publish(&self, channel: &str, data: &str) {
        SERVERS.block_on(self.api.publish(channel, data)).unwrap();
    }

    fn supports(&self, channel: &str) -> bool {
        !channel.starts_with("presence-cache-")
    }

    fn stop(&self) {
        self.server.kill();
    }

    fn start(&self) {
        self.server.start();
    }

    fn lacks(&self, scenario: &str) -> Option<String> {
        self.except.contains(&scenario).then(|| "Sockudo over Redis may forget a subscription".to_owned())
    }
}
