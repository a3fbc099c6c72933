//! Which of the nodes that pass is the best (semantics parts 6.3 and 6.4).
//!
//! | asked in this order | better |
//! |---|---|
//! | placement preferences, one level a label | the branch with fewer tasks of the service |
//! | five failures of the service's spec or more in five minutes, on either | fewer |
//! | tasks of the service, then all tasks (`strategy: binpack`: reserved memory, then CPU) | fewer (binpack: more) |
//! | whether it holds the compiled image: it starts sooner there (not in Swarm) | it does |
//! | ids, so that the same cluster gives the same decision | the lower |
//!
//! Every task goes to the best branch and node as they are then. That fills branches as Swarm does,
//! which divides first and lets the siblings of a full branch share what is left, again and again.
//! The worth of a node lies in the preferences alone, never in how many nodes a branch has.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use skep_api::{
    Digest, Node, PlacementStrategy, Preference, ServiceOptions, ServiceSpec, Task, Time,
};

use super::filter::Want;
use super::seat::{Seat, Seats};
use crate::store::{Field, FieldKey, View};

/// So many failures make a node the last choice for a service...
const FAILURES_MAX: u64 = 5;
/// ... if they happened within this time; both are Swarm's.
pub(super) const FAILURES_WINDOW: Duration = Duration::from_secs(5 * 60);

/// The nodes that suit the tasks of a service whatever is placed on them, in the branches of its
/// placement preferences.
pub(super) fn field<'a>(seats: &Seats<'a>, view: &View, want: &Want<'a>) -> Arc<Field> {
    let labels = labels(want.spec).map(str::to_owned).collect();
    let constraints = want.spec.task.placement.constraints.clone();
    let key = FieldKey { constraints, platform: want.platform.map(str::to_owned), labels };
    view.field(key, |key| {
        let mut field = Field { nodes: Vec::new(), branches: vec![(0, 0)] };
        let mut known: BTreeMap<(u32, &str), u32> = BTreeMap::new();
        for (at, seat) in seats.all().filter(|(_, seat)| want.suits(seat.node)) {
            let mut branch = 0;
            for label in &key.labels {
                let next = known.entry((branch, value(label, seat.node))).or_insert_with(|| {
                    field.branches.push((branch, 0));
                    field.branches.len() as u32 - 1
                });
                branch = *next;
            }
            field.nodes.push((at as u32, branch));
        }
        // They come parent by parent, each's in the order of their values.
        for (order, branch) in (0..).zip(known.into_values()) {
            field.branches[branch as usize].1 = order;
        }
        field
    })
}

/// The nodes that pass for the tasks of one service, best first.
pub(super) struct Ranking {
    measure: Measure,
    branches: Vec<Branch>,
    /// From the root to the leaf of the node that was offered.
    path: Vec<usize>,
}

#[derive(Default)]
struct Branch {
    /// Tasks of the service under it.
    tasks: u64,
    /// The branches under it that have nodes left: tasks, order, place.
    below: BinaryHeap<Reverse<(u64, u32, u32)>>,
    nodes: BinaryHeap<Reverse<Rank>>,
}

/// Lower is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    failures: u64,
    crowd: [u64; 4],
    compiles: bool,
    at: u32,
}

impl Ranking {
    pub(super) fn new<'a>(
        seats: &mut Seats<'a>,
        view: &View,
        want: &Want<'a>,
        task: &Task,
        now: Time,
    ) -> Self {
        let field = field(seats, view, want);
        let measure = Measure::new(view, seats, want.spec, task, now);
        let mut branches: Vec<Branch> = field.branches.iter().map(|_| Branch::default()).collect();
        let mut ranks: Vec<Vec<Reverse<Rank>>> = vec![Vec::new(); branches.len()];
        for &(at, branch) in &field.nodes {
            if want.next_failure(seats, at as usize).is_none() {
                let seat = seats.seat(at as usize);
                branches[branch as usize].tasks += seat.of_service;
                ranks[branch as usize].push(Reverse(measure.rank(seat, at)));
            }
        }
        // From the leaves up: every branch comes after its parent.
        for (at, ranks) in ranks.into_iter().enumerate().rev() {
            branches[at].nodes = ranks.into();
            let branch = &branches[at];
            let (tasks, (parent, order)) = (branch.tasks, field.branches[at]);
            if at > 0 && !branch.is_empty() {
                let parent = &mut branches[parent as usize];
                parent.tasks += tasks;
                parent.below.push(Reverse((tasks, order, at as u32)));
            }
        }
        Self { measure, branches, path: Vec::new() }
    }

    /// Takes the best node out. Then either [`Self::took`] puts it back, or [`Self::gave_up`] does not.
    pub(super) fn next(&mut self) -> Option<usize> {
        self.path.clear();
        let mut at = 0;
        loop {
            self.path.push(at);
            match self.branches[at].below.peek() {
                Some(Reverse((_, _, next))) => at = *next as usize,
                None => return self.branches[at].nodes.pop().map(|rank| rank.0.at as usize),
            }
        }
    }

    /// Counts a task that went to the node, and offers the node again.
    pub(super) fn took(&mut self, at: usize, seat: &Seat<'_>) {
        let rank = self.measure.rank(seat, at as u32);
        let mut child: Option<usize> = None;
        for &branch in self.path.iter().rev() {
            let tasks = child.map(|child| self.branches[child].tasks);
            let branch_ref = &mut self.branches[branch];
            branch_ref.tasks += 1;
            match tasks {
                None => branch_ref.nodes.push(Reverse(rank)),
                Some(tasks) => {
                    if let Some(mut first) = branch_ref.below.peek_mut() {
                        first.0.0 = tasks;
                    }
                }
            }
            child = Some(branch);
        }
    }

    /// Gives the node up, and every branch that has no other. Its tasks stay counted: they are there.
    pub(super) fn gave_up(&mut self) {
        for at in (1..self.path.len()).rev() {
            if !self.branches[self.path[at]].is_empty() {
                return;
            }
            self.branches[self.path[at - 1]].below.pop();
        }
    }
}

impl Branch {
    fn is_empty(&self) -> bool {
        self.below.is_empty() && self.nodes.is_empty()
    }
}

/// How good a node is for the tasks of one service.
struct Measure {
    failures: BTreeMap<u32, u64>,
    strategy: PlacementStrategy,
    image: Option<Digest>,
}

impl Measure {
    fn new(view: &View, seats: &Seats<'_>, spec: &ServiceSpec, task: &Task, now: Time) -> Self {
        let mut failures = BTreeMap::new();
        let since = Time::from_nanos(
            now.as_nanos().saturating_sub(FAILURES_WINDOW.as_nanos() as u64).saturating_add(1),
        );
        for node in view.failures(task.service, task.spec_version, since) {
            if let Some(at) = seats.find(node) {
                *failures.entry(at as u32).or_default() += 1;
            }
        }
        failures.retain(|_, count| *count >= FAILURES_MAX);
        // Admission refuses labels that don't parse.
        let strategy = ServiceOptions::parse(&spec.labels).unwrap_or_default().strategy;
        let image = spec.task.component.image.rsplit_once('@');
        let image = image.and_then(|(_, digest)| digest.parse().ok());
        Self { failures, strategy, image }
    }

    fn rank(&self, seat: &Seat<'_>, at: u32) -> Rank {
        let crowd = match self.strategy {
            PlacementStrategy::Spread => [seat.of_service, seat.tasks, 0, 0],
            PlacementStrategy::Binpack => [
                u64::MAX - seat.reserved_memory.0,
                u64::MAX - seat.reserved_cpus.0,
                seat.of_service,
                seat.tasks,
            ],
        };
        let has = |image| seat.node.description.compiled.contains(image);
        let failures = self.failures.get(&at).copied().unwrap_or(0);
        Rank { failures, crowd, compiles: !self.image.as_ref().is_some_and(has), at }
    }
}

/// The labels to spread over. Nodes can't be spread over anything else: then Swarm skips the
/// preference, and so do we.
fn labels(spec: &ServiceSpec) -> impl Iterator<Item = &str> {
    let labels = spec.task.placement.preferences.iter();
    let labels = labels.map(|Preference::Spread(label)| label.as_str());
    labels.filter(|label| name(label).is_some())
}

/// Whose label it is, and its name.
fn name(label: &str) -> Option<(Whose, &str)> {
    [("node.labels.", Whose::Node), ("engine.labels.", Whose::Engine)].into_iter().find_map(
        |(prefix, whose)| {
            let head = label.get(..prefix.len())?;
            head.eq_ignore_ascii_case(prefix).then(|| (whose, &label[prefix.len()..]))
        },
    )
}

#[derive(Clone, Copy)]
enum Whose {
    Node,
    Engine,
}

/// The value of a node's label; empty if it lacks it, which is a branch of its own.
fn value<'a>(label: &str, node: &'a Node) -> &'a str {
    let found = name(label).and_then(|(whose, name)| match whose {
        Whose::Node => node.spec.labels.get(name),
        Whose::Engine => node.description.engine_labels.get(name),
    });
    found.map_or("", String::as_str)
}
