//! Authorization: who is asked, and how the answers come back.

#[cfg(feature = "async")]
mod authorizer;
mod call;
mod credentials;
#[cfg(feature = "async")]
mod exchange;
mod http;
#[cfg(feature = "signing")]
mod local;
mod message;
mod url;

#[cfg(feature = "async")]
pub use authorizer::Authorizer;
#[cfg(feature = "async")]
pub(crate) use authorizer::{Ask, Asked, Post};
pub use call::{AuthCall, NoAuth};
pub use credentials::Credentials;
#[cfg(feature = "async")]
pub use exchange::HttpAuthWith;
pub use http::{HttpAuth, with_causes};
#[cfg(feature = "signing")]
pub use local::LocalAuth;
pub use message::{HttpRequest, HttpResponse, USER_AGENT};
pub use url::{AuthUrl, InvalidAuthUrl};
