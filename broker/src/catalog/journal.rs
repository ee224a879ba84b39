//! The catalogue's log: `__cluster_metadata-0`, one batch per change, synced before it counts.

use std::sync::Arc;

use protocol::codec::EncodeError;
use protocol::records::{Batch, BatchBuilder, BatchError, Batches};
use protocol::types::{Epoch, PartitionIndex, TopicId};
use storage::{
    AppendError, AppendOptions, Env, LogConfig, LogFailed, PartitionLog, ReadError, Store, StoreError,
};
use tracing::warn;

use super::records::Record;
use super::{METADATA_TOPIC, next_epoch};

/// Kafka's well-known id of the metadata topic.
const METADATA_TOPIC_ID: TopicId = TopicId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
/// Read at once at start-up.
const READ_BYTES: usize = 1 << 20;

/// Why a change was not recorded, or the records could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Append(#[from] AppendError),
    #[error("{0}")]
    Sync(#[from] LogFailed),
    #[error("{0}")]
    Read(#[from] ReadError),
    #[error("{0}")]
    Batch(#[from] BatchError),
    #[error("a value is too long to be recorded: {0}")]
    Encode(#[from] EncodeError),
}

/// The open log of the catalogue.
pub(super) struct Journal {
    log: Arc<PartitionLog>,
    node: i32,
    env: Env,

    epoch: Epoch,
}

impl Journal {
    /// Opens the log and hands every record in it to `replay`, in order.
    pub(super) fn open(
        store: &Store,
        env: &Env,
        mut replay: impl FnMut(Record),
    ) -> Result<Self, JournalError> {
        let index = PartitionIndex(0);
        let config = LogConfig { retention_ms: -1, ..LogConfig::default() };
        let log = match store.log(METADATA_TOPIC, index) {
            Some(log) => log,
            None => store.create_log(METADATA_TOPIC, index, METADATA_TOPIC_ID, config)?,
        };
        read_all(&log, &mut replay)?;
        let epoch = next_epoch(&log);
        Ok(Self { log, node: store.node_id(), env: env.clone(), epoch })
    }

    /// Appends `records` as one batch; they are on the disk when this returns.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let now = self.env.clock.now();
        let mut batch = BatchBuilder::new();
        for record in records {
            batch.append(now, None, Some(&record.encode(self.node)?), &[]);
        }
        self.log.append(&batch.build(), self.epoch, &AppendOptions::internal(now))?;
        self.log.sync()?;
        Ok(())
    }
}

fn read_all(log: &PartitionLog, replay: &mut impl FnMut(Record)) -> Result<(), JournalError> {
    let marks = log.marks();
    let mut next = marks.start();
    while next < marks.end() {
        let read = log.read(next, READ_BYTES, true, marks.end())?;
        for batch in Batches::new(&read.records) {
            let batch = batch?;
            if !batch.is_control() {
                replay_batch(&batch, replay)?;
            }
        }
        next = read.next_offset;
    }
    Ok(())
}

fn replay_batch(batch: &Batch<'_>, replay: &mut impl FnMut(Record)) -> Result<(), JournalError> {
    let mut scratch = Vec::new();
    for record in batch.decompressed(READ_BYTES, &mut scratch)? {
        let record = record?;
        let Some(value) = record.value else { continue };
        match Record::decode(value) {
            Ok(Some(record)) => replay(record),
            Ok(None) => {}
            Err(error) => warn!(offset = record.offset.0, %error, "metadata record skipped"),
        }
    }
    Ok(())
}
