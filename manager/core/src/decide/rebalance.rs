//! Services that ask to be rebalanced: their tasks move to nodes that came back or are new.
//!
//! | situation | change |
//! |---|---|
//! | a service with `skep.rebalance` is settled, and a node that would be chosen for one of its tasks has two fewer of them than the most crowded one | one task of that node, or as many as an update takes at once, is replaced, in the order of the service's updates |
//! | ... but a task moved less than the update's delay ago, or one failed in the last five minutes | nothing until then |
//! | an update is under way or paused, a task does not run, one is held or still stops | nothing |
//! | any other service, `strategy: binpack`, `--compat=swarm` | nothing: Swarm never moves a task |
//!
//! The scheduler chooses where the new task goes, so a move is only made if it would choose a node
//! that is better. Every move makes the sum of the squares of the nodes' counts smaller, so that
//! moving ends. Where placement preferences and nodes disagree, preferences win: they are asked
//! first, and nothing moves against them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use skep_api::{
    Compat, Id, IdGen, Mode, Origin, PlacementStrategy, Service, ServiceOptions, Slot, Task,
    TaskState, Time, UpdateOrder, UpdateState,
};

use super::filter::Want;
use super::outdated::Outdated;
use super::rank::{FAILURES_WINDOW, Ranking, field};
use super::restart;
use super::seat::Seats;
use crate::change::Change;
use crate::draft::{Making, new_task};
use crate::store::View;

/// How many tasks move at once at most, whatever the update config says: each is weighed against
/// all nodes.
const MOVES_MAX: usize = 10;
/// How many nodes are looked at that tasks might leave: each costs a look at all others.
const TRIES_MAX: usize = 20;

/// Moves tasks of one service.
pub(crate) fn reconcile(
    view: &View,
    service: Id<Service>,
    now: Time,
    ids: &mut IdGen,
) -> Vec<Change> {
    let Some(service) = view.service(service).filter(|service| may_move(view, service)) else {
        return Vec::new();
    };
    if ready_at(view, service) > now {
        return Vec::new();
    }
    let order = service.update_order(service.spec.update.as_ref(), view.compat());
    let moves = moves(view, service, order, now).into_iter();
    moves.flat_map(|task| replace(service, task, order, now, ids)).collect()
}

/// When tasks may move that have to wait for it.
pub(crate) fn wake_at(view: &View) -> Option<(Time, &'static str)> {
    let waiting = view.rebalanced().filter(|service| may_move(view, service));
    let moments = waiting.filter_map(|service| {
        let at = ready_at(view, service);
        let order = service.update_order(service.spec.update.as_ref(), view.compat());
        let waits = at > view.time() && !moves(view, service, order, at).is_empty();
        waits.then_some(at)
    });
    moments.min().map(|at| (at, "tasks may move"))
}

/// Whether the service asks for it, and nothing else is to be done with it.
fn may_move(view: &View, service: &Service) -> bool {
    let options = ServiceOptions::parse(&service.spec.labels).unwrap_or_default();
    let update = service.update_status.as_ref().map(|status| status.state);
    let is_done = matches!(
        update,
        None | Some(UpdateState::Completed) | Some(UpdateState::RollbackCompleted)
    );
    view.compat() == Compat::Skep
        && options.rebalance
        && options.strategy == PlacementStrategy::Spread
        && is_done
        // Nobody has more of it than any other could have: asked before its tasks are.
        && view.spread_of(service.id).any(|(_, count)| count > 1)
        && is_settled(view, service)
}

/// Whether every slot of a service has one task, of its current spec, that runs, and nothing else of
/// it is left on any node.
fn is_settled(view: &View, service: &Service) -> bool {
    let Mode::Replicated { replicas } = service.spec.mode else { return false };
    let outdated = Outdated::new(view, service);
    let mut slots = 0;
    let mut before: Option<Slot> = None;
    for task in view.tasks_of(service.id) {
        if !task.is_wanted() {
            if restart::may_run(view, task) {
                return false;
            }
            continue;
        }
        let runs = task.status.state == TaskState::Running && task.desired == TaskState::Running;
        if !runs || outdated.is_outdated(task) || before.replace(task.slot) == Some(task.slot) {
            return false;
        }
        slots += 1;
    }
    slots == replicas
}

/// From when on tasks may move: the update's delay after the last one did, and not while a service
/// fails, which moving would not make better.
fn ready_at(view: &View, service: &Service) -> Time {
    let delay = service.spec.update.as_ref().map(|update| update.delay).unwrap_or_default();
    let moved = view.last_move(service.id).map(|at| at.after(delay));
    let failed = view.last_failure(service.id, service.spec_version);
    let failed = failed.map(|at| at.after(FAILURES_WINDOW));
    moved.into_iter().chain(failed).max().unwrap_or_default()
}

/// The tasks to be moved, those in the highest slots of the most crowded nodes first.
fn moves<'a>(view: &'a View, service: &Service, order: UpdateOrder, now: Time) -> Vec<&'a Task> {
    let wanted: Vec<_> = view.tasks_of(service.id).filter(|task| task.is_wanted()).collect();
    let Some(first) = wanted.first() else { return Vec::new() };
    let Some(spec) = view.spec_of(first) else { return Vec::new() };
    let want = Want::new(view, spec, first, &first.ports);
    let mut seats = Seats::new(view);
    seats.begin(service.id, &want);
    let limit = match service.spec.update.as_ref().map_or(1, |update| update.parallelism) {
        0 => MOVES_MAX,
        some => usize::try_from(some).unwrap_or(MOVES_MAX).min(MOVES_MAX),
    };
    let mut mover = Mover { view, want, seats, order, now, wanted, tries: 0 };
    std::iter::from_fn(|| mover.next()).take(limit).collect()
}

/// Weighs moves one after the other; each counts for the next.
struct Mover<'a> {
    view: &'a View,
    want: Want<'a>,
    seats: Seats<'a>,
    order: UpdateOrder,
    now: Time,
    /// Tasks that may move, by slot.
    wanted: Vec<&'a Task>,
    tries: usize,
}

impl<'a> Mover<'a> {
    /// The next task to be moved. Of each branch of the placement preferences, the most crowded node
    /// speaks for all: what is better for it is so for the others of the branch, if for any.
    fn next(&mut self) -> Option<&'a Task> {
        let field = field(&self.seats, self.view, &self.want);
        let branches: BTreeMap<usize, u32> =
            field.nodes.iter().map(|(at, branch)| (*at as usize, *branch)).collect();
        let open =
            branches.keys().filter(|at| self.want.next_failure(&mut self.seats, **at).is_none());
        let open: Vec<_> = open.copied().collect();
        let least = open.into_iter().map(|at| self.seats.seat(at).of_service).min()?;
        let mut nodes: Vec<_> =
            self.seats.all().map(|(at, seat)| (Reverse(seat.of_service), at)).collect();
        nodes.sort_unstable();
        let mut tried = BTreeSet::new();
        for (Reverse(count), at) in nodes {
            if count < least + 2 || self.tries >= TRIES_MAX {
                return None;
            }
            if tried.insert(branches.get(&at)) {
                self.tries += 1;
                if let Some(task) = self.from(at) {
                    return Some(task);
                }
            }
        }
        None
    }

    /// A task of a node that is to move, if the scheduler would choose a better place for it.
    fn from(&mut self, at: usize) -> Option<&'a Task> {
        let (node, count) = (self.seats.seat(at).id, self.seats.seat(at).of_service);
        let nth = self.wanted.iter().rposition(|task| task.node == Some(node))?;
        let task = self.wanted[nth];
        // Start-first, the scheduler still counts the old one: it must be better both ways.
        if self.order == UpdateOrder::StartFirst {
            self.better(task, count)?;
        }
        self.seats.free(at, &self.want);
        let best = self.better(task, count);
        self.seats.take(best.unwrap_or(at), &self.want);
        best.map(|_| self.wanted.remove(nth))
    }

    /// The node that the scheduler would choose, if it has two tasks less than `count`.
    fn better(&mut self, task: &Task, count: u64) -> Option<usize> {
        let best = Ranking::new(&mut self.seats, self.view, &self.want, task, self.now).next();
        best.filter(|best| self.seats.seat(*best).of_service + 2 <= count)
    }
}

fn replace(
    service: &Service,
    task: &Task,
    order: UpdateOrder,
    now: Time,
    ids: &mut IdGen,
) -> Vec<Change> {
    let (desired, start_after) = match order {
        UpdateOrder::StopFirst => (TaskState::Ready, Some(now)),
        UpdateOrder::StartFirst => (TaskState::Running, None),
    };
    let making = Making { slot: task.slot, origin: Origin::Move, desired, start_after };
    let stop = (order == UpdateOrder::StopFirst).then(|| restart::shut(task));
    stop.into_iter().chain([new_task(ids.next(), service, making)]).collect()
}
