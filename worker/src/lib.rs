//! The worker: runs on a node what managers assign to it.
//!
//! An *agent* keeps the session with the managers' dispatcher; a *supervisor* asks
//! `skep-worker-core` for each task's next step and carries it out with the image store and the
//! sandbox; a *fabric* connects the tasks with each other, and *published ports* connect the world
//! with them; *volumes* and *logs* are what tasks leave on the disk.
//!
//! Invariants:
//! - a task is given what its own grant names and nothing else of what this node knows;
//! - a task reaches the services it shares a network with, and nothing else;
//! - the node listens on a port exactly while it is published;
//! - secrets are in memory only, and only while a task here uses them;
//! - losing the managers ends no task, and stopping the node tells them of no end.
//!
//! It decides nothing that managers decide, and knows nothing of the store or of Raft. It starts
//! as cheaply as it can: an idle worker is two futures that wait, and no open file.

mod agent;
mod clock;
mod engine;
mod fabric;
mod logs;
mod plan;
mod publish;
mod reports;
mod supervisor;
#[cfg(test)]
mod testing;
mod volumes;
mod worker;

pub use logs::{Follow, LOG_MAX_DEFAULT, LogLine, LogOptions, LogSelection, LogStream, Logs};
pub use volumes::{VolumeError, VolumeInfo, Volumes};
pub use worker::{Worker, WorkerConfig};
