//! The options of a transcript: the configuration of the client, and the seed of its random delays.

use pusher_proto::{Client, Config, Endpoint, Endpoints};

use super::InvalidLine;
use super::words::{endpoint, option};

/// What determines the outputs of a client, apart from its inputs.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) seed: u64,
}

impl Default for Setup {
    /// Without options.
    fn default() -> Self {
        Self::new(std::iter::empty()).expect("the defaults are a configuration")
    }
}

impl Setup {
    /// # Errors
    ///
    /// The position of the option that is wrong, if it is one, and what is wrong.
    pub(crate) fn new<'a>(
        options: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<Self, (Option<usize>, InvalidLine)> {
        let (mut key, mut seed, mut endpoints) = ("KEY", 1, Vec::new());
        for (at, (name, value)) in options.clone().enumerate() {
            match name {
                "endpoint" => endpoints.push(endpoint(value).map_err(|error| (Some(at), error))?),
                "key" => key = value,
                "seed" => {
                    seed =
                        value.parse().map_err(|_| (Some(at), InvalidLine::new(format!("{value:?} is not a seed"))))?;
                }
                _ => {}
            }
        }
        let endpoints = if endpoints.is_empty() { Endpoint::cluster("eu").into() } else { Endpoints::new(endpoints) };
        let mut builder = Config::builder(key, endpoints).client_version("0.1.0");
        for (at, (name, value)) in options.enumerate() {
            if !matches!(name, "endpoint" | "key" | "seed") {
                builder = option(builder, name, value).map_err(|error| (Some(at), error))?;
            }
        }
        let config = builder.build().map_err(|error| (None, InvalidLine::because(&error)))?;
        Ok(Self { config, seed })
    }

    /// The core itself as an embedding.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.config.clone(), self.seed)
    }
}
