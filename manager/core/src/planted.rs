//! Bugs that the simulator's own test switches on one at a time, to show that it finds them.
//!
//! Only there with the feature `planted-bugs`, which no build of the product asks for. A bug is
//! planted for the thread that asks: runs beside it stay as they are.

use std::cell::Cell;

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A new leader starts every held task at once: the remaining delay is forgotten.
    DelayForgotten,
    /// A start-first update stops the old task together with making the new one.
    OldStopsFirst,
    /// What a task reserved is given back when it is told to stop, and again when it ended.
    FreedTwice,
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Plants a bug in this thread, or takes it out.
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

pub(crate) fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}
