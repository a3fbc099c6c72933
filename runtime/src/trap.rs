//! What went wrong in a guest, in words.

use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::{Outcome, state::State};

/// How many of the innermost functions a reason names.
const FRAMES_MAX: usize = 8;
/// How much of a function's name is shown: generic ones can be pages long.
const NAME_MAX: usize = 120;

/// What an error that ended a guest means.
pub(crate) fn outcome(state: &State, error: &wasmtime::Error) -> Outcome {
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Outcome::Exited(exit.0);
    }
    // A guest that was refused memory and did not cope traps or fails to be made: memory is why.
    if let Some(limit) = state.memory.limit_hit() {
        return Outcome::OutOfMemory { limit };
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => Outcome::Trapped(reason(&trap.to_string(), error)),
        // A host function refused what the guest did: for it that is a trap too.
        None => Outcome::Trapped(reason(&error.root_cause().to_string(), error)),
    }
}

fn reason(what: &str, error: &wasmtime::Error) -> String {
    let what = what.strip_prefix("wasm trap: ").unwrap_or(what);
    let names = error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default();
    if names.is_empty() { what.to_owned() } else { format!("{what}, in {}", names.join(" < ")) }
}

fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    let frames = backtrace.frames().iter();
    frames.filter_map(|frame| frame.func_name()).take(FRAMES_MAX).map(shorten).collect()
}

fn shorten(name: &str) -> String {
    match name.char_indices().nth(NAME_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
