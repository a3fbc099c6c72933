//! The simulator: the real cores of managers and workers in a world of virtual time and ill luck.
//!
//! [`run`] makes a world out of a seed and lets it go wrong: messages are lost, delayed and
//! repeated, nodes are cut off, processes crash and come back, the lead passes on while proposals
//! are on their way, users change their minds. After every entry of the store and every tick the
//! invariants are checked, one file each. Then the faults stop, and the cluster has to come to what
//! every service wants, or to say why not.
//!
//! The store is one object that all managers share, with one leader an epoch: raft itself stays
//! outside. Sandboxes are numbers that end when they do. Everything else is the code that runs in
//! production: `manager/core` decides, admits and assigns, `worker/core` takes the steps.
//!
//! A run is a function of its seed: no clock, no thread, no random source. Two runs of one seed are
//! the same to the byte.

mod agent;
mod chance;
mod converge;
mod dispatcher;
mod features;
mod group;
mod invariants;
mod manager;
mod network;
mod sandbox;
mod trace;
mod users;
mod worker;
mod world;
mod write;

pub use invariants::Violation;
#[cfg(feature = "planted-bugs")]
pub use skep_manager_core::planted;
pub use trace::Trace;
pub use world::{Report, Setting, run};
