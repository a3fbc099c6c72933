//! Tasks, and what workers report of them.

use skep_api::{
    ExitInfo, Origin, Slot, SpecVersion, Task, TaskAddress, TaskReport, TaskState, TaskStatus, Time,
};

use crate::field::{self, same_words};
use crate::object::{generics, known_generics};
use crate::{WireError, pb};

same_words!(Origin, pb::Origin, {
    Fill = Fill,
    Update = Update,
    Restart = Restart,
    Move = Move,
});

/// A task's state as the number on the wire, which is its place in the order.
pub(crate) fn state_number(state: TaskState) -> u32 {
    u32::from(state as u16)
}

pub(crate) fn state(field: &'static str, number: u32) -> Result<TaskState, WireError> {
    TaskState::ALL
        .into_iter()
        .find(|state| state_number(*state) == number)
        .ok_or(WireError::Unknown { field, number: i64::from(number) })
}

impl From<&Task> for pb::Task {
    fn from(task: &Task) -> Self {
        Self {
            id: task.id.to_string(),
            meta: Some((&task.meta).into()),
            service: task.service.to_string(),
            slot: task.slot.number(),
            slot_node: task.slot.node().map(|node| node.to_string()),
            node: task.node.map(|node| node.to_string()),
            spec_version: task.spec_version.0,
            ports: field::all(&task.ports),
            addresses: field::all(&task.addresses),
            desired: state_number(task.desired),
            status: Some((&task.status).into()),
            start_after: task.start_after.map(Time::as_nanos),
            origin: pb::Origin::from(task.origin).into(),
            job_iteration: task.job_iteration,
            generic: generics(&task.generic),
        }
    }
}

impl TryFrom<pb::Task> for Task {
    type Error = WireError;

    fn try_from(task: pb::Task) -> Result<Self, WireError> {
        let node = task.node.as_deref().map(|node| field::id("Task.node", node)).transpose()?;
        let slot = match task.slot_node.as_deref() {
            Some(node) => Slot::Node(field::id("Task.slot_node", node)?),
            None => Slot::Number(task.slot),
        };
        Ok(Self {
            id: field::id("Task.id", &task.id)?,
            meta: field::message("Task.meta", task.meta)?,
            service: field::id("Task.service", &task.service)?,
            slot,
            node,
            spec_version: SpecVersion(task.spec_version),
            ports: field::list(task.ports)?,
            addresses: field::list(task.addresses)?,
            desired: state("Task.desired", task.desired)?,
            status: field::message("Task.status", task.status)?,
            start_after: task.start_after.map(Time::from_nanos),
            origin: field::known::<pb::Origin, _>("Task.origin", task.origin)?,
            job_iteration: task.job_iteration,
            generic: known_generics(task.generic)?,
        })
    }
}

impl From<&TaskAddress> for pb::TaskAddress {
    fn from(address: &TaskAddress) -> Self {
        Self { network: address.network.to_string(), addr: address.addr.to_string() }
    }
}

impl TryFrom<pb::TaskAddress> for TaskAddress {
    type Error = WireError;

    fn try_from(address: pb::TaskAddress) -> Result<Self, WireError> {
        Ok(Self {
            network: field::id("TaskAddress.network", &address.network)?,
            addr: field::addr("TaskAddress.addr", &address.addr)?,
        })
    }
}

impl From<&TaskStatus> for pb::TaskStatus {
    fn from(status: &TaskStatus) -> Self {
        Self {
            state: state_number(status.state),
            at: status.at.as_nanos(),
            message: status.message.clone().into_owned(),
            err: status.err.clone(),
            exit_code: status.exit.map(|exit| exit.code),
            restarts: status.restarts,
            failures: status.failures,
            started_at: status.started_at.map(Time::as_nanos),
        }
    }
}

impl TryFrom<pb::TaskStatus> for TaskStatus {
    type Error = WireError;

    fn try_from(status: pb::TaskStatus) -> Result<Self, WireError> {
        Ok(Self {
            state: state("TaskStatus.state", status.state)?,
            at: Time::from_nanos(status.at),
            message: status.message.into(),
            err: status.err,
            exit: status.exit_code.map(|code| ExitInfo { code }),
            restarts: status.restarts,
            failures: status.failures,
            started_at: status.started_at.map(Time::from_nanos),
        })
    }
}

impl From<&TaskReport> for pb::TaskReport {
    fn from(report: &TaskReport) -> Self {
        Self {
            task: report.task.to_string(),
            status: Some((&report.status).into()),
            seen_at: report.seen_at.as_nanos(),
        }
    }
}

impl TryFrom<pb::TaskReport> for TaskReport {
    type Error = WireError;

    fn try_from(report: pb::TaskReport) -> Result<Self, WireError> {
        Ok(Self {
            task: field::id("TaskReport.task", &report.task)?,
            status: field::message("TaskReport.status", report.status)?,
            seen_at: Time::from_nanos(report.seen_at),
        })
    }
}
