//! The one loop of a worker: takes in what managers want and what became of runs, asks the core
//! for the next steps, and carries them out.
//!
//! A task costs an entry here and, while it is prepared or runs, one small future that waits for
//! that. All its reports of one turn leave together when the turn is over, so that a task that
//! starts at once is told once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use skep_api::{
    Assignment, Assignments, AssignmentsKind, Error, ErrorKind, ExitInfo, Id, Task, TaskReport,
    TaskStatus, Time, WorkloadKind,
};
use skep_runtime::{Outcome, Plan, PlanDir, PlanFile};
use skep_worker_core::{Cause, Contact, Ending, Observed, Run, Step, WantedSet, step};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::clock;
use crate::engine::{Engine, Ready, Running};
use crate::fabric::Fabric;
use crate::logs::Logs;
use crate::plan;
use crate::publish::{Publisher, Troubles};
use crate::reports::Reports;
use crate::volumes::Volumes;

/// How many tasks are prepared at once: each may have a download and a file of code in memory. A
/// few slow registries must not hold up the tasks whose component is here.
const PREPARING_MAX: usize = 16;
/// How many events may wait for the loop; their senders wait beyond it.
const EVENTS_MAX: usize = 256;
/// How long after a port could not be opened it is tried again, if nothing changes before.
const PORT_RETRY: Duration = Duration::from_secs(5);

/// What a supervisor works with.
pub(crate) struct Parts<E> {
    pub(crate) engine: Arc<E>,
    pub(crate) fabric: Arc<Fabric>,
    pub(crate) publisher: Publisher,
    pub(crate) volumes: Volumes,
    pub(crate) logs: Logs,
    pub(crate) reports: Arc<Reports>,
    /// Whether managers can be reached.
    pub(crate) contact: watch::Receiver<Contact>,
    /// How many tasks run, for whoever asks.
    pub(crate) running: Arc<AtomicUsize>,
}

/// The loop and what it knows.
pub(crate) struct Supervisor<E> {
    parts: Parts<E>,
    wanted: WantedSet,
    tasks: BTreeMap<Id<Task>, Entry>,
    outbox: BTreeMap<Id<Task>, TaskReport>,
    preparing: Arc<Semaphore>,
    /// Tasks to look at again at some time: few, and mostly none.
    wakes: BTreeMap<Id<Task>, Time>,
    port_retry: Option<Time>,
    sender: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
}

/// A task as this process knows it.
struct Entry {
    seen: Observed,
    prepared: Option<Prepared>,
    running: Option<Arc<dyn Running>>,
    /// What waits for its preparation or its end; dropped, it waits no more.
    waiter: Option<AbortOnDropHandle<()>>,
}

/// All that a task needs to start.
struct Prepared {
    ready: Box<dyn Ready>,
    files: Vec<PlanFile>,
    dirs: Vec<PlanDir>,
}

/// Something that became of a run.
enum Event {
    Prepared(Id<Task>, Result<Prepared, Error>),
    Ended(Id<Task>, Outcome),
    Stopped(Id<Task>, Outcome),
}

impl<E: Engine> Supervisor<E> {
    pub(crate) fn new(parts: Parts<E>) -> Self {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        Self {
            parts,
            wanted: WantedSet::default(),
            tasks: BTreeMap::new(),
            outbox: BTreeMap::new(),
            preparing: Arc::new(Semaphore::new(PREPARING_MAX)),
            wakes: BTreeMap::new(),
            port_retry: None,
            sender,
            events,
        }
    }

    /// Works until `stop`, then ends all runs, each within its grace, and tells nobody: for the
    /// managers these tasks go on running, and the next start of this node starts them again.
    pub(crate) async fn run(
        mut self,
        mut assignments: mpsc::Receiver<Assignments>,
        stop: CancellationToken,
    ) {
        loop {
            let wake_at = self.wakes.values().copied().chain(self.port_retry).min();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(message) = assignments.recv() => self.assigned(message).await,
                Some(event) = self.events.recv() => self.happened(event),
                Ok(()) = self.parts.contact.changed() => self.contact_changed(),
                () = sleep_until(wake_at) => self.woken().await,
            }
            let reports = std::mem::take(&mut self.outbox);
            self.parts.reports.put(reports.into_values());
        }
        self.end_all().await;
    }

    async fn assigned(&mut self, message: Assignments) {
        let is_complete = message.kind == AssignmentsKind::Complete;
        let affected = self.wanted.apply(message);
        for network in affected.names {
            match self.wanted.names(network) {
                Some(table) => self.parts.fabric.set_names(table),
                None => self.parts.fabric.remove_names(network),
            }
        }
        for id in &affected.tasks {
            if let Some(task) = self.wanted.task(*id) {
                let contact = *self.parts.contact.borrow();
                self.tasks.entry(*id).or_insert_with(|| Entry::new(task, contact));
                self.parts.logs.know(*id, task.service);
            }
            self.advance(*id);
        }
        if is_complete {
            self.remove_unlisted();
            self.tell_what_managers_missed();
        }
        if affected.ports {
            let troubles = self.parts.publisher.set(self.wanted.ports().cloned()).await;
            self.ports_tried(troubles);
        }
    }

    /// Managers can't be reached any more, or can be again: who decides about tasks that fail.
    fn contact_changed(&mut self) {
        let contact = *self.parts.contact.borrow_and_update();
        tracing::debug!(?contact, "contact with managers changed");
        for id in self.tasks.keys().copied().collect::<Vec<_>>() {
            if let Some(entry) = self.tasks.get_mut(&id) {
                entry.seen.contact = contact;
                self.advance(id);
            }
        }
    }

    /// What is left on the disk of tasks that went while this process was not there.
    fn remove_unlisted(&self) {
        let listed: BTreeSet<Id<Task>> =
            self.wanted.tasks().map(|task| task.task).chain(self.tasks.keys().copied()).collect();
        self.parts.volumes.retain(&listed);
        self.parts.logs.retain(&listed);
    }

    /// Statuses that managers do not have: reports may be lost with a manager or a session.
    fn tell_what_managers_missed(&mut self) {
        for task in self.wanted.tasks() {
            let Some(entry) = self.tasks.get(&task.task) else { continue };
            let status = &entry.seen.status;
            // Those two are the store's to stamp.
            let TaskStatus { at, started_at, .. } = task.status;
            let is_same = TaskStatus { at, started_at, ..status.clone() } == task.status;
            if !is_same && status.state >= task.status.state {
                let report = report(task.task, status);
                self.outbox.entry(task.task).or_insert(report);
            }
        }
    }

    fn happened(&mut self, event: Event) {
        let (Event::Prepared(id, _) | Event::Ended(id, _) | Event::Stopped(id, _)) = &event;
        let id = *id;
        let Some(entry) = self.tasks.get_mut(&id) else { return };
        match (event, &entry.seen.run) {
            (Event::Prepared(_, Ok(prepared)), Run::Preparing) => {
                entry.prepared = Some(prepared);
                entry.seen.run = Run::Prepared;
            }
            (Event::Prepared(_, Err(error)), Run::Preparing) => {
                entry.seen.run = refused(error);
            }
            (Event::Ended(_, outcome), Run::Running) => {
                entry.seen.run = Run::Ended { how: ending(&outcome), at: clock::now() };
                self.left(id);
            }
            (Event::Stopped(_, outcome), Run::Stopping) => {
                let code = outcome.exit_code();
                entry.seen.run = Run::Stopped(Some(ExitInfo { code }));
                self.left(id);
            }
            // A preparation that was given up, or the end of a run that is being stopped.
            _ => return,
        }
        self.advance(id);
    }

    /// A deadline has come.
    async fn woken(&mut self) {
        let now = clock::now();
        if self.port_retry.is_some_and(|at| at <= now) {
            let troubles = self.parts.publisher.retry().await;
            self.ports_tried(troubles);
        }
        let due = self.wakes.extract_if(.., |_, at| *at <= now);
        for id in due.map(|(id, _)| id).collect::<Vec<_>>() {
            self.advance(id);
        }
    }

    /// Ports were opened, or not: tells the tasks behind them what is wrong.
    fn ports_tried(&mut self, troubles: Troubles) {
        let retry = self.parts.publisher.wants_retry();
        self.port_retry = retry.then(|| clock::now().after(PORT_RETRY));
        if troubles == Troubles::Same {
            return;
        }
        for id in self.tasks.keys().copied().collect::<Vec<_>>() {
            let (Some(entry), Some(task)) = (self.tasks.get_mut(&id), self.wanted.task(id)) else {
                continue;
            };
            entry.seen.notice = self.parts.publisher.trouble_of(&task.ports);
            self.advance(id);
        }
    }

    /// Takes the steps of a task until it has to wait.
    fn advance(&mut self, id: Id<Task>) {
        self.wakes.remove(&id);
        while let Some(entry) = self.tasks.get_mut(&id) {
            let wanted = self.wanted.wanted(id);
            match step(wanted, &entry.seen, clock::now()) {
                Step::Report(status) => {
                    if status.state.is_terminal() {
                        // It may have been held ready, with its secrets and volumes.
                        entry.prepared = None;
                        self.parts.volumes.release(id);
                    }
                    self.outbox.insert(id, report(id, &status));
                    entry.seen.status = status;
                }
                Step::Restart(status) => {
                    self.outbox.insert(id, report(id, &status));
                    entry.seen.restart(status);
                }
                Step::Prepare => self.prepare(id),
                Step::Start => self.start(id),
                Step::Stop { grace } => self.stop(id, grace),
                Step::Remove => return self.remove(id),
                Step::Wait(until) => {
                    self.wakes.extend(until.map(|at| (id, at)));
                    return;
                }
            }
        }
    }

    fn prepare(&mut self, id: Id<Task>) {
        let (Some(entry), Some(task)) = (self.tasks.get_mut(&id), self.wanted.task(id)) else {
            return;
        };
        let files = match plan::files(task, &self.wanted) {
            Ok(files) => files,
            Err(error) => return entry.seen.run = refused(error),
        };
        entry.seen.run = Run::Preparing;
        self.parts.volumes.hold(id, &task.grant.dirs);
        entry.seen.notice = self.parts.publisher.trouble_of(&task.ports);
        let work = prepare(
            self.parts.engine.clone(),
            self.parts.volumes.clone(),
            self.preparing.clone(),
            task.clone(),
            files,
        );
        let sender = self.sender.clone();
        entry.waiter = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let result = work.await;
            // The loop is gone only when the node stops.
            let _ = sender.send(Event::Prepared(id, result)).await;
        })));
    }

    fn start(&mut self, id: Id<Task>) {
        let (Some(entry), Some(task)) = (self.tasks.get_mut(&id), self.wanted.task(id)) else {
            return;
        };
        let Some(Prepared { ready, files, dirs }) = entry.prepared.take() else { return };
        let network = Arc::new(self.parts.fabric.join(task));
        let member = network.member().clone();
        let output = self.parts.logs.writer(id, task.service);
        let grant = task.grant.clone();
        match ready.start(Plan { grant, files, dirs, network, output }) {
            Ok(running) => {
                if ready.kind() == WorkloadKind::Http {
                    member.serve_http(running.clone());
                }
                let (waited, sender) = (running.clone(), self.sender.clone());
                entry.waiter = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                    let outcome = waited.wait().await;
                    let _ = sender.send(Event::Ended(id, outcome)).await;
                })));
                entry.running = Some(running);
                entry.seen.run = Run::Running;
                self.parts.running.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                entry.seen.run = refused(error);
                self.parts.fabric.leave(id);
                self.parts.volumes.release(id);
            }
        }
    }

    fn stop(&mut self, id: Id<Task>, grace: Duration) {
        let Some(entry) = self.tasks.get_mut(&id) else { return };
        let Some(running) = entry.running.clone() else {
            // It was being prepared: that is given up.
            entry.waiter = None;
            entry.seen.run = Run::Stopped(None);
            self.parts.volumes.release(id);
            return;
        };
        entry.seen.run = Run::Stopping;
        // Nothing new is led to it: what is under way has the grace period to be finished.
        self.parts.fabric.leave(id);
        let sender = self.sender.clone();
        entry.waiter = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let outcome = running.stop(grace).await;
            drop(running);
            let _ = sender.send(Event::Stopped(id, outcome)).await;
        })));
    }

    /// A run is over: nothing reaches it any more, and it holds nothing.
    fn left(&mut self, id: Id<Task>) {
        let Some(entry) = self.tasks.get_mut(&id) else { return };
        entry.waiter = None;
        if entry.running.take().is_some() {
            self.parts.running.fetch_sub(1, Ordering::Relaxed);
        }
        self.parts.fabric.leave(id);
        self.parts.volumes.release(id);
    }

    fn remove(&mut self, id: Id<Task>) {
        self.tasks.remove(&id);
        self.outbox.remove(&id);
        self.parts.reports.forget(id);
        self.parts.volumes.release(id);
        self.parts.volumes.remove_of(id);
        self.parts.logs.remove(id);
    }

    async fn end_all(mut self) {
        self.parts.publisher.set(std::iter::empty()).await;
        let ends = std::mem::take(&mut self.tasks).into_iter().map(|(id, entry)| {
            let fabric = self.parts.fabric.clone();
            async move {
                // What was being prepared is given up with its waiter.
                drop(entry.waiter);
                fabric.leave(id);
                if let Some(running) = entry.running {
                    running.stop(entry.seen.stop_grace).await;
                }
            }
        });
        futures_util::future::join_all(ends).await;
        self.parts.running.store(0, Ordering::Relaxed);
    }
}

impl Entry {
    fn new(task: &Assignment, contact: Contact) -> Self {
        let seen = Observed { contact, ..Observed::new(task) };
        Self { seen, prepared: None, running: None, waiter: None }
    }
}

async fn prepare<E: Engine>(
    engine: Arc<E>,
    volumes: Volumes,
    preparing: Arc<Semaphore>,
    task: Assignment,
    files: Vec<PlanFile>,
) -> Result<Prepared, Error> {
    let Ok(_permit) = preparing.acquire().await else {
        unreachable!("the semaphore is never closed")
    };
    let ready = engine.prepare(&task).await?;
    let dirs = tokio::task::spawn_blocking(move || plan::dirs(&task, &volumes)).await;
    let dirs = dirs.unwrap_or_else(|panic| Err(Error::internal(panic.to_string())))?;
    Ok(Prepared { ready, files, dirs })
}

fn refused(error: Error) -> Run {
    let cause = match error.kind {
        ErrorKind::Unavailable => Cause::Passing,
        _ => Cause::Lasting,
    };
    Run::Refused { why: error.message, cause, at: clock::now() }
}

fn ending(outcome: &Outcome) -> Ending {
    match outcome {
        Outcome::Exited(code) => Ending::Exited(*code),
        Outcome::Stopped => Ending::Exited(0),
        other => Ending::Broken { code: other.exit_code(), why: other.to_string() },
    }
}

fn report(task: Id<Task>, status: &TaskStatus) -> TaskReport {
    TaskReport { task, status: status.clone(), seen_at: clock::now() }
}

async fn sleep_until(moment: Option<Time>) {
    match moment {
        Some(moment) => tokio::time::sleep(clock::until(moment)).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
