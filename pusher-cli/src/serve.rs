//! `pusher serve`

mod args;

use std::net::SocketAddr;

use pusher_server::pusher_proto::server::{Dialect, ServerConfig};
use pusher_server::{Options, Server};
use pusher_tokio::pusher_proto::signing::{App, MasterKey};

pub(crate) use self::args::ServeArgs;
use crate::console::Console;
use crate::failure::Failure;
use crate::http_api::HttpApi;
use crate::interrupt::interrupted;
use crate::output::{self, BOLD, DIM, WARNING, printable};
use crate::server_log;
use crate::target::Target;

pub(crate) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let interrupted = interrupted()?;
    let shows_master_key = args.master_key.is_none();
    let master_key = args.master_key.unwrap_or_else(|| MasterKey::new([7; MasterKey::LEN]));
    let app = App::new(args.app_id, args.key, args.secret)?.encryption_master_key(master_key);
    let address = SocketAddr::new(args.host, args.port);
    let options = Options::new(ServerConfig::new(app)).dialect(args.dialect).address(address);
    let mut options = options.allow_any_origin(args.allow_any_origin);
    let console = Console::new();
    // The page shows everything and publishes, so other machines get it only on request.
    let has_page = args.console || args.host.is_loopback();
    if has_page {
        let console = console.clone();
        options = options.pages(move |request| console.clone().answer(request));
    }
    let server = Server::start(options).await;
    let server = server.map_err(|error| Failure::failed(format!("cannot listen on {address}: {error}")))?;
    greet(&server, args.dialect, shows_master_key, has_page)?;

    let api = HttpApi::new(server.app().clone(), Target::from_url(&server.ws_url())?)?;
    let handle = server.handle();
    let name = format!("{} as {}, application {}", server.ws_url(), args.dialect, server.app().id());
    server_log::install();
    tokio::select! {
        () = interrupted => {}
        failure = server_log::watch_channels(&handle) => return Err(failure),
        () = console.watch(&handle, &name, api) => {}
    }
    console.stop();
    server.shutdown().await;
    output::line(format_args!("{DIM}stopped{DIM:#}"))
}

fn greet(server: &Server, dialect: Dialect, shows_master_key: bool, has_page: bool) -> Result<(), Failure> {
    let (ws, http) = (server.ws_url(), server.http_url());
    let (id, key) = (printable(server.app().id()).into_owned(), printable(server.app().key().as_str()).into_owned());
    output::line(format_args!("{BOLD}Pusher development server{BOLD:#}, application {id} with key {key}"))?;
    output::line(format_args!("  WebSocket       {ws}"))?;
    output::line(format_args!("  HTTP API        {http}/apps/{id}"))?;
    output::line(format_args!("  auth endpoint   {http}/pusher/auth"))?;
    output::line(format_args!("  for sign-ins    {http}/pusher/user-auth"))?;
    output::line(format_args!("  dialect         {dialect}"))?;
    if shows_master_key {
        output::line(format_args!("  master key      {DEFAULT_MASTER_KEY}"))?;
    }
    if has_page {
        output::line(format_args!("  console         {http}/"))?;
    }
    output::line("It signs for any user on request, and for any channel whose name does not")?;
    output::line("contain \"forbidden\": never give it production credentials.")?;
    if !server.address().ip().is_loopback() {
        let address = server.address();
        output::line(format_args!(
            "{WARNING}Warning: {address} is reachable from other machines,\nwhich can publish and sign in as any user.{WARNING:#}"
        ))?;
    }
    output::line("")?;
    output::line("Listen to it with")?;
    output::line(format_args!(
        "  pusher listen --url {ws} --key {} \\\n    --auth-url {http}/pusher/auth \\\n    --channel chat private-chat presence-chat",
        quoted(&key),
    ))?;
    output::line("and publish with the secret in PUSHER_SECRET:")?;
    output::line(format_args!(
        "  pusher trigger --url {ws} --app-id {} --key {} \\\n    --channel chat --event message --data '{{\"text\":\"hi\"}}'",
        quoted(&id),
        quoted(&key),
    ))?;
    output::line("")
}

/// The default master key in base64.
const DEFAULT_MASTER_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// Quotes a word for a shell, if necessary.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
