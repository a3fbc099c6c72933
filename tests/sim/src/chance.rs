//! Everything that is left to chance in a run, out of its seed.

use std::time::Duration;

use skep_api::IdGen;

/// A source of choices. The same seed gives the same ones.
#[derive(Debug)]
pub(crate) struct Chance(IdGen);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(IdGen::from_u64(seed))
    }

    /// Another source, which is not moved by what this one is asked from now on.
    pub(crate) fn fork(&mut self) -> Self {
        Self::new(self.0.below(u64::MAX))
    }

    /// Ids for a process that starts.
    pub(crate) fn ids(&mut self) -> IdGen {
        IdGen::from_u64(self.0.below(u64::MAX))
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// A number from `first` to `last`.
    pub(crate) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.0.below(last - first + 1)
    }

    /// So many times out of a thousand.
    pub(crate) fn permille(&mut self, times: u64) -> bool {
        self.0.below(1000) < times
    }

    /// Every other time.
    pub(crate) fn toss(&mut self) -> bool {
        self.permille(500)
    }

    /// One of them; `all` is not empty.
    pub(crate) fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.0.below(all.len() as u64) as usize].clone()
    }

    /// One of them, if there are any.
    pub(crate) fn any<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| self.pick(all))
    }

    /// A duration from `first_ms` to `last_ms`.
    pub(crate) fn millis(&mut self, first_ms: u64, last_ms: u64) -> Duration {
        Duration::from_millis(self.between(first_ms, last_ms))
    }
}
