//! Whatever waits says for what.

use skep_api::TaskState;
use skep_manager_core::View;

use super::{Checked, name};

pub(super) fn at_rest(view: &View) -> Checked {
    let mut waiting = view.tasks().filter(|task| {
        task.is_wanted() && task.status.state == TaskState::Pending && task.status.err.is_empty()
    });
    match waiting.next() {
        Some(task) => Err(format!("{} waits for a place and does not say why", name(view, task))),
        None => Ok(()),
    }
}
