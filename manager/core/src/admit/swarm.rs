//! The swarm itself: its first entry, and its settings (semantics part 1.2).

use std::time::Duration;

use skep_api::{
    Cluster, ClusterSpec, Error, ErrorKind, IdGen, Meta, Network, NetworkSpec, Node, Result,
    format_duration,
};

use super::{Admitted, INGRESS_NETWORK, out_of_sequence};
use crate::change::{Change, Object};
use crate::decide::first_subnet;
use crate::store::View;

/// The shortest life of a node's certificate, as Swarm's: a node that was off for a while must still
/// be known when it is back.
const CERT_EXPIRY_MIN: Duration = Duration::from_secs(3600);
/// The shortest time between two heartbeats: every one of them is a message that the leader answers.
const HEARTBEAT_MIN: Duration = Duration::from_millis(10);

/// Admits a new swarm: its settings, its first node, and the network of published ports.
pub fn admit_init(
    view: &View,
    spec: ClusterSpec,
    node: Node,
    ids: &mut IdGen,
) -> Result<Admitted<Cluster>> {
    if view.cluster().is_some() {
        let message = "This node is already part of a swarm. Use \"docker swarm leave\" to leave \
                       this swarm and join another one.";
        return Err(Error::new(ErrorKind::Unavailable, message));
    }
    check(&spec)?;
    let subnet = first_subnet(&spec).ok_or_else(|| {
        Error::invalid(format!(
            "invalid default address pool {} with subnets of {} bits",
            spec.default_addr_pool, spec.subnet_size
        ))
        .hint("name an IPv4 block such as 10.0.0.0/8, and a subnet size within it, at most 29")
    })?;
    let id = ids.next();
    let ingress = Network {
        id: ids.next(),
        meta: Meta::default(),
        spec: NetworkSpec {
            name: INGRESS_NETWORK.to_owned(),
            driver: "overlay".to_owned(),
            ..NetworkSpec::default()
        },
        subnet,
    };
    let cluster = Cluster { id, meta: Meta::default(), spec };
    let objects = [Object::Cluster(cluster), Object::Node(node), Object::Network(ingress)];
    Ok(Admitted { id, changes: objects.into_iter().map(Change::Create).collect() })
}

/// Admits other settings of the swarm. They replace the old ones as a whole: what is zero or empty
/// takes its default, as in Swarm. The task history limit has none, since zero keeps no history; the
/// address pool is chosen by `swarm init`, and stays if nothing is stated.
pub fn admit_update_cluster(view: &View, version: u64, spec: ClusterSpec) -> Result<Vec<Change>> {
    let cluster = view.cluster().ok_or_else(|| {
        Error::new(ErrorKind::Unavailable, "This node is not part of a swarm")
            .hint("make one: `skep swarm init`")
    })?;
    // Nobody but users writes it, so that every write is one of its spec.
    if version != cluster.meta.version {
        return Err(out_of_sequence());
    }
    let spec = with_defaults(spec, &cluster.spec);
    check(&spec)?;
    let pool = |spec: &ClusterSpec| (spec.default_addr_pool.clone(), spec.subnet_size);
    if pool(&spec) != pool(&cluster.spec) {
        let (pool, bits) = pool(&cluster.spec);
        let message = format!("the address pool is {pool} with subnets of {bits} bits, for good");
        return Err(Error::invalid(message)
            .hint("it is chosen when a swarm is made: `skep swarm init --default-addr-pool`"));
    }
    if spec == cluster.spec {
        return Ok(Vec::new());
    }
    Ok(vec![Change::Update(Object::Cluster(Cluster { spec, ..cluster.clone() }))])
}

fn with_defaults(mut spec: ClusterSpec, old: &ClusterSpec) -> ClusterSpec {
    let default = ClusterSpec::default();
    if spec.snapshot_interval == 0 {
        spec.snapshot_interval = default.snapshot_interval;
    }
    if spec.heartbeat_period.is_zero() {
        spec.heartbeat_period = default.heartbeat_period;
    }
    if spec.node_cert_expiry.is_zero() {
        spec.node_cert_expiry = default.node_cert_expiry;
    }
    if spec.default_addr_pool.is_empty() {
        spec.default_addr_pool.clone_from(&old.default_addr_pool);
    }
    if spec.subnet_size == 0 {
        spec.subnet_size = old.subnet_size;
    }
    spec
}

/// Checks settings by themselves. A negative heartbeat can't be: it is refused where text becomes a
/// duration.
fn check(spec: &ClusterSpec) -> Result<()> {
    if spec.node_cert_expiry < CERT_EXPIRY_MIN {
        let least = format_duration(CERT_EXPIRY_MIN);
        return Err(Error::invalid(format!("minimum certificate expiry time is: {least}")));
    }
    if spec.heartbeat_period < HEARTBEAT_MIN {
        return Err(Error::invalid(format!(
            "heartbeat period must be at least {}, got {}",
            format_duration(HEARTBEAT_MIN),
            format_duration(spec.heartbeat_period)
        )));
    }
    Ok(())
}
