//! What the instances of one task share.

use std::sync::{Arc, Mutex, PoisonError};

use skep_api::Limits;

use crate::StartError;
use crate::files::Tree;
use crate::listener::ListenerCloser;
use crate::memory::MemoryBudget;
use crate::sockets::SocketQuota;
use crate::{Network, Output, Plan};

/// A started plan.
pub(crate) struct Task {
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: String,
    pub(crate) limits: Limits,
    pub(crate) memory: Arc<MemoryBudget>,
    pub(crate) tree: Arc<Tree>,
    pub(crate) sockets: Arc<SocketQuota>,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) output: Arc<dyn Output>,
    listeners: Mutex<Listeners>,
}

#[derive(Default)]
struct Listeners {
    open: Vec<ListenerCloser>,
    is_stopping: bool,
}

impl Task {
    pub(crate) fn new(plan: Plan) -> Result<Self, StartError> {
        let grant = plan.grant;
        let cwd = if grant.cwd.is_empty() { "/".to_owned() } else { grant.cwd };
        Ok(Self {
            args: grant.args,
            env: grant.env,
            tree: Arc::new(Tree::new(plan.files, plan.dirs, &cwd)?),
            cwd,
            memory: MemoryBudget::new(grant.limits.memory),
            sockets: SocketQuota::new(grant.limits.sockets),
            limits: grant.limits,
            network: plan.network,
            output: plan.output,
            listeners: Mutex::default(),
        })
    }

    /// Remembers a listener, so that a stop can end it.
    pub(crate) fn add_listener(&self, closer: ListenerCloser) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if listeners.is_stopping {
            closer.close();
            return;
        }
        listeners.open.retain(|open| !open.is_closed());
        listeners.open.push(closer);
    }

    /// Ends all listeners, and those to come: for a server that is the notice to stop.
    pub(crate) fn close_listeners(&self) {
        let open = {
            let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.is_stopping = true;
            std::mem::take(&mut listeners.open)
        };
        open.iter().for_each(ListenerCloser::close);
    }
}
