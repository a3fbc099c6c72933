//! Which of the nodes that pass is the best (semantics parts 6.3 and 6.4).
//!
//! Placement preferences come first: each names a label, and on each level the branch with fewer
//! tasks of the service is taken. Within a branch: nodes on which the service keeps failing last,
//! then fewer tasks of the service, then fewer tasks, then the lower id.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use skep_api::{Id, Node, Preference, ServiceSpec, Task, TaskState, Time};

use super::place::Seat;
use crate::store::View;

/// So many failures make a node the last choice for a service...
const FAILURES_MAX: u64 = 5;
/// ... if they happened within this time; both are Swarm's.
const FAILURES_WINDOW: Duration = Duration::from_secs(5 * 60);

/// The nodes that may take a task of one service, best first.
pub(super) struct Ranking {
    labels: Vec<String>,
    failures: BTreeMap<Id<Node>, u64>,
    /// The nodes by the values of their labels.
    leaves: BTreeMap<Vec<String>, BTreeSet<Rank>>,
    /// Tasks of the service under each beginning of such a path.
    branches: BTreeMap<Vec<String>, u64>,
}

/// Failures if they are many, tasks of the service, tasks, node.
type Rank = (u64, u64, u64, Id<Node>);

impl Ranking {
    pub(super) fn new<'a>(
        view: &View,
        spec: &ServiceSpec,
        task: &Task,
        now: Time,
        passing: impl Iterator<Item = &'a Seat<'a>>,
    ) -> Self {
        let preferences = spec.task.placement.preferences.iter();
        let labels = preferences.map(|Preference::Spread(label)| label.clone());
        let mut ranking = Self {
            labels: labels.filter(|label| value(label, None).is_some()).collect(),
            failures: failures(view, task, now),
            leaves: BTreeMap::new(),
            branches: BTreeMap::new(),
        };
        for seat in passing {
            let path = ranking.path(seat.node);
            for length in 1..=path.len() {
                *ranking.branches.entry(path[..length].to_vec()).or_default() += seat.of_service;
            }
            let rank = ranking.rank(seat);
            ranking.leaves.entry(path).or_default().insert(rank);
        }
        ranking
    }

    /// Takes the best node out. If it takes the task, tell [`Self::took`], which puts it back.
    pub(super) fn best(&mut self) -> Option<Id<Node>> {
        let path = self.leaves.keys().min_by_key(|path| self.crowd(path))?.clone();
        let leaf = self.leaves.get_mut(&path)?;
        let best = leaf.pop_first();
        if leaf.is_empty() {
            self.leaves.remove(&path);
        }
        best.map(|rank| rank.3)
    }

    /// Counts a task that went to a node, and offers the node again.
    pub(super) fn took(&mut self, seat: &Seat<'_>) {
        let path = self.path(seat.node);
        for length in 1..=path.len() {
            *self.branches.entry(path[..length].to_vec()).or_default() += 1;
        }
        let rank = self.rank(seat);
        self.leaves.entry(path).or_default().insert(rank);
    }

    fn rank(&self, seat: &Seat<'_>) -> Rank {
        let failures = self.failures.get(&seat.node.id).copied().unwrap_or(0);
        let failures = if failures >= FAILURES_MAX { failures } else { 0 };
        (failures, seat.of_service, seat.tasks, seat.node.id)
    }

    fn path(&self, node: &Node) -> Vec<String> {
        self.labels.iter().filter_map(|label| value(label, Some(node))).collect()
    }

    /// How crowded the branches on a path are, from the top. The value stands beside the count, so
    /// that a lower level only decides within one branch.
    fn crowd(&self, path: &[String]) -> Vec<(u64, String)> {
        let count = |length| self.branches.get(&path[..length]).copied().unwrap_or(0);
        (1..=path.len()).map(|length| (count(length), path[length - 1].clone())).collect()
    }
}

/// The value of a node's label; empty if it lacks it (which is a branch of its own). None if nodes
/// can't be spread over such a thing: then Swarm skips the preference, and so do we.
fn value(label: &str, node: Option<&Node>) -> Option<String> {
    let lower = label.to_ascii_lowercase();
    let of_node = lower.starts_with("node.labels.").then(|| &label["node.labels.".len()..]);
    let of_engine = lower.starts_with("engine.labels.").then(|| &label["engine.labels.".len()..]);
    let found = match (of_node, of_engine) {
        (Some(name), _) => node.and_then(|node| node.spec.labels.get(name)),
        (None, Some(name)) => node.and_then(|node| node.description.engine_labels.get(name)),
        (None, None) => return None,
    };
    Some(found.cloned().unwrap_or_default())
}

/// How often the task's service and spec version failed on each node of late.
fn failures(view: &View, task: &Task, now: Time) -> BTreeMap<Id<Node>, u64> {
    let mut failures = BTreeMap::new();
    for other in view.tasks_of(task.service) {
        let failed = matches!(other.status.state, TaskState::Failed | TaskState::Rejected)
            && other.spec_version == task.spec_version
            && now.since(other.status.at) < FAILURES_WINDOW;
        if let Some(node) = other.node.filter(|_| failed) {
            *failures.entry(node).or_default() += 1;
        }
    }
    failures
}
