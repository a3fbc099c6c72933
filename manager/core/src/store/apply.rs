//! How a change moves the tables. Every change checks first and writes then, so that one that fails
//! has written nothing.

use std::sync::Arc;
use std::time::Duration;

use skep_api::{
    Id, JobStatus, Meta, Node, Service, ServiceSpec, Slot, SpecVersion, Task, TaskState,
    TaskStatus, Time,
};

use super::field::Fields;
use super::table::{Record, Table};
use super::{SharedSpec, Tables};
use crate::change::{Change, Key, Object};

/// Why an entry was not applied. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// An object of that id is there already.
    #[error("cannot create {key}: the id is taken")]
    IdTaken {
        /// The object.
        key: Key,
    },
    /// Another object of its kind has the name.
    #[error("cannot write {key}: the name `{name}` is taken")]
    NameTaken {
        /// The object.
        key: Key,
        /// The name.
        name: String,
    },
    /// It was written since the writer read it: read again and decide again.
    #[error("cannot write {key}: version {given} was read, but {stored} is stored")]
    Stale {
        /// The object.
        key: Key,
        /// The version that the writer read.
        given: u64,
        /// The version that is stored.
        stored: u64,
    },
    /// The object to be written is gone.
    #[error("cannot write {key}: it is gone")]
    Missing {
        /// The object.
        key: Key,
    },
    /// A task was made from a spec that is not kept any more: its service was written or removed.
    #[error("cannot create task {task}: spec version {} of service {service} is gone", version.0)]
    SpecGone {
        /// The task.
        task: Id<Task>,
        /// The service it names.
        service: Id<Service>,
        /// The version of the service's spec it names.
        version: SpecVersion,
    },
    /// A service's spec was changed but its spec version was not.
    #[error("cannot write service {service}: a changed spec needs a new spec version")]
    SpecVersionReused {
        /// The service.
        service: Id<Service>,
    },
}

/// Something that happened in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// To any object but a task.
    Object {
        /// The object.
        key: Key,
        /// What happened.
        happened: Happened,
    },
    /// To a task.
    Task(TaskEvent),
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// It was made.
    Created,
    /// It was written.
    Updated,
    /// Managers noted something in it: a service whose spec is what it was.
    Noted,
    /// It is gone.
    Removed,
}

/// Something that happened to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskEvent {
    /// The task.
    pub task: Id<Task>,
    /// Its service.
    pub service: Id<Service>,
    /// Its slot.
    pub slot: Slot,
    /// Its node, if it has one (before, if it was removed).
    pub node: Option<Id<Node>>,
    /// What happened.
    pub happened: TaskHappened,
}

/// What happened to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskHappened {
    /// It was made.
    Created,
    /// Its status was written.
    Status,
    /// Its desired state was raised.
    Desired,
    /// It was given addresses or a node.
    Assigned,
    /// It was written whole.
    Updated,
    /// It is gone. `wanted` says whether managers still wanted it to live.
    Removed {
        /// See [`Task::is_wanted`].
        wanted: bool,
    },
}

impl Tables {
    /// Moves on to the next entry. No two entries share a moment, whatever their clocks say: which
    /// of two tasks is the newer one must never be a matter of chance.
    pub(super) fn advance(&mut self, version: u64, time: Time) {
        self.version = version;
        self.time = time.max(self.time.after(Duration::from_nanos(1)));
    }

    /// Applies one change; no event if it has no effect.
    pub(super) fn change(&mut self, change: &Change) -> Result<Option<Event>, ApplyError> {
        match change {
            Change::Create(object) => self.create(object).map(Some),
            Change::Update(object) => self.update(object).map(Some),
            Change::Remove(key) => Ok(self.remove(*key)),
            Change::TaskStatus { task, status } => Ok(self.task_status(*task, status)),
            Change::TaskDesired { task, desired } => Ok(self.task_desired(*task, *desired)),
            Change::TaskAssign { task, node, ports, addresses, generic, status } => Ok(self
                .write_task(*task, TaskHappened::Assigned, |next, time| {
                    if next.node.is_some() {
                        return;
                    }
                    next.node = *node;
                    next.ports.clone_from(ports);
                    next.addresses.clone_from(addresses);
                    next.generic.clone_from(generic);
                    move_on(&mut next.status, status, time);
                })),
        }
    }

    fn create(&mut self, object: &Object) -> Result<Event, ApplyError> {
        let meta = Meta { version: self.version, created_at: self.time, updated_at: self.time };
        match object {
            Object::Cluster(o) => create(&mut self.clusters, o, meta)?,
            Object::Node(o) => {
                self.nodes.check_create(o)?;
                let mut node = Node { meta, ..o.clone() };
                node.status.since = self.time;
                self.put_node(node);
            }
            Object::Network(o) => create(&mut self.networks, o, meta)?,
            Object::Secret(o) => create(&mut self.secrets, o, meta)?,
            Object::Config(o) => create(&mut self.configs, o, meta)?,
            Object::Service(o) => {
                self.services.check_create(o)?;
                self.check_spec(o)?;
                let job = o.job.map(|job| JobStatus { last_execution: self.time, ..job });
                self.put_service(Service { meta, job, ..o.clone() });
            }
            Object::Task(o) => {
                self.tasks.check_create(o)?;
                let (service, version) = (o.service, o.spec_version);
                if self.specs.get(&(service, version)).is_none() {
                    return Err(ApplyError::SpecGone { task: o.id, service, version });
                }
                let mut task = Task { meta, ..o.clone() };
                task.status.at = self.time;
                let runs = (task.status.state == TaskState::Running).then_some(self.time);
                task.status.started_at = task.status.started_at.or(runs);
                let event = task_event(&task, TaskHappened::Created);
                self.put_task(task);
                return Ok(event);
            }
        }
        Ok(Event::Object { key: object.key(), happened: Happened::Created })
    }

    fn update(&mut self, object: &Object) -> Result<Event, ApplyError> {
        let (version, updated_at) = (self.version, self.time);
        let meta = |old: &Meta| Meta { version, created_at: old.created_at, updated_at };
        match object {
            Object::Cluster(o) => update(&mut self.clusters, o, meta)?,
            Object::Node(o) => {
                let stored = self.nodes.check_update(o)?;
                let same = stored.status.state == o.status.state;
                let since = if same { stored.status.since } else { self.time };
                let spec_version = if stored.spec == o.spec {
                    stored.status.spec_version
                } else {
                    SpecVersion(stored.meta.version)
                };
                let mut node = Node { meta: meta(&stored.meta), ..o.clone() };
                (node.status.since, node.status.spec_version) = (since, spec_version);
                self.put_node(node);
            }
            Object::Network(o) => update(&mut self.networks, o, meta)?,
            Object::Secret(o) => update(&mut self.secrets, o, meta)?,
            Object::Config(o) => update(&mut self.configs, o, meta)?,
            Object::Service(o) => {
                let stored = self.services.check_update(o)?;
                let same = stored.spec_version == o.spec_version;
                let (meta, before) = (meta(&stored.meta), stored.job);
                let job = o.job.map(|job| match before {
                    Some(before) if before.iteration == job.iteration => before,
                    _ => JobStatus { last_execution: self.time, ..job },
                });
                self.check_spec(o)?;
                let mut service = Service { meta, job, ..o.clone() };
                self.stamp(&mut service);
                self.put_service(service);
                let happened = if same { Happened::Noted } else { Happened::Updated };
                return Ok(Event::Object { key: object.key(), happened });
            }
            Object::Task(o) => {
                let stored = self.tasks.check_update(o)?;
                if (stored.service, stored.spec_version) != (o.service, o.spec_version) {
                    let (service, version) = (o.service, o.spec_version);
                    return Err(ApplyError::SpecGone { task: o.id, service, version });
                }
                let task = Task { meta: meta(&stored.meta), ..o.clone() };
                let event = task_event(&task, TaskHappened::Updated);
                self.put_task(task);
                return Ok(event);
            }
        }
        Ok(Event::Object { key: object.key(), happened: Happened::Updated })
    }

    fn remove(&mut self, key: Key) -> Option<Event> {
        match key {
            Key::Cluster(id) => drop(self.clusters.remove(id)?),
            Key::Node(id) => {
                let gone = self.nodes.remove(id)?;
                self.index.take_node(&gone);
                self.fields = Fields::default();
            }
            Key::Network(id) => drop(self.networks.remove(id)?),
            Key::Secret(id) => drop(self.secrets.remove(id)?),
            Key::Config(id) => drop(self.configs.remove(id)?),
            Key::Service(id) => {
                let gone = self.services.remove(id)?;
                self.index.take_service(&gone);
                self.release_spec(id, gone.spec_version);
            }
            Key::Task(id) => {
                let gone = self.tasks.remove(id)?;
                if let Some(shared) = self.specs.get(&(gone.service, gone.spec_version)) {
                    self.index.move_task(Some(&gone), None, &shared.spec);
                }
                self.release_spec(gone.service, gone.spec_version);
                self.move_head(&gone, Happened::Removed);
                let wanted = gone.is_wanted();
                return Some(task_event(&gone, TaskHappened::Removed { wanted }));
            }
        }
        Some(Event::Object { key, happened: Happened::Removed })
    }

    fn task_status(&mut self, task: Id<Task>, status: &TaskStatus) -> Option<Event> {
        self.write_task(task, TaskHappened::Status, |next, time| {
            move_on(&mut next.status, status, time);
        })
    }

    fn task_desired(&mut self, task: Id<Task>, desired: TaskState) -> Option<Event> {
        self.write_task(task, TaskHappened::Desired, |next, _| {
            next.desired = next.desired.max(desired);
        })
    }

    /// Writes parts of a task, if it is there and they are new.
    fn write_task(
        &mut self,
        id: Id<Task>,
        happened: TaskHappened,
        write: impl FnOnce(&mut Task, Time),
    ) -> Option<Event> {
        let before = Arc::clone(self.tasks.get(id)?);
        let mut task = Task::clone(&before);
        write(&mut task, self.time);
        if task == *before {
            return None;
        }
        task.meta.version = self.version;
        task.meta.updated_at = self.time;
        let event = task_event(&task, happened);
        self.put_task(task);
        Some(event)
    }

    /// Writes the moment into what a writer who knows no time began or ended.
    fn stamp(&self, service: &mut Service) {
        let revisions = service.history.iter_mut().map(|revision| &mut revision.until);
        let update = service.update_status.as_mut().map(|status| &mut status.started_at);
        for moment in revisions.chain(update).filter(|moment| **moment == Time::ZERO) {
            *moment = self.time;
        }
    }

    /// A service's spec may only differ from the kept one of its spec version if there is none.
    fn check_spec(&self, service: &Service) -> Result<(), ApplyError> {
        match self.specs.get(&(service.id, service.spec_version)) {
            Some(kept) if kept.spec != service.spec => {
                Err(ApplyError::SpecVersionReused { service: service.id })
            }
            _ => Ok(()),
        }
    }

    /// Stores a service, shares its spec, and lets go of the spec it had.
    pub(super) fn put_service(&mut self, mut service: Service) {
        service.spec = self.share_spec(service.id, service.spec_version, &service.spec);
        if let Some(before) = self.services.get(service.id).cloned() {
            self.index.take_service(&before);
            self.release_spec(before.id, before.spec_version);
        }
        self.index.add_service(&service);
        self.services.put(Arc::new(service));
    }

    /// Stores a node, and counts it in.
    pub(super) fn put_node(&mut self, node: Node) {
        if let Some(before) = self.nodes.get(node.id).cloned() {
            self.index.take_node(&before);
        }
        self.index.add_node(&node);
        self.fields = Fields::default();
        self.nodes.put(Arc::new(node));
    }

    /// Stores a task whose spec is kept, and counts it in.
    pub(super) fn put_task(&mut self, task: Task) {
        let key = (task.service, task.spec_version);
        let Some(shared) = self.specs.get(&key) else { return };
        let (spec, users) = (Arc::clone(&shared.spec), shared.users + 1);
        let task = Arc::new(task);
        let before = self.tasks.put(Arc::clone(&task));
        self.index.move_task(before.as_deref(), Some(&task), &spec);
        if before.is_none() {
            self.specs.insert(key, SharedSpec { spec, users });
            self.move_head(&task, Happened::Created);
        }
    }

    /// Notes the newest task of the slot of one that came or went.
    fn move_head(&mut self, task: &Task, happened: Happened) {
        let slot = (task.service, task.slot);
        let rows = self.tasks.from(&(slot.0, slot.1, Id::from_u128(0)));
        let others = rows
            .take_while(|(place, _)| (place.0, place.1) == slot)
            .filter(|(place, _)| place.2 != task.id)
            .map(|(_, other)| other.as_ref());
        let age = |task: &&Task| (task.meta.created_at, task.id);
        let other = others.max_by_key(age);
        let both = other.into_iter().chain([task]).max_by_key(age);
        let key = |newest: &Task| (slot.0, newest.spec_version, slot.1);
        let (without, with) = (other.map(key), both.map(key));
        match happened {
            Happened::Removed => self.index.heads.shift(with, without),
            _ => self.index.heads.shift(without, with),
        }
    }

    /// One more user of a spec. Returns the kept copy, so that equal specs are stored once.
    pub(super) fn share_spec(
        &mut self,
        service: Id<Service>,
        version: SpecVersion,
        spec: &Arc<ServiceSpec>,
    ) -> Arc<ServiceSpec> {
        let key = (service, version);
        let kept = self.specs.get(&key).cloned();
        let mut shared = kept.unwrap_or(SharedSpec { spec: Arc::clone(spec), users: 0 });
        shared.users += 1;
        let spec = Arc::clone(&shared.spec);
        self.specs.insert(key, shared);
        spec
    }

    /// One user less of a spec; the last one takes it away.
    pub(super) fn release_spec(&mut self, service: Id<Service>, version: SpecVersion) {
        let key = (service, version);
        match self.specs.get(&key).cloned() {
            Some(shared) if shared.users > 1 => {
                self.specs.insert(key, SharedSpec { users: shared.users - 1, ..shared });
            }
            _ => drop(self.specs.remove(&key)),
        }
    }
}

fn create<T: Record>(table: &mut Table<T>, object: &T, meta: Meta) -> Result<(), ApplyError> {
    table.check_create(object)?;
    let mut object = object.clone();
    *object.meta_mut() = meta;
    table.put(Arc::new(object));
    Ok(())
}

fn update<T: Record>(
    table: &mut Table<T>,
    object: &T,
    meta: impl Fn(&Meta) -> Meta,
) -> Result<(), ApplyError> {
    let meta = meta(table.check_update(object)?.meta());
    let mut object = object.clone();
    *object.meta_mut() = meta;
    table.put(Arc::new(object));
    Ok(())
}

/// Takes a new status over unless it is a step back, or another end of a task that has ended. The
/// moment it is stamped with is the entry's: cluster time, when the state was reached.
fn move_on(status: &mut TaskStatus, new: &TaskStatus, time: Time) {
    if new.state < status.state || (new.state > status.state && status.state.is_terminal()) {
        return;
    }
    let at = if new.state > status.state { time } else { status.at };
    let runs = (new.state == TaskState::Running).then_some(time);
    let started_at = status.started_at.or(runs);
    // A manager that ends a task may not have read its node's last report.
    let restarts = status.restarts.max(new.restarts);
    let failures = status.failures.max(new.failures);
    *status = TaskStatus { at, started_at, restarts, failures, ..new.clone() };
}

fn task_event(task: &Task, happened: TaskHappened) -> Event {
    let Task { id, service, slot, node, .. } = *task;
    Event::Task(TaskEvent { task: id, service, slot, node, happened })
}
