//! How much memory a peer can make the client hold.

use pusher_websocket::{Limits, Oversized};

use crate::play::{BEGIN, BINARY, END, GO_ON, Outcome, PING, TEXT, frame, open, read};

const KB: u64 = 1_024;
const MB: u64 = KB * KB;

/// The peak of held bytes while `bytes` arrive `times` times and nothing is written.
fn peak(limits: Limits, start: &[u8], bytes: &[u8], times: usize) -> u64 {
    let mut outcome = Outcome::default();
    outcome.messages.reserve(10_000);
    let measured = allocation_counter::measure(|| {
        let mut socket = open(limits);
        read(&mut socket, start, &mut outcome);
        for _ in 0..times {
            read(&mut socket, bytes, &mut outcome);
            socket.poll_output();
            outcome.messages.clear();
        }
    });
    measured.bytes_max
}

#[test]
fn a_peer_cannot_make_us_hold_more_than_a_message_and_the_buffers() {
    let skip = Limits::new().max_message_len(1_024).oversized(Oversized::Skip);
    let close = Limits::new().max_message_len(1_024);
    let announced = |len: u64| [&[BINARY, 127][..], &len.to_be_bytes()].concat();
    let table = [
        ("a header announces 16 MiB", Limits::new(), announced(16 * MB), vec![0; 10], 1, 80 * KB),
        ("a header announces 4 EiB, which is skipped", skip, announced(1 << 62), vec![0; 60_000], 1_000, 110 * KB),
        ("a message of 60 MiB is skipped", skip, vec![], frame(TEXT, vec![b'x'; 1_000_000]), 60, 110 * KB),
        ("fragments are skipped", skip, frame(BEGIN, ""), frame(GO_ON, [b'x'; 100]).repeat(100), 6_000, 110 * KB),
        ("a message is too large", close, vec![], frame(TEXT, vec![b'x'; 60_000]), 1_000, 110 * KB),
        ("empty fragments", Limits::new(), frame(BEGIN, ""), frame(GO_ON, "").repeat(10_000), 100, 110 * KB),
        ("pings without end", Limits::new(), vec![], frame(PING, [0; 125]).repeat(1_000), 100, 130 * KB),
        ("bytes behind a close", Limits::new(), frame(0x88, ""), vec![0x81; 60_000], 100, 110 * KB),
        (
            "fragments of one byte, 1 MiB",
            Limits::new().max_fragments(u32::MAX),
            frame(BEGIN, ""),
            frame(GO_ON, "x").repeat(1_000),
            1_048,
            2_300 * KB,
        ),
    ];
    for (title, limits, start, bytes, times, bound) in table {
        let held = peak(limits, &start, &bytes, times);
        println!("{title}: {held} of {bound}");
        assert!(held <= bound, "{title}: {held} of {bound} bytes");
    }
}

#[test]
fn a_message_of_many_pieces_ends_in_an_allocation_of_its_size() {
    let mut socket = open(Limits::new());
    let bytes = [frame(BEGIN, ""), frame(GO_ON, "abc").repeat(100_000), frame(END, "")].concat();
    let mut outcome = Outcome::default();
    let allocations = allocation_counter::measure(|| read(&mut socket, &bytes, &mut outcome)).count_total;
    assert!(allocations < 200, "{allocations} allocations");
    assert!((300_000..380_000).contains(&socket.backing_len()), "{}", socket.backing_len());
}

#[test]
fn messages_in_one_piece_share_one_small_allocation_per_read() {
    let mut socket = open(Limits::new());
    let bytes = frame(TEXT, "x".repeat(100)).repeat(10);
    let run = |socket: &mut pusher_websocket::WebSocket<crate::play::Masks>| {
        socket.read_buffer()[..bytes.len()].copy_from_slice(&bytes);
        socket.handle_read(bytes.len());
        let mut count = 0;
        while let Ok(pusher_websocket::Received::Message(_)) = socket.poll_message() {
            count += 1;
        }
        assert_eq!(count, 10);
    };
    run(&mut socket);
    let measured = allocation_counter::measure(|| (0..1_000).for_each(|_| run(&mut socket)));
    // The counter of the buffer's slices.
    assert_eq!((measured.count_total, measured.bytes_total / 1_000), (1_000, 24));
}
