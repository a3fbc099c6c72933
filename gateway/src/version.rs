//! Which version of Docker's API a path asks for (semantics part 13.1).

use std::convert::Infallible;

use axum::Router;
use axum::extract::Request;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use crate::failure::Failure;

/// The newest version that is served; the client goes no higher.
pub(crate) const API_VERSION: &str = "1.49";
/// The oldest version that is served.
pub(crate) const API_VERSION_MIN: &str = "1.24";

/// A version as `major.minor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

const NEWEST: Version = Version(1, 49);
const OLDEST: Version = Version(1, 24);

/// The routes with and without a version in front, each answer with the headers that say which
/// version it was given in.
pub(crate) fn negotiated(routes: Router) -> Router {
    Router::new().fallback(move |request: Request| async move {
        let mut response = answer(routes, request).await;
        let headers = response.headers_mut();
        headers.insert("API-Version", HeaderValue::from_static(API_VERSION));
        headers.insert("OSType", HeaderValue::from_static("linux"));
        headers.insert("Docker-Experimental", HeaderValue::from_static("false"));
        let server = concat!("Skep/", env!("CARGO_PKG_VERSION"), " (linux)");
        headers.insert(header::SERVER, HeaderValue::from_static(server));
        response
    })
}

async fn answer(routes: Router, mut request: Request) -> Response {
    match unversioned(request.uri()) {
        Ok(uri) => {
            *request.uri_mut() = uri;
            let Ok::<_, Infallible>(response) = routes.oneshot(request).await;
            response
        }
        Err(failure) => failure.into_response(),
    }
}

/// The path without its version, if that one is served.
fn unversioned(uri: &Uri) -> Result<Uri, Failure> {
    let Some((version, path)) = split(uri.path()) else { return Ok(uri.clone()) };
    let asked = parse(version).ok_or_else(Failure::no_page)?;
    if asked > NEWEST {
        return Err(Failure::invalid(format!(
            "client version {version} is too new. Maximum supported API version is {API_VERSION}"
        )));
    }
    if asked < OLDEST {
        return Err(Failure::invalid(format!(
            "client version {version} is too old. Minimum supported API version is \
             {API_VERSION_MIN}, please upgrade your client to a newer version"
        )));
    }
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let path: PathAndQuery = path.parse().map_err(|_| Failure::no_page())?;
    Ok(Uri::from(path))
}

/// `/v1.49/info` as `1.49` and `/info`.
fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/v")?;
    let (version, _) = rest.split_once('/')?;
    let is_version =
        !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_version.then(|| (version, &rest[version.len()..]))
}

fn parse(version: &str) -> Option<Version> {
    let (major, minor) = version.split_once('.')?;
    Some(Version(major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(path: &str) -> Result<String, Failure> {
        unversioned(&path.parse().expect("a path")).map(|uri| uri.to_string())
    }

    #[test]
    fn paths_lose_a_version_that_is_served() {
        for (path, expected) in [
            ("/info", "/info"),
            ("/v1.49/info", "/info"),
            ("/v1.24/services?status=1&filters=%7B%7D", "/services?status=1&filters=%7B%7D"),
            ("/volumes/v1", "/volumes/v1"),
            ("/version", "/version"),
            ("/v1.49/volumes/v1.2/x", "/volumes/v1.2/x"),
        ] {
            assert_eq!(ask(path).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn clients_that_are_too_new_or_too_old_are_told() {
        for (path, message) in [
            (
                "/v1.99/info",
                "client version 1.99 is too new. Maximum supported API version is 1.49",
            ),
            ("/v2.0/info", "client version 2.0 is too new. Maximum supported API version is 1.49"),
            (
                "/v1.12/info",
                "client version 1.12 is too old. Minimum supported API version is 1.24, \
                 please upgrade your client to a newer version",
            ),
        ] {
            assert_eq!(ask(path), Err(Failure::invalid(message)), "{path}");
        }
        for path in ["/v1/info", "/v1.2.3/info", "/v.1/info"] {
            assert_eq!(ask(path), Err(Failure::no_page()), "{path}");
        }
    }

    #[test]
    fn the_versions_are_the_same_as_text_and_as_numbers() {
        assert_eq!((parse(API_VERSION), parse(API_VERSION_MIN)), (Some(NEWEST), Some(OLDEST)));
    }
}
