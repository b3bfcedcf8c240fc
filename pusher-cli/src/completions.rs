//! `pusher completions` and `pusher man`

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::notes;
use crate::failure::Failure;
use crate::output;

/// Flags of `pusher completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = COMPLETIONS_NOTES)]
pub(crate) struct CompletionsArgs {
    /// Shell that reads the script
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Flags of `pusher man`.
#[derive(Debug, clap::Args)]
#[command(after_help = MAN_NOTES)]
pub(crate) struct ManArgs {
    /// Directory for the pages of all commands; without it, the page of the program itself is printed
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

/// Prints a completion script for this command line.
pub(crate) fn completions(mut command: Command, args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "pusher", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

/// Prints or writes the pages of this command line.
pub(crate) fn man(command: Command, args: &ManArgs) -> Result<(), Failure> {
    let Some(directory) = &args.dir else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        return Ok(io::stdout().write_all(&page)?);
    };
    let cannot_write = |error| Failure::failed(format!("cannot write to {}: {error}", directory.display()));
    std::fs::create_dir_all(directory).map_err(cannot_write)?;
    clap_mangen::generate_to(command, directory).map_err(cannot_write)?;
    output::line(format_args!("wrote the pages to {}", directory.display()))
}

const COMPLETIONS_NOTES: &str = notes!(
    "Examples:\n  \
     pusher completions bash > ~/.local/share/bash-completion/completions/pusher\n  \
     pusher completions zsh > ~/.zfunc/_pusher\n  \
     pusher completions fish > ~/.config/fish/completions/pusher.fish\n\n"
);

const MAN_NOTES: &str = notes!(
    "Examples:\n  \
     pusher man | man -l -\n  \
     pusher man --dir ~/.local/share/man/man1\n\n"
);
