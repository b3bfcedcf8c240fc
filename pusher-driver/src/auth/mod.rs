//! Authorization: who is asked, and how the answers come back.

#[cfg(feature = "async")]
mod authorizer;
mod call;
#[cfg(feature = "async")]
mod http;
#[cfg(all(feature = "async", feature = "signing"))]
mod local;

#[cfg(feature = "async")]
pub(crate) use authorizer::{Ask, Asked, Post};
#[cfg(feature = "async")]
pub use authorizer::{Authorizer, NoAuth};
pub use call::AuthCall;
#[cfg(feature = "async")]
pub use http::{HttpAuth, HttpRequest, HttpResponse};
#[cfg(all(feature = "async", feature = "signing"))]
pub use local::LocalAuth;
