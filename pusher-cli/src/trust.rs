//! Which certificates are trusted.

use std::path::Path;
use std::sync::Arc;

use pusher_tokio::Tls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme, WantsVerifier};

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
    Ok(Tls::rustls_0_23(builder()?.with_root_certificates(roots).with_no_client_auth()))
}

/// Trusts every certificate, from any issuer, for every name and at any time.
pub(crate) fn everything() -> Result<Tls, Failure> {
    let config = builder()?.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(ring::default_provider())));
    Ok(Tls::rustls_0_23(config.with_no_client_auth()))
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, Failure> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    builder.with_safe_default_protocol_versions().map_err(|error| Failure::failed(error.to_string()))
}

/// Does not check certificates. The server still has to prove that it has the key of the one it shows.
#[derive(Debug)]
struct Unchecked(CryptoProvider);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
