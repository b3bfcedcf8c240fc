//! The console: a page that shows what a server does, and publishes events.

mod args;
mod entry;
mod feed;
mod remote;
mod routes;
mod watch;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::response::Response;
use pusher_server::Handle;
use tokio::sync::watch::Sender;
use tower::ServiceExt as _;

pub(crate) use self::args::ConsoleArgs;
use self::feed::Feed;
pub(crate) use self::remote::run;
use crate::http_api::HttpApi;

/// What the pages of one program share.
#[derive(Clone)]
pub(crate) struct Console {
    router: Router,
    feed: Arc<Feed>,
    api: Arc<OnceLock<HttpApi>>,
    stopped: Arc<Sender<bool>>,
}

impl Console {
    pub(crate) fn new() -> Self {
        let (feed, api, stopped) = (Arc::new(Feed::new()), Arc::default(), Arc::new(Sender::new(false)));
        let router = routes::router(Arc::clone(&feed), Arc::clone(&api), &stopped);
        Self { router, feed, api, stopped }
    }

    /// Answers a request for the page, or one that the page makes.
    pub(crate) async fn answer(self, request: Request<Bytes>) -> Response {
        match self.router.oneshot(request.map(Body::from)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Shows what a server of this program does, and publishes through its API, until the server is gone.
    pub(crate) async fn watch(&self, server: &Handle, name: &str, api: HttpApi) {
        // There is one before only if a console is given two servers.
        let _ = self.api.set(api);
        watch::server(&self.feed, server, name).await;
    }

    /// Ends what the pages follow: a server that shuts down waits for every response.
    pub(crate) fn stop(&self) {
        self.stopped.send_replace(true);
    }
}

/// Items of a list that a page shows.
const MAX_LISTED: usize = 200;
