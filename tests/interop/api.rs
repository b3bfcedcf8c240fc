//! The HTTP API of a server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pusher_driver::Tls;
use pusher_proto::signing::{ApiRequest, App};
use serde_json::json;

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
        let tls = Tls::default().client_config().unwrap();
        let http = reqwest::Client::builder().tls_backend_preconfigured((*tls).clone()).no_proxy().timeout(TIMEOUT);
        Self { app: app(), origin: format!("http://127.0.0.1:{port}"), http: http.build().unwrap() }
    }

    pub(crate) async fn publish(&self, channel: &str, data: &str) -> Result<(), String> {
        let body = json!({ "name": "message", "channels": [channel], "data": data }).to_string();
        self.call("POST", "/events", body).await
    }

    /// Whether the server answers for the application.
    pub(crate) async fn is_up(&self) -> bool {
        self.call("GET", "/channels", String::new()).await.is_ok()
    }

    async fn call(&self, method: &str, path: &str, body: String) -> Result<(), String> {
        let path = format!("/apps/{}{path}", self.app.id());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let request = ApiRequest { method, path: &path, body: body.as_bytes() };
        let query = self.app.sign_request(&request, &[], now).unwrap();
        let url = format!("{}{path}?{query}", self.origin);
        let request = self.http.request(method.parse().unwrap(), url).header("Content-Type", "application/json");
        let response = request.body(body).send().await.map_err(|error| error.without_url().to_string())?;
        let status = response.status();
        // The whole answer, so that the connection can be used again.
        let text = response.text().await.map_err(|error| error.without_url().to_string())?;
        if status.is_success() { Ok(()) } else { Err(format!("{status}: {text}")) }
    }
}

const TIMEOUT: Duration = Duration::from_secs(10);
