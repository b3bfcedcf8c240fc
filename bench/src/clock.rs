//! CPU time, memory and limits of this process, from the operating system.

use std::fs;
use std::time::Duration;

use cpu_time::ProcessTime;

use crate::Result;

/// Returns the CPU time of all threads of this process so far, in user mode and in the kernel.
pub(crate) fn cpu() -> Result<Duration> {
    Ok(ProcessTime::try_now()?.as_duration())
}

/// Returns the memory of this process that is resident, in KiB.
pub(crate) fn resident() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc/self/status")?;
    Ok(line.trim_end_matches("kB").trim().parse()?)
}

/// Raises the limit of open files as far as allowed, and returns it.
pub(crate) fn raise_open_files() -> Result<usize> {
    Ok(usize::try_from(rlimit::increase_nofile_limit(u64::MAX)?).unwrap_or(usize::MAX))
}
