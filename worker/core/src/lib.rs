//! What a worker decides, as functions: the next step of a task, and what a message of the
//! assignments stream changes.
//!
//! Nothing here does anything. [`step`] looks at what managers want of a task and at what was seen
//! of it, and names the one thing to do next; the shell does it, writes down what it saw, and asks
//! again until the answer is [`Step::Wait`]. [`WantedSet`] keeps what the managers said last and
//! names the tasks to look at.
//!
//! Invariants:
//! - a task's reported state only rises, and a task that ended is never started again;
//! - at most one run of a task is under way;
//! - a run that managers no longer list is ended before anything of it is removed.
//!
//! It knows no clock, no file, no sandbox and no connection.

mod step;
mod wanted;

pub use step::{Cause, Contact, Ending, Observed, RETRY_DELAY, Run, Step, Wanted, step};
pub use wanted::{Affected, WantedSet};
