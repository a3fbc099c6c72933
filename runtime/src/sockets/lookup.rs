//! Names: `wasi:sockets/ip-name-lookup` on the task's network.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{
    Host, HostResolveAddressStream, ResolveAddressStream,
};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, Pollable, SocketResult, subscribe};

use super::{SocketsView, error_code};
use crate::NetworkError;

/// The longest name of DNS.
const NAME_MAX: usize = 253;

type Answer = Result<std::vec::IntoIter<IpAddr>, NetworkError>;

/// The answer to one question.
enum Lookup {
    Waiting(Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, NetworkError>> + Send>>),
    Done(Answer),
}

impl Lookup {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<&mut Answer> {
        if let Self::Waiting(waiting) = self {
            let Poll::Ready(answer) = waiting.as_mut().poll(cx) else { return Poll::Pending };
            *self = Self::Done(answer.map(Vec::into_iter));
        }
        match self {
            Self::Done(answer) => Poll::Ready(answer),
            Self::Waiting(_) => Poll::Pending,
        }
    }
}

#[async_trait::async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        poll_fn(|cx| self.poll(cx).map(|_| ())).await;
    }
}

impl Host for SocketsView<'_> {
    fn resolve_addresses(
        &mut self,
        _network: Resource<Network>,
        name: String,
    ) -> SocketResult<Resource<ResolveAddressStream>> {
        let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
        let lookup = match name.parse::<IpAddr>() {
            Ok(ip) => Lookup::Done(Ok(vec![ip].into_iter())),
            Err(_) if name.is_empty() || name.len() > NAME_MAX => {
                return Err(ErrorCode::InvalidArgument.into());
            }
            Err(_) => {
                let network = self.task.network.clone();
                Lookup::Waiting(Box::pin(async move { network.resolve(&name).await }))
            }
        };
        let lookup = self.table.push(lookup)?;
        Ok(Resource::new_own(lookup.rep()))
    }
}

impl HostResolveAddressStream for SocketsView<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> SocketResult<Option<IpAddress>> {
        let lookup = self.table.get_mut(&ours(&stream))?;
        match lookup.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Err(ErrorCode::WouldBlock.into()),
            Poll::Ready(Ok(addresses)) => Ok(addresses.next().map(IpAddress::from)),
            Poll::Ready(Err(error)) => Err(error_code(*error).into()),
        }
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, ours(&stream))
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Lookup>::new_own(stream.rep()))?;
        Ok(())
    }
}

fn ours(stream: &Resource<ResolveAddressStream>) -> Resource<Lookup> {
    Resource::new_borrow(stream.rep())
}
