//! `wasi:sockets/tcp` on our sockets.

use wasmtime::component::{Resource, ResourceTableError};
use wasmtime_wasi::p2::bindings::sockets::network::{
    self, ErrorCode, IpAddressFamily, IpSocketAddress, Network,
};
use wasmtime_wasi::p2::bindings::sockets::tcp::{self, HostTcpSocket, ShutdownType};
use wasmtime_wasi::p2::bindings::sockets::{tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, SocketError, SocketResult, TcpSocket as Handle,
    UdpSocket, subscribe,
};

use super::tcp::{Family, State, TcpSocket};
use super::{SocketsView, error_code};

type Streams = (Resource<DynInputStream>, Resource<DynOutputStream>);

impl tcp_create_socket::Host for SocketsView<'_> {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<Handle>> {
        let family = match family {
            IpAddressFamily::Ipv4 => Family::V4,
            IpAddressFamily::Ipv6 => Family::V6,
        };
        let permit = self.task.sockets.acquire().map_err(error_code)?;
        let socket = self.table.push(TcpSocket::new(family, permit))?;
        Ok(Resource::new_own(socket.rep()))
    }
}

impl udp_create_socket::Host for SocketsView<'_> {
    async fn create_udp_socket(
        &mut self,
        _family: IpAddressFamily,
    ) -> SocketResult<Resource<UdpSocket>> {
        Err(ErrorCode::NotSupported.into())
    }
}

impl network::Host for SocketsView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        let error = self.table.get(&error)?;
        Ok(error.downcast_ref::<std::io::Error>().map(ErrorCode::from))
    }
}

impl network::HostNetwork for SocketsView<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.table.delete(network)?;
        Ok(())
    }
}

impl tcp::Host for SocketsView<'_> {}

impl HostTcpSocket for SocketsView<'_> {
    async fn start_bind(
        &mut self,
        this: Resource<Handle>,
        _network: Resource<Network>,
        addr: IpSocketAddress,
    ) -> SocketResult<()> {
        Ok(self.socket(&this)?.start_bind(addr.into())?)
    }

    fn finish_bind(&mut self, this: Resource<Handle>) -> SocketResult<()> {
        Ok(self.socket(&this)?.finish_bind()?)
    }

    fn start_connect(
        &mut self,
        this: Resource<Handle>,
        _network: Resource<Network>,
        to: IpSocketAddress,
    ) -> SocketResult<()> {
        let task = self.task.clone();
        Ok(self.socket(&this)?.start_connect(&task, to.into())?)
    }

    fn finish_connect(&mut self, this: Resource<Handle>) -> SocketResult<Streams> {
        let connection = self.socket(&this)?.finish_connect()?;
        self.open(&ours(&this), connection)
    }

    async fn start_listen(&mut self, this: Resource<Handle>) -> SocketResult<()> {
        let task = self.task.clone();
        Ok(self.socket(&this)?.start_listen(&task)?)
    }

    fn finish_listen(&mut self, this: Resource<Handle>) -> SocketResult<()> {
        Ok(self.socket(&this)?.finish_listen()?)
    }

    fn accept(
        &mut self,
        this: Resource<Handle>,
    ) -> SocketResult<(Resource<Handle>, Resource<DynInputStream>, Resource<DynOutputStream>)> {
        // Checked first: a connection that was taken from the queue and not given on would be lost.
        let permit = self.task.sockets.acquire().map_err(error_code)?;
        let listening = self.socket(&this)?;
        let connection = listening.accept()?;
        let accepted = listening.accepted(permit);
        let accepted = self.table.push(accepted)?;
        let (input, output) = self.open(&accepted, connection)?;
        Ok((Resource::new_own(accepted.rep()), input, output))
    }

    fn local_address(&mut self, this: Resource<Handle>) -> SocketResult<IpSocketAddress> {
        Ok(self.socket(&this)?.local().ok_or(ErrorCode::InvalidState)?.into())
    }

    fn remote_address(&mut self, this: Resource<Handle>) -> SocketResult<IpSocketAddress> {
        match self.socket(&this)?.state {
            State::Open { peer, .. } => Ok(peer.into()),
            _ => Err(ErrorCode::InvalidState.into()),
        }
    }

    fn is_listening(&mut self, this: Resource<Handle>) -> wasmtime::Result<bool> {
        Ok(matches!(self.socket(&this)?.state, State::Listening(_)))
    }

    fn address_family(&mut self, this: Resource<Handle>) -> wasmtime::Result<IpAddressFamily> {
        Ok(match self.socket(&this)?.family {
            Family::V4 => IpAddressFamily::Ipv4,
            Family::V6 => IpAddressFamily::Ipv6,
        })
    }

    fn set_listen_backlog_size(&mut self, this: Resource<Handle>, size: u64) -> SocketResult<()> {
        let size = usize::try_from(positive(size)?).unwrap_or(usize::MAX);
        let socket = self.socket(&this)?;
        socket.backlog = size;
        if let State::StartingToListen(listener) | State::Listening(listener) = &mut socket.state {
            listener.set_backlog(size);
        }
        Ok(())
    }

    fn keep_alive_enabled(&mut self, this: Resource<Handle>) -> SocketResult<bool> {
        Ok(self.socket(&this)?.options.keep_alive)
    }

    fn set_keep_alive_enabled(&mut self, this: Resource<Handle>, on: bool) -> SocketResult<()> {
        self.socket(&this)?.options.keep_alive = on;
        Ok(())
    }

    fn keep_alive_idle_time(&mut self, this: Resource<Handle>) -> SocketResult<u64> {
        Ok(self.socket(&this)?.options.keep_alive_idle_ns)
    }

    fn set_keep_alive_idle_time(&mut self, this: Resource<Handle>, ns: u64) -> SocketResult<()> {
        self.socket(&this)?.options.keep_alive_idle_ns = positive(ns)?;
        Ok(())
    }

    fn keep_alive_interval(&mut self, this: Resource<Handle>) -> SocketResult<u64> {
        Ok(self.socket(&this)?.options.keep_alive_interval_ns)
    }

    fn set_keep_alive_interval(&mut self, this: Resource<Handle>, ns: u64) -> SocketResult<()> {
        self.socket(&this)?.options.keep_alive_interval_ns = positive(ns)?;
        Ok(())
    }

    fn keep_alive_count(&mut self, this: Resource<Handle>) -> SocketResult<u32> {
        Ok(self.socket(&this)?.options.keep_alive_count)
    }

    fn set_keep_alive_count(&mut self, this: Resource<Handle>, count: u32) -> SocketResult<()> {
        self.socket(&this)?.options.keep_alive_count = positive(count)?;
        Ok(())
    }

    fn hop_limit(&mut self, this: Resource<Handle>) -> SocketResult<u8> {
        Ok(self.socket(&this)?.options.hop_limit)
    }

    fn set_hop_limit(&mut self, this: Resource<Handle>, limit: u8) -> SocketResult<()> {
        self.socket(&this)?.options.hop_limit = positive(limit)?;
        Ok(())
    }

    fn receive_buffer_size(&mut self, this: Resource<Handle>) -> SocketResult<u64> {
        Ok(self.socket(&this)?.options.receive_buffer)
    }

    fn set_receive_buffer_size(&mut self, this: Resource<Handle>, size: u64) -> SocketResult<()> {
        self.socket(&this)?.options.receive_buffer = positive(size)?;
        Ok(())
    }

    fn send_buffer_size(&mut self, this: Resource<Handle>) -> SocketResult<u64> {
        Ok(self.socket(&this)?.options.send_buffer)
    }

    fn set_send_buffer_size(&mut self, this: Resource<Handle>, size: u64) -> SocketResult<()> {
        self.socket(&this)?.options.send_buffer = positive(size)?;
        Ok(())
    }

    fn subscribe(&mut self, this: Resource<Handle>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, ours(&this))
    }

    fn shutdown(&mut self, this: Resource<Handle>, how: ShutdownType) -> SocketResult<()> {
        let State::Open { receiver, sender, .. } = &self.socket(&this)?.state else {
            return Err(ErrorCode::InvalidState.into());
        };
        if let ShutdownType::Receive | ShutdownType::Both = how {
            receiver.shutdown();
        }
        if let ShutdownType::Send | ShutdownType::Both = how {
            sender.shutdown();
        }
        Ok(())
    }

    fn drop(&mut self, this: Resource<Handle>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<TcpSocket>::new_own(this.rep()))?;
        Ok(())
    }
}

impl SocketsView<'_> {
    fn socket(&mut self, handle: &Resource<Handle>) -> Result<&mut TcpSocket, ResourceTableError> {
        self.table.get_mut(&ours(handle))
    }

    fn open(
        &mut self,
        socket: &Resource<TcpSocket>,
        connection: crate::Connection,
    ) -> SocketResult<Streams> {
        let (receiver, sender) = self.table.get_mut(socket)?.open(connection);
        let input: DynInputStream = Box::new(receiver);
        let output: DynOutputStream = Box::new(sender);
        Ok((self.table.push_child(input, socket)?, self.table.push_child(output, socket)?))
    }
}

fn ours(handle: &Resource<Handle>) -> Resource<TcpSocket> {
    Resource::new_borrow(handle.rep())
}

/// Options can't be zero.
fn positive<N: Default + PartialEq>(value: N) -> Result<N, ErrorCode> {
    if value == N::default() { Err(ErrorCode::InvalidArgument) } else { Ok(value) }
}
