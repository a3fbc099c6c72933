//! Changes that are being thought out, and the store as it would be with them.

use std::collections::BTreeMap;

use skep_api::{Id, Origin, Service, Slot, Task, TaskState, Time};

use crate::change::{Change, Key, Object};
use crate::store::{Event, Trial, View};

/// Changes that are being thought out. Each step sees what the steps before it will have done, and
/// what several steps do to one object becomes one change: a task that is made, given an address
/// and a node in one pass is one `Create`.
#[derive(Debug)]
pub(crate) struct Draft {
    trial: Trial,
    now: Time,
    changes: Vec<Change>,
    // Where in `changes` an object is made or written, so that the next write goes there too.
    places: BTreeMap<Key, usize>,
}

impl Draft {
    pub(crate) fn new(view: &View, now: Time) -> Self {
        let trial = Trial::new(view, now);
        // The moment that its changes will be stamped with, if they are applied right away.
        let now = trial.view().time();
        Self { trial, now, changes: Vec::new(), places: BTreeMap::new() }
    }

    /// The store with all changes so far. Let go of it before adding the next.
    pub(crate) fn view(&self) -> View {
        self.trial.view()
    }

    /// The moment that is decided for.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// How many changes there are so far.
    pub(crate) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Adds changes; returns what they do.
    pub(crate) fn add(&mut self, changes: Vec<Change>) -> Vec<Event> {
        let mut events = Vec::with_capacity(changes.len());
        for change in changes {
            match self.trial.change(&change) {
                Ok(Some(event)) => {
                    self.record(change);
                    events.push(event);
                }
                Ok(None) => {}
                // Steps decide from the view they were given, so this is our own mistake. Left out,
                // the change does no harm: the next pass decides again.
                Err(error) => debug_assert!(false, "a decision does not apply: {error}"),
            }
        }
        events
    }

    /// Adds changes that nobody looks at any more in this pass: they are written down, not tried.
    /// Each of them must have an effect.
    pub(crate) fn close(&mut self, changes: Vec<Change>) {
        changes.into_iter().for_each(|change| self.record(change));
    }

    /// All changes, in the order in which they can be applied.
    pub(crate) fn finish(self) -> Vec<Change> {
        self.changes
    }

    fn record(&mut self, change: Change) {
        let (key, folded) = match &change {
            Change::Create(object) | Change::Update(object) => {
                (object.key(), self.fold_object(object))
            }
            Change::TaskAssign { task, .. } => (Key::Task(*task), self.fold_task(*task, &change)),
            Change::TaskDesired { task, .. } | Change::TaskStatus { task, .. } => {
                // Not a place for later changes: what else happens to the task stands on its own.
                if !self.fold_task(*task, &change) {
                    self.changes.push(change);
                }
                return;
            }
            Change::Remove(_) => {
                self.changes.push(change);
                return;
            }
        };
        if !folded {
            self.places.insert(key, self.changes.len());
            self.changes.push(change);
        }
    }

    /// Writes an object again where it was made or written before, keeping the version that the
    /// first write was based on.
    fn fold_object(&mut self, object: &Object) -> bool {
        let Some(place) = self.places.get(&object.key()) else { return false };
        match &mut self.changes[*place] {
            Change::Create(before) => *before = object.clone(),
            Change::Update(before) => {
                let version = before.meta().version;
                *before = object.clone();
                before.meta_mut().version = version;
            }
            _ => return false,
        }
        true
    }

    /// Writes a part of a task into the change that made or placed it.
    fn fold_task(&mut self, task: Id<Task>, change: &Change) -> bool {
        let Some(place) = self.places.get(&Key::Task(task)) else { return false };
        match (&mut self.changes[*place], change) {
            (Change::Create(Object::Task(made)), change) => {
                write_part(made, change);
                true
            }
            (before @ Change::TaskAssign { .. }, Change::TaskAssign { .. }) => {
                before.clone_from(change);
                true
            }
            _ => false,
        }
    }
}

fn write_part(made: &mut Task, change: &Change) {
    match change {
        Change::TaskAssign { node, ports, addresses, generic, status, .. } => {
            made.node = *node;
            made.generic.clone_from(generic);
            made.ports.clone_from(ports);
            made.addresses.clone_from(addresses);
            made.status.clone_from(status);
        }
        Change::TaskDesired { desired, .. } => made.desired = made.desired.max(*desired),
        Change::TaskStatus { status, .. } => made.status.clone_from(status),
        Change::Create(_) | Change::Update(_) | Change::Remove(_) => {}
    }
}

/// What a task is made for.
pub(crate) struct Making {
    pub(crate) slot: Slot,
    pub(crate) origin: Origin,
    /// RUNNING or COMPLETE; READY if it is held.
    pub(crate) desired: TaskState,
    /// When it may be started at the earliest, if it is held.
    pub(crate) start_after: Option<Time>,
}

/// A task just made, from the service's spec as it is now.
pub(crate) fn new_task(id: Id<Task>, service: &Service, making: Making) -> Change {
    let Making { slot, origin, desired, start_after } = making;
    Change::Create(Object::Task(Task {
        origin,
        desired,
        start_after,
        ..Task::new(id, service, slot)
    }))
}
