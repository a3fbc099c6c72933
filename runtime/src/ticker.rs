//! The clock that makes guests yield.
//!
//! A thread raises the epoch of the engines while any guest instance lives, and ends soon after the
//! last one did: a node without tasks has no such thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::Engine;

/// How long a guest computes before it yields. 10 ms cost nothing that can be measured.
const TICK: Duration = Duration::from_millis(10);
/// After so many ticks without a guest the thread ends: one second, so that a trickle of requests
/// does not start a thread each.
const IDLE_TICKS_MAX: u32 = 100;

/// Raises the epochs of engines. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Ticker(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    engines: Vec<Engine>,
    guests: usize,
    is_ticking: bool,
}

/// Keeps the clock going while it lives.
pub(crate) struct TickGuard(Ticker);

impl Ticker {
    /// Has the engine's epoch raised too.
    pub(crate) fn add(&self, engine: &Engine) {
        self.lock().engines.push(engine.clone());
    }

    /// Starts the clock, if it stands still.
    pub(crate) fn start(&self) -> TickGuard {
        let mut state = self.lock();
        state.guests += 1;
        if !state.is_ticking {
            let ticker = self.clone();
            let thread = std::thread::Builder::new().name("skep-epoch".into());
            // Without the thread guests run, but do not yield: the next one tries again.
            match thread.spawn(move || ticker.run()) {
                Ok(_) => state.is_ticking = true,
                Err(error) => tracing::error!(%error, "can't start the epoch thread"),
            }
        }
        drop(state);
        TickGuard(self.clone())
    }

    fn run(&self) {
        let mut idle_ticks = 0;
        loop {
            std::thread::sleep(TICK);
            let mut state = self.lock();
            state.engines.iter().for_each(Engine::increment_epoch);
            idle_ticks = if state.guests == 0 { idle_ticks + 1 } else { 0 };
            if idle_ticks > IDLE_TICKS_MAX {
                state.is_ticking = false;
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing above can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TickGuard {
    fn drop(&mut self) {
        self.0.lock().guests -= 1;
    }
}
