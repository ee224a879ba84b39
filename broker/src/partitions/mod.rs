//! Live partitions: a log, and who waits for it: fetches for data, producers for durability.
//!
//! ```text
//! append ─▶ log (page cache) ─▶ wakes fetches
//!     └─ acks=all ─▶ syncer: one fdatasync per partition and round ─▶ answers every producer waiting on it
//! ```
//!
//! The high watermark of one node is the log's end: a record can be read as soon as it is in the
//! page cache, as on a Kafka broker that has no followers to wait for.

mod syncer;
mod waiters;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use protocol::types::{Epoch, Offset, PartitionIndex, TopicId};
use storage::{AppendError, AppendOptions, Appended, Checked, PartitionLog};
use tokio::sync::watch;

pub(crate) use syncer::Syncer;
pub(crate) use waiters::{DataWaiter, Waiters};

/// How far a partition is known to be on the disk, as its waiters see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Synced {
    /// Everything before this offset survives power loss.
    end: Offset,
    /// A sync failed: nothing more is acknowledged until the log has healed.
    failed: bool,
}

/// Why a record could not be promised to survive power loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotDurable {
    /// The disk refused the sync.
    #[error("the log could not be synced")]
    Failed,
    /// The caller's patience ended first; the record may yet become durable.
    #[error("the log was not synced in time")]
    TimedOut,
}

/// One partition this broker leads.
pub(crate) struct Partition {
    /// The topic's name.
    pub(crate) topic: Arc<str>,
    /// The topic's id, which changes when a topic is deleted and made again.
    pub(crate) topic_id: TopicId,
    /// Which partition of the topic.
    pub(crate) index: PartitionIndex,
    /// The leader epoch, bumped at each start of the broker.
    pub(crate) epoch: Epoch,
    log: Arc<PartitionLog>,
    waiters: Waiters,
    synced: watch::Sender<Synced>,
    turn: syncer::Turn,
    /// Where the log began when somebody last looked whether it moved.
    known_start: AtomicI64,
}

impl std::fmt::Debug for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}

impl Partition {
    /// A partition over its log, led in `epoch`.
    pub(crate) fn new(
        topic: Arc<str>,
        topic_id: TopicId,
        index: PartitionIndex,
        epoch: Epoch,
        log: Arc<PartitionLog>,
    ) -> Self {
        let (synced, _) = watch::channel(Synced { end: log.synced(), failed: false });
        let turn = syncer::Turn::default();
        let known_start = AtomicI64::new(log.marks().start().0);
        Self { topic, topic_id, index, epoch, log, waiters: Waiters::default(), synced, turn, known_start }
    }

    /// The log, for reading. Appending goes through [`Partition::append`], which wakes the waiters.
    pub(crate) fn log(&self) -> &PartitionLog {
        &self.log
    }

    /// Appends whole batches and wakes the fetches that wait for this partition.
    pub(crate) fn append(&self, batches: &[u8], options: &AppendOptions) -> Result<Appended, AppendError> {
        self.append_checked(&self.log.check(batches, options)?)
    }

    /// As [`Self::append`], for batches that this partition's log has checked.
    pub(crate) fn append_checked(&self, checked: &Checked<'_>) -> Result<Appended, AppendError> {
        let appended = self.log.append_checked(checked, self.epoch)?;
        self.waiters.wake();
        Ok(appended)
    }

    /// As [`Self::append_checked`], if the batch's producer has a transaction open here; else `None`.
    pub(crate) fn append_to_open_transaction(
        &self,
        checked: &Checked<'_>,
    ) -> Result<Option<Appended>, AppendError> {
        let appended = self.log.append_to_open_transaction(checked, self.epoch)?;
        if appended.is_some() {
            self.waiters.wake();
        }
        Ok(appended)
    }

    /// Wakes the fetches that wait for this partition; for changes other than an append.
    pub(crate) fn wake(&self) {
        self.waiters.wake();
    }

    /// Lets `waiter` know when data arrives, until it is dropped.
    pub(crate) fn register(&self, waiter: &Arc<DataWaiter>) {
        self.waiters.register(waiter, None);
    }

    /// As [`Self::register`], and lets `waiter` know under which mark it registered, until woken once or
    /// unregistered.
    pub(crate) fn register_marked(&self, waiter: &Arc<DataWaiter>, mark: u64) {
        self.waiters.register(waiter, Some(mark));
    }

    /// Undoes [`Self::register_marked`].
    pub(crate) fn unregister(&self, waiter: &Arc<DataWaiter>, mark: u64) {
        self.waiters.unregister(waiter, mark);
    }

    /// Wakes whoever waits if the log begins later than when this was last called.
    pub(crate) fn wake_if_start_moved(&self) {
        let start = self.log.marks().start();
        if self.known_start.swap(start.0, Ordering::Relaxed) != start.0 {
            self.wake();
        }
    }

    /// Waits until everything before `end` survives power loss.
    ///
    /// The caller asked [`Syncer::request`] for a sync after its append; every producer that asked
    /// before the sync began is answered by it.
    pub(crate) async fn durable(&self, end: Offset, patience: Duration) -> Result<(), NotDurable> {
        let mut synced = self.synced.subscribe();
        let reached = synced.wait_for(|synced| synced.failed || synced.end >= end);
        match tokio::time::timeout(patience, reached).await {
            Ok(Ok(synced)) if synced.end >= end => Ok(()),
            Ok(_) => Err(NotDurable::Failed),
            Err(_) => Err(NotDurable::TimedOut),
        }
    }

    /// Tells producers that a log which failed is in use again.
    pub(crate) fn note_healed(&self) {
        if self.synced.borrow().failed && self.log.failed().is_none() {
            self.synced.send_replace(Synced { end: self.log.synced(), failed: false });
        }
    }

    /// Whether something was appended that no sync has covered yet.
    pub(crate) fn is_dirty(&self) -> bool {
        self.log.synced() < self.log.marks().end() && !self.synced.borrow().failed
    }
}
