//! `pusher doctor`: what is wrong, step by step from the name of the host to a client event, and what to do.

mod answer;
mod api;
mod args;
mod channels;
mod client_event;
mod clock;
mod endpoint;
mod finding;
mod greeting;
mod line;
mod network;
mod patient;
mod report;
mod server;
mod signin;
mod tls;
mod upgrade;

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, timeout};

pub(crate) use self::args::DoctorArgs;
use self::finding::Finding;
use self::patient::Patient;
use self::report::{Progress, Report};
use crate::failure::Failure;
use crate::interrupt::interrupted;

pub(crate) async fn run(args: DoctorArgs) -> Result<(), Failure> {
    let mut interrupted = pin!(interrupted()?);
    let name_width = CHECKS.iter().map(|check| check.name.len()).max().unwrap_or_default();
    let mut report = Report::new(args.json, name_width);
    let mut patient = Patient::new(args)?;
    tokio::select! {
        result = examine(&mut patient, &mut report) => result?,
        () = &mut interrupted => return Err(Failure::failed("interrupted before the last check")),
    }
    report.finish()
}

/// One check. To add one, write an async function, another one for when it takes too long, and a line in [`CHECKS`].
struct Check {
    name: &'static str,
    /// The check that this one needs: it is left out if that one failed or was left out for a failure.
    needs: Option<&'static str>,
    run: for<'a> fn(&'a mut Patient) -> Pin<Box<dyn Future<Output = Finding> + 'a>>,
    late: fn(&Patient) -> Finding,
}

/// Makes a [`Check`] from a name, what it needs, an async function of `&mut Patient`, and one for when that takes too long.
macro_rules! check {
    ($name:literal, $needs:expr, $run:path, $late:path) => {
        Check { name: $name, needs: $needs, run: |patient| Box::pin($run(patient)), late: $late }
    };
}

/// From the bottom up: the first failure is the first thing to fix.
const CHECKS: [Check; 20] = [
    check!("DNS", None, network::dns, network::dns_late),
    check!("TCP", Some("DNS"), network::tcp, network::tcp_late),
    check!("TLS", Some("TCP"), tls::tls, tls::tls_late),
    check!("upgrade", Some("TLS"), upgrade::upgrade, upgrade::upgrade_late),
    check!("greeting", Some("upgrade"), greeting::greeting, greeting::greeting_late),
    check!("clock", Some("upgrade"), clock::clock, clock::clock_late),
    check!("ping", Some("greeting"), greeting::ping, greeting::ping_late),
    check!("public channel", Some("greeting"), channels::public, channels::late),
    check!("cache channel", Some("public channel"), channels::cache, channels::late),
    check!("server", Some("greeting"), server::server, greeting::greeting_late),
    check!("HTTP API", Some("upgrade"), api::api, api::api_late),
    check!("private auth", Some("greeting"), endpoint::private, endpoint::late),
    check!("private channel", Some("private auth"), channels::private, channels::late),
    check!("presence auth", Some("private auth"), endpoint::presence, endpoint::late),
    check!("presence channel", Some("presence auth"), channels::presence, channels::late),
    check!("encrypted auth", Some("private auth"), endpoint::encrypted, endpoint::late),
    check!("encrypted channel", Some("encrypted auth"), channels::encrypted, channels::late),
    check!("client event", Some("private channel"), client_event::client_event, client_event::late),
    check!("user auth", Some("greeting"), endpoint::user, endpoint::late),
    check!("sign-in", Some("user auth"), signin::signin, signin::late),
];

async fn examine(patient: &mut Patient, report: &mut Report) -> Result<(), Failure> {
    // Which checks failed or were left out, and for which failure.
    let mut causes: BTreeMap<&str, &'static str> = BTreeMap::new();
    for check in &CHECKS {
        if let Some(cause) = check.needs.and_then(|needs| causes.get(needs).copied()) {
            causes.insert(check.name, cause);
            report.left_out(check.name, cause)?;
            continue;
        }
        let started = Instant::now();
        let limit = patient.args.timeout;
        let finding = watched(check.name, timeout(limit, (check.run)(patient))).await;
        let finding = finding.unwrap_or_else(|_| (check.late)(patient));
        if finding.is_failed() {
            causes.insert(check.name, check.name);
        }
        report.check(check.name, started.elapsed(), finding)?;
    }
    Ok(())
}

/// Shows what the program is waiting for, if it takes longer than a second.
async fn watched<T>(name: &str, waiting: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let mut progress = Progress::new();
    let mut waiting = pin!(waiting);
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    seconds.tick().await;
    loop {
        tokio::select! {
            value = &mut waiting => return value,
            _ = seconds.tick() => progress.show(name, started.elapsed()),
        }
    }
}
