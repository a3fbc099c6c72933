//! The whole store as data, and back.

use std::sync::Arc;

use skep_api::{Id, Service, ServiceSpec, SpecVersion, Time};

use super::table::{Record, Table};
use super::{ApplyError, SharedSpec, Store, Tables, View};
use crate::change::Object;

/// The whole store as data: restoring it is the same as applying all entries up to its version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The index of the last entry in it.
    pub version: u64,
    /// The time of that entry.
    pub time: Time,
    /// Specs that tasks still refer to though their services have moved on.
    pub specs: Vec<KeptSpec>,
    /// All objects, kind by kind, each kind by id.
    pub objects: Vec<Object>,
}

/// A spec that tasks still refer to though its service has moved on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSpec {
    /// The service.
    pub service: Id<Service>,
    /// The version of its spec.
    pub version: SpecVersion,
    /// The spec.
    pub spec: Arc<ServiceSpec>,
}

/// Why a snapshot is not a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot contradicts itself")]
pub struct RestoreError(#[source] ApplyError);

impl View {
    /// The objects of the store one by one, kind by kind, each kind by id: services before tasks.
    pub fn objects(&self) -> impl Iterator<Item = Object> {
        let Tables { clusters, nodes, services, tasks, networks, secrets, configs, .. } =
            self.tables();
        clusters
            .iter()
            .map(|o| Object::Cluster(o.as_ref().clone()))
            .chain(nodes.iter().map(|o| Object::Node(o.as_ref().clone())))
            .chain(networks.iter().map(|o| Object::Network(o.as_ref().clone())))
            .chain(secrets.iter().map(|o| Object::Secret(o.as_ref().clone())))
            .chain(configs.iter().map(|o| Object::Config(o.as_ref().clone())))
            .chain(services.iter().map(|o| Object::Service(o.as_ref().clone())))
            .chain(tasks.iter().map(|o| Object::Task(o.as_ref().clone())))
    }

    /// The specs that only tasks refer to any more, by service and version.
    pub fn kept_specs(&self) -> impl Iterator<Item = KeptSpec> {
        let specs = self.tables().specs.iter();
        specs.filter_map(|(&(service, version), shared)| {
            let current = self.service(service).is_some_and(|s| s.spec_version == version);
            (!current).then(|| KeptSpec { service, version, spec: Arc::clone(&shared.spec) })
        })
    }

    /// The whole store as data. [`View::objects`] and [`View::kept_specs`] give the same bit by bit.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            version: self.version(),
            time: self.time(),
            specs: self.kept_specs().collect(),
            objects: self.objects().collect(),
        }
    }
}

impl Store {
    /// The store that a snapshot was taken of. Objects may come in any order.
    pub fn restore(snapshot: Snapshot) -> Result<Self, RestoreError> {
        let Snapshot { version, time, specs, objects } = snapshot;
        let mut tables = Tables { version, time, ..Tables::default() };
        for KeptSpec { service, version, spec } in specs {
            tables.specs.insert((service, version), SharedSpec { spec, users: 0 });
        }
        let (tasks, others): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| matches!(object, Object::Task(_)));
        for object in others.into_iter().chain(tasks) {
            tables.restore(object).map_err(RestoreError)?;
        }
        // A kept spec that nothing refers to would stay for ever.
        let unused = tables.specs.iter().filter(|(_, shared)| shared.users == 0);
        for key in unused.map(|(key, _)| *key).collect::<Vec<_>>() {
            tables.specs.remove(&key);
        }
        Ok(Self { tables: Arc::new(tables) })
    }
}

impl Tables {
    fn restore(&mut self, object: Object) -> Result<(), ApplyError> {
        match object {
            Object::Cluster(o) => restore(&mut self.clusters, o),
            Object::Node(o) => {
                self.nodes.check_create(&o)?;
                self.put_node(o);
                Ok(())
            }
            Object::Network(o) => restore(&mut self.networks, o),
            Object::Secret(o) => restore(&mut self.secrets, o),
            Object::Config(o) => restore(&mut self.configs, o),
            Object::Service(o) => {
                self.services.check_create(&o)?;
                self.put_service(o);
                Ok(())
            }
            Object::Task(o) => {
                self.tasks.check_create(&o)?;
                let (task, service, version) = (o.id, o.service, o.spec_version);
                if self.specs.get(&(service, version)).is_none() {
                    return Err(ApplyError::SpecGone { task, service, version });
                }
                self.put_task(o);
                Ok(())
            }
        }
    }
}

fn restore<T: Record>(table: &mut Table<T>, object: T) -> Result<(), ApplyError> {
    table.check_create(&object)?;
    table.put(Arc::new(object));
    Ok(())
}
