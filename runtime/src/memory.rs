//! How much memory the instances of a task hold together.
//!
//! Counted are all linear memories and tables. A growth over the limit is refused, as `malloc` may
//! be: a guest may cope. If it dies instead, the instance's [`MemoryMeter`] knows why.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use skep_api::Bytes;
use wasmtime::ResourceLimiter;

/// The limit of a task that states none. Without one a single guest could take the machine.
pub const MEMORY_DEFAULT: Bytes = Bytes::mib(256);
/// What one element of a table takes on the host.
const TABLE_ELEMENT_SIZE: u64 = 16;

/// What a task may hold, and what it does.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    limit: Bytes,
    used: AtomicU64,
}

impl MemoryBudget {
    /// A task's budget; zero stands for [`MEMORY_DEFAULT`].
    pub(crate) fn new(limit: Bytes) -> Arc<Self> {
        let limit = if limit.0 == 0 { MEMORY_DEFAULT } else { limit };
        Arc::new(Self { limit, used: AtomicU64::new(0) })
    }

    fn take(&self, size: u64) -> bool {
        let fits = |used: u64| used.checked_add(size).filter(|total| *total <= self.limit.0);
        self.used.try_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give_back(&self, size: u64) {
        self.used.fetch_sub(size, Ordering::Relaxed);
    }
}

/// Counts one instance's memory. Gives all of it back when the instance is gone.
#[derive(Debug)]
pub(crate) struct MemoryMeter {
    budget: Arc<MemoryBudget>,
    held: u64,
    growing: u64,
    was_refused: bool,
}

impl MemoryMeter {
    pub(crate) fn new(budget: Arc<MemoryBudget>) -> Self {
        Self { budget, held: 0, growing: 0, was_refused: false }
    }

    /// The limit, if this instance ran into it.
    pub(crate) fn limit_hit(&self) -> Option<Bytes> {
        self.was_refused.then_some(self.budget.limit)
    }

    fn grow(&mut self, size: u64) -> bool {
        if !self.budget.take(size) {
            self.was_refused = true;
            return false;
        }
        self.held += size;
        self.growing = size;
        true
    }

    /// The growth that was just allowed did not happen.
    fn undo(&mut self) {
        self.budget.give_back(self.growing);
        self.held -= self.growing;
        self.growing = 0;
    }
}

impl Drop for MemoryMeter {
    fn drop(&mut self) {
        self.budget.give_back(self.held);
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow((desired - current) as u64))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        tracing::debug!(%error, "a guest's memory could not grow");
        self.undo();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow((desired - current) as u64 * TABLE_ELEMENT_SIZE))
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        tracing::debug!(%error, "a guest's table could not grow");
        self.undo();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_share_the_limit_and_give_back_what_they_held() {
        let budget = MemoryBudget::new(Bytes::mib(1));
        let mut first = MemoryMeter::new(budget.clone());
        let mut second = MemoryMeter::new(budget.clone());
        assert!(first.memory_growing(0, 700 << 10, None).unwrap());
        assert!(!second.memory_growing(0, 400 << 10, None).unwrap());
        assert_eq!(second.limit_hit(), Some(Bytes::mib(1)));
        assert_eq!(first.limit_hit(), None);
        drop(first);
        assert!(second.memory_growing(0, 1 << 20, None).unwrap());
        assert!(!second.table_growing(0, 1, None).unwrap());
        drop(second);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_growth_that_failed_is_not_counted() {
        let budget = MemoryBudget::new(Bytes(0));
        let mut meter = MemoryMeter::new(budget.clone());
        assert!(meter.memory_growing(0, 1 << 20, None).unwrap());
        meter.memory_grow_failed(wasmtime::format_err!("no room")).unwrap();
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
        assert_eq!(budget.limit, MEMORY_DEFAULT);
    }
}
