//! Deltas that no server should send: each is refused with what is wrong and where.

use pusher_proto::delta::{Algorithm, DeltaError};

use crate::encoder::{fossil_number, number};

const BASE: &[u8] = b"0123456789";
const MAX: usize = 100;

#[track_caller]
fn refused(algorithm: Algorithm, delta: &[u8], error: &DeltaError) {
    assert_eq!(algorithm.apply(BASE, delta, MAX).as_ref(), Err(error), "{:?}", delta.escape_ascii().to_string());
}

#[test]
fn fossil_refuses() {
    let truncated = |at, expected| DeltaError::Truncated { at, expected };
    let malformed = |at, expected| DeltaError::Malformed { at, expected };
    let past = |at, end| DeltaError::CopyPastEnd { at, end, len: 10 };
    let length = |at, announced| DeltaError::Length { at, announced };
    let command = "`@`, `:` or `;`";
    for (delta, error) in [
        ("", truncated(0, "a number")),
        ("\n", malformed(0, "a number")),
        ("!", malformed(0, "a number")),
        ("4", truncated(1, "a line feed")),
        ("4;", malformed(1, "a line feed")),
        ("0\n0;", DeltaError::Empty),
        ("1a\n", DeltaError::TooLong { len: 101, max: 100 }),
        ("3~~~~~\n", DeltaError::TooLong { len: u32::MAX as usize, max: 100 }),
        ("4~~~~~\n", malformed(0, "a number of at most 32 bits")),
        ("4\n", truncated(2, "a number")),
        ("4\n4", truncated(3, command)),
        ("4\n4?", malformed(3, command)),
        ("4\n@0,", malformed(2, "a number")),
        ("4\n4@", truncated(4, "a number")),
        ("4\n4@,", malformed(4, "a number")),
        ("4\n4@0", truncated(5, "a comma")),
        ("4\n4@0;", malformed(5, "a comma")),
        ("4\n4@7,", past(2, 11)),
        ("4\n4@B,", past(2, 15)),
        ("4\n3~~~~~@3~~~~~,", past(2, 2 * u32::MAX as usize)),
        ("4\n5@0,", length(2, 4)),
        ("4\n3@0,3@0,", length(6, 4)),
        ("4\n5:abcde", length(2, 4)),
        ("4\n4:abc", truncated(4, "the end of the literal bytes")),
        ("4\n3~~~~~:abc", truncated(9, "the end of the literal bytes")),
        ("4\n3:abc0;", length(7, 4)),
        ("4\n4:abcd0;", DeltaError::Checksum { at: 8, announced: 0, actual: 0x6162_6364 }),
    ] {
        refused(Algorithm::Fossil, delta.as_bytes(), &error);
    }
    let sum = String::from_utf8(fossil_number(0x6162_6364)).expect("digits are ASCII");
    let right = format!("4\n4:abcd{sum};");
    assert_eq!(Algorithm::Fossil.apply(BASE, right.as_bytes(), MAX), Ok(b"abcd".to_vec()));
    refused(Algorithm::Fossil, format!("{right}x").as_bytes(), &malformed(right.len(), "the end of the delta"));
}

/// A delta with one window.
struct Vcdiff {
    indicator: u8,
    segment: Vec<u8>,
    target_len: usize,
    compressed: u8,
    sum: Vec<u8>,
    data: Vec<u8>,
    code: Vec<u8>,
    addresses: Vec<u8>,
}

impl Vcdiff {
    /// Writes `abcd`: two bytes that are added, and two runs.
    fn new() -> Self {
        let (data, code) = (b"abcd".to_vec(), vec![3, 0, 1, 0, 1]);
        let (segment, sum, addresses) = (vec![], vec![], vec![]);
        Self { indicator: 0, segment, target_len: 4, compressed: 0, sum, data, code, addresses }
    }

    fn of_base(code: &[u8], addresses: &[u8]) -> Self {
        let (segment, code, addresses) = (vec![10, 0], code.to_vec(), addresses.to_vec());
        Self { indicator: 1, segment, data: vec![], code, addresses, ..Self::new() }
    }

    fn bytes(&self) -> Vec<u8> {
        let lens = [self.data.len(), self.code.len(), self.addresses.len()].map(number).concat();
        let sections = [&self.sum[..], &self.data, &self.code, &self.addresses].concat();
        let body = [number(self.target_len), vec![self.compressed], lens, sections].concat();
        let window = [&[self.indicator][..], &self.segment, &number(body.len()), &body].concat();
        [&[0xd6, 0xc3, 0xc4, 0, 0], &window[..]].concat()
    }
}

#[test]
fn vcdiff_refuses_headers_and_windows() {
    let malformed = |at, expected| DeltaError::Malformed { at, expected };
    let unsupported = |at, feature| DeltaError::Unsupported { at, feature };
    let past = |at, end, len| DeltaError::CopyPastEnd { at, end, len };
    let start = "the first bytes of VCDIFF";
    let huge = [number(u32::MAX as usize), number(u32::MAX as usize)].concat();
    let header = |bytes: &[u8]| [&[0xd6, 0xc3, 0xc4], bytes].concat();
    for (delta, error) in [
        (vec![], DeltaError::Truncated { at: 0, expected: start }),
        (vec![0xd6, 0xc3, 0xc5], malformed(0, start)),
        (header(b"S\0"), unsupported(3, "this version of VCDIFF")),
        (header(&[0, 1, 2]), unsupported(4, "secondary compression")),
        (header(&[0, 2]), unsupported(4, "a code table of its own")),
        (header(&[0, 8]), malformed(4, "a known header indicator")),
        (header(&[0, 4, 9, 1]), DeltaError::Truncated { at: 6, expected: "the end of the application header" }),
        (header(&[0, 0]), DeltaError::Empty),
        (Vcdiff { target_len: 0, data: vec![], code: vec![], ..Vcdiff::new() }.bytes(), DeltaError::Empty),
        (Vcdiff { indicator: 8, ..Vcdiff::new() }.bytes(), malformed(5, "a known window indicator")),
        (Vcdiff { indicator: 3, ..Vcdiff::new() }.bytes(), malformed(5, "a segment of either the base or the output")),
        (Vcdiff { indicator: 1, segment: vec![10, 1], ..Vcdiff::new() }.bytes(), past(6, 11, 10)),
        (Vcdiff { indicator: 1, segment: huge, ..Vcdiff::new() }.bytes(), past(6, 2 * u32::MAX as usize, 10)),
        (Vcdiff { indicator: 2, segment: vec![1, 0], ..Vcdiff::new() }.bytes(), past(6, 1, 0)),
        (Vcdiff { target_len: 101, ..Vcdiff::new() }.bytes(), DeltaError::TooLong { len: 101, max: 100 }),
        (Vcdiff { target_len: 1 << 40, ..Vcdiff::new() }.bytes(), DeltaError::TooLong { len: 1 << 40, max: 100 }),
        (Vcdiff { compressed: 1, ..Vcdiff::new() }.bytes(), unsupported(8, "secondary compression")),
        (
            Vcdiff { indicator: 4, sum: vec![1, 2, 3, 4], ..Vcdiff::new() }.bytes(),
            DeltaError::Checksum { at: 12, announced: 0x0102_0304, actual: 0x03d8_018b },
        ),
    ] {
        refused(Algorithm::Vcdiff, &delta, &error);
    }
    let mut two = [Vcdiff::new().bytes(), Vcdiff { target_len: 97, ..Vcdiff::new() }.bytes()[5..].to_vec()].concat();
    refused(Algorithm::Vcdiff, &two, &DeltaError::TooLong { len: 101, max: 100 });
    two.truncate(two.len() - 1);
    refused(Algorithm::Vcdiff, &two, &DeltaError::Truncated { at: 23, expected: "the end of the window" });
}

#[test]
fn vcdiff_refuses_instructions() {
    let length = |at| DeltaError::Length { at, announced: 4 };
    let past = |at, end, len| DeltaError::CopyPastEnd { at, end, len };
    let truncated = |at, expected| DeltaError::Truncated { at, expected };
    let rest = |at| DeltaError::Malformed { at, expected: "the end of the section" };
    for (delta, error) in [
        (Vcdiff { target_len: 5, ..Vcdiff::new() }, DeltaError::Length { at: 21, announced: 5 }),
        (Vcdiff { target_len: 3, ..Vcdiff::new() }, DeltaError::Length { at: 20, announced: 3 }),
        (Vcdiff { code: vec![0, 0xff, 0xff, 0xff, 0x7f], ..Vcdiff::new() }, length(17)),
        (Vcdiff { code: vec![6], ..Vcdiff::new() }, length(17)),
        (Vcdiff { code: vec![4, 0], ..Vcdiff::new() }, truncated(18, "the end of a number")),
        (Vcdiff { data: b"abc".to_vec(), ..Vcdiff::new() }, truncated(15, "the byte to repeat")),
        (Vcdiff { data: b"a".to_vec(), ..Vcdiff::new() }, truncated(12, "the bytes to add")),
        (Vcdiff { data: b"abcde".to_vec(), ..Vcdiff::new() }, rest(16)),
        (Vcdiff { addresses: vec![0], ..Vcdiff::new() }, rest(21)),
        // Copies: without an address, beyond the base, and before anything has been written.
        (Vcdiff::of_base(&[20], &[]), truncated(15, "the end of a number")),
        (Vcdiff::of_base(&[116], &[]), truncated(15, "an address")),
        (Vcdiff::of_base(&[20], &[10]), past(15, 11, 10)),
        (Vcdiff::of_base(&[36], &[0]), past(15, 11, 10)),
        (Vcdiff::of_base(&[36], &[11]), DeltaError::Malformed { at: 15, expected: "an earlier address" }),
        (Vcdiff { code: vec![20], data: vec![], addresses: vec![0], ..Vcdiff::new() }, past(13, 1, 0)),
    ] {
        refused(Algorithm::Vcdiff, &delta.bytes(), &error);
    }
    assert_eq!(Algorithm::Vcdiff.apply(BASE, &Vcdiff::new().bytes(), MAX), Ok(b"abcd".to_vec()));
    assert_eq!(Algorithm::Vcdiff.apply(BASE, &Vcdiff::of_base(&[20], &[6]).bytes(), MAX), Ok(b"6789".to_vec()));
    // A copy that begins in the base and repeats what it writes.
    assert_eq!(Algorithm::Vcdiff.apply(BASE, &Vcdiff::of_base(&[20], &[8]).bytes(), MAX), Ok(b"8989".to_vec()));
}

#[test]
fn a_section_that_is_not_where_its_window_ends_is_refused() {
    let mut delta = Vcdiff::new().bytes();
    delta[6] += 1;
    delta.push(0);
    let error = DeltaError::Malformed { at: 21, expected: "the end of the window" };
    refused(Algorithm::Vcdiff, &delta, &error);
}

#[test]
fn a_text_must_be_utf8() {
    let sum = fossil_number(0x61ff_6200);
    let delta = [&b"3\n3:a\xffb"[..], &sum, b";"].concat();
    assert_eq!(Algorithm::Fossil.apply(b"", &delta, MAX), Ok(b"a\xffb".to_vec()));
    assert_eq!(Algorithm::Fossil.apply_to_text("", &delta, MAX), Err(DeltaError::NotUtf8 { at: 1 }));
}

#[test]
fn the_longest_repetition_is_written_at_once() {
    let bytes =
        Vcdiff { target_len: 1 << 24, data: vec![b'a'], code: vec![2, 19, 0x87, 0xff, 0xff, 0x7f], ..Vcdiff::new() };
    let bytes = Vcdiff { addresses: vec![0], ..bytes }.bytes();
    let output = Algorithm::Vcdiff.apply(BASE, &bytes, 1 << 24).expect("the limit is not exceeded");
    assert!(output.len() == 1 << 24 && output.iter().all(|byte| *byte == b'a'));
}
