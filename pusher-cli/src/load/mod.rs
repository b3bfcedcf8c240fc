//! `pusher load`

mod args;
mod board;
mod channel;
mod csv;
mod fleet;
mod open_files;
mod payload;
mod plan;
mod progress;
mod publisher;
mod report;
mod run;
mod sampler;
mod seat;
mod svg;
mod tracker;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

pub(crate) use self::args::LoadArgs;
use self::plan::Plan;
use self::run::Run;
use crate::failure::Failure;
use crate::interrupt::interrupted;
use crate::output;

pub(crate) async fn run(args: LoadArgs) -> Result<(), Failure> {
    let interrupted = interrupted()?;
    let plan = Plan::new(&args)?;
    // In a storm, new connections open while the server still closes the old ones.
    let connections = if plan.storm.is_some() { 2 * plan.clients } else { plan.clients };
    open_files::allow(connections + plan.in_flight)?;
    // If a file cannot be written, report it before the run.
    let (csv, svg) = (Output::open(args.csv.as_deref())?, Output::open(args.svg.as_deref())?);

    let mut run = Run::new(&plan, Box::pin(interrupted))?;
    run.measure().await?;
    let report = run.report();

    csv.write(|| csv::table(run.samples()))?;
    svg.write(|| svg::draw(&run.caption(&report), run.samples()))?;
    if args.json {
        output::json(&report)?;
    } else {
        output::line(report.table())?;
    }
    if let Some(remark) = report.remark() {
        output::note(&remark);
    }
    report.fault().map_or(Ok(()), |fault| Err(Failure::failed(fault)))
}

/// A file for results, if one is wanted.
struct Output<'a>(Option<(File, &'a Path)>);

impl<'a> Output<'a> {
    fn open(path: Option<&'a Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self(None)) };
        let file = File::create(path).map_err(|error| cannot_write(path, &error))?;
        Ok(Self(Some((file, path))))
    }

    fn write(self, text: impl FnOnce() -> String) -> Result<(), Failure> {
        let Some((mut file, path)) = self.0 else { return Ok(()) };
        file.write_all(text().as_bytes()).map_err(|error| cannot_write(path, &error))
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot write {}: {error}", path.display()))
}
