//! The node's sockets, and who may use them.
//!
//! A unix socket is its owner's (or its group's). A TCP one asks for a client certificate, on loopback
//! too: any program of any user may connect there, and so may a page in a browser. With
//! `--insecure-loopback` it is served in clear, but not to browsers: whatever has an `Origin`, or a
//! `Host` that is no loopback name, is refused.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Uri, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use skep_api::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::config::{Listen, NodeConfig};
use crate::routes::Routes;
use crate::tls;

/// Connections at once on one socket. A client holds one or two; a thousand is a fault or an attack.
const CONNECTIONS_MAX: usize = 1024;
/// A client that says nothing for so long after connecting is let go.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait when no more files can be opened, before trying again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who a socket lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The socket itself keeps others out.
    Closed,
    /// Loopback in clear: no browsers.
    OpenLoopback,
}

/// Opens all sockets, then serves them until `stop`; returns what they are, for a person to read.
pub(crate) async fn open(
    config: &NodeConfig,
    routes: &Routes,
    stop: &CancellationToken,
) -> Result<Vec<String>> {
    let mut places = Vec::new();
    for listen in &config.listen {
        match listen {
            Listen::Unix(path) => {
                let listener = bind_unix(path, config.group.as_deref())?;
                places.push(format!("unix://{}", path.display()));
                tokio::spawn(serve_unix(listener, routes.clone(), stop.clone()));
            }
            Listen::Tcp(address) => places.push(open_tcp(address, config, routes, stop).await?),
        }
    }
    Ok(places)
}

async fn open_tcp(
    address: &str,
    config: &NodeConfig,
    routes: &Routes,
    stop: &CancellationToken,
) -> Result<String> {
    let failed = |error: io::Error| {
        Error::new(ErrorKind::Unavailable, format!("can't listen on tcp://{address}: {error}"))
            .hint("give -H an address of this machine and a port that is free")
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let acceptor = match &config.tls {
        Some(files) => Some(tls::acceptor(files)?),
        None if config.insecure_loopback && bound.ip().is_loopback() => None,
        None => {
            return Err(Error::invalid(format!("tcp://{bound} needs certificates")).hint(
                "give --tlscacert, --tlscert and --tlskey, or for loopback --insecure-loopback",
            ));
        }
    };
    let how = if acceptor.is_some() { "client certificates" } else { "in clear" };
    tokio::spawn(serve_tcp(listener, acceptor, routes.clone(), stop.clone()));
    Ok(format!("tcp://{bound} ({how})"))
}

/// Binds the socket for its owner alone, or for a group as well. A dead node's socket is replaced; one
/// that somebody listens on is not.
fn bind_unix(path: &Path, group: Option<&str>) -> Result<UnixListener> {
    let failed = |error: io::Error| {
        Error::new(
            ErrorKind::Unavailable,
            format!("can't listen on unix://{}: {error}", path.display()),
        )
        .hint("give -H a path in a folder that you may write to")
    };
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    if path.exists() {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(failed(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another daemon listens there",
            )));
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    // Nobody may connect in the moment between making the socket and setting its mode.
    let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(mask);
    let listener = bound.map_err(failed)?;
    if let Some(group) = group {
        let gid = group_id(group)?;
        std::os::unix::fs::chown(path, None, Some(gid)).map_err(failed)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
    }
    Ok(listener)
}

fn group_id(group: &str) -> Result<u32> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    groups
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find_map(|fields| (fields.first() == Some(&group)).then(|| fields.get(2)?.parse().ok())?)
        .ok_or_else(|| {
            Error::invalid(format!("there is no group `{group}` on this machine"))
                .hint(format!("make it with `groupadd {group}`, or leave --group out"))
        })
}

async fn serve_unix(listener: UnixListener, routes: Routes, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let serving = serve(stream, Guard::Closed, routes.clone(), stop.clone());
                tokio::spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Err(error) => pause(&error).await,
        }
    }
}

async fn serve_tcp(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    routes: Routes,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, _) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause(&error).await;
                continue;
            }
        };
        let (acceptor, routes, stop) = (acceptor.clone(), routes.clone(), stop.clone());
        tokio::spawn(async move {
            match acceptor {
                None => serve(stream, Guard::OpenLoopback, routes, stop).await,
                Some(acceptor) => {
                    let shaken =
                        tokio::time::timeout(HEADER_TIMEOUT, acceptor.accept(stream)).await;
                    match shaken {
                        Ok(Ok(stream)) => serve(stream, Guard::Closed, routes, stop).await,
                        Ok(Err(error)) => tracing::debug!(%error, "a client was not let in"),
                        Err(_) => tracing::debug!("a client did not finish its TLS handshake"),
                    }
                }
            }
            drop(permit);
        });
    }
}

async fn pause(error: &io::Error) {
    tracing::warn!(%error, "a connection can't be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

async fn serve<S>(stream: S, guard: Guard, routes: Routes, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = tower::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let routes = routes.clone();
        async move { Ok::<_, std::convert::Infallible>(routes.answer(request, guard).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            return;
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a client's connection ended");
    }
}

/// Whether a request on open loopback may come from a browser's page: then why it is refused.
pub(crate) fn refused(guard: Guard, uri: &Uri, headers: &HeaderMap) -> Option<String> {
    if guard == Guard::Closed {
        return None;
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = String::from_utf8_lossy(origin.as_bytes()).into_owned();
        return Some(format!("requests of web pages are refused, this one came from {origin:?}"));
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host =
        host.or_else(|| uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default();
    if is_loopback(host) {
        return None;
    }
    Some(format!("the Host of a request must be a loopback name, got {host:?}"))
}

fn is_loopback(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_kept_from_open_loopback() {
        let uri = Uri::from_static("/info");
        let with = |pairs: &[(header::HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(name, value.parse().expect("a value"));
            }
            refused(Guard::OpenLoopback, &uri, &headers).is_none()
        };
        assert!(with(&[(header::HOST, "127.0.0.1:2375")]));
        assert!(with(&[(header::HOST, "localhost:2375")]));
        assert!(with(&[(header::HOST, "[::1]:2375")]));
        assert!(!with(&[(header::HOST, "evil.example:2375")]), "DNS rebinding");
        assert!(!with(&[(header::HOST, "192.0.2.1")]));
        assert!(!with(&[]));
        assert!(!with(&[(header::HOST, "localhost"), (header::ORIGIN, "http://localhost:3000")]));
        let headers = HeaderMap::new();
        assert_eq!(refused(Guard::Closed, &uri, &headers), None);
    }
}
