//! The Docker Engine API over Skep's own services, so that Docker's client, its SDKs and
//! dashboards can look at a swarm.
//!
//! This is the only place that knows Docker's JSON: the order of its fields, which of them are
//! left out when empty, how it writes times and durations. Paths are served as they are and
//! under `/v1.24` to `/v1.49` (semantics part 13). Everything is read over gRPC from the node it
//! runs on, so it sees what any other client sees: no content of a secret ever gets here, and
//! none is in an answer. It keeps no state and must not know the store, Raft or a worker.
//!
//! So far it reads. What Docker's API changes is answered with 501 and the command of `skep`
//! that does it.

mod api;
mod config;
mod failure;
mod filters;
mod generic;
mod image;
mod json;
mod later;
mod network;
mod node;
mod ping;
mod secret;
mod service;
mod swarm;
mod system;
mod task;
mod version;
mod volume;

use axum::Router;
use axum::routing::get;
use tonic::transport::Channel;

use crate::api::Api;

/// Docker's API over the services that `channel` leads to.
pub fn router(channel: Channel) -> Router {
    let routes = Router::new()
        .route("/_ping", get(ping::ping))
        .route("/version", get(system::version))
        .route("/info", get(system::info))
        .route("/swarm", get(swarm::inspect))
        .route("/nodes", get(node::list))
        .route("/nodes/{id}", get(node::inspect))
        .route("/services", get(service::list))
        .route("/services/{id}", get(service::inspect))
        .route("/tasks", get(task::list))
        .route("/tasks/{id}", get(task::inspect))
        .route("/secrets", get(secret::list))
        .route("/secrets/{id}", get(secret::inspect))
        .route("/configs", get(config::list))
        .route("/configs/{id}", get(config::inspect))
        .route("/networks", get(network::list))
        .route("/networks/{id}", get(network::inspect))
        .route("/volumes", get(volume::list))
        .route("/volumes/{name}", get(volume::inspect))
        .route("/images/json", get(image::list))
        .route("/images/{*path}", get(image::inspect))
        .fallback(later::answer)
        .method_not_allowed_fallback(later::answer)
        .with_state(Api::new(channel));
    version::negotiated(routes)
}
