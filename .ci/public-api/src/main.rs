//! Prints the public API of a crate, one item a line. The argument is the file that rustdoc wrote.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: list-public-api FILE.json");
        return ExitCode::FAILURE;
    };
    // Blanket implementations and auto traits follow from the rest, and would bury it.
    let listing = public_api::Builder::from_rustdoc_json(&path)
        .sorted(true)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build();
    match listing {
        Ok(listing) => {
            for item in listing.items() {
                println!("{item}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
