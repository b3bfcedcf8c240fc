//! Whether this machine and the server agree on the time.

use std::time::SystemTime;

use jiff::fmt::rfc2822;
use pusher_tokio::pusher_proto::signing::MAX_TIMESTAMP_DIFFERENCE;
use pusher_tokio::with_causes;
use reqwest::header::DATE;

use super::finding::Finding;
use super::patient::Patient;

pub(super) async fn clock(patient: &mut Patient) -> Finding {
    let url = format!("{}{}/", patient.target.api_origin(), patient.target.prefix());
    let answer = match patient.api.get(&url) {
        Ok(request) => request.send().await,
        Err(failure) => return Finding::skipped(failure.message()),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let error = error.without_url();
            let causes = with_causes(&error);
            return Finding::warning(format!("no answer to an HTTP request: {causes}"))
                .means("the HTTP API cannot be reached at this address either")
                .fix("check that the server serves HTTP as well as WebSockets");
        }
    };
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    let Some(date) = date.and_then(|date| rfc2822::parse(date).ok()) else {
        return Finding::skipped("the server does not send its time");
    };
    let ours = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(0));
    judge(date.timestamp().as_second() - ours)
}

pub(super) fn clock_late(_patient: &Patient) -> Finding {
    Finding::warning("no answer to an HTTP request in time")
        .means("the HTTP API cannot be reached at this address either")
        .fix("check that the server serves HTTP as well as WebSockets")
}

/// `ahead` is how many seconds the server's clock is ahead of ours.
fn judge(ahead: i64) -> Finding {
    let which = if ahead < 0 { "behind" } else { "ahead of" };
    let seconds = ahead.unsigned_abs();
    let seen = match seconds {
        0..=1 => "the clocks agree".to_owned(),
        _ => format!("the server's clock is {} {which} the clock of this machine", span(seconds)),
    };
    if seconds <= SMALL {
        return Finding::ok(seen);
    }
    let finding = if seconds <= MAX_SKEW { Finding::warning(seen) } else { Finding::failed(seen) };
    finding
        .means(format!("the HTTP API refuses every call that is more than {MAX_SKEW} s off"))
        .fix("set both clocks by NTP, the server's and this machine's")
}

fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// Seconds beyond which the HTTP API refuses a call.
pub(super) const MAX_SKEW: u64 = MAX_TIMESTAMP_DIFFERENCE.as_secs();

/// A difference in seconds that does not matter.
const SMALL: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_what_the_http_api_accepts() {
        let table = [
            (0, "ok", "the clocks agree"),
            (-30, "ok", "the server's clock is 30 s behind the clock of this machine"),
            (600, "warning", "the server's clock is 10 min ahead of the clock of this machine"),
            (-3_600, "failed", "the server's clock is 60 min behind the clock of this machine"),
            (90_000, "failed", "the server's clock is 25 h 0 min ahead of the clock of this machine"),
        ];
        for (ahead, outcome, seen) in table {
            let finding = judge(ahead);
            assert_eq!((finding.outcome.name(), finding.seen.as_str()), (outcome, seen));
        }
    }
}
