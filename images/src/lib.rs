//! The images of a node: components in a content-addressed store on disk, and the way to and from
//! registries.
//!
//! An image is an OCI artifact in the CNCF wasm layout: a manifest, a config
//! `application/vnd.wasm.config.v0+json` and exactly one layer `application/wasm`. Its digest is
//! the digest of its manifest, the same in every store and registry.
//!
//! Invariants:
//! - A file under a digest's name has that digest: it is written elsewhere, checked, synced and
//!   renamed, so that neither a crash nor a lying registry leaves anything else there.
//! - A name in the index points to an image whose three blobs are all there.
//! - Nothing enters the store that the host could not run: it is a component, of a kind we know,
//!   and imports only what the host offers.
//! - Whatever a registry sends is read up to a named limit.
//! - A name without a host never means a registry that the operator did not name.
//!
//! It knows no service, task or node. That an image is in use is the caller's to know.

mod artifact;
mod auth;
mod blobs;
mod component;
mod error;
mod index;
mod name;
mod progress;
mod registry;
mod store;

pub use auth::{Auth, default_docker_config};
pub use error::{ImageError, NotRunnable};
pub use progress::{Progress, ProgressStep, Silent, Transfer};
pub use store::{Force, ImageStore, ImagesConfig, LocalComponent, Removed, Resolved};
