//! What Docker's API has and the gateway does not do: 501 and who does it. Anything else is no
//! page at all.

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use http_body_util::BodyExt;

use crate::failure::Failure;

/// A request of Docker's API, and the command of `skep` that does the same.
struct Known {
    method: &'static str,
    /// `*` stands for one part of a path, `**` for several.
    path: &'static str,
    instead: &'static str,
}

const fn known(method: &'static str, path: &'static str, instead: &'static str) -> Known {
    Known { method, path, instead }
}

const KNOWN: [Known; 42] = [
    known("POST", "/swarm/init", "skep swarm init"),
    known("POST", "/swarm/join", ""),
    known("POST", "/swarm/leave", ""),
    known("POST", "/swarm/update", "skep swarm update"),
    known("POST", "/swarm/unlock", ""),
    known("GET", "/swarm/unlockkey", ""),
    known("POST", "/nodes/*/update", "skep node update"),
    known("DELETE", "/nodes/*", "skep node rm"),
    known("POST", "/services/create", "skep service create"),
    known("POST", "/services/*/update", "skep service update"),
    known("DELETE", "/services/*", "skep service rm"),
    known("GET", "/services/*/logs", "skep service logs"),
    known("GET", "/tasks/*/logs", "skep service logs"),
    known("POST", "/secrets/create", "skep secret create"),
    known("POST", "/secrets/*/update", ""),
    known("DELETE", "/secrets/*", "skep secret rm"),
    known("POST", "/configs/create", "skep config create"),
    known("POST", "/configs/*/update", ""),
    known("DELETE", "/configs/*", "skep config rm"),
    known("POST", "/networks/create", "skep stack deploy"),
    known("POST", "/networks/prune", ""),
    known("POST", "/networks/*/connect", ""),
    known("POST", "/networks/*/disconnect", ""),
    known("DELETE", "/networks/*", "skep stack rm"),
    known("POST", "/volumes/create", "skep service create --mount"),
    known("POST", "/volumes/prune", ""),
    known("PUT", "/volumes/*", ""),
    known("DELETE", "/volumes/*", "skep volume rm"),
    known("POST", "/images/create", "skep image pull"),
    known("POST", "/images/load", "skep image load"),
    known("POST", "/images/prune", ""),
    known("GET", "/images/search", ""),
    known("GET", "/images/get", ""),
    known("POST", "/images/**/push", "skep image push"),
    known("POST", "/images/**/tag", "skep image load -t"),
    known("GET", "/images/**/history", ""),
    known("DELETE", "/images/**", "skep image rm"),
    known("GET", "/distribution/**/json", ""),
    known("POST", "/auth", "skep login"),
    known("GET", "/events", ""),
    known("GET", "/system/df", ""),
    known("GET", "/containers/json", "skep service ps"),
];

/// What is read of a request that is refused: a config of full size (1 MB) in base64. Go's client
/// writes all of its request before it reads the answer, and would report a broken pipe.
const REFUSED_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The answer to what no route has.
pub(crate) async fn answer(request: Request) -> Failure {
    let (parts, body) = request.into_parts();
    drain(body).await;
    refuse(parts.method.as_str(), parts.uri.path())
}

async fn drain(mut body: Body) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, |data| data.len());
        if read > REFUSED_BYTES_MAX {
            return;
        }
    }
}

/// The answer to a request that nothing here serves.
pub(crate) fn refuse(method: &str, path: &str) -> Failure {
    refusal(method, path)
        .map_or_else(Failure::no_page, |message| Failure::new(StatusCode::NOT_IMPLEMENTED, message))
}

fn refusal(method: &str, path: &str) -> Option<String> {
    // A HEAD asks for what a GET would say.
    let method = if method == "HEAD" { "GET" } else { method };
    let parts: Vec<_> = path.split('/').collect();
    let known = KNOWN.iter().find(|known| {
        let pattern: Vec<_> = known.path.split('/').collect();
        known.method == method && matches(&pattern, &parts)
    })?;
    let refused = format!("{method} {} is not served over Docker's API yet", known.path);
    Some(match known.instead {
        "" => refused,
        command => format!("{refused}: use `{command}`"),
    })
}

fn matches(pattern: &[&str], parts: &[&str]) -> bool {
    match (pattern, parts) {
        ([], []) => true,
        (["**", rest @ ..], [_, more @ ..]) => matches(rest, more) || matches(pattern, more),
        (["*", rest @ ..], [part, more @ ..]) => !part.is_empty() && matches(rest, more),
        ([word, rest @ ..], [part, more @ ..]) => word == part && matches(rest, more),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_knows_is_told_from_what_nobody_knows() {
        for (method, path, command) in [
            ("POST", "/services/create", "skep service create"),
            ("DELETE", "/services/web", "skep service rm"),
            ("GET", "/services/web/logs", "skep service logs"),
            ("DELETE", "/images/127.0.0.1:5000/web:1.0", "skep image rm"),
            ("POST", "/images/127.0.0.1:5000/web/push", "skep image push"),
        ] {
            let message = refusal(method, path).unwrap_or_default();
            assert!(message.ends_with(&format!(": use `{command}`")), "{method} {path}: {message}");
        }
        let message = refusal("HEAD", "/distribution/127.0.0.1:5000/web:1.0/json");
        let expected = "GET /distribution/**/json is not served over Docker's API yet";
        assert_eq!(message.as_deref(), Some(expected));
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/nope"),
            ("POST", "/services"),
            ("DELETE", "/services/"),
            ("DELETE", "/services/a/b"),
            ("PATCH", "/services/create"),
            ("GET", "/containers/web/json"),
        ] {
            assert_eq!(refusal(method, path), None, "{method} {path}");
        }
    }
}
