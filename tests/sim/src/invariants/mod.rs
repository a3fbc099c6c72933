//! What must hold at every moment of every run, one file each.
//!
//! | when | looked at |
//! |---|---|
//! | an entry was applied | the tasks it touched, before and after |
//! | a leader looked | what it decided and when it wants to look again |
//! | a message was sent to a node | what it gives away |
//! | a moment is over | all there is |

mod addresses;
mod attempts;
mod deadlines;
mod explained;
mod forward;
mod history;
mod host_ports;
mod parallelism;
mod placing;
mod release;
mod reservations;
mod runs;
mod secrets;
mod slots;
mod start_first;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use skep_api::{
    Id, Node, Service, ServiceOptions, Slot, Task, Time, UpdateConfig, UpdateOrder, UpdateState,
};
use skep_manager_core::View;

use crate::agent::Agent;
use crate::group::Applied;
use crate::manager::Look;
use crate::network::Message;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

impl Violation {
    pub(crate) fn new(invariant: &'static str, what: String) -> Self {
        Self { invariant, what }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.invariant, self.what)
    }
}

/// How often a leader that goes on resting is looked at.
const REST_LOOK: Duration = Duration::from_secs(5);

/// What a check comes to: nothing, or what is wrong in words.
type Checked = Result<(), String>;

/// Whether the leader has nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    No,
    /// At that moment of the leader's clock it looked, and nothing happened since.
    Since(Time),
}

/// The invariants, and what they remember.
#[derive(Default)]
pub(crate) struct Invariants {
    attempts: attempts::Attempts,
    runs: runs::Runs,
    /// The store's version and the time when a leader was seen to rest last.
    rested: (u64, Time),
    /// Those that are not looked at.
    without: Vec<String>,
}

impl Invariants {
    pub(crate) fn new(without: &[String]) -> Self {
        Self { without: without.to_vec(), ..Self::default() }
    }

    /// After an entry was applied.
    pub(crate) fn applied(&mut self, applied: &Applied, now: Time) -> Result<(), Violation> {
        self.named("forward", forward::check(applied))?;
        self.named("slots", slots::check(applied))?;
        self.named("release", release::check(applied))?;
        self.named("start_first", start_first::check(applied))?;
        self.named("placing", placing::check(applied))?;
        self.named("reservations", reservations::check(applied))?;
        self.named("host_ports", host_ports::check(applied))?;
        self.named("addresses", addresses::check(&applied.after))?;
        self.named("parallelism", parallelism::check(applied))?;
        let checked = self.attempts.check(applied);
        self.named("attempts", checked)?;
        self.runs.applied(applied, now);
        Ok(())
    }

    /// After a leader looked.
    pub(crate) fn looked(&mut self, look: &Look, time: Time) -> Result<(), Violation> {
        self.named("deadlines", deadlines::looked(look, time))
    }

    /// Before a message is sent to a node.
    pub(crate) fn sent(
        &mut self,
        view: &View,
        node: Id<Node>,
        message: &Message,
    ) -> Result<(), Violation> {
        self.named("secrets", secrets::sent(view, node, message))
    }

    /// At the end of a moment.
    pub(crate) fn ticked(
        &mut self,
        view: &View,
        now: Time,
        agents: &BTreeMap<Id<Node>, Agent>,
        rest: Rest,
    ) -> Result<(), Violation> {
        let checked = self.runs.check(view, now, agents);
        self.named("runs", checked)?;
        if let Rest::Since(time) = rest {
            let moved = self.rested.0 != view.version();
            if moved || time.since(self.rested.1) >= REST_LOOK {
                self.rested = (view.version(), time);
                self.named("deadlines", deadlines::at_rest(view, time))?;
                self.named("history", history::at_rest(view))?;
                self.named("reservations", reservations::at_rest(view))?;
                self.named("explained", explained::at_rest(view))?;
            }
        }
        Ok(())
    }

    /// Time went by that nobody noticed.
    pub(crate) fn sleep(&mut self, by: Duration) {
        self.runs.sleep(by);
    }

    fn named(&self, invariant: &'static str, checked: Checked) -> Result<(), Violation> {
        match checked {
            Err(what) if !self.without.iter().any(|left_out| left_out == invariant) => {
                Err(Violation::new(invariant, what))
            }
            _ => Ok(()),
        }
    }
}

/// The config by which a service's tasks are replaced now.
fn config(service: &Service) -> Option<&UpdateConfig> {
    let update = service.update_status.as_ref().map(|status| status.state);
    let back = matches!(
        update,
        Some(
            UpdateState::RollbackStarted
                | UpdateState::RollbackPaused
                | UpdateState::RollbackCompleted
        )
    );
    if back { service.spec.rollback.as_ref() } else { service.spec.update.as_ref() }
}

/// Which of two tasks of a service comes first now.
fn order(view: &View, service: &Service) -> UpdateOrder {
    service.update_order(config(service), view.compat())
}

/// Whether two tasks in a slot of the service may be wanted: it is or was replaced start-first.
fn overlaps(view: &View, service: &Service) -> bool {
    let first = |config: Option<&UpdateConfig>| {
        service.update_order(config, view.compat()) == UpdateOrder::StartFirst
    };
    let specs = service.history.iter().map(|revision| &revision.spec);
    let mut specs = specs.chain(&service.previous).chain([&service.spec]);
    // A task that moves to a better place may run beside the one it takes over from, too.
    let moves = |labels| ServiceOptions::parse(labels).is_ok_and(|options| options.rebalance);
    specs.any(|spec| {
        first(spec.update.as_ref()) || first(spec.rollback.as_ref()) || moves(&spec.labels)
    })
}

/// The other tasks in a task's slot.
fn others<'a>(view: &'a View, task: &Task) -> impl Iterator<Item = &'a Task> {
    let id = task.id;
    view.tasks_in(task.service, task.slot).filter(move |other| other.id != id)
}

/// Whether a node lost its tasks: it is gone or down.
fn is_lost(view: &View, node: Id<Node>) -> bool {
    view.node(node).is_none_or(|node| node.status.state == skep_api::NodeState::Down)
}

/// A task's name in words.
fn name(view: &View, task: &Task) -> String {
    place(view, task.service, task.slot) + &format!(" {}", task.id)
}

fn place(view: &View, service: Id<Service>, slot: Slot) -> String {
    let name = view.service(service).map_or("a removed service", |s| s.spec.name.as_str());
    format!("{name}.{slot}")
}
