//! What users may write: one file an object.
//!
//! An `admit_*` function looks at a view and a request and returns the changes to propose, or the
//! reason why not, in Swarm's words where Swarm has some. Nothing is half-admitted: changes come
//! only if all of a request is in order. If the store moved on before the changes arrive there, they
//! fail as a whole, and the caller admits the request again.

mod config;
mod name;
mod network;
mod node;
mod option;
mod port;
mod reference;
mod secret;
mod service;
mod spec;
mod stack;
mod swarm;
#[cfg(test)]
mod tests;

pub use self::config::{admit_create_config, admit_remove_config, admit_update_config};
pub use self::network::{INGRESS_NETWORK, admit_create_network, admit_remove_network};
pub use self::node::{Force, admit_remove_node, admit_update_node};
pub use self::secret::{admit_create_secret, admit_remove_secret, admit_update_secret};
pub use self::service::{
    ServiceWrite, admit_create_service, admit_remove_service, admit_update_service,
};
pub use self::spec::REPLICAS_MAX;
pub use self::stack::{Prune, StackAction, StackRequest, Verb, admit_remove_stack, admit_stack};
pub use self::swarm::{admit_init, admit_update_cluster};

use skep_api::{Error, ErrorKind, Id, Meta, Result, SpecVersion};

use crate::change::Change;

/// A request to make something, admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted<T> {
    /// The id that it will have.
    pub id: Id<T>,
    /// What to propose.
    pub changes: Vec<Change>,
}

/// Refuses a write by who read a version of the object from before its spec was last written. The
/// system writes objects too (a node's state, a service's ports), and a user's update must not fail
/// for that. `spec_version` is the version that the last write of the spec replaced, so that
/// everything above it will do.
fn check_sequence(read: u64, meta: &Meta, spec_version: SpecVersion) -> Result<()> {
    let is_current = read == meta.version || (read > spec_version.0 && read < meta.version);
    if is_current { Ok(()) } else { Err(out_of_sequence()) }
}

/// The writer did not read what is stored now.
fn out_of_sequence() -> Error {
    Error::new(ErrorKind::OutOfSequence, "update out of sequence")
        .hint("it was changed in the meantime: look at it again, then repeat the update")
}
