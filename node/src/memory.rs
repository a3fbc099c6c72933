//! gRPC inside the process: a channel whose connections are pipes in memory.

use std::convert::Infallible;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tonic::transport::{Channel, Endpoint, Uri};

/// Bytes that may wait in each direction; gRPC's own flow control is finer.
const PIPE_BYTES: usize = 64 << 10;

/// A channel to `routes`. Connects when first used, and again if that connection ends.
pub(crate) fn channel(routes: Router) -> Channel {
    let connector = tower::service_fn(move |_: Uri| {
        let routes = routes.clone();
        async move {
            let (client, server) = tokio::io::duplex(PIPE_BYTES);
            tokio::spawn(async move {
                let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(server), TowerToHyperService::new(routes));
                if let Err(error) = serving.await {
                    tracing::debug!(%error, "an in-memory connection ended");
                }
            });
            Ok::<_, Infallible>(TokioIo::new(client))
        }
    });
    Endpoint::from_static("http://memory").connect_with_connector_lazy(connector)
}
