//! Nothing due stays undone: where a leader rests, looking at everything finds nothing to do, and
//! no deadline has passed.

use skep_api::{IdGen, Time};
use skep_manager_core::{Dirty, View, decide, wake_at};

use super::Checked;
use crate::manager::Look;

/// A deadline that has passed and that nothing is done about would have the leader look for ever.
pub(super) fn looked(look: &Look, time: Time) -> Checked {
    match look.wake {
        Some((at, why)) if at <= time && look.changes.is_empty() && look.left.is_empty() => {
            Err(format!("`{why}` is due since {:?}, and nothing is done", time.since(at)))
        }
        _ => Ok(()),
    }
}

/// Marks and deadlines are a shortcut: without them the same is decided.
pub(super) fn at_rest(view: &View, time: Time) -> Checked {
    let mut ids = IdGen::from_u64(0);
    let missed = decide(view, &Dirty::everything(), time, &mut ids).changes;
    if let Some(change) = missed.first() {
        let wake = wake_at(view).map(|(at, why)| (at.since(time), why));
        return Err(format!("nobody looks, but this is to be done ({wake:?}): {change:?}"));
    }
    Ok(())
}
