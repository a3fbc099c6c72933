//! A node's side of its session with the managers (semantics part 8), around its worker.
//!
//! While a session lives it beats, takes assignments in, and sends reports, one request at a time.
//! Whatever of these fails ends the session; another is opened, later each time up to a limit.

use std::time::Duration;

use skep_api::{Id, Node, NodeDescription, TaskReport, Time};
use skep_worker_core::Contact;

use crate::network::{Message, Session};
use crate::worker::{Turn, Worker};

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const BACKOFF_MIN_MS: u64 = 100;
const BACKOFF_MAX_MS: u64 = 8_000;
/// Between two beats.
pub(crate) const BEAT: Duration = Duration::from_secs(1);

/// A machine.
pub(crate) struct Agent {
    pub(crate) node: Id<Node>,
    pub(crate) description: NodeDescription,
    pub(crate) skew_ms: u64,
    /// Its process, while there is one.
    pub(crate) worker: Option<Worker>,
    link: Link,
    tries: u32,
    /// Since when its session was not interrupted.
    pub(crate) linked_since: Option<Time>,
}

enum Link {
    None { retry_at: Time },
    Opening { manager: usize, until: Time },
    Open(Open),
}

struct Open {
    manager: usize,
    session: Session,
    /// How many messages of assignments came.
    taken: u64,
    beat_at: Time,
    /// Until when a beat must be answered.
    beat_until: Option<Time>,
    reporting: Option<(Time, Vec<TaskReport>)>,
    /// Until when the first assignments must come.
    first_until: Time,
}

/// Messages that a node sends, with the manager each goes to.
pub(crate) type Sent = Vec<(usize, Message)>;

impl Agent {
    pub(crate) fn new(node: Id<Node>, description: NodeDescription, skew_ms: u64) -> Self {
        Self {
            node,
            description,
            skew_ms,
            worker: Some(Worker::start(skew_ms, Default::default())),
            link: Link::None { retry_at: Time::ZERO },
            tries: 0,
            linked_since: None,
        }
    }

    /// Its process ends; the disk keeps what was compiled.
    pub(crate) fn crash(&mut self) {
        if let Some(worker) = self.worker.take() {
            self.description.compiled = worker.compiled().clone();
        }
        self.link = Link::None { retry_at: Time::ZERO };
        self.linked_since = None;
    }

    pub(crate) fn start(&mut self) {
        let compiled = self.description.compiled.clone();
        self.worker = Some(Worker::start(self.skew_ms, compiled));
        self.tries = 0;
    }

    /// Takes a message in.
    pub(crate) fn take(&mut self, message: Message, turn: &mut Turn<'_>) {
        let Some(worker) = &mut self.worker else { return };
        match (message, &mut self.link) {
            (Message::Opened(from, session), Link::Opening { manager, .. }) if from == *manager => {
                self.link = Link::Open(Open {
                    manager: from,
                    session,
                    taken: 0,
                    beat_at: turn.now,
                    beat_until: None,
                    reporting: None,
                    first_until: turn.now.after(ANSWER_TIMEOUT),
                });
                self.linked_since = Some(turn.now);
                worker.contact(Contact::Managed, turn);
            }
            (Message::Heard(of), Link::Open(open)) if of == open.session => open.beat_until = None,
            (Message::Reported(of), Link::Open(open)) if of == open.session => {
                open.reporting = None
            }
            (Message::Assign(of, place, assignments), Link::Open(open)) if of == open.session => {
                if place != open.taken {
                    return self.lose(turn);
                }
                open.taken += 1;
                self.tries = 0;
                worker.assigned(*assignments, turn);
            }
            (Message::Over(of), Link::Open(open)) if of == open.session => self.lose(turn),
            _ => {}
        }
    }

    /// The session is over, or none could be opened.
    fn lose(&mut self, turn: &mut Turn<'_>) {
        let pause = (BACKOFF_MIN_MS << self.tries.min(10)).min(BACKOFF_MAX_MS);
        let retry_at = turn.now.after(Duration::from_millis(pause));
        self.tries += 1;
        self.linked_since = None;
        let before = std::mem::replace(&mut self.link, Link::None { retry_at });
        let Some(worker) = &mut self.worker else { return };
        if let Link::Open(Open { reporting: Some((_, reports)), .. }) = before {
            worker.tell_again(reports);
        }
        if self.tries > 1 {
            worker.contact(Contact::CutOff, turn);
        }
    }

    /// Does what is due. `leaders` are the managers that would answer.
    pub(crate) fn pass(&mut self, leaders: &[usize], turn: &mut Turn<'_>) -> Sent {
        let mut sent = Sent::new();
        let Some(worker) = &mut self.worker else { return sent };
        worker.pass(turn);
        match &mut self.link {
            Link::None { retry_at } if *retry_at <= turn.now => match turn.chance.any(leaders) {
                Some(manager) => {
                    self.description.compiled = worker.compiled().clone();
                    let until = turn.now.after(ANSWER_TIMEOUT);
                    self.link = Link::Opening { manager, until };
                    let description = Box::new(self.description.clone());
                    sent.push((manager, Message::Open(self.node, description)));
                }
                None => self.lose(turn),
            },
            Link::Opening { until, .. } if *until <= turn.now => self.lose(turn),
            Link::Open(open) if open.is_stuck(turn.now) => self.lose(turn),
            Link::Open(open) => {
                if open.beat_at <= turn.now {
                    open.beat_at = turn.now.after(BEAT);
                    open.beat_until.get_or_insert(turn.now.after(ANSWER_TIMEOUT));
                    sent.push((open.manager, Message::Beat(self.node, open.session)));
                }
                if open.reporting.is_none() && worker.has_reports() {
                    let reports = worker.reports(turn.now);
                    let message = Message::Report(self.node, open.session, reports.clone());
                    open.reporting = Some((turn.now.after(ANSWER_TIMEOUT), reports));
                    sent.push((open.manager, message));
                }
            }
            Link::None { .. } | Link::Opening { .. } => {}
        }
        sent
    }

    /// Time went by that nobody noticed.
    pub(crate) fn sleep(&mut self, by: Duration) {
        if let Some(worker) = &mut self.worker {
            worker.sleep(by);
        }
        self.linked_since = self.linked_since.map(|at| at.after(by));
        if let Link::Open(open) = &mut self.link {
            open.beat_at = open.beat_at.after(by);
            open.first_until = open.first_until.after(by);
            open.beat_until = open.beat_until.map(|at| at.after(by));
            if let Some((until, _)) = &mut open.reporting {
                *until = until.after(by);
            }
        }
    }
}

impl Open {
    fn is_stuck(&self, now: Time) -> bool {
        let late = |until: Option<Time>| until.is_some_and(|until| until <= now);
        let reports = self.reporting.as_ref().map(|(until, _)| *until);
        let first = (self.taken == 0).then_some(self.first_until);
        late(self.beat_until) || late(reports) || late(first)
    }
}
