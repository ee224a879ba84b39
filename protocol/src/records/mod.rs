//! The records inside Produce, Fetch and the log: v2 batches, and the message sets that came before.
//!
//! ```text
//! magic 2   batch   = 61-byte header (CRC-32C) + records, the records compressed as one block
//! magic 1   message = offset, size, CRC-32, timestamp, key, value      \ a compressed message's value
//! magic 0   message = offset, size, CRC-32,            key, value      / is a message set of its own
//! ```
//!
//! [`batch`] is the format of the log and of every client since 2017; it is read in place, and nothing is
//! copied or allocated per record. Older clients' sets are read by [`message_set`] and turned into batches
//! at the door, and batches into sets on the way out, by [`convert`]. [`control`] holds the one record of
//! a transaction's marker.
//!
//! Left out: what a broker demands of a batch beyond its own consistency (sizes, timestamps, sequences).

pub mod batch;
pub mod compression;
pub mod control;
pub mod convert;
pub mod message_set;
pub mod unpacking;
pub mod varint;

pub use batch::{Batch, BatchBuilder, BatchError, Batches, Header, Headers, Record, Records, RecordsSummary};
pub use compression::Compression;

/// Where the format's version byte lies, counted from the start of a batch or message: the same in all.
const MAGIC_AT: usize = 16;

/// The format version of the batch or message at the front of `bytes`; `None` if they end before it.
#[must_use]
pub fn magic(bytes: &[u8]) -> Option<i8> {
    bytes.get(MAGIC_AT).map(|&byte| byte as i8)
}

/// Who gave a batch's or message's records their timestamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer, record by record.
    #[default]
    CreateTime,
    /// The broker, one for the whole batch.
    LogAppendTime,
}
