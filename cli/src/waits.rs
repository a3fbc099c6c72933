//! What tasks and updates wait for, as the managers explain it.

use std::collections::{BTreeMap, BTreeSet};

use skep_api::{Task, TaskState};
use skep_wire::pb;

use crate::client::Client;
use crate::error::CliResult;

/// Sentences about tasks, by the task's id.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    tasks: BTreeMap<String, Vec<String>>,
    /// What the update under way waits for.
    pub(crate) update: Vec<String>,
}

impl Waits {
    /// Asks about one service, by its id.
    pub(crate) async fn of_service(client: &Client, id: &str) -> CliResult<Self> {
        let mut waits = Self::default();
        waits.ask(client, id).await?;
        Ok(waits)
    }

    /// Asks about the services of rows: of all, or of those that a task waits in.
    pub(crate) async fn of_rows(
        client: &Client,
        rows: &[pb::TaskRow],
        whose: Whose,
    ) -> CliResult<Self> {
        let tasks = rows.iter().filter_map(|row| row.task.as_ref());
        let asked = tasks.filter(|task| whose == Whose::All || waits(task.desired, state(task)));
        let services: BTreeSet<&String> = asked.map(|task| &task.service).collect();
        let mut all = Self::default();
        for id in services {
            all.ask(client, id).await?;
        }
        Ok(all)
    }

    async fn ask(&mut self, client: &Client, id: &str) -> CliResult<()> {
        let by_name = pb::ByName { name: id.to_owned() };
        let told = match client.control().explain(by_name).await {
            Ok(told) => told.into_inner(),
            Err(status) => match status.code() {
                // Removed meanwhile: then nothing waits. An older manager explains nothing.
                tonic::Code::NotFound | tonic::Code::Unimplemented => return Ok(()),
                _ => return Err(status.into()),
            },
        };
        self.tasks.extend(told.tasks.into_iter().map(|task| (task.task, task.lines)));
        self.update.extend(told.update);
        Ok(())
    }

    /// All there is to say about a task.
    pub(crate) fn about(&self, task: &Task) -> &[String] {
        self.tasks.get(&task.id.to_string()).map_or(&[], Vec::as_slice)
    }

    /// What a task waits for; nothing if it does not.
    pub(crate) fn of(&self, task: &Task) -> &[String] {
        let is_waiting = waits(task.desired as u32, task.status.state as u32);
        if is_waiting { self.about(task) } else { &[] }
    }
}

/// Whose explanations are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Of every service.
    All,
    /// Of services with tasks that wait: most lists have none, and need not ask.
    Waiting,
}

fn state(task: &pb::Task) -> u32 {
    task.status.as_ref().map_or(0, |status| status.state)
}

/// Whether a task is wanted and not yet on its way to run.
const fn waits(desired: u32, state: u32) -> bool {
    desired <= TaskState::Running as u32 && state < TaskState::Starting as u32
}
