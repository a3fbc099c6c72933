//! A swarm without shells: a store, its leader's decisions, and nodes that obey at once.

use std::time::Duration;

use skep_api::{
    Bytes, Cluster, ClusterSpec, Id, IdGen, Meta, Mode, NanoCpus, Node, NodeDescription, NodeState,
    NodeStatus, Service, ServiceSpec, Task, TaskState, TaskStatus, Time,
};
use skep_manager_core::{
    Change, Dirty, ENTRY_CHANGES_MAX, Entry, Event, Object, ServiceWrite, Store, TaskEvent, View,
    admit_create_service, admit_update_service, decide,
};

/// Nodes of a rack, and racks of a zone.
const RACK_NODES: usize = 50;
const ZONE_RACKS: usize = 20;
/// No rolling update takes that many steps.
const STEPS_MAX: usize = 10_000_000;

/// A swarm.
pub(crate) struct Swarm {
    store: Store,
    ids: IdGen,
    dirty: Dirty,
    now: Time,
    /// Tasks that changed since their nodes last looked.
    changed: Vec<Id<Task>>,
    /// How long deciding took in all.
    pub(crate) deciding: Duration,
}

/// A service of small tasks.
pub(crate) fn spec(name: &str, replicas: u64) -> ServiceSpec {
    let mut spec = ServiceSpec { name: name.to_owned(), ..ServiceSpec::default() };
    spec.mode = Mode::Replicated { replicas };
    spec.task.component.image = "web:1".to_owned();
    spec.task.reservations.memory = Bytes(16 << 20);
    spec.task.reservations.cpus = NanoCpus(10_000_000);
    spec
}

impl Swarm {
    /// A swarm of so many nodes, in zones and racks.
    pub(crate) fn new(nodes: usize) -> Self {
        let mut swarm = Self {
            store: Store::new(),
            ids: IdGen::from_u64(1),
            dirty: Dirty::new(),
            now: Time::from_secs(1000),
            changed: Vec::new(),
            deciding: Duration::ZERO,
        };
        let cluster = Cluster {
            id: swarm.ids.next(),
            meta: Meta::default(),
            spec: ClusterSpec { task_history_limit: 1, ..ClusterSpec::default() },
        };
        let mut changes = vec![Change::Create(Object::Cluster(cluster))];
        changes.extend((0..nodes).map(|nth| {
            let node = node(swarm.ids.next(), nth);
            Change::Create(Object::Node(node))
        }));
        swarm.apply(changes);
        swarm.dirty = Dirty::new();
        swarm
    }

    pub(crate) fn view(&self) -> View {
        self.store.view()
    }

    /// Tasks that have a node.
    pub(crate) fn assigned(&self) -> usize {
        self.view().tasks().filter(|task| task.node.is_some()).count()
    }

    pub(crate) fn create(&mut self, spec: ServiceSpec) {
        let admitted = admit_create_service(&self.view(), spec, &mut self.ids).unwrap();
        self.apply(admitted.changes);
    }

    pub(crate) fn update(&mut self, service: Id<Service>, write: impl FnOnce(&mut ServiceSpec)) {
        let view = self.view();
        let service = view.service(service).unwrap();
        let mut spec = service.spec.as_ref().clone();
        write(&mut spec);
        let write = ServiceWrite::Spec(Box::new(spec));
        let changes = admit_update_service(&view, service.id, service.meta.version, write).unwrap();
        drop(view);
        self.apply(changes);
    }

    /// Decides once, and says how long that took.
    pub(crate) fn decide_once(&mut self) -> Duration {
        let dirty = std::mem::take(&mut self.dirty);
        let view = self.view();
        // What a process used is told in ticks, which is too coarse for one decision.
        let (begin, cpu_begin) = (clock(), cpu_clock());
        let decision = decide(&view, &dirty, self.now, &mut self.ids);
        let took = clock() - begin;
        self.deciding += cpu_clock() - cpu_begin;
        drop(view);
        self.apply(decision.changes);
        self.dirty.merge(&decision.left);
        took
    }

    /// Decides until nothing is left to decide.
    pub(crate) fn decide(&mut self) {
        while !self.dirty.is_empty() {
            self.decide_once();
        }
    }

    /// Lets all nodes do what they are told, and tell it.
    pub(crate) fn run(&mut self) {
        let view = self.view();
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        let reports: Vec<_> = changed.into_iter().filter_map(|id| obey(view.task(id)?)).collect();
        drop(view);
        self.apply(reports);
        self.changed.clear();
        self.dirty = Dirty::new();
    }

    /// Decides and lets nodes obey until all is quiet.
    pub(crate) fn settle(&mut self) {
        for _ in 0..STEPS_MAX {
            self.decide();
            let view = self.view();
            let mut changed = std::mem::take(&mut self.changed);
            changed.sort_unstable();
            changed.dedup();
            let reports: Vec<_> =
                changed.into_iter().filter_map(|id| obey(view.task(id)?)).collect();
            if !reports.is_empty() {
                drop(view);
                self.apply(reports);
                continue;
            }
            let Some((wake, _)) = skep_manager_core::wake_at(&view) else { return };
            self.now = self.now.max(wake);
            let decision = decide(&view, &Dirty::new(), self.now, &mut self.ids);
            drop(view);
            self.apply(decision.changes);
            self.dirty.merge(&decision.left);
        }
        panic!("the swarm does not come to rest");
    }

    fn apply(&mut self, changes: Vec<Change>) {
        let mut changes = changes.into_iter().peekable();
        while changes.peek().is_some() {
            let some = changes.by_ref().take(ENTRY_CHANGES_MAX).collect();
            let index = self.view().version() + 1;
            let events = self.store.apply(index, &Entry { time: self.now, changes: some }).unwrap();
            for event in events {
                self.dirty.mark(&event);
                if let Event::Task(TaskEvent { task, .. }) = event {
                    self.changed.push(task);
                }
            }
            self.now = self.now.max(self.view().time());
        }
    }
}

fn node(id: Id<Node>, nth: usize) -> Node {
    let rack = nth / RACK_NODES;
    let disk = if nth.is_multiple_of(10) { "tape" } else { "ssd" };
    let labels = [
        ("zone".to_owned(), format!("z{}", rack / ZONE_RACKS)),
        ("rack".to_owned(), format!("r{rack}")),
        ("disk".to_owned(), disk.to_owned()),
    ];
    Node {
        id,
        meta: Meta::default(),
        spec: skep_api::NodeSpec { labels: labels.into(), ..Default::default() },
        description: NodeDescription {
            hostname: format!("node-{nth}"),
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            cpus: NanoCpus(64_000_000_000),
            memory: Bytes(64 << 30),
            ..NodeDescription::default()
        },
        status: NodeStatus { state: NodeState::Ready, ..NodeStatus::default() },
        manager_addr: None,
    }
}

/// What a node that does as it is told reports next about a task.
fn obey(task: &Task) -> Option<Change> {
    task.node?;
    if task.status.state.is_terminal() {
        return None;
    }
    let state = match task.desired {
        desired if desired > TaskState::Running => TaskState::Shutdown,
        desired => desired,
    };
    let status = TaskStatus { state, message: "started".into(), ..TaskStatus::default() };
    (state > task.status.state).then_some(Change::TaskStatus { task: task.id, status })
}

/// The time since some moment.
#[expect(clippy::disallowed_methods, reason = "a benchmark takes times")]
fn clock() -> Duration {
    static BEGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGIN.get_or_init(std::time::Instant::now).elapsed()
}

/// The time that this process had a processor: what else the machine does is not counted. Falls
/// back to [`clock`] where nobody says so.
#[expect(clippy::disallowed_methods, reason = "a benchmark looks at its process")]
pub(crate) fn cpu_clock() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = stat.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    nanos.map_or_else(clock, Duration::from_nanos)
}

/// The most memory that this process ever had, in bytes; 0 where nobody says so.
#[expect(clippy::disallowed_methods, reason = "a benchmark looks at its process")]
pub(crate) fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
