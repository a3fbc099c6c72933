//! What the managers said last: the tasks to run and what they need.
//!
//! A complete message replaces all; an incremental one adds to it. What a message does not list any
//! more, secrets and configs above all, is dropped at once (semantics part 8).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use skep_api::{
    Assignment, AssignmentItem, AssignmentKey, Assignments, AssignmentsKind, Config, Id, NameTable,
    Network, PortRoute, Protocol, Secret, SecretBytes, Task,
};

use crate::Wanted;

/// What the managers said last.
#[derive(Debug, Default)]
pub struct WantedSet {
    tasks: BTreeMap<Id<Task>, Assignment>,
    secrets: BTreeMap<Id<Secret>, SecretBytes>,
    configs: BTreeMap<Id<Config>, Arc<Vec<u8>>>,
    names: BTreeMap<Id<Network>, NameTable>,
    ports: BTreeMap<(Protocol, u16), PortRoute>,
}

/// What a message changed, for the shell to look at again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Affected {
    /// Tasks that are new, changed or listed no more.
    pub tasks: BTreeSet<Id<Task>>,
    /// Networks whose names are new, changed or gone.
    pub names: BTreeSet<Id<Network>>,
    /// Whether some published port changed.
    pub ports: bool,
}

impl WantedSet {
    /// Takes a message in, and says what it changed.
    pub fn apply(&mut self, message: Assignments) -> Affected {
        let before = match message.kind {
            AssignmentsKind::Complete => std::mem::take(self),
            AssignmentsKind::Incremental => Self::default(),
        };
        let mut affected = Affected::default();
        for item in message.set {
            affected.note(&item.key());
            self.insert(item);
        }
        for key in message.remove {
            affected.note(&key);
            self.remove(key);
        }
        // A complete message also touches what it leaves out, and nothing that it repeats.
        if message.kind == AssignmentsKind::Complete {
            note_before(&before.tasks, &self.tasks, &mut affected.tasks);
            note_before(&before.names, &self.names, &mut affected.names);
            affected.ports = before.ports != self.ports;
        }
        affected
    }

    /// What is wanted of a task.
    pub fn wanted(&self, task: Id<Task>) -> Wanted<'_> {
        self.tasks.get(&task).map_or(Wanted::Unlisted, Wanted::Listed)
    }

    /// A task as it was listed last.
    pub fn task(&self, task: Id<Task>) -> Option<&Assignment> {
        self.tasks.get(&task)
    }

    /// All tasks listed.
    pub fn tasks(&self) -> impl Iterator<Item = &Assignment> {
        self.tasks.values()
    }

    /// A secret's content.
    pub fn secret(&self, id: Id<Secret>) -> Option<&SecretBytes> {
        self.secrets.get(&id)
    }

    /// A config's content.
    pub fn config(&self, id: Id<Config>) -> Option<&Arc<Vec<u8>>> {
        self.configs.get(&id)
    }

    /// The names of a network that tasks here are on.
    pub fn names(&self, network: Id<Network>) -> Option<&NameTable> {
        self.names.get(&network)
    }

    /// The published ports.
    pub fn ports(&self) -> impl Iterator<Item = &PortRoute> {
        self.ports.values()
    }

    fn insert(&mut self, item: AssignmentItem) {
        match item {
            AssignmentItem::Task(task) => drop(self.tasks.insert(task.task, *task)),
            AssignmentItem::Secret(id, data) => drop(self.secrets.insert(id, data)),
            AssignmentItem::Config(id, data) => drop(self.configs.insert(id, data)),
            AssignmentItem::Names(table) => drop(self.names.insert(table.network, table)),
            AssignmentItem::Port(route) => {
                drop(self.ports.insert((route.protocol, route.published), route));
            }
        }
    }

    fn remove(&mut self, key: AssignmentKey) {
        match key {
            AssignmentKey::Task(id) => drop(self.tasks.remove(&id)),
            AssignmentKey::Secret(id) => drop(self.secrets.remove(&id)),
            AssignmentKey::Config(id) => drop(self.configs.remove(&id)),
            AssignmentKey::Names(id) => drop(self.names.remove(&id)),
            AssignmentKey::Port(protocol, port) => drop(self.ports.remove(&(protocol, port))),
        }
    }
}

impl Affected {
    fn note(&mut self, key: &AssignmentKey) {
        match key {
            AssignmentKey::Task(id) => drop(self.tasks.insert(*id)),
            AssignmentKey::Names(id) => drop(self.names.insert(*id)),
            AssignmentKey::Port(..) => self.ports = true,
            // Content never changes under its id, and a task that needs it is listed with it.
            AssignmentKey::Secret(_) | AssignmentKey::Config(_) => {}
        }
    }
}

/// Takes out what is as it was before, and puts in what is not or is gone.
fn note_before<K: Ord + Copy, V: Eq>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    affected: &mut BTreeSet<K>,
) {
    for (key, value) in before {
        if after.get(key) == Some(value) {
            affected.remove(key);
        } else {
            affected.insert(*key);
        }
    }
}

#[cfg(test)]
mod tests {
    use skep_api::{Grant, Service, TaskState, TaskStatus};

    use super::*;

    fn task(id: u128, desired: TaskState) -> AssignmentItem {
        AssignmentItem::Task(Box::new(Assignment {
            task: Id::from_u128(id),
            service: Id::<Service>::from_u128(9),
            name: format!("web.{id}"),
            desired,
            status: TaskStatus::default(),
            grant: Grant::default(),
            ports: Vec::new(),
            registry_auth: None,
            restart: None,
        }))
    }

    fn secret(id: u128) -> AssignmentItem {
        AssignmentItem::Secret(Id::from_u128(id), SecretBytes::new(b"s".to_vec()))
    }

    fn config(id: u128) -> AssignmentItem {
        AssignmentItem::Config(Id::from_u128(id), Arc::new(b"c".to_vec()))
    }

    fn names(id: u128) -> AssignmentItem {
        AssignmentItem::Names(NameTable { network: Id::from_u128(id), services: Vec::new() })
    }

    fn port(published: u16, target: u16) -> AssignmentItem {
        AssignmentItem::Port(PortRoute {
            published,
            protocol: Protocol::Tcp,
            target,
            service: Id::from_u128(9),
            tasks: Vec::new(),
        })
    }

    fn complete(set: Vec<AssignmentItem>) -> Assignments {
        Assignments { kind: AssignmentsKind::Complete, set, remove: Vec::new() }
    }

    fn incremental(set: Vec<AssignmentItem>, remove: Vec<AssignmentKey>) -> Assignments {
        Assignments { kind: AssignmentsKind::Incremental, set, remove }
    }

    fn affected(tasks: &[u128], names: &[u128], ports: bool) -> Affected {
        Affected {
            tasks: tasks.iter().map(|id| Id::from_u128(*id)).collect(),
            names: names.iter().map(|id| Id::from_u128(*id)).collect(),
            ports,
        }
    }

    #[test]
    fn a_complete_message_replaces_what_was_known() {
        let mut set = WantedSet::default();
        let first = vec![
            task(1, TaskState::Running),
            task(2, TaskState::Running),
            secret(5),
            config(6),
            names(7),
            names(8),
            port(80, 8080),
        ];
        assert_eq!(set.apply(complete(first)), affected(&[1, 2], &[7, 8], true));

        let second = vec![task(2, TaskState::Running), task(3, TaskState::Running), names(7)];
        // Task 1 is listed no more, task 2 is as it was, task 3 is new.
        assert_eq!(set.apply(complete(second)), affected(&[1, 3], &[8], true));
        assert!(matches!(set.wanted(Id::from_u128(1)), Wanted::Unlisted));
        assert!(matches!(set.wanted(Id::from_u128(2)), Wanted::Listed(_)));
        assert_eq!(set.secret(Id::from_u128(5)), None, "what no task uses is dropped");
        assert_eq!(set.config(Id::from_u128(6)), None);
        let known = [7, 8].map(|id| set.names(Id::from_u128(id)).is_some());
        assert_eq!((known, set.ports().count()), ([true, false], 0));
    }

    #[test]
    fn a_repeated_complete_message_changes_nothing() {
        let mut set = WantedSet::default();
        let all = || vec![task(1, TaskState::Running), secret(5), names(7), port(80, 8080)];
        set.apply(complete(all()));
        assert_eq!(set.apply(complete(all())), Affected::default());
        assert!(set.secret(Id::from_u128(5)).is_some());
    }

    #[test]
    fn an_incremental_message_adds_changes_and_removes_by_key() {
        let mut set = WantedSet::default();
        set.apply(complete(vec![task(1, TaskState::Running), secret(5), port(80, 8080)]));

        let more = vec![task(1, TaskState::Shutdown), task(2, TaskState::Ready), config(6)];
        assert_eq!(set.apply(incremental(more, Vec::new())), affected(&[1, 2], &[], false));
        assert_eq!(set.task(Id::from_u128(1)).map(|t| t.desired), Some(TaskState::Shutdown));
        assert!(set.config(Id::from_u128(6)).is_some());
        assert!(set.secret(Id::from_u128(5)).is_some(), "what is not named stays");

        let gone = vec![
            AssignmentKey::Task(Id::from_u128(1)),
            AssignmentKey::Secret(Id::from_u128(5)),
            AssignmentKey::Config(Id::from_u128(6)),
            AssignmentKey::Port(Protocol::Tcp, 80),
        ];
        assert_eq!(set.apply(incremental(Vec::new(), gone)), affected(&[1], &[], true));
        assert_eq!(set.tasks().map(|t| t.task.as_u128()).collect::<Vec<_>>(), [2]);
        assert_eq!(set.secret(Id::from_u128(5)), None);
        assert_eq!(set.config(Id::from_u128(6)), None);
        assert_eq!(set.ports().count(), 0);
    }

    #[test]
    fn a_port_that_leads_elsewhere_is_one_port_still() {
        let mut set = WantedSet::default();
        set.apply(complete(vec![port(80, 8080)]));
        let got = set.apply(incremental(vec![port(80, 9090), names(7)], Vec::new()));
        assert_eq!(got, affected(&[], &[7], true));
        assert_eq!(set.ports().map(|r| r.target).collect::<Vec<_>>(), [9090]);
    }
}
