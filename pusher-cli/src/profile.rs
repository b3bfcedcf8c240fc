//! Named servers and credentials, from a file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::{Arg, Command};
use etcetera::BaseStrategy as _;
use pusher_tokio::pusher_proto::signing::MasterKey;
use serde::Deserialize;

use crate::failure::Failure;
use crate::input;
use crate::output;
use crate::target::Target;

/// Adds the flag `--profile` to the command line.
pub(crate) fn with_flag(command: Command) -> Command {
    let profile = Arg::new("profile").long("profile").value_name("NAME").global(true);
    command.arg(
        profile.help(
            "Take the server and the credentials from this profile of the configuration file [env: PUSHER_PROFILE]",
        ),
    )
}

/// Returns a command line with the flag and the settings of the profile that the arguments or the environment name. Flags override them,
/// and they override environment variables, so that a profile is not mixed with credentials of another application.
pub(crate) fn command_for(command: Command, arguments: impl Iterator<Item = OsString>) -> Result<Command, Failure> {
    let command = with_flag(command);
    let Some(name) = named(arguments) else { return Ok(command) };
    let path = path()?;
    let settings = Settings::read(&path, &name)?;
    if let Some(url) = &settings.server {
        // This is called only once.
        let _ = SERVER.set(url.clone());
    }
    Ok(settings.fill(command))
}

/// The server of the profile. It is not a default of an argument, since any of several arguments overrides it.
pub(crate) fn server() -> Option<&'static str> {
    SERVER.get().map(String::as_str)
}

static SERVER: OnceLock<String> = OnceLock::new();

/// The name of the profile. It has to be known before clap reads the arguments.
fn named(mut arguments: impl Iterator<Item = OsString>) -> Option<String> {
    while let Some(argument) = arguments.next() {
        match argument.to_str().unwrap_or_default() {
            // What follows belongs to something else.
            "--" | "--exec" => break,
            "--profile" => return arguments.next()?.into_string().ok(),
            argument => {
                if let Some(name) = argument.strip_prefix("--profile=") {
                    return Some(name.to_owned());
                }
            }
        }
    }
    std::env::var("PUSHER_PROFILE").ok().filter(|name| !name.is_empty())
}

/// Where the file is: `PUSHER_CONFIG`, or `pusher/config.toml` where programs keep their configuration.
fn path() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("PUSHER_CONFIG").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let strategy = etcetera::choose_base_strategy();
    let strategy =
        strategy.map_err(|_| Failure::failed("no home directory: set PUSHER_CONFIG to the configuration file"))?;
    Ok(strategy.config_dir().join("pusher").join("config.toml"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Profile {
    url: Option<String>,
    cluster: Option<String>,
    app_id: Option<String>,
    key: Option<String>,
    secret: Option<String>,
    secret_file: Option<PathBuf>,
    master_key: Option<String>,
    master_key_file: Option<PathBuf>,
    auth_url: Option<String>,
    user_auth_url: Option<String>,
    user_id: Option<String>,
    ca_file: Option<PathBuf>,
}

/// Values of arguments by the names that clap has for them.
struct Settings {
    server: Option<String>,
    arguments: Vec<(&'static str, String)>,
}

impl Settings {
    fn read(path: &Path, name: &str) -> Result<Self, Failure> {
        let place = path.display();
        let text =
            input::file(path).map_err(|failure| Failure::usage(format!("profile {name}: {}", failure.message())))?;
        let config: Config = input::toml(path, &text)?;
        let Some(profile) = config.profiles.get(name) else {
            let known: Vec<_> = config.profiles.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "no profile".to_owned() } else { known.join(", ") };
            return Err(Failure::usage(format!("there is no profile {name} in {place}, which has {known}")));
        };
        if profile.secret.is_some() || profile.master_key.is_some() {
            warn_about_readers(path);
        }
        profile
            .settings(path.parent().unwrap_or(Path::new("")))
            .map_err(|failure| failure.with_remark(&format!(" (profile {name} in {place})")))
    }

    /// Sets the values for all commands that have such arguments, except those with a server of their own.
    fn fill(&self, command: Command) -> Command {
        let names: Vec<_> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        let mut command = command;
        for name in names.iter().filter(|name| !OWN_SERVER.contains(&name.as_str())) {
            command = command.mut_subcommand(name, |command| self.fill(command));
        }
        for (id, value) in &self.arguments {
            if command.get_arguments().any(|argument| argument.get_id() == id) {
                command = command.mut_arg(id, |argument| {
                    let argument = argument.env(None::<&'static str>).required(false);
                    argument.default_value(value.clone()).hide_default_value(true)
                });
            }
        }
        command
    }
}

impl Profile {
    /// `directory` is where files with relative names are.
    fn settings(&self, directory: &Path) -> Result<Settings, Failure> {
        let secret = |value: &Option<String>, file: &Option<PathBuf>| match (value, file) {
            (Some(_), Some(_)) => Err(Failure::usage("a secret is given twice, as a value and as a file")),
            (value, None) => Ok(value.clone()),
            (None, Some(file)) => input::secret(&located(directory, file)).map(Some),
        };
        let server = match (&self.url, &self.cluster) {
            (Some(_), Some(_)) => return Err(Failure::usage("a profile has either a url or a cluster")),
            (Some(url), None) => Some(url.clone()),
            (None, Some(cluster)) => Some(Target::cluster(cluster)?.ws_url()),
            (None, None) => None,
        };
        let master_key = secret(&self.master_key, &self.master_key_file)?;
        if let Some(Err(error)) = master_key.as_deref().map(MasterKey::from_base64) {
            return Err(Failure::usage(error.to_string()));
        }
        let ca_file = self.ca_file.as_deref().map(|file| located(directory, file).to_string_lossy().into_owned());
        let arguments = [
            ("app_id", self.app_id.clone()),
            ("key", self.key.clone()),
            ("secret", secret(&self.secret, &self.secret_file)?),
            ("master_key", master_key),
            ("auth_url", self.auth_url.clone()),
            ("user_auth_url", self.user_auth_url.clone()),
            ("user_id", self.user_id.clone()),
            ("ca_file", ca_file),
        ];
        let arguments = arguments.into_iter().filter_map(|(id, value)| Some((id, value?))).collect();
        Ok(Settings { server, arguments })
    }
}

/// A relative name means a file beside the configuration, and ~ the home directory.
fn located(directory: &Path, file: &Path) -> PathBuf {
    match file.strip_prefix("~") {
        Ok(rest) => etcetera::home_dir().map_or_else(|_| file.to_owned(), |home| home.join(rest)),
        Err(_) => directory.join(file),
    }
}

/// Secrets should not be readable by other users of the machine.
#[cfg(unix)]
fn warn_about_readers(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        output::note(&format!("{} contains secrets and can be read by others: chmod 600 it", path.display()));
    }
}

#[cfg(not(unix))]
fn warn_about_readers(_: &Path) {}

/// Commands whose server is not that of a profile.
const OWN_SERVER: [&str; 2] = ["demo", "serve"];
