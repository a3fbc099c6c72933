//! The world of one run: its managers, nodes and users, and the faults that befall them.

mod faults;
mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use skep_api::{ClusterSpec, Id, IdGen, Node, Time};
use skep_manager_core::{Change, Object, admit_init};

use crate::agent::Agent;
use crate::chance::Chance;
use crate::converge::{self, Unmet};
use crate::dispatcher::report_changes;
use crate::features::{Faults, Features};
use crate::group::{Applied, Group, Outcome, Ticket};
use crate::invariants::{Invariants, Rest, Violation};
use crate::manager::Manager;
use crate::network::{Message, Network, Peer, Session};
use crate::sandbox::Luck;
use crate::trace::Trace;
use crate::users;
use crate::worker::{Turn, Worker};

/// Virtual time begins then, so that nothing is before the beginning.
const START: Time = Time::from_secs(1_000_000);
/// How long an entry takes to be written at most.
const WRITE_MAX_MS: u64 = 200;
/// How long a cluster without faults may take to come to rest: the longest waits of the cores are
/// a minute for an old task to stop and the start deadline of an update, ten minutes.
const HEAL_MAX: Duration = Duration::from_secs(3600);
/// How many entries one tick writes at most; more is a loop that feeds itself.
const ENTRIES_A_TICK_MAX: usize = 2_000;
/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// What must not be, if it was.
    pub violation: Option<Violation>,
    /// What happened.
    pub trace: Trace,
}

/// How a run is made.
#[derive(Debug, Clone)]
pub struct Setting {
    /// How long faults go on, in ticks.
    pub ticks: u64,
    /// Invariants that are left out, by their names: to look past what is known.
    pub without: Vec<String>,
}

impl Default for Setting {
    /// Some minutes of virtual time, which every delay of the cores but the day of an orphan fits
    /// into.
    fn default() -> Self {
        Self { ticks: 700, without: Vec::new() }
    }
}

/// Runs the world of a seed: so many ticks with faults, then until the cluster is as it should be.
pub fn run(seed: u64, setting: &Setting) -> Report {
    let mut world = match World::new(seed, setting) {
        Ok(world) => world,
        Err(violation) => {
            return Report { violation: Some(violation), trace: Trace::new(START) };
        }
    };
    let violation = world.live(setting.ticks).err();
    if let Some(violation) = &violation {
        world.trace.note(world.now, format!("VIOLATION {violation}"));
    }
    Report { violation, trace: world.trace }
}

struct World {
    now: Time,
    features: Features,
    chance: Chance,
    group: Group,
    managers: Vec<Manager>,
    agents: BTreeMap<Id<Node>, Agent>,
    network: Network,
    luck: Luck,
    ids: IdGen,
    sessions: Session,
    nodes: u64,
    leader: Option<usize>,
    /// Commands on their way, for the log.
    commands: BTreeMap<Ticket, String>,
    /// Node processes that are down, and until when.
    down: BTreeMap<Id<Node>, Time>,
    trace: Trace,
    invariants: Invariants,
}

impl World {
    fn new(seed: u64, setting: &Setting) -> Result<Self, Violation> {
        let mut chance = Chance::new(seed);
        let features = Features::draw(&mut chance);
        let mut ids = chance.ids();
        let mut trace = Trace::new(START);
        trace.note(START, format!("{features:?}"));
        let spec = ClusterSpec {
            task_history_limit: features.history_limit,
            compat: features.compat,
            ..ClusterSpec::default()
        };
        let nodes: Vec<Node> =
            (1..=features.nodes).map(|n| users::new_node(ids.next(), n, &mut chance)).collect();
        let empty = skep_manager_core::Store::new().view();
        let admitted = admit_init(&empty, spec, nodes[0].clone(), &mut ids);
        let mut first = admitted.map_err(|error| Violation::new("world", error.message))?.changes;
        first.extend(nodes[1..].iter().cloned().map(|n| Change::Create(Object::Node(n))));
        let (group, applied) = Group::new(START, first);
        applied.map_err(|error| Violation::new("world", error.to_string()))?;
        let managers = (0..features.managers)
            .map(|_| Manager {
                down_until: None,
                lead: None,
                skew_ms: chance.below(features.faults.skew_max_ms.min(2_000) + 1),
            })
            .collect();
        let mut world = Self {
            now: START,
            group,
            managers,
            agents: BTreeMap::new(),
            network: Network::default(),
            luck: Luck::Bad,
            ids,
            sessions: 0,
            nodes: features.nodes,
            leader: None,
            commands: BTreeMap::new(),
            down: BTreeMap::new(),
            trace,
            invariants: Invariants::new(&setting.without),
            chance: chance.fork(),
            features,
        };
        nodes.into_iter().for_each(|node| world.add_agent(node));
        Ok(world)
    }

    fn add_agent(&mut self, node: Node) {
        let skew = self.chance.below(self.features.faults.skew_max_ms + 1);
        self.agents.insert(node.id, Agent::new(node.id, node.description, skew));
    }

    fn live(&mut self, ticks: u64) -> Result<(), Violation> {
        for _ in 0..ticks {
            self.now = self.now.after(match self.chance.below(10) {
                0..=3 => self.chance.millis(1, 60),
                4..=8 => self.chance.millis(60, 500),
                _ => self.chance.millis(500, 1_500),
            });
            self.faults()?;
            self.users();
            self.tick()?;
        }
        self.heal();
        self.settle()
    }

    /// One moment: messages arrive, entries are written, managers and nodes do what is due.
    fn tick(&mut self) -> Result<(), Violation> {
        self.deliver();
        self.write()?;
        self.lead()?;
        self.write()?;
        self.answer();
        self.nodes();
        let view = self.group.view();
        // A machine whose node was removed is none of the cluster's.
        self.agents.retain(|id, _| view.node(*id).is_some());
        let rest = self.rest();
        self.invariants.ticked(&view, self.now, &self.agents, rest)
    }

    fn note(&mut self, what: impl std::fmt::Display) {
        self.trace.note(self.now, what);
    }

    fn deliver(&mut self) {
        while let Some((peer, message)) = self.network.receive(self.now) {
            match peer {
                Peer::Manager(manager) => self.manager_gets(manager, message),
                Peer::Node(node) => self.node_gets(node, message),
            }
        }
    }

    fn node_gets(&mut self, node: Id<Node>, message: Message) {
        let Some(agent) = self.agents.get_mut(&node) else { return };
        let mut said = Vec::new();
        let (now, luck, chance) = (self.now, self.luck, &mut self.chance);
        agent.take(message, &mut Turn { now, luck, chance, said: &mut said });
        self.say(node, said);
    }

    fn say(&mut self, node: Id<Node>, said: Vec<String>) {
        for words in said {
            self.trace.note(self.now, format!("{}: {words}", Worker::name(node)));
        }
    }

    fn send(&mut self, node: Id<Node>, to: Peer, message: Message) {
        let faults = &self.features.faults;
        self.network.send((self.now, node), to, message, faults, &mut self.chance);
    }

    fn manager_gets(&mut self, at: usize, message: Message) {
        let view = self.group.view();
        let now = self.now;
        let time = self.clock(at);
        let Some(lead) = &mut self.managers[at].lead else { return };
        let (seen, _) = lead.stale.clone().unwrap_or((view, now));
        let (epoch, dispatcher) = (lead.epoch, &mut lead.dispatcher);
        match message {
            Message::Open(node, description) => {
                self.sessions += 1;
                let session = self.sessions;
                if dispatcher.open(&seen, (node, session), description, now).is_some() {
                    self.send(node, Peer::Node(node), Message::Opened(at, session));
                }
            }
            Message::Beat(node, session) => {
                let answer = match dispatcher.beat(node, session, now) {
                    true => Message::Heard(session),
                    false => Message::Over(session),
                };
                self.send(node, Peer::Node(node), answer);
            }
            Message::Report(node, session, reports) => {
                if !dispatcher.knows(node, session) {
                    return self.send(node, Peer::Node(node), Message::Over(session));
                }
                let changes = report_changes(&seen, node, &reports);
                if changes.is_empty() {
                    return self.send(node, Peer::Node(node), Message::Reported(session));
                }
                let due = now.after(self.chance.millis(0, WRITE_MAX_MS));
                let ticket = self.group.propose(epoch, changes, (time, due));
                dispatcher.reporting.insert(ticket, (node, session));
            }
            _ => {}
        }
    }

    /// A manager's clock.
    fn clock(&self, manager: usize) -> Time {
        self.now.after(Duration::from_millis(self.managers[manager].skew_ms))
    }

    /// Writes what is due, and checks every entry.
    fn write(&mut self) -> Result<(), Violation> {
        for _ in 0..ENTRIES_A_TICK_MAX {
            match self.group.write(self.now) {
                Some(applied) => self.applied(&applied)?,
                None => return Ok(()),
            }
        }
        Err(Violation::new("bounded", "entries without end in one tick".to_owned()))
    }

    fn applied(&mut self, applied: &Applied) -> Result<(), Violation> {
        for change in &applied.entry.changes {
            let words = words::of(&applied.after, change);
            self.trace.note(self.now, words);
        }
        for manager in &mut self.managers {
            if let Some(lead) = manager.lead.as_mut().filter(|lead| lead.stale.is_none()) {
                lead.mark(&applied.events);
            }
        }
        self.invariants.applied(applied, self.now)
    }

    /// The leader's loop.
    fn lead(&mut self) -> Result<(), Violation> {
        for at in 0..self.managers.len() {
            let view = self.group.view();
            let (now, time) = (self.now, self.clock(at));
            let Some(lead) = &mut self.managers[at].lead else { continue };
            if let Some((_, until)) = lead.stale {
                // It finds out: its sessions end with it.
                if until <= now {
                    self.managers[at].lead = None;
                }
                continue;
            }
            let over = lead.dispatcher.expire(&view, now);
            for (node, session) in over {
                self.send(node, Peer::Node(node), Message::Over(session));
            }
            let Some(lead) = &mut self.managers[at].lead else { continue };
            if lead.dispatcher.writing.is_none() {
                let changes = lead.dispatcher.node_changes(&view);
                if let Some((ticket, _)) = &mut lead.dispatcher.writing {
                    let due = now.after(self.chance.millis(0, WRITE_MAX_MS));
                    *ticket = self.group.propose(lead.epoch, changes, (time, due));
                }
            }
            if lead.is_due(&view, time) {
                let look = lead.look(&view, time);
                self.invariants.looked(&look, time)?;
                let ticket = (!look.changes.is_empty()).then(|| {
                    let due = now.after(self.chance.millis(0, WRITE_MAX_MS));
                    self.group.propose(lead.epoch, look.changes, (time.max(view.time()), due))
                });
                lead.proposed(ticket, look.left);
            }
            let news = lead.dispatcher.news(&view);
            for (node, message) in news {
                self.invariants.sent(&view, node, &message)?;
                self.send(node, Peer::Node(node), message);
            }
        }
        Ok(())
    }

    /// Tells proposers what became of their proposals.
    fn answer(&mut self) {
        for at in 0..self.managers.len() {
            let time = self.clock(at);
            let Some(lead) = &mut self.managers[at].lead else { continue };
            if let Some(outcome) = lead.ticket().and_then(|ticket| self.group.outcome(ticket)) {
                lead.answered(&outcome, time);
            }
            if let Some((ticket, tried)) = lead.dispatcher.writing.take() {
                match self.group.outcome(ticket) {
                    None => lead.dispatcher.writing = Some((ticket, tried)),
                    Some(Outcome::Written) => {}
                    Some(_) => lead.dispatcher.write_again(tried),
                }
            }
            let mut answers = Vec::new();
            lead.dispatcher.reporting.retain(|ticket, (node, session)| {
                let outcome = self.group.outcome(*ticket);
                if outcome == Some(Outcome::Written) {
                    answers.push((*node, *session));
                }
                outcome.is_none()
            });
            for (node, session) in answers {
                self.send(node, Peer::Node(node), Message::Reported(session));
            }
        }
        let commands = std::mem::take(&mut self.commands);
        for (ticket, words) in commands {
            match self.group.outcome(ticket) {
                None => drop(self.commands.insert(ticket, words)),
                Some(Outcome::Written) => {}
                Some(outcome) => self.note(format!("{words}: {outcome:?}")),
            }
        }
    }

    fn nodes(&mut self) {
        let leaders: Vec<usize> =
            (0..self.managers.len()).filter(|at| self.managers[*at].lead.is_some()).collect();
        for id in self.agents.keys().copied().collect::<Vec<_>>() {
            if self.down.get(&id).is_some_and(|until| *until <= self.now) {
                self.down.remove(&id);
                self.note(format!("{} starts", Worker::name(id)));
                self.agents.entry(id).and_modify(Agent::start);
            }
            let Some(agent) = self.agents.get_mut(&id) else { continue };
            let mut said = Vec::new();
            let (now, luck, chance) = (self.now, self.luck, &mut self.chance);
            let sent = agent.pass(&leaders, &mut Turn { now, luck, chance, said: &mut said });
            self.say(id, said);
            for (manager, message) in sent {
                self.send(id, Peer::Manager(manager), message);
            }
        }
    }

    /// Whether nothing is to be done now, as the leader sees it.
    fn rest(&self) -> Rest {
        let lead =
            self.leader.and_then(|at| Some((self.clock(at), self.managers[at].lead.as_ref()?)));
        match lead {
            Some((time, lead)) if lead.rests(&self.group.view(), time) && !self.group.is_busy() => {
                Rest::Since(time)
            }
            _ => Rest::No,
        }
    }

    fn users(&mut self) {
        if !self.chance.permille(self.features.habits.commands) {
            return;
        }
        let Some(at) = self.leader else { return };
        let view = self.group.view();
        let (chance, ids) = (&mut self.chance, &mut self.ids);
        let Some(command) = users::command(&self.features, &view, chance, ids) else { return };
        let words = command.words;
        match command.changes {
            Err(error) => self.note(format!("user: {words}: refused: {}", error.message)),
            Ok(changes) if changes.is_empty() => {}
            Ok(changes) => {
                self.note(format!("user: {words}"));
                let due = self.now.after(self.chance.millis(0, WRITE_MAX_MS));
                let time = self.clock(at);
                let epoch = self.group.epoch();
                let ticket = self.group.propose(epoch, changes, (time, due));
                self.commands.insert(ticket, words);
            }
        }
    }

    /// Faults stop, users rest, and all is as well as can be.
    fn heal(&mut self) {
        self.note("faults stop");
        self.luck = Luck::Good;
        self.features.faults = Faults { delay_max_ms: 20, ..Faults::default() };
        for manager in &mut self.managers {
            manager.down_until = None;
        }
        for node in self.agents.keys().copied().collect::<Vec<_>>() {
            self.network.join(node);
        }
        let now = self.now;
        self.down.values_mut().for_each(|until| *until = now);
        if self.leader.is_none() {
            self.begin();
        }
    }

    /// Waits until every service is as it should be.
    fn settle(&mut self) -> Result<(), Violation> {
        let limit = self.now.after(HEAL_MAX);
        let mut unmet = None;
        while self.now < limit {
            self.now = self.next_moment();
            self.tick()?;
            if let Rest::Since(time) = self.rest() {
                match converge::unmet(&self.group.view(), time, &self.agents) {
                    None => return Ok(()),
                    some => unmet = some,
                }
            }
        }
        let Unmet { invariant, what } = unmet.unwrap_or_else(Unmet::restless);
        Err(Violation::new(invariant, what))
    }

    /// When something happens next, at most a second from now, the beat of every node.
    fn next_moment(&self) -> Time {
        let soon = self.now.after(Duration::from_millis(1));
        let lead = self.leader.and_then(|at| {
            let skew = Duration::from_millis(self.managers[at].skew_ms);
            let next = self.managers[at].lead.as_ref()?.next()?;
            Some(Time::from_nanos(next.since(Time::ZERO.after(skew)).as_nanos() as u64))
        });
        let nodes = self.agents.values().filter_map(|agent| agent.worker.as_ref()?.next());
        let next = lead.into_iter().chain(nodes).min();
        let most = self.now.after(Duration::from_millis(900));
        next.map_or(most, |next| next.min(most)).max(soon)
    }
}
