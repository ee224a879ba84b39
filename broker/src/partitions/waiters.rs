//! Long polls: a fetch waits on many partitions at once and is woken by the first that changes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Registrations beyond which those of fetches that already ended are swept out.
const SWEEP_AT: usize = 32;

/// One waiting fetch, registered with every partition it asked for.
#[derive(Debug, Default)]
pub(crate) struct DataWaiter {
    notify: Notify,
}

impl DataWaiter {
    /// A waiter that nobody knows yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Completes when a partition changed since the last call (or since registration).
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }
}

/// The fetches that wait for one partition.
///
/// Dead registrations are dropped when the partition wakes its waiters, and swept when their number
/// doubles, so a quiet partition polled for ever holds a bounded list.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    count: AtomicUsize,
    list: Mutex<Vec<Weak<DataWaiter>>>,
}

impl Waiters {
    /// Adds `waiter`. To miss nothing, look at the partition once more after this.
    pub(super) fn register(&self, waiter: &Arc<DataWaiter>) {
        let mut list = self.list.lock();
        if list.len() >= SWEEP_AT && list.len() == list.capacity() {
            list.retain(|waiter| waiter.strong_count() > 0);
        }
        list.push(Arc::downgrade(waiter));
        self.count.store(list.len(), Ordering::SeqCst);
    }

    /// Wakes and forgets all; a waiter registers again if it needs more.
    pub(super) fn wake(&self) {
        // The usual append has nobody waiting: one load. Sequentially consistent with the
        // registration, so that either this sees the waiter or the waiter sees the append.
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let woken = {
            let mut list = self.list.lock();
            self.count.store(0, Ordering::SeqCst);
            std::mem::take(&mut *list)
        };
        for waiter in woken.iter().filter_map(Weak::upgrade) {
            waiter.notify.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wake_before_the_wait_is_not_lost() {
        let waiters = Waiters::default();
        let waiter = DataWaiter::new();
        waiters.register(&waiter);
        waiters.wake();
        waiter.woken().await;
    }

    #[test]
    fn registrations_of_ended_fetches_do_not_pile_up() {
        let waiters = Waiters::default();
        for _ in 0..10_000 {
            waiters.register(&DataWaiter::new());
        }
        assert!(waiters.list.lock().len() <= 2 * SWEEP_AT);
    }
}
