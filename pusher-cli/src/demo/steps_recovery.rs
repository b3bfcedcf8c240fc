//! Version 2 of Sockudo's protocol: what was missed is replayed, or the client learns that it cannot be.

use pusher_server::Server;
use pusher_server::pusher_proto::server::Dialect;
use pusher_tokio::{
    Client, ConnectionState, Diagnostic, Event, Events, LocalAuth, LossReason, Options, Recovery, Subscription,
    with_causes,
};

use super::proxy::Proxy;
use super::step::{Outcome, Step, step};
use super::tour::{GOODBYE, Tour};
use super::wait::{LIMIT, Miss, next};
use crate::connect;
use crate::failure::Failure;
use crate::http_api::HttpApi;
use crate::target::Target;

pub(super) const STEPS: &[Step] = &[
    step!("numbered messages", numbered),
    step!("missed messages", missed),
    step!("nothing was missed", recovered),
    step!("stream reset", reset),
];

/// A client with recovery, and the server that replays for it.
pub(super) struct RecoveryStage {
    /// Unless the tour is on a foreign server.
    server: Option<Server>,
    proxy: Proxy,
    api: HttpApi,
    client: Client,
    events: Events,
    channel: Subscription,
    /// Whether the messages have turned out to be numbered.
    is_numbered: bool,
}

impl RecoveryStage {
    /// Connects a client to a development server that speaks version 2, or to the foreign server of the tour.
    async fn start(tour: &Tour) -> Result<Self, Miss> {
        let failed = |failure: Failure| Miss::failed(failure.message());
        let (target, app, server) = if tour.server.is_some() {
            let options = pusher_server::Options::default().dialect(Dialect::SockudoV2);
            let server = Server::start(options).await;
            let server = server.map_err(|error| Miss::failed(format!("cannot start a server: {error}")))?;
            (Target::from_url(&server.ws_url()).map_err(failed)?, server.app().clone(), Some(server))
        } else {
            (tour.target.clone(), tour.api.app().clone(), None)
        };
        let proxy = Proxy::start(target.clone()).await.map_err(failed)?;
        let api = HttpApi::new(app.clone(), target.clone()).map_err(failed)?;
        let config = connect::config(app.key().as_str(), target.behind(proxy.port())).recovery(Recovery::default());
        let config = config.build().map_err(|error| Miss::failed(with_causes(&error).to_string()))?;
        let options = Options::new().tls(target.tls()).auto_connect(false);
        let client = pusher_tokio::connect_with(config, LocalAuth::new(app), &options);
        let client = client.map_err(|error| Miss::failed(with_causes(&error).to_string()))?;
        let events = client.events();
        client.connect();
        let channel = client.subscribe(&tour.names.numbered).map_err(|error| Miss::failed(error.to_string()))?;
        Ok(Self { server, proxy, api, client, events, channel, is_numbered: false })
    }

    /// Loses the connection, and waits until the client has noticed.
    async fn cut(&mut self) -> Result<(), Miss> {
        self.proxy.cut();
        next(&mut self.events, LIMIT, "sign of the lost socket", |event| {
            let is_waiting = matches!(event, Event::StateChanged { current: ConnectionState::Waiting { .. }, .. });
            is_waiting.then_some(())
        })
        .await
    }

    async fn publish(&self, data: &str) -> Result<(), Miss> {
        let event = self.api.app().publish([self.channel.name().as_str()], "order.created", data);
        self.api.publish(&event).await.map(drop).map_err(|failure| Miss::failed(failure.message()))
    }

    pub(super) async fn end(self) {
        self.client.shutdown(GOODBYE).await;
        if let Some(server) = self.server {
            server.shutdown().await;
        }
    }
}

async fn numbered(tour: &mut Tour) -> Outcome {
    let stage = RecoveryStage::start(tour).await?;
    let stage = tour.recovery.insert(stage);
    next(&mut stage.events, LIMIT, "answer to the subscription", |event| match event {
        Event::Diagnostic(Diagnostic::RecoveryUnsupported) => {
            Some(Err(Miss::Unsupported("the server speaks protocol version 1".into())))
        }
        Event::SubscriptionSucceeded { .. } => Some(Ok(())),
        Event::SubscriptionError { error, retry_at: None, .. } => {
            Some(Err(Miss::failed(with_causes(&error).to_string())))
        }
        _ => None,
    })
    .await??;
    stage.publish("1").await?;
    let (data, serial) = next(&mut stage.events, LIMIT, "published event", |event| match event {
        Event::Channel(event) => Some((event.data().text().into_owned(), event.serial())),
        _ => None,
    })
    .await?;
    match serial {
        Some(serial) if data == "1" => {
            stage.is_numbered = true;
            Ok(format!("protocol version 2: the first message has number {serial}"))
        }
        Some(_) => Err(Miss::failed(format!("{data} arrived instead of 1"))),
        None => Err(Miss::Unsupported("the server does not number its messages".into())),
    }
}

async fn missed(tour: &mut Tour) -> Outcome {
    let stage = stage(&mut tour.recovery)?;
    stage.cut().await?;
    for data in MISSED {
        stage.publish(data).await?;
    }
    Ok(format!("socket lost; {} messages are published meanwhile", MISSED.len()))
}

async fn recovered(tour: &mut Tour) -> Outcome {
    let stage = stage(&mut tour.recovery)?;
    stage.proxy.mend();
    let source = next(&mut stage.events, LIMIT, "proof that nothing was missed", |event| match event {
        Event::Recovered { replayed, source, is_proven: true, .. } if replayed == MISSED.len() as u64 => {
            Some(Ok(source))
        }
        event => surprise(&event).map(Err),
    })
    .await??;
    for expected in MISSED {
        let (data, is_replayed) = next(&mut stage.events, LIMIT, "replayed event", |event| match event {
            Event::Channel(event) => Some((event.data().text().into_owned(), event.is_replayed())),
            _ => None,
        })
        .await?;
        if data != expected || !is_replayed {
            return Err(Miss::failed(format!("{data} arrived instead of {expected}")));
        }
    }
    Ok(format!("proven; {} messages {source}, each once and in order", MISSED.len()))
}

async fn reset(tour: &mut Tour) -> Outcome {
    let stage = stage(&mut tour.recovery)?;
    let Some(server) = &stage.server else {
        return Err(Miss::Unsupported("only the development server forgets messages on demand".into()));
    };
    let handle = server.handle();
    stage.cut().await?;
    handle.reset_streams();
    stage.proxy.mend();
    let reason = next(&mut stage.events, LIMIT, "notice of the gap", |event| match event {
        Event::ContinuityLost { reason: reason @ LossReason::StreamReset, .. } => Some(Ok(reason)),
        event => surprise(&event).map(Err),
    })
    .await??;
    Ok(format!("reported as a gap: {reason}"))
}

/// What an earlier step has started.
fn stage(stage: &mut Option<RecoveryStage>) -> Result<&mut RecoveryStage, Miss> {
    let stage = stage.as_mut().ok_or_else(|| Miss::failed("no earlier step has connected"))?;
    if stage.is_numbered { Ok(stage) } else { Err(Miss::Unsupported("messages are not numbered".into())) }
}

/// The step is over if recovery has another outcome.
fn surprise(event: &Event) -> Option<Miss> {
    match event {
        Event::Recovered { replayed, .. } => Some(Miss::failed(format!("{replayed} messages were replayed"))),
        Event::ContinuityLost { reason, .. } => Some(Miss::failed(format!("a gap was reported: {reason}"))),
        _ => None,
    }
}

/// The data of the messages that are published while the client is away.
const MISSED: [&str; 3] = ["2", "3", "4"];
