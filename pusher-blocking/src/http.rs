//! POST requests with ureq, on connections that are kept alive.

use std::io::{self, Read};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pusher_driver::adapter::{AuthUrl, OptionsExt as _, UNANSWERED, USER_AGENT, head, is_end, proxy_url};
use pusher_driver::{HttpRequest, HttpResponse, Options};
use pusher_proto::{AuthError, Config};
use ureq::Agent;
use ureq::http::Response;

use crate::bounded::TooLong;

/// The HTTP client of one client.
pub(crate) struct Http {
    options: Options,
    /// How long a request may take: after that, the answer is no longer needed.
    timeout: Duration,
    /// Created at the first use, because clients that use only public channels never need it. `None` means that no
    /// request may be started any more.
    agent: OnceLock<Option<Result<Agent, AuthError>>>,
    /// Whether a connection may have been kept alive.
    has_answered: AtomicBool,
}

impl Http {
    pub(crate) fn new(config: &Config, options: &Options) -> Self {
        Self {
            options: options.clone(),
            timeout: config.auth_timeout(),
            agent: OnceLock::new(),
            has_answered: AtomicBool::new(false),
        }
    }

    pub(crate) fn post(&self, request: &HttpRequest) -> Result<HttpResponse, AuthError> {
        let agent = self.agent.get_or_init(|| Some(agent(&self.options, self.timeout))).clone().transpose()?;
        let Some(agent) = agent else { return Err(AuthError::Network("the client has ended".into())) };
        let url = AuthUrl::parse(&request.url)
            .map_err(|error| AuthError::Handler(format!("the URL of the auth endpoint {error}")))?;
        let mut answer = self.ask(&agent, request, &url);
        let is_lost = answer.as_ref().is_err_and(is_lost);
        if is_lost && self.has_answered.load(Ordering::Relaxed) {
            // The server may have closed the kept-alive connection while the request was on its way.
            answer = self.ask(&agent, request, &url);
        }
        self.has_answered.fetch_or(answer.is_ok(), Ordering::Relaxed);
        answer.map_err(|error| failure(error).at(url.to_string()))
    }

    fn ask(&self, agent: &Agent, request: &HttpRequest, url: &AuthUrl) -> Result<HttpResponse, Failure> {
        let proxy = self.options.proxy_to(url.host(), url.port(), url.tls());
        let proxy = proxy.map(|proxy| ureq::Proxy::new(proxy_url(proxy).expose())).transpose()?;
        let mut post = agent.post(request.url.as_str()).config().proxy(proxy).build();
        for (name, value) in head(request, url)? {
            post = post.header(name.as_str(), value.expose());
        }
        let mut response = post.send(request.body.expose())?;
        let mut answer = HttpResponse::new(response.status().as_u16());
        (answer.retry_after, answer.location) = (header(&response, "Retry-After"), header(&response, "Location"));
        let mut body = response.body_mut().as_reader();
        let mut piece = [0; 4 * 1_024];
        loop {
            match body.read(&mut piece).map_err(ureq::Error::from)? {
                0 => return Ok(answer),
                len => answer.extend(&piece[..len])?,
            }
        }
    }

    /// Ends the requests that are in progress, and refuses further ones.
    pub(crate) fn shut_down(&self) {
        if let Some(Ok(agent)) = self.agent.get_or_init(|| None) {
            agent.clone().shutdown();
        }
    }
}

/// An error of ureq, or one of our own.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Ureq(#[from] ureq::Error),
    #[error(transparent)]
    Auth(#[from] AuthError),
}

/// Whether the connection ended without an answer.
fn is_lost(failure: &Failure) -> bool {
    matches!(failure, Failure::Ureq(ureq::Error::Io(error)) if is_end(error))
}

fn header<B>(response: &Response<B>, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn agent(options: &Options, timeout: Duration) -> Result<Agent, AuthError> {
    // Redirects would send the headers elsewhere. Proxies in environment variables are used only on request.
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(USER_AGENT)
        .timeout_global(Some(timeout.min(LONGEST_TIMEOUT)))
        .build();
    crate::bounded::agent(config, options)
}

/// A request that cannot be built would fail again.
fn failure(failure: Failure) -> AuthError {
    let error = match failure {
        Failure::Ureq(error) => error,
        Failure::Auth(error) => return error,
    };
    match error {
        ureq::Error::TlsRequired => AuthError::Handler("https needs the feature \"tls\"".into()),
        ureq::Error::Http(_) | ureq::Error::BadUri(_) | ureq::Error::InvalidProxyUrl => {
            AuthError::Handler(error.to_string())
        }
        ureq::Error::Timeout(_) => AuthError::Timeout,
        ureq::Error::Io(error) if is_too_long(&error) => AuthError::Handler(error.to_string()),
        ureq::Error::Io(error) if is_end(&error) => AuthError::Network(UNANSWERED.into()),
        // ureq puts a word of its own in front.
        ureq::Error::Io(error) => AuthError::Network(error.to_string()),
        error => AuthError::Network(error.to_string()),
    }
}

fn is_too_long(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<TooLong>)
}

/// A day. The core ends a request after `auth_timeout`; ureq adds its limit to the clock, which the longest duration overflows.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex, mpsc};
    use std::thread;

    use pusher_proto::Endpoint;

    use super::*;

    fn http(timeout: Duration) -> Http {
        let config = Config::builder("key", Endpoint::cluster("eu")).auth_timeout(timeout);
        Http::new(&config.build().unwrap(), &Options::new())
    }

    fn request(url: &str) -> HttpRequest {
        HttpRequest { url: url.into(), headers: Vec::new(), content_type: "application/json", body: "{}".into() }
    }

    #[test]
    fn a_request_takes_no_longer_than_the_timeout_of_authorizations() {
        // It accepts connections by its backlog, and never answers.
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/auth", server.local_addr().unwrap());
        let (http, request) = (http(Duration::from_millis(20)), request(&format!("{url}?token=1")));
        let (sender, answer) = mpsc::channel();
        thread::spawn(move || sender.send(http.post(&request)));
        assert_eq!(answer.recv_timeout(Duration::from_secs(20)), Ok(Err(AuthError::Timeout.at(url))));
    }

    /// What a server does when a request arrives: it answers with this status and keeps the connection, or closes it.
    type Reaction = Option<u16>;

    /// Serves a connection.
    fn serve(mut stream: TcpStream, script: &Mutex<VecDeque<Reaction>>) {
        let mut received = Vec::new();
        let mut piece = [0; 1_024];
        while let Ok(len @ 1..) = stream.read(&mut piece) {
            received.extend(&piece[..len]);
            if !received.ends_with(b"{}") {
                continue;
            }
            received.clear();
            let Some(status) = script.lock().unwrap().pop_front().flatten() else { return };
            let answer = format!("HTTP/1.1 {status} So\r\nContent-Length: 2\r\n\r\nok");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    }

    /// A connection that was kept alive may be closed just when it is used again, whatever has happened before.
    #[test]
    fn a_request_is_sent_again_once_if_the_server_has_ever_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/auth", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(VecDeque::new()));
        let served = Arc::clone(&script);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let script = Arc::clone(&served);
                thread::spawn(move || serve(stream.unwrap(), &script));
            }
        });
        for sequence in 0..3_usize.pow(5) {
            let reactions = (0..5).map(|place| [None, Some(200), Some(403)][sequence / 3_usize.pow(place) % 3]);
            let mut reactions: VecDeque<_> = reactions.collect();
            *script.lock().unwrap() = reactions.clone();
            let (http, mut has_answered) = (http(Duration::from_secs(20)), false);
            while let Some(mut reaction) = reactions.pop_front() {
                if reaction.is_none() && has_answered {
                    let Some(second) = reactions.pop_front() else { break };
                    reaction = second;
                }
                has_answered |= reaction.is_some();
                let status = http.post(&request(&url)).map(|answer| answer.status);
                let expected = reaction.ok_or_else(|| AuthError::Network(UNANSWERED.into()).at(url.clone()));
                assert_eq!(status, expected, "{sequence}");
            }
        }
    }
}
