use std::error::Error;
use std::time::Duration;

use pusher_server::pusher_proto::server::Publication;
use pusher_server::{Mark, Message, Options, Received, Server};
use pusher_tokio::{ChannelName, Client, Config, Data, Event, HttpAuth, with_causes};

/// The application: it confirms every order, and asks for the latest ones when it may have missed some.
async fn confirm_orders(client: Client) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut orders = client.subscribe("private-orders")?;
    while let Some(event) = orders.recv().await {
        match event {
            Event::Channel(order) if order.event() == "created" => {
                client.trigger("private-orders", "client-confirmed", order.data())?;
            }
            Event::SubscriptionSucceeded { again: true, .. } => {
                client.trigger("private-orders", "client-resend", &[10])?;
            }
            Event::SubscriptionError { error, retry_at: None, .. } => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn connect(server: &Server) -> Client {
    let config = Config::new("app-key", server.ws_url().as_str()).expect("the server has a URL");
    let auth = HttpAuth::new(format!("{}/pusher/auth", server.http_url()));
    pusher_tokio::connect(config, auth).expect("the test has a runtime")
}

/// What the server receives when the application sends this client event.
fn client_event(event: &str, json: &str) -> Message {
    let data = Data::from_json(json).expect("the test wants JSON");
    Message::ClientEvent { channel: "private-orders".into(), event: event.into(), data }
}

#[tokio::test]
async fn confirms_orders_and_asks_for_the_latest_after_an_outage() {
    let server = Server::start(Options::default()).await.unwrap();
    let handle = server.handle();
    let application = tokio::spawn(confirm_orders(connect(&server)));

    let orders = ChannelName::new("private-orders").unwrap();
    handle.wait_for_subscription(&orders, 1, LIMIT).await.unwrap();
    handle.trigger(&Publication::new("created", [orders.clone()], r#"{"id":7}"#)).unwrap();
    let confirmed = client_event("client-confirmed", r#""{\"id\":7}""#);
    handle.wait_for_received(Mark::default(), LIMIT, |received| received.message == confirmed).await.unwrap();

    handle.cut_all();
    handle.wait_for_subscription(&orders, 1, LIMIT).await.unwrap();
    let resend = client_event("client-resend", "[10]");
    handle.wait_for_received(Mark::default(), LIMIT, |received| received.message == resend).await.unwrap();

    assert_eq!(handle.received().client_events(), [&confirmed, &resend]);
    assert_eq!(handle.received().subscribed_channels(), ["private-orders", "private-orders"]);
    application.abort();
    server.shutdown().await;
}

#[tokio::test]
async fn confirms_late_orders_after_a_slow_moment() {
    let server = Server::start(Options::default()).await.unwrap();
    let handle = server.handle();
    let _application = tokio::spawn(confirm_orders(connect(&server)));
    let orders = ChannelName::new("private-orders").unwrap();
    handle.wait_for_subscription(&orders, 1, LIMIT).await.unwrap();

    // The network stalls: what is sent now arrives when the silence ends.
    handle.silence(true);
    handle.trigger(&Publication::new("created", [orders], "7")).unwrap();
    let confirmed = client_event("client-confirmed", r#""7""#);
    let is_confirmed = |received: &Received| received.message == confirmed;
    handle.wait_for_received(Mark::default(), MOMENT, is_confirmed).await.unwrap_err();
    handle.silence(false);
    handle.wait_for_received(Mark::default(), LIMIT, is_confirmed).await.unwrap();
}

#[tokio::test]
async fn ends_with_an_error_if_it_may_not_see_the_orders() {
    let server = Server::start(Options::default()).await.unwrap();
    server.handle().refuse_auth_for(&ChannelName::new("private-orders").unwrap(), true);
    let error = confirm_orders(connect(&server)).await.unwrap_err();
    let error = with_causes(&*error).to_string();
    assert!(error.contains("403"), "{error}");
}

/// How long a step of a test may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Long enough for an answer that should not come.
const MOMENT: Duration = Duration::from_millis(200);
