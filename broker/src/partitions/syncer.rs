//! Group commit across partitions: a few threads sync the partitions that producers wait for.
//!
//! A partition stands in the queue at most once. A worker takes it out *before* it syncs, so an
//! append that comes during the sync queues it again and is covered by the next one; everything
//! that was appended before the sync began is answered by it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::{Condvar, Mutex};
use tracing::debug;

use super::{Partition, Synced};
use crate::tasks::Tasks;

/// Partitions that sync in parallel. A disk gains from a few syncs at once, not from thousands.
const THREADS: usize = 4;

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

    /// Queues `partition` for a sync, unless it is queued already.
    pub(crate) fn request(&self, partition: &Arc<Partition>) {
        if partition.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let (queue, ready) = &*self.shared;
        queue.lock().partitions.push_back(Arc::clone(partition));
        ready.notify_one();
    }

    /// Lets the threads end once they have synced what is queued.
    pub(crate) fn close(&self) {
        let (queue, ready) = &*self.shared;
        queue.lock().closed = true;
        ready.notify_all();
    }

    fn run(&self) {
        while let Some(partition) = self.next() {
            partition.queued.store(false, Ordering::Release);
            sync(&partition);
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
