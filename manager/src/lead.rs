//! The one loop of a leader: look, decide, propose.
//!
//! There are no timers on the way from a command to a running task. While a commit is in flight,
//! what happens gathers, and the next look takes all of it: that is the batch.

use std::sync::Arc;
use std::time::Duration;

use skep_api::IdGen;
use skep_manager_core::{Dirty, View, decide, wake_at};
use tokio_util::sync::CancellationToken;

use crate::raft::{Group, ProposeError};
use crate::storage::Board;

/// The shortest wait for a deadline: one that a decision left in the past must not make a busy
/// loop of this.
const WAIT_MIN: Duration = Duration::from_millis(10);
/// How long to wait after a proposal that failed and would fail again at once.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Decides until `stop`. Starts with everything: there is no other start-up path.
pub(crate) async fn lead(group: Arc<Group>, mut ids: IdGen, stop: CancellationToken) {
    let board = group.board();
    let mut moved = board.watch();
    let mut dirty = Dirty::everything();
    loop {
        moved.borrow_and_update();
        let (marked, view) = board.look();
        dirty.merge(&marked);
        let decision = decide(&view, &dirty, board.clock.now(), &mut ids);
        let changes = decision.changes;
        let mut wait = until_deadline(board, &view);
        // What is proposed marks itself again when it is applied; what was refused stays marked.
        match if changes.is_empty() { Ok(0) } else { group.propose(changes).await } {
            Ok(_) => dirty = decision.left,
            Err(ProposeError::Refused(reason)) => {
                tracing::debug!(%reason, "a decision was overtaken");
                wait = Some(RETRY_AFTER);
            }
            Err(_) if stop.is_cancelled() => return,
            Err(error) => {
                tracing::error!(%error, "a decision could not be written");
                wait = Some(RETRY_AFTER);
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            _ = moved.changed() => {}
            () = sleep(wait) => {}
        }
    }
}

/// How long it is until the store itself asks for the next look.
fn until_deadline(board: &Board, view: &View) -> Option<Duration> {
    let (at, why) = wake_at(view)?;
    let wait = board.clock.until(at).max(WAIT_MIN);
    tracing::trace!(why, ?wait, "next deadline");
    Some(wait)
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
