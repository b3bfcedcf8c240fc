//! Figures that valgrind counts, which are the same in every run, even on a busy machine.

use crate::Result;
use crate::feeder::{Host, Plan};
use crate::measured::SIZES;
use crate::runner::{has_valgrind, under_valgrind};
use crate::table::{Cell, Table, count as number};

/// A figure: its target, and the limit that `.ci/run` accepts, which is a little above the figure when it was last
/// improved. Lower the limit when a change lowers the figure.
struct Figure {
    name: &'static str,
    subject: Subject,
    target: Option<f64>,
    limit: Option<f64>,
}

enum Subject {
    /// Instructions of an event in the core, by the length of its frame.
    Core(usize),
    /// The same with 100,000 more channels, in percent.
    Channels,
    /// Instructions of an event of 100 B from the socket to the reader of this name.
    Instructions(&'static str),
    /// Allocations of a thousand such events.
    Allocations(&'static str),
    /// Bytes of one more channel, whose name has 14.
    Channel,
    /// Bytes of one more idle client with one channel.
    Client,
}

const FIGURES: [Figure; 11] = [
    figure("instructions, core, 100 B", Subject::Core(168), Some(1_300.0), Some(1_265.0)),
    figure("instructions, core, 1 KB", Subject::Core(1_193), Some(2_200.0), Some(1_945.0)),
    figure("instructions, core, 10 KB", Subject::Core(11_446), Some(10_500.0), Some(8_750.0)),
    figure("with 100,000 more channels, percent", Subject::Channels, Some(105.0), Some(107.0)),
    figure("instructions, bare reader, 100 B", Subject::Instructions("bare"), None, None),
    figure(
        "instructions, tokio, callback, 100 B",
        Subject::Instructions("tokio-callback"),
        Some(1_900.0),
        Some(2_620.0),
    ),
    figure("instructions, tokio, stream, 100 B", Subject::Instructions("tokio-stream"), None, Some(3_030.0)),
    figure("allocations, tokio, callback, 1,000 events", Subject::Allocations("tokio-callback"), None, Some(20.0)),
    figure("allocations, tokio, stream, 1,000 events", Subject::Allocations("tokio-stream"), None, Some(1_020.0)),
    figure("bytes, one more channel with its handle", Subject::Channel, Some(514.0), Some(530.0)),
    figure("bytes, one more idle client", Subject::Client, None, Some(8_300.0)),
];

const fn figure(name: &'static str, subject: Subject, target: Option<f64>, limit: Option<f64>) -> Figure {
    Figure { name, subject, target, limit }
}

/// Counts everything, prints it, and fails if a limit is exceeded.
pub(crate) fn gate() -> Result<()> {
    if !has_valgrind() {
        return Err("valgrind is not installed".into());
    }
    let counts = count(&Host::new()?)?;
    print(&counts);
    let is_above = |(figure, count): &(&Figure, f64)| figure.limit.is_some_and(|limit| *count > limit);
    let exceeded: Vec<_> = FIGURES.iter().zip(counts).filter(is_above).map(|(figure, _)| figure.name).collect();
    if exceeded.is_empty() { Ok(()) } else { Err(format!("above the limit: {}", exceeded.join("; ")).into()) }
}

/// Counts everything, in the order of the table.
pub(crate) fn count(host: &Host) -> Result<Vec<f64>> {
    FIGURES.iter().map(|figure| figure.count(host)).collect()
}

pub(crate) fn print(counts: &[f64]) {
    let mut table = Table::new(&["", "counted", "target", "limit"]);
    for (figure, &count) in FIGURES.iter().zip(counts) {
        let text = |value: Option<f64>| Cell::text(value.map_or_else(String::new, number));
        let counted = figure
            .target
            .map_or_else(|| Cell::text(number(count)), |target| Cell::judged(number(count), count, target));
        table.row(figure.name, [counted, text(figure.target), text(figure.limit)]);
    }
    table.print("Counted with valgrind");
}

impl Figure {
    /// The difference of two runs, so that work that is done once does not count.
    fn count(&self, host: &Host) -> Result<f64> {
        anstream::eprintln!("counting {}", self.name);
        match self.subject {
            Subject::Core(frame_len) => core(frame_len, 0),
            Subject::Channels => Ok(100.0 * core(SIZES[0].frame_len, 100_000)? / core(SIZES[0].frame_len, 0)?),
            Subject::Instructions(reader) => {
                each(5_000, 45_000, |events| after(&read(host, &CALLGRIND, reader, events)?, COLLECTED))
            }
            Subject::Allocations(reader) => {
                let report = |events| read(host, &MEMCHECK, reader, events);
                Ok(1_000.0 * each(5_000, 45_000, |events| after(&report(events)?, "total heap usage: "))?)
            }
            // Tables double, so they are as full with twice as many.
            Subject::Channel => each(6_000, 12_000, |channels| held(host, &["channels"], channels)),
            Subject::Client => each(100, 200, |clients| held(host, &["idle", "tokio"], clients)),
        }
    }
}

/// Bytes that a subject holds at its end, which holds so many of something.
fn held(host: &Host, subject: &[&str], count: usize) -> Result<f64> {
    let feeder = host.serve(Plan::Answer, false)?;
    let count = count.to_string();
    let subject = [subject, &[&feeder.url, &count]].concat();
    after(&under_valgrind(&MEMCHECK, &subject, Some(&feeder))?, "in use at exit: ")
}

fn core(frame_len: usize, others: usize) -> Result<f64> {
    each(2_000, 12_000, |events| {
        let subject = ["core", &frame_len.to_string(), &events.to_string(), &others.to_string()];
        after(&under_valgrind(&CALLGRIND, &subject, None)?, COLLECTED)
    })
}

fn read(host: &Host, tool: &[&str], reader: &str, events: usize) -> Result<String> {
    let feeder = host.serve(Plan::Events { frame_len: SIZES[0].frame_len, count: events }, false)?;
    under_valgrind(tool, &["events", reader, &feeder.url, &events.to_string()], Some(&feeder))
}

fn each(few: usize, many: usize, measure: impl Fn(usize) -> Result<f64>) -> Result<f64> {
    Ok((measure(many)? - measure(few)?) / (many - few) as f64)
}

/// The number behind a label in the report of valgrind.
fn after(report: &str, label: &str) -> Result<f64> {
    let missing = || format!("no {label:?} in the report of valgrind:\n{report}");
    let (_, rest) = report.split_once(label).ok_or_else(missing)?;
    let digits: String =
        rest.chars().take_while(|c| c.is_ascii_digit() || *c == ',').filter(char::is_ascii_digit).collect();
    Ok(digits.parse()?)
}

const COLLECTED: &str = "Collected : ";
const CALLGRIND: [&str; 2] = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
const MEMCHECK: [&str; 3] = ["--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"];
