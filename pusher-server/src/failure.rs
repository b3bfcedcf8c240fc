//! Refusals.

use std::fmt;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pusher_proto::server::ApiError;
use serde_json::json;
use tracing::info;

/// Why a response is a refusal, for those who watch the server.
#[derive(Clone)]
pub(crate) struct Reason(pub(crate) String);

/// An HTTP status and the reason for it.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    message: String,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl fmt::Display) -> Self {
        Self { status, message: message.to_string() }
    }

    pub(crate) fn bad_request(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Returns it as one channel's part of a batch.
    pub(crate) fn to_entry(&self) -> String {
        json!({ "status": self.status.as_u16(), "data": self.message }).to_string()
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::new(StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST), error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        info!(status = %self.status, reason = self.message, "refused");
        let body = json!({ "error": self.message, "code": self.status.as_u16() });
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not read, so nothing can follow on this connection.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.extensions_mut().insert(Reason(self.message));
        response
    }
}
