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

use skep_api::{
    Generic, Id, Node, PortConfig, Service, SpecVersion, Task, TaskState, TaskStatus, Time,
};

use super::SlotKey;
use super::endpoint::{Allocation, Given};
use super::filter::{Filter, Want, is_stranded};
use super::rank::Ranking;
use super::seat::Seats;
use crate::change::Change;
use crate::store::View;

/// How many tasks a pass places, or says why not, before it leaves the rest to the next one: as many
/// as a pass makes changes.
const PLACED_MAX: usize = 10_000;

/// A task that waits for a node, and what it was given in this pass, if it is new.
struct Waiting<'a> {
    task: &'a Task,
    given: Option<Given>,
}

/// The tasks that are placed together.
type Groups<'a> = BTreeMap<(Id<Service>, SpecVersion), Vec<Waiting<'a>>>;

/// What the scheduler decided.
#[derive(Debug, Default)]
pub(crate) struct Scheduled {
    /// Each task is written once.
    pub(crate) changes: Vec<Change>,
    /// The slot of a task that was left to the next pass.
    pub(crate) left: Option<SlotKey>,
}

/// Ends the tasks without a node that nobody wants: no node and nobody else would ever end them.
pub(crate) fn end(view: &View) -> Vec<Change> {
    let lost = view.unplaced().filter(|t| !t.is_wanted() && t.desired < TaskState::Remove);
    lost.map(|task| {
        let message = "shutdown".into();
        let status = TaskStatus { state: TaskState::Shutdown, message, ..TaskStatus::default() };
        Change::TaskStatus { task: task.id, status }
    })
    .collect()
}

/// Places all tasks that wait for a node: those that waited before, and those that were just given
/// their addresses.
pub(crate) fn schedule(view: &View, allocation: Allocation, now: Time) -> Scheduled {
    let Allocation { mut given, refused } = allocation;
    let (mut preassigned, mut groups) = (Groups::new(), Groups::new());
    for task in view.unplaced().filter(|task| task.is_wanted()) {
        let given = given.remove(&task.id);
        let is_new = task.status.state == TaskState::New;
        if is_new != given.is_some() || is_stranded(view.service(task.service), task, view.compat())
        {
            continue;
        }
        let kind = if task.slot.node().is_some() { &mut preassigned } else { &mut groups };
        kind.entry((task.service, task.spec_version)).or_default().push(Waiting { task, given });
    }
    if preassigned.is_empty() && groups.is_empty() {
        return Scheduled { changes: refused, left: None };
    }
    let mut seats = Seats::new(view);
    let mut pass = Pass { view, now, seats: &mut seats, changes: refused, left: None };
    for tasks in preassigned.into_values() {
        pass.confirm(tasks);
    }
    let mut waiting = Vec::new();
    for tasks in groups.into_values() {
        if pass.is_over(&tasks) {
            break;
        }
        let left = pass.place(tasks);
        waiting.extend((!left.is_empty()).then_some(left));
    }
    // Only now, since what one service took may be why another found nothing.
    for tasks in waiting {
        if pass.is_over(&tasks) {
            break;
        }
        pass.explain(tasks);
    }
    Scheduled { changes: pass.changes, left: pass.left }
}

struct Pass<'a, 's> {
    view: &'a View,
    now: Time,
    seats: &'s mut Seats<'a>,
    changes: Vec<Change>,
    left: Option<SlotKey>,
}

impl<'a> Pass<'a, '_> {
    /// Whether the pass made as many changes as it may; then it leaves these tasks for the next.
    fn is_over(&mut self, tasks: &[Waiting<'_>]) -> bool {
        let is_over = self.changes.len() >= PLACED_MAX;
        if is_over {
            self.left = tasks.first().map(|first| (first.task.service, first.task.slot));
        }
        is_over
    }

    /// What the tasks of a group want, with the seats ready to be asked about it.
    fn begin(&mut self, tasks: &[Waiting<'a>]) -> Option<Want<'a>> {
        let first = tasks.first()?;
        let spec = self.view.spec_of(first.task)?;
        let want = Want::new(self.view, spec, first.task, first.ports());
        self.seats.begin(first.task.service, &want);
        Some(want)
    }

    /// Confirms tasks of one service and spec version on the nodes that they are meant for. One that
    /// fails says why without any wrapper, and is no failure of the node.
    fn confirm(&mut self, tasks: Vec<Waiting<'a>>) {
        let Some(want) = self.begin(&tasks) else { return };
        for waiting in tasks {
            let at = waiting.task.slot.node().and_then(|node| self.seats.find(node));
            // Whoever made it for a node that is gone takes it back.
            let Some(at) = at else { continue };
            let heir_of = want.predecessor(self.view, waiting.task);
            match want.first_failure(self.seats, at, heir_of) {
                None => self.assign(waiting, at, &want, CONFIRMED),
                Some(filter) => self.wait(waiting, filter.explain(1)),
            }
        }
    }

    /// Places tasks of one service and spec version, in their order, as far as there are nodes for
    /// them; returns the others.
    fn place(&mut self, tasks: Vec<Waiting<'a>>) -> Vec<Waiting<'a>> {
        let Some(want) = self.begin(&tasks) else { return Vec::new() };
        let mut others = Vec::with_capacity(tasks.len());
        for waiting in tasks {
            others.extend(self.inherit(waiting, &want));
        }
        let Some(first) = others.first() else { return Vec::new() };
        let mut ranking = Ranking::new(self.seats, self.view, &want, first.task, self.now);
        let mut others = others.into_iter();
        while let Some(waiting) = others.next() {
            // A node that an earlier task filled up is not offered again.
            let found = loop {
                let Some(at) = ranking.next() else {
                    return [waiting].into_iter().chain(others).collect();
                };
                if want.next_failure(self.seats, at).is_none() {
                    break at;
                }
                ranking.gave_up();
            };
            self.assign(waiting, found, &want, ASSIGNED);
            ranking.took(found, self.seats.seat(found));
        }
        Vec::new()
    }

    /// Places a task where the one before it holds its host port, if it can; else gives it back.
    fn inherit(&mut self, waiting: Waiting<'a>, want: &Want<'a>) -> Option<Waiting<'a>> {
        let before = want.predecessor(self.view, waiting.task);
        let at = before.and_then(|task| task.node).and_then(|node| self.seats.find(node));
        let at = at.filter(|at| want.first_failure(self.seats, *at, before).is_none());
        match at {
            Some(at) => {
                self.assign(waiting, at, want, ASSIGNED);
                None
            }
            None => Some(waiting),
        }
    }

    /// Says why no node takes these tasks: what most nodes failed at comes first.
    fn explain(&mut self, tasks: Vec<Waiting<'a>>) {
        let Some(want) = self.begin(&tasks) else { return };
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
        for waiting in tasks {
            self.wait(waiting, err.clone());
        }
    }

    fn assign(&mut self, waiting: Waiting<'_>, at: usize, want: &Want<'a>, message: &'static str) {
        let generic = self.seats.take(at, want);
        let status = TaskStatus {
            state: TaskState::Assigned,
            message: message.into(),
            ..TaskStatus::default()
        };
        let node = Some(self.seats.seat(at).id);
        self.changes.push(waiting.change(node, generic, status));
    }

    fn wait(&mut self, waiting: Waiting<'_>, err: String) {
        let task = waiting.task;
        if waiting.given.is_some() {
            let (state, message) = (TaskState::Pending, "pending task scheduling".into());
            let status = TaskStatus { state, message, err, ..TaskStatus::default() };
            self.changes.push(waiting.change(None, BTreeMap::new(), status));
        } else if task.status.err != err {
            let status = TaskStatus { err, ..task.status.clone() };
            self.changes.push(waiting.change(None, BTreeMap::new(), status));
        }
    }
}

/// Swarm's words.
const ASSIGNED: &str = "scheduler assigned task to node";
const CONFIRMED: &str = "scheduler confirmed task can run on preassigned node";

impl Waiting<'_> {
    fn ports(&self) -> &[PortConfig] {
        self.given.as_ref().map_or(&self.task.ports, |given| &given.ports)
    }

    fn change(
        self,
        node: Option<Id<Node>>,
        generic: BTreeMap<String, Generic>,
        status: TaskStatus,
    ) -> Change {
        let Self { task, given } = self;
        let has = || Given { ports: task.ports.clone(), addresses: task.addresses.clone() };
        let Given { ports, addresses } = given.unwrap_or_else(has);
        Change::TaskAssign { task: task.id, node, ports, addresses, generic, status }
    }
}

/// Every node, by id, with the first filter that it fails for a task that waits; none where it fits.
pub(crate) fn verdicts<'a>(view: &'a View, task: &Task) -> Vec<(&'a Node, Option<Filter>)> {
    let Some(spec) = view.spec_of(task) else { return Vec::new() };
    let want = Want::new(view, spec, task, &task.ports);
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
    let waits = task.node.is_none() && task.status.state == TaskState::Pending;
    waits && task.is_wanted() && is_stranded(view.service(task.service), task, view.compat())
}
