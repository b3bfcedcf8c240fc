//! `pusher demo`: the whole protocol, shown on a real server.

mod args;
mod auth;
mod proxy;
mod report;
mod step;
mod steps_cache;
mod steps_channels;
mod steps_connection;
mod steps_encryption;
mod steps_presence;
mod steps_recovery;
mod steps_refusals;
mod steps_user;
mod tour;
mod wait;

use std::pin::pin;
use std::time::Instant;

pub(crate) use self::args::DemoArgs;
use self::report::Report;
use self::step::Step;
use self::tour::Tour;
use self::wait::Miss;
use crate::failure::Failure;
use crate::interrupt::interrupted;

pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let steps: Vec<&Step> = GROUPS.iter().copied().flatten().collect();
    let mut interrupted = pin!(interrupted()?);
    let mut tour = tokio::select! {
        tour = Tour::new(&args) => tour?,
        () = &mut interrupted => return Err(Failure::failed(INTERRUPTED)),
    };
    let mut report = Report::new(args.json, &steps);
    let result = tokio::select! {
        result = walk(&mut tour, &mut report, &steps) => result,
        () = interrupted => Err(Failure::failed(INTERRUPTED)),
    };
    tour.end().await;
    result.and(report.finish())
}

/// Takes the steps in order, also after one that failed, as long as the next one can succeed.
async fn walk(tour: &mut Tour, report: &mut Report, steps: &[&Step]) -> Result<(), Failure> {
    for step in steps {
        let started = Instant::now();
        let outcome = (step.run)(tour).await;
        report.step(step, started.elapsed(), &outcome)?;
        if let Err(Miss::Over(failure)) = outcome {
            return Err(failure);
        }
    }
    Ok(())
}

const INTERRUPTED: &str = "interrupted before the tour was over";

/// In the order of the tour.
const GROUPS: [&[Step]; 10] = [
    steps_connection::ARRIVAL,
    steps_channels::STEPS,
    steps_presence::STEPS,
    steps_cache::STEPS,
    steps_encryption::STEPS,
    steps_user::STEPS,
    steps_refusals::STEPS,
    steps_connection::LOSS,
    steps_recovery::STEPS,
    steps_connection::GOODBYE,
];
