//! The code of the fuzz targets on stable Rust, with a memory limit: on the committed corpus, and on random mixtures of
//! it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Everything that a fuzzer has found stays found.
#[test]
fn the_corpus_passes() {
    for (name, body) in BODIES {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has no corpus");
        let peak = corpus.iter().map(|input| play(name, body, input)).max();
        println!("{name}: {} inputs, at most {} bytes", corpus.len(), peak.unwrap_or_default());
    }
}

#[test]
fn pieces_of_the_corpus_in_any_mixture_pass() {
    let seed = std::env::var("PUSHER_FIRST_SEED").map_or(7, |seed| seed.parse().expect("a seed is a number"));
    println!("PUSHER_FIRST_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for (name, body) in BODIES {
        let corpus = corpus(name);
        for _ in 0..MIXTURES {
            play(name, body, &mixture(&corpus, &mut rng));
        }
    }
}

/// A corpus that can no longer be parsed after a change of its format would pass without testing anything.
#[test]
fn the_corpus_of_sessions_reaches_what_a_channel_can_become() {
    let mut heard = BTreeSet::new();
    for input in corpus("session") {
        pusher_fuzz::session_with(&input, |event| {
            let channel = event.channel().map_or("", |channel| channel.as_str());
            heard.insert(format!("{} {channel}", event.name()).trim_end().to_owned());
        });
    }
    let missing: Vec<_> = REACHED.iter().filter(|event| !heard.contains(**event)).collect();
    assert!(missing.is_empty(), "{missing:?} is missing in {heard:?}");
}

/// Plays an input. Returns the peak of allocated bytes.
fn play(name: &str, body: Body, input: &[u8]) -> u64 {
    let held = allocation_counter::measure(|| body(input)).bytes_max;
    let bound = FIXED + PER_BYTE * input.len() as u64;
    assert!(held <= bound, "{name}: {held} of {bound} bytes for {input:?}");
    held
}

/// The inputs of a target, in order. For `transcripts`, they include the transcripts themselves.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = files_in(&tests.join("../fuzz/corpus").join(name));
    if name == "transcripts" {
        files.append(&mut files_in(&tests.join("conformance/transcripts")));
    }
    files.iter().map(|path| fs::read(path).expect("a corpus is readable")).collect()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("each target has a corpus")
        .map(|entry| entry.expect("a folder that can be opened can be listed").path())
        .collect();
    files.sort();
    files
}

/// A few pieces, some of their bytes changed.
fn mixture(corpus: &[Vec<u8>], rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.usize(1..4) {
        let piece = rng.choice(corpus).expect("each target has a corpus");
        let start = rng.usize(0..=piece.len());
        bytes.extend_from_slice(&piece[start..rng.usize(start..=piece.len())]);
    }
    for _ in 0..rng.usize(0..8) {
        if !bytes.is_empty() {
            let at = rng.usize(0..bytes.len());
            bytes[at] = rng.u8(..);
        }
    }
    let noise = rng.usize(0..200);
    bytes.extend(std::iter::repeat_with(|| rng.u8(..)).take(noise));
    bytes
}

type Body = fn(&[u8]);

const BODIES: [(&str, Body); 11] = [
    ("auth", pusher_fuzz::auth),
    ("delta", pusher_fuzz::delta),
    ("envelope", pusher_fuzz::envelope),
    ("frames", pusher_fuzz::frames),
    ("pair", pusher_fuzz::pair),
    ("resume", pusher_fuzz::resume),
    ("secretbox", pusher_fuzz::secretbox),
    ("server", pusher_fuzz::server),
    ("session", pusher_fuzz::session),
    ("transcripts", pusher_fuzz::transcripts),
    ("websocket", pusher_fuzz::websocket),
];

/// Events that the application must receive in the sessions of the corpus.
const REACHED: [&str; 10] = [
    "pusher:subscription_succeeded chat",
    "pusher:subscription_succeeded private-a",
    "pusher:subscription_succeeded presence-b",
    "pusher:subscription_succeeded private-encrypted-c",
    "pusher:member_added presence-b",
    "pusher:member_removed presence-b",
    "pusher:cache_miss cache-d",
    "pusher:signin_success",
    "pusher:subscription_error private-a",
    "e private-encrypted-c",
];

const MIXTURES: usize = 500;

/// Bytes that a body may hold at a time: connected clients, a server, and what a ledger notes about them; and a few events for
/// every byte of the input.
const FIXED: u64 = 192 * 1_024;
const PER_BYTE: u64 = 256;
