//! Why a log refused or failed, by what the caller can do about it.
//!
//! Storage knows no error codes: the broker maps each variant to one (see each variant's doc for Kafka's).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use protocol::types::{Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use thiserror::Error;

/// Why an append wrote nothing.
#[derive(Debug, Error)]
pub enum AppendError {
    /// One batch exceeds `max.message.bytes` (Kafka's MESSAGE_TOO_LARGE).
    #[error("a batch of {size_bytes} bytes exceeds max.message.bytes={limit_bytes}")]
    TooLarge {
        /// The batch's size.
        size_bytes: usize,
        /// The topic's limit.
        limit_bytes: usize,
    },
    /// All batches together exceed `segment.bytes` (Kafka's RECORD_LIST_TOO_LARGE).
    #[error("{size_bytes} bytes of batches exceed segment.bytes={limit_bytes}")]
    SetTooLarge {
        /// The size of all batches.
        size_bytes: usize,
        /// The topic's limit.
        limit_bytes: usize,
    },
    /// Sizes, magic or checksum do not fit together (Kafka's CORRUPT_MESSAGE).
    #[error("corrupt batch: {reason}")]
    Corrupt {
        /// What does not fit.
        reason: String,
    },
    /// A batch with a right checksum is not what a batch must be (Kafka's INVALID_RECORD).
    #[error("invalid record: {reason}")]
    InvalidRecord {
        /// The rule it breaks.
        reason: &'static str,
    },
    /// Single records break a rule of the topic (Kafka's INVALID_TIMESTAMP if one has a wrong time, else
    /// INVALID_RECORD).
    #[error("{} of the records rejected, the first: {}", rejected.len(), rejected[0].fault)]
    RejectedRecords {
        /// Which, and why: at least one, in their order, the first thousand at most.
        rejected: Vec<RejectedRecord>,
    },
    /// A producer skipped a sequence, or started a new epoch at another than 0 (Kafka's
    /// OUT_OF_ORDER_SEQUENCE_NUMBER).
    #[error("producer {producer_id} sent sequence {got}, expected {expected}")]
    OutOfOrderSequence {
        /// The producer.
        producer_id: ProducerId,
        /// The sequence that would have been next.
        expected: Sequence,
        /// The sequence it sent.
        got: Sequence,
    },
    /// A producer with a newer epoch has written (Kafka's INVALID_PRODUCER_EPOCH).
    #[error("producer {producer_id} has epoch {current}, the batch {got}")]
    InvalidProducerEpoch {
        /// The producer.
        producer_id: ProducerId,
        /// The newest epoch seen.
        current: ProducerEpoch,
        /// The epoch it sent.
        got: ProducerEpoch,
    },
    /// Nothing is known of the producer (expired, or its records are gone) and its sequence is not 0 (Kafka's
    /// UNKNOWN_PRODUCER_ID: clients bump their epoch and start at 0 again).
    #[error("producer {producer_id} is unknown and sent sequence {got}, not 0")]
    UnknownProducer {
        /// The producer.
        producer_id: ProducerId,
        /// The sequence it sent.
        got: Sequence,
    },
    /// A batch outside a transaction from a producer that has one open (Kafka's INVALID_TXN_STATE).
    #[error("producer {producer_id} has an open transaction and sent a batch outside it")]
    InvalidTxnState {
        /// The producer.
        producer_id: ProducerId,
    },
    /// A marker of a coordinator older than one already seen (Kafka's TRANSACTION_COORDINATOR_FENCED).
    #[error("marker of coordinator epoch {got} for producer {producer_id}, {current} was seen")]
    CoordinatorFenced {
        /// The producer.
        producer_id: ProducerId,
        /// The newest coordinator epoch seen.
        current: i32,
        /// The marker's.
        got: i32,
    },
    /// Batches that bring their own offsets do not follow the log's end.
    #[error("batch at offset {got} does not follow the log's end at {end}")]
    OffsetsOutOfOrder {
        /// Where the log ends.
        end: Offset,
        /// The batch's base offset.
        got: Offset,
    },
    /// The disk is full. Nothing of the append is left on it; a later append may succeed (Kafka's
    /// KAFKA_STORAGE_ERROR).
    #[error("no space left for {}", path.display())]
    DiskFull {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The log failed before or now and takes nothing until it has healed or is reopened (Kafka's KAFKA_STORAGE_ERROR).
    #[error(transparent)]
    Failed(#[from] LogFailed),
    /// The topic has been deleted (Kafka's UNKNOWN_TOPIC_OR_PARTITION).
    #[error("the log is closed")]
    Closed,
}

/// A record that breaks a rule of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RejectedRecord {
    /// The record's number in its batch, from 0.
    pub index: i32,
    /// The rule.
    pub fault: RecordFault,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RecordFault {
    /// It has no key, and the topic is compacted.
    #[error("a compacted topic takes no record without a key")]
    NoKey,
    /// Its CreateTime is outside `message.timestamp.before.max.ms` / `after.max.ms`.
    #[error("timestamp {timestamp} is not within {earliest}..={latest}")]
    Timestamp {
        /// The offending timestamp.
        timestamp: TimestampMs,
        /// The earliest that is taken now.
        earliest: TimestampMs,
        /// The latest.
        latest: TimestampMs,
    },
    /// A producer may not say that the broker gave the timestamp.
    #[error("a producer may not set the timestamp type LogAppendTime")]
    BrokerTime,
}

/// A write or a sync failed: the log refuses both until it has healed or is reopened.
///
/// After a failed sync the page cache may have dropped the dirty pages, so a second sync that "succeeds" proves
/// nothing; only recovery, which reads the file, knows what is there.
#[derive(Debug, Clone, Error)]
#[error("the log failed at {}: {reason}", path.display())]
pub struct LogFailed {
    /// The file concerned.
    pub path: PathBuf,
    /// What went wrong, in the operating system's words.
    pub reason: Arc<str>,
}

/// Why a read returned nothing.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The offset is before the first kept or after the last written (Kafka's OFFSET_OUT_OF_RANGE).
    #[error("offset {offset} is not within {start}..={end}")]
    OutOfRange {
        /// The offset asked for.
        offset: Offset,
        /// The first offset kept.
        start: Offset,
        /// The next offset to be written.
        end: Offset,
    },
    /// The bytes on disk are not a batch with a right checksum (Kafka's KAFKA_STORAGE_ERROR). They are not served.
    #[error("damage in {} at byte {position}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it the bad batch begins.
        position: u64,
        /// What is wrong.
        reason: String,
    },
    /// The disk failed to read (Kafka's KAFKA_STORAGE_ERROR).
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The topic has been deleted (Kafka's UNKNOWN_TOPIC_OR_PARTITION).
    #[error("the log is closed")]
    Closed,
}

/// Why a data directory or a log in it could not be opened, made, deleted or closed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process has the directory open.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The directory belongs to another node or cluster, or to a newer format.
    #[error("{}: {reason}", path.display())]
    Mismatch {
        /// The file that says so.
        path: PathBuf,
        /// What does not match.
        reason: String,
    },
    /// There is already a log of that topic and partition.
    #[error("{topic}-{partition} exists already")]
    Exists {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// A name that cannot be a directory.
    #[error("{topic:?} is not a legal topic name")]
    IllegalName {
        /// The name.
        topic: String,
    },
    /// The disk failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A log failed.
    #[error(transparent)]
    Failed(#[from] LogFailed),
}

impl StoreError {
    /// Wraps an I/O error with the path it concerns; made for `map_err`.
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

impl ReadError {
    /// Wraps an I/O error with the path it concerns; made for `map_err`.
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}
