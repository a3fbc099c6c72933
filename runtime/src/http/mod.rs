//! HTTP: requests that a handler answers, and requests that a guest sends.

mod body;
mod client;
mod handler;
mod headers;

pub(crate) use client::Client;
pub(crate) use handler::Handler;
pub use handler::{REQUESTS_MAX, REQUESTS_QUEUED_MAX, RequestCounts, ServeError};
