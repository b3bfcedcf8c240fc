//! How the user, or the program that started this one, ends it.

use std::io;

/// Listens for Ctrl-C and, on Unix, for SIGTERM, from now on. The future ends when one of them comes.
///
/// Keep the future for as long as the command runs: a signal between two such futures would be lost.
///
/// # Errors
///
/// When the system does not allow it.
#[cfg(unix)]
pub(crate) fn interrupted() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
pub(crate) fn interrupted() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler, the system ends the program.
            std::future::pending::<()>().await;
        }
    })
}
