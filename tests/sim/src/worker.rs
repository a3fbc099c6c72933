//! A node's worker: the real wanted set and step machine, fake sandboxes.
//!
//! What the shell does around the core is done here in virtual time: it advances a task until the
//! core says wait, tells managers in the newest words, and forgets all when its process ends.

use std::collections::{BTreeMap, BTreeSet};

use skep_api::{
    Assignments, AssignmentsKind, Digest, ExitInfo, Id, Node, Task, TaskReport, TaskState,
    TaskStatus, Time,
};
use skep_worker_core::{Contact, Ending, Observed, Run, Step, WantedSet, step};

use crate::chance::Chance;
use crate::sandbox::{Image, Luck};

/// The tasks of one node, as its process knows them.
#[derive(Default)]
pub(crate) struct Worker {
    wanted: WantedSet,
    tasks: BTreeMap<Id<Task>, Entry>,
    outbox: BTreeMap<Id<Task>, TaskStatus>,
    compiled: BTreeSet<Digest>,
    contact: Contact,
    /// How far its clock is ahead of the cluster's.
    skew_ms: u64,
}

struct Entry {
    seen: Observed,
    /// What its sandbox does next by itself.
    next: Option<(Time, Happens)>,
    wake: Option<Time>,
}

enum Happens {
    Prepared(Result<(), (String, skep_worker_core::Cause)>, Option<Digest>),
    Ended(Ending),
    Stopped(ExitInfo),
}

/// What a worker works with in one turn.
pub(crate) struct Turn<'a> {
    pub(crate) now: Time,
    pub(crate) luck: Luck,
    pub(crate) chance: &'a mut Chance,
    /// What happened, for the log.
    pub(crate) said: &'a mut Vec<String>,
}

impl Worker {
    /// A process that starts; `compiled` is what its disk kept.
    pub(crate) fn start(skew_ms: u64, compiled: BTreeSet<Digest>) -> Self {
        Self { skew_ms, compiled, ..Self::default() }
    }

    pub(crate) fn compiled(&self) -> &BTreeSet<Digest> {
        &self.compiled
    }

    /// Takes a message of the assignments stream in.
    pub(crate) fn assigned(&mut self, message: Assignments, turn: &mut Turn<'_>) {
        let is_complete = message.kind == AssignmentsKind::Complete;
        let affected = self.wanted.apply(message);
        for id in &affected.tasks {
            if let Some(task) = self.wanted.task(*id) {
                let contact = self.contact;
                self.tasks.entry(*id).or_insert_with(|| Entry {
                    seen: Observed { contact, ..Observed::new(task) },
                    next: None,
                    wake: None,
                });
            }
            self.advance(*id, turn);
        }
        if is_complete {
            self.tell_what_managers_missed();
        }
    }

    /// Statuses that managers do not have: reports may be lost with a manager or a session.
    fn tell_what_managers_missed(&mut self) {
        for task in self.wanted.tasks() {
            let Some(entry) = self.tasks.get(&task.task) else { continue };
            let status = &entry.seen.status;
            let is_same = TaskStatus { at: task.status.at, ..status.clone() } == task.status;
            if !is_same && status.state >= task.status.state {
                self.outbox.entry(task.task).or_insert_with(|| status.clone());
            }
        }
    }

    /// Managers can be reached, or not any more.
    pub(crate) fn contact(&mut self, contact: Contact, turn: &mut Turn<'_>) {
        if self.contact == contact {
            return;
        }
        self.contact = contact;
        for id in self.tasks.keys().copied().collect::<Vec<_>>() {
            if let Some(entry) = self.tasks.get_mut(&id) {
                entry.seen.contact = contact;
            }
            self.advance(id, turn);
        }
    }

    /// Lets happen what is due.
    pub(crate) fn pass(&mut self, turn: &mut Turn<'_>) {
        for id in self.tasks.keys().copied().collect::<Vec<_>>() {
            let Some(entry) = self.tasks.get_mut(&id) else { continue };
            let due = |at: &Time| *at <= turn.now;
            let happens = entry.next.take_if(|(at, _)| due(at));
            let woken = entry.wake.take_if(|at| due(at));
            if happens.is_none() && woken.is_none() {
                continue;
            }
            let at = turn.now.after(std::time::Duration::from_millis(self.skew_ms));
            match happens.map(|(_, happens)| happens) {
                Some(Happens::Prepared(Ok(()), digest)) => {
                    self.compiled.extend(digest);
                    entry.seen.run = Run::Prepared;
                }
                Some(Happens::Prepared(Err((why, cause)), _)) => {
                    entry.seen.run = Run::Refused { why, cause, at };
                }
                Some(Happens::Ended(how)) => entry.seen.run = Run::Ended { how, at },
                Some(Happens::Stopped(exit)) => entry.seen.run = Run::Stopped(Some(exit)),
                None => {}
            }
            self.advance(id, turn);
        }
    }

    /// Takes the steps of a task until it has to wait.
    fn advance(&mut self, id: Id<Task>, turn: &mut Turn<'_>) {
        let skew = std::time::Duration::from_millis(self.skew_ms);
        while let Some(entry) = self.tasks.get_mut(&id) {
            let wanted = self.wanted.wanted(id);
            match step(wanted, &entry.seen, turn.now.after(skew)) {
                Step::Report(status) => {
                    turn.said.push(format!("{id} {} {:?}", status.state.name(), status.err));
                    self.outbox.insert(id, status.clone());
                    entry.seen.status = status;
                }
                Step::Restart(status) => {
                    turn.said.push(format!("{id} restarts by itself: {:?}", status.err));
                    self.outbox.insert(id, status.clone());
                    entry.seen.restart(status);
                }
                Step::Prepare => self.prepare(id, turn),
                Step::Start => self.start_run(id, turn),
                Step::Stop { grace } => stop(entry, self.wanted.task(id), grace, turn),
                Step::Remove => {
                    self.tasks.remove(&id);
                    self.outbox.remove(&id);
                }
                Step::Wait(until) => {
                    // The core speaks of this node's clock.
                    entry.wake = until.map(|at| {
                        Time::from_nanos(at.since(Time::ZERO.after(skew)).as_nanos() as u64)
                    });
                    return;
                }
            }
        }
    }

    fn prepare(&mut self, id: Id<Task>, turn: &mut Turn<'_>) {
        let (Some(entry), Some(task)) = (self.tasks.get_mut(&id), self.wanted.task(id)) else {
            return;
        };
        let (image, digest) = Image::parse(&task.grant.image);
        let compiled = digest.is_some_and(|digest| self.compiled.contains(&digest));
        let (time, result) = image.prepare(turn.chance, turn.luck, compiled);
        entry.seen.run = Run::Preparing;
        entry.next = Some((turn.now.after(time), Happens::Prepared(result, digest)));
    }

    fn start_run(&mut self, id: Id<Task>, turn: &mut Turn<'_>) {
        let (Some(entry), Some(task)) = (self.tasks.get_mut(&id), self.wanted.task(id)) else {
            return;
        };
        let (image, _) = Image::parse(&task.grant.image);
        let is_job = task.desired == TaskState::Complete;
        let ends = image.run(turn.chance, turn.luck, is_job);
        entry.next = ends.map(|(after, how)| (turn.now.after(after), Happens::Ended(how)));
        entry.seen.run = Run::Running;
    }

    /// What managers are to be told.
    pub(crate) fn reports(&mut self, now: Time) -> Vec<TaskReport> {
        let seen_at = now.after(std::time::Duration::from_millis(self.skew_ms));
        let reports = std::mem::take(&mut self.outbox).into_iter();
        reports.map(|(task, status)| TaskReport { task, status, seen_at }).collect()
    }

    /// Reports that may not have arrived are told again, unless there is news.
    pub(crate) fn tell_again(&mut self, reports: Vec<TaskReport>) {
        for TaskReport { task, status, .. } in reports {
            if self.tasks.contains_key(&task) {
                self.outbox.entry(task).or_insert(status);
            }
        }
    }

    pub(crate) fn has_reports(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The tasks whose sandboxes run here, those included that are told to stop.
    pub(crate) fn running(&self) -> impl Iterator<Item = Id<Task>> {
        let runs = |entry: &Entry| matches!(entry.seen.run, Run::Running | Run::Stopping);
        self.tasks.iter().filter(move |(_, entry)| runs(entry)).map(|(id, _)| *id)
    }

    /// When something happens here next.
    pub(crate) fn next(&self) -> Option<Time> {
        let times =
            |entry: &Entry| entry.next.as_ref().map(|(at, _)| *at).into_iter().chain(entry.wake);
        self.tasks.values().flat_map(times).min()
    }

    /// Time went by that nobody here noticed, and nothing happened in it.
    pub(crate) fn sleep(&mut self, by: std::time::Duration) {
        for entry in self.tasks.values_mut() {
            if let Some((at, _)) = &mut entry.next {
                *at = at.after(by);
            }
        }
    }

    /// Whether a secret is known here.
    pub(crate) fn knows(&self, secret: Id<skep_api::Secret>) -> bool {
        self.wanted.secret(secret).is_some()
    }

    /// A node's id is not part of its worker; for the log.
    pub(crate) fn name(node: Id<Node>) -> String {
        format!("n{:.4}", node.to_string())
    }
}

fn stop(
    entry: &mut Entry,
    task: Option<&skep_api::Assignment>,
    grace: std::time::Duration,
    turn: &mut Turn<'_>,
) {
    if entry.seen.run == Run::Preparing {
        entry.seen.run = Run::Stopped(None);
        entry.next = None;
        return;
    }
    let image = task.map_or(Image::Hang, |task| Image::parse(&task.grant.image).0);
    let (time, code) = image.stop(turn.chance, grace);
    entry.seen.run = Run::Stopping;
    entry.next = Some((turn.now.after(time), Happens::Stopped(ExitInfo { code })));
}
