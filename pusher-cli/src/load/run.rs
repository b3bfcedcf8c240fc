//! The run, from the first client to the last event.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};

use super::board::Board;
use super::channel::Channel;
use super::fleet::{Fleet, Storm};
use super::plan::Plan;
use super::progress::Progress;
use super::publisher::{GRACE, Publisher, due};
use super::report::{Clients, Connections, Deliveries, Events, Report, StormReport, errors};
use super::sampler::{Percentiles, Phase, SETTLED_AFTER, Sample, Sampler};
use super::seat::Trouble;
use super::svg::Caption;
use crate::connect;
use crate::failure::Failure;

pub(super) struct Run<'a> {
    plan: &'a Plan,
    board: Arc<Board>,
    fleet: Fleet,
    sampler: Sampler,
    progress: Progress,
    second: Interval,
    interrupted: Pin<Box<dyn Future<Output = ()>>>,
    is_interrupted: bool,
    /// When publishing began.
    began: Option<Instant>,
    /// How long it took.
    took: Duration,
    storm: Option<Storm>,
}

impl<'a> Run<'a> {
    pub(super) fn new(plan: &'a Plan, interrupted: Pin<Box<dyn Future<Output = ()>>>) -> Result<Self, Failure> {
        let board = Arc::new(Board::new(plan.channels()?));
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        second.reset();
        Ok(Self {
            plan,
            fleet: Fleet::new(plan, Arc::clone(&board))?,
            board,
            sampler: Sampler::new(),
            progress: Progress::new(plan.ramp + plan.duration),
            second,
            interrupted,
            is_interrupted: false,
            began: None,
            took: Duration::ZERO,
            storm: None,
        })
    }

    /// Runs all phases and collects the figures. Ctrl-C ends it early.
    pub(super) async fn measure(&mut self) -> Result<(), Failure> {
        let measured = self.phases().await;
        self.progress.finish();
        measured?;
        self.sampler.finish(&self.board, &self.fleet);
        self.fleet.stop().await;
        Ok(())
    }

    async fn phases(&mut self) -> Result<(), Failure> {
        let plan = self.plan;
        if self.during(Phase::Ramp, async |_| plan.check().await).await.transpose()?.is_none() {
            return Ok(());
        }
        let ready = self.during(Phase::Ramp, async |fleet| {
            let ready = async {
                fleet.start(plan).await?;
                // Clients that are not subscribed by then are part of the result.
                let _ = timeout(PATIENCE, fleet.subscribed()).await;
                match hopeless(plan, fleet, 1) {
                    Some(failure) => Err(failure),
                    None if fleet.headcount().counts.opened == 0 => Err(unanswered(plan)),
                    None => Ok(()),
                }
            };
            tokio::select! {
                ready = ready => ready,
                failure = despair(plan, fleet) => Err(failure),
            }
        });
        if ready.await.transpose()?.is_none() {
            return Ok(());
        }

        let board = Arc::clone(&self.board);
        let publisher = Publisher {
            api: &plan.api,
            board: &board,
            rate: plan.rate,
            duration: plan.duration,
            size: plan.size,
            in_flight: plan.in_flight,
        };
        let began = Instant::now();
        self.began = Some(began);
        let storm = std::cell::Cell::new(None);
        self.during(Phase::Load, async |fleet| {
            let storming = async {
                if let Some(at) = plan.storm {
                    sleep(Duration::from_secs_f64(at)).await;
                    fleet.storm(plan.storm_spread, |begun| storm.set(Some(begun))).await;
                }
            };
            tokio::join!(publisher.run(), storming);
        })
        .await;
        self.storm = storm.get();
        self.took = began.elapsed();
        self.drain().await;
        Ok(())
    }

    /// Waits for events that are on the way.
    async fn drain(&mut self) {
        for channel in &self.board.channels {
            channel.abandon();
        }
        let ends: Vec<_> = self.board.channels.iter().map(Channel::next).collect();
        let failed: Vec<_> = self.board.channels.iter().map(Channel::failed).collect();
        if self.is_interrupted {
            // The interruption may have come in the middle of the storm.
            self.fleet.reconnect();
        }
        // A second Ctrl-C has no effect: this takes five seconds at most.
        let interrupted = std::mem::replace(&mut self.is_interrupted, true);
        let limit = Duration::from_secs(SETTLED_AFTER as u64);
        self.during(Phase::Drain, async |fleet| {
            let received = async {
                // Clients that reconnect after a storm have this time as well.
                tokio::join!(fleet.received(&ends, &failed), fleet.subscribed());
            };
            let _ = timeout(limit, received).await;
        })
        .await;
        self.is_interrupted = interrupted;
    }

    /// Waits for the work, and collects figures every second. Returns `None` on Ctrl-C.
    async fn during<T>(&mut self, phase: Phase, work: impl AsyncFnOnce(&Fleet) -> T) -> Option<T> {
        let Self { board, fleet, sampler, progress, second, interrupted, is_interrupted, .. } = self;
        let mut work = pin!(work(fleet));
        loop {
            tokio::select! {
                biased;
                () = &mut *interrupted, if !*is_interrupted => {
                    *is_interrupted = true;
                    return None;
                }
                done = &mut work => return Some(done),
                _ = second.tick() => {
                    let elapsed = sampler.began().elapsed();
                    sampler.sample(phase, board, fleet);
                    progress.show(elapsed, sampler);
                }
            }
        }
    }

    pub(super) fn report(&self) -> Report<'a> {
        let totals = self.sampler.totals();
        // Beyond that, calls were waited for, or the storm.
        let took = self.took.min(self.plan.duration);
        let seconds = took.as_secs_f64();
        let due = match self.is_interrupted {
            // Events that were due in the last moment could not be sent any more.
            true => due(self.plan.rate, took.saturating_sub(GRACE)).max(totals.published.sent),
            false => due(self.plan.rate, self.plan.duration),
        };
        let times = self.fleet.times();
        let storm = self.storm.map(|storm| {
            let last = times.iter().filter_map(|times| times.returned).max();
            StormReport {
                at: self.began.map_or(0.0, |began| storm.at.saturating_duration_since(began).as_secs_f64()),
                cut: storm.cut,
                returned: times.iter().filter(|times| times.returned.is_some()).count(),
                seconds: last.map(|last| last.saturating_duration_since(storm.at).as_secs_f64()),
                resubscribe: Percentiles::of_times(times.iter().filter_map(|times| times.resubscribe)),
            }
        });
        let clients = totals.clients;
        Report {
            plan: self.plan,
            interrupted: self.is_interrupted,
            has_begun: self.began.is_some(),
            clients: Clients { started: clients.started, connected: clients.connected, subscribed: clients.subscribed },
            connections: Connections { opened: clients.counts.opened, lost: clients.counts.dropped },
            events: Events::new(totals, due, seconds),
            deliveries: Deliveries::new(totals, seconds),
            latency: self.sampler.latency(),
            connect: Percentiles::of_times(times.iter().filter_map(|times| times.connect)),
            subscribe: Percentiles::of_times(times.iter().filter_map(|times| times.subscribe)),
            storm,
            errors: errors(&self.board.errors()),
        }
    }

    pub(super) fn samples(&self) -> &[Sample] {
        self.sampler.samples()
    }

    /// Returns the title and the marks of the plot.
    pub(super) fn caption(&self, report: &Report<'_>) -> Caption {
        let at = |moment: Instant| moment.saturating_duration_since(self.sampler.began()).as_secs_f64();
        let first = self.began.map(|began| (at(began), "first event"));
        let storm = self.storm.map(|storm| (at(storm.at), "storm"));
        Caption {
            title: report.plan.url.clone(),
            subtitle: report.plan_text(),
            marks: first.into_iter().chain(storm).collect(),
        }
    }
}

/// Returns when no client can connect or subscribe.
async fn despair(plan: &Plan, fleet: &Fleet) -> Failure {
    loop {
        sleep(Duration::from_millis(100)).await;
        if let Some(failure) = hopeless(plan, fleet, connect::TRIES) {
            return failure;
        }
    }
}

/// Returns why no client can connect or subscribe, once one of them has tried this often.
fn hopeless(plan: &Plan, fleet: &Fleet, tries: u32) -> Option<Failure> {
    let headcount = fleet.headcount();
    if headcount.subscribed > 0 {
        return None;
    }
    match fleet.trouble()? {
        Trouble::Failed(reason) if headcount.counts.opened == 0 => Some(Failure::given_up(&reason, &plan.url)),
        Trouble::Waiting { attempt, cause } if headcount.counts.opened == 0 && attempt >= tries => {
            Some(Failure::no_connection(&cause, &plan.url))
        }
        Trouble::Channel(channel, error) => Some(Failure::subscription(&channel, &error)),
        Trouble::Failed(_) | Trouble::Waiting { .. } => None,
    }
}

fn unanswered(plan: &Plan) -> Failure {
    let (url, seconds) = (&plan.url, PATIENCE.as_secs());
    Failure::cannot_connect(format!("no client was connected to {url} {seconds} s after the last one started"))
}

/// How long the last clients may take to subscribe.
const PATIENCE: Duration = Duration::from_secs(10);
