//! The browser's timers, WebSockets and HTTP requests, without any decisions.
//!
//! Futures of the driver must be `Send`, and objects of JavaScript are not, since they belong to one thread. A
//! `SendWrapper` checks this when the program runs.

use std::future::{Future, poll_fn};
use std::time::Duration;

use gloo_timers::future::TimeoutFuture;
use js_sys::{Reflect, Uint8Array};
use pusher_driver::adapter::{Clock, Runtime};
use pusher_driver::{HttpRequest, HttpResponse};
use pusher_proto::{AuthError, CloseReason, ConnectRequest, Instant};
use send_wrapper::SendWrapper;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, Request, RequestInit, RequestRedirect, Response,
    ResponseType,
};

use crate::socket::WebSocket;

#[wasm_bindgen]
extern "C" {
    // Members of the global object in pages and in workers.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn monotonic_millis() -> f64;
    // Pages replace this function, and what replaces it may throw.
    #[wasm_bindgen(catch)]
    fn fetch(request: &Request) -> Result<js_sys::Promise, JsValue>;
}

/// What one client needs from the browser.
#[derive(Debug)]
pub(crate) struct Browser {
    pub(crate) max_frame_len: usize,
}

/// The standard library has no clocks on this target.
impl Clock for Browser {
    fn now(&self) -> Instant {
        Instant::from_elapsed(millis(monotonic_millis()))
    }

    fn wall_lead(&self) -> Duration {
        millis(js_sys::Date::now() - monotonic_millis())
    }
}

impl Runtime for Browser {
    type Socket = WebSocket;

    fn connect(
        &self,
        request: ConnectRequest,
    ) -> impl Future<Output = Result<Self::Socket, CloseReason>> + Send + 'static {
        let max_frame_len = self.max_frame_len;
        SendWrapper::new(async move {
            let mut socket = WebSocket::open(&request, max_frame_len)?;
            poll_fn(|context| socket.poll_open(context)).await?;
            Ok(socket)
        })
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        // Rounded up, since an alarm that rings early has to be set again.
        let millis = duration.as_micros().div_ceil(1_000);
        // Browsers take an `i32`. A longer alarm rings after 24 days, and is set again.
        SendWrapper::new(TimeoutFuture::new(i32::try_from(millis).unwrap_or(i32::MAX).unsigned_abs()))
    }

    fn post(&self, request: HttpRequest) -> impl Future<Output = Result<HttpResponse, AuthError>> + Send + 'static {
        SendWrapper::new(post(request))
    }
}

async fn post(request: HttpRequest) -> Result<HttpResponse, AuthError> {
    let abort = AbortOnDrop(AbortController::new().map_err(network)?);
    let options = RequestInit::new();
    options.set_method("POST");
    options.set_headers(&headers(&request)?.into());
    options.set_body(&request.body.expose().into());
    options.set_redirect(RequestRedirect::Manual);
    options.set_signal(Some(&abort.0.signal()));
    let request = Request::new_with_str_and_init(&request.url, &options).map_err(network)?;
    let response: Response = JsFuture::from(fetch(&request).map_err(network)?).await.map_err(network)?.unchecked_into();
    // The browser reveals neither the status nor the target of a redirect.
    let is_redirect = response.type_() == ResponseType::Opaqueredirect;
    let mut answer = HttpResponse::new(if is_redirect { 302 } else { response.status() });
    answer.retry_after = response.headers().get("retry-after").ok().flatten();
    let Some(body) = response.body() else { return Ok(answer) };
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    loop {
        let piece = JsFuture::from(reader.read()).await.map_err(network)?;
        let bytes = Reflect::get(&piece, &"value".into()).map_err(network)?;
        if bytes.is_undefined() {
            return Ok(answer);
        }
        answer.extend(&bytes.unchecked_into::<Uint8Array>().to_vec())?;
    }
}

/// Without `User-Agent`, since a page of another origin would have to be allowed to send it.
fn headers(request: &HttpRequest) -> Result<Headers, AuthError> {
    let headers = Headers::new().map_err(network)?;
    let ours = [("Accept", "application/json"), ("Content-Type", request.content_type)];
    let theirs = request.headers.iter().map(|(name, value)| (name.as_str(), value.expose()));
    for (name, value) in ours.into_iter().chain(theirs) {
        let unusable = |_| AuthError::Handler(format!("the header {name:?} cannot be sent"));
        headers.set(name, value).map_err(unusable)?;
    }
    Ok(headers)
}

/// Abandons the request when its answer is not needed any more.
struct AbortOnDrop(AbortController);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn network(error: JsValue) -> AuthError {
    AuthError::Network(message(&error))
}

/// The text of an exception.
pub(crate) fn message(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => error.to_string().into(),
        // Anything can be thrown, also what cannot be converted to a string.
        None => error.as_string().unwrap_or_else(|| format!("{error:?}")),
    }
}

/// A time of the browser, which may be negative if clocks were changed.
fn millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1_000.0).unwrap_or_default()
}
