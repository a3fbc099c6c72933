//! The first entry of a swarm.

use skep_api::{
    Cluster, ClusterSpec, Error, ErrorKind, IdGen, Meta, Network, NetworkSpec, Node, Result,
};

use super::{Admitted, INGRESS_NETWORK};
use crate::change::{Change, Object};
use crate::decide::first_subnet;
use crate::store::View;

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
