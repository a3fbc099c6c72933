//! A leader's side of the sessions: who is there, what each node was told, what they report
//! (semantics part 8). A small model of the manager's shell.
//!
//! | situation | outcome |
//! |---|---|
//! | a node opens a session | the one it had is over; the node: READY |
//! | three beats missed | the node: DOWN, its session is over |
//! | a manager begins to lead | nodes: UNKNOWN, DOWN unless they are back within six beats |

use std::collections::BTreeMap;

use skep_api::{
    AssignmentItem, AssignmentKey, Assignments, AssignmentsKind, Id, Node, NodeDescription,
    NodeState, TaskReport, Time,
};
use skep_manager_core::{Change, Object, View, assignments, diff};

use crate::agent::BEAT;
use crate::group::Ticket;
use crate::network::{Message, Session};

/// Sessions of one leader.
#[derive(Default)]
pub(crate) struct Dispatcher {
    seats: BTreeMap<Id<Node>, Seat>,
    /// Node objects to be written: tried until it succeeds.
    writes: BTreeMap<Id<Node>, NodeWrite>,
    /// A write of node objects that is under way.
    pub(crate) writing: Option<(Ticket, BTreeMap<Id<Node>, NodeWrite>)>,
    /// Reports that are being written, and whom to tell.
    pub(crate) reporting: BTreeMap<Ticket, (Id<Node>, Session)>,
}

#[derive(Default)]
struct Seat {
    session: Option<Open>,
    deadline: Option<Time>,
}

struct Open {
    id: Session,
    told: Option<BTreeMap<AssignmentKey, AssignmentItem>>,
    told_at: u64,
    messages: u64,
}

/// What is to be written of a node.
#[derive(Debug, Clone)]
pub(crate) enum NodeWrite {
    Ready(Box<NodeDescription>),
    Down,
    Unknown,
}

impl Dispatcher {
    /// A manager begins to lead.
    pub(crate) fn begin(view: &View, now: Time) -> Self {
        let mut new = Self::default();
        for node in view.nodes().filter(|node| node.status.state != NodeState::Down) {
            let deadline = Some(now.after(BEAT * 6));
            new.seats.insert(node.id, Seat { session: None, deadline });
            if node.status.state == NodeState::Ready {
                new.writes.insert(node.id, NodeWrite::Unknown);
            }
        }
        new
    }

    pub(crate) fn open(
        &mut self,
        view: &View,
        (node, session): (Id<Node>, Session),
        description: Box<NodeDescription>,
        now: Time,
    ) -> Option<()> {
        view.node(node)?;
        let seat = self.seats.entry(node).or_default();
        seat.session = Some(Open { id: session, told: None, told_at: 0, messages: 0 });
        seat.deadline = Some(now.after(BEAT * 3));
        self.writes.insert(node, NodeWrite::Ready(description));
        Some(())
    }

    /// Whether a session lives; a beat keeps it alive.
    pub(crate) fn beat(&mut self, node: Id<Node>, session: Session, now: Time) -> bool {
        let known = self.knows(node, session);
        if known && let Some(seat) = self.seats.get_mut(&node) {
            seat.deadline = Some(now.after(BEAT * 3));
        }
        known
    }

    pub(crate) fn knows(&self, node: Id<Node>, session: Session) -> bool {
        let open = self.seats.get(&node).and_then(|seat| seat.session.as_ref());
        open.is_some_and(|open| open.id == session)
    }

    /// Ends the sessions of nodes that were not heard of; returns those sessions.
    pub(crate) fn expire(&mut self, view: &View, now: Time) -> Vec<(Id<Node>, Session)> {
        let mut over = Vec::new();
        self.seats.retain(|node, seat| {
            let gone = view.node(*node).is_none();
            if gone || seat.deadline.is_some_and(|deadline| deadline <= now) {
                seat.deadline = None;
                over.extend(seat.session.take().map(|open| (*node, open.id)));
                self.writes.insert(*node, NodeWrite::Down);
            }
            !gone
        });
        over
    }

    /// Changes of node objects to be proposed now.
    pub(crate) fn node_changes(&mut self, view: &View) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut tried = BTreeMap::new();
        for (id, write) in std::mem::take(&mut self.writes) {
            let Some(stored) = view.node(id) else { continue };
            let mut node = stored.clone();
            node.status.state = match &write {
                NodeWrite::Ready(description) => {
                    node.description = (**description).clone();
                    NodeState::Ready
                }
                NodeWrite::Down => NodeState::Down,
                NodeWrite::Unknown => NodeState::Unknown,
            };
            if node != *stored {
                changes.push(Change::Update(Object::Node(node)));
                tried.insert(id, write);
            }
        }
        self.writing = (!changes.is_empty()).then_some((0, tried));
        changes
    }

    /// A write of node objects failed: what was not overtaken by news is tried again.
    pub(crate) fn write_again(&mut self, tried: BTreeMap<Id<Node>, NodeWrite>) {
        for (node, write) in tried {
            self.writes.entry(node).or_insert(write);
        }
    }

    /// What nodes do not know yet, each with its session.
    pub(crate) fn news(&mut self, view: &View) -> Vec<(Id<Node>, Message)> {
        let mut news = Vec::new();
        for (node, seat) in &mut self.seats {
            let Some(open) = &mut seat.session else { continue };
            if open.told.is_some() && open.told_at == view.version() {
                continue;
            }
            open.told_at = view.version();
            let items = assignments(view, *node);
            let message = match &open.told {
                None => Assignments {
                    kind: AssignmentsKind::Complete,
                    set: items.values().cloned().collect(),
                    remove: Vec::new(),
                },
                Some(told) => diff(told, &items),
            };
            open.told = Some(items);
            let is_complete = message.kind == AssignmentsKind::Complete;
            if is_complete || !message.set.is_empty() || !message.remove.is_empty() {
                let place = open.messages;
                open.messages += 1;
                news.push((*node, Message::Assign(open.id, place, Box::new(message))));
            }
        }
        news
    }

    /// Time went by that nobody noticed.
    pub(crate) fn sleep(&mut self, by: std::time::Duration) {
        for seat in self.seats.values_mut() {
            seat.deadline = seat.deadline.map(|at| at.after(by));
        }
    }
}

/// The changes that a node's reports come to: news of its own tasks alone.
pub(crate) fn report_changes(view: &View, node: Id<Node>, reports: &[TaskReport]) -> Vec<Change> {
    let mut changes = Vec::new();
    for report in reports {
        let Some(task) = view.task(report.task).filter(|task| task.node == Some(node)) else {
            continue;
        };
        let mut status = report.status.clone();
        status.at = task.status.at;
        if status.state >= task.status.state && status != task.status {
            changes.push(Change::TaskStatus { task: task.id, status });
        }
    }
    changes
}
