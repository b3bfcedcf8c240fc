//! TLS with rustls. The provider is given explicitly, so the process-wide default is neither needed nor changed.

use std::io;
use std::sync::{Arc, OnceLock};

use pusher_proto::{CloseReason, TransportError};
use rustls::client::WantsClientCert;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

/// Which certificates are trusted.
///
/// # Examples
///
/// ```
/// use pusher_driver::{Options, Tls};
///
/// let options = Options::new().tls(Tls::webpki_roots());
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Tls(Roots);

#[derive(Clone, Debug, Default)]
enum Roots {
    #[default]
    Webpki,
    #[cfg(feature = "platform-roots")]
    Platform,
    #[cfg(feature = "rustls-0-23")]
    Own(Arc<ClientConfig>),
}

impl Tls {
    /// Trusts the certificates that Mozilla trusts, as compiled in by webpki-roots. The default.
    pub const fn webpki_roots() -> Self {
        Self(Roots::Webpki)
    }

    /// Trusts the certificates that the operating system trusts.
    #[cfg(feature = "platform-roots")]
    pub const fn platform_roots() -> Self {
        Self(Roots::Platform)
    }

    /// Uses the application's own configuration. If it offers versions of HTTP other than 1.1 (ALPN), they are not
    /// offered here, because WebSockets and authorization requests use HTTP/1.1.
    #[cfg(feature = "rustls-0-23")]
    pub fn rustls_0_23(config: impl Into<Arc<ClientConfig>>) -> Self {
        let mut config = config.into();
        let is_other_http = |name: &Vec<u8>| OTHER_HTTP.contains(&name.as_slice());
        if config.alpn_protocols.iter().any(is_other_http) {
            let offered = &mut Arc::make_mut(&mut config).alpn_protocols;
            offered.retain(|name| !is_other_http(name));
            if offered.is_empty() {
                offered.push(b"http/1.1".to_vec());
            }
        }
        Self(Roots::Own(config))
    }
}

/// Returns the configuration for rustls; it changes its type with the version of that library.
///
/// # Errors
///
/// If the operating system's certificates cannot be read.
pub fn client_config(tls: &Tls) -> Result<Arc<ClientConfig>, TransportError> {
    match &tls.0 {
        Roots::Webpki => Ok(webpki()),
        #[cfg(feature = "platform-roots")]
        Roots::Platform => platform(),
        #[cfg(feature = "rustls-0-23")]
        Roots::Own(config) => Ok(Arc::clone(config)),
    }
}

/// Returns the name that the certificate of a host must have; the host may be an IP address.
///
/// # Errors
///
/// If no certificate can be valid for such a host.
pub fn server_name(host: &str) -> Result<ServerName<'static>, CloseReason> {
    ServerName::try_from(host.to_owned()).map_err(|error| CloseReason::Failed(TransportError::Tls(error.to_string())))
}

/// Returns the close reason for a failed TLS handshake.
#[must_use]
pub fn handshake_error(error: &io::Error) -> CloseReason {
    let is_tls = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
    let text = error.to_string();
    CloseReason::Failed(if is_tls { TransportError::Tls(text) } else { TransportError::Io(text) })
}

/// One configuration for the whole process, since the list of roots is large.
fn webpki() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        finish(builder().with_root_certificates(roots))
    });
    Arc::clone(config)
}

#[cfg(feature = "platform-roots")]
fn platform() -> Result<Arc<ClientConfig>, TransportError> {
    use rustls_platform_verifier::BuilderVerifierExt;

    let verified = builder().with_platform_verifier().map_err(|error| TransportError::Tls(error.to_string()))?;
    Ok(finish(verified))
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.expect("ring has cipher suites for both protocol versions")
}

fn finish(builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> Arc<ClientConfig> {
    Arc::new(builder.with_no_client_auth())
}

/// Protocols that a server might choose instead of HTTP/1.1 (IANA, *TLS ALPN Protocol IDs*).
#[cfg(feature = "rustls-0-23")]
const OTHER_HTTP: [&[u8]; 6] = [b"h2", b"h2c", b"h3", b"http/1.0", b"http/0.9", b"spdy/3"];

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "rustls-0-23")]
    #[test]
    fn of_the_versions_of_http_only_1_1_is_offered() {
        let offered = |protocols: &[&[u8]]| {
            let mut config = builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            client_config(&Tls::rustls_0_23(config)).unwrap().alpn_protocols.clone()
        };
        assert_eq!(offered(&[]), Vec::<Vec<u8>>::new());
        assert_eq!(offered(&[b"h2"]), [b"http/1.1"]);
        assert_eq!(offered(&[b"h2", b"http/1.1"]), [b"http/1.1"]);
        assert_eq!(offered(&[b"own"]), [b"own"]);
        assert_eq!(offered(&[b"own", b"h2"]), [b"own"]);
        let untouched = Arc::new(builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth());
        let kept = client_config(&Tls::rustls_0_23(Arc::clone(&untouched))).unwrap();
        assert!(Arc::ptr_eq(&untouched, &kept));
    }

    #[test]
    fn the_roots_are_read_once_and_the_process_default_stays_unset() {
        let first = client_config(&Tls::default()).unwrap();
        let second = client_config(&Tls::webpki_roots()).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }

    #[test]
    fn tells_tls_from_other_errors() {
        let tls = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError);
        let tls = handshake_error(&tls);
        assert!(matches!(tls, CloseReason::Failed(TransportError::Tls(_))), "{tls:?}");
        let other = handshake_error(&io::Error::from(io::ErrorKind::ConnectionReset));
        assert!(matches!(other, CloseReason::Failed(TransportError::Io(_))), "{other:?}");
    }
}
