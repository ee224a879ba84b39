//! The log that a coordinator keeps its records in, and which of its partitions a name belongs to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::records::batch::Batch;
use protocol::types::{Offset, PartitionIndex};
use tracing::debug;

use super::BoxFuture;

/// The internal topic that a coordinator keeps its records in, whose partitions it alone appends to.
pub trait CoordinatorLog: Send + Sync + 'static {
    /// Appends one whole v2 batch, whose base offset is 0 and is to be patched. Returns the offset after
    /// its last record. Must not wait for the disk: it is called under a lock.
    fn append(&self, partition: PartitionIndex, batch: Bytes) -> Result<Offset, CoordinatorLogError>;

    /// Resolves once every record below `end` survives a power loss.
    fn durable(
        &self,
        partition: PartitionIndex,
        end: Offset,
    ) -> BoxFuture<'_, Result<(), CoordinatorLogError>>;

    /// Hands every batch of the partition to `visit`, oldest first, and returns the offset after the last.
    /// Blocks on the disk.
    fn read_all(
        &self,
        partition: PartitionIndex,
        visit: &mut dyn FnMut(Batch<'_>),
    ) -> Result<Offset, CoordinatorLogError>;
}

/// Why the coordinator's topic could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorLogError {
    /// The batch is larger than the topic takes. Nothing was written, and never will be.
    #[error("the batch is larger than the coordinator's topic takes")]
    TooLarge,
    /// The disk failed or is full, or the log is closed.
    #[error("the coordinator's topic is not available: {0}")]
    Unavailable(String),
}

impl CoordinatorLogError {
    /// What members and committers are told: trying again may help, unless the batch is too large.
    pub(super) fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge => ErrorCode::UnknownServerError,
            Self::Unavailable(_) => ErrorCode::CoordinatorNotAvailable,
        }
    }
}

/// The partition that the records of a group or a transactional id go to, of `count`.
pub(super) fn partition_of(name: &str, count: usize) -> PartitionIndex {
    // The least integer has no absolute value; Kafka takes 0 for it.
    PartitionIndex(java_hash(name).checked_abs().unwrap_or(0) % count as i32)
}

/// Java's `String.hashCode`, by which Kafka spreads names over partitions.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// One partition of a coordinator's log, and how far it is known to survive power loss.
pub(super) struct LogPartition {
    pub(super) index: PartitionIndex,
    log: Arc<dyn CoordinatorLog>,
    /// Everything below is known to be durable.
    durable: AtomicI64,
}

impl LogPartition {
    /// The partitions of `log`, at least one.
    pub(super) fn all(log: &Arc<dyn CoordinatorLog>, count: i32) -> impl Iterator<Item = Self> {
        (0..count.max(1)).map(|index| Self {
            index: PartitionIndex(index),
            log: Arc::clone(log),
            durable: AtomicI64::new(0),
        })
    }

    /// [`CoordinatorLog::append`].
    pub(super) fn append(&self, batch: Bytes) -> Result<Offset, CoordinatorLogError> {
        self.log.append(self.index, batch)
    }

    /// [`CoordinatorLog::read_all`]. What a start finds is durable.
    pub(super) fn read_all(&self, visit: &mut dyn FnMut(Batch<'_>)) -> Result<Offset, CoordinatorLogError> {
        let end = self.log.read_all(self.index, visit)?;
        self.durable.fetch_max(end.0, Ordering::AcqRel);
        Ok(end)
    }

    /// Resolves once everything below `end` is durable; at once if that is known.
    pub(super) async fn await_durable(&self, end: Offset) -> Result<(), ErrorCode> {
        if end.0 <= self.durable.load(Ordering::Acquire) {
            return Ok(());
        }
        self.log.durable(self.index, end).await.map_err(|error| {
            // The log itself has said so, once, as an error.
            debug!(partition = self.index.0, %error, "could not sync a coordinator's log");
            error.code()
        })?;
        self.durable.fetch_max(end.0, Ordering::AcqRel);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spread_as_in_kafka() {
        let cases = [
            ("", 0, 0),
            ("group", 98_629_247, 98_629_247 % 7),
            ("Hello World", -862_545_276, 862_545_276 % 7),
            ("polygenelubricants", i32::MIN, 0),
            ("é€𝄞", 16_751_501, 16_751_501 % 7),
        ];
        for (text, hash, partition) in cases {
            assert_eq!(java_hash(text), hash, "{text}");
            assert_eq!(partition_of(text, 7), PartitionIndex(partition), "{text}");
        }
    }
}
