//! The grant of a task: everything that its spec allows it to touch, spelt out.

use std::collections::BTreeMap;

use skep_api::{
    ComponentSpec, DirGrant, DirSource, FileGrant, FileSource, Generic, Grant, Limits, MountKind,
    NetworkGrant, SCRATCH_DEFAULT, ServiceSpec, Task,
};

use crate::expand::{Context, expand};
use crate::path::{self, CONFIGS_DIR, SECRETS_DIR};
use crate::store::View;

/// Where a task finds memory to write to.
const SCRATCH_DIR: &str = "/tmp";

/// The grant of a task that has its node; none if its spec is gone.
pub fn grant(view: &View, task: &Task) -> Option<Grant> {
    let spec = view.spec_of(task)?;
    let component = &spec.task.component;
    let expander = Expander { view, task, spec };
    Some(Grant {
        image: component.image.clone(),
        args: args(component),
        env: expander.env(),
        cwd: path::absolute("/", &component.dir).unwrap_or_else(|_| "/".to_owned()),
        files: files(component),
        dirs: expander.dirs(),
        networks: networks(view, task),
        limits: Limits {
            memory: spec.task.limits.memory,
            cpus: spec.task.limits.cpus,
            ..Limits::default()
        },
        stop_grace: component.stop_grace_period.unwrap_or(ComponentSpec::STOP_GRACE_DEFAULT),
    })
}

/// The program's name, which is the image's unless the spec has another, and the arguments.
fn args(component: &ComponentSpec) -> Vec<String> {
    let image = component.image.split('@').next().unwrap_or_default().to_owned();
    let program = match component.command.as_slice() {
        [] => vec![image],
        command => command.to_vec(),
    };
    program.into_iter().chain(component.args.iter().cloned()).collect()
}

fn files(component: &ComponentSpec) -> Vec<FileGrant> {
    // Admission saw to it that every target is a path; a spec that was not admitted gets no file.
    let file = |base: &str, target: &skep_api::FileTarget, source| {
        let path = path::absolute(base, &target.name).ok()?;
        Some(FileGrant { path, mode: target.mode, source })
    };
    let secrets = component
        .secrets
        .iter()
        .filter_map(|r| file(SECRETS_DIR, &r.target, FileSource::Secret(r.id)));
    let configs = component
        .configs
        .iter()
        .filter_map(|r| file(CONFIGS_DIR, &r.target, FileSource::Config(r.id)));
    secrets.chain(configs).collect()
}

fn networks(view: &View, task: &Task) -> Vec<NetworkGrant> {
    let granted = task.addresses.iter().filter_map(|address| {
        let network = view.network(address.network)?;
        Some(NetworkGrant {
            id: network.id,
            name: network.spec.name.clone(),
            addr: address.addr,
            internal: network.spec.internal,
        })
    });
    granted.collect()
}

/// The variables that tell a task which generic resources are its own: `DOCKER_RESOURCE_GPU=a,b`
/// (semantics part 6.6). A spec can't claim others with a variable of that name.
fn resources(given: &BTreeMap<String, Generic>) -> Vec<(String, String)> {
    let variable = |(kind, generic): (&String, &Generic)| {
        let value = match generic {
            Generic::Count(count) => count.to_string(),
            Generic::Names(names) => names.iter().map(String::as_str).collect::<Vec<_>>().join(","),
        };
        (format!("DOCKER_RESOURCE_{kind}").to_uppercase(), value)
    };
    given.iter().map(variable).collect()
}

/// Expands the templates of a spec for one task.
struct Expander<'a> {
    view: &'a View,
    task: &'a Task,
    spec: &'a ServiceSpec,
}

impl Expander<'_> {
    /// The variables, each name once: the last line of a name counts, and a bare name removes it.
    fn env(&self) -> Vec<(String, String)> {
        let mut values: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        let mut order = Vec::new();
        for line in &self.spec.task.component.env {
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (line.as_str(), None),
            };
            if values.insert(key, value).is_none() {
                order.push(key);
            }
        }
        let given = resources(&self.task.generic);
        let kept = order.into_iter().filter_map(|key| {
            let value = values.get(key).copied().flatten()?;
            let own = given.iter().all(|(name, _)| name != key);
            own.then(|| (key.to_owned(), self.expand(value)))
        });
        kept.chain(given.iter().cloned()).collect()
    }

    fn dirs(&self) -> Vec<DirGrant> {
        let component = &self.spec.task.component;
        let mut dirs = Vec::with_capacity(component.mounts.len() + 1);
        for mount in &component.mounts {
            let Ok(path) = path::absolute("/", &self.expand(&mount.target)) else { continue };
            let source = match &mount.kind {
                MountKind::Volume { source: Some(source), .. } if !source.is_empty() => {
                    DirSource::Volume(self.expand(source))
                }
                MountKind::Volume { .. } => DirSource::Anonymous,
                MountKind::Bind { source } => DirSource::Host(self.expand(source)),
                MountKind::Tmpfs { size } => DirSource::Memory(size.unwrap_or(SCRATCH_DEFAULT)),
            };
            // Memory of the task's own is what a read-only task is left with to write to.
            let is_memory = matches!(source, DirSource::Memory(_));
            let read_only = mount.read_only || (component.read_only && !is_memory);
            dirs.push(DirGrant { path, source, read_only });
        }
        let has_own = dirs.iter().any(|dir| dir.path == SCRATCH_DIR);
        if !component.read_only && !has_own {
            dirs.push(DirGrant {
                path: SCRATCH_DIR.to_owned(),
                source: DirSource::Memory(SCRATCH_DEFAULT),
                read_only: false,
            });
        }
        dirs
    }

    /// The text as the task is to see it; as it is, if it is no template after all.
    fn expand(&self, text: &str) -> String {
        if !text.contains("{{") {
            return text.to_owned();
        }
        let Self { view, task, spec } = self;
        let node = task.node.and_then(|node| view.node(node));
        let description = node.map(|node| &node.description);
        let node_id = task.node.map(|node| node.to_string()).unwrap_or_default();
        let context = Context {
            service_id: task.service.to_string(),
            service_name: &spec.name,
            service_labels: &spec.labels,
            node_hostname: description.map_or("", |d| &d.hostname),
            node_os: description.map_or("", |d| &d.os),
            node_arch: description.map_or("", |d| &d.arch),
            task_id: task.id.to_string(),
            task_name: task.name(&spec.name),
            // A global service has a node where others have a number.
            task_slot: task.slot.to_string(),
            node_id,
        };
        expand(text, &context).unwrap_or_else(|_| text.to_owned())
    }
}
