//! What a client's store of bases keeps, rebuilds and loses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pusher_proto::delta::{Bases, DeltaError, Limits, Lost, LostBase};
use pusher_proto::with_causes;

use crate::encoder;

/// An event without marks.
fn event(channel: &str, event: &str, n: u32) -> String {
    format!(r#"{{"event":"{event}","channel":"{channel}","data":"text {n}","serial":{n}}}"#)
}

/// The same as a base.
fn full(channel: &str, name: &str, n: u32, seq: u64, marks: &str) -> String {
    event(channel, name, n).replacen(r#"}"#, &format!(r#","__delta_seq":{seq}{marks}}}"#), 1)
}

/// The data of a delta from one text to another.
fn delta(name: &str, seq: u64, from: &str, to: &str, fields: &str) -> String {
    let delta = STANDARD.encode(encoder::fossil(from.as_bytes(), to.as_bytes(), &mut |below| below / 2));
    format!(r#"{{"event":"{name}","seq":{seq},"base_index":{},"delta":"{delta}"{fields}}}"#, seq - 1)
}

const CONFLATION: &str = r#","__conflation_key":"k \"1\"""#;

#[track_caller]
fn is_lost(result: Result<pusher_proto::Text, LostBase>, is_first: bool, reason: &Lost) {
    let lost = result.expect_err("the event is lost");
    assert_eq!((lost.is_first, &lost.reason), (is_first, reason));
}

#[test]
fn rebuilds_a_series_for_each_channel_event_and_key() {
    let mut bases = Bases::default();
    assert!(bases.keep("a", "x", &full("a", "x", 1, 0, "")));
    assert!(bases.keep("a", "y", &full("a", "y", 2, 0, "")));
    assert!(bases.keep("b", "x", &full("b", "x", 3, 0, "")));
    assert!(bases.keep("a", "x", &full("a", "x", 4, 0, CONFLATION)));
    let key = r#","conflation_key":"k \"1\"""#;
    for (channel, name, first, fields) in [("a", "x", 1, ""), ("a", "y", 2, ""), ("b", "x", 3, ""), ("a", "x", 4, key)]
    {
        let mut from = event(channel, name, first);
        for seq in 1..5 {
            let to = event(channel, name, first + 10 * seq as u32);
            let data = delta(name, seq, &from, &to, fields);
            assert_eq!(bases.rebuild(channel, &data).unwrap(), to.as_str(), "{data}");
            from = to;
        }
    }
}

#[test]
fn a_frame_without_marks_neither_is_a_base_nor_disturbs_one() {
    let mut bases = Bases::default();
    bases.keep("a", "x", &full("a", "x", 1, 0, ""));
    assert!(!bases.keep("a", "x", &event("a", "x", 2)));
    let data = delta("x", 1, &event("a", "x", 1), &event("a", "x", 3), "");
    assert!(bases.rebuild("a", &data).is_ok());
}

#[test]
fn a_loss_is_reported_once_until_the_next_full_frame() {
    let mut bases = Bases::default();
    let data = delta("x", 1, &event("a", "x", 1), &event("a", "x", 2), "");
    is_lost(bases.rebuild("a", &data), true, &Lost::Missing);
    is_lost(bases.rebuild("a", &data), false, &Lost::Missing);
    is_lost(bases.rebuild("b", &data), true, &Lost::Missing);
    bases.keep("a", "x", &full("a", "x", 1, 3, ""));
    is_lost(bases.rebuild("a", &data), true, &Lost::Other { expected: 0, kept: 3 });
    bases.keep("a", "x", &full("a", "x", 1, 0, ""));
    assert!(bases.rebuild("a", &data).is_ok());
}

#[test]
fn a_loss_drops_all_bases_of_its_channel() {
    let mut bases = Bases::default();
    bases.keep("a", "x", &full("a", "x", 1, 0, ""));
    bases.keep("a", "y", &full("a", "y", 1, 0, ""));
    bases.keep("b", "y", &full("b", "y", 1, 0, ""));
    is_lost(bases.rebuild("a", r#"{"event":"x"}"#), true, &Lost::Unreadable);
    let of = |channel| delta("y", 1, &event(channel, "y", 1), &event(channel, "y", 2), "");
    is_lost(bases.rebuild("a", &of("a")), false, &Lost::Missing);
    assert!(bases.rebuild("b", &of("b")).is_ok());
}

#[test]
fn says_what_is_wrong_with_a_delta() {
    let (from, to) = (event("a", "x", 1), event("a", "x", 2));
    let right = delta("x", 1, &from, &to, "");
    let elsewhere = delta("x", 1, &from, &event("b", "x", 2), "");
    let renamed = delta("x", 1, &from, &event("a", "y", 2), "");
    let no_json = delta("x", 1, &from, "text", "");
    let empty = right.replace(r#""delta":""#, r#""delta":"MAowOw==","x":""#);
    for (data, reason) in [
        ("", Lost::Unreadable),
        ("[]", Lost::Unreadable),
        (&right.replace(r#""seq":1"#, r#""seq":"1""#), Lost::Unreadable),
        (&right.replace(r#""seq":1"#, r#""seq":-1"#), Lost::Unreadable),
        (&right.replace(r#""base_index":0"#, r#""base_index":null"#), Lost::Unreadable),
        (&right.replace(r#""base_index":0"#, r#""base_index":1"#), Lost::Other { expected: 1, kept: 0 }),
        (&right.replace(r#""event":"x""#, r#""event":7"#), Lost::Unreadable),
        (&right.replace(r#""event":"x""#, r#""event":"z""#), Lost::Missing),
        (&right.replace(r#""seq":1"#, r#""seq":1,"conflation_key":"k""#), Lost::Missing),
        (&right.replace(r#""seq":1"#, r#""seq":1,"algorithm":"zip""#), Lost::UnknownAlgorithm),
        (&right.replace(r#""delta":""#, r#""delta":"!"#), Lost::Delta(DeltaError::Base64)),
        (&empty, Lost::Delta(DeltaError::Empty)),
        (&elsewhere, Lost::OtherEvent),
        (&renamed, Lost::OtherEvent),
        (&no_json, Lost::OtherEvent),
    ] {
        let mut bases = Bases::default();
        bases.keep("a", "x", &full("a", "x", 1, 0, ""));
        is_lost(bases.rebuild("a", data), true, &reason);
    }
    let mut bases = Bases::new(Limits { max_frame_len: to.len() - 1, ..Limits::default() });
    bases.keep("a", "x", &full("a", "x", 1, 0, ""));
    let lost = bases.rebuild("a", &right).unwrap_err();
    let len = to.len();
    let text = format!("the delta cannot be applied: an output of {len} bytes exceeds the limit of {}", len - 1);
    assert_eq!(with_causes(&lost).to_string(), format!("an event that was sent as a delta is lost: {text}"));
}

#[test]
fn the_algorithm_is_that_of_the_delta_or_of_the_server_or_what_it_looks_like() {
    let (from, to) = (event("a", "x", 1), event("a", "x", 2));
    let fossil = delta("x", 1, &from, &to, "");
    let bytes = encoder::vcdiff(from.as_bytes(), to.as_bytes(), &mut |_| 0);
    let encoded = STANDARD.encode(bytes);
    let vcdiff = format!(r#"{{"event":"x","seq":1,"base_index":0,"delta":"{encoded}"}}"#);
    let named = |data: &str, name: &str| data.replacen('{', &format!(r#"{{"algorithm":"{name}","#), 1);
    for (enabled, data, is_right) in [
        (r#"{}"#, fossil.clone(), true),
        (r#"{}"#, vcdiff.clone(), true),
        (r#"{"enabled":true,"algorithm":"fossil"}"#, vcdiff.clone(), false),
        (r#"{"enabled":true,"algorithm":"xdelta3"}"#, vcdiff.clone(), true),
        (r#"{"enabled":true,"algorithm":"xdelta3"}"#, named(&fossil, "fossil"), true),
        (r#"{"enabled":true,"algorithm":"fossil"}"#, named(&vcdiff, "vcdiff"), true),
        (r#"{}"#, named(&vcdiff, "fossil"), false),
    ] {
        let mut bases = Bases::default();
        bases.enable(enabled);
        bases.keep("a", "x", &full("a", "x", 1, 0, ""));
        assert_eq!(bases.rebuild("a", &data).is_ok(), is_right, "{enabled} {data}");
    }
}

#[test]
fn nothing_is_kept_over_an_unsubscription_or_a_new_start() {
    let data = delta("x", 1, &event("a", "x", 1), &event("a", "x", 2), "");
    let ends: [fn(&mut Bases); 3] = [|bases| bases.forget("a"), Bases::clear, |bases| bases.enable("{}")];
    for end in ends {
        let mut bases = Bases::default();
        is_lost(bases.rebuild("a", &data), true, &Lost::Missing);
        bases.keep("a", "x", &full("a", "x", 1, 0, ""));
        end(&mut bases);
        assert_eq!(bases.held(), 0);
        is_lost(bases.rebuild("a", &data), true, &Lost::Missing);
        end(&mut bases);
        assert_eq!(bases.held(), 0);
    }
}

#[test]
fn the_base_that_has_not_been_used_for_the_longest_time_is_dropped() {
    let weight = "a".len() + "x".len() + event("a", "x", 1).len() + 256;
    let mut bases = Bases::new(Limits { max_bytes: 3 * weight, ..Limits::default() });
    for name in ["x", "y", "z"] {
        bases.keep("a", name, &full("a", name, 1, 0, ""));
    }
    assert_eq!(bases.held(), 3 * weight);
    let next = |name: &str| delta(name, 1, &event("a", name, 1), &event("a", name, 2), "");
    assert!(bases.rebuild("a", &next("x")).is_ok());
    bases.keep("b", "x", &full("b", "x", 1, 0, ""));
    assert_eq!(bases.held(), 3 * weight);
    assert!(bases.rebuild("a", &next("z")).is_ok());
    is_lost(bases.rebuild("a", &next("y")), true, &Lost::Missing);
    assert_eq!(bases.held(), weight + "a".len() + 256);
}

#[test]
fn a_base_beyond_the_limit_is_not_kept_and_nothing_else_is_dropped_for_it() {
    let mut bases = Bases::new(Limits { max_bytes: 1_000, ..Limits::default() });
    bases.keep("a", "x", &full("a", "x", 1, 0, ""));
    let held = bases.held();
    let long = "x".repeat(1_000);
    assert!(bases.keep("a", &long, &full("a", &long, 1, 0, "")));
    assert_eq!(bases.held(), held);
    is_lost(bases.rebuild("c", "{}"), true, &Lost::Unreadable);
    for n in 0..10_000 {
        is_lost(bases.rebuild(&n.to_string(), "{}"), true, &Lost::Unreadable);
        bases.keep("a", &n.to_string(), &full("a", &n.to_string(), 1, 0, ""));
        assert!(bases.held() <= 1_000);
    }
}
