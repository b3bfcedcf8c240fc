//! Every delta that Sockudo 5.2.0 sent in the recordings.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pusher_proto::delta::{Bases, Limits};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/vectors/v2")
}

/// Plays a recording: each connection keeps its bases as a client does. Returns the rebuilt frames in order.
fn rebuilt(recording: &str) -> Vec<String> {
    let text = fs::read_to_string(folder().join(recording)).expect("the recordings are part of the repository");
    let mut connections: BTreeMap<String, Bases> = BTreeMap::new();
    let mut frames = Vec::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("a recording has a JSON object a line");
        let Some(conn) = line["conn"].as_str() else { continue };
        let bases = connections.entry(conn.to_owned()).or_default();
        let (dir, frame) = (line["dir"].as_str(), line["frame"].as_str().unwrap_or_default());
        // Frames that are no JSON are in the recordings, too.
        let fields: Value = serde_json::from_str(frame).unwrap_or_default();
        let [event, channel] = ["event", "channel"].map(|name| fields[name].as_str().unwrap_or_default());
        let in_data = fields["data"]["channel"].as_str().unwrap_or_default();
        match (dir, event) {
            (Some("open"), _) => *bases = Bases::new(Limits::default()),
            (Some("send"), "sockudo:unsubscribe" | "sockudo:delta_sync_error") => bases.forget(in_data),
            (Some("recv"), "sockudo:delta_compression_enabled") => bases.enable(&fields["data"].to_string()),
            (Some("recv"), "sockudo:delta") => {
                let frame = bases.rebuild(channel, &fields["data"].to_string());
                frames.push(frame.unwrap_or_else(|lost| panic!("{line}: {lost:?}")).to_string());
            }
            (Some("recv"), _) => {
                let is_base = bases.keep(channel, event, frame);
                assert_eq!(is_base, frame.contains(r#","__delta_seq":"#), "{frame}");
            }
            _ => {}
        }
    }
    frames
}

/// The expected frames are the output of `fossil` 2.21 and `xdelta3` 3.0.11.
#[test]
fn every_delta_is_rebuilt_byte_for_byte() {
    let recordings =
        ["sockudo-5.2.0-delta.jsonl", "sockudo-5.2.0-delta-negotiation.jsonl", "sockudo-5.2.0-extra.jsonl"];
    let frames: Vec<_> = recordings.into_iter().flat_map(rebuilt).collect();
    let expected = fs::read_to_string(folder().join("rebuilt.txt")).expect("the frames are part of the repository");
    assert_eq!(frames.len(), 23);
    assert_eq!(frames, expected.lines().collect::<Vec<_>>());
}

/// Without this, a test of rebuilt frames could pass although each is made of a wrong base.
#[test]
fn rebuilt_frames_are_those_of_a_replay() {
    let text = fs::read_to_string(folder().join("sockudo-5.2.0-delta.jsonl"))
        .expect("the recordings are part of the repository");
    let received: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect();
    let is_received = |frame: &String| received.iter().any(|line| line["frame"].as_str() == Some(frame));
    assert_eq!(rebuilt("sockudo-5.2.0-delta.jsonl").iter().filter(|frame| is_received(frame)).count(), 2);
}
