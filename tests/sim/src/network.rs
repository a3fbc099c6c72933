//! The network between managers and nodes: messages take their time, get lost, come twice, and some
//! nodes are cut off.
//!
//! Messages of one session keep their order, as those of one connection do.

use std::collections::{BTreeMap, BTreeSet};

use skep_api::{Assignments, Id, Node, NodeDescription, TaskReport, Time};

use crate::chance::Chance;
use crate::features::Faults;

/// A session of a node with a manager.
pub(crate) type Session = u64;

/// Who gets a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Manager(usize),
    Node(Id<Node>),
}

/// What managers and nodes say to each other.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    /// A node asks for a session.
    Open(Id<Node>, Box<NodeDescription>),
    /// It has one.
    Opened(usize, Session),
    /// A beat of a node.
    Beat(Id<Node>, Session),
    /// It was heard.
    Heard(Session),
    /// The session is over.
    Over(Session),
    /// What a node is to run, and the message's place among those of its session.
    Assign(Session, u64, Box<Assignments>),
    /// What became of a node's tasks.
    Report(Id<Node>, Session, Vec<TaskReport>),
    /// It is written.
    Reported(Session),
}

/// All messages on their way.
#[derive(Default)]
pub(crate) struct Network {
    messages: BTreeMap<(Time, u64), (Peer, Message)>,
    sent: u64,
    /// When the last message to a peer arrives.
    last: BTreeMap<Peer, Time>,
    cut: BTreeSet<Id<Node>>,
    /// Sessions whose connection broke: nothing passes any more, until both ends notice.
    broken: BTreeSet<Session>,
}

impl Message {
    /// The session that it belongs to.
    fn session(&self) -> Option<Session> {
        match self {
            Self::Open(..) => None,
            Self::Opened(_, session)
            | Self::Beat(_, session)
            | Self::Heard(session)
            | Self::Over(session)
            | Self::Assign(session, ..)
            | Self::Report(_, session, _)
            | Self::Reported(session) => Some(*session),
        }
    }
}

impl Network {
    /// Sends a message to or from a node.
    pub(crate) fn send(
        &mut self,
        (now, node): (Time, Id<Node>),
        to: Peer,
        message: Message,
        faults: &Faults,
        chance: &mut Chance,
    ) {
        let session = message.session();
        let is_lost = self.cut.contains(&node) || chance.permille(faults.message_loss);
        if is_lost || session.is_some_and(|session| self.broken.contains(&session)) {
            self.broken.extend(session);
            return;
        }
        let copies = if chance.permille(faults.message_repeat) { 2 } else { 1 };
        for _ in 0..copies {
            let due = now.after(chance.millis(0, faults.delay_max_ms));
            let last = self.last.entry(to).or_default();
            *last = due.max(*last);
            self.sent += 1;
            self.messages.insert((*last, self.sent), (to, message.clone()));
        }
    }

    /// The next message that has arrived by `now`.
    pub(crate) fn receive(&mut self, now: Time) -> Option<(Peer, Message)> {
        let first = self.messages.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// Cuts a node off: what is on its way to it is lost.
    pub(crate) fn cut(&mut self, node: Id<Node>) {
        self.cut.insert(node);
        let broken = &mut self.broken;
        self.messages.retain(|_, (to, message)| {
            let passes = *to != Peer::Node(node);
            if !passes {
                broken.extend(message.session());
            }
            passes
        });
    }

    /// Connects a node again.
    pub(crate) fn join(&mut self, node: Id<Node>) {
        self.cut.remove(&node);
    }

    pub(crate) fn is_cut(&self, node: Id<Node>) -> bool {
        self.cut.contains(&node)
    }
}
