//! Whether a task is still what its service wants (semantics part 3.1).
//!
//! | the task was made from | it is |
//! |---|---|
//! | the service's spec version | up to date |
//! | a spec that differs in its placement alone, and its node fits the new constraints | up to date |
//! | a spec that differs in registry credentials alone, and it is prepared and wanted | up to date |
//! | a spec with another task or endpoint | out of date |
//! | any other spec | up to date |

use std::cell::RefCell;
use std::collections::BTreeMap;

use skep_api::{Service, ServiceSpec, SpecVersion, Task, TaskState};

use super::constraint;
use crate::store::View;

/// Whether a task is what its service wants now: an update that changes no task leaves all as they are.
pub fn is_up_to_date(view: &View, service: &Service, task: &Task) -> bool {
    !Outdated::new(view, service).is_outdated(task)
}

/// Compares the tasks of one service with its spec; every older spec is compared once only.
pub(crate) struct Outdated<'a> {
    view: &'a View,
    service: &'a Service,
    known: RefCell<BTreeMap<SpecVersion, Difference>>,
}

/// What of an older spec differs, as far as tasks are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Difference {
    /// None of its tasks is out of date.
    Nothing,
    /// Its tasks have to be looked at.
    Placement,
    /// Its tasks have to be looked at.
    Credentials,
    /// All of its tasks are out of date.
    Task,
}

impl<'a> Outdated<'a> {
    pub(crate) fn new(view: &'a View, service: &'a Service) -> Self {
        Self { view, service, known: RefCell::default() }
    }

    pub(crate) fn is_outdated(&self, task: &Task) -> bool {
        if task.spec_version == self.service.spec_version {
            return false;
        }
        match self.difference(task.spec_version) {
            Difference::Nothing => false,
            Difference::Placement => !task
                .home()
                .and_then(|node| self.view.node(node))
                .is_some_and(|node| constraint::all_hold(&self.service.spec, node)),
            Difference::Credentials => {
                let prepared = TaskState::Ready..=TaskState::Running;
                !(task.is_wanted() && prepared.contains(&task.status.state))
            }
            Difference::Task => true,
        }
    }

    /// What a kept spec of the service differs in.
    pub(super) fn difference(&self, version: SpecVersion) -> Difference {
        if version == self.service.spec_version {
            return Difference::Nothing;
        }
        if let Some(known) = self.known.borrow().get(&version) {
            return *known;
        }
        let old = self.view.spec(self.service.id, version);
        let found = old.map_or(Difference::Task, |old| difference(old, &self.service.spec));
        self.known.borrow_mut().insert(version, found);
        found
    }
}

fn difference(old: &ServiceSpec, new: &ServiceSpec) -> Difference {
    if old.endpoint != new.endpoint {
        return Difference::Task;
    }
    if old.task == new.task {
        return Difference::Nothing;
    }
    let mut same = old.task.clone();
    same.placement.clone_from(&new.task.placement);
    if same == new.task {
        return Difference::Placement;
    }
    let mut same = old.task.clone();
    same.component.registry_auth.clone_from(&new.task.component.registry_auth);
    if same == new.task { Difference::Credentials } else { Difference::Task }
}
