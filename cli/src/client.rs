//! The way to the daemon: gRPC over its socket, and Docker's JSON by HTTP/1.1 on the same one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use skep_wire::pb::control_client::ControlClient;
use skep_wire::pb::logs_client::LogsClient;
use skep_wire::pb::node_control_client::NodeControlClient;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::args::Connect;
use crate::error::{CliError, CliResult};
use crate::tls;

/// A JSON answer holds at most so much: an `inspect` of a stack with full configs is a few MB.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Where the daemon is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Unix(PathBuf),
    Tcp(String),
}

impl Address {
    /// Reads `unix:///path` or `tcp://host:port`.
    pub(crate) fn parse(text: &str) -> CliResult<Self> {
        if let Some(path) = text.strip_prefix("unix://") {
            if path.starts_with('/') {
                return Ok(Self::Unix(path.into()));
            }
        } else if let Some(address) = text.strip_prefix("tcp://") {
            let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_some() {
                return Ok(Self::Tcp(address.trim_end_matches('/').to_owned()));
            }
        }
        Err(CliError::new(format!("`{text}` is not an address of a daemon"))
            .hint("use unix:///path/to/skep.sock or tcp://host:port"))
    }

    /// `/run/skep/skep.sock` for root, else `$XDG_RUNTIME_DIR/skep/skep.sock`.
    pub(crate) fn default_socket() -> Self {
        Self::Unix(skep_node::default_socket())
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A client of one daemon. Connects when first used.
#[derive(Clone)]
pub(crate) struct Client {
    address: Address,
    tls: Option<Arc<rustls::ClientConfig>>,
    channel: Channel,
}

impl Client {
    /// A client for the address that flags and environment name.
    pub(crate) fn new(connect: &Connect) -> CliResult<Self> {
        let address = match connect.hosts.as_slice() {
            [] => Address::default_socket(),
            [host] => Address::parse(host)?,
            _ => return Err(CliError::new("specify only one -H")),
        };
        let tls = tls::client_config(connect)?;
        let connector = {
            let (address, tls) = (address.clone(), tls.clone());
            tower::service_fn(move |_: Uri| {
                let (address, tls) = (address.clone(), tls.clone());
                async move { open(&address, tls).await.map(TokioIo::new) }
            })
        };
        let channel =
            Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector);
        Ok(Self { address, tls, channel })
    }

    pub(crate) fn control(&self) -> ControlClient<Channel> {
        ControlClient::new(self.channel.clone())
            .max_decoding_message_size(skep_wire::MESSAGE_BYTES_MAX)
            .max_encoding_message_size(skep_wire::MESSAGE_BYTES_MAX)
    }

    pub(crate) fn node(&self) -> NodeControlClient<Channel> {
        NodeControlClient::new(self.channel.clone())
    }

    pub(crate) fn logs(&self) -> LogsClient<Channel> {
        LogsClient::new(self.channel.clone())
    }

    /// Says plainly if there is no daemon: every command does this first, because the errors of the
    /// transport below tell nobody what to do.
    pub(crate) async fn check(&self) -> CliResult<()> {
        open(&self.address, self.tls.clone())
            .await
            .map(drop)
            .map_err(|error| self.no_daemon(&error))
    }

    fn no_daemon(&self, error: &std::io::Error) -> CliError {
        let place = match &self.address {
            Address::Unix(path) => format!("unix://{}", path.display()),
            Address::Tcp(address) => format!("tcp://{address}"),
        };
        let message = format!("Cannot connect to the Skep daemon at {place}: {error}");
        CliError::new(message).hint(match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "run as the user who runs the daemon, or start it with `--group`".to_owned()
            }
            std::io::ErrorKind::InvalidData => {
                "give the client's certificate with --tlscert and --tlskey, the CA with --tlscacert"
                    .to_owned()
            }
            _ => "is it running? start one with `skep daemon`, or name its socket with -H or SKEP_HOST"
                .to_owned(),
        })
    }

    /// Gets a JSON document of Docker's API, without its version prefix: `/services/web`.
    pub(crate) async fn json(&self, path: &str) -> CliResult<Value> {
        let stream =
            open(&self.address, self.tls.clone()).await.map_err(|error| self.no_daemon(&error))?;
        let broken = |what: &dyn std::fmt::Display| {
            CliError::new(format!("the daemon's answer to {path} can't be read: {what}"))
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| broken(&e))?;
        tokio::spawn(connection);
        let request = http::Request::get(path)
            .header(http::header::HOST, "localhost")
            .body(Empty::<bytes::Bytes>::new())
            .map_err(|e| broken(&e))?;
        let response = sender.send_request(request).await.map_err(|e| broken(&e))?;
        let status = response.status();
        let body = http_body_util::Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await.map_err(|e| broken(&e))?.to_bytes();
        let value: Value = serde_json::from_slice(&body).map_err(|e| broken(&e))?;
        if status.is_success() {
            return Ok(value);
        }
        let message = value.get("message").and_then(Value::as_str).unwrap_or("no reason given");
        let mut error = CliError::new(format!("Error response from daemon: {message}"));
        error.hint = value.get("hint").and_then(Value::as_str).map(str::to_owned);
        Err(error)
    }
}

async fn open(
    address: &Address,
    tls: Option<Arc<rustls::ClientConfig>>,
) -> std::io::Result<Box<dyn Stream>> {
    match address {
        Address::Unix(path) => Ok(Box::new(open_unix(path).await?)),
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            match tls {
                None => Ok(Box::new(stream)),
                Some(config) => Ok(Box::new(tls::connect(config, address, stream).await?)),
            }
        }
    }
}

async fn open_unix(path: &Path) -> std::io::Result<UnixStream> {
    UnixStream::connect(path).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        assert_eq!(
            Address::parse("unix:///a/b.sock").ok(),
            Some(Address::Unix("/a/b.sock".into()))
        );
        assert_eq!(Address::parse("tcp://[::1]:80").ok(), Some(Address::Tcp("[::1]:80".into())));
        for bad in ["", "/a", "unix://rel", "tcp://host", "http://x:1", "tcp://x:99999"] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}
