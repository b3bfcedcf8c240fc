//! Authorization: where requests are sent, and how answers are returned.

#[cfg(feature = "async")]
mod authorizer;
mod call;
mod credentials;
mod http;
#[cfg(feature = "async")]
mod http_async;
#[cfg(feature = "signing")]
mod local;
mod message;
#[cfg(feature = "async")]
mod post;
mod url;

#[cfg(feature = "async")]
pub use authorizer::{Authorizer, BoxedAuthorizer};
#[cfg(feature = "async")]
pub(crate) use authorizer::{DynAuthorizer, RunningCalls};
pub(crate) use call::Answers;
pub use call::{AuthCall, NoAuth, note_endpoint};
pub use credentials::Credentials;
pub use http::{HttpAuth, HttpAuthExt};
#[cfg(feature = "async")]
pub use http_async::HttpAuthWith;
#[cfg(feature = "signing")]
pub use local::LocalAuth;
pub use message::{HttpRequest, HttpResponse, UNANSWERED, head};
#[cfg(feature = "async")]
pub(crate) use post::Post;
pub use url::{AuthUrl, InvalidAuthUrl};
