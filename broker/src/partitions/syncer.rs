//! Group commit across partitions: a few threads sync the partitions that producers wait for.
//!
//! A partition stands in the queue at most once, and one thread syncs it at a time. What was appended
//! before a sync began is answered by it; an append that comes meanwhile has the partition queued
//! again at its end. So no thread waits for another's sync, and a busy partition takes its turn.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::{Condvar, Mutex};
use tracing::debug;

use super::{Partition, Synced};
use crate::tasks::Tasks;

/// Partitions that sync in parallel. A disk gains from a few syncs at once, not from thousands.
const THREADS: usize = 4;

/// Whether a partition waits for a sync, is in one, or both.
#[derive(Debug, Default)]
pub(super) struct Turn(AtomicU8);

impl Turn {
    const IDLE: u8 = 0;
    const QUEUED: u8 = 1;
    const SYNCING: u8 = 2;
    const SYNCING_AND_WANTED: u8 = 3;

    /// Asks for a sync that begins after this call; true if the caller is to queue the partition.
    fn ask(&self) -> bool {
        let next = |turn| match turn {
            Self::IDLE => Some(Self::QUEUED),
            Self::SYNCING => Some(Self::SYNCING_AND_WANTED),
            _ => None,
        };
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(Self::IDLE)
    }

    /// A queued partition's sync begins.
    fn begin(&self) {
        self.0.swap(Self::SYNCING, Ordering::AcqRel);
    }

    /// It has ended; true if the caller is to queue the partition again.
    fn end(&self) -> bool {
        let next = |turn| Some(if turn == Self::SYNCING { Self::IDLE } else { Self::QUEUED });
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(Self::SYNCING_AND_WANTED)
    }
}

#[derive(Debug, Default)]
struct Queue {
    partitions: VecDeque<Arc<Partition>>,
    closed: bool,
}

/// The pool of threads that sync.
#[derive(Clone, Debug)]
pub(crate) struct Syncer {
    shared: Arc<(Mutex<Queue>, Condvar)>,
}

impl Syncer {
    /// Starts the pool; its threads end when [`Syncer::close`] is called and the queue is empty.
    pub(crate) fn start(tasks: &Tasks) -> std::io::Result<Self> {
        let syncer = Self { shared: Arc::default() };
        for _ in 0..THREADS {
            let worker = syncer.clone();
            tasks.spawn_thread("kindred-sync", move || worker.run())?;
        }
        Ok(syncer)
    }

    /// Has everything synced that was appended to `partition` before this call.
    pub(crate) fn request(&self, partition: &Arc<Partition>) {
        if partition.turn.ask() {
            let (queue, ready) = &*self.shared;
            queue.lock().partitions.push_back(Arc::clone(partition));
            ready.notify_one();
        }
    }

    /// Lets the threads end once they have synced what is queued.
    pub(crate) fn close(&self) {
        let (queue, ready) = &*self.shared;
        queue.lock().closed = true;
        ready.notify_all();
    }

    fn run(&self) {
        while let Some(partition) = self.next() {
            partition.turn.begin();
            sync(&partition);
            if partition.turn.end() {
                // This thread is the one that looks at the queue next: nobody needs to be woken.
                self.shared.0.lock().partitions.push_back(partition);
            }
        }
    }

    fn next(&self) -> Option<Arc<Partition>> {
        let (queue, ready) = &*self.shared;
        let mut queue = queue.lock();
        loop {
            if let Some(partition) = queue.partitions.pop_front() {
                return Some(partition);
            }
            if queue.closed {
                return None;
            }
            ready.wait(&mut queue);
        }
    }
}

/// One sync of one partition, and the news of it.
fn sync(partition: &Partition) {
    match partition.log.sync() {
        Ok(end) => partition.synced.send_modify(|synced| synced.end = synced.end.max(end)),
        Err(error) => {
            // The log itself has said so, once, as an error.
            debug!(topic = %partition.topic, partition = %partition.index, %error, "not synced");
            let end = partition.synced.borrow().end;
            partition.synced.send_replace(Synced { end, failed: true });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_queued_once_and_again_for_what_came_during_its_sync() {
        let turn = Turn::default();
        assert!(turn.ask());
        assert!(!turn.ask(), "it is queued");
        turn.begin();
        assert!(!turn.ask(), "queued when the sync has ended");
        assert!(!turn.ask());
        assert!(turn.end());
        assert!(!turn.ask(), "it is queued");
        turn.begin();
        assert!(!turn.end(), "nothing came");
        assert!(turn.ask());
    }
}
