//! The application's side of authorization, as an asynchronous function.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pusher_proto::{AuthError, AuthId, AuthRequest, AuthResponse, InvalidConfig};

use super::{AuthCall, HttpRequest, HttpResponse, NoAuth};
use crate::guard::{Fragile, guard};
use crate::runtime::Runtime;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Decides whether a socket may subscribe to a private, encrypted or presence channel, and which user it belongs to;
/// usually by asking the application's server.
///
/// It is asked again for every new socket. [`AuthRequest::purpose`] tells the first time from later ones. A call that
/// takes longer than [`auth_timeout`](pusher_proto::ConfigBuilder::auth_timeout) or that nobody waits for any more is
/// dropped.
///
/// Ready-made are [`HttpAuth`](crate::HttpAuth), [`NoAuth`] for clients of public channels, and functions:
///
/// ```
/// use pusher_driver::Authorizer;
/// use pusher_proto::{AuthError, AuthRequest, AuthResponse};
///
/// async fn ask_the_user(request: AuthRequest) -> Result<AuthResponse, AuthError> {
///     Err(AuthError::Handler(format!("{} is for members only", request.subject)))
/// }
///
/// fn takes(authorizer: impl Authorizer) {}
/// takes(ask_the_user);
/// ```
pub trait Authorizer: Send + Sync + 'static {
    /// Answers one call.
    fn authorize(&self, call: &AuthCall) -> impl Future<Output = Result<AuthResponse, AuthError>> + Send;

    /// Answers all calls that came at once, so that an application's server can be asked for many channels in one
    /// request.
    ///
    /// Unless overridden, [`authorize`](Self::authorize) runs for all of them at the same time. There are never more
    /// than [`auth_window`](pusher_proto::ConfigBuilder::auth_window).
    fn authorize_many(&self, calls: Vec<AuthCall>) -> impl Future<Output = ()> + Send {
        authorize_each(self, calls)
    }

    /// Checks what can be checked before the first question. A client is not made with an authorizer that fails.
    ///
    /// # Errors
    ///
    /// When it was configured with something that cannot work, such as a URL that is none. Unless overridden, never.
    fn validate(&self) -> Result<(), InvalidConfig> {
        Ok(())
    }
}

impl Authorizer for NoAuth {
    async fn authorize(&self, _call: &AuthCall) -> Result<AuthResponse, AuthError> {
        Err(AuthError::NotConfigured)
    }
}

#[cfg(feature = "signing")]
impl Authorizer for super::LocalAuth {
    async fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        self.sign(call.request())
    }
}

/// A function, or a closure, that returns a future.
impl<F, A> Authorizer for F
where
    F: Fn(AuthRequest) -> A + Send + Sync + 'static,
    A: Future<Output = Result<AuthResponse, AuthError>> + Send,
{
    fn authorize(&self, call: &AuthCall) -> impl Future<Output = Result<AuthResponse, AuthError>> + Send {
        self(call.request().clone())
    }
}

/// Runs `authorize` for each call.
async fn authorize_each<A: Authorizer + ?Sized>(authorizer: &A, calls: Vec<AuthCall>) {
    let running = |call: AuthCall| {
        Running::new(vec![call.cancelled()], async move {
            let answer = authorizer.authorize(&call).await;
            call.answer(answer);
        })
    };
    run(calls.into_iter().map(running).collect()).await;
}

/// Runs all at the same time; drops those that nobody waits for any more.
pub(super) async fn run(mut running: Vec<Running<'_>>) {
    poll_fn(|context| {
        running.retain_mut(|running| !running.is_cancelled() && running.poll(context).is_pending());
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Calls that are answered together.
pub(super) struct Running<'a> {
    cancelled: Vec<Arc<AtomicBool>>,
    answers: Fragile<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
}

impl<'a> Running<'a> {
    pub(super) fn new(cancelled: Vec<Arc<AtomicBool>>, answers: impl Future<Output = ()> + Send + 'a) -> Self {
        Self { cancelled, answers: Fragile::new(Box::pin(answers)) }
    }

    /// A call that goes with a panic answers that it was not answered; the others go on.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        guard("an authorizer", || self.answers.as_mut().poll(context)).unwrap_or(Poll::Ready(()))
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.iter().all(|cancelled| cancelled.load(Ordering::Relaxed))
    }
}

/// An [`Authorizer`] of any type.
pub(crate) trait Ask: Send + Sync {
    fn ask(self: Arc<Self>, calls: Vec<AuthCall>) -> Asked;
}

/// Calls that are being answered.
pub(crate) struct Asked {
    pub(crate) ids: Vec<AuthId>,
    pub(crate) answers: Fragile<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<A: Authorizer> Ask for A {
    fn ask(self: Arc<Self>, calls: Vec<AuthCall>) -> Asked {
        let ids = calls.iter().map(|call| call.request().id).collect();
        Asked { ids, answers: Fragile::new(Box::pin(async move { self.authorize_many(calls).await })) }
    }
}

/// The HTTP side of a [`Runtime`] of any type.
pub(crate) trait Post: Send + Sync {
    fn post(&self, request: HttpRequest) -> Posted;
}

type Posted = Pin<Box<dyn Future<Output = Result<HttpResponse, AuthError>> + Send>>;

impl<R: Runtime> Post for R {
    fn post(&self, request: HttpRequest) -> Posted {
        Box::pin(Runtime::post(self, request))
    }
}
