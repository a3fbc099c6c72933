//! The wire: the protobuf messages and services of `proto/`, and how they become the words of
//! `skep-api` and back.
//!
//! Nothing else in Skep knows a field number. What goes out converts with `From<&Domain>`, what
//! comes in with `TryFrom<pb::Message>`, and every "no" names the message and the field: a peer
//! or a damaged disk may send anything, and nothing here panics on it. No debug print of a
//! message shows a secret. The entries and snapshots of `raft.proto` are converted by the
//! manager, whose words they are.

mod assignment;
mod component;
mod error;
mod field;
mod grant;
mod image;
mod object;
mod redact;
mod service;
mod spec;
mod status;
mod task;

pub use error::WireError;
pub use status::{from_status, to_status};

/// The messages and services of `proto/*.proto`, with their clients and servers.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated code; proto/ has the docs"
)]
pub mod pb {
    tonic::include_proto!("skep.v1");
}

/// What a server reads of one request: a stack's deployment brings all its configs at once, and a
/// dozen of full size (1 MB) fit. Tonic's own limit, 4 MiB, would refuse five.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a client reads of one answer: lists come in one message, and 10,000 tasks with their
/// specs take some 20 MB. Larger than what servers read, since a client asked for it.
pub const ANSWER_BYTES_MAX: usize = 4 * MESSAGE_BYTES_MAX;
