//! Whether a cluster without faults has come to what every service wants.
//!
//! A service may also stay short of it if somebody who looks is told why: a task waits for a place
//! and says for which, the policy gave a slot up, the image can't be had, an update is paused.

use std::collections::{BTreeMap, BTreeSet};

use skep_api::{
    Availability, Id, Mode, Node, NodeState, RestartCondition, Service, Slot, Task, TaskState,
    Time, UpdateState,
};
use skep_manager_core::{View, is_up_to_date};

use crate::agent::Agent;
use crate::sandbox::Image;

/// What is not as it should be.
pub(crate) struct Unmet {
    pub(crate) invariant: &'static str,
    pub(crate) what: String,
}

impl Unmet {
    fn new(what: String) -> Option<Self> {
        Some(Self { invariant: "converge", what })
    }

    pub(crate) fn restless() -> Self {
        Self { invariant: "converge", what: "managers never come to rest".to_owned() }
    }
}

/// What is not as it should be yet; none if all is.
pub(crate) fn unmet(view: &View, now: Time, agents: &BTreeMap<Id<Node>, Agent>) -> Option<Unmet> {
    for node in view.nodes() {
        if node.status.state != NodeState::Ready {
            let name = &node.description.hostname;
            return Unmet::new(format!("node {name} is {}", node.status.state.name()));
        }
    }
    for task in view.tasks() {
        if view.service(task.service).is_none() {
            return Unmet::new(format!("{} of a removed service is there still", task.id));
        }
    }
    nodes_run_what_is_wanted(view, agents)
        .or_else(|| view.services().find_map(|service| service_unmet(view, service, now)))
}

/// What sandboxes there are is what managers believe.
fn nodes_run_what_is_wanted(view: &View, agents: &BTreeMap<Id<Node>, Agent>) -> Option<Unmet> {
    for (id, agent) in agents {
        let worker = agent.worker.as_ref()?;
        let runs: BTreeSet<Id<Task>> = worker.running().collect();
        let listed = view.tasks_on(*id).filter(|task| task.status.state == TaskState::Running);
        let believed: BTreeSet<Id<Task>> = listed.map(|task| task.id).collect();
        if runs != believed {
            let name = &agent.description.hostname;
            return Unmet::new(format!("{name} runs {runs:?}, managers believe {believed:?}"));
        }
        for secret in view.secrets() {
            let named = view.tasks_on(*id).filter(|task| task.is_active()).any(|task| {
                let spec = view.spec_of(task);
                let mut all = spec.iter().flat_map(|spec| &spec.task.component.secrets);
                all.any(|reference| reference.id == secret.id)
            });
            if worker.knows(secret.id) != named {
                let (name, secret) = (&agent.description.hostname, &secret.spec.name);
                return Unmet::new(format!("{name} and secret {secret}: named there: {named}"));
            }
        }
    }
    None
}

fn service_unmet(view: &View, service: &Service, now: Time) -> Option<Unmet> {
    let slots: Vec<Slot> = match service.spec.mode {
        Mode::Replicated { replicas } => return replicated(view, service, replicas, now),
        Mode::ReplicatedJob { total_completions, .. } => {
            (0..total_completions).map(Slot::Number).collect()
        }
        Mode::Global | Mode::GlobalJob => {
            let takes = view.nodes().filter(|node| is_eligible(service, node));
            takes.map(|node| Slot::Node(node.id)).collect()
        }
    };
    let is_job = matches!(service.spec.mode, Mode::ReplicatedJob { .. } | Mode::GlobalJob);
    for slot in &slots {
        let done = view.tasks_in(service.id, *slot).any(|task| match is_job {
            true => is_current(service, task) && task.status.state == TaskState::Complete,
            false => runs(view, service, task),
        });
        if !done && !is_explained(view, service, *slot) {
            return Unmet::new(format!("{}.{slot} has no task that does it", service.spec.name));
        }
    }
    let strays = view.tasks_of(service.id).filter(|task| {
        let live = task.is_wanted() && !task.status.state.is_terminal();
        // A paused node keeps what it has.
        live && !slots.contains(&task.slot) && !on_paused(view, task)
    });
    let stray = strays.into_iter().next()?;
    Unmet::new(format!(
        "{} has a task in {}, which it does not need",
        service.spec.name, stray.slot
    ))
}

fn is_current(service: &Service, task: &Task) -> bool {
    service.job.is_none_or(|job| job.iteration == task.job_iteration)
}

fn on_paused(view: &View, task: &Task) -> bool {
    let node = task.home().and_then(|node| view.node(node));
    node.is_some_and(|node| node.spec.availability == Availability::Pause)
}

fn replicated(view: &View, service: &Service, replicas: u64, _now: Time) -> Option<Unmet> {
    let name = &service.spec.name;
    let mut slots: BTreeSet<Slot> = BTreeSet::new();
    for task in view.tasks_of(service.id) {
        if task.desired != TaskState::Remove {
            slots.insert(task.slot);
        }
    }
    for slot in &slots {
        let tasks = || view.tasks_in(service.id, *slot);
        if tasks().filter(|task| task.is_wanted()).count() > 1
            && !is_explained(view, service, *slot)
        {
            return Unmet::new(format!("{name}.{slot} has two tasks"));
        }
        if !tasks().any(|task| runs(view, service, task)) && !is_explained(view, service, *slot) {
            return Unmet::new(format!("{name}.{slot} has no running task, and nobody says why"));
        }
    }
    if slots.len() as u64 != replicas {
        return Unmet::new(format!("{name} has {} slots and wants {replicas}", slots.len()));
    }
    let update = service.update_status.as_ref().map(|status| status.state);
    let under_way = matches!(update, Some(UpdateState::Updating | UpdateState::RollbackStarted));
    if under_way && slots.iter().all(|slot| !is_explained(view, service, *slot)) {
        return Unmet::new(format!("{name} is being updated still"));
    }
    None
}

/// Whether the task is what its service wants, and runs.
fn runs(view: &View, service: &Service, task: &Task) -> bool {
    task.is_wanted()
        && task.status.state == TaskState::Running
        && is_up_to_date(view, service, task)
}

/// Whether somebody who looks at a slot is told why it is not as it should be.
fn is_explained(view: &View, service: &Service, slot: Slot) -> bool {
    let paused = service.update_status.as_ref().is_some_and(|status| {
        let paused = matches!(status.state, UpdateState::Paused | UpdateState::RollbackPaused);
        paused && !status.message.is_empty()
    });
    // Slots of a global service are no part of an update, nor are those of others that wait behind
    // one which waits for a place.
    let waits = |task: &Task| {
        let state = task.status.state;
        task.is_wanted() && state <= TaskState::Pending && !task.status.err.is_empty()
    };
    let updating = service.update_status.as_ref().is_some_and(|status| {
        matches!(status.state, UpdateState::Updating | UpdateState::RollbackStarted)
    });
    // The slots of a job wait for their turn.
    let queues = service.spec.mode.is_job();
    let blocked = (updating || queues)
        && view.tasks_of(service.id).any(|task| waits(task) || is_unavailable(view, task));
    paused
        || blocked
        || view.tasks_in(service.id, slot).any(|task| waits(task) || is_unavailable(view, task))
        || gave_up(view, service, slot)
}

/// Whether the task's image can't be had.
fn is_unavailable(view: &View, task: &Task) -> bool {
    let spec = view.spec_of(task);
    spec.is_some_and(|spec| Image::parse(&spec.task.component.image).0 == Image::Missing)
}

/// Whether the policy leaves it at how the slot's newest task ended.
fn gave_up(view: &View, service: &Service, slot: Slot) -> bool {
    let newest = view.tasks_in(service.id, slot).max_by_key(|task| (task.meta.created_at, task.id));
    let Some(task) = newest.filter(|task| task.status.state.is_terminal()) else {
        return false;
    };
    let Some(spec) = view.spec_of(task) else { return false };
    let policy = &spec.task.restart;
    match policy.condition {
        RestartCondition::None => true,
        RestartCondition::OnFailure if task.status.state == TaskState::Complete => true,
        _ => policy.max_attempts > 0,
    }
}

/// Whether a global service is to have a task on the node.
fn is_eligible(service: &Service, node: &Node) -> bool {
    let zone = node.spec.labels.get("zone").map_or("", String::as_str);
    let holds = |constraint: &String| {
        let words: Vec<&str> = constraint.split_whitespace().collect();
        match words.as_slice() {
            [_, "==", value] => zone == *value,
            [_, _, value] => zone != *value,
            _ => true,
        }
    };
    node.spec.availability == Availability::Active
        && service.spec.task.placement.constraints.iter().all(holds)
}
