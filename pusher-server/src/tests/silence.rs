//! A silence holds back what is sent, and a delay moves it.

use tokio::time::Instant;

use super::*;
use crate::hub::Shared;
use crate::{Mark, Message as Sent};

/// A server that sends nothing to subscribers on its own.
async fn quiet(queue_len: usize) -> Server {
    let app = Options::default().config.app().clone();
    let config = ServerConfig::builder(app).subscription_counts(false).build().unwrap();
    Server::start(Options::new(config).queue_len(queue_len)).await.unwrap()
}

fn numbered(number: usize) -> Publication {
    Publication::new("e", [channel("a")], number.to_string())
}

async fn subscriber(server: &Server) -> Client {
    let (mut client, _) = Client::connect(server).await;
    client.subscribe(&json!({ "channel": "a" })).await;
    client
}

async fn expect_numbers(client: &mut Client, numbers: std::ops::Range<usize>) {
    for number in numbers {
        assert_eq!(client.event().await, ("e".into(), json!(number)));
    }
}

#[tokio::test]
async fn nothing_is_lost_in_a_silence() {
    let server = quiet(1_000).await;
    let handle = server.handle();
    let mut client = subscriber(&server).await;
    handle.silence(true);
    let mark = handle.mark();
    for number in 0..200 {
        handle.trigger(&numbered(number)).unwrap();
    }
    client.send(r#"{"event":"pusher:ping"}"#).await;
    handle.wait_for_received(mark, LIMIT, |received| received.message == Sent::Ping).await.unwrap();
    client.expect_nothing().await;

    handle.silence(false);
    expect_numbers(&mut client, 0..200).await;
    assert_eq!(client.event().await.0, "pusher:pong");
}

#[tokio::test]
async fn a_socket_that_is_opened_in_a_silence_is_greeted_afterwards() {
    let server = start().await;
    server.handle().silence(true);
    let mut client = Client::open(&server, "/app/app-key?protocol=7").await;
    server.handle().wait_for_connection(1, LIMIT).await.unwrap();
    client.expect_nothing().await;
    server.handle().silence(false);
    assert_eq!(client.event().await.0, "pusher:connection_established");
}

#[tokio::test]
async fn websocket_pings_and_closes_are_answered_after_the_silence() {
    let server = start().await;
    let handle = server.handle();
    let (mut client, _) = Client::connect(&server).await;
    handle.silence(true);
    client.send(Message::Ping(Vec::new().into())).await;
    handle.wait_for_received(Mark::default(), LIMIT, |received| received.frame == Frame::Ping).await.unwrap();
    client.send(r#"{"event":"pusher:ping"}"#).await;
    client.expect_nothing().await;
    handle.silence(false);
    let mut answers = [client.next().await, client.next().await].map(Option::unwrap);
    answers.sort_by_key(Message::is_text);
    assert!(matches!(&answers[0], Message::Pong(_)), "{answers:?}");
    assert!(answers[1].to_text().unwrap().contains("pusher:pong"), "{answers:?}");

    handle.silence(true);
    client.send(Message::Close(None)).await;
    client.expect_nothing().await;
    assert_eq!(handle.connection_count(), 1);
    handle.silence(false);
    assert_eq!(client.close_code().await, None);
    handle.shared.drained().await;
}

#[tokio::test]
async fn a_client_for_which_too_much_waits_loses_its_socket() {
    let server = quiet(8).await;
    let handle = server.handle();
    let mut client = subscriber(&server).await;
    handle.silence(true);
    for number in 0..8 {
        handle.trigger(&numbered(number)).unwrap();
    }
    assert_eq!(handle.connection_count(), 1);
    // The socket may have taken a batch before the silence.
    for number in 8..200 {
        handle.trigger(&numbered(number)).unwrap();
    }
    assert_eq!(handle.connection_count(), 0);
    assert_eq!(client.close_code().await, None);
}

#[tokio::test]
async fn a_silence_of_one_connection_leaves_the_others_alone() {
    let server = quiet(1_000).await;
    let handle = server.handle();
    let (mut silent, mut other) = (subscriber(&server).await, subscriber(&server).await);
    let connections = handle.connections();
    assert!(handle.silence_connection(connections[0].connection, true));
    handle.trigger(&numbered(0)).unwrap();
    expect_numbers(&mut other, 0..1).await;
    silent.expect_nothing().await;
    // The end of a silence of all is not the end of this one.
    handle.silence(true);
    handle.silence(false);
    silent.expect_nothing().await;
    assert!(handle.silence_connection(connections[0].connection, false));
    expect_numbers(&mut silent, 0..1).await;
    assert!(!handle.silence_connection(ConnectionId::new(99), true));
}

#[tokio::test]
async fn a_silent_socket_can_be_cut() {
    let server = start().await;
    let handle = server.handle();
    let mut client = subscriber(&server).await;
    handle.silence(true);
    handle.trigger(&numbered(0)).unwrap();
    assert!(handle.cut_connection(handle.connections()[0].connection));
    assert_eq!(client.close_code().await, None);
}

#[tokio::test]
async fn a_server_that_shuts_down_first_sends_what_it_holds_back() {
    let server = start().await;
    let mut client = subscriber(&server).await;
    server.handle().silence(true);
    server.handle().trigger(&numbered(0)).unwrap();
    let closing = tokio::spawn(async move {
        expect_numbers(&mut client, 0..1).await;
        client.close_code().await
    });
    timeout(Duration::from_secs(4), server.shutdown()).await.expect("every client had closed");
    assert_eq!(closing.await.unwrap(), Some(4200));
}

#[tokio::test]
async fn everything_is_delayed_in_order() {
    let server = start().await;
    let handle = server.handle();
    let mut client = subscriber(&server).await;
    let delay = Duration::from_millis(300);
    handle.delay(delay);
    let start = Instant::now();
    for number in 0..100 {
        handle.trigger(&numbered(number)).unwrap();
    }
    // What is sent later without a delay comes behind.
    handle.delay(Duration::ZERO);
    for number in 100..200 {
        handle.trigger(&numbered(number)).unwrap();
    }
    expect_numbers(&mut client, 0..200).await;
    assert!(start.elapsed() >= delay);
    let (start, mark) = (Instant::now(), handle.mark());
    handle.delay(delay);
    handle.close_all(4200, "restart");
    assert_eq!(client.close_code().await, Some(4200));
    assert!(start.elapsed() >= delay);
    assert!(handle.received_since(mark).messages().is_empty());
}

#[tokio::test]
async fn a_slow_auth_endpoint_answers_later() {
    let server = start().await;
    let delay = Duration::from_millis(300);
    server.handle().delay_auth(delay);
    let start = Instant::now();
    let (status, _) = ask(&server, FORM, "socket_id=1.2&channel_name=private-a").await;
    assert_eq!(status, 200);
    assert!(start.elapsed() >= delay);
    server.handle().delay_auth(Duration::from_secs(3_600));
    assert_eq!(server.handle().shared.auth().delay, Duration::from_secs(20));
}

/// Silences of all sockets and of each begin and end in every order, sockets are opened, and all faults end.
#[tokio::test]
async fn a_socket_is_silent_exactly_while_it_or_all_are() {
    let target = "/app/app-key?protocol=7";
    for sequence in 0..8_usize.pow(4) {
        let shared = Shared::new(&Options::default());
        let mut lines = vec![shared.open(target), shared.open(target)];
        let (mut all, mut each) = (false, vec![false, false]);
        for place in 0..4 {
            match sequence / 8_usize.pow(place) % 8 {
                step @ (0 | 1) => {
                    all = step == 0;
                    shared.state().set_silent(all);
                }
                step @ 2..=5 => {
                    let (socket, silent) = (step % 2, step < 4);
                    each[socket] = silent;
                    assert!(shared.state().set_connection_silent(lines[socket].0, silent));
                }
                6 => {
                    lines.push(shared.open(target));
                    each.push(false);
                }
                _ => {
                    all = false;
                    each.fill(false);
                    shared.state().send_at_once();
                }
            }
            let silent: Vec<_> = lines.iter().map(|(_, line)| line.holds.get()).collect();
            assert_eq!(silent, each.iter().map(|own| all || *own).collect::<Vec<_>>(), "{sequence}");
        }
    }
}
