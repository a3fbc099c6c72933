//! The runtime with real components: those of `tests/guests`, and a few written by hand.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bench;
mod cache;
mod commands;
mod components;
mod files;
mod http;
mod sockets;
