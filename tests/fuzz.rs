//! The bodies of the fuzz targets on stable Rust: the committed corpus, and new ground from a seed.

use std::fs;
use std::path::Path;

/// Everything that a fuzzer has found stays found.
#[test]
fn the_corpus_passes() {
    let mut played = 0;
    for (name, body) in BODIES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        for entry in fs::read_dir(&folder).expect("each target has a corpus") {
            let path = entry.expect("a folder that can be opened can be listed").path();
            body(&fs::read(&path).expect("a corpus is readable"));
            played += 1;
        }
    }
    assert!(played >= BODIES.len(), "{played} inputs");
}

#[test]
fn pieces_of_the_corpus_in_any_mixture_pass() {
    let mut rng = fastrand::Rng::with_seed(7);
    for (name, body) in BODIES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        let mut files: Vec<_> = fs::read_dir(&folder)
            .expect("each target has a corpus")
            .map(|entry| entry.expect("a folder that can be opened can be listed").path())
            .collect();
        files.sort();
        let corpus: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).expect("a corpus is readable")).collect();
        for _ in 0..MIXTURES {
            body(&mixture(&corpus, &mut rng));
        }
    }
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

const BODIES: [(&str, Body); 8] = [
    ("auth", pusher_fuzz::auth),
    ("envelope", pusher_fuzz::envelope),
    ("frames", pusher_fuzz::frames),
    ("pair", pusher_fuzz::pair),
    ("secretbox", pusher_fuzz::secretbox),
    ("server", pusher_fuzz::server),
    ("session", pusher_fuzz::session),
    ("transcripts", pusher_fuzz::transcripts),
];

const MIXTURES: usize = 500;
