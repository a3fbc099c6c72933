//! What the store keeps, but for services and tasks, which have files of their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skep_api::{
    Availability, Bytes, Cluster, ClusterSpec, Compat, Config, ConfigSpec, Digest, Generic, Meta,
    NanoCpus, Network, NetworkSpec, Node, NodeDescription, NodeRole, NodeSpec, NodeState,
    NodeStatus, Secret, SecretBytes, SecretSpec, SpecVersion, Time,
};

use crate::field::{self, same_words};
use crate::{WireError, pb};

same_words!(Compat, pb::Compat, { Skep = Skep, Swarm = Swarm });
same_words!(NodeRole, pb::NodeRole, { Worker = Worker, Manager = Manager });
same_words!(Availability, pb::Availability, { Active = Active, Pause = Pause, Drain = Drain });
same_words!(NodeState, pb::NodeState, {
    Unknown = NodeUnknown,
    Down = NodeDown,
    Ready = NodeReady,
    Disconnected = NodeDisconnected,
});

impl From<&Meta> for pb::Meta {
    fn from(meta: &Meta) -> Self {
        Self {
            version: meta.version,
            created_at: meta.created_at.as_nanos(),
            updated_at: meta.updated_at.as_nanos(),
        }
    }
}

impl TryFrom<pb::Meta> for Meta {
    type Error = WireError;

    fn try_from(meta: pb::Meta) -> Result<Self, WireError> {
        Ok(Self {
            version: meta.version,
            created_at: Time::from_nanos(meta.created_at),
            updated_at: Time::from_nanos(meta.updated_at),
        })
    }
}

impl From<&Cluster> for pb::Cluster {
    fn from(cluster: &Cluster) -> Self {
        Self {
            id: cluster.id.to_string(),
            meta: Some((&cluster.meta).into()),
            spec: Some((&cluster.spec).into()),
        }
    }
}

impl TryFrom<pb::Cluster> for Cluster {
    type Error = WireError;

    fn try_from(cluster: pb::Cluster) -> Result<Self, WireError> {
        Ok(Self {
            id: field::id("Cluster.id", &cluster.id)?,
            meta: field::message("Cluster.meta", cluster.meta)?,
            spec: field::message("Cluster.spec", cluster.spec)?,
        })
    }
}

impl From<&ClusterSpec> for pb::ClusterSpec {
    fn from(spec: &ClusterSpec) -> Self {
        Self {
            task_history_limit: spec.task_history_limit,
            snapshot_interval: spec.snapshot_interval,
            heartbeat_period_ns: field::nanos(spec.heartbeat_period),
            node_cert_expiry_ns: field::nanos(spec.node_cert_expiry),
            default_addr_pool: spec.default_addr_pool.clone(),
            subnet_size: u32::from(spec.subnet_size),
            compat: pb::Compat::from(spec.compat).into(),
        }
    }
}

impl TryFrom<pb::ClusterSpec> for ClusterSpec {
    type Error = WireError;

    fn try_from(spec: pb::ClusterSpec) -> Result<Self, WireError> {
        Ok(Self {
            task_history_limit: spec.task_history_limit,
            snapshot_interval: spec.snapshot_interval,
            heartbeat_period: Duration::from_nanos(spec.heartbeat_period_ns),
            node_cert_expiry: Duration::from_nanos(spec.node_cert_expiry_ns),
            default_addr_pool: spec.default_addr_pool,
            subnet_size: field::narrow("ClusterSpec.subnet_size", spec.subnet_size)?,
            compat: field::known::<pb::Compat, _>("ClusterSpec.compat", spec.compat)?,
        })
    }
}

impl From<&Node> for pb::Node {
    fn from(node: &Node) -> Self {
        Self {
            id: node.id.to_string(),
            meta: Some((&node.meta).into()),
            spec: Some((&node.spec).into()),
            description: Some((&node.description).into()),
            status: Some((&node.status).into()),
            manager_addr: node.manager_addr.clone(),
        }
    }
}

impl TryFrom<pb::Node> for Node {
    type Error = WireError;

    fn try_from(node: pb::Node) -> Result<Self, WireError> {
        Ok(Self {
            id: field::id("Node.id", &node.id)?,
            meta: field::message("Node.meta", node.meta)?,
            spec: field::message("Node.spec", node.spec)?,
            description: field::message("Node.description", node.description)?,
            status: field::message("Node.status", node.status)?,
            manager_addr: node.manager_addr,
        })
    }
}

impl From<&NodeSpec> for pb::NodeSpec {
    fn from(spec: &NodeSpec) -> Self {
        Self {
            labels: spec.labels.clone(),
            role: pb::NodeRole::from(spec.role).into(),
            availability: pb::Availability::from(spec.availability).into(),
        }
    }
}

impl TryFrom<pb::NodeSpec> for NodeSpec {
    type Error = WireError;

    fn try_from(spec: pb::NodeSpec) -> Result<Self, WireError> {
        Ok(Self {
            labels: spec.labels,
            role: field::known::<pb::NodeRole, _>("NodeSpec.role", spec.role)?,
            availability: field::known::<pb::Availability, _>(
                "NodeSpec.availability",
                spec.availability,
            )?,
        })
    }
}

impl From<&NodeDescription> for pb::NodeDescription {
    fn from(description: &NodeDescription) -> Self {
        Self {
            hostname: description.hostname.clone(),
            os: description.os.clone(),
            arch: description.arch.clone(),
            nano_cpus: description.cpus.0,
            memory_bytes: description.memory.0,
            engine_version: description.engine_version.clone(),
            engine_labels: description.engine_labels.clone(),
            lowest_port: u32::from(description.lowest_port),
            generic: generics(&description.generic),
            platforms: description.platforms.iter().cloned().collect(),
            compiled: description.compiled.iter().map(|digest| digest.0.to_vec()).collect(),
        }
    }
}

impl TryFrom<pb::NodeDescription> for NodeDescription {
    type Error = WireError;

    fn try_from(description: pb::NodeDescription) -> Result<Self, WireError> {
        Ok(Self {
            hostname: description.hostname,
            os: description.os,
            arch: description.arch,
            cpus: NanoCpus(description.nano_cpus),
            memory: Bytes(description.memory_bytes),
            engine_version: description.engine_version,
            engine_labels: description.engine_labels,
            lowest_port: field::narrow("NodeDescription.lowest_port", description.lowest_port)?,
            generic: known_generics(description.generic)?,
            platforms: description.platforms.into_iter().collect(),
            compiled: description.compiled.into_iter().map(digest).collect::<Result<_, _>>()?,
        })
    }
}

fn digest(raw: Vec<u8>) -> Result<Digest, WireError> {
    let length = raw.len();
    let wrong = |_| format!("a digest has 32 bytes, not {length}");
    let digest = raw.try_into().map(Digest).map_err(wrong);
    digest.map_err(|why| WireError::malformed("NodeDescription.compiled", why))
}

/// Generic resources by kind.
pub(crate) fn generics(all: &BTreeMap<String, Generic>) -> BTreeMap<String, pb::Generic> {
    all.iter().map(|(kind, generic)| (kind.clone(), generic.into())).collect()
}

/// What [`generics`] wrote.
pub(crate) fn known_generics(
    all: BTreeMap<String, pb::Generic>,
) -> Result<BTreeMap<String, Generic>, WireError> {
    all.into_iter().map(|(kind, generic)| Ok((kind, generic.try_into()?))).collect()
}

impl From<&Generic> for pb::Generic {
    fn from(generic: &Generic) -> Self {
        let generic = match generic {
            Generic::Count(count) => pb::generic::Generic::Count(*count),
            Generic::Names(names) => pb::generic::Generic::Names(pb::generic::Names {
                names: names.iter().cloned().collect(),
            }),
        };
        Self { generic: Some(generic) }
    }
}

impl TryFrom<pb::Generic> for Generic {
    type Error = WireError;

    fn try_from(generic: pb::Generic) -> Result<Self, WireError> {
        match generic.generic {
            Some(pb::generic::Generic::Count(count)) => Ok(Self::Count(count)),
            Some(pb::generic::Generic::Names(all)) => {
                Ok(Self::Names(all.names.into_iter().collect()))
            }
            None => Err(WireError::Missing { field: "Generic.generic" }),
        }
    }
}

impl From<&NodeStatus> for pb::NodeStatus {
    fn from(status: &NodeStatus) -> Self {
        Self {
            state: pb::NodeState::from(status.state).into(),
            message: status.message.clone(),
            addr: status.addr.clone(),
            spec_version: status.spec_version.0,
            since: status.since.as_nanos(),
        }
    }
}

impl TryFrom<pb::NodeStatus> for NodeStatus {
    type Error = WireError;

    fn try_from(status: pb::NodeStatus) -> Result<Self, WireError> {
        Ok(Self {
            state: field::known::<pb::NodeState, _>("NodeStatus.state", status.state)?,
            message: status.message,
            addr: status.addr,
            since: Time::from_nanos(status.since),
            spec_version: SpecVersion(status.spec_version),
        })
    }
}

impl From<&Network> for pb::Network {
    fn from(network: &Network) -> Self {
        Self {
            id: network.id.to_string(),
            meta: Some((&network.meta).into()),
            spec: Some((&network.spec).into()),
            subnet: network.subnet.clone(),
        }
    }
}

impl TryFrom<pb::Network> for Network {
    type Error = WireError;

    fn try_from(network: pb::Network) -> Result<Self, WireError> {
        Ok(Self {
            id: field::id("Network.id", &network.id)?,
            meta: field::message("Network.meta", network.meta)?,
            spec: field::message("Network.spec", network.spec)?,
            subnet: network.subnet,
        })
    }
}

impl From<&NetworkSpec> for pb::NetworkSpec {
    fn from(spec: &NetworkSpec) -> Self {
        Self {
            name: spec.name.clone(),
            labels: spec.labels.clone(),
            driver: spec.driver.clone(),
            options: spec.options.clone(),
            internal: spec.internal,
            attachable: spec.attachable,
        }
    }
}

impl TryFrom<pb::NetworkSpec> for NetworkSpec {
    type Error = WireError;

    fn try_from(spec: pb::NetworkSpec) -> Result<Self, WireError> {
        Ok(Self {
            name: spec.name,
            labels: spec.labels,
            driver: spec.driver,
            options: spec.options,
            internal: spec.internal,
            attachable: spec.attachable,
        })
    }
}

impl From<&Secret> for pb::Secret {
    fn from(secret: &Secret) -> Self {
        Self {
            id: secret.id.to_string(),
            meta: Some((&secret.meta).into()),
            spec: Some((&secret.spec).into()),
        }
    }
}

impl TryFrom<pb::Secret> for Secret {
    type Error = WireError;

    fn try_from(secret: pb::Secret) -> Result<Self, WireError> {
        Ok(Self {
            id: field::id("Secret.id", &secret.id)?,
            meta: field::message("Secret.meta", secret.meta)?,
            spec: field::message("Secret.spec", secret.spec)?,
        })
    }
}

/// With the content: an answer to a user clears it.
impl From<&SecretSpec> for pb::SecretSpec {
    fn from(spec: &SecretSpec) -> Self {
        Self {
            name: spec.name.clone(),
            labels: spec.labels.clone(),
            data: spec.data.expose().to_vec(),
        }
    }
}

impl TryFrom<pb::SecretSpec> for SecretSpec {
    type Error = WireError;

    fn try_from(spec: pb::SecretSpec) -> Result<Self, WireError> {
        Ok(Self { name: spec.name, labels: spec.labels, data: SecretBytes::new(spec.data) })
    }
}

impl From<&Config> for pb::Config {
    fn from(config: &Config) -> Self {
        Self {
            id: config.id.to_string(),
            meta: Some((&config.meta).into()),
            spec: Some((&config.spec).into()),
        }
    }
}

impl TryFrom<pb::Config> for Config {
    type Error = WireError;

    fn try_from(config: pb::Config) -> Result<Self, WireError> {
        Ok(Self {
            id: field::id("Config.id", &config.id)?,
            meta: field::message("Config.meta", config.meta)?,
            spec: field::message("Config.spec", config.spec)?,
        })
    }
}

impl From<&ConfigSpec> for pb::ConfigSpec {
    fn from(spec: &ConfigSpec) -> Self {
        Self {
            name: spec.name.clone(),
            labels: spec.labels.clone(),
            data: spec.data.as_ref().clone(),
        }
    }
}

impl TryFrom<pb::ConfigSpec> for ConfigSpec {
    type Error = WireError;

    fn try_from(spec: pb::ConfigSpec) -> Result<Self, WireError> {
        Ok(Self { name: spec.name, labels: spec.labels, data: Arc::new(spec.data) })
    }
}
