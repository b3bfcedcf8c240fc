//! Frames recorded from real servers: none is unreadable, and none ends a connection.

use std::path::Path;

use libtest_mimic::Trial;
use pusher_proto::{
    Action, ChannelName, Client, Config, ConnectionError, Endpoint, Event, Frame, Instant, SocketEpoch,
};
use serde_json::Value;

use crate::recorded::{Recording, recordings};

/// One test for each client of each recording.
pub(crate) fn trials(folder: &Path) -> Vec<Trial> {
    let trial = |Recording { name, lines }| {
        let frames: Vec<String> = lines.iter().filter_map(|line| Some(line["frame"].as_str()?.to_owned())).collect();
        Trial::test(format!("frames: {name}"), move || Ok(replay(&frames)?))
    };
    recordings(folder).into_iter().map(trial).collect()
}

/// Feeds the frames to a client that wants every channel they name.
fn replay(frames: &[String]) -> Result<(), String> {
    let mut replay = Replay::new(frames);
    for frame in frames {
        let greets = frame.contains("pusher:connection_established");
        if greets {
            replay.restart();
        }
        let connected = replay.client.state().is_connected();
        replay.client.handle_frame(replay.socket, Frame::Text(frame.as_str().into()), Instant::ZERO);
        replay.drain().map_err(|error| format!("{frame}\n{error}"))?;
        if (connected || greets) && !replay.client.state().is_connected() {
            return Err(format!("{frame}\nended the connection"));
        }
    }
    Ok(())
}

struct Replay {
    client: Client,
    socket: SocketEpoch,
}

impl Replay {
    fn new(frames: &[String]) -> Self {
        let config = Config::new("app-key", Endpoint::cluster("eu")).expect("the defaults are a configuration");
        let mut client = Client::new(config, 1);
        for frame in frames {
            let frame: Value = serde_json::from_str(frame).expect("a server sends JSON");
            if let Some(Ok(channel)) = frame["channel"].as_str().map(ChannelName::new) {
                client.subscribe(channel);
            }
        }
        client.connect();
        let mut replay = Self { client, socket: SocketEpoch::default() };
        replay.drain().expect("nothing was received yet");
        replay
    }

    /// A client of the recording may have connected several times.
    fn restart(&mut self) {
        self.client.disconnect();
        self.client.connect();
        self.drain().expect("nothing was received in between");
    }

    fn drain(&mut self) -> Result<(), String> {
        while let Some(action) = self.client.poll_action(Instant::ZERO) {
            match action {
                Action::Connect(socket, _) => self.socket = socket,
                Action::Emit(Event::ConnectionError(ConnectionError::Protocol(error))) => return Err(error.to_string()),
                Action::Send(..)
                | Action::Close(..)
                | Action::RequestAuth(_)
                | Action::CancelAuth(_)
                | Action::Schedule(_)
                | Action::Emit(_) => {}
            }
        }
        Ok(())
    }
}
