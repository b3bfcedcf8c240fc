//! Everything in one run.

use std::path::PathBuf;

use crate::feeder::{Host, Plan};
use crate::measured::{
    CONNECT_TARGET, Costs, ECHO_TARGETS, IDLE_TARGET, MEMBERS, PRESENCE_TARGET, READERS, Reader, SIZES, TLS_READERS,
};
use crate::plots::Memory;
use crate::reconnects::{OUTAGE, Reconnects};
use crate::runner::run;
use crate::table::{Cell, Table, count, duration};
use crate::{Result, clock, counted, plots, runner};

/// How often everything is measured. The fastest round counts, since any other load on the machine only adds to the
/// time.
const ROUNDS: usize = 20;

pub(crate) struct Suite {
    host: Host,
    clients: usize,
    plots: PathBuf,
}

impl Suite {
    pub(crate) fn new(clients: usize, plots: PathBuf) -> Result<Self> {
        // The listener and the runtime need some, too.
        let most = clock::raise_open_files()?.saturating_sub(100);
        if clients > most {
            anstream::eprintln!("note: {most} clients, since no more files may be open");
        }
        Ok(Self { host: Host::new()?, clients: clients.clamp(5, most.max(5)), plots })
    }

    pub(crate) fn run(&self) -> Result<()> {
        let costs = self.events(&READERS, false)?;
        print_costs("CPU time of an event", &READERS, &costs);
        let tls = self.events(&TLS_READERS, true)?;
        print_costs("CPU time of an event over TLS", &TLS_READERS, &tls);
        let memory = self.idle()?;
        self.echo()?;
        self.presence()?;
        let reconnects = self.reconnects()?;
        if runner::has_valgrind() {
            counted::print(&counted::count(&self.host)?);
        } else {
            anstream::eprintln!("note: nothing is counted, since valgrind is not installed");
        }
        plots::draw(&self.plots, &costs, &memory, &reconnects)
    }

    fn events(&self, readers: &[Reader], with_tls: bool) -> Result<Costs> {
        let mut costs = vec![[f64::MAX; 3]; readers.len()];
        for (size, column) in SIZES.iter().zip(0..) {
            anstream::eprintln!("events of {}{}", size.name, if with_tls { " over TLS" } else { "" });
            let plan = Plan::Events { frame_len: size.frame_len, count: size.events };
            let feeder = self.host.serve(plan, with_tls)?;
            for _ in 0..ROUNDS {
                for (reader, costs) in readers.iter().zip(&mut costs) {
                    let subject = ["events", reader.subject, &feeder.url, &size.events.to_string()];
                    costs[column] = costs[column].min(first(&run(&subject, &feeder)?)?);
                }
            }
        }
        Ok(costs)
    }

    /// Returns the resident KiB that 1/5, 2/5 … of the clients hold, and how many clients that is.
    fn idle(&self) -> Result<Memory> {
        let mut table =
            Table::new(&["idle connection", "resident", "target", "CPU to connect and subscribe", "ratio", "target"]);
        let mut memory = Vec::new();
        let mut bare = f64::NAN;
        for (name, subject) in [("TCP alone", "tcp"), ("bare reader, 4 KiB buffer", "bare"), ("tokio", "tokio")] {
            anstream::eprintln!("{} idle connections: {name}", self.clients);
            let feeder = self.host.serve(Plan::Answer, false)?;
            let numbers = run(&["idle", subject, &feeder.url, &self.clients.to_string()], &feeder)?;
            let (cpu, samples) = numbers.split_first().ok_or("no numbers")?;
            let each = samples.last().ok_or("no samples")? / self.clients as f64;
            let mut cells = vec![Cell::text(format!("{each:.1} KiB")), Cell::text(""), Cell::text(duration(*cpu))];
            match subject {
                "bare" => bare = *cpu,
                "tokio" => {
                    cells[0] = Cell::judged(format!("{each:.1} KiB"), each, IDLE_TARGET);
                    cells[1] = Cell::text(format!("{IDLE_TARGET} KiB"));
                    cells.extend(compared(*cpu, bare, CONNECT_TARGET));
                }
                _ => {}
            }
            cells.resize_with(5, || Cell::text(""));
            table.row(name, cells);
            let clients = (1..).map(|sample| self.clients * sample / samples.len());
            memory.push((name, clients.zip(samples.iter().copied()).collect()));
        }
        table.print(&format!("{} idle connections, each subscribed to one channel", count(self.clients as f64)));
        Ok(memory)
    }

    fn echo(&self) -> Result<()> {
        anstream::eprintln!("echoes");
        let feeder = self.host.serve(Plan::Answer, false)?;
        let subjects = ["bare", "tokio", "blocking"];
        let mut fastest = [f64::MAX; 3];
        for _ in 0..ROUNDS {
            for (subject, fastest) in subjects.iter().zip(&mut fastest) {
                *fastest = fastest.min(first(&run(&["echo", subject, &feeder.url, "2000"], &feeder)?)?);
            }
        }
        let mut table = Table::new(&["echo", "median", "ratio", "target"]);
        table.row("bare reader", [Cell::text(duration(fastest[0])), Cell::text(""), Cell::text("")]);
        for ((name, time), target) in subjects.iter().zip(fastest).skip(1).zip(ECHO_TARGETS) {
            table.row(name, [Cell::text(duration(time))].into_iter().chain(compared(time, fastest[0], target)));
        }
        table.print("Time from a message to its echo through a local server");
        Ok(())
    }

    fn presence(&self) -> Result<()> {
        anstream::eprintln!("a list of members");
        let feeder = self.host.serve(Plan::Presence { members: MEMBERS }, false)?;
        let mut fastest = [f64::MAX; 2];
        for _ in 0..ROUNDS {
            for (subject, fastest) in ["bare", "tokio"].iter().zip(&mut fastest) {
                *fastest = fastest.min(first(&run(&["presence", subject, &feeder.url], &feeder)?)?);
            }
        }
        let mut table = Table::new(&["list of members", "CPU", "target"]);
        table.row("bare reader", [Cell::text(duration(fastest[0])), Cell::text("")]);
        let ours = Cell::judged(duration(fastest[1]), fastest[1], PRESENCE_TARGET * 1e6);
        table.row("tokio", [ours, Cell::text(format!("{PRESENCE_TARGET} ms"))]);
        table.print(&format!("CPU time of a presence channel with {} members", count(MEMBERS as f64)));
        Ok(())
    }

    fn reconnects(&self) -> Result<Reconnects> {
        anstream::eprintln!("reconnects");
        let reconnects = Reconnects::play(self.clients as u64)?;
        let seconds = reconnects.by_second();
        let text = |number: u32| Cell::text(count(number.into()));
        let mut table = Table::new(&["reconnects", ""]);
        table.row("attempts", [Cell::text(count(reconnects.attempts.len() as f64))]);
        table.row("attempts in the busiest second", [text(seconds.iter().copied().max().unwrap_or_default())]);
        for percent in [50, 90, 99, 100] {
            let late = reconnects.percentile(percent);
            table.row(&format!("{percent} % connected after"), [Cell::text(format!("{:.1} s", late.as_secs_f64()))]);
        }
        let clients = count(self.clients as f64);
        table.print(&format!("{clients} clients after a server was away for {} s, virtual time", OUTAGE.as_secs()));
        Ok(reconnects)
    }
}

fn print_costs(title: &str, readers: &[Reader], costs: &Costs) {
    let mut head = vec![""];
    for size in &SIZES {
        head.extend([size.name, "ratio", "target"]);
    }
    let mut table = Table::new(&head);
    for (reader, row) in readers.iter().zip(costs) {
        let mut cells = Vec::new();
        for (column, cost) in row.iter().enumerate() {
            let bare = costs[0][column];
            cells.push(Cell::text(duration(*cost)));
            match reader.targets {
                Some(targets) => cells.extend(compared(*cost, bare, targets[column])),
                None => cells.extend([Cell::text(format!("{:.2}x", cost / bare)), Cell::text("")]),
            }
        }
        table.row(reader.name, cells);
    }
    table.print(title);
}

/// A ratio, and what it should be at most.
fn compared(value: f64, bare: f64, target: f64) -> [Cell; 2] {
    let ratio = value / bare;
    [Cell::judged(format!("{ratio:.2}x"), ratio, target), Cell::text(format!("{target}x"))]
}

fn first(numbers: &[f64]) -> Result<f64> {
    Ok(*numbers.first().ok_or("no number")?)
}
