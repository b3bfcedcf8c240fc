//! The pages of an application, beside the server's own routes.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;

/// Answers a request that is none of the server's own.
pub(crate) type Pages = Arc<dyn Fn(http::Request<Bytes>) -> Answer + Send + Sync>;

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Hides the types of the future and of the body.
pub(crate) fn boxed<F, B>(pages: impl Fn(http::Request<Bytes>) -> F + Send + Sync + 'static) -> Pages
where
    F: Future<Output = http::Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    Arc::new(move |request| {
        let answer = pages(request);
        Box::pin(async move { answer.await.map(Body::new) })
    })
}
