//! One channel event through the core.

use pusher_proto::{Action, ChannelName, Client, Config, Endpoint, Event, Frame, Instant, SocketEpoch, Text};

/// Lengths of the measured frames in bytes, for 100 B, 1 KB and 10 KB of JSON payload, encoded as a string.
pub const FRAME_LENS: [usize; 3] = [168, 1_193, 11_446];

/// A client with one subscribed channel.
pub struct Subscriber {
    client: Client,
    socket: SocketEpoch,
    now: Instant,
}

impl Subscriber {
    /// Connects and subscribes to `chat`, and to `others` more channels.
    ///
    /// # Panics
    ///
    /// If the client does not ask for a socket.
    #[must_use]
    pub fn new(others: usize) -> Self {
        let config = Config::new("key", Endpoint::cluster("eu")).expect("the defaults are a configuration");
        let mut client = Client::new(config, 1);
        let now = Instant::ZERO;
        let names: Vec<_> = (0..others).map(|n| format!("channel-{n}")).chain(["chat".to_owned()]).collect();
        client.connect();
        for name in &names {
            client.subscribe(ChannelName::new(name.as_str()).expect("these are names"));
        }
        let socket = std::iter::from_fn(|| client.poll_action(now))
            .find_map(|action| if let Action::Connect(socket, _) = action { Some(socket) } else { None });
        let mut subscriber = Self { client, socket: socket.expect("a client that connects asks for a socket"), now };
        subscriber.receive(r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.1\"}"}"#.into());
        for name in &names {
            let success = format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{name}"}}"#);
            subscriber.receive(success.into());
        }
        subscriber
    }

    /// Handles a frame and returns how many events it caused.
    pub fn receive(&mut self, frame: Text) -> usize {
        self.client.handle_frame(self.socket, Frame::Text(frame), self.now);
        let mut events = 0;
        while let Some(action) = self.client.poll_action(self.now) {
            events += usize::from(matches!(action, Action::Emit(Event::Channel(_))));
        }
        events
    }
}

/// A frame of `len` bytes for `chat`, whose payload has an escape every eight bytes.
///
/// # Panics
///
/// If `len` leaves no room for a payload.
#[must_use]
pub fn frame(len: usize) -> Text {
    let (start, end) = (r#"{"event":"message","channel":"chat","data":"{"#, r#"}"}"#);
    let room = len.checked_sub(start.len() + end.len()).expect("the frame has room for a payload");
    let payload: String = r#"\"abcde,"#.chars().cycle().take(room / 8 * 8).collect();
    let padding = "7".repeat(room - payload.len());
    shared(format!("{start}{payload}{padding}{end}"))
}

/// A text in a buffer that is already shared, like that of frames from a socket.
fn shared(text: String) -> Text {
    let bytes = bytes::Bytes::from(text);
    // The first clone allocates the shared count.
    drop(bytes.clone());
    Text::from_utf8(bytes).expect("a string is UTF-8")
}
