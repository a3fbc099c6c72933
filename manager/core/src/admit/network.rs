//! Networks (semantics part 1.6): made and removed; there is no update of a network.

use skep_api::{
    Error, ErrorKind, Id, IdGen, Meta, Network, NetworkSpec, PublishMode, Result, TaskState,
};

use super::{Admitted, name};
use crate::change::{Change, Key, Object};
use crate::store::{View, not_found};

/// The network of published ports. It is made with the swarm; services are on it by publishing.
pub const INGRESS_NETWORK: &str = "ingress";

/// Names that Docker's hosts have for networks of their own.
const PREDEFINED: [&str; 3] = ["bridge", "host", "none"];

/// Admits a new network. It is given its subnet by the leader's loop.
pub fn admit_create_network(
    view: &View,
    mut spec: NetworkSpec,
    ids: &mut IdGen,
) -> Result<Admitted<Network>> {
    name::check_dns(&spec.name)?;
    name::check_labels(&spec.labels)?;
    if spec.driver.is_empty() {
        "overlay".clone_into(&mut spec.driver);
    }
    if spec.driver != "overlay" {
        return Err(Error::invalid(format!("network driver `{}` is not supported", spec.driver))
            .hint("leave the driver out, or say `overlay`: a network here is a set of names"));
    }
    if spec.name == INGRESS_NETWORK && spec.attachable {
        return Err(Error::invalid("ingress network cannot be attachable"));
    }
    if PREDEFINED.contains(&spec.name.as_str()) || view.network_named(&spec.name).is_some() {
        let message = format!("network with name {} already exists", spec.name);
        return Err(Error::new(ErrorKind::AlreadyExists, message));
    }
    let id = ids.next();
    let network = Network { id, meta: Meta::default(), spec, subnet: String::new() };
    Ok(Admitted { id, changes: vec![Change::Create(Object::Network(network))] })
}

/// Admits that a network goes, unless a service or a living task is on it.
pub fn admit_remove_network(view: &View, id: Id<Network>) -> Result<Vec<Change>> {
    let network = view.network(id).ok_or_else(|| not_found("network", &id.to_string()))?;
    let refuse = |message: String| Err(Error::new(ErrorKind::FailedPrecondition, message));
    if let Some(service) = view.services_on(id).next() {
        return refuse(format!("network {id} is in use by service {}", service.id));
    }
    if network.spec.name == INGRESS_NETWORK {
        let mut users = view.published().filter(|port| port.2 == PublishMode::Ingress);
        if let Some((.., service)) = users.next() {
            return refuse(format!(
                "ingress network cannot be removed because service {service} depends on it"
            ));
        }
    }
    // Looking through all tasks is dear; first ask whether anything lives there at all.
    let lived_in = view.addresses().keys().any(|(_, network)| *network == id);
    let mut tasks = lived_in.then(|| view.tasks()).into_iter().flatten().filter(|task| {
        let is_live = task.is_wanted() && task.status.state <= TaskState::Running;
        is_live && task.addresses.iter().any(|address| address.network == id)
    });
    match tasks.next() {
        Some(task) => refuse(format!("network {id} is in use by task {}", task.id)),
        None => Ok(vec![Change::Remove(Key::Network(id))]),
    }
}
