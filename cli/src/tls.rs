//! TLS for `tcp://`: both sides show certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::args::Connect;
use crate::error::{CliError, CliResult};

/// The client's side; none if no certificate was named, which only a daemon with
/// `--insecure-loopback` accepts.
pub(crate) fn client_config(connect: &Connect) -> CliResult<Option<Arc<ClientConfig>>> {
    let (ca, cert, key) = match (&connect.tlscacert, &connect.tlscert, &connect.tlskey) {
        (None, None, None) => return Ok(None),
        (Some(ca), Some(cert), Some(key)) => (ca, cert, key),
        _ => {
            return Err(CliError::new("--tlscacert, --tlscert and --tlskey go together")
                .hint("name all three files, or none for a unix socket"));
        }
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| unusable(ca, &error))?;
    }
    let chain = certificates(cert)?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(ca, &error))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key_der)
        .map_err(|error| unusable(cert, &error))?;
    Ok(Some(Arc::new(config)))
}

fn certificates(path: &PathBuf) -> CliResult<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| unusable(path, &error))?.collect();
    match all.map_err(|error| unusable(path, &error))? {
        none if none.is_empty() => Err(unusable(path, &"there is no certificate in it")),
        some => Ok(some),
    }
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> CliError {
    CliError::new(format!("`{}` can't be used for TLS: {why}", path.display())).hint(
        "the files must be PEM: a CA certificate, a certificate it signed, and that one's key",
    )
}

/// Shakes hands with the daemon at `address` over `stream`.
pub(crate) async fn connect(
    config: Arc<ClientConfig>,
    address: &str,
    stream: TcpStream,
) -> std::io::Result<TlsStream<TcpStream>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host)
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error))?;
    TlsConnector::from(config).connect(name, stream).await
}
