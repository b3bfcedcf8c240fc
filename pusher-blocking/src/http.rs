//! POST requests by ureq, on connections that are kept.

use std::io::Read;
use std::sync::OnceLock;
use std::time::Duration;

use pusher_driver::{HttpRequest, HttpResponse, Options};
use pusher_proto::AuthError;
use ureq::Agent;

/// The HTTP client of one client.
pub(crate) struct Http {
    options: Options,
    /// Made at the first use: clients of public channels never use it. `None` is for when none may start any more.
    agent: OnceLock<Option<Result<Agent, AuthError>>>,
}

impl Http {
    pub(crate) fn new(options: &Options) -> Self {
        Self { options: options.clone(), agent: OnceLock::new() }
    }

    pub(crate) fn post(&self, request: &HttpRequest) -> Result<HttpResponse, AuthError> {
        let Some(agent) = self.agent.get_or_init(|| Some(agent(&self.options))).clone().transpose()? else {
            return Err(AuthError::Network("the client has ended".into()));
        };
        let proxy = self.proxy(&request.url)?;
        let mut post =
            agent.post(request.url.as_str()).config().proxy(proxy).build().content_type(request.content_type);
        for (name, value) in &request.headers {
            post = post.header(name.as_str(), value.expose());
        }
        let mut response = post.send(request.body.expose()).map_err(failure)?;
        let retry_after =
            response.headers().get("Retry-After").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut answer = HttpResponse { status: response.status().as_u16(), retry_after, body: Vec::new() };
        let mut body = response.body_mut().as_reader();
        let mut piece = [0; 4 * 1_024];
        loop {
            match body.read(&mut piece).map_err(|error| AuthError::Network(error.to_string()))? {
                0 => return Ok(answer),
                len => answer.extend(&piece[..len])?,
            }
        }
    }

    /// Ends the requests that are on their way, and refuses further ones.
    pub(crate) fn shut_down(&self) {
        if let Some(Ok(agent)) = self.agent.get_or_init(|| None) {
            agent.clone().shutdown();
        }
    }

    fn proxy(&self, url: &str) -> Result<Option<ureq::Proxy>, AuthError> {
        let Ok(uri) = url.parse::<ureq::http::Uri>() else { return Ok(None) };
        let tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let Some(proxy) = self.options.proxy_to(uri.host().unwrap_or_default(), port, tls) else { return Ok(None) };
        ureq::Proxy::new(proxy.url().expose()).map(Some).map_err(failure)
    }
}

fn agent(options: &Options) -> Result<Agent, AuthError> {
    // Redirects would carry the headers elsewhere. Proxies of the environment are used only by those who ask for them.
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_global(Some(POST_TIMEOUT))
        .build();
    #[cfg(feature = "tls")]
    return crate::tls::agent(config, options);
    #[cfg(not(feature = "tls"))]
    {
        let _ = options;
        Ok(Agent::new_with_config(config))
    }
}

/// A request that cannot be built will not be better next time.
fn failure(error: ureq::Error) -> AuthError {
    match error {
        ureq::Error::TlsRequired => AuthError::Handler("https needs the feature \"tls\"".into()),
        ureq::Error::Http(_) | ureq::Error::BadUri(_) | ureq::Error::InvalidProxyUrl => {
            AuthError::Handler(error.to_string())
        }
        error => AuthError::Network(error.to_string()),
    }
}

/// Ends a helper whose answer nobody waits for any more.
const POST_TIMEOUT: Duration = Duration::from_secs(60);
