//! The streams of ureq, with limits: ureq itself reads interim responses for as long as they arrive.

use std::fmt;
use std::io;

use pusher_driver::{HttpResponse, Options};
use pusher_proto::AuthError;
use ureq::Agent;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, SocksConnector, Transport,
};

use crate::dial::{Dial, Resolve};

pub(crate) fn agent(config: ureq::config::Config, options: &Options) -> Result<Agent, AuthError> {
    let connector =
        ().chain(SocksConnector::default())
            .chain(ConnectProxyConnector::default())
            .chain(Dial::default())
            .chain(Bounds);
    #[cfg(feature = "tls")]
    let connector = connector.chain(crate::tls::Secure::new(options)?);
    #[cfg(not(feature = "tls"))]
    let _ = options;
    Ok(Agent::with_parts(config, connector, Resolve::default()))
}

/// Limits how much is read between two requests.
#[derive(Debug)]
struct Bounds;

impl<T: Transport> Connector<T> for Bounds {
    type Out = Bounded<T>;

    fn connect(&self, _details: &ConnectionDetails<'_>, chained: Option<T>) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|transport| Bounded { transport, left: MAX_LEN }))
    }
}

struct Bounded<T> {
    transport: T,
    left: usize,
}

impl<T: Transport> Transport for Bounded<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.left = MAX_LEN;
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let before = self.buffers().input().len();
        let has_input = self.transport.await_input(timeout)?;
        let received = self.buffers().input().len().saturating_sub(before);
        self.left = self.left.checked_sub(received).ok_or_else(|| io::Error::other(TooLong))?;
        Ok(has_input)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}

impl<T> fmt::Debug for Bounded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("left", &self.left).finish_non_exhaustive()
    }
}

/// The server has sent more than any valid answer has.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the auth endpoint's answer is longer than {MAX_LEN} bytes, headers included")]
pub(crate) struct TooLong;

/// The most bytes of one answer on the wire, below TLS: its body with its encoding, and heads.
const MAX_LEN: usize = 2 * HttpResponse::MAX_LEN + 64 * 1_024;
