//! TLS: whether the certificate is trusted, for the right name, and for how long.

use std::io;
use std::net::IpAddr;

use jiff::Timestamp;
use pusher_driver::adapter::{client_config, server_name};
use pusher_tokio::{CloseReason, Tls, with_causes};
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use tokio_rustls::TlsConnector;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use x509_parser::time::ASN1Time;

use super::finding::Finding;
use super::patient::Patient;
use crate::stream::open_tcp;
use crate::trust;

pub(super) async fn tls(patient: &mut Patient) -> Finding {
    if !patient.request.tls {
        return Finding::skipped("ws:// has no TLS");
    }
    match shake_hands(patient, &patient.target.tls()).await {
        Ok(certificate) => accepted(&certificate, patient),
        Err(Refused::Otherwise(text)) => Finding::unreachable(text).fix("check the proxy and the address"),
        Err(Refused::Handshake(error)) => match rustls_error(&error) {
            Some(rustls::Error::InvalidCertificate(reason)) => {
                // Connect again, to see which certificate the server shows.
                let shown = match trust::everything() {
                    Ok(everything) => shake_hands(patient, &everything).await.unwrap_or_default(),
                    Err(_) => Certificate::default(),
                };
                rejected(reason, &shown, &patient.request.host)
            }
            Some(rustls::Error::InvalidMessage(_)) => {
                Finding::unreachable("the server does not speak TLS on this port")
                    .fix("use ws:// if the server has no TLS, or the port of its TLS")
            }
            _ if error.kind() == io::ErrorKind::UnexpectedEof || error.kind() == io::ErrorKind::ConnectionReset => {
                Finding::unreachable("the server closed the connection during the TLS handshake")
                    .fix("use ws:// if the server has no TLS, or check that it has a certificate for this host")
            }
            _ => Finding::unreachable(error.to_string()).fix("check the TLS settings of the server"),
        },
    }
}

pub(super) fn tls_late(_patient: &Patient) -> Finding {
    Finding::unreachable("no TLS handshake in time").fix("use ws:// if the server has no TLS on this port")
}

/// The certificate that a server shows.
#[derive(Debug, Default)]
struct Certificate {
    version: &'static str,
    names: Vec<String>,
    subject: String,
    issuer: String,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    /// With the certificates that lead to the root.
    chain_len: usize,
}

enum Refused {
    /// There was no handshake.
    Otherwise(String),
    Handshake(io::Error),
}

async fn shake_hands(patient: &Patient, tls: &Tls) -> Result<Certificate, Refused> {
    let request = &patient.request;
    let otherwise = |reason: CloseReason| Refused::Otherwise(with_causes(&reason).to_string());
    let config = client_config(tls).map_err(|error| Refused::Otherwise(error.to_string()))?;
    let name = server_name(&request.host).map_err(otherwise)?;
    let tcp = open_tcp(&patient.options, &request.host, request.port, true).await.map_err(otherwise)?;
    let stream = TlsConnector::from(config).connect(name, tcp.into_io()).await.map_err(Refused::Handshake)?;
    let (_, session) = stream.get_ref();
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    };
    Ok(Certificate { version, ..Certificate::read(session.peer_certificates().unwrap_or_default()) })
}

impl Certificate {
    fn read(chain: &[CertificateDer<'_>]) -> Self {
        let Some((_, leaf)) = chain.first().and_then(|leaf| parse_x509_certificate(leaf).ok()) else {
            return Self::default();
        };
        let alternative = leaf.subject_alternative_name().ok().flatten();
        let names = alternative.iter().flat_map(|names| &names.value.general_names);
        Self {
            version: "",
            names: names.filter_map(name).collect(),
            subject: leaf.subject().to_string(),
            issuer: leaf.issuer().to_string(),
            not_before: timestamp(leaf.validity().not_before),
            not_after: timestamp(leaf.validity().not_after),
            chain_len: chain.len(),
        }
    }

    fn names(&self) -> String {
        match self.names.as_slice() {
            [] => "no name".into(),
            names if names.len() <= MAX_NAMES => names.join(", "),
            names => format!("{} and {} more", names[..MAX_NAMES].join(", "), names.len() - MAX_NAMES),
        }
    }
}

fn accepted(certificate: &Certificate, patient: &Patient) -> Finding {
    let days = certificate.not_after.map(days_until);
    let expiry = match (certificate.not_after, days) {
        (Some(end), Some(days)) => format!(", expires on {} ({days} days left)", day(end)),
        _ => String::new(),
    };
    let seen = format!(
        "{}, certificate for {}, issued by {}, chain of {}{expiry}",
        certificate.version,
        certificate.names(),
        certificate.issuer,
        certificate.chain_len
    );
    if patient.args.place.is_insecure() {
        return Finding::warning(seen).means("the certificate was not checked").fix("leave out --insecure");
    }
    if days.is_some_and(|days| days < FEW_DAYS) {
        return Finding::warning(seen)
            .means("no client will connect when the certificate has expired")
            .fix("renew the certificate; if that is automatic, check why it was not renewed");
    }
    Finding::ok(seen)
}

/// What is wrong with a certificate.
fn rejected(reason: &CertificateError, shown: &Certificate, host: &str) -> Finding {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            let end = shown.not_after.filter(|end| *end < Timestamp::now());
            let seen = end.map_or_else(
                // Another certificate of the chain has expired.
                || "a certificate of the chain has expired".into(),
                |end| format!("the certificate expired on {} ({} days ago)", day(end), -days_until(end)),
            );
            Finding::unreachable(seen)
                .means("no client connects to a server whose certificate has expired")
                .fix("renew the certificate, and reload the server that uses it")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            let begin = shown.not_before.map_or_else(String::new, |begin| format!(" before {}", day(begin)));
            Finding::unreachable(format!("the certificate is not valid{begin}"))
                .fix("check the clock of this machine; otherwise get a certificate that is valid now")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Finding::unreachable(format!("the certificate is for {}, not for {host}", shown.names()))
                .means("the server has another name, or presents the certificate of another site")
                .fix(format!("connect by a name that is in the certificate, or get a certificate for {host}"))
        }
        CertificateError::UnknownIssuer => {
            let is_self_signed = shown.subject == shown.issuer;
            let seen = if is_self_signed {
                "the certificate is self-signed".to_owned()
            } else {
                format!("the certificate is issued by {}, which is not trusted", shown.issuer)
            };
            let finding = Finding::unreachable(seen);
            if is_self_signed || shown.chain_len > 1 {
                finding
                    .means("browsers and clients refuse it unless they are told to trust it")
                    .fix("trust it with --ca-file FILE and in each client, or get a certificate of a public CA")
            } else {
                finding
                    .means("the CA is private, or the server does not send the certificates between it and the root")
                    .fix("make the server send the full chain, or trust the CA with --ca-file FILE")
            }
        }
        reason => Finding::unreachable(format!("the certificate is refused: {reason}"))
            .fix("get a certificate that clients accept"),
    }
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn timestamp(time: ASN1Time) -> Option<Timestamp> {
    Timestamp::from_second(time.timestamp()).ok()
}

fn days_until(time: Timestamp) -> i64 {
    (time.as_second() - Timestamp::now().as_second()).div_euclid(24 * 60 * 60)
}

fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// Names of a certificate that are shown; some have a hundred.
const MAX_NAMES: usize = 4;

/// When to warn: certificates that are valid for 90 days are renewed 30 days before they expire.
const FEW_DAYS: i64 = 14;
