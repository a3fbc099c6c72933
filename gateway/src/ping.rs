//! The first thing a client asks: who is there, and in which swarm.

use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use skep_wire::pb::InfoResponse;

use crate::api::Api;

const SWARM: HeaderName = HeaderName::from_static("swarm");
const BUILDER: HeaderName = HeaderName::from_static("builder-version");

/// `GET /_ping` and `HEAD /_ping`.
pub(crate) async fn ping(State(api): State<Api>) -> impl IntoResponse {
    let swarm = match api.info().await {
        Ok(info) => swarm(&info),
        Err(_) => "error".to_owned(),
    };
    let headers = [
        (BUILDER, "2".to_owned()),
        (SWARM, swarm),
        (header::CACHE_CONTROL, "no-cache, no-store, must-revalidate".to_owned()),
        (header::PRAGMA, "no-cache".to_owned()),
    ];
    (headers, "OK")
}

/// The node's part in a swarm, `active/manager`.
fn swarm(info: &InfoResponse) -> String {
    match info.state.as_str() {
        "active" if info.manager => "active/manager".to_owned(),
        "active" => "active/worker".to_owned(),
        // The words are plain ones; a header can't hold others.
        state => state.chars().filter(char::is_ascii_graphic).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_what_part_the_node_has() {
        for (state, manager, expected) in [
            ("inactive", false, "inactive"),
            ("locked", false, "locked"),
            ("active", true, "active/manager"),
            ("active", false, "active/worker"),
        ] {
            let info = InfoResponse { state: state.to_owned(), manager, ..Default::default() };
            assert_eq!(swarm(&info), expected);
        }
    }
}
