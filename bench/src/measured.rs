//! What is measured, and the targets.

/// The JSON payload of the events, and the length of the frames that carry it, encoded once more.
pub(crate) const SIZES: [Size; 3] = [
    Size { name: "100 B", payload_len: 100, frame_len: 168, events: 200_000 },
    Size { name: "1 KB", payload_len: 1_000, frame_len: 1_193, events: 60_000 },
    Size { name: "10 KB", payload_len: 10_000, frame_len: 11_446, events: 10_000 },
];

pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) payload_len: u32,
    pub(crate) frame_len: usize,
    /// How many of them are read in one round.
    pub(crate) events: usize,
}

/// A way to read events, the name of its subject, and the most that it should cost compared with the bare reader, by size.
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) targets: Option<[f64; 3]>,
}

pub(crate) const READERS: [Reader; 6] = [
    Reader { name: "bare reader", subject: "bare", targets: None },
    Reader { name: "pusher-websocket alone", subject: "codec", targets: None },
    Reader { name: "tokio, callback", subject: "tokio-callback", targets: Some([1.2, 1.2, 1.1]) },
    Reader { name: "tokio, stream in another task", subject: "tokio-stream", targets: Some([1.6, 1.6, 1.2]) },
    Reader { name: "smol, stream in another thread", subject: "smol-stream", targets: None },
    Reader { name: "blocking, stream in another thread", subject: "blocking-stream", targets: Some([1.8, 1.8, 1.4]) },
];

/// The same over TLS.
pub(crate) const TLS_READERS: [Reader; 2] = [
    Reader { name: "bare reader", subject: "bare", targets: None },
    Reader { name: "tokio, callback", subject: "tokio-callback", targets: Some([1.1, 1.1, 1.1]) },
];

/// CPU time of connecting and subscribing, compared with the bare reader.
pub(crate) const CONNECT_TARGET: f64 = 1.15;

/// Resident memory of an idle client, in KiB.
pub(crate) const IDLE_TARGET: f64 = 9.0;

/// Median time of an echo, compared with the bare reader.
pub(crate) const ECHO_TARGETS: [f64; 2] = [1.02, 1.1];

/// CPU time of a member list, in milliseconds.
pub(crate) const PRESENCE_TARGET: f64 = 30.0;
pub(crate) const MEMBERS: usize = 100_000;

/// CPU time of an event in nanoseconds, by reader and size.
pub(crate) type Costs = Vec<[f64; 3]>;
