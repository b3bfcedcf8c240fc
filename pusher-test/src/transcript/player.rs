//! Playing a transcript against a client.

use std::fmt::Display;
use std::time::Duration;

use pusher_proto::{
    Action, AppKey, AuthId, Client, ClientEventName, CloseFrame, CloseReason, Config, ConnectionState, Data, Endpoint,
    Endpoints, Event, Frame, Instant, NetworkHint, SocketEpoch, with_causes,
};

use super::describe;
use super::script::{Case, duration};
use super::words::{auth_answer, channel, endpoint, option, transport_error};

/// Plays a transcript; returns where it differs from what happened.
pub(crate) fn play(case: &Case) -> Result<(), String> {
    let mut player = Player::new(case)?;
    for step in &case.steps {
        let happened = player.step(&step.input)?;
        let same = happened.len() == step.outputs.len()
            && happened.iter().zip(&step.outputs).all(|(happened, expected)| matches(happened, expected));
        if !same {
            let (expected, happened) = (show(&step.outputs), show(&happened));
            return Err(format!("after\n    {}\nexpected{expected}\nhappened{happened}", step.input));
        }
    }
    Ok(())
}

fn show(lines: &[impl Display]) -> String {
    lines.iter().map(|line| format!("\n    {line}")).collect()
}

/// The transcript with what happened instead of what was expected.
pub(crate) fn bless(case: &Case) -> Result<String, String> {
    let mut player = Player::new(case)?;
    let mut text = format!("# {}\n", case.title);
    for remark in &case.remarks {
        text += &format!("# {remark}\n");
    }
    for (name, value) in &case.options {
        text += &format!("= {name} {value}\n");
    }
    for step in &case.steps {
        text += &format!("{}\n", step.input);
        let happened = player.step(&step.input)?;
        for (at, line) in happened.iter().enumerate() {
            // A line that was written by hand and matches stays unchanged.
            let written = step.outputs.get(at).filter(|expected| matches(line, expected));
            text += &format!("{}\n", written.unwrap_or(&ranged(line)));
        }
    }
    Ok(text)
}

/// A random delay is blessed as the range in which it must be.
fn ranged(line: &str) -> String {
    let mut words = line.splitn(4, ' ');
    let (Some("*"), Some(verb @ ("waiting" | "retry" | "key_retry")), Some(what), Some(rest)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return line.to_owned();
    };
    let (delay, cause) = rest.split_once(": ").expect("describe writes a delay and a cause");
    let failures = what.strip_prefix("attempt=").and_then(|attempt| attempt.parse().ok()).unwrap_or(u32::MAX);
    let range = match duration(delay).map_or(0.0, |delay| delay.as_secs_f64()) {
        0.0 => delay.to_owned(),
        1.0.. => format!("1s..{}s", 2_u64.saturating_pow(failures).min(30)),
        _ => "0s..1s".to_owned(),
    };
    format!("* {verb} {what} {range}: {cause}")
}

/// Frames are compared as JSON, delays by their range, everything else exactly.
fn matches(happened: &str, expected: &str) -> bool {
    if happened == expected {
        return true;
    }
    if let (Some(happened), Some(expected)) = (happened.strip_prefix("> "), expected.strip_prefix("> ")) {
        let parse = |text| serde_json::from_str::<serde_json::Value>(text).ok();
        return parse(happened).is_some() && parse(happened) == parse(expected);
    }
    let Some((start, rest)) = expected.split_once("..") else { return false };
    let Some((before, low)) = start.rsplit_once(' ') else { return false };
    let (high, after) = rest.split_once(':').unwrap_or((rest, ""));
    let Some(delay) = happened.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) else { return false };
    let delay = duration(delay.trim_end_matches(':').trim());
    delay.is_ok_and(|delay| {
        duration(low).is_ok_and(|low| low <= delay) && duration(high).is_ok_and(|high| delay <= high)
    })
}

struct Player {
    client: Client,
    now: Instant,
    /// Sockets in the order in which they were opened.
    sockets: Vec<SocketEpoch>,
    auths: Vec<AuthId>,
    retry_at: Option<Instant>,
    /// The time of the wall clock, once it was reported to the client.
    wall: Option<Duration>,
}

impl Player {
    fn new(case: &Case) -> Result<Self, String> {
        let (endpoints, options): (Vec<_>, Vec<_>) = case.options.iter().partition(|(name, _)| name == "endpoint");
        let endpoints = match endpoints.as_slice() {
            [] => Endpoint::cluster("eu").into(),
            some => Endpoints::new(some.iter().map(|(_, value)| endpoint(value)).collect::<Result<Vec<_>, _>>()?),
        };
        let mut builder = Config::builder("KEY", endpoints).client_version("0.1.0");
        for (name, value) in options {
            builder = option(builder, name, value)?;
        }
        let config = builder.build().map_err(|error| error.to_string())?;
        Ok(Self {
            client: Client::new(config, 1),
            now: Instant::ZERO,
            sockets: vec![],
            auths: vec![],
            retry_at: None,
            wall: None,
        })
    }

    /// Plays one input and returns the lines of the outputs.
    fn step(&mut self, line: &str) -> Result<Vec<String>, String> {
        let (mark, rest) = line.split_at(1);
        let rest = rest.trim_start();
        let mut lines = Vec::new();
        match mark {
            "!" if rest == "connected" => return self.connected(),
            "!" => lines.extend(self.call(rest)?),
            "<" if rest.starts_with('_') => {
                self.receive(&rest[1..])?;
                return Ok(lines);
            }
            "<" => self.receive(rest)?,
            "+" if rest.starts_with("wall ") => self.look_at_clocks(&rest[5..])?,
            _ => self.wait(rest, &mut lines)?,
        }
        self.drain(&mut lines);
        Ok(lines)
    }

    /// `! connected` connects, and the server greets. Returns what follows the greeting.
    ///
    /// Transcripts do not list the lines that the word stands for, so anything else is an error here.
    fn connected(&mut self) -> Result<Vec<String>, String> {
        let mut happened = Vec::new();
        self.client.connect();
        self.drain(&mut happened);
        if happened == OPENING {
            self.receive("established 1.1")?;
            self.drain(&mut happened);
            if happened.get(OPENING.len()).is_some_and(|line| line == GREETED) {
                return Ok(happened.split_off(OPENING.len() + 1));
            }
        }
        let [opening, happened] = [show(&OPENING), show(&happened)];
        Err(format!("`! connected` stands for{opening}\n    {GREETED}\nhappened{happened}"))
    }

    fn call(&mut self, text: &str) -> Result<Option<String>, String> {
        if let Some((first, rest)) = text.split_once(" & ") {
            self.call(first)?;
            return self.call(rest);
        }
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let client = &mut self.client;
        match verb {
            "connect" => client.connect(),
            "disconnect" => client.disconnect(),
            "subscribe" => client.subscribe(channel(rest)?),
            "unsubscribe" => client.unsubscribe(&channel(rest)?),
            "signin" => client.signin(),
            "signout" => client.signout(),
            "user" => return Ok(Some(format!("* {:?}", client.user()))),
            "online" => client.network_changed(NetworkHint::Online),
            "offline" => client.network_changed(NetworkHint::Offline),
            "switch" => {
                let (key, url) = rest.split_once(' ').ok_or("switch KEY URL")?;
                client.switch(AppKey::new(key).map_err(|error| error.to_string())?, endpoint(url)?.into());
            }
            "trigger" => {
                let mut words = rest.splitn(3, ' ');
                let mut word = || words.next().ok_or("trigger CHANNEL EVENT JSON");
                let name = channel(word()?)?;
                let event = ClientEventName::new(word()?).map_err(|error| error.to_string())?;
                let data = Data::from_json(word()?).map_err(|error| error.to_string())?;
                let result = client.trigger(&name, &event, &data, self.now);
                return Ok(result.err().map(|error| format!("* trigger_error: {}", with_causes(&error))));
            }
            "auth" => {
                let (number, answer) = rest.split_once(' ').ok_or("auth #N ANSWER")?;
                let number = number.trim_start_matches('#').parse::<usize>().ok();
                let id = number.and_then(|number| self.auths.get(number.checked_sub(1)?)).ok_or("auth #N ANSWER")?;
                client.handle_auth(*id, auth_answer(answer)?, self.now);
            }
            "show" => {
                let Some(channel) = client.channel(&channel(rest)?) else { return Ok(Some("* unknown".into())) };
                let members = channel.members().map(|members| members.ids().collect::<Vec<_>>());
                let (subscribed, count) = (channel.is_subscribed(), channel.count());
                let me = channel.me().map(|me| me.id);
                let unknown = if members.is_some() && !channel.knows_members() { " known=false" } else { "" };
                return Ok(Some(format!(
                    "* subscribed={subscribed} count={count:?} members={members:?} me={me:?}{unknown}"
                )));
            }
            "name" => return Ok(Some(format!("* {}", client.state_name()))),
            _ => return Err(format!("{text:?} is not a call")),
        }
        Ok(None)
    }

    /// `<` is the latest socket, `<1` the first one.
    fn receive(&mut self, text: &str) -> Result<(), String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let socket = match text[..digits].parse::<usize>() {
            Ok(number) => number.checked_sub(1).and_then(|at| self.sockets.get(at)),
            Err(_) => self.sockets.last(),
        };
        let socket = *socket.ok_or("a socket was asked for")?;
        let text = text[digits..].trim_start();
        let (client, now) = (&mut self.client, self.now);
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "open" => client.handle_open(socket, now),
            "established" => {
                let (id, timeout) = rest.split_once(' ').unwrap_or((rest, "120"));
                let data = format!(r#"{{\"socket_id\":\"{id}\",\"activity_timeout\":{timeout}}}"#);
                let frame = format!(r#"{{"event":"pusher:connection_established","data":"{data}"}}"#);
                client.handle_frame(socket, Frame::Text(frame.into()), now);
            }
            "closed" => {
                let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
                let frame = code.parse().ok().map(|code| CloseFrame { code, reason: reason.into() });
                client.handle_close(socket, CloseReason::Closed(frame), now);
            }
            "dropped" => client.handle_close(socket, CloseReason::Dropped, now),
            "too_large" => client.handle_close(socket, CloseReason::FrameTooLarge, now),
            "skipped" => client.handle_skipped(socket, rest.parse().map_err(|_| "skipped LEN")?, now),
            "no_tls" => client.handle_close(socket, CloseReason::TlsUnavailable, now),
            "failed" => client.handle_close(socket, CloseReason::Failed(transport_error(rest)?), now),
            "part" => client.handle_part(socket, now),
            "ping" => client.handle_frame(socket, Frame::Ping, now),
            "pong" => client.handle_frame(socket, Frame::Pong, now),
            "binary" => client.handle_frame(socket, Frame::Binary([1, 2].to_vec().into()), now),
            "repeat" => {
                let (count, frame) = rest.split_once(' ').ok_or("repeat COUNT FRAME")?;
                let count = count.parse::<usize>().ok().filter(|count| *count <= MOST).ok_or("repeat COUNT FRAME")?;
                for _ in 0..count {
                    client.handle_frame(socket, Frame::Text(frame.into()), now);
                }
            }
            _ => client.handle_frame(socket, Frame::Text(text.into()), now),
        }
        Ok(())
    }

    /// `+ wall 8h` advances only the wall clock, `+ wall -8h` sets it back, and both report it to the client. From then
    /// on, every wake-up reports it.
    fn look_at_clocks(&mut self, text: &str) -> Result<(), String> {
        let wall = self.wall.unwrap_or(EPOCH);
        let wall = match text.strip_prefix('-') {
            Some(back) => wall.saturating_sub(duration(back)?),
            None => wall + duration(text)?,
        };
        self.wall = Some(wall);
        self.client.handle_wall_clock(wall + self.now.elapsed(), self.now);
        Ok(())
    }

    /// What a driver does when it is woken.
    fn wake(&mut self) {
        if let Some(wall) = self.wall {
            self.client.handle_wall_clock(wall + self.now.elapsed(), self.now);
        }
        self.client.handle_timeout(self.now);
    }

    /// `+ 5s` passes time with a punctual timer, `+ retry` passes what is left of a delay, `++ 5s` sleeps through it, and
    /// after `++_ 5s` the timer has not fired yet.
    fn wait(&mut self, text: &str, lines: &mut Vec<String>) -> Result<(), String> {
        if let Some(unnoticed) = text.strip_prefix("+_") {
            self.now = self.now + duration(unnoticed.trim())?;
            return Ok(());
        }
        if let Some(slept) = text.strip_prefix('+') {
            self.now = self.now + duration(slept.trim())?;
            self.wake();
            return Ok(());
        }
        let target = match text {
            "retry" => self.retry_at.ok_or("the client waits for a retry")?,
            text => self.now + duration(text)?,
        };
        let mut wakes = 0;
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= target) {
            self.now = self.now.max(at);
            self.wake();
            self.drain(lines);
            assert!(self.client.poll_timeout().is_none_or(|at| at > self.now), "the deadline does not advance");
            wakes += 1;
            if wakes > MOST {
                return Err("too much happens in this time".into());
            }
        }
        self.now = self.now.max(target);
        Ok(())
    }

    fn drain(&mut self, lines: &mut Vec<String>) {
        while let Some(action) = self.client.poll_action(self.now) {
            match &action {
                Action::Connect(socket, _) => self.sockets.push(*socket),
                Action::RequestAuth(request) => self.auths.push(request.id),
                Action::Emit(Event::StateChanged { current: ConnectionState::Waiting { retry_at, .. }, .. }) => {
                    self.retry_at = Some(*retry_at);
                }
                Action::Send(..)
                | Action::Close(..)
                | Action::CancelAuth(_)
                | Action::Schedule(_)
                | Action::Emit(_) => {}
            }
            // A server's text may contain anything, but must stay on one line.
            let line = describe::action(&action, self.now);
            lines.extend(line.map(|line| line.replace(['\n', '\r'], " ").trim_end().to_owned()));
        }
    }
}

/// What follows `connect` in a transcript without endpoints of its own.
const OPENING: [&str; 2] = [
    "* connecting attempt=0",
    "* connect wss://ws-eu.pusher.com:443/app/KEY?protocol=7&client=pusher-rust&version=0.1.0",
];

/// What follows the greeting in it.
const GREETED: &str = "* connected 1.1";

/// The largest number of repetitions of a frame, and of wake-ups in one wait.
const MOST: usize = 10_000;

/// The wall clock's time when a transcript begins, since its own origin.
const EPOCH: Duration = Duration::from_secs(1_800_000_000);
