//! Headers and parameters that the application adds to a request.

use pusher_proto::{Secret, Text};

/// Headers and parameters of a request to the application's server. `Debug` shows only their names.
///
/// # Examples
///
/// ```
/// use pusher_driver::Credentials;
///
/// let credentials = Credentials::new().header("Authorization", "Bearer 5a").param("tenant", "7");
/// assert!(!format!("{credentials:?}").contains("5a"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Credentials {
    pub(crate) headers: Vec<(Text, Secret)>,
    pub(crate) params: Vec<(Text, Secret)>,
}

impl Credentials {
    /// Returns no headers and no parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<Text>, value: impl Into<Secret>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a parameter of the body.
    pub fn param(mut self, name: impl Into<Text>, value: impl Into<Secret>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }
}
