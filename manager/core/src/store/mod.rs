//! The swarm's state: typed tables, what can be counted from them, and the one way to change them.
//!
//! [`Store::apply`] is total and deterministic: the same entries give the same store on every
//! manager and in the simulator. [`Store::view`] is a snapshot that costs one counter. The store
//! knows no rule of what users may write; that is admission's. It does keep what everything else
//! relies on: ids and names are unique, an object is only written by who read it last, a task's
//! state only moves forward, and a task's spec is there as long as the task.

mod apply;
mod field;
mod index;
mod map;
mod snapshot;
mod table;
mod tasks;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

use skep_api::{
    Cluster, Config, Id, Network, Node, Secret, Service, ServiceSpec, SpecVersion, Time,
};

pub use apply::{ApplyError, Event, Happened, TaskEvent, TaskHappened};
pub(crate) use field::{Field, FieldKey, Room};
pub(crate) use index::{Load, Progress, held_until, host_ports, networks};
pub use snapshot::{KeptSpec, RestoreError, Snapshot};
pub(crate) use table::not_found;
pub use view::View;

use self::field::Fields;
use self::index::Indexes;
use self::map::Map;
use self::table::Table;
use self::tasks::Tasks;
use crate::change::{Change, Entry};

/// The swarm's state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Store {
    tables: Arc<Tables>,
}

/// All tables. A copy shares everything until one of the two is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tables {
    version: u64,
    time: Time,
    clusters: Table<Cluster>,
    nodes: Table<Node>,
    services: Table<Service>,
    tasks: Tasks,
    networks: Table<Network>,
    secrets: Table<Secret>,
    configs: Table<Config>,
    specs: Map<(Id<Service>, SpecVersion), SharedSpec>,
    index: Indexes,
    fields: Fields,
}

/// A spec, while its service or a task refers to it.
#[derive(Clone, Debug, PartialEq)]
struct SharedSpec {
    spec: Arc<ServiceSpec>,
    users: u64,
}

impl Store {
    /// An empty store: no swarm yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies one raft entry, all of it or nothing. `index` is its raft index, and becomes the
    /// version of every object that it writes.
    pub fn apply(&mut self, index: u64, entry: &Entry) -> Result<Vec<Event>, ApplyError> {
        let mut next = Tables::clone(&self.tables);
        next.advance(index, entry.time);
        let mut events = Vec::with_capacity(entry.changes.len());
        for change in &entry.changes {
            events.extend(next.change(change)?);
        }
        self.tables = Arc::new(next);
        Ok(events)
    }

    /// What is stored now; later entries do not change it.
    pub fn view(&self) -> View {
        View::new(Arc::clone(&self.tables))
    }
}

/// A store that decisions and admission try their changes on, one after the other, so that each
/// sees what the ones before it will have done.
#[derive(Debug)]
pub(crate) struct Trial(Arc<Tables>);

impl Trial {
    /// Starts from what `view` shows; the changes will all be applied at `now`.
    pub(crate) fn new(view: &View, now: Time) -> Self {
        let mut tables = Tables::clone(view.tables());
        tables.advance(tables.version + 1, now);
        Self(Arc::new(tables))
    }

    pub(crate) fn view(&self) -> View {
        View::new(Arc::clone(&self.0))
    }

    /// Applies one change. Unlike [`Store::apply`] it works in place, as long as no view is held:
    /// a pass may try thousands of changes.
    pub(crate) fn change(&mut self, change: &Change) -> Result<Option<Event>, ApplyError> {
        Arc::make_mut(&mut self.0).change(change)
    }
}
