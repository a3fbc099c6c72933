//! Who waits for lines.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use skep_api::{Id, Service, Task};
use tokio::sync::Notify;

use super::LogSelection;

/// All who wait for lines.
#[derive(Debug, Default)]
pub(super) struct Followers {
    /// How many there are, so that a writer takes no lock while there are none.
    count: AtomicUsize,
    list: Mutex<Vec<Weak<Follower>>>,
}

/// One who waits for lines.
#[derive(Debug)]
pub(super) struct Follower {
    selection: LogSelection,
    /// Tasks with lines that it has not read. At most as many as there are tasks.
    written: Mutex<BTreeMap<Id<Task>, Id<Service>>>,
    notify: Notify,
    all: Weak<Followers>,
}

impl Followers {
    /// One more, who hears of what is written from now on, until it is dropped.
    pub(super) fn add(self: &Arc<Self>, selection: LogSelection) -> Arc<Follower> {
        let follower = Arc::new(Follower {
            selection,
            written: Mutex::default(),
            notify: Notify::new(),
            all: Arc::downgrade(self),
        });
        lock(&self.list).push(Arc::downgrade(&follower));
        self.count.fetch_add(1, Ordering::SeqCst);
        follower
    }

    /// A task has written.
    pub(super) fn wrote(&self, task: Id<Task>, service: Id<Service>) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        for follower in lock(&self.list).iter().filter_map(Weak::upgrade) {
            if follower.selection.has(task, service) {
                lock(&follower.written).insert(task, service);
                follower.notify.notify_one();
            }
        }
    }
}

impl Follower {
    /// Waits until some task has written, and takes those that did.
    pub(super) async fn written(&self) -> BTreeMap<Id<Task>, Id<Service>> {
        loop {
            let written = std::mem::take(&mut *lock(&self.written));
            if !written.is_empty() {
                return written;
            }
            self.notify.notified().await;
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(all) = self.all.upgrade() {
            all.count.fetch_sub(1, Ordering::SeqCst);
            // The weak reference to this one can't be upgraded any more.
            lock(&all.list).retain(|follower| follower.strong_count() > 0);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
