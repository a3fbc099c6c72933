//! The place where a network hands connections to a guest that listens.
//!
//! The network keeps the [`ListenerHandle`], the guest's socket the [`Listener`]. Either side ends
//! it: the guest's `accept` then fails with connection-aborted, offers are given back, and
//! connections that nobody accepted are reset.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::Connection;

/// How many connections may wait to be accepted, whatever a guest asks for; Linux has the same.
pub const BACKLOG_MAX: usize = 4096;

/// A place to listen at `addr`, where `backlog` connections may wait.
pub fn listener(addr: SocketAddr, backlog: usize) -> (ListenerHandle, Listener) {
    let backlog = backlog.clamp(1, BACKLOG_MAX);
    let queue = Arc::new(Queue { addr, state: Mutex::new(State { backlog, ..State::default() }) });
    (ListenerHandle(queue.clone()), Listener(queue))
}

/// The network's side. Dropping it ends the listener.
#[derive(Debug)]
pub struct ListenerHandle(Arc<Queue>);

impl ListenerHandle {
    /// The address.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    /// Hands a connection over, or gives it back if nobody listens any more or too many wait.
    pub fn offer(&self, connection: Connection) -> Result<(), Connection> {
        let mut state = self.0.lock();
        if state.closed || state.waiting.len() >= state.backlog {
            return Err(connection);
        }
        state.waiting.push_back(connection);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    /// Whether the guest has stopped listening: the address is free again.
    pub fn is_closed(&self) -> bool {
        self.0.lock().closed
    }
}

impl Drop for ListenerHandle {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The guest's side. Dropping it ends the listener.
#[derive(Debug)]
pub struct Listener(Arc<Queue>);

impl Listener {
    /// The address.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    /// The next connection, if one waits; `None` once the listener has ended.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<Connection>> {
        let mut state = self.0.lock();
        if let Some(connection) = state.waiting.pop_front() {
            return Poll::Ready(Some(connection));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Waits until `poll_accept` would be ready.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.closed || !state.waiting.is_empty() {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// How many connections may wait from now on.
    pub fn set_backlog(&mut self, backlog: usize) {
        self.0.lock().backlog = backlog.clamp(1, BACKLOG_MAX);
    }

    /// What ends this listener from elsewhere.
    pub(crate) fn closer(&self) -> ListenerCloser {
        ListenerCloser(Arc::downgrade(&self.0))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Ends a listener, if it is still there.
#[derive(Debug)]
pub(crate) struct ListenerCloser(std::sync::Weak<Queue>);

impl ListenerCloser {
    /// Ends the listener.
    pub(crate) fn close(&self) {
        if let Some(queue) = self.0.upgrade() {
            queue.close();
        }
    }

    /// Whether it has ended already.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.upgrade().is_none_or(|queue| queue.lock().closed)
    }
}

#[derive(Debug)]
struct Queue {
    addr: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Connection>,
    backlog: usize,
    closed: bool,
    waker: Option<Waker>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing above can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let waiting = {
            let mut state = self.lock();
            state.closed = true;
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
            std::mem::take(&mut state.waiting)
        };
        for connection in waiting {
            connection.pipe.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::Pipe;

    fn connection() -> (Connection, Pipe) {
        let (near, far) = Pipe::pair();
        let addr = SocketAddr::from(([10, 0, 0, 1], 80));
        (Connection { pipe: near, local: addr, peer: addr }, far)
    }

    #[tokio::test]
    async fn connections_are_accepted_in_order_until_the_backlog_is_full() {
        let (handle, mut listener) = listener(SocketAddr::from(([10, 0, 0, 1], 80)), 2);
        for _ in 0..2 {
            assert!(handle.offer(connection().0).is_ok());
        }
        assert!(handle.offer(connection().0).is_err());
        assert!(poll_fn(|cx| listener.poll_accept(cx)).await.is_some());
        assert!(handle.offer(connection().0).is_ok());
    }

    #[tokio::test]
    async fn an_end_on_either_side_is_seen_on_the_other() {
        let addr = SocketAddr::from(([10, 0, 0, 1], 80));
        let (handle, mut gone) = listener(addr, 1);
        let (waiting, mut far) = connection();
        handle.offer(waiting).unwrap();
        drop(handle);
        assert!(poll_fn(|cx| gone.poll_accept(cx)).await.is_none());
        let error = tokio::io::AsyncReadExt::read_u8(&mut far).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

        let (handle, gone) = listener(addr, 1);
        drop(gone);
        assert!(handle.is_closed());
        assert!(handle.offer(connection().0).is_err());
    }
}
