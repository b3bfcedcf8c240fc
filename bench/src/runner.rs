//! Measurements in child processes.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::Result;
use crate::feeder::Feeder;

/// The variable with the certificate that a subject trusts, in Base64.
pub(crate) const ROOT: &str = "PUSHER_BENCH_ROOT";

/// The line after which events are sent to a subject.
pub(crate) const READY: &str = "ready";

/// Runs a subject against a server and returns the numbers that it prints.
pub(crate) fn run(subject: &[&str], feeder: &Feeder) -> Result<Vec<f64>> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("subject");
    start(command, subject, Some(feeder)).map(|(numbers, _)| numbers)
}

/// Runs a subject under a tool of valgrind and returns the tool's output.
pub(crate) fn under_valgrind(options: &[&str], subject: &[&str], feeder: Option<&Feeder>) -> Result<String> {
    let mut command = Command::new("valgrind");
    command.args(options).arg(env::current_exe()?).arg("subject").stderr(Stdio::piped());
    start(command, subject, feeder).map(|(_, report)| report)
}

/// Whether valgrind can be started.
pub(crate) fn has_valgrind() -> bool {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

fn start(mut command: Command, subject: &[&str], feeder: Option<&Feeder>) -> Result<(Vec<f64>, String)> {
    command.args(subject).stdout(Stdio::piped());
    if let Some(feeder) = feeder {
        command.env(ROOT, &feeder.root);
    }
    let mut child = command.spawn()?;
    let mut numbers = Vec::new();
    for line in BufReader::new(child.stdout.take().ok_or("no output")?).lines() {
        let line = line?;
        if line == READY {
            feeder.iter().for_each(|feeder| feeder.go());
            continue;
        }
        for word in line.split_whitespace() {
            numbers.push(word.parse()?);
        }
    }
    let mut report = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut report)?;
    }
    let status = child.wait()?;
    if !status.success() {
        return Err(format!("{} ended with {status}\n{report}", subject.join(" ")).into());
    }
    Ok((numbers, report))
}
