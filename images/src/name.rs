//! Names of images: `[host[:port]/]repository[:tag][@digest]`.
//!
//! The grammar is Docker's. What Docker adds to a short name is not: a name without a host stays
//! without one, it never means `docker.io`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use oci_distribution::{ParseError, Reference};
use skep_api::Digest;

use crate::ImageError;

/// The longest name that is looked at. Docker's parts add up to less.
const NAME_MAX: usize = 1024;

/// The tag of a name that gives neither a tag nor a digest.
const TAG_DEFAULT: &str = "latest";

/// A name that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageName {
    /// `ghcr.io`, `localhost:5000`; none means the local store.
    pub(crate) host: Option<String>,
    /// `me/web`.
    pub(crate) repository: String,
    /// `1.0`.
    pub(crate) tag: Option<String>,
    /// The digest behind the `@`.
    pub(crate) digest: Option<Digest>,
}

impl ImageName {
    /// Reads a name as a user wrote it; one with neither a tag nor a digest gets `latest`.
    pub(crate) fn parse(text: &str) -> Result<Self, ImageError> {
        let bad = |reason: String| ImageError::Name { name: excerpt(text), reason };
        if text.len() > NAME_MAX {
            return Err(bad(format!("it is longer than {NAME_MAX} bytes")));
        }
        let (literal, rest) = split_ipv6(text);
        let reference = Reference::try_from(rest).map_err(|error| bad(explain(&error, rest)))?;
        let digest = reference
            .digest()
            .map(|digest| digest.parse().map_err(|e: skep_api::DigestError| bad(e.to_string())))
            .transpose()?;
        let (host, repository) = match (literal, split_host(rest)) {
            (Some(literal), (None, path)) => (Some(literal.to_owned()), path.to_owned()),
            (Some(_), (Some(_), _)) => return Err(bad("it has two hosts".to_owned())),
            // Here the names that Docker gives its own registry apply: the user wrote them.
            (None, (Some("docker.io" | "index.docker.io"), _)) => {
                (Some("docker.io".to_owned()), reference.repository().to_owned())
            }
            (None, (host, path)) => (host.map(str::to_owned), path.to_owned()),
        };
        Ok(Self { host, repository, tag: reference.tag().map(str::to_owned), digest })
    }

    /// The name a tag is kept under: host, repository and tag.
    pub(crate) fn tagged(&self) -> Option<String> {
        let tag = self.tag.as_ref()?;
        Some(Self { tag: Some(tag.clone()), digest: None, ..self.clone() }.to_string())
    }

    /// The same name pinned to a digest.
    pub(crate) fn pinned(&self, digest: Digest) -> String {
        Self { digest: Some(digest), ..self.clone() }.to_string()
    }

    /// The same name at the default registry, `ghcr.io/me` in front.
    pub(crate) fn under(&self, prefix: &str) -> Result<Self, ImageError> {
        Self::parse(&format!("{}/{self}", prefix.trim_end_matches('/')))
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}/")?;
        }
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Whether a registry's `host[:port]` is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let address = rest.split(']').next().unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    }
    let name = host.split(':').next().unwrap_or_default();
    name == "localhost" || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// The grammar that we take from elsewhere has no IPv6 literals: `[::1]:5000/web` is cut here.
fn split_ipv6(text: &str) -> (Option<&str>, &str) {
    let cut = || {
        let (host, rest) = text.split_once('/')?;
        let (address, port) = host.strip_prefix('[')?.split_once(']')?;
        address.parse::<Ipv6Addr>().ok()?;
        let good = port.is_empty() || port.strip_prefix(':')?.parse::<u16>().is_ok();
        good.then_some((host, rest))
    };
    match cut() {
        Some((host, rest)) => (Some(host), rest),
        None => (None, text),
    }
}

/// Docker's rule: what stands before the first slash is a host if it has a dot or a colon, or is
/// `localhost`. The rest comes without tag and digest.
fn split_host(text: &str) -> (Option<&str>, &str) {
    let name = text.split('@').next().unwrap_or_default();
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let name = match name[slash..].find(':') {
        Some(colon) => &name[..slash + colon],
        None => name,
    };
    match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
            (Some(host), path)
        }
        _ => (None, name),
    }
}

fn explain(error: &ParseError, text: &str) -> String {
    let path = split_host(text).1;
    if path.chars().any(|c| c.is_ascii_uppercase()) {
        return format!("repository name ({path}) must be lowercase");
    }
    match error {
        ParseError::ReferenceInvalidFormat => format!(
            "it must be `[HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST]`; without a tag it means `{TAG_DEFAULT}`"
        ),
        other => other.to_string(),
    }
}

/// As much of somebody's text as an error should repeat.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn names_are_read_by_dockers_rules_without_its_default_registry() {
        let pinned = format!("localhost/web:1@{DIGEST}");
        let by_digest = format!("127.0.0.1:5000/a/web@{DIGEST}");
        let table = [
            // text, host, repository, tag, shown
            ("web", None, "web", Some("latest"), "web:latest"),
            ("web:1.0", None, "web", Some("1.0"), "web:1.0"),
            ("me/web", None, "me/web", Some("latest"), "me/web:latest"),
            ("ghcr.io/me/web:x", Some("ghcr.io"), "me/web", Some("x"), "ghcr.io/me/web:x"),
            ("test.com:5000", None, "test.com", Some("5000"), "test.com:5000"),
            ("host:5000/web", Some("host:5000"), "web", Some("latest"), "host:5000/web:latest"),
            ("[::1]:5000/web", Some("[::1]:5000"), "web", Some("latest"), "[::1]:5000/web:latest"),
            (
                "docker.io/redis",
                Some("docker.io"),
                "library/redis",
                Some("latest"),
                "docker.io/library/redis:latest",
            ),
            (&pinned, Some("localhost"), "web", Some("1"), &pinned),
            (&by_digest, Some("127.0.0.1:5000"), "a/web", None, &by_digest),
        ];
        for (text, host, repository, tag, shown) in table {
            let name = ImageName::parse(text).expect(text);
            assert_eq!(name.host.as_deref(), host, "{text}");
            assert_eq!(name.repository, repository, "{text}");
            assert_eq!(name.tag.as_deref(), tag, "{text}");
            assert_eq!(name.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        let long = "a".repeat(300);
        let longer = "a".repeat(3000);
        for (text, reason) in [
            ("", "at least one component"),
            ("Web:1", "repository name (Web) must be lowercase"),
            ("ghcr.io/Me/web", "repository name (Me/web) must be lowercase"),
            ("web:", "it must be"),
            ("a b", "it must be"),
            ("web@sha256:12", "it must be"),
            ("[::1]:99999/web", "it must be"),
            ("[::1]/ghcr.io/web", "two hosts"),
            (long.as_str(), "255 characters"),
            (longer.as_str(), "1024 bytes"),
        ] {
            let error = ImageName::parse(text).expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["localhost.evil.com", "128.0.0.1", "[::2]", "example.com:5000", "127.0.0.1.nip.io"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_default_registry_goes_in_front() {
        let name = ImageName::parse("web:1").expect("a name");
        assert_eq!(name.under("ghcr.io/me/").expect("a name").to_string(), "ghcr.io/me/web:1");
    }
}
