//! Between records and the batches that the log holds.
//!
//! What a step writes goes into one batch, so that a crash keeps all of it or none, unless it would grow
//! beyond [`BATCH_BYTES`]: then into several, which only the forgetting of very large groups reaches.

use bytes::Bytes;
use protocol::records::batch::{Batch, BatchBuilder, BatchError};
use protocol::types::TimestampMs;
use tracing::warn;

use super::group::GroupShard;
use super::group::records::{GroupRecord, RecordError};

/// Keys and values that go into one batch, well under the 1 MiB that topics take by default.
const BATCH_BYTES: usize = 512 * 1024;
/// What a compressed batch may grow to when it is read; ours are not compressed, Apache Kafka's may be.
const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Key of the control record that commits a transaction: version 0, type 1. Any other aborts it.
const COMMIT_MARKER: [u8; 4] = [0, 0, 0, 1];

/// Records that go to the log together, and the batch they make.
pub(super) type Encoded = (Bytes, Vec<GroupRecord>);

/// Makes batches of records, in their order.
pub(super) fn encode(records: Vec<GroupRecord>, now: TimestampMs) -> Result<Vec<Encoded>, RecordError> {
    let mut batches = Vec::new();
    let mut builder = BatchBuilder::new();
    let mut together = Vec::new();
    for record in records {
        let (key, value) = record.encode()?;
        let size_bytes = key.len() + value.as_ref().map_or(0, Vec::len);
        if !together.is_empty() && builder.size_bytes() + size_bytes > BATCH_BYTES {
            let full = std::mem::take(&mut builder).build();
            batches.push((full.into(), std::mem::take(&mut together)));
        }
        builder.append(now, Some(&key), value.as_deref(), &[]);
        together.push(record);
    }
    if !together.is_empty() {
        batches.push((builder.build().into(), together));
    }
    Ok(batches)
}

/// Feeds the batches of a log to a shard.
///
/// A record that cannot be read is passed over: one bad record must not keep all groups from loading. So
/// are the record types of groups that are not served.
pub(super) struct Replayer<'a> {
    shard: &'a mut GroupShard,
    scratch: Vec<u8>,
    pub(super) records: u64,
    pub(super) skipped: u64,
}

impl<'a> Replayer<'a> {
    pub(super) fn new(shard: &'a mut GroupShard) -> Self {
        Self { shard, scratch: Vec::new(), records: 0, skipped: 0 }
    }

    /// Takes over one batch.
    pub(super) fn replay(&mut self, batch: Batch<'_>) {
        if let Err(error) = self.try_replay(batch) {
            warn!(offset = batch.base_offset().0, %error, "skipping a batch of the group log");
            self.skipped += 1;
        }
    }

    fn try_replay(&mut self, batch: Batch<'_>) -> Result<(), BatchError> {
        let producer = batch.is_transactional().then(|| batch.producer_id());
        let Self { shard, scratch, records, skipped } = self;
        for record in batch.decompressed(DECOMPRESSED_BYTES_MAX, scratch)? {
            let record = record?;
            let key = record.key.unwrap_or_default();
            *records += 1;
            if batch.is_control() {
                shard.replay_end_transaction(batch.producer_id(), key == COMMIT_MARKER);
                continue;
            }
            match GroupRecord::decode(key, record.value) {
                Ok(Some(group_record)) => shard.replay(record.offset, producer, group_record),
                Ok(None) => *skipped += 1,
                Err(error) => {
                    warn!(offset = record.offset.0, %error, "skipping a record of the group log");
                    *skipped += 1;
                }
            }
        }
        Ok(())
    }
}
