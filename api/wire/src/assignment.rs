//! What a manager tells a worker.

use std::sync::Arc;

use skep_api::{
    Assignment, AssignmentItem, AssignmentKey, Assignments, AssignmentsKind, NameTable,
    NamedService, NamedTask, PortRoute, RoutedTask, SecretBytes,
};

use crate::{WireError, field, pb, task};

/// Without its place in the stream, `applies_to` and `results_in`: whoever sends it counts.
impl From<&Assignments> for pb::AssignmentsMessage {
    fn from(assignments: &Assignments) -> Self {
        Self {
            complete: assignments.kind == AssignmentsKind::Complete,
            set: field::all(&assignments.set),
            remove: field::all(&assignments.remove),
            applies_to: 0,
            results_in: 0,
        }
    }
}

impl TryFrom<pb::AssignmentsMessage> for Assignments {
    type Error = WireError;

    fn try_from(message: pb::AssignmentsMessage) -> Result<Self, WireError> {
        let kind = match message.complete {
            true => AssignmentsKind::Complete,
            false => AssignmentsKind::Incremental,
        };
        let set = field::list(message.set)?;
        Ok(Self { kind, set, remove: field::list(message.remove)? })
    }
}

impl From<&AssignmentItem> for pb::AssignmentItem {
    fn from(item: &AssignmentItem) -> Self {
        use pb::assignment_item::Item;
        let content = |id: String, data: &[u8]| pb::Content { id, data: data.to_vec() };
        let item = match item {
            AssignmentItem::Task(task) => Item::Task(task.as_ref().into()),
            AssignmentItem::Secret(id, data) => {
                Item::Secret(content(id.to_string(), data.expose()))
            }
            AssignmentItem::Config(id, data) => Item::Config(content(id.to_string(), data)),
            AssignmentItem::Names(table) => Item::Names(table.into()),
            AssignmentItem::Port(route) => Item::Port(route.into()),
        };
        Self { item: Some(item) }
    }
}

impl TryFrom<pb::AssignmentItem> for AssignmentItem {
    type Error = WireError;

    fn try_from(message: pb::AssignmentItem) -> Result<Self, WireError> {
        use pb::assignment_item::Item;
        let item = message.item.ok_or(WireError::Missing { field: "AssignmentItem.item" })?;
        Ok(match item {
            Item::Task(task) => Self::Task(Box::new(task.try_into()?)),
            Item::Secret(pb::Content { id, data }) => {
                let data = SecretBytes::new(data);
                Self::Secret(field::id("AssignmentItem.secret", &id)?, data)
            }
            Item::Config(pb::Content { id, data }) => {
                Self::Config(field::id("AssignmentItem.config", &id)?, Arc::new(data))
            }
            Item::Names(table) => Self::Names(table.try_into()?),
            Item::Port(route) => Self::Port(route.try_into()?),
        })
    }
}

impl From<&AssignmentKey> for pb::AssignmentKey {
    fn from(key: &AssignmentKey) -> Self {
        use pb::assignment_key::Key;
        let key = match key {
            AssignmentKey::Task(id) => Key::Task(id.to_string()),
            AssignmentKey::Secret(id) => Key::Secret(id.to_string()),
            AssignmentKey::Config(id) => Key::Config(id.to_string()),
            AssignmentKey::Names(id) => Key::Names(id.to_string()),
            AssignmentKey::Port(protocol, published) => Key::Port(pb::PortKey {
                protocol: pb::Protocol::from(*protocol).into(),
                published: u32::from(*published),
            }),
        };
        Self { key: Some(key) }
    }
}

impl TryFrom<pb::AssignmentKey> for AssignmentKey {
    type Error = WireError;

    fn try_from(message: pb::AssignmentKey) -> Result<Self, WireError> {
        use pb::assignment_key::Key;
        let key = message.key.ok_or(WireError::Missing { field: "AssignmentKey.key" })?;
        Ok(match key {
            Key::Task(id) => Self::Task(field::id("AssignmentKey.task", &id)?),
            Key::Secret(id) => Self::Secret(field::id("AssignmentKey.secret", &id)?),
            Key::Config(id) => Self::Config(field::id("AssignmentKey.config", &id)?),
            Key::Names(id) => Self::Names(field::id("AssignmentKey.names", &id)?),
            Key::Port(pb::PortKey { protocol, published }) => Self::Port(
                field::known::<pb::Protocol, _>("PortKey.protocol", protocol)?,
                field::narrow("PortKey.published", published)?,
            ),
        })
    }
}

impl From<&Assignment> for pb::Assignment {
    fn from(assignment: &Assignment) -> Self {
        Self {
            task: assignment.task.to_string(),
            service: assignment.service.to_string(),
            name: assignment.name.clone(),
            desired: task::state_number(assignment.desired),
            status: Some((&assignment.status).into()),
            grant: Some((&assignment.grant).into()),
            ports: field::all(&assignment.ports),
            registry_auth: assignment.registry_auth.as_ref().map(|auth| auth.expose().to_vec()),
            restart: assignment.restart.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<pb::Assignment> for Assignment {
    type Error = WireError;

    fn try_from(assignment: pb::Assignment) -> Result<Self, WireError> {
        Ok(Self {
            task: field::id("Assignment.task", &assignment.task)?,
            service: field::id("Assignment.service", &assignment.service)?,
            name: assignment.name,
            desired: task::state("Assignment.desired", assignment.desired)?,
            status: field::message("Assignment.status", assignment.status)?,
            grant: field::message("Assignment.grant", assignment.grant)?,
            ports: field::list(assignment.ports)?,
            registry_auth: assignment.registry_auth.map(SecretBytes::new),
            restart: assignment.restart.map(TryInto::try_into).transpose()?,
        })
    }
}

impl From<&NameTable> for pb::NameTable {
    fn from(table: &NameTable) -> Self {
        Self { network: table.network.to_string(), services: field::all(&table.services) }
    }
}

impl TryFrom<pb::NameTable> for NameTable {
    type Error = WireError;

    fn try_from(table: pb::NameTable) -> Result<Self, WireError> {
        Ok(Self {
            network: field::id("NameTable.network", &table.network)?,
            services: field::list(table.services)?,
        })
    }
}

impl From<&NamedService> for pb::NamedService {
    fn from(service: &NamedService) -> Self {
        Self {
            service: service.service.to_string(),
            names: service.names.clone(),
            vip: service.vip.map(|vip| vip.to_string()),
            tasks: field::all(&service.tasks),
        }
    }
}

impl TryFrom<pb::NamedService> for NamedService {
    type Error = WireError;

    fn try_from(service: pb::NamedService) -> Result<Self, WireError> {
        let vip = service.vip.map(|vip| field::addr("NamedService.vip", &vip)).transpose()?;
        Ok(Self {
            service: field::id("NamedService.service", &service.service)?,
            names: service.names,
            vip,
            tasks: field::list(service.tasks)?,
        })
    }
}

impl From<&NamedTask> for pb::NamedTask {
    fn from(task: &NamedTask) -> Self {
        Self {
            task: task.task.to_string(),
            node: task.node.to_string(),
            addr: task.addr.to_string(),
            name: task.name.clone(),
        }
    }
}

impl TryFrom<pb::NamedTask> for NamedTask {
    type Error = WireError;

    fn try_from(task: pb::NamedTask) -> Result<Self, WireError> {
        Ok(Self {
            task: field::id("NamedTask.task", &task.task)?,
            node: field::id("NamedTask.node", &task.node)?,
            addr: field::addr("NamedTask.addr", &task.addr)?,
            name: task.name,
        })
    }
}

impl From<&PortRoute> for pb::PortRoute {
    fn from(route: &PortRoute) -> Self {
        Self {
            published: u32::from(route.published),
            protocol: pb::Protocol::from(route.protocol).into(),
            target: u32::from(route.target),
            service: route.service.to_string(),
            tasks: field::all(&route.tasks),
        }
    }
}

impl TryFrom<pb::PortRoute> for PortRoute {
    type Error = WireError;

    fn try_from(route: pb::PortRoute) -> Result<Self, WireError> {
        Ok(Self {
            published: field::narrow("PortRoute.published", route.published)?,
            protocol: field::known::<pb::Protocol, _>("PortRoute.protocol", route.protocol)?,
            target: field::narrow("PortRoute.target", route.target)?,
            service: field::id("PortRoute.service", &route.service)?,
            tasks: field::list(route.tasks)?,
        })
    }
}

impl From<&RoutedTask> for pb::RoutedTask {
    fn from(task: &RoutedTask) -> Self {
        Self { task: task.task.to_string(), node: task.node.to_string() }
    }
}

impl TryFrom<pb::RoutedTask> for RoutedTask {
    type Error = WireError;

    fn try_from(task: pb::RoutedTask) -> Result<Self, WireError> {
        Ok(Self {
            task: field::id("RoutedTask.task", &task.task)?,
            node: field::id("RoutedTask.node", &task.node)?,
        })
    }
}
