//! What must hold in every store that decisions were applied to.

use std::collections::{BTreeMap, BTreeSet};

use skep_api::{PublishMode, TaskState};

use crate::{View, is_up_to_date};

/// Panics over what must not be.
pub(crate) fn lint(view: &View) {
    one_task_a_slot_is_wanted(view);
    addresses_are_unique(view);
    ports_are_unique(view);
    states_make_sense(view);
    nodes_hold_what_was_promised(view);
}

/// Two while one of them starts to replace the other: a task runs, or is about to, until its
/// successor runs.
fn one_task_a_slot_is_wanted(view: &View) {
    let mut slots: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for task in view.tasks().filter(|task| task.is_wanted()) {
        slots.entry((task.service, task.slot)).or_default().push(task);
    }
    for mut tasks in slots.into_values().filter(|tasks| tasks.len() > 1) {
        tasks.sort_by_key(|task| (task.meta.created_at, task.id));
        assert_eq!(tasks.len(), 2, "more than two tasks are wanted in one slot: {tasks:?}");
        let service = view.service(tasks[0].service).expect("its tasks are wanted");
        let took_over =
            tasks[1].status.state == TaskState::Running && is_up_to_date(view, service, tasks[1]);
        assert!(!took_over, "the older task is told to stop once the newer one runs: {tasks:?}");
    }
}

fn addresses_are_unique(view: &View) {
    let mut taken = BTreeSet::new();
    for service in view.services() {
        for vip in &service.endpoint.virtual_ips {
            assert!(taken.insert(vip.addr), "{} is given out twice", vip.addr);
        }
    }
    let live = view.tasks().filter(|task| {
        !task.status.state.is_terminal() && (task.node.is_some() || task.is_wanted())
    });
    for address in live.flat_map(|task| &task.addresses) {
        assert!(taken.insert(address.addr), "{} is given out twice", address.addr);
    }
}

fn ports_are_unique(view: &View) {
    let mut taken = BTreeMap::new();
    for service in view.services() {
        let ports = service.endpoint.ports.iter();
        for port in ports.filter(|port| port.mode == PublishMode::Ingress) {
            assert_ne!(port.published, 0, "a given port has a number");
            let other = taken.insert((port.protocol, port.published), service.id);
            assert_eq!(other, None, "port {} is given out twice", port.published);
        }
    }
    // A host port passes from a task to the one that takes over its slot.
    let mut taken = BTreeMap::new();
    for task in view.tasks().filter(|task| task.is_active()) {
        for port in task.ports.iter().filter(|port| port.mode == PublishMode::Host) {
            let Some(node) = task.node else { continue };
            let place = (node, port.protocol, port.published);
            let slot = (task.service, task.slot);
            let holder = *taken.entry(place).or_insert(slot);
            assert_eq!(holder, slot, "host port {} is held twice", port.published);
        }
    }
}

fn states_make_sense(view: &View) {
    for task in view.tasks() {
        assert!(view.spec_of(task).is_some(), "a task's spec is kept: {task:?}");
        let placed = (TaskState::Assigned..=TaskState::Running).contains(&task.status.state);
        assert!(task.node.is_some() || !placed, "a placed task has a node: {task:?}");
    }
}

fn nodes_hold_what_was_promised(view: &View) {
    let loads: BTreeMap<_, _> = view.loads().collect();
    for node in view.nodes() {
        let mut memory = 0;
        let mut cpus = 0;
        for task in view.tasks_on(node.id).filter(|task| task.is_active()) {
            let spec = view.spec_of(task).expect("linted before");
            memory += spec.task.reservations.memory.0;
            cpus += spec.task.reservations.cpus.0;
        }
        let load = loads.get(&node.id).copied().unwrap_or_default();
        assert_eq!(
            (load.memory.0, load.cpus.0),
            (memory, cpus),
            "a load is what its tasks reserve"
        );
    }
}
