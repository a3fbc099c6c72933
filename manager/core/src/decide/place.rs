//! The scheduler: which node a task goes to (semantics part 6).
//!
//! | situation | change |
//! |---|---|
//! | a task waits that is meant for one node, and the node passes all filters | ASSIGNED to it, before all others |
//! | ... and the node fails | PENDING, with what it fails at |
//! | a task waits for a node and one passes all filters | ASSIGNED to the best one, with the generic resources it has there |
//! | ... and the task before it in its slot holds a host port that it wants | ASSIGNED to that node, if it passes (not in Swarm) |
//! | a task waits and no node passes | PENDING, with how many nodes failed at which filter |
//! | a task without a node is not wanted any more | SHUTDOWN |
//!
//! A task is placed once and never moved. All tasks of one service and spec version are placed
//! together; each placement counts for the next. Swarm explains what is left of a group by the nodes
//! that failed since the last one passed; here all nodes count, as they are once everything is
//! placed, so that whoever decides next says the same.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use skep_api::{Generic, Id, Node, Service, SpecVersion, Task, TaskState, TaskStatus, Time};

use super::filter::{Filter, Want, is_stranded, waits};
use super::rank::Ranking;
use super::seat::Seats;
use crate::change::Change;
use crate::store::View;

/// The tasks that are placed together.
type Groups<'a> = BTreeMap<(Id<Service>, SpecVersion), Vec<&'a Task>>;

/// Places all tasks that wait for a node.
pub(crate) fn schedule(view: &View, now: Time) -> Vec<Change> {
    let mut changes = Vec::new();
    let (mut preassigned, mut groups) = (Groups::new(), Groups::new());
    for task in view.unplaced() {
        if waits(task) {
            if is_stranded(view.service(task.service), task, view.compat()) {
                continue;
            }
            let kind = if task.slot.node().is_some() { &mut preassigned } else { &mut groups };
            kind.entry((task.service, task.spec_version)).or_default().push(task);
        } else if !task.is_wanted() && task.desired < TaskState::Remove {
            // Nobody else would ever end it.
            let message = "shutdown".to_owned();
            let status =
                TaskStatus { state: TaskState::Shutdown, message, ..TaskStatus::default() };
            changes.push(Change::TaskStatus { task: task.id, status });
        }
    }
    if preassigned.is_empty() && groups.is_empty() {
        return changes;
    }
    let mut seats = Seats::new(view);
    let mut pass = Pass { view, now, seats: &mut seats, changes };
    for tasks in preassigned.values() {
        pass.confirm(tasks);
    }
    let mut waiting = Vec::new();
    for tasks in groups.into_values() {
        let left = pass.place(tasks);
        waiting.extend((!left.is_empty()).then_some(left));
    }
    // Only now, since what one service took may be why another found nothing.
    for tasks in waiting {
        pass.explain(&tasks);
    }
    pass.changes
}

struct Pass<'a, 's> {
    view: &'a View,
    now: Time,
    seats: &'s mut Seats<'a>,
    changes: Vec<Change>,
}

impl<'a> Pass<'a, '_> {
    /// What the tasks of a group want, with the seats ready to be asked about it.
    fn begin(&mut self, tasks: &[&Task]) -> Option<Want<'a>> {
        let first = tasks.first()?;
        let want = Want::new(self.view, self.view.spec_of(first)?, first);
        self.seats.begin(first.service, &want);
        Some(want)
    }

    /// Confirms tasks of one service and spec version on the nodes that they are meant for. One that
    /// fails says why without any wrapper, and is no failure of the node.
    fn confirm(&mut self, tasks: &[&'a Task]) {
        let Some(want) = self.begin(tasks) else { return };
        let mut refused = Vec::new();
        for task in tasks {
            let at = task.slot.node().and_then(|node| self.seats.find(node));
            // Whoever made it for a node that is gone takes it back.
            let Some(at) = at else { continue };
            let heir_of = want.predecessor(self.view, task);
            match want.first_failure(self.seats, at, heir_of) {
                None => self.assign(task, at, &want, CONFIRMED),
                Some(filter) => refused.push((task, filter)),
            }
        }
        for (task, filter) in refused {
            self.wait(task, filter.explain(1));
        }
    }

    /// Places tasks of one service and spec version, in their order, as far as there are nodes for
    /// them; returns the others.
    fn place(&mut self, mut tasks: Vec<&'a Task>) -> Vec<&'a Task> {
        let Some(want) = self.begin(&tasks) else { return Vec::new() };
        tasks.retain(|task| !self.inherit(task, &want));
        let Some(first) = tasks.first() else { return Vec::new() };
        let mut ranking = Ranking::new(self.seats, self.view, &want, first, self.now);
        for (nth, task) in tasks.iter().enumerate() {
            // A node that an earlier task filled up is not offered again.
            let found = loop {
                let Some(at) = ranking.next() else { return tasks.split_off(nth) };
                if want.next_failure(self.seats, at).is_none() {
                    break at;
                }
                ranking.gave_up();
            };
            self.assign(task, found, &want, ASSIGNED);
            ranking.took(found, self.seats.seat(found));
        }
        Vec::new()
    }

    /// Places a task where the one before it holds its host port, if it can.
    fn inherit(&mut self, task: &Task, want: &Want<'a>) -> bool {
        let Some(before) = want.predecessor(self.view, task) else { return false };
        let Some(at) = before.node.and_then(|node| self.seats.find(node)) else { return false };
        let passes = want.first_failure(self.seats, at, Some(before)).is_none();
        if passes {
            self.assign(task, at, want, ASSIGNED);
        }
        passes
    }

    /// Says why no node takes these tasks: what most nodes failed at comes first.
    fn explain(&mut self, tasks: &[&Task]) {
        let Some(want) = self.begin(tasks) else { return };
        let mut failures: BTreeMap<Filter, usize> = BTreeMap::new();
        for at in 0..self.seats.len() {
            if let Some(filter) = want.first_failure(self.seats, at, None) {
                *failures.entry(filter).or_default() += 1;
            }
        }
        let mut failures: Vec<_> = failures.into_iter().collect();
        failures.sort_by_key(|(_, nodes)| Reverse(*nodes));
        let parts: Vec<_> = failures.into_iter().map(|(filter, n)| filter.explain(n)).collect();
        let err = match parts.as_slice() {
            [] => "no suitable node".to_owned(),
            parts => format!("no suitable node ({})", parts.join("; ")),
        };
        for task in tasks {
            self.wait(task, err.clone());
        }
    }

    fn assign(&mut self, task: &Task, at: usize, want: &Want<'a>, message: &str) {
        let generic = self.seats.take(at, want);
        let status = TaskStatus {
            state: TaskState::Assigned,
            message: message.to_owned(),
            ..TaskStatus::default()
        };
        let node = Some(self.seats.seat(at).id);
        self.changes.push(change(task, node, generic, status));
    }

    fn wait(&mut self, task: &Task, err: String) {
        if task.status.err != err {
            let status = TaskStatus { err, ..task.status.clone() };
            self.changes.push(change(task, None, BTreeMap::new(), status));
        }
    }
}

/// Swarm's words.
const ASSIGNED: &str = "scheduler assigned task to node";
const CONFIRMED: &str = "scheduler confirmed task can run on preassigned node";

fn change(
    task: &Task,
    node: Option<Id<Node>>,
    generic: BTreeMap<String, Generic>,
    status: TaskStatus,
) -> Change {
    let (ports, addresses) = (task.ports.clone(), task.addresses.clone());
    Change::TaskAssign { task: task.id, node, ports, addresses, generic, status }
}

/// Every node, by id, with the first filter that it fails for a task that waits; none where it fits.
pub(crate) fn verdicts<'a>(view: &'a View, task: &Task) -> Vec<(&'a Node, Option<Filter>)> {
    let Some(spec) = view.spec_of(task) else { return Vec::new() };
    let want = Want::new(view, spec, task);
    let mut seats = Seats::new(view);
    seats.begin(task.service, &want);
    let before = want.predecessor(view, task);
    let all: Vec<_> = seats.all().map(|(at, seat)| (at, seat.node)).collect();
    all.into_iter()
        .map(|(at, node)| {
            let heir_of = before.filter(|before| before.node == Some(node.id));
            (node, want.first_failure(&mut seats, at, heir_of))
        })
        .collect()
}

/// Whether a task that waits is never tried again: see [`is_stranded`].
pub(crate) fn is_forgotten(view: &View, task: &Task) -> bool {
    waits(task) && is_stranded(view.service(task.service), task, view.compat())
}
