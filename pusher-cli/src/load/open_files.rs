//! The limit on open files, and therefore on connections.

use crate::failure::Failure;

/// Raises the limit of this process to what `connections` need.
///
/// # Errors
///
/// If the hard limit is lower; the message says what to do.
pub(super) fn allow(connections: usize) -> Result<(), Failure> {
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHERS);
    let allowed = rlimit::increase_nofile_limit(needed)
        .map_err(|error| Failure::failed(format!("cannot raise the limit of open files: {error}")))?;
    if allowed < needed {
        return Err(Failure::failed(format!(
            "{connections} connections need {needed} open files, and this process may have {allowed}: raise the hard limit, \
             with `ulimit -n {needed}` as root, or use fewer clients"
        )));
    }
    Ok(())
}

/// Other open files of this process.
const OTHERS: u64 = 64;
