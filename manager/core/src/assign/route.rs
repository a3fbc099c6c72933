//! Where names and published ports lead: to running tasks that are wanted, on nodes that are up.

use skep_api::{
    AssignmentItem, Id, NameTable, NamedService, NamedTask, Network, PortRoute, PublishMode,
    RoutedTask, Service, Task, TaskState,
};

use crate::store::View;

/// The names of a network; none if it is gone.
pub(super) fn names(view: &View, network: Id<Network>) -> Option<AssignmentItem> {
    view.network(network)?;
    let services = view.services_on(network).map(|service| named_service(view, service, network));
    Some(AssignmentItem::Names(NameTable { network, services: services.collect() }))
}

/// The ports that every node listens on.
pub(super) fn ingress_routes(view: &View) -> impl Iterator<Item = AssignmentItem> {
    // The index also names ports that a service asks for but was not given yet.
    let ports = view.published().filter(|port| port.2 == PublishMode::Ingress);
    ports.filter_map(|(protocol, published, _, service)| {
        let service = view.service(service)?;
        let given = service.endpoint.ports.iter();
        let port = given
            .filter(|port| port.mode == PublishMode::Ingress)
            .find(|port| (port.protocol, port.published) == (protocol, published))?;
        let tasks = serving(view, service.id)
            // A task of an older spec may not listen on that port.
            .filter(|task| task.ports.contains(port))
            .filter_map(routed)
            .collect();
        let target = port.target;
        Some(AssignmentItem::Port(PortRoute {
            published,
            protocol,
            target,
            service: service.id,
            tasks,
        }))
    })
}

/// The ports that a task holds on its own node.
pub(super) fn host_routes(view: &View, task: &Task) -> Vec<AssignmentItem> {
    let ports = task.ports.iter().filter(|port| port.mode == PublishMode::Host);
    let tasks: Vec<_> =
        Some(task).filter(|task| serves(view, task)).and_then(routed).into_iter().collect();
    let route = |port: &skep_api::PortConfig| PortRoute {
        published: port.published,
        protocol: port.protocol,
        target: port.target,
        service: task.service,
        tasks: tasks.clone(),
    };
    ports.map(route).map(AssignmentItem::Port).collect()
}

fn named_service(view: &View, service: &Service, network: Id<Network>) -> NamedService {
    let attachment = service
        .spec
        .task
        .networks
        .iter()
        .find(|attachment| attachment.target.parse() == Ok(network));
    let aliases = attachment.into_iter().flat_map(|attachment| &attachment.aliases);
    let mut names: Vec<_> = std::iter::once(&service.spec.name)
        .chain(aliases)
        .map(|name| name.to_lowercase())
        .collect();
    names.sort_unstable();
    names.dedup();
    let vips = service.endpoint.virtual_ips.iter();
    let tasks = serving(view, service.id).filter_map(|task| {
        let address = task.addresses.iter().find(|address| address.network == network)?;
        Some(NamedTask {
            task: task.id,
            node: task.node?,
            addr: address.addr,
            name: task.name(&service.spec.name).to_lowercase(),
        })
    });
    NamedService {
        service: service.id,
        names,
        vip: vips.into_iter().find(|vip| vip.network == network).map(|vip| vip.addr),
        tasks: tasks.collect(),
    }
}

fn serving(view: &View, service: Id<Service>) -> impl Iterator<Item = &Task> {
    view.tasks_of(service).filter(|task| serves(view, task))
}

fn serves(view: &View, task: &Task) -> bool {
    task.status.state == TaskState::Running
        && (TaskState::Running..=TaskState::Complete).contains(&task.desired)
        && task.node.is_some_and(|node| !view.is_lost(node))
}

fn routed(task: &Task) -> Option<RoutedTask> {
    Some(RoutedTask { task: task.id, node: task.node? })
}
