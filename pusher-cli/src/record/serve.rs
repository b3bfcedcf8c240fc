//! `pusher replay --serve`: the server's side of a recording, for any client.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use pusher_tokio::CloseReason;
use pusher_tokio::pusher_proto::{Frame, Instant};
use tokio::net::TcpListener;
use tokio::time::{self, sleep_until};

use super::args::ReplayArgs;
use super::file::Reader;
use super::format::{Input, Line};
use crate::failure::Failure;
use crate::interrupt::interrupted;
use crate::output;

pub(super) async fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let interrupted = interrupted()?;
    let sockets = read(Reader::open(&args.file)?)?;
    if sockets.is_empty() {
        return Err(Failure::failed(format!("{} has no socket that was opened", args.file.display())));
    }
    let address = ("127.0.0.1", args.port);
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.map_err(|error| Failure::failed(format!("cannot listen on port {}: {error}", args.port)))?;
    output::line(format_args!(
        "ws://{}  {} of {}, for any key",
        listener.local_addr()?,
        if sockets.len() == 1 { "1 socket".to_owned() } else { format!("{} sockets", sockets.len()) },
        args.file.display(),
    ))?;
    let (sockets, next, speed) = (Arc::new(sockets), Arc::new(AtomicUsize::new(0)), args.speed);
    let serve = move |upgrade: WebSocketUpgrade| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let sockets = Arc::clone(&sockets);
        async move { upgrade.on_upgrade(move |socket| play(socket, sockets, number, speed)) }
    };
    let serving = axum::serve(listener, Router::new().fallback(serve)).into_future();
    tokio::select! {
        served = serving => Ok(served?),
        () = interrupted => Ok(()),
    }
}

/// Something that the server did on a socket.
struct Step {
    /// The time since the step before, or since the socket was opened.
    after: Duration,
    /// Messages of the client that came before, without its pings.
    messages: usize,
    what: What,
}

enum What {
    Send(String),
    /// With a close frame, or without.
    Close(Option<(u16, String)>),
}

/// Reads what the server did, by socket.
fn read(mut recording: Reader) -> Result<Vec<VecDeque<Step>>, Failure> {
    let mut sockets: Vec<VecDeque<Step>> = Vec::new();
    let (mut before, mut messages, mut is_open, mut len) = (Instant::ZERO, 0, false, 0);
    while let Some(line) = recording.next()? {
        let read = Line::read(&line).map_err(|error| recording.failure(error))?;
        let (at, what) = match read {
            Line::Output if line.starts_with('>') => {
                messages += usize::from(!is_of(&line, PING) && !is_of(&line, PONG));
                continue;
            }
            Line::Input(at, Input::Open) => {
                (before, messages, is_open) = (at, 0, true);
                sockets.push(VecDeque::new());
                continue;
            }
            // Pings are answered when they come.
            Line::Input(_, Input::Frame(Frame::Text(text))) if is_of(&text, PONG) => continue,
            Line::Input(at, Input::Frame(Frame::Text(text))) => (at, What::Send(text.as_str().to_owned())),
            Line::Input(at, Input::Closed(reason)) if is_open => {
                is_open = false;
                (
                    at,
                    What::Close(match reason {
                        CloseReason::Closed(Some(frame)) => Some((frame.code, frame.reason.as_str().to_owned())),
                        _ => None,
                    }),
                )
            }
            Line::Input(..) | Line::Output | Line::Comment | Line::End => continue,
        };
        let Some(steps) = sockets.last_mut() else { return Err(recording.failure("before the first socket is open")) };
        len += line.len();
        if len > MAX_LEN {
            return Err(recording.failure(format!("more than {MAX_LEN} bytes of frames")));
        }
        steps.push_back(Step { after: at.since(before), messages, what });
        before = at;
    }
    Ok(sockets)
}

/// Whether a message is one of these. The client writes them in one way, and servers in few.
fn is_of(text: &str, event: &str) -> bool {
    text.len() < MAX_PING_LEN && text.contains(event)
}

/// Plays one socket of the recording.
async fn play(mut socket: WebSocket, sockets: Arc<Vec<VecDeque<Step>>>, number: usize, speed: f64) {
    let steps = &sockets[number % sockets.len()];
    say(number, &format!("opened: {} messages to send", steps.len()));
    let mut messages = 0;
    for step in steps {
        let due = time::Instant::now() + slowed(step.after, speed);
        let mut patience = due + PATIENCE;
        while time::Instant::now() < due || messages < step.messages {
            let until = if time::Instant::now() < due { due } else { patience };
            tokio::select! {
                message = socket.recv() => match message {
                    Some(Ok(message)) => messages += usize::from(answer(&mut socket, message).await),
                    Some(Err(_)) | None => return say(number, "the client has gone"),
                },
                () = sleep_until(until) => if until == patience {
                    say(number, &format!("waits for message {} of the client", messages + 1));
                    patience += WAIT_LONG;
                },
            }
        }
        let sent = match &step.what {
            What::Send(text) => socket.send(Message::Text(text.into())).await,
            What::Close(None) => return say(number, "dropped"),
            What::Close(Some((code, reason))) => {
                say(number, &format!("closed with {code}"));
                socket.send(Message::Close(Some(CloseFrame { code: *code, reason: reason.into() }))).await
            }
        };
        if sent.is_err() {
            return say(number, "the client has gone");
        }
    }
    say(number, "all is sent");
    while let Some(Ok(message)) = socket.recv().await {
        answer(&mut socket, message).await;
    }
    say(number, "the client has gone");
}

/// Answers a ping. Returns whether it is another message, which the recording may wait for.
async fn answer(socket: &mut WebSocket, message: Message) -> bool {
    let Message::Text(text) = message else { return false };
    if is_of(&text, PING) {
        // A client that has gone is noticed at the next turn.
        let _ = socket.send(Message::Text(r#"{"event":"pusher:pong","data":{}}"#.into())).await;
        return false;
    }
    !is_of(&text, PONG)
}

fn say(number: usize, what: &str) {
    output::remark(format_args!("connection {}: {what}", number + 1));
}

fn slowed(duration: Duration, speed: f64) -> Duration {
    let slowed = Duration::try_from_secs_f64(duration.as_secs_f64() / speed);
    slowed.map_or(LONGEST, |slowed| slowed.min(LONGEST))
}

const PING: &str = "\"pusher:ping\"";
const PONG: &str = "\"pusher:pong\"";

/// Longer messages are not pings.
const MAX_PING_LEN: usize = 200;

/// Bytes of lines with frames that are held.
const MAX_LEN: usize = 256 * 1_024 * 1_024;

/// How long a message of the client may be late before that is said.
const PATIENCE: Duration = Duration::from_secs(5);

/// Then it is not said again.
const WAIT_LONG: Duration = Duration::from_secs(24 * 3_600);

/// The longest wait: a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);
