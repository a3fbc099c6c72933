//! Commands: one instance, from its start until it returns.

use std::sync::Arc;

use wasmtime_wasi::p2::bindings::CommandPre;

use crate::engine::Engines;
use crate::state::{State, store};
use crate::task::Task;
use crate::{Outcome, trap};

/// Runs a command to its end. Dropping the future ends it where it is.
pub(crate) async fn run(
    engines: &Engines,
    command: &CommandPre<State>,
    task: &Arc<Task>,
) -> Outcome {
    let mut store = store(command.engine(), task, engines.tick());
    let result = match command.instantiate_async(&mut store).await {
        Ok(command) => command.wasi_cli_run().call_run(&mut store).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(Ok(())) => Outcome::Exited(0),
        Ok(Err(())) => Outcome::Exited(1),
        Err(error) => trap::outcome(store.data(), &error),
    }
}
