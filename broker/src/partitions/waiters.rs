//! Long polls: a fetch waits on many partitions at once and is woken by the first that changes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Registrations beyond which those of fetches that already ended are swept out.
const SWEEP_AT: usize = 32;

/// One waiting fetch, or one fetch session, registered with every partition it asked for.
#[derive(Debug, Default)]
pub(crate) struct DataWaiter {
    notify: Notify,
    /// Marks of the registrations that were woken and have one.
    changed: Mutex<Vec<u64>>,
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

    /// Hands a wake on to somebody else who waits here.
    pub(crate) fn pass_on(&self) {
        self.notify.notify_one();
    }

    /// Marks of the partitions that changed since the last call; their registrations are used up.
    pub(crate) fn take_changed(&self) -> Vec<u64> {
        std::mem::take(&mut *self.changed.lock())
    }
}

#[derive(Debug)]
struct Registration {
    waiter: Weak<DataWaiter>,
    /// What the waiter calls this partition, if it wants to know which one changed.
    mark: Option<u64>,
}

/// The fetches that wait for one partition.
///
/// Dead registrations are dropped when the partition wakes its waiters, and swept when their number
/// doubles, so a quiet partition polled for ever holds a bounded list.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    count: AtomicUsize,
    list: Mutex<Vec<Registration>>,
}

impl Waiters {
    /// Adds `waiter`. To miss nothing, look at the partition once more after this.
    pub(super) fn register(&self, waiter: &Arc<DataWaiter>, mark: Option<u64>) {
        let mut list = self.list.lock();
        if list.len() >= SWEEP_AT && list.len() == list.capacity() {
            list.retain(|registration| registration.waiter.strong_count() > 0);
        }
        list.push(Registration { waiter: Arc::downgrade(waiter), mark });
        self.count.store(list.len(), Ordering::SeqCst);
    }

    /// Takes out what `waiter` registered under `mark`.
    pub(super) fn unregister(&self, waiter: &Arc<DataWaiter>, mark: u64) {
        let mut list = self.list.lock();
        list.retain(|registration| {
            registration.mark != Some(mark)
                || !std::ptr::eq(registration.waiter.as_ptr(), &raw const **waiter)
        });
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
        for Registration { waiter, mark } in woken {
            if let Some(waiter) = waiter.upgrade() {
                waiter.changed.lock().extend(mark);
                waiter.notify.notify_one();
            }
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
        waiters.register(&waiter, None);
        waiters.wake();
        waiter.woken().await;
        assert!(waiter.take_changed().is_empty());
    }

    #[tokio::test]
    async fn marks_say_what_changed_unless_taken_out() {
        let (one, other) = (Waiters::default(), Waiters::default());
        let waiter = DataWaiter::new();
        one.register(&waiter, Some(1));
        other.register(&waiter, Some(2));
        other.register(&DataWaiter::new(), Some(2));
        other.unregister(&waiter, 2);
        assert_eq!(other.list.lock().len(), 1, "the other waiter's stays");
        one.wake();
        one.wake();
        other.wake();
        waiter.woken().await;
        assert_eq!(waiter.take_changed(), [1]);
        assert!(waiter.take_changed().is_empty());
    }

    #[test]
    fn registrations_of_ended_fetches_do_not_pile_up() {
        let waiters = Waiters::default();
        for _ in 0..10_000 {
            waiters.register(&DataWaiter::new(), None);
        }
        assert!(waiters.list.lock().len() <= 2 * SWEEP_AT);
    }
}
