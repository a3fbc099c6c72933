//! The managers' store, as raft makes it look: one object, one leader an epoch.
//!
//! A proposal is written some time after it was made. If its proposer has lost the lead by then, it
//! may have landed all the same, just before the next leader began, in part or whole, unseen by who
//! proposed it; or it is lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use skep_api::{Id, Task, Time};
use skep_manager_core::{
    ApplyError, Change, ENTRY_CHANGES_MAX, Entry, Event, Key, Object, Store, View,
};

use crate::chance::Chance;

/// What a proposal is known by.
pub(crate) type Ticket = u64;

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it is written.
    Written,
    /// An entry of it did not apply; those before it are written.
    Refused(ApplyError),
    /// Nobody can tell.
    Unknown,
}

/// One entry that was applied.
pub(crate) struct Applied {
    pub(crate) before: View,
    pub(crate) after: View,
    pub(crate) entry: Entry,
    pub(crate) events: Vec<Event>,
    /// The version of the store that the proposer looked at.
    pub(crate) seen: u64,
}

/// The store and what is on its way there.
pub(crate) struct Group {
    store: Store,
    index: u64,
    epoch: u64,
    waiting: VecDeque<Proposal>,
    outcomes: BTreeMap<Ticket, Outcome>,
    tickets: Ticket,
}

struct Proposal {
    ticket: Ticket,
    due: Time,
    time: Time,
    seen: u64,
    entries: VecDeque<Vec<Change>>,
}

impl Group {
    pub(crate) fn new(start: Time, first: Vec<Change>) -> (Self, Result<Applied, ApplyError>) {
        let mut group = Self {
            store: Store::new(),
            index: 0,
            epoch: 0,
            waiting: VecDeque::new(),
            outcomes: BTreeMap::new(),
            tickets: 0,
        };
        let applied = group.apply(Entry { time: start, changes: first }, 0);
        (group, applied)
    }

    pub(crate) fn view(&self) -> View {
        self.store.view()
    }

    /// The current leader's; nobody else's proposals are taken.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether anything is on its way to the store.
    pub(crate) fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Proposes changes, cut into entries as the shell does; `time` is the proposer's.
    pub(crate) fn propose(
        &mut self,
        epoch: u64,
        changes: Vec<Change>,
        (time, due): (Time, Time),
    ) -> Ticket {
        self.tickets += 1;
        if epoch != self.epoch {
            self.outcomes.insert(self.tickets, Outcome::Unknown);
            return self.tickets;
        }
        let entries = changes.chunks(ENTRY_CHANGES_MAX).map(<[Change]>::to_vec).collect();
        let (ticket, seen) = (self.tickets, self.index);
        self.waiting.push_back(Proposal { ticket, due, time, seen, entries });
        self.tickets
    }

    /// What became of a proposal, once it is known; told once.
    pub(crate) fn outcome(&mut self, ticket: Ticket) -> Option<Outcome> {
        self.outcomes.remove(&ticket)
    }

    /// Writes one entry of what is due by `now`; none if nothing is.
    pub(crate) fn write(&mut self, now: Time) -> Option<Applied> {
        while let Some(place) = self.waiting.iter().position(|proposal| proposal.due <= now) {
            if let Some(applied) = self.write_of(place) {
                return Some(applied);
            }
        }
        None
    }

    /// Writes the next entry of the proposal at that place. None if it is over.
    fn write_of(&mut self, place: usize) -> Option<Applied> {
        let proposal = &mut self.waiting[place];
        let (ticket, time, seen) = (proposal.ticket, proposal.time, proposal.seen);
        let Some(changes) = proposal.entries.pop_front() else {
            self.waiting.remove(place);
            self.outcomes.insert(ticket, Outcome::Written);
            return None;
        };
        match self.apply(Entry { time, changes }, seen) {
            Ok(applied) => Some(applied),
            Err(error) => {
                self.waiting.remove(place);
                self.outcomes.insert(ticket, Outcome::Refused(error));
                None
            }
        }
    }

    /// The lead passes on. What is on its way lands unseen, in part or whole, or is lost.
    pub(crate) fn hand_over(&mut self, chance: &mut Chance) -> Vec<Applied> {
        let mut landed = Vec::new();
        while let Some(mut proposal) = self.waiting.pop_front() {
            self.outcomes.insert(proposal.ticket, Outcome::Unknown);
            let lands = chance.below(proposal.entries.len() as u64 + 1) as usize;
            for changes in proposal.entries.drain(..lands) {
                match self.apply(Entry { time: proposal.time, changes }, proposal.seen) {
                    Ok(applied) => landed.push(applied),
                    Err(_) => break,
                }
            }
        }
        self.epoch += 1;
        landed
    }

    fn apply(&mut self, entry: Entry, seen: u64) -> Result<Applied, ApplyError> {
        let before = self.store.view();
        self.index += 1;
        let events = self.store.apply(self.index, &entry)?;
        Ok(Applied { before, after: self.store.view(), entry, events, seen })
    }
}

impl Applied {
    /// The tasks that the entry touched, as they were and as they are.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = (Option<&Task>, Option<&Task>)> {
        let touched = self.entry.changes.iter().filter_map(|change| match change {
            Change::Create(Object::Task(task)) | Change::Update(Object::Task(task)) => {
                Some(task.id)
            }
            Change::TaskStatus { task, .. }
            | Change::TaskDesired { task, .. }
            | Change::TaskAssign { task, .. }
            | Change::Remove(Key::Task(task)) => Some(*task),
            _ => None,
        });
        let touched: BTreeSet<Id<Task>> = touched.collect();
        touched.into_iter().map(|id| (self.before.task(id), self.after.task(id)))
    }
}
