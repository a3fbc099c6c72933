//! Clusters as text: a script makes nodes, services and tasks, lets time pass, and shows what became
//! of them. Every decision is applied, decided again (which must give nothing), and linted.
//!
//! ```text
//! node n1 drain label.storage=raid     a node; again: it changes (`memory=1g`, `cpu=2`, `generic=gpu:2`,
//!                                      `generic=gpu:a,b`; `manager`: with that role)
//! svc web replicas=2 port=80:8080      a service, by way of admission
//! svc web mode=global                  ... `mode=global-job`, `mode=job:2/5`: two at once, five in all
//! update web image=web:2               the service with these things changed
//! update web update.parallelism=2      ... its update config; `rollback.order=start-first`
//! task web.1 running n1 ago=30         a task as if made long ago; `desired=shutdown`
//! state web.1 failed "boom"            a report about the newest task of a slot (`web.1/a`: the oldest;
//!                                      `web.n1`: a global service's)
//! history 2 | compat swarm             the swarm's settings
//! rollback web                         the service as it was before its last update
//! rollback web 3                       ... as it was three specs ago
//! rm web | rm web.1 | rm secret key    a service, a task object, a secret gone
//! rm node n1 force                     a node gone, by way of admission (`node n1 gone`: without)
//! wait 5                               so many seconds pass
//! decide | run                         managers decide | ... and nodes do what they are told, until quiet
//! obey 3                               one task, the third of those that could, does as it is told
//! lead                                 a new leader: everything is dirty
//! show | wake                          what there is | when to decide again
//! status web                           how its update goes, and what it waits for
//! revisions web                        the images of the specs it kept, and of the one before
//! ```

mod lint;
mod spec;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use skep_api::{
    Availability, Cluster as Swarm, ClusterSpec, Compat, Generic, Id, IdGen, Meta, Network,
    NetworkSpec, Node, NodeDescription, NodeRole, NodeState, ServiceSpec, Slot, SpecVersion, Task,
    TaskState, TaskStatus, Time, UpdateStatus,
};

pub(crate) use self::lint::lint;
pub(crate) use self::spec::{config_spec, secret_spec, service_spec};
use crate::{
    Change, Dirty, Entry, Force, Key, Object, ServiceWrite, Store, View, admit_create_config,
    admit_create_network, admit_create_secret, admit_create_service, admit_remove_config,
    admit_remove_network, admit_remove_node, admit_remove_secret, admit_remove_service,
    admit_update_service, decide, waits_for, wake_at,
};

/// So many passes bring every script here to rest; the longest need a few dozen.
const PASSES_MAX: usize = 200;

/// A cluster under test.
pub(crate) struct Cluster {
    pub(crate) store: Store,
    pub(crate) ids: IdGen,
    pub(crate) dirty: Dirty,
    pub(crate) now: Time,
    /// All that was applied, for replays.
    pub(crate) entries: Vec<Entry>,
    out: String,
}

/// Runs a script and returns the cluster.
pub(crate) fn cluster(script: &str) -> Cluster {
    let mut cluster = Cluster::new();
    cluster.run(script);
    cluster
}

/// Runs a script and compares what it showed. Leaders that change before every decision, and so look
/// at everything each time, make no difference.
#[track_caller]
pub(crate) fn check(script: &str, expected: expect_test::Expect) {
    let out = cluster(script).out;
    expected.assert_eq(&out);
    let decides = |line: &str| matches!(line.trim(), "decide" | "run");
    let led: Vec<_> = script
        .lines()
        .map(|line| if decides(line) { format!("lead\n{line}") } else { line.to_owned() })
        .collect();
    assert_eq!(cluster(&led.join("\n")).out, out, "with leaders that change");
}

impl Cluster {
    /// Runs a script and compares what it showed.
    #[track_caller]
    pub(crate) fn expect(&mut self, script: &str, expected: expect_test::Expect) {
        self.out.clear();
        self.run(script);
        expected.assert_eq(&self.out);
    }

    pub(crate) fn new() -> Self {
        let mut cluster = Self {
            store: Store::new(),
            ids: IdGen::from_u64(1),
            dirty: Dirty::new(),
            now: Time::from_secs(1000),
            entries: Vec::new(),
            out: String::new(),
        };
        let swarm =
            Swarm { id: cluster.ids.next(), meta: Meta::default(), spec: ClusterSpec::default() };
        let ingress = Network {
            id: cluster.ids.next(),
            meta: Meta::default(),
            spec: NetworkSpec { name: "ingress".to_owned(), ..NetworkSpec::default() },
            subnet: "10.0.0.0/24".to_owned(),
        };
        let objects = [Object::Cluster(swarm), Object::Network(ingress)];
        cluster.apply(objects.into_iter().map(Change::Create).collect());
        cluster
    }

    pub(crate) fn view(&self) -> View {
        self.store.view()
    }

    pub(crate) fn apply(&mut self, changes: Vec<Change>) {
        let entry = Entry { time: self.now, changes };
        let index = self.view().version() + 1;
        for event in self.store.apply(index, &entry).expect("the changes apply") {
            self.dirty.mark(&event);
        }
        self.now = self.now.max(self.view().time());
        self.entries.push(entry);
    }

    pub(crate) fn run(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            self.line(line, &words);
        }
    }

    fn line(&mut self, line: &str, words: &[&str]) {
        match *words {
            ["node", name, ref settings @ ..] => self.node(name, settings),
            ["history", limit] => {
                let mut swarm = self.view().cluster().expect("a swarm").clone();
                swarm.spec.task_history_limit = limit.parse().expect(limit);
                self.apply(vec![Change::Update(Object::Cluster(swarm))]);
            }
            ["compat", whose] => {
                let mut swarm = self.view().cluster().expect("a swarm").clone();
                swarm.spec.compat = match whose {
                    "swarm" => Compat::Swarm,
                    _ => Compat::Skep,
                };
                self.apply(vec![Change::Update(Object::Cluster(swarm))]);
            }
            ["net", name] => {
                let spec = NetworkSpec { name: name.to_owned(), ..NetworkSpec::default() };
                let admitted = admit_create_network(&self.view(), spec, &mut self.ids);
                self.admitted(admitted.map(|admitted| admitted.changes));
            }
            ["secret", name] => {
                let spec = spec::secret_spec(name, "hush");
                let admitted = admit_create_secret(&self.view(), spec, &mut self.ids);
                self.admitted(admitted.map(|admitted| admitted.changes));
            }
            ["config", name] => {
                let spec = spec::config_spec(name, "{}");
                let admitted = admit_create_config(&self.view(), spec, &mut self.ids);
                self.admitted(admitted.map(|admitted| admitted.changes));
            }
            ["svc", name, ref settings @ ..] => {
                let spec = service_spec(name, settings);
                let admitted = admit_create_service(&self.view(), spec, &mut self.ids);
                self.admitted(admitted.map(|admitted| admitted.changes));
            }
            ["update", name, ref settings @ ..] => {
                let view = self.view();
                let service = view.service_named(name).expect(name);
                let mut spec = service.spec.as_ref().clone();
                spec::set_all(&mut spec, settings);
                let write = ServiceWrite::Spec(Box::new(spec));
                let admitted = admit_update_service(&view, service.id, service.meta.version, write);
                self.admitted(admitted);
            }
            _ => self.event(line, words),
        }
    }

    /// The lines that are no requests to make something.
    fn event(&mut self, line: &str, words: &[&str]) {
        match *words {
            ["task", place, state, ref rest @ ..] => self.task(place, state, rest),
            ["state", task, state, ..] => {
                let err = line.split('"').nth(1).unwrap_or_default().to_owned();
                let status = TaskStatus { state: spec::state(state), err, ..TaskStatus::default() };
                let task = self.find(task).id;
                self.apply(vec![Change::TaskStatus { task, status }]);
            }
            ["rollback", name] => {
                let view = self.view();
                let service = view.service_named(name).expect(name);
                let version = service.meta.version;
                let write = ServiceWrite::Rollback;
                self.admitted(admit_update_service(&view, service.id, version, write));
            }
            ["rollback", name, back] => {
                let view = self.view();
                let service = view.service_named(name).expect(name);
                let back: usize = back.parse().expect(back);
                let kept = service.history.len().checked_sub(back);
                let to = kept.map_or(SpecVersion(4711), |at| service.history[at].version);
                let write = ServiceWrite::RollbackTo(to);
                let version = service.meta.version;
                self.admitted(admit_update_service(&view, service.id, version, write));
            }
            ["rm", ref what @ ..] => self.remove(line, what),
            ["wait", seconds] => {
                let millis: f64 = seconds.parse::<f64>().expect(seconds) * 1000.0;
                self.now = self.now.after(std::time::Duration::from_millis(millis as u64));
            }
            ["decide"] => drop(self.decide()),
            ["run"] => self.settle(),
            ["obey", nth] => {
                let view = self.view();
                let reports: Vec<_> = view.tasks().filter_map(|task| obey(&view, task)).collect();
                let nth: usize = nth.parse().expect(nth);
                let report = reports.get(nth % reports.len().max(1)).cloned();
                self.apply(report.into_iter().collect());
            }
            ["lead"] => self.dirty = Dirty::everything(),
            _ => self.question(line, words),
        }
    }

    /// What goes, and by which way.
    fn remove(&mut self, line: &str, what: &[&str]) {
        match *what {
            ["secret", name] => {
                let view = self.view();
                let id = view.secret_named(name).expect(name).id;
                self.admitted(admit_remove_secret(&view, id));
            }
            ["config", name] => {
                let view = self.view();
                let id = view.config_named(name).expect(name).id;
                self.admitted(admit_remove_config(&view, id));
            }
            ["net", name] => {
                let view = self.view();
                let id = view.network_named(name).expect(name).id;
                self.admitted(admit_remove_network(&view, id));
            }
            ["node", name, ref force @ ..] => {
                let force = if force == ["force"] { Force::Yes } else { Force::No };
                let id = self.node_id(name);
                self.admitted(admit_remove_node(&self.view(), id, force));
            }
            [name] if name.contains('.') => {
                let task = self.find(name).id;
                self.apply(vec![Change::Remove(Key::Task(task))]);
            }
            [name] => {
                let view = self.view();
                let service = view.service_named(name).expect(name);
                self.admitted(admit_remove_service(&view, service.id));
            }
            _ => panic!("what is `{line}`?"),
        }
    }

    /// The lines that only show something.
    fn question(&mut self, line: &str, words: &[&str]) {
        match *words {
            ["show"] => self.show(),
            ["status", name] => self.status(name),
            ["revisions", name] => {
                let view = self.view();
                let service = view.service_named(name).expect(name);
                let kept = service.history.iter().map(|revision| &revision.spec);
                let images = |spec: &Arc<ServiceSpec>| spec.task.component.image.clone();
                let kept: Vec<_> = kept.chain([&service.spec]).map(images).collect();
                let previous = service.previous.as_ref().map_or("none".to_owned(), images);
                writeln!(self.out, "{name}: {}, before: {previous}", kept.join(" "))
                    .expect("a String");
            }
            ["wake"] => {
                let at = wake_at(&self.view()).map(|(time, _)| time.since(self.now).as_secs_f64());
                let text = at.map_or("never".to_owned(), |at| format!("in {at:.1}"));
                writeln!(self.out, "wake {text}").expect("a String");
            }
            _ => panic!("what is `{line}`?"),
        }
    }

    /// Ids of tasks in a text, replaced by their slots and a letter for which they are in it.
    fn with_tasks(&self, text: &str) -> String {
        let view = self.view();
        let mut tasks: Vec<_> = view.tasks().collect();
        tasks.sort_by_key(|t| (t.service, t.slot, t.meta.created_at, t.id));
        let tasks = tasks.iter().map(|task| {
            let older = |t: &&&Task| (t.meta.created_at, t.id) < (task.meta.created_at, task.id);
            let nth = tasks.iter().filter(|t| (t.service, t.slot) == (task.service, task.slot));
            let letter = (b'a' + nth.filter(older).count() as u8) as char;
            let name = view.service(task.service).map_or("?", |s| s.spec.name.as_str());
            (task.id.to_string(), format!("{name}.{}/{letter}", task.slot))
        });
        tasks.fold(text.to_owned(), |text, (id, name)| text.replace(&id, &name))
    }

    fn status(&mut self, name: &str) {
        let view = self.view();
        let service = view.service_named(name).expect(name);
        let line = match &service.update_status {
            None => "no update".to_owned(),
            Some(UpdateStatus { state, slots, message, .. }) => {
                format!("{} {slots} {message:?}", state.name())
            }
        };
        let line = match waits_for(&view, service, self.now) {
            None => line,
            Some(wait) => {
                let until = wait.until.map(|until| until.since(self.now).as_secs_f64());
                format!("{line}, {wait}{}", until.map_or(String::new(), |s| format!(" for {s:.1}")))
            }
        };
        let line = self.with_tasks(&line);
        writeln!(self.out, "{name}: {line}").expect("a String");
    }

    fn admitted(&mut self, admitted: skep_api::Result<Vec<Change>>) {
        match admitted {
            Ok(changes) => self.apply(changes),
            Err(error) => {
                let kind = error.kind.rpc_name();
                writeln!(self.out, "{kind}: {}", self.with_names(&error.message))
                    .expect("a String");
            }
        }
    }

    /// Ids in a text, replaced by the names of what they are.
    fn with_names(&self, text: &str) -> String {
        let view = self.view();
        let services =
            view.services().map(|s| (s.id.to_string(), format!("id-of-{}", s.spec.name)));
        let networks =
            view.networks().map(|n| (n.id.to_string(), format!("id-of-{}", n.spec.name)));
        let nodes =
            view.nodes().map(|n| (n.id.to_string(), format!("id-of-{}", n.description.hostname)));
        services
            .chain(networks)
            .chain(nodes)
            .fold(text.to_owned(), |text, (id, name)| text.replace(&id, &name))
    }

    fn node(&mut self, name: &str, settings: &[&str]) {
        let view = self.view();
        let old = view.nodes().find(|node| node.description.hostname == name);
        let mut node = old.cloned().unwrap_or_else(|| Node {
            id: self.ids.next(),
            meta: Meta::default(),
            spec: Default::default(),
            description: NodeDescription {
                hostname: name.to_owned(),
                os: "linux".to_owned(),
                arch: "x86_64".to_owned(),
                cpus: "4".parse().expect("a number"),
                memory: "8g".parse().expect("a size"),
                ..Default::default()
            },
            status: skep_api::NodeStatus { state: NodeState::Ready, ..Default::default() },
            manager_addr: None,
        });
        for setting in settings {
            match *setting {
                "gone" => return self.apply(vec![Change::Remove(Key::Node(node.id))]),
                "active" => node.spec.availability = Availability::Active,
                "pause" => node.spec.availability = Availability::Pause,
                "drain" => node.spec.availability = Availability::Drain,
                "ready" => node.status.state = NodeState::Ready,
                "down" => node.status.state = NodeState::Down,
                "unknown" => node.status.state = NodeState::Unknown,
                "disconnected" => node.status.state = NodeState::Disconnected,
                "manager" => node.spec.role = NodeRole::Manager,
                setting => {
                    let (key, value) = setting.split_once('=').expect(setting);
                    match key.strip_prefix("label.") {
                        Some(label) => {
                            node.spec.labels.insert(label.to_owned(), value.to_owned());
                        }
                        None if key == "generic" => {
                            generic(&mut node.description.generic, value);
                        }
                        None if key == "memory" => {
                            node.description.memory = value.parse().expect(value)
                        }
                        None => node.description.cpus = value.parse().expect(value),
                    }
                }
            }
        }
        let object = Object::Node(node);
        self.apply(vec![if old.is_some() {
            Change::Update(object)
        } else {
            Change::Create(object)
        }]);
    }

    fn task(&mut self, place: &str, state: &str, rest: &[&str]) {
        let view = self.view();
        let (service, slot) = place.split_once('.').expect(place);
        let service = view.service_named(service).expect(place);
        let slot = self.slot(slot);
        let mut task = Task {
            ports: service.endpoint.ports.clone(),
            status: TaskStatus { state: spec::state(state), ..TaskStatus::default() },
            ..Task::new(self.ids.next(), service, slot)
        };
        let mut ago = 0;
        for word in rest {
            match word.split_once('=') {
                Some(("desired", state)) => task.desired = spec::state(state),
                Some(("given", value)) => generic(&mut task.generic, value),
                Some(("ago", seconds)) => ago = seconds.parse().expect(seconds),
                Some(("after", seconds)) => {
                    let by = std::time::Duration::from_secs(seconds.parse().expect(seconds));
                    task.start_after = Some(self.now.after(by));
                }
                Some(_) => panic!("{word}"),
                None => task.node = Some(self.node_id(word)),
            }
        }
        // Entries never go back in time, but a restored store may hold any past.
        let made = Time::from_nanos(self.now.as_nanos() - ago * 1_000_000_000);
        let key = Key::Task(task.id);
        self.apply(vec![Change::Create(Object::Task(task))]);
        let mut snapshot = self.view().snapshot();
        for object in snapshot.objects.iter_mut().filter(|object| object.key() == key) {
            if let Object::Task(task) = object {
                task.meta.created_at = made;
                task.status.at = made;
                task.status.started_at = task.status.started_at.map(|_| made);
            }
        }
        self.store = Store::restore(snapshot).expect("a snapshot");
    }

    fn node_id(&self, name: &str) -> Id<Node> {
        self.view().find_node(name).map_or_else(|_| Id::from_u128(99), |node| node.id)
    }

    /// The slot of that number, or of the node of that name.
    pub(crate) fn slot(&self, text: &str) -> Slot {
        text.parse().map_or_else(|_| Slot::Node(self.node_id(text)), Slot::Number)
    }

    /// The newest task of `web.1`, or the first one ever of `web.1/a`.
    pub(crate) fn find(&self, name: &str) -> Task {
        let view = self.view();
        let (place, letter) = name.split_once('/').unwrap_or((name, ""));
        let (service, slot) = place.split_once('.').expect(name);
        let service = view.service_named(service).expect(name).id;
        let mut tasks: Vec<_> = view.tasks_in(service, self.slot(slot)).collect();
        tasks.sort_by_key(|task| (task.meta.created_at, task.id));
        let nth = letter.bytes().next().map_or(tasks.len() - 1, |letter| (letter - b'a').into());
        tasks[nth].clone()
    }

    /// Lets managers decide once. Deciding again must give nothing.
    pub(crate) fn decide(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut dirty = std::mem::take(&mut self.dirty);
        for pass in 0.. {
            assert!(pass < PASSES_MAX, "one pass after the other leaves something to the next");
            let decision = decide(&self.view(), &dirty, self.now, &mut self.ids);
            self.apply(decision.changes.clone());
            changes.extend(decision.changes);
            dirty = decision.left;
            if dirty.is_empty() {
                break;
            }
        }
        let ids = &mut self.ids.clone();
        for again in [&self.dirty, &Dirty::everything()] {
            let more = decide(&self.view(), again, self.now, ids).changes;
            assert_eq!(more, [], "deciding again gives nothing new");
        }
        if let Some((at, why)) = wake_at(&self.view()) {
            assert!(at > self.now, "{why}: that moment has passed");
            let then = decide(&self.view(), &Dirty::new(), at, ids).changes;
            assert_ne!(then, [], "{why}: nobody is woken for nothing");
        }
        self.dirty = Dirty::new();
        lint(&self.view());
        let restored = Store::restore(self.view().snapshot());
        assert_eq!(restored.as_ref(), Ok(&self.store), "a snapshot is the store");
        changes
    }

    /// Managers decide and nodes do what they are told, at once, until nothing changes.
    pub(crate) fn settle(&mut self) {
        for _ in 0..200 {
            self.decide();
            let view = self.view();
            let reports: Vec<_> = view.tasks().filter_map(|task| obey(&view, task)).collect();
            if reports.is_empty() {
                return;
            }
            self.apply(reports);
        }
        panic!("the cluster does not come to rest");
    }

    fn show(&mut self) {
        let view = self.view();
        let names: BTreeMap<_, _> =
            view.services().map(|service| (service.id, service.spec.name.as_str())).collect();
        let mut tasks: Vec<_> = view.tasks().collect();
        tasks.sort_by_key(|t| (names.get(&t.service), t.slot, t.meta.created_at, t.id));
        for task in tasks {
            let host = |id| view.node(id).map_or("gone", |node| node.description.hostname.as_str());
            let service = names.get(&task.service).unwrap_or(&"?");
            let name = match task.slot {
                Slot::Number(number) => format!("{service}.{number}"),
                Slot::Node(node) => format!("{service}.{}", host(node)),
            };
            let node = task.node.map(host);
            let (state, desired) = (task.status.state.name(), task.desired.name());
            let mut line = format!("{name} {state} {}", node.unwrap_or("-"));
            if desired != "running" {
                write!(line, " desired={desired}").expect("a String");
            }
            if task.job_iteration > 0 {
                write!(line, " iteration={}", task.job_iteration).expect("a String");
            }
            if !task.status.err.is_empty() {
                write!(line, " {:?}", task.status.err).expect("a String");
            }
            writeln!(self.out, "{line}").expect("a String");
        }
        self.out.push_str("--\n");
    }
}

/// `gpu:2`, or `gpu:a,b` by name; `gpu:` for none.
fn generic(all: &mut BTreeMap<String, Generic>, text: &str) {
    let (kind, value) = text.split_once(':').expect(text);
    let names = || value.split(',').map(str::to_owned).collect();
    match value.parse() {
        _ if value.is_empty() => drop(all.remove(kind)),
        Ok(count) => drop(all.insert(kind.to_owned(), Generic::Count(count))),
        Err(_) => drop(all.insert(kind.to_owned(), Generic::Names(names()))),
    }
}

/// What a node that does as it is told reports next about a task.
fn obey(view: &View, task: &Task) -> Option<Change> {
    let node = view.node(task.node?)?;
    if task.status.state.is_terminal() || node.status.state == NodeState::Down {
        return None;
    }
    let state = match task.desired {
        TaskState::Complete => TaskState::Running,
        desired if desired > TaskState::Running => TaskState::Shutdown,
        desired => desired,
    };
    let status = TaskStatus { state, ..TaskStatus::default() };
    (state > task.status.state).then_some(Change::TaskStatus { task: task.id, status })
}
