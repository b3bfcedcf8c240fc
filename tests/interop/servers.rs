//! Servers, each a process of its own on a free port of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use pusher_proto::Endpoint;

use crate::SERVERS;
use crate::api::Api;
use crate::process::{Running, free_port, listens};

/// Which programs to use.
pub(crate) struct Programs {
    pub(crate) sockudo: String,
    pub(crate) redis: String,
    pub(crate) pusher: String,
}

/// A directory that goes with its handle.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("pusher-interop-{}-{}", std::process::id(), fastrand::u32(..)));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is in a directory for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that can be ended and started again where it was.
pub(crate) struct Server {
    name: &'static str,
    port: u16,
    program: String,
    args: Vec<String>,
    log: PathBuf,
    running: Mutex<Option<Running>>,
    _scratch: Scratch,
}

impl Server {
    /// A Sockudo node, alone or one of several over a Redis.
    pub(crate) fn sockudo(programs: &Programs, redis: Option<&Server>) -> Self {
        Self::sockudo_with(programs, redis, "")
    }

    /// The same with more tables in its configuration.
    pub(crate) fn sockudo_with(programs: &Programs, redis: Option<&Server>, tables: &str) -> Self {
        let (port, scratch) = (free_port(), Scratch::new());
        let (adapter, store) = if redis.is_some() { ("redis", "redis") } else { ("local", "memory") };
        let config = include_str!("sockudo/node.toml")
            .replace("REDIS_PORT", &redis.map_or(0, |redis| redis.port).to_string())
            .replace("PORT", &port.to_string())
            .replace("ADAPTER", adapter)
            .replace("STORE", store)
            // An application with annotations on a server without them cannot publish anything.
            .replace("ANNOTATIONS", &tables.contains("[annotations]").to_string())
            + tables;
        let path = scratch.path("sockudo.toml");
        fs::write(&path, config).unwrap();
        Self::new("sockudo", port, &programs.sockudo, &["--config", text(&path)], scratch)
    }

    /// The development server.
    pub(crate) fn ours(programs: &Programs) -> Self {
        let port = free_port();
        let port_arg = port.to_string();
        let args = ["serve", "--port", &port_arg, "--app-id", "app1", "--key", "app-key", "--secret", "app-secret"];
        Self::new("pusher serve", port, &programs.pusher, &args, Scratch::new())
    }

    /// A Redis that writes nothing to disk.
    pub(crate) fn redis(programs: &Programs) -> Self {
        let (port, scratch) = (free_port(), Scratch::new());
        let (port_arg, directory) = (port.to_string(), scratch.path(""));
        let args = ["--port", &port_arg, "--bind", "127.0.0.1", "--save", "", "--dir", text(&directory)];
        Self::new("redis", port, &programs.redis, &args, scratch)
    }

    fn new(name: &'static str, port: u16, program: &str, args: &[&str], scratch: Scratch) -> Self {
        let server = Self {
            name,
            port,
            program: program.to_owned(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            log: scratch.path("log"),
            running: Mutex::new(None),
            _scratch: scratch,
        };
        server.start();
        server
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn start(&self) {
        let running = Running::start(Command::new(&self.program).args(&self.args), &self.log);
        let api = Api::new(self.port);
        let is_redis = self.name == "redis";
        running.await_ready(self.name, || listens(self.port) && (is_redis || SERVERS.block_on(api.is_up())));
        *self.running.lock().unwrap() = Some(running);
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        *self.running.lock().unwrap() = None;
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let running = self.running.lock().unwrap().take().expect("the server is up");
        running.interrupt();
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::host("127.0.0.1").ws_port(self.port).tls(false)
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(self.port)
    }

    /// Bytes of memory that it uses.
    pub(crate) fn memory(&self) -> u64 {
        self.running.lock().unwrap().as_ref().map_or(0, Running::memory)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("names of temporary files are UTF-8")
}
