//! How ureq finds and reaches a host, with errors in the words of all adapters.

use std::io;

use pusher_driver::adapter::with_address;
use pusher_proto::{CloseReason, TransportError};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport};

#[derive(Debug, Default)]
pub(crate) struct Resolve(DefaultResolver);

impl Resolver for Resolve {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.resolve(uri, config, timeout).map_err(|error| match error {
            ureq::Error::Io(error) => named(uri, TransportError::Dns, &error),
            error => error,
        })
    }
}

#[derive(Debug, Default)]
pub(crate) struct Dial(TcpConnector);

impl<T: Transport> Connector<T> for Dial {
    type Out = <TcpConnector as Connector<T>>::Out;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<T>) -> Result<Option<Self::Out>, ureq::Error> {
        self.0.connect(details, chained).map_err(|error| match error {
            ureq::Error::Io(error) => named(details.uri, TransportError::Io, &error),
            error => error,
        })
    }
}

/// The error with the host and the port that it is about.
fn named(uri: &Uri, kind: fn(String) -> TransportError, error: &io::Error) -> ureq::Error {
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let reason = CloseReason::Failed(kind(error.to_string()));
    let text = match with_address(reason, uri.host().unwrap_or_default(), port) {
        CloseReason::Failed(error) => error.to_string(),
        reason => reason.to_string(),
    };
    io::Error::new(error.kind(), text).into()
}
