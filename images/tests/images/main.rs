//! The store against real registries, hostile ones and crashes.

mod crash;
mod fake;
mod hostile;
mod local;
mod registry;
mod tokens;
mod wasm;
