//! The catalogue's log: `__cluster_metadata-0`, one batch per change, synced before it counts.

use std::sync::Arc;

use protocol::codec::EncodeError;
use protocol::records::{Batch, BatchBuilder, BatchError, Batches};
use protocol::types::{Epoch, PartitionIndex, TopicId};
use storage::{
    AppendError, AppendOptions, Env, LogConfig, LogFailed, PartitionLog, ReadError, Store, StoreError,
};
use tracing::{info, warn};

use super::records::Record;
use super::{METADATA_TOPIC, next_epoch};

/// Kafka's well-known id of the metadata topic.
const METADATA_TOPIC_ID: TopicId = TopicId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
/// Read at once at start-up.
const READ_BYTES: usize = 1 << 20;
/// A segment of the log: large enough for a batch that says what one request may ask for.
const SEGMENT_BYTES: u64 = 128 << 20;
/// The log is not rewritten before it has this many records.
const REWRITE_RECORDS_MIN: usize = 20_000;
/// Records in one batch of a rewritten log.
const BATCH_RECORDS: usize = 1000;

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
    /// In the log, from its start on.
    records: usize,
    /// With how many the log is next rewritten.
    rewrite_at: usize,
    /// Whether the log ends in a transaction that nobody will end.
    is_torn: bool,
}

impl Journal {
    /// Opens the log and hands every record in it to `replay`, in order.
    pub(super) fn open(
        store: &Store,
        env: &Env,
        mut replay: impl FnMut(Record),
    ) -> Result<Self, JournalError> {
        let index = PartitionIndex(0);
        let max_message_bytes = usize::try_from(SEGMENT_BYTES).unwrap_or(usize::MAX);
        let segment_bytes = SEGMENT_BYTES;
        let config = LogConfig { retention_ms: -1, segment_bytes, max_message_bytes, ..LogConfig::default() };
        let log = match store.log(METADATA_TOPIC, index) {
            Some(log) => {
                log.set_config(config);
                log
            }
            None => store.create_log(METADATA_TOPIC, index, METADATA_TOPIC_ID, config)?,
        };
        let mut reading = Reading { replay: &mut replay, transaction: None, records: 0 };
        reading.read_all(&log)?;
        let (records, is_torn) = (reading.records, reading.transaction.is_some());
        let epoch = next_epoch(&log);
        let (node, env) = (store.node_id(), env.clone());
        Ok(Self { log, node, env, epoch, records, rewrite_at: REWRITE_RECORDS_MIN, is_torn })
    }

    /// Appends `records` as one batch; they are on the disk when this returns.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        if self.is_torn {
            // Or these would be taken for part of it.
            self.append_unsynced(&[Record::AbortTransaction])?;
            self.is_torn = false;
        }
        self.append_unsynced(records)?;
        self.log.sync()?;
        Ok(())
    }

    fn append_unsynced(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let now = self.env.clock.now();
        let mut batch = BatchBuilder::new();
        for record in records {
            batch.append(now, None, Some(&record.encode(self.node)?), &[]);
        }
        self.log.append(&batch.build(), self.epoch, &AppendOptions::internal(now))?;
        self.records += records.len();
        Ok(())
    }

    /// Whether the log has grown enough to be rewritten.
    pub(super) fn is_long(&self) -> bool {
        self.records >= self.rewrite_at
    }

    /// Writes `records`, which say what the whole log says, at its end and lets the log begin there, so that
    /// a start reads what there is and not what ever was.
    ///
    /// They are one transaction (KIP-868): after a crash in between, the older records still count and what
    /// was written of these does not.
    pub(super) fn rewrite(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let start = self.log.marks().end();
        let before = self.records;
        // Whatever happens now, the next attempt waits for the log to grow again.
        self.rewrite_at = before.saturating_mul(2);
        self.is_torn = true;
        self.append_unsynced(&[Record::BeginTransaction])?;
        for records in records.chunks(BATCH_RECORDS) {
            self.append_unsynced(records)?;
        }
        self.append_unsynced(&[Record::EndTransaction])?;
        self.is_torn = false;
        self.log.sync()?;
        self.log.delete_records(start)?;
        self.records -= before;
        self.rewrite_at = self.records.saturating_mul(2).max(REWRITE_RECORDS_MIN);
        info!(records = self.records, before, "metadata log rewritten");
        Ok(())
    }
}

/// The log being read at start-up.
struct Reading<'a, F> {
    replay: &'a mut F,
    /// What an open transaction has brought so far.
    transaction: Option<Vec<Record>>,
    records: usize,
}

impl<F: FnMut(Record)> Reading<'_, F> {
    fn read_all(&mut self, log: &PartitionLog) -> Result<(), JournalError> {
        let marks = log.marks();
        let mut next = marks.start();
        while next < marks.end() {
            let read = log.read(next, READ_BYTES, true, marks.end())?;
            for batch in Batches::new(&read.records) {
                let batch = batch?;
                if !batch.is_control() {
                    self.read_batch(&batch)?;
                }
            }
            next = read.next_offset;
        }
        Ok(())
    }

    fn read_batch(&mut self, batch: &Batch<'_>) -> Result<(), JournalError> {
        let mut scratch = Vec::new();
        for record in batch.decompressed(READ_BYTES, &mut scratch)? {
            let record = record?;
            let Some(value) = record.value else { continue };
            self.records += 1;
            match Record::decode(value) {
                Ok(Some(record)) => self.take(record),
                Ok(None) => {}
                Err(error) => warn!(offset = record.offset.0, %error, "metadata record skipped"),
            }
        }
        Ok(())
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::BeginTransaction => self.transaction = Some(Vec::new()),
            Record::EndTransaction => {
                self.transaction.take().into_iter().flatten().for_each(|record| (self.replay)(record));
            }
            Record::AbortTransaction => self.transaction = None,
            record => match &mut self.transaction {
                Some(open) => open.push(record),
                None => (self.replay)(record),
            },
        }
    }
}
