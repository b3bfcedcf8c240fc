//! Deltas of the original programs: xdelta3 3.0.11 and Fossil 2.21.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pusher_proto::delta::Algorithm;

/// Case, command and delta.
const DELTAS: &str = include_str!("tools.txt");

fn texts(case: &str) -> (Vec<u8>, Vec<u8>) {
    let frame = |price, serial| {
        let note = "same text, same text, same text";
        let data = format!(r#"{{\"name\": \"Zoë\", \"price\": {price}, \"note\": \"{note}\"}}"#);
        format!(r#"{{"event":"update","channel":"doc","data":"{data}","serial":{serial}}}"#).into_bytes()
    };
    let lines = |skipped| (0..3_000).filter(|n| n % skipped > 0).map(|n| format!("line {n}\n")).collect::<String>();
    match case {
        "frames" => (frame(100, 1), frame(250, 2)),
        "run" => (b"abc".to_vec(), [&b"abc"[..], &[b'x'; 300], b"abc"].concat()),
        "nothing in common" => (b"0123456789".to_vec(), b"abcdefghij".to_vec()),
        "no base" => (vec![], b"abc".repeat(9)),
        "windows" => (lines(50).into_bytes(), lines(70).repeat(2).into_bytes()),
        other => panic!("{other}"),
    }
}

#[test]
fn applies_deltas_of_the_original_programs() {
    for line in DELTAS.lines() {
        let [case, command, delta] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        let delta = STANDARD.decode(delta).expect("the file has base64");
        let (base, target) = texts(case);
        let algorithm = if command == "fossil" { Algorithm::Fossil } else { Algorithm::Vcdiff };
        assert_eq!(Algorithm::of(&delta), algorithm);
        let output = algorithm.apply(&base, &delta, target.len());
        assert!(output == Ok(target), "{case}, {command}");
    }
    assert_eq!(DELTAS.lines().count(), 20);
}
