//! Virtual sockets: `wasi:sockets` on the task's network.
//!
//! A socket here is no socket of the host: it is a [`Listener`](crate::Listener) or one end of a
//! [`Pipe`](crate::Pipe) that the plan's [`Network`](crate::Network) gave. TCP behaves as a program
//! written for the real one expects, down to the errors. There are no datagrams: making a UDP
//! socket fails with not-supported.
//!
//! The bindings type a guest's handles as wasmtime-wasi's sockets; ours lie in the same table and are
//! found by their index.

mod host;
mod lookup;
mod streams;
mod tcp;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;

use crate::NetworkError;
use crate::task::Task;

/// Everything a call on sockets works on.
pub(crate) struct SocketsView<'a> {
    pub(crate) table: &'a mut ResourceTable,
    pub(crate) task: &'a Arc<Task>,
}

/// The type that stands for [`SocketsView`] in the linker.
pub(crate) struct HasSockets;

impl HasData for HasSockets {
    type Data<'a> = SocketsView<'a>;
}

/// Counts the sockets of a task.
#[derive(Debug)]
pub(crate) struct SocketQuota {
    max: u32,
    held: AtomicU32,
}

/// The right to hold one socket.
#[derive(Debug)]
pub(crate) struct SocketPermit(Arc<SocketQuota>);

impl SocketQuota {
    pub(crate) fn new(max: u32) -> Arc<Self> {
        Arc::new(Self { max, held: AtomicU32::new(0) })
    }

    /// One more socket, if the task may have it.
    pub(crate) fn acquire(self: &Arc<Self>) -> Result<SocketPermit, NetworkError> {
        let held_before = self.held.fetch_add(1, Ordering::Relaxed);
        let permit = SocketPermit(self.clone());
        if held_before < self.max { Ok(permit) } else { Err(NetworkError::LimitReached) }
    }
}

impl Drop for SocketPermit {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a guest is told.
fn error_code(error: NetworkError) -> ErrorCode {
    match error {
        NetworkError::NameUnknown => ErrorCode::NameUnresolvable,
        NetworkError::NameUnavailable => ErrorCode::TemporaryResolverFailure,
        NetworkError::AccessDenied => ErrorCode::AccessDenied,
        NetworkError::ConnectionRefused => ErrorCode::ConnectionRefused,
        NetworkError::ConnectionReset => ErrorCode::ConnectionReset,
        NetworkError::Unreachable => ErrorCode::RemoteUnreachable,
        NetworkError::TimedOut => ErrorCode::Timeout,
        NetworkError::AddressInUse => ErrorCode::AddressInUse,
        NetworkError::AddressNotBindable => ErrorCode::AddressNotBindable,
        NetworkError::LimitReached => ErrorCode::NewSocketLimit,
        NetworkError::NotSupported => ErrorCode::NotSupported,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_holds_no_more_sockets_than_it_may() {
        let quota = SocketQuota::new(2);
        let first = quota.acquire().unwrap();
        let _second = quota.acquire().unwrap();
        assert_eq!(quota.acquire().unwrap_err(), NetworkError::LimitReached);
        drop(first);
        assert!(quota.acquire().is_ok());
    }
}
