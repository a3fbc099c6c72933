//! Every decision that managers make, as functions.
//!
//! This crate is the heart of a swarm: what is stored, what users may write, and what managers do
//! about it by themselves. It knows no clock, no random source, no network, no disk and no thread:
//! time and ids are passed in, changes are returned. The shell around it (the `skep-manager` crate)
//! puts changes through raft and carries what comes out to people and nodes; the simulator runs the
//! same functions in virtual time.
//!
//! - [`Store`] is the state. [`Store::apply`] takes one raft [`Entry`], all of it or nothing, and
//!   tells what happened as [`Event`]s. [`Store::view`] is a [`View`]: a snapshot that costs nothing
//!   to take, with every question that can be asked. [`View::snapshot`] and [`Store::restore`] turn
//!   the store into data and back.
//! - [`Change`] is the only way that the store moves.
//! - `admit_*` turn what a user asks into changes, or into the reason why not.
//! - [`decide`] turns a view and what is [`Dirty`] into changes; [`wake_at`] says when to call it
//!   though nothing happened. Both keep nothing between calls: the view says it all.
//! - [`explain_service`] says why tasks are where they are or nowhere, and what an update waits for.
//! - [`assignments`] is what one node is to know, [`grant`] what one task may touch, and [`diff`]
//!   what to send to a node that knows something already.
//!
//! Invariants: the same inputs give the same decisions, byte for byte. One task a slot is wanted at
//! any time. Observed states move forward, desired states upwards. Tasks share their spec. Each
//! "no" says why. A decision about a service costs what that service is worth, however many others
//! there are: everything else is answered by an index of the store.

mod admit;
mod assign;
mod change;
mod decide;
mod draft;
mod expand;
mod explain;
mod path;
#[cfg(feature = "planted-bugs")]
pub mod planted;
mod revise;
mod status;
mod store;
#[cfg(test)]
mod testing;

pub use admit::{
    Admitted, Force, INGRESS_NETWORK, Prune, REPLICAS_MAX, ServiceWrite, StackAction, StackRequest,
    Verb, admit_create_config, admit_create_network, admit_create_secret, admit_create_service,
    admit_init, admit_remove_config, admit_remove_network, admit_remove_node, admit_remove_secret,
    admit_remove_service, admit_remove_stack, admit_stack, admit_update_cluster,
    admit_update_config, admit_update_node, admit_update_secret, admit_update_service,
};
pub use assign::{assignments, diff, grant};
pub use change::{Change, ENTRY_BYTES_MAX, ENTRY_CHANGES_MAX, Entry, Key, Object};
pub use decide::{
    Decision, Dirty, PASS_CHANGES_MAX, UpdateReason, UpdateWait, decide, is_up_to_date, start_at,
    waits_for, wake_at,
};
pub use explain::{Explanation, explain_service, explain_task};
pub use revise::REVISIONS_MAX;
pub use status::{ServiceStatus, service_status, service_status_of};
pub use store::{
    ApplyError, Event, Happened, KeptSpec, RestoreError, Snapshot, Store, TaskEvent, TaskHappened,
    View,
};
