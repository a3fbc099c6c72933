//! What may happen in a run: each seed switches some of it off.
//!
//! A run in which everything happens all the time hides what needs quiet to go wrong, and what one
//! fault covers up for another. So every seed draws its own few faults and habits of users (swarm
//! testing).

use skep_api::Compat;

use crate::chance::Chance;
use crate::sandbox::Image;

/// What may happen in one run.
#[derive(Debug, Clone)]
pub(crate) struct Features {
    pub(crate) managers: u64,
    pub(crate) nodes: u64,
    pub(crate) faults: Faults,
    pub(crate) habits: Habits,
    /// What images services use.
    pub(crate) images: Vec<Image>,
    pub(crate) compat: Compat,
    pub(crate) history_limit: i64,
}

/// How often what goes wrong: times out of a thousand, each tick or each message; zero is never.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    pub(crate) hand_over: u64,
    pub(crate) manager_crash: u64,
    pub(crate) worker_crash: u64,
    pub(crate) disk_loss: u64,
    /// A machine comes back with less in it, or with more.
    pub(crate) refit: u64,
    pub(crate) partition: u64,
    pub(crate) message_loss: u64,
    pub(crate) message_repeat: u64,
    /// The longest time that a message takes.
    pub(crate) delay_max_ms: u64,
    /// How far clocks are off at most.
    pub(crate) skew_max_ms: u64,
    /// A day goes by.
    pub(crate) long_pause: u64,
}

/// What users do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Habits {
    /// How often they do anything: times out of a thousand, each tick.
    pub(crate) commands: u64,
    pub(crate) services_max: usize,
    pub(crate) replicas_max: u64,
    pub(crate) modes: Vec<ModeHabit>,
    pub(crate) updates: Use,
    pub(crate) start_first: Use,
    pub(crate) failure_actions: Use,
    pub(crate) rollbacks: Use,
    pub(crate) restarts: Use,
    pub(crate) constraints: Use,
    pub(crate) preferences: Use,
    pub(crate) reservations: Use,
    /// Devices of a node that tasks reserve.
    pub(crate) devices: Use,
    pub(crate) host_ports: Use,
    pub(crate) published_ports: Use,
    pub(crate) replicas_per_node: Use,
    pub(crate) secrets: Use,
    pub(crate) networks: Use,
    pub(crate) options: Use,
    pub(crate) availability: Use,
    pub(crate) labels: Use,
    pub(crate) node_changes: Use,
    pub(crate) removals: Use,
}

/// Whether something is used in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Use {
    #[default]
    Never,
    Often,
}

/// What mode a service is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModeHabit {
    Replicated,
    Global,
    ReplicatedJob,
    GlobalJob,
}

impl Use {
    /// Whether to use it now: every other time, where it is used at all.
    pub(crate) fn now(self, chance: &mut Chance) -> bool {
        self == Self::Often && chance.toss()
    }

    fn draw(chance: &mut Chance) -> Self {
        if chance.toss() { Self::Often } else { Self::Never }
    }
}

impl Features {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        Self {
            managers: chance.between(1, 3),
            nodes: chance.between(1, 5),
            faults: Faults::draw(chance),
            habits: Habits::draw(chance),
            images: images(chance),
            compat: if chance.permille(150) { Compat::Swarm } else { Compat::Skep },
            history_limit: chance.pick(&[5, 5, 1, 0, 2, -1]),
        }
    }
}

impl Faults {
    fn draw(chance: &mut Chance) -> Self {
        let mut rate = |most: u64| if chance.toss() { chance.between(1, most) } else { 0 };
        Self {
            hand_over: rate(40),
            manager_crash: rate(20),
            worker_crash: rate(20),
            disk_loss: rate(500),
            refit: rate(300),
            partition: rate(30),
            message_loss: rate(50),
            message_repeat: rate(50),
            delay_max_ms: rate(900) + 1,
            skew_max_ms: rate(3_600_000),
            long_pause: rate(3),
        }
    }
}

impl Habits {
    fn draw(chance: &mut Chance) -> Self {
        let mut draw = || Use::draw(chance);
        let drawn = Self {
            updates: draw(),
            start_first: draw(),
            failure_actions: draw(),
            rollbacks: draw(),
            restarts: draw(),
            constraints: draw(),
            preferences: draw(),
            reservations: draw(),
            devices: draw(),
            host_ports: draw(),
            published_ports: draw(),
            replicas_per_node: draw(),
            secrets: draw(),
            networks: draw(),
            options: draw(),
            availability: draw(),
            labels: draw(),
            node_changes: draw(),
            removals: draw(),
            ..Self::default()
        };
        Self {
            commands: chance.between(5, 150),
            services_max: chance.between(1, 4) as usize,
            // Now and then a decision does not fit one entry, and is cut.
            replicas_max: if chance.permille(20) { 150 } else { chance.between(1, 8) },
            modes: modes(chance),
            ..drawn
        }
    }
}

fn modes(chance: &mut Chance) -> Vec<ModeHabit> {
    let others = [ModeHabit::Global, ModeHabit::ReplicatedJob, ModeHabit::GlobalJob];
    let mut modes: Vec<_> = others.into_iter().filter(|_| chance.permille(300)).collect();
    if modes.is_empty() || chance.permille(800) {
        modes.push(ModeHabit::Replicated);
    }
    modes
}

fn images(chance: &mut Chance) -> Vec<Image> {
    let mut images: Vec<_> = Image::TROUBLED.into_iter().filter(|_| chance.permille(300)).collect();
    images.push(Image::Good);
    images
}
