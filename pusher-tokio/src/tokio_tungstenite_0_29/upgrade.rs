//! What an attempt to connect requires from the application.

use std::io;

use pusher_driver::adapter::{USER_AGENT, host_header};
use pusher_proto::ConnectRequest;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Result;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{HOST, HeaderName, USER_AGENT as USER_AGENT_HEADER};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// The WebSocket that an attempt to connect needs.
///
/// Pass it to [`client_async_with_config`](tokio_tungstenite::client_async_with_config) as the request: it becomes an
/// upgrade request with the path, the query and the headers of the endpoint. Headers that the handshake sets itself,
/// such as `Connection`, are refused.
#[derive(Clone, Debug)]
pub struct Upgrade {
    request: ConnectRequest,
    max_message_len: usize,
}

impl Upgrade {
    pub(super) const fn new(request: ConnectRequest, max_message_len: usize) -> Self {
        Self { request, max_message_len }
    }

    /// Returns the host, port, TLS setting, path and headers of this attempt's endpoint.
    #[must_use]
    pub const fn request(&self) -> &ConnectRequest {
        &self.request
    }

    /// Returns the limits for the client's configuration, with small buffers.
    ///
    /// Messages and frames have at most [`max_frame_len`](crate::ConfigBuilder::max_frame_len) bytes. At most 16 MiB
    /// can wait for a server that does not read; beyond that, the connection fails.
    #[must_use]
    pub fn config(&self) -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(BUFFER_LEN)
            .write_buffer_size(BUFFER_LEN)
            .max_write_buffer_size(MAX_WRITE_BUFFER_LEN)
            .max_message_size(Some(self.max_message_len))
            .max_frame_size(Some(self.max_message_len))
    }
}

impl IntoClientRequest for Upgrade {
    fn into_client_request(self) -> Result<Request> {
        let ConnectRequest { host, port, tls, headers, .. } = &self.request;
        let mut request = self.request.url().into_client_request()?;
        let fields = request.headers_mut();
        let of_handshake: Vec<_> = fields.keys().cloned().collect();
        fields.insert(HOST, HeaderValue::from_str(&host_header(host, *port, *tls))?);
        for (name, value) in headers {
            let (name, value) = (HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value.expose())?);
            if name == HOST {
                fields.insert(name, value);
            } else if of_handshake.contains(&name) {
                // The library would drop it silently.
                let message = format!("the header {name:?} belongs to the handshake");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message).into());
            } else {
                fields.append(name, value);
            }
        }
        fields.entry(USER_AGENT_HEADER).or_insert(HeaderValue::from_static(USER_AGENT));
        Ok(request)
    }
}

/// Bytes that are read at a time, and that are collected before they are written without a flush.
const BUFFER_LEN: usize = 16 * 1_024;

/// Bytes that may wait for a server that does not read.
const MAX_WRITE_BUFFER_LEN: usize = 16 * 1_024 * 1_024;
