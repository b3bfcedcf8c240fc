//! The HTTP API of a server.

use std::time::{Duration, SystemTime};

use pusher_driver::Tls;
use pusher_driver::adapter::client_config;
use pusher_proto::signing::{ApiAnswer, ApiCall, ApiRequest, App, Info};
use serde_json::Value;

use crate::SERVERS;

/// The application that all servers have.
pub(crate) fn app() -> App {
    App::new("app1", "app-key", "app-secret").unwrap()
}

/// The HTTP API of one server.
#[derive(Clone)]
pub(crate) struct Api {
    app: App,
    origin: String,
    http: reqwest::Client,
}

impl Api {
    pub(crate) fn new(port: u16) -> Self {
        let tls = client_config(&Tls::default()).unwrap();
        let http = reqwest::Client::builder().tls_backend_preconfigured((*tls).clone()).no_proxy().timeout(TIMEOUT);
        Self { app: app(), origin: format!("http://127.0.0.1:{port}"), http: http.build().unwrap() }
    }

    pub(crate) async fn publish(&self, channel: &str, data: &str) -> Result<(), String> {
        self.call(&self.app.publish([channel], "message", data).sign(now()).unwrap()).await.map(drop)
    }

    /// Sends a request for which the library has no method.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let (path, body) = (format!("/apps/{}/{path}", self.app.id()), body.to_string());
        let request = ApiRequest { method: "POST", path: &path, body: body.as_bytes() };
        let query = self.app.sign_request(&request, &[], now()).unwrap();
        let url = format!("{}{path}?{query}", self.origin);
        SERVERS.block_on(async {
            let request = self.http.post(url).header("Content-Type", "application/json").body(body);
            let response = request.send().await.unwrap();
            let (status, answer) = (response.status(), response.text().await.unwrap());
            assert!(status.is_success(), "{path}: {status} {answer}");
            serde_json::from_str(&answer).unwrap()
        })
    }

    /// Whether the server answers for the application.
    pub(crate) async fn is_up(&self) -> bool {
        self.call(&self.app.channels("", Info::NONE, now()).unwrap()).await.is_ok()
    }

    async fn call<T: ApiAnswer>(&self, call: &ApiCall<T>) -> Result<T, String> {
        let mut request = self.http.request(call.method.parse().unwrap(), call.url(&self.origin));
        for &(name, value) in call.headers {
            request = request.header(name, value);
        }
        let response = request.body(call.body.clone()).send().await;
        let response = response.map_err(|error| error.without_url().to_string())?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|error| error.without_url().to_string())?;
        call.answer(status, &body).map_err(|failure| failure.to_string())
    }
}

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap()
}

const TIMEOUT: Duration = Duration::from_secs(10);
