//! Which certificates are trusted.

use std::path::Path;
use std::sync::Arc;

use pusher_tokio::Tls;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};

use crate::failure::Failure;

/// Trusts Mozilla's certificates and those in a PEM file.
pub(crate) fn with_file(path: &Path) -> Result<Tls, Failure> {
    let unusable = |what: &str| Failure::failed(format!("cannot use {} as certificates: {what}", path.display()));
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| match error {
        pem::Error::Io(error) => unusable(&error.to_string()),
        error => unusable(&format!("not PEM: {error}")),
    })?;
    if certificates.is_empty() {
        return Err(unusable("the file contains no PEM certificate"));
    }
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in certificates {
        roots.add(certificate).map_err(|error| unusable(&error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Failure::failed(error.to_string()))?;
    Ok(Tls::rustls_0_23(builder.with_root_certificates(roots).with_no_client_auth()))
}
