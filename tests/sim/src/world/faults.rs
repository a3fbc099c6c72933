//! What goes wrong: processes crash, nodes are cut off, the lead passes on, days go by.

use std::time::Duration;

use skep_api::{Id, Node};
use skep_manager_core::{Change, Object};

use super::World;
use crate::features::{Faults, Use};
use crate::group::Outcome;
use crate::invariants::Violation;
use crate::manager::Lead;
use crate::users;
use crate::worker::Worker;

/// What a node that was gone for so long has lost: a little more than a day.
const LONG_PAUSE: Duration = Duration::from_secs(25 * 3600);

impl World {
    /// Lets go wrong what may in one tick.
    pub(super) fn faults(&mut self) -> Result<(), Violation> {
        let faults = self.features.faults.clone();
        self.elect(&faults)?;
        if self.chance.permille(faults.worker_crash) {
            self.crash_worker(&faults);
        }
        if self.chance.permille(faults.partition)
            && let Some(node) = self.any_node()
        {
            match self.network.is_cut(node) {
                true => self.network.join(node),
                false => self.network.cut(node),
            }
            let word = if self.network.is_cut(node) { "cut off" } else { "connected" };
            self.note(format!("{} is {word}", Worker::name(node)));
        }
        if self.chance.permille(faults.long_pause) {
            self.note("a day goes by");
            self.now = self.now.after(LONG_PAUSE);
            self.agents.values_mut().for_each(|agent| agent.sleep(LONG_PAUSE));
            let leads = self.managers.iter_mut().filter_map(|manager| manager.lead.as_mut());
            leads.for_each(|lead| lead.dispatcher.sleep(LONG_PAUSE));
            self.invariants.sleep(LONG_PAUSE);
        }
        self.renew_nodes();
        Ok(())
    }

    /// Managers crash, come back, and pass the lead on.
    fn elect(&mut self, faults: &Faults) -> Result<(), Violation> {
        if self.chance.permille(faults.manager_crash) {
            let at = self.chance.below(self.managers.len() as u64) as usize;
            let back = self.now.after(self.chance.millis(0, 20_000));
            self.note(format!("manager {at} crashes"));
            self.managers[at].down_until = Some(back);
            self.managers[at].lead = None;
            if self.leader == Some(at) {
                self.depose()?;
            }
        }
        for manager in &mut self.managers {
            manager.down_until = manager.down_until.filter(|until| *until > self.now);
        }
        if self.leader.is_some() && self.chance.permille(faults.hand_over) {
            self.depose()?;
        }
        if self.leader.is_none() && self.chance.permille(300) {
            self.begin();
        }
        Ok(())
    }

    /// The leader loses the lead; it may not know for a while.
    fn depose(&mut self) -> Result<(), Violation> {
        self.note("the lead is lost");
        let view = self.group.view();
        let until = self.now.after(self.chance.millis(0, 4_000));
        if let Some(lead) = self.leader.take().and_then(|at| self.managers[at].lead.as_mut()) {
            lead.stale = Some((view, until));
        }
        for applied in self.group.hand_over(&mut self.chance) {
            self.applied(&applied)?;
        }
        Ok(())
    }

    pub(super) fn begin(&mut self) {
        let up: Vec<usize> =
            (0..self.managers.len()).filter(|at| self.managers[*at].down_until.is_none()).collect();
        let Some(at) = self.chance.any(&up) else { return };
        let (epoch, view) = (self.group.epoch(), self.group.view());
        self.note(format!("manager {at} leads"));
        let ids = self.chance.ids();
        self.managers[at].lead = Some(Lead::begin(epoch, &view, self.now, ids));
        self.leader = Some(at);
    }

    fn any_node(&mut self) -> Option<Id<Node>> {
        let all: Vec<_> = self.agents.keys().copied().collect();
        self.chance.any(&all)
    }

    fn crash_worker(&mut self, faults: &Faults) {
        let Some(node) = self.any_node() else { return };
        let back = self.now.after(self.chance.millis(0, 30_000));
        let loses = self.chance.permille(faults.disk_loss);
        self.note(format!("{} crashes", Worker::name(node)));
        if let Some(agent) = self.agents.get_mut(&node) {
            agent.crash();
            if loses {
                agent.description.compiled.clear();
            }
            if self.chance.permille(faults.refit) {
                users::refit(&mut agent.description, &mut self.chance);
            }
            self.down.insert(node, back);
        }
    }

    /// New machines join.
    fn renew_nodes(&mut self) {
        let joins = self.features.habits.node_changes == Use::Often
            && self.chance.permille(5)
            && self.agents.len() < 6;
        if !joins || self.leader.is_none() {
            return;
        }
        self.nodes += 1;
        let node = users::new_node(self.ids.next(), self.nodes, &mut self.chance);
        self.note(format!("{} joins", node.description.hostname));
        let (epoch, now) = (self.group.epoch(), self.now);
        let create = vec![Change::Create(Object::Node(node.clone()))];
        // Its agent appears with its object.
        let ticket = self.group.propose(epoch, create, (now, now));
        let written = self.write().is_ok() && self.group.outcome(ticket) == Some(Outcome::Written);
        if written {
            self.add_agent(node);
        }
    }
}
