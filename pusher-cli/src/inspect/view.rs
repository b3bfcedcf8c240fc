//! Tables and JSON, printed once or repeatedly.

use std::io::{self, IsTerminal as _};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::ViewArgs;
use crate::failure::Failure;
use crate::interrupt::interrupted;
use crate::output::{self, printable};

/// One answer, for people and for programs.
#[derive(PartialEq)]
pub(super) struct View {
    pub(super) human: String,
    pub(super) json: Value,
}

/// Prints what `load` returns: once, or whenever it changes until Ctrl-C.
pub(super) async fn show(args: &ViewArgs, load: impl AsyncFn() -> Result<View, Failure>) -> Result<(), Failure> {
    let Some(pause) = args.watch else { return print(args, &load().await?) };
    let interrupted = interrupted()?;
    let watching = async {
        let is_in_place = !args.json && io::stdout().is_terminal();
        let mut before: Option<View> = None;
        let mut trouble = None;
        loop {
            match load().await {
                Ok(view) => {
                    trouble = None;
                    if before.as_ref() != Some(&view) {
                        if let Some(before) = before.filter(|_| is_in_place) {
                            // Move up to the first line of the previous output and erase it.
                            output::raw(&format!("\x1b[{}F\x1b[J", shown(&before.human).lines().count().max(1)))?;
                        }
                        print(args, &view)?;
                        before = Some(view);
                    }
                }
                // The first call failed, so the next ones would fail too.
                Err(failure) if failure.is_refusal() || before.is_none() => return Err(failure),
                Err(failure) => {
                    if trouble.as_deref() != Some(failure.message()) {
                        output::note(failure.message());
                        trouble = Some(failure.message().to_owned());
                        // The previous output is no longer the last text on the screen.
                        before = before.filter(|_| !is_in_place);
                    }
                }
            }
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = interrupted => Ok(()),
        result = watching => result,
    }
}

fn print(args: &ViewArgs, view: &View) -> Result<(), Failure> {
    match args.json {
        true => output::json(&view.json),
        false => output::line(if args.watch.is_some() { shown(&view.human) } else { view.human.clone() }),
    }
}

/// As many lines as fit into the terminal, since those above it cannot be replaced.
fn shown(text: &str) -> String {
    let Some((_, terminal_size::Height(height))) = terminal_size::terminal_size() else { return text.to_owned() };
    let room = usize::from(height).saturating_sub(2).max(1);
    let total = text.lines().count();
    if total <= room {
        return text.to_owned();
    }
    let mut lines: Vec<_> = text.lines().take(room - 1).map(str::to_owned).collect();
    lines.push(format!("… and {} more", total + 1 - room));
    lines.join("\n")
}

/// Lays out rows in columns, within the width of the terminal.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.to_vec());
    if let Some((terminal_size::Width(width), _)) = terminal_size::terminal_size() {
        table.set_width(width);
    }
    for row in rows {
        table.add_row(row.iter().map(|text| printable(text).into_owned()).collect::<Vec<_>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}
