//! What the driver needs from a runtime, without any decisions.

use std::fmt;
use std::future::{Future, pending};
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use pusher_driver::adapter::{Clock, Runtime};
use pusher_driver::{HttpRequest, HttpResponse};
use pusher_proto::{AuthError, CloseReason, ConnectRequest, Instant};

use super::backend;
use super::hub::Shared;
use super::socket::{MemorySocket, Opening};
use crate::network::{NO_ROUTE, Who};

/// The runtime of one client.
pub(super) struct Memory {
    pub(super) shared: Arc<Shared>,
    pub(super) who: Who,
}

impl Clock for Memory {
    fn now(&self) -> Instant {
        self.shared.time.now()
    }

    fn wall_lead(&self) -> Duration {
        self.shared.lock().wall_lead
    }

    fn wait(&self, limit: Option<Duration>, poll: &mut dyn FnMut(&mut Context<'_>) -> bool) {
        self.shared.time.wait(limit, poll);
    }
}

impl Runtime for Memory {
    type Socket = MemorySocket;

    fn connect(
        &self,
        request: ConnectRequest,
    ) -> impl Future<Output = Result<MemorySocket, CloseReason>> + Send + 'static {
        Opening::new(Arc::clone(&self.shared), self.who, request.target)
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.shared.time.sleep(duration)
    }

    fn post(&self, request: HttpRequest) -> impl Future<Output = Result<HttpResponse, AuthError>> + Send + 'static {
        let answered = post(&self.shared, self.who, request);
        let shared = Arc::clone(&self.shared);
        async move {
            match answered {
                Some((delay, answer)) => {
                    shared.time.sleep(delay).await;
                    answer
                }
                None => pending().await,
            }
        }
    }
}

/// Returns how long the answer takes, and the answer; nothing if there is none.
fn post(shared: &Shared, who: Who, request: HttpRequest) -> Option<(Duration, Result<HttpResponse, AuthError>)> {
    shared.change(|hub| {
        let now = hub.model.now();
        let conditions = hub.model.conditions(who);
        let latency = conditions.latency;
        let answered = if conditions.is_reachable {
            backend::answer(hub.model.authority(who), &request, now)
        } else {
            Some((Duration::ZERO, Err(AuthError::Network(NO_ROUTE.into()))))
        };
        hub.clients[who.0].posts.push(request);
        answered.map(|(delay, answer)| (latency + delay, answer))
    })
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.who).finish()
    }
}
