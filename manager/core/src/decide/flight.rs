//! How far the tasks are that a running update made.
//!
//! A slot is *in flight* from the moment its new task is made until that task was seen RUNNING, or
//! ended, and the update's delay passed after that (semantics part 4); parallelism bounds these. A
//! new task that is not RUNNING by its service's start deadline takes its slot out of flight too: it
//! counts as failed, and an update that nobody looks at does not wait for it for ever. Swarm waits.
//!
//! Tasks that an update made which another one overtook, and that do not run yet, are in flight too:
//! a spec that is written in quick succession takes no more slots down than parallelism allows. (In
//! Swarm it does.) They fail nobody's update.
//!
//! A new task *failed* if it ended before it ran, or within the monitoring period after, or missed
//! its start deadline. What managers ended themselves, for a node that is lost or drained or a
//! constraint that no longer holds, is no failure of the new spec (in Swarm it is). Tasks that the
//! restart policy made are not looked at, so that a slot fails once at most.

use std::time::Duration;

use skep_api::{
    Compat, Id, Service, ServiceOptions, Slot, Task, TaskState, Time, UpdateConfig,
    UpdateFailureAction, UpdateOrder, UpdateState,
};

use super::restart::{Fate, STOP_WAIT_MAX, fate, is_thrown_out};
use crate::store::{Progress, View};

/// How an update goes on: its config, with what is implied spelt out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pace {
    /// How many slots are in flight at once.
    pub(super) parallelism: usize,
    /// How long a slot stays in flight after its new task ran.
    pub(super) delay: Duration,
    /// How long a new task that runs is watched.
    pub(super) watch: Duration,
    /// Which of the two tasks comes first.
    pub(super) order: UpdateOrder,
    /// What follows too many failures.
    pub(super) action: UpdateFailureAction,
    /// From when on a task that does not run counts as failed.
    deadline: Option<Duration>,
    ratio: f32,
    slots: u64,
}

impl Pace {
    /// The pace of the update or rollback that is under way, if one is.
    pub(super) fn of(view: &View, service: &Service) -> Option<Self> {
        let status = service.update_status.as_ref()?;
        let stated = match status.state {
            UpdateState::Updating => service.spec.update.as_ref(),
            UpdateState::RollbackStarted => service.spec.rollback.as_ref(),
            _ => return None,
        };
        let compat = view.compat();
        let config = stated.cloned().unwrap_or_default();
        let options = ServiceOptions::parse(&service.spec.labels).unwrap_or_default();
        let deadline = options.start_deadline;
        Some(Self {
            parallelism: match config.parallelism {
                0 => usize::MAX,
                some => usize::try_from(some).unwrap_or(usize::MAX),
            },
            delay: config.delay,
            watch: watch(&config, compat),
            order: service.update_order(stated, compat),
            action: config.failure_action,
            deadline: (compat == Compat::Skep && !deadline.is_zero()).then_some(deadline),
            ratio: config.max_failure_ratio,
            slots: status.slots.max(1),
        })
    }

    /// Whether so many failures are more than the config allows.
    #[expect(clippy::cast_precision_loss, reason = "a ratio of a million slots is precise enough")]
    fn is_too_much(&self, failures: usize) -> bool {
        self.action != UpdateFailureAction::Continue
            && failures as f32 / self.slots as f32 > self.ratio
    }

    /// How long a slot keeps the update from being complete after its new task ran.
    fn rest(&self) -> Duration {
        self.delay.max(self.watch)
    }
}

/// How long a new task is watched after it was seen RUNNING. A delay that is longer leaves a second
/// to watch the last task. Without a monitoring period nothing is watched; Swarm has no such
/// setting, and takes zero for "as long as the delay".
fn watch(config: &UpdateConfig, compat: Compat) -> Duration {
    let is_off = config.monitor.is_zero() && compat == Compat::Skep;
    if !is_off && config.delay >= config.monitor {
        return config.delay.saturating_add(Duration::from_secs(1));
    }
    config.monitor
}

/// A task that an update made and that has not run yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start<'a> {
    pub(super) task: &'a Task,
    /// When it counts as failed; never if none.
    gives_up: Option<Time>,
}

/// What a running update has made, as far as it still matters at a moment.
#[derive(Debug)]
pub(super) struct Flights<'a> {
    /// Those that have not run yet and are still wanted.
    starting: Vec<Start<'a>>,
    /// The same of updates that were overtaken.
    overtaken: Vec<Start<'a>>,
    /// Those that ran or ended less than the delay ago, by when, and the slots they are in.
    landed: Vec<(Time, Slot)>,
    /// When the last one ran or ended, and its slot.
    last: Option<Time>,
    last_slot: Option<Slot>,
    failures: Vec<(Time, Id<Task>)>,
}

impl<'a> Flights<'a> {
    pub(super) fn of(view: &'a View, service: &Service, pace: &Pace, now: Time) -> Self {
        let (id, version) = (service.id, service.spec_version);
        let started = view.made(id, version, Progress::Starts, Time::ZERO).map(|(_, task)| task);
        let start = |task: &'a Task| Start {
            task,
            gives_up: pace.deadline.map(|deadline| begin(view, task).after(deadline)),
        };
        let starting = started.filter(|task| task.is_wanted()).map(start);
        let overtaken = match view.compat() {
            Compat::Skep => view.made_before(id, version, Progress::Starts),
            Compat::Swarm => Vec::new(),
        };
        let overtaken = overtaken.into_iter().filter(|task| task.is_wanted()).map(start);
        let from = before(now, pace.delay);
        let landed = [Progress::Runs, Progress::Ended].into_iter().flat_map(|progress| {
            let recent = view.made(id, version, progress, from);
            recent.map(|(since, task)| (since, task.slot))
        });
        let last = [Progress::Runs, Progress::Ended]
            .into_iter()
            .filter_map(|progress| view.last_made(id, version, progress))
            .map(|(since, task)| (since, task.slot))
            .max();
        let mut flights = Self {
            starting: starting.collect(),
            overtaken: overtaken.collect(),
            landed: landed.filter(|(since, _)| since.after(pace.delay) > now).collect(),
            last: last.map(|(since, _)| since),
            last_slot: last.map(|(_, slot)| slot),
            failures: Vec::new(),
        };
        if pace.action != UpdateFailureAction::Continue {
            let ended = view.made(id, version, Progress::Ended, Time::ZERO);
            let failed = ended.filter(|(_, task)| is_failure(view, task, pace));
            flights.failures = failed.map(|(_, task)| (task.status.at, task.id)).collect();
        }
        flights
    }
}

impl<'a> Flights<'a> {
    /// How many slots are in flight.
    pub(super) fn busy(&self, now: Time) -> usize {
        self.landed.len() + self.all_starting().filter(|start| !start.is_late(now)).count()
    }

    /// The slots that are in flight for updates that were overtaken. To take one of them over takes
    /// no slot down.
    pub(super) fn overtaken(&self, now: Time) -> impl Iterator<Item = Slot> {
        self.overtaken.iter().filter(move |start| !start.is_late(now)).map(|start| start.task.slot)
    }

    /// All tasks that are waited for.
    pub(super) fn waited_for(&self) -> impl Iterator<Item = Id<Task>> + Clone {
        self.all_starting().map(|start| start.task.id)
    }

    fn all_starting(&self) -> impl Iterator<Item = &Start<'a>> + Clone {
        self.starting.iter().chain(&self.overtaken)
    }

    /// The highest slot that is in flight, or was last.
    pub(super) fn farthest(&self) -> Option<Slot> {
        let starting = self.starting.iter().map(|start| start.task.slot);
        self.landed.iter().map(|(_, slot)| *slot).chain(starting).chain(self.last_slot).max()
    }

    /// The task with whose failure there are too many.
    pub(super) fn failed(&self, pace: &Pace, now: Time) -> Option<Id<Task>> {
        let late = self.starting.iter().filter(|start| start.is_late(now));
        let late = late.filter_map(|start| start.gives_up.map(|at| (at, start.task.id)));
        let all = self.failures.iter().copied().chain(late);
        if pace.is_too_much(all.clone().count()) { all.max().map(|(_, task)| task) } else { None }
    }

    /// Whether every new task ran or failed, and was watched for long enough.
    pub(super) fn is_over(&self, pace: &Pace, now: Time) -> bool {
        self.all_starting().all(|start| start.is_late(now))
            && self.last.is_none_or(|last| last.after(pace.rest()) <= now)
    }

    /// When there will be too many failures if nothing happens.
    pub(super) fn fails_at(&self, pace: &Pace) -> Option<Time> {
        let mut late: Vec<_> = self.starting.iter().filter_map(|start| start.gives_up).collect();
        late.sort_unstable();
        let nth = (0..late.len()).find(|n| pace.is_too_much(self.failures.len() + n + 1))?;
        Some(late[nth])
    }

    /// When another slot may be taken if nothing happens, given that none may be now.
    pub(super) fn room_at(&self, pace: &Pace, now: Time) -> Option<Time> {
        self.fewer_at(self.all_starting(), pace, now)
    }

    /// When another slot may be taken over from an update that was overtaken.
    pub(super) fn takeover_at(&self, pace: &Pace, now: Time) -> Option<Time> {
        self.fewer_at(self.starting.iter(), pace, now)
    }

    /// When fewer slots than may be are in flight, of those that landed and these.
    fn fewer_at<'b>(
        &self,
        starting: impl Iterator<Item = &'b Start<'a>>,
        pace: &Pace,
        now: Time,
    ) -> Option<Time>
    where
        'a: 'b,
    {
        let starting: Vec<_> = starting.filter(|start| !start.is_late(now)).collect();
        let busy = self.landed.len() + starting.len();
        let landed = self.landed.iter().map(|(since, _)| since.after(pace.delay));
        let late = starting.into_iter().filter_map(|start| start.gives_up);
        let mut ends: Vec<_> = landed.chain(late).collect();
        ends.sort_unstable();
        ends.get(busy.checked_sub(pace.parallelism)?).copied()
    }

    /// When [`Self::is_over`] will hold if nothing happens.
    pub(super) fn over_at(&self, pace: &Pace) -> Option<Time> {
        let mut end = self.last.map(|last| last.after(pace.rest()));
        for start in self.all_starting() {
            end = end.max(Some(start.gives_up?));
        }
        end
    }
}

impl Start<'_> {
    fn is_late(&self, now: Time) -> bool {
        self.gives_up.is_some_and(|at| at <= now)
    }
}

/// Whether a task that ended speaks against the spec that it was made from.
fn is_failure(view: &View, task: &Task, pace: &Pace) -> bool {
    let by_managers = fate(task) == Fate::Moved || is_thrown_out(task);
    if by_managers && view.compat() == Compat::Skep {
        return false;
    }
    task.status
        .started_at
        .is_none_or(|started| !pace.watch.is_zero() && task.status.at.since(started) <= pace.watch)
}

/// From when on a new task could have started: when the tasks before it in its slot had stopped, or
/// had been waited for long enough.
fn begin(view: &View, task: &Task) -> Time {
    let made = task.meta.created_at;
    let latest = made.after(STOP_WAIT_MAX);
    if task.desired == TaskState::Ready {
        return latest;
    }
    let others = view.tasks_in(task.service, task.slot).filter(|other| other.id != task.id);
    let stopped = others.filter(|other| other.status.state.is_terminal());
    stopped.map(|other| other.status.at).max().map_or(made, |last| last.clamp(made, latest))
}

fn before(now: Time, by: Duration) -> Time {
    let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
    Time::from_nanos(now.as_nanos().saturating_sub(by))
}
