//! The figures as CSV, one row per second.

use std::fmt::Write as _;

use super::sampler::Sample;

/// Returns the table, with a header.
pub(super) fn table(samples: &[Sample]) -> String {
    let mut table = HEADER.to_owned();
    for sample in samples {
        let Sample { second, phase, connected, subscribed, published, received, .. } = sample;
        let Sample { lost, missed, duplicates, gaps, dropped, errors, latency, .. } = sample;
        // Writing to a string does not fail.
        let _ = write!(table, "{second:.3},{},{connected},{subscribed},{published},{received},", phase.name());
        let _ = write!(table, "{lost},{missed},{duplicates},{gaps},{dropped},{errors}");
        for value in [latency.p50, latency.p90, latency.p99, latency.p999, latency.max] {
            // The field is empty if nothing was received.
            let _ = match value {
                Some(value) => write!(table, ",{value:.3}"),
                None => write!(table, ","),
            };
        }
        table.push('\n');
    }
    table
}

const HEADER: &str = "second,phase,connected,subscribed,published,received,lost,missed,duplicates,gaps,dropped,errors,\
                      p50_ms,p90_ms,p99_ms,p99.9_ms,max_ms\n";
