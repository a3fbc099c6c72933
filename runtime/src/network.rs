//! What a sandbox may ask of the world outside: names, connections, places to listen.
//!
//! The runtime decides nothing here. Which names exist, which addresses a task has and whom it may
//! connect to is known to the [`Network`] that its plan came with.

use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;

use crate::{Listener, Pipe};

/// A task's way out.
#[async_trait]
pub trait Network: Send + Sync {
    /// The addresses behind a name.
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, NetworkError>;

    /// A connection to an address.
    async fn connect(&self, to: SocketAddr) -> Result<Connection, NetworkError>;

    /// A place to listen; for port 0 the network chooses one. The listener knows its address. Asked
    /// when a guest listens, not when it binds: an address is taken as long as its listener lives
    /// (see [`ListenerHandle::is_closed`](crate::ListenerHandle::is_closed)).
    fn listen(&self, at: SocketAddr) -> Result<Listener, NetworkError>;
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    /// The bytes.
    pub pipe: Pipe,
    /// The address of this end.
    pub local: SocketAddr,
    /// The address of the other end.
    pub peer: SocketAddr,
}

/// Why a network refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The name means nothing to this task.
    #[error("no such name")]
    NameUnknown,
    /// The name may mean something, but not now.
    #[error("the name can't be resolved now")]
    NameUnavailable,
    /// The task may not go there.
    #[error("access denied")]
    AccessDenied,
    /// Nobody listens there.
    #[error("connection refused")]
    ConnectionRefused,
    /// The other end broke the connection off.
    #[error("connection reset")]
    ConnectionReset,
    /// There is no way there.
    #[error("unreachable")]
    Unreachable,
    /// No answer in time.
    #[error("timed out")]
    TimedOut,
    /// Another socket of the task listens there.
    #[error("address in use")]
    AddressInUse,
    /// The task does not have that address.
    #[error("the address is not one of the task's")]
    AddressNotBindable,
    /// The task holds as many sockets as it may.
    #[error("too many sockets")]
    LimitReached,
    /// This network does not do that.
    #[error("not supported")]
    NotSupported,
}

impl From<NetworkError> for io::Error {
    fn from(error: NetworkError) -> Self {
        let kind = match error {
            NetworkError::NameUnknown | NetworkError::NameUnavailable => io::ErrorKind::NotFound,
            NetworkError::AccessDenied => io::ErrorKind::PermissionDenied,
            NetworkError::ConnectionRefused => io::ErrorKind::ConnectionRefused,
            NetworkError::ConnectionReset => io::ErrorKind::ConnectionReset,
            NetworkError::Unreachable => io::ErrorKind::HostUnreachable,
            NetworkError::TimedOut => io::ErrorKind::TimedOut,
            NetworkError::AddressInUse => io::ErrorKind::AddrInUse,
            NetworkError::AddressNotBindable => io::ErrorKind::AddrNotAvailable,
            NetworkError::LimitReached => io::ErrorKind::QuotaExceeded,
            NetworkError::NotSupported => io::ErrorKind::Unsupported,
        };
        Self::new(kind, error)
    }
}
