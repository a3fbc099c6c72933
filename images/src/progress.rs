//! How far a pull or a push has come, for whoever watches it.

use skep_api::{Bytes, Digest};

/// Somebody who watches a pull or a push.
pub trait Progress: Send + Sync {
    /// A blob has come this far. Called for every part that arrives, so it must be quick.
    fn report(&self, step: &ProgressStep);
}

/// One blob's progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressStep {
    /// The blob.
    pub digest: Digest,
    /// What happens to it.
    pub transfer: Transfer,
    /// How much of it is done.
    pub done: Bytes,
    /// How large it is.
    pub total: Bytes,
}

/// What happens to a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// It comes from the registry.
    Downloading,
    /// It is here and its digest is right.
    Downloaded,
    /// It goes to the registry.
    Uploading,
    /// The registry has it.
    Uploaded,
    /// It was there already.
    Exists,
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _step: &ProgressStep) {}
}
