//! Commands that run for events.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use pusher_tokio::{ChannelName, Event};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::describe::Json;
use crate::failure::Failure;
use crate::output;

/// Runs one command per event, a bounded number of them at a time.
pub(super) struct Commands {
    /// The program and its arguments; empty if nothing is to be run.
    command: Vec<OsString>,
    jobs: usize,
    running: JoinSet<Ran>,
    started: u64,
    failed: u64,
}

/// How a command ended, and for which event it ran.
struct Ran {
    event: String,
    result: io::Result<ExitStatus>,
}

impl Commands {
    pub(super) fn new(command: Vec<OsString>, jobs: u64) -> Self {
        let jobs = usize::try_from(jobs).unwrap_or(usize::MAX);
        Self { command, jobs, running: JoinSet::new(), started: 0, failed: 0 }
    }

    pub(super) fn has_room(&self) -> bool {
        self.running.len() < self.jobs
    }

    pub(super) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Runs the command for an event, if there is one.
    pub(super) fn start(&mut self, event: &Event) -> Result<(), Failure> {
        let Some((program, arguments)) = self.command.split_first() else { return Ok(()) };
        let json = serde_json::to_string(&Json::new(event))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).kill_on_drop(true);
        for (name, value) in variables(event) {
            match value.filter(|value| fits(value)) {
                Some(value) => command.env(name, value),
                // A variable inherited from an outer program would be mistaken for one of this event.
                None => command.env_remove(name),
            };
        }
        let mut child = command
            .spawn()
            .map_err(|error| Failure::failed(format!("cannot run {}: {error}", program.to_string_lossy())))?;
        self.started += 1;
        let event = match event.channel() {
            Some(channel) => format!("{} on {channel}", event.name()),
            None => event.name().to_owned(),
        };
        self.running.spawn(async move {
            if let Some(mut stdin) = child.stdin.take() {
                // A command need not read the event.
                let _ = stdin.write_all(format!("{json}\n").as_bytes()).await;
            }
            Ran { event, result: child.wait().await }
        });
        Ok(())
    }

    /// Waits for the end of one command, and reports it if it failed.
    pub(super) async fn next(&mut self) {
        let Some(Ok(Ran { event, result })) = self.running.join_next().await else { return };
        let problem = match result {
            Ok(status) if status.success() => return,
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        self.failed += 1;
        let program = self.command.first().map_or(OsStr::new(""), OsString::as_os_str).to_string_lossy();
        output::note(&format!("{program} for {event}: {problem}"));
    }

    /// Waits for all commands, up to a limit.
    pub(super) async fn finish(&mut self) -> Result<(), Failure> {
        let rest = async {
            while self.is_running() {
                self.next().await;
            }
        };
        if timeout(PATIENCE, rest).await.is_err() {
            self.failed += self.running.len() as u64;
            output::note(&format!("{} commands were still running and were stopped", self.running.len()));
        }
        match self.failed {
            0 => Ok(()),
            failed => Err(Failure::failed(format!("{failed} of {} commands failed", self.started))),
        }
    }
}

fn variables(event: &Event) -> [(&'static str, Option<String>); 4] {
    let data = match event {
        Event::Channel(event) => Some(event.data().text().into_owned()),
        Event::User(event) => Some(event.data().text().into_owned()),
        _ => None,
    };
    let user = match event {
        Event::Channel(event) => event.user_id().map(str::to_owned),
        _ => None,
    };
    [
        ("PUSHER_EVENT_NAME", Some(event.name().to_owned())),
        ("PUSHER_EVENT_CHANNEL", event.channel().map(ChannelName::as_str).map(str::to_owned)),
        ("PUSHER_EVENT_DATA", data),
        ("PUSHER_EVENT_USER_ID", user),
    ]
}

/// Whether a variable can have this value: the system accepts no zero bytes and limits the length.
fn fits(value: &str) -> bool {
    value.len() <= MAX_VARIABLE_LEN && !value.contains('\0')
}

/// Longest value of a variable in bytes; Linux takes 128 KiB with the name (execve(2), *Limits on size of arguments*).
const MAX_VARIABLE_LEN: usize = 64 * 1_024;

/// How long commands may keep running when the program ends.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use pusher_tokio::{ChannelEvent, Data};

    use super::*;

    fn commands(script: &str) -> Commands {
        Commands::new(["sh", "-c", script].map(OsString::from).to_vec(), 8)
    }

    fn event(data: &str) -> Event {
        Event::Channel(ChannelEvent::new("chat".parse().expect("a name"), "e", Data::string(data)))
    }

    /// Time is virtual: it passes when nothing is left to do but to wait for the limit.
    #[tokio::test(start_paused = true)]
    async fn commands_that_do_not_end_are_stopped_and_count_as_failed() {
        let script = r#"case "$PUSHER_EVENT_DATA" in good) ;; bad) exit 3 ;; *) exec sleep 600 ;; esac"#;
        for (ended, endless, expected) in [
            (&[][..], 0, None),
            (&["good"], 0, None),
            (&["good", "bad"], 0, Some("1 of 2 commands failed")),
            (&[], 1, Some("1 of 1 commands failed")),
            (&["good"], 2, Some("2 of 3 commands failed")),
            (&["bad", "good", "bad"], 2, Some("4 of 5 commands failed")),
        ] {
            let mut commands = commands(script);
            for data in ended {
                commands.start(&event(data)).expect("a command");
                commands.next().await;
            }
            for _ in 0..endless {
                assert!(commands.has_room());
                commands.start(&event("endless")).expect("a command");
            }
            let result = commands.finish().await.map_err(|failure| failure.message().to_owned());
            assert_eq!(result.err().as_deref(), expected, "{ended:?} and {endless} without end");
        }
    }
}
