//! The HTTP client of any type of runtime.

use std::future::Future;
use std::pin::Pin;

use pusher_proto::AuthError;

use super::message::{HttpRequest, HttpResponse};
use crate::runtime::Runtime;

/// The HTTP client of any type of [`Runtime`].
pub(crate) trait Post: Send + Sync {
    fn post(&self, request: HttpRequest) -> Posted;
}

type Posted = Pin<Box<dyn Future<Output = Result<HttpResponse, AuthError>> + Send>>;

impl<R: Runtime> Post for R {
    fn post(&self, request: HttpRequest) -> Posted {
        Box::pin(Runtime::post(self, request))
    }
}
