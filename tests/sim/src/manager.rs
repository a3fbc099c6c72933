//! A manager's process: while it leads, the one loop around the core, and the dispatcher.

use skep_api::{IdGen, Time};
use skep_manager_core::{Change, Dirty, Event, View, decide, wake_at};

use crate::dispatcher::Dispatcher;
use crate::group::{Outcome, Ticket};

/// A manager.
pub(crate) struct Manager {
    /// Whether its process runs, and since when not.
    pub(crate) down_until: Option<Time>,
    pub(crate) lead: Option<Lead>,
    /// How far its clock is ahead.
    pub(crate) skew_ms: u64,
}

/// What a manager has while it leads, or believes that it does.
pub(crate) struct Lead {
    pub(crate) epoch: u64,
    pub(crate) dispatcher: Dispatcher,
    /// The store as it saw it last, once it was deposed and does not know it.
    pub(crate) stale: Option<(View, Time)>,
    ids: IdGen,
    dirty: Dirty,
    proposed: Option<(Ticket, Dirty)>,
    retry_at: Option<Time>,
    wake: Option<Time>,
    /// The store's version when it looked last.
    looked: u64,
}

/// What one look came to.
pub(crate) struct Look {
    pub(crate) changes: Vec<Change>,
    pub(crate) wake: Option<(Time, &'static str)>,
    pub(crate) left: Dirty,
}

impl Lead {
    pub(crate) fn begin(epoch: u64, view: &View, now: Time, ids: IdGen) -> Self {
        Self {
            epoch,
            dispatcher: Dispatcher::begin(view, now),
            stale: None,
            ids,
            dirty: Dirty::everything(),
            proposed: None,
            retry_at: None,
            wake: None,
            looked: 0,
        }
    }

    pub(crate) fn mark(&mut self, events: &[Event]) {
        events.iter().for_each(|event| self.dirty.mark(event));
    }

    /// Whether there is reason to look: the store moved, something is marked, a deadline passed.
    pub(crate) fn is_due(&self, view: &View, now: Time) -> bool {
        let passed = |at: Option<Time>| at.is_some_and(|at| at <= now);
        if self.proposed.is_some() {
            return false;
        }
        match self.retry_at {
            Some(at) => at <= now,
            None => self.looked != view.version() || !self.dirty.is_empty() || passed(self.wake),
        }
    }

    /// Whether nothing is on its way and there is no reason to look.
    pub(crate) fn rests(&self, view: &View, now: Time) -> bool {
        self.proposed.is_none() && self.retry_at.is_none() && !self.is_due(view, now)
    }

    /// Looks, and says what to propose.
    pub(crate) fn look(&mut self, view: &View, now: Time) -> Look {
        self.retry_at = None;
        self.looked = view.version();
        let decision = decide(view, &self.dirty, now, &mut self.ids);
        let wake = wake_at(view);
        self.wake = wake.map(|(at, _)| at);
        Look { changes: decision.changes, wake, left: decision.left }
    }

    /// What was looked at is on its way: what is proposed marks itself again.
    pub(crate) fn proposed(&mut self, ticket: Option<Ticket>, left: Dirty) {
        let before = std::mem::replace(&mut self.dirty, left);
        self.proposed = ticket.map(|ticket| (ticket, before));
    }

    pub(crate) fn ticket(&self) -> Option<Ticket> {
        self.proposed.as_ref().map(|(ticket, _)| *ticket)
    }

    /// The proposal is over: what was refused stays marked.
    pub(crate) fn answered(&mut self, outcome: &Outcome, now: Time) {
        let Some((_, before)) = self.proposed.take() else { return };
        if *outcome != Outcome::Written {
            self.dirty.merge(&before);
            self.retry_at = Some(now.after(std::time::Duration::from_secs(1)));
        }
    }

    /// When it looks again by itself.
    pub(crate) fn next(&self) -> Option<Time> {
        self.retry_at.into_iter().chain(self.wake).min()
    }
}
