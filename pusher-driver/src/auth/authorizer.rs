//! Authorization by the application, as an asynchronous function.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pusher_proto::{AuthError, AuthId, AuthRequest, AuthResponse, InvalidConfig};

use super::call::{AuthCall, NoAuth};
use crate::guard::{Fragile, guard};
use crate::sync::atomic::{AtomicBool, Ordering};

/// Decides whether a socket may subscribe to a private, encrypted or presence channel, and which user it belongs to,
/// usually by calling the application's server.
///
/// It is called again for every new socket; [`AuthRequest::purpose`] distinguishes the first time from later ones. A
/// call is dropped if it takes longer than [`auth_timeout`](pusher_proto::ConfigBuilder::auth_timeout), or if its
/// answer is no longer needed.
///
/// It is implemented by [`HttpAuth`](crate::HttpAuth), by [`NoAuth`] for clients that use only public channels, and by
/// functions:
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
///
/// A program that chooses at run time can use a [`BoxedAuthorizer`], which [`boxed`](Self::boxed) returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot authorize channels",
    label = "not an authorizer",
    note = "take `HttpAuth` to ask an endpoint, `NoAuth` for public channels only, or `LocalAuth` (feature `signing`)",
    note = "a function must be an `async fn(AuthRequest) -> Result<AuthResponse, AuthError>`; a `Box<dyn …>` is written `.boxed()`"
)]
pub trait Authorizer: Send + Sync + 'static {
    /// Answers one call.
    fn authorize(&self, call: &AuthCall) -> impl Future<Output = Result<AuthResponse, AuthError>> + Send;

    /// Answers several calls that were made at the same time, so that one request to the application's server can be
    /// for many channels.
    ///
    /// By default, this runs [`authorize`](Self::authorize) for all of them concurrently. There are never more than
    /// [`auth_window`](pusher_proto::ConfigBuilder::auth_window).
    fn authorize_many(&self, calls: Vec<AuthCall>) -> impl Future<Output = ()> + Send {
        authorize_each(self, calls)
    }

    /// Checks what can be checked before the first request. Creating a client fails if this check does.
    ///
    /// # Errors
    ///
    /// If the authorizer was configured with something that cannot work, such as an invalid URL. By default, never.
    fn validate(&self) -> Result<(), InvalidConfig> {
        Ok(())
    }

    /// Wraps this authorizer in a type that can hold any authorizer.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_driver::{Authorizer, BoxedAuthorizer, HttpAuth, NoAuth};
    ///
    /// fn authorizer(endpoint: Option<&str>) -> BoxedAuthorizer {
    ///     match endpoint {
    ///         Some(url) => HttpAuth::new(url).boxed(),
    ///         None => NoAuth.boxed(),
    ///     }
    /// }
    /// # authorizer(None);
    /// ```
    fn boxed(self) -> BoxedAuthorizer
    where
        Self: Sized,
    {
        BoxedAuthorizer(Box::new(self))
    }
}

/// An [`Authorizer`] of any type, returned by [`Authorizer::boxed`].
///
/// `Box<dyn Authorizer>` is not possible, since authorizers are `async fn`s: each has its own type of future.
pub struct BoxedAuthorizer(Box<dyn Erased>);

impl Authorizer for BoxedAuthorizer {
    async fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        self.0.authorize(call).await
    }

    async fn authorize_many(&self, calls: Vec<AuthCall>) {
        self.0.authorize_many(calls).await;
    }

    fn validate(&self) -> Result<(), InvalidConfig> {
        self.0.validate()
    }

    fn boxed(self) -> Self {
        self
    }
}

impl fmt::Debug for BoxedAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxedAuthorizer")
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An [`Authorizer`] whose futures are boxed.
trait Erased: Send + Sync {
    fn authorize<'a>(&'a self, call: &'a AuthCall) -> Boxed<'a, Result<AuthResponse, AuthError>>;
    fn authorize_many(&self, calls: Vec<AuthCall>) -> Boxed<'_, ()>;
    fn validate(&self) -> Result<(), InvalidConfig>;
}

impl<A: Authorizer> Erased for A {
    fn authorize<'a>(&'a self, call: &'a AuthCall) -> Boxed<'a, Result<AuthResponse, AuthError>> {
        Box::pin(Authorizer::authorize(self, call))
    }

    fn authorize_many(&self, calls: Vec<AuthCall>) -> Boxed<'_, ()> {
        Box::pin(Authorizer::authorize_many(self, calls))
    }

    fn validate(&self) -> Result<(), InvalidConfig> {
        Authorizer::validate(self)
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
    let batch = |call: AuthCall| {
        Batch::new(vec![call.cancelled()], async move {
            let answer = authorizer.authorize(&call).await;
            call.answer(answer);
        })
    };
    run(calls.into_iter().map(batch).collect()).await;
}

/// Runs all batches concurrently, and drops those whose answers are no longer needed.
pub(super) async fn run(mut batches: Vec<Batch<'_>>) {
    poll_fn(|context| {
        batches.retain_mut(|batch| !batch.is_cancelled() && batch.poll(context).is_pending());
        if batches.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Calls that are answered together.
pub(super) struct Batch<'a> {
    cancelled: Vec<Arc<AtomicBool>>,
    run: Fragile<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(cancelled: Vec<Arc<AtomicBool>>, run: impl Future<Output = ()> + Send + 'a) -> Self {
        Self { cancelled, run: Fragile::new(Box::pin(run)) }
    }

    /// If a batch panics, its calls are answered with an error; the others continue.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        guard("an authorizer", || self.run.as_mut().poll(context)).unwrap_or(Poll::Ready(()))
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.iter().all(|cancelled| cancelled.load(Ordering::Relaxed))
    }
}

/// An [`Authorizer`] of any type.
pub(crate) trait DynAuthorizer: Send + Sync {
    fn start(self: Arc<Self>, calls: Vec<AuthCall>) -> RunningCalls;
}

impl<A: Authorizer> DynAuthorizer for A {
    fn start(self: Arc<Self>, calls: Vec<AuthCall>) -> RunningCalls {
        let ids = calls.iter().map(|call| call.request().id).collect();
        RunningCalls { ids, run: Fragile::new(Box::pin(async move { self.authorize_many(calls).await })) }
    }
}

/// Calls that an authorizer answers: those of one [`Authorizer::authorize_many`].
pub(crate) struct RunningCalls {
    ids: Vec<AuthId>,
    run: Fragile<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl RunningCalls {
    /// Returns whether all have been answered.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // A call that is dropped because of a panic is answered with an error.
        guard("an authorizer", || self.run.as_mut().poll(context)).unwrap_or(Poll::Ready(()))
    }

    /// A call is no longer needed. The others continue, but have to check what is cancelled.
    pub(crate) fn cancel(&mut self, id: AuthId) {
        self.ids.retain(|other| *other != id);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.ids.is_empty()
    }
}
