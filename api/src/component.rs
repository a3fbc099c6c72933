//! What is known of an image without running it.

use std::fmt;
use std::str::FromStr;

use crate::Bytes;

/// A SHA-256 digest, written `sha256:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The 64 hex digits alone, as file names use them.
    pub fn hex(&self) -> String {
        use fmt::Write;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: it must be `sha256:` and 64 hex digits")]
pub struct DigestError(String);

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let bad = || DigestError(text.chars().take(100).collect());
        let hex = text.strip_prefix("sha256:").ok_or_else(bad)?;
        if hex.len() != 64 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(bad());
        }
        let mut raw = [0; 32];
        for (slot, at) in raw.iter_mut().zip((0..64).step_by(2)) {
            *slot = u8::from_str_radix(&hex[at..at + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(raw))
    }
}

/// What a component is, which follows from its exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkloadKind {
    /// Exports `wasi:cli/run`: runs until it returns.
    Command,
    /// Exports `wasi:http/incoming-handler`: an instance per request.
    Http,
}

impl fmt::Display for WorkloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Command => "wasi:cli/command",
            Self::Http => "wasi:http/proxy",
        })
    }
}

/// An image of the local store, as `image ls` and `image inspect` show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// The names that point to it, `registry/name:tag`.
    pub tags: Vec<String>,
    /// The digest of its manifest: what a tag resolves to and a task runs.
    pub digest: Digest,
    /// The digest of the component itself.
    pub component: Digest,
    /// The component's size.
    pub size: Bytes,
    /// What kind of workload it is.
    pub kind: WorkloadKind,
    /// What it imports, `wasi:http/types@0.2.3`.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// When it came into this store, seconds since 1970.
    pub created_secs: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_survive_being_written_and_read() {
        let digest = Digest(std::array::from_fn(|i| i as u8 * 7));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for bad in
            ["", "sha256:", "md5:00", &"sha256:G".repeat(9), &format!("sha256:{}", "A".repeat(64))]
        {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
