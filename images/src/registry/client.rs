//! The HTTP client of one session: proxies, certificates, redirects, and who may be spoken to
//! without encryption.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Client, Url};
use skep_api::Bytes;

use crate::name::is_loopback;
use crate::{ImageError, ImagesConfig};

/// How long a connection, with its encryption, may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long nothing may arrive while something is awaited.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How many redirects are followed: a registry's storage is one or two away.
const REDIRECTS_MAX: usize = 5;
/// The largest answer that is neither a manifest nor a blob: tokens and errors are some KiB.
pub(crate) const REPLY_MAX: Bytes = Bytes::kib(64);
/// The largest file with certificate authorities. The whole system's are 250 KiB.
const CA_FILE_MAX: Bytes = Bytes::mib(4);

/// What is the same for all sessions.
pub(crate) struct Settings {
    insecure: Arc<Vec<String>>,
    authorities: Vec<Certificate>,
    pub(crate) docker_config: Option<PathBuf>,
}

impl Settings {
    /// Reads the certificate authorities, and gives TLS its one provider.
    pub(crate) fn new(config: &ImagesConfig) -> Result<Self, ImageError> {
        // An error says that somebody did it before, with the same provider: there is only one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut authorities = Vec::new();
        for file in &config.ca_files {
            let unusable = |reason: String| {
                ImageError::Setting(format!("CA file `{}` {reason}", file.display()))
            };
            let size = std::fs::metadata(file).map_err(ImageError::io("read", file))?.len();
            if size > CA_FILE_MAX.0 {
                return Err(unusable(format!("is larger than {} bytes", CA_FILE_MAX.0)));
            }
            let pem = std::fs::read(file).map_err(ImageError::io("read", file))?;
            let parsed = Certificate::from_pem_bundle(&pem)
                .map_err(|error| unusable(format!("is not PEM: {}", innermost(&error))))?;
            if parsed.is_empty() {
                return Err(unusable("has no certificate in it".to_owned()));
            }
            authorities.extend(parsed);
        }
        Ok(Self {
            insecure: Arc::new(config.insecure_registries.clone()),
            authorities,
            docker_config: config.docker_config.clone(),
        })
    }

    /// Whether that `host[:port]` may be spoken to without encryption.
    pub(crate) fn plain_allowed(&self, host: &str) -> bool {
        plain_allowed(&self.insecure, host)
    }

    /// Whether a session with `registry` may go to that address: encrypted anywhere, plain only
    /// from one plain host to another. So no registry of the internet leads us to this machine.
    pub(crate) fn may_follow(&self, registry: &str, url: &Url) -> bool {
        may_follow(&self.insecure, registry, url)
    }

    /// A client for one session with that registry. Not kept: the system's certificates are some
    /// MB, and few machines pull all day.
    pub(crate) fn client(&self, registry: &str) -> Result<Client, ImageError> {
        let (insecure, name) = (self.insecure.clone(), registry.to_owned());
        let redirects = Policy::custom(move |attempt: Attempt<'_>| {
            if attempt.previous().len() > REDIRECTS_MAX {
                return attempt.error("too many redirects");
            }
            if !may_follow(&insecure, &name, attempt.url()) {
                return attempt.error("it redirects to an address without encryption");
            }
            attempt.follow()
        });
        let builder = Client::builder()
            .user_agent(concat!("skep/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_MAX)
            .read_timeout(IDLE_MAX)
            .redirect(redirects);
        // This machine is reached directly, whatever proxy the environment names, and no public
        // authority vouches for it.
        let builder = if is_loopback(registry) {
            builder.no_proxy().tls_certs_only(self.authorities.clone())
        } else {
            builder.tls_certs_merge(self.authorities.clone())
        };
        builder.build().map_err(|error| {
            ImageError::Setting(format!("no encryption to registries: {}", innermost(&error)))
        })
    }
}

/// The part of an error that says what happened: reqwest's own words only say where.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    crate::name::excerpt(&last.to_string())
}

/// `host[:port]` of an address, as names of images have it.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn plain_allowed(insecure: &[String], host: &str) -> bool {
    is_loopback(host) || insecure.iter().any(|named| named == host)
}

fn may_follow(insecure: &[String], registry: &str, url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => plain_allowed(insecure, registry) && plain_allowed(insecure, &host_of(url)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_hosts_lead_to_plain_hosts() {
        let insecure = ["lab:5000".to_owned()];
        for (registry, to, allowed) in [
            ("ghcr.io", "https://cdn.example/x", true),
            ("ghcr.io", "http://cdn.example/x", false),
            ("ghcr.io", "http://127.0.0.1:2375/x", false),
            ("ghcr.io", "http://lab:5000/x", false),
            ("lab:5000", "http://lab:5000/x", true),
            ("lab:5000", "http://lab:5001/x", false),
            ("localhost:5000", "http://127.0.0.1:9/x", true),
            ("localhost:5000", "http://[::1]:9/x", true),
            ("localhost:5000", "http://example.com/x", false),
            ("localhost:5000", "file:///etc/passwd", false),
        ] {
            let url = Url::parse(to).expect(to);
            assert_eq!(may_follow(&insecure, registry, &url), allowed, "{registry} -> {to}");
        }
    }
}
