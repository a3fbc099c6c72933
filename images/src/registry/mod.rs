//! The way to and from a registry: the OCI distribution protocol over HTTP.
//!
//! The protocol's words (references, media types, error envelopes) come from `oci-client`. Its
//! requests do not: it reads manifests, tokens and error bodies without a limit, and a registry is
//! whoever a user names. Here every answer has one.
//!
//! - [`client`]: one HTTP client per session: which hosts may be plain, certificates, redirects.
//! - [`session`]: finds out how to speak to a registry, and who we are to it.
//! - [`transfer`]: manifests and blobs, both ways.

pub(crate) mod client;
pub(crate) mod session;
pub(crate) mod transfer;
