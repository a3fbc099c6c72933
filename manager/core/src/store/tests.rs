use std::sync::Arc;

use skep_api::{
    Id, Meta, Network, NetworkSpec, Service, ServiceSpec, Slot, SpecVersion, Task, TaskState,
    TaskStatus, Time,
};

use super::*;
use crate::change::{Key, Object};

fn network(raw: u128, name: &str, version: u64) -> Object {
    Object::Network(Network {
        id: Id::from_u128(raw),
        meta: Meta { version, ..Meta::default() },
        spec: NetworkSpec { name: name.to_owned(), ..NetworkSpec::default() },
        subnet: String::new(),
    })
}

fn service(version: u64, spec_version: u64, image: &str) -> Service {
    let mut spec = ServiceSpec { name: "web".to_owned(), ..ServiceSpec::default() };
    image.clone_into(&mut spec.task.component.image);
    Service {
        meta: Meta { version, ..Meta::default() },
        spec_version: SpecVersion(spec_version),
        ..Service::new(Id::from_u128(1), spec)
    }
}

fn task(raw: u128, spec_version: u64) -> Task {
    Task::new(Id::from_u128(raw), &service(0, spec_version, ""), Slot::Number(1))
}

fn apply(store: &mut Store, changes: Vec<Change>) -> Result<Vec<Event>, ApplyError> {
    let index = store.view().version() + 1;
    store.apply(index, &Entry { time: Time::from_secs(index * 10), changes })
}

#[test]
fn an_entry_is_applied_all_or_not_at_all() {
    let mut store = Store::new();
    apply(&mut store, vec![Change::Create(network(1, "Front", 0))]).expect("a first network");
    let before = store.clone();
    for (object, error) in [
        (network(1, "other", 0), ApplyError::IdTaken { key: Key::Network(Id::from_u128(1)) }),
        (
            network(2, "fRONT", 0),
            ApplyError::NameTaken { key: Key::Network(Id::from_u128(2)), name: "fRONT".to_owned() },
        ),
    ] {
        let changes = vec![Change::Create(network(3, "good", 0)), Change::Create(object)];
        assert_eq!(apply(&mut store, changes), Err(error));
        assert_eq!(store, before);
    }
}

#[test]
fn an_object_is_written_by_who_read_it_last() {
    let mut store = Store::new();
    apply(&mut store, vec![Change::Create(network(1, "front", 0))]).expect("a network");
    apply(&mut store, vec![Change::Update(network(1, "back", 1))]).expect("it was read");
    let key = Key::Network(Id::from_u128(1));
    let stale = apply(&mut store, vec![Change::Update(network(1, "back", 1))]);
    assert_eq!(stale, Err(ApplyError::Stale { key, given: 1, stored: 2 }));
    let view = store.view();
    assert!(view.network_named("front").is_none(), "the old name is free");
    let meta = view.network_named("back").expect("the new name").meta;
    let (created_at, updated_at) = (Time::from_secs(10), Time::from_secs(20));
    assert_eq!(meta, Meta { version: 2, created_at, updated_at });
    apply(&mut store, vec![Change::Remove(key), Change::Remove(key)]).expect("gone is gone");
    let missing = apply(&mut store, vec![Change::Update(network(1, "back", 2))]);
    assert_eq!(missing, Err(ApplyError::Missing { key }));
}

#[test]
fn a_spec_is_kept_while_a_task_refers_to_it_and_shared_by_all_that_do() {
    let mut store = Store::new();
    let (first, version) = (service(0, 0, "web:1"), SpecVersion(0));
    let tasks = [2, 3].map(|raw| Change::Create(Object::Task(task(raw, 0))));
    let mut changes = vec![Change::Create(Object::Service(first.clone()))];
    changes.extend(tasks);
    apply(&mut store, changes).expect("a service and two tasks");
    apply(&mut store, vec![Change::Update(Object::Service(service(1, 1, "web:2")))]).expect("ok");
    let spec = |store: &Store, version| store.view().spec(first.id, version).cloned();
    assert_eq!(spec(&store, version), Some(Arc::clone(&first.spec)));
    let remove = |raw| vec![Change::Remove(Key::Task(Id::from_u128(raw)))];
    apply(&mut store, remove(2)).expect("ok");
    assert_eq!(store.view().kept_specs().count(), 1);
    apply(&mut store, remove(3)).expect("ok");
    assert_eq!(spec(&store, version), None);
    assert!(spec(&store, SpecVersion(1)).is_some(), "the service has its own");

    let late = apply(&mut store, vec![Change::Create(Object::Task(task(4, 0)))]);
    let (task, service) = (Id::from_u128(4), first.id);
    assert_eq!(late, Err(ApplyError::SpecGone { task, service, version }));
    apply(&mut store, vec![Change::Remove(Key::Service(first.id))]).expect("ok");
    assert_eq!(spec(&store, SpecVersion(1)), None);
}

#[test]
fn a_changed_spec_needs_a_new_spec_version() {
    let mut store = Store::new();
    apply(&mut store, vec![Change::Create(Object::Service(service(0, 0, "web:1")))]).expect("ok");
    let reused = apply(&mut store, vec![Change::Update(Object::Service(service(1, 0, "web:2")))]);
    assert_eq!(reused, Err(ApplyError::SpecVersionReused { service: Id::from_u128(1) }));
}

#[test]
fn a_tasks_parts_only_move_forward() {
    let mut store = Store::new();
    let id = Id::from_u128(2);
    let create = [
        Change::Create(Object::Service(service(0, 0, "web:1"))),
        Change::Create(Object::Task(task(2, 0))),
    ];
    apply(&mut store, create.into()).expect("a task");
    let status = |state, err: &str| {
        let status = TaskStatus { state, err: err.to_owned(), ..TaskStatus::default() };
        vec![Change::TaskStatus { task: id, status }]
    };
    let seen = |store: &Store| {
        let view = store.view();
        let task = view.task(id).expect("the task");
        (task.status.state, task.status.at, task.status.err.clone(), task.desired)
    };
    let none: &[Event] = &[];
    apply(&mut store, status(TaskState::Running, "")).expect("ok");
    assert_eq!(apply(&mut store, status(TaskState::Starting, "late")).as_deref(), Ok(none));
    assert_eq!(apply(&mut store, status(TaskState::Running, "")).as_deref(), Ok(none));
    // The same state with something new to say keeps the moment that it was reached at.
    apply(&mut store, status(TaskState::Running, "hm")).expect("ok");
    let (at, running) = (Time::from_secs(20), TaskState::Running);
    assert_eq!(seen(&store), (running, at, "hm".to_owned(), running));
    apply(&mut store, status(TaskState::Complete, "")).expect("ok");
    assert_eq!(apply(&mut store, status(TaskState::Failed, "no")).as_deref(), Ok(none), "ended");

    let desired = |desired| vec![Change::TaskDesired { task: id, desired }];
    apply(&mut store, desired(TaskState::Shutdown)).expect("ok");
    assert_eq!(apply(&mut store, desired(TaskState::Running)).as_deref(), Ok(none));
    assert_eq!(seen(&store).3, TaskState::Shutdown);

    let assign = |node: u128| Change::TaskAssign {
        task: id,
        node: Some(Id::from_u128(node)),
        ports: Vec::new(),
        addresses: Vec::new(),
        generic: Default::default(),
        status: TaskStatus::default(),
    };
    apply(&mut store, vec![assign(7)]).expect("ok");
    assert_eq!(apply(&mut store, vec![assign(8)]).as_deref(), Ok(none), "a node is for ever");
    let gone = vec![Change::TaskDesired { task: Id::from_u128(99), desired: TaskState::Remove }];
    assert_eq!(apply(&mut store, gone).as_deref(), Ok(none), "a task that is gone fails nobody");
}

#[test]
fn no_two_entries_share_a_moment() {
    let mut store = Store::new();
    let entry = Entry { time: Time::from_secs(5), changes: Vec::new() };
    store.apply(1, &entry).expect("ok");
    store.apply(2, &entry).expect("ok");
    assert_eq!(store.view().time(), Time::from_secs(5).after(std::time::Duration::from_nanos(1)));
}

#[test]
fn a_snapshot_that_contradicts_itself_is_refused() {
    let twice = vec![network(1, "front", 0), network(2, "FRONT", 0)];
    assert!(Store::restore(Snapshot { objects: twice, ..Snapshot::default() }).is_err());
    let orphan = vec![Object::Task(task(2, 0))];
    assert!(Store::restore(Snapshot { objects: orphan, ..Snapshot::default() }).is_err());
}

#[test]
fn a_status_decided_before_a_nodes_report_takes_back_none_of_its_restarts() {
    let mut store = Store::new();
    let made = [Object::Service(service(0, 0, "")), Object::Task(task(2, 0))];
    apply(&mut store, made.into_iter().map(Change::Create).collect()).expect("a task");
    let status = |state, restarts, failures| Change::TaskStatus {
        task: Id::from_u128(2),
        status: TaskStatus { state, restarts, failures, ..TaskStatus::default() },
    };
    apply(&mut store, vec![status(TaskState::Running, 2, 1)]).expect("a report");
    apply(&mut store, vec![status(TaskState::Rejected, 0, 0)]).expect("a decision");
    let view = store.view();
    let task = view.task(Id::from_u128(2)).expect("it is there");
    let TaskStatus { state, restarts, failures, .. } = task.status;
    assert_eq!((state, restarts, failures), (TaskState::Rejected, 2, 1));
}
