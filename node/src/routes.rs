//! Which service answers a request: gRPC by HTTP/2, Docker's API by HTTP/1.1.

use std::sync::{Arc, RwLock};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use http::{Request, Response, StatusCode, Version, header};
use skep_api::{Error, ErrorKind};
use tower::ServiceExt;

use crate::listen::{Guard, refused};

/// The routes of a node. They change when it joins a swarm; open connections see the new ones.
#[derive(Clone)]
pub(crate) struct Routes(Arc<Inner>);

struct Inner {
    grpc: RwLock<Router>,
    docker: RwLock<Router>,
}

impl Routes {
    pub(crate) fn new() -> Self {
        let nothing = || RwLock::new(Router::new());
        Self(Arc::new(Inner { grpc: nothing(), docker: nothing() }))
    }

    /// From now on these answer. What is not among the gRPC services is answered by saying that the
    /// node is in no swarm.
    pub(crate) fn set_grpc(&self, routes: Router) {
        let routes = routes.fallback(not_in_a_swarm);
        *self.0.grpc.write().unwrap_or_else(std::sync::PoisonError::into_inner) = routes;
    }

    pub(crate) fn set_docker(&self, routes: Router) {
        *self.0.docker.write().unwrap_or_else(std::sync::PoisonError::into_inner) = routes;
    }

    /// A router that answers as these routes do at the time of the request.
    pub(crate) fn grpc(&self) -> Router {
        let routes = self.clone();
        Router::new().fallback(move |request: Request<Body>| async move {
            let router = routes.current_grpc();
            call(router, request).await
        })
    }

    fn current_grpc(&self) -> Router {
        self.0.grpc.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn current_docker(&self) -> Router {
        self.0.docker.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Answers a request that came in over a socket with that guard.
    pub(crate) async fn answer(
        &self,
        request: Request<hyper::body::Incoming>,
        guard: Guard,
    ) -> Response<Body> {
        if let Some(why) = refused(guard, request.uri(), request.headers()) {
            let body = serde_json::json!({ "message": why }).to_string();
            let json = [(header::CONTENT_TYPE, "application/json")];
            return (StatusCode::FORBIDDEN, json, body).into_response();
        }
        let grpc = request.version() == Version::HTTP_2;
        let router = if grpc { self.current_grpc() } else { self.current_docker() };
        call(router, request.map(Body::new)).await
    }
}

async fn call(router: Router, request: Request<Body>) -> Response<Body> {
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

async fn not_in_a_swarm() -> Response<Body> {
    skep_wire::to_status(&no_swarm()).into_http()
}

/// What every cluster command answers on a node that is in no swarm.
pub(crate) fn no_swarm() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "This node is not a swarm manager. Use \"skep swarm init\" to connect this node to swarm and try again.",
    )
}
