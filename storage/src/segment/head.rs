//! The fields of a batch's header that storage reads to walk a log, and writes to give a batch its place.
//!
//! | field | at | size | |
//! |---|---|---|---|
//! | base offset | 0 | i64 | given here; outside the checksum |
//! | length | 8 | i32 | bytes behind this field |
//! | leader epoch | 12 | i32 | given here; outside the checksum |
//! | magic | 16 | i8 | 2 |
//! | crc | 17 | u32 | CRC-32C from the attributes to the end |
//! | attributes | 21 | i16 | bit 3: the timestamp is the broker's |
//! | last offset delta | 23 | i32 | |
//! | base timestamp | 27 | i64 | |
//! | max timestamp | 35 | i64 | given here with LogAppendTime |
//! | producer id, epoch, base sequence, count | 43 | 18 | |
//!
//! `protocol::records::batch` knows whole batches; a walk has only headers, and an append patches a copy of the
//! header on the stack and writes the body from where it lies.

use crc_fast::{CrcAlgorithm, Digest};
use protocol::records::batch::HEADER_SIZE;
use protocol::types::{Epoch, Offset, TimestampMs};

const LENGTH: usize = 8;
const LEADER_EPOCH: usize = 12;
const MAGIC: usize = 16;
const CRC: usize = 17;
const ATTRIBUTES: usize = 21;
const LAST_OFFSET_DELTA: usize = 23;
const MAX_TIMESTAMP: usize = 35;
/// Bytes that the length field does not count: the base offset and itself.
const LENGTH_OVERHEAD: usize = 12;
/// The bit of the attributes (in their low byte) that says LogAppendTime.
const LOG_APPEND_TIME_BIT: u8 = 1 << 3;

/// What walking a log needs of a batch's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The batch's first offset (of its first record before compaction).
    pub(crate) base_offset: Offset,
    /// The offset of its last record, whether compaction has kept that or not.
    pub(crate) last_offset: Offset,
    /// Its size, header and all.
    pub(crate) size_bytes: u64,
    /// Its largest timestamp.
    pub(crate) max_timestamp: TimestampMs,
}

impl Head {
    /// Reads a header; `Err` says what is impossible about it. `bytes` may go on behind the header.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let header: &[u8; HEADER_SIZE] = bytes.first_chunk().ok_or("shorter than a batch header")?;
        if header[MAGIC] != 2 {
            return Err("not a batch of format 2");
        }
        let length =
            usize::try_from(i32::from_be_bytes(field(header, LENGTH))).map_err(|_| "negative length")?;
        if length + LENGTH_OVERHEAD < HEADER_SIZE {
            return Err("shorter than a batch header");
        }
        let base_offset = Offset(i64::from_be_bytes(field(header, 0)));
        let delta = i32::from_be_bytes(field(header, LAST_OFFSET_DELTA));
        if base_offset.0 < 0 || delta < 0 || base_offset.0 >= i64::MAX - i64::from(delta) {
            return Err("impossible offset");
        }
        Ok(Self {
            base_offset,
            last_offset: base_offset + i64::from(delta),
            size_bytes: (length + LENGTH_OVERHEAD) as u64,
            max_timestamp: TimestampMs(i64::from_be_bytes(field(header, MAX_TIMESTAMP))),
        })
    }
}

/// `N` bytes of a header from `position`.
fn field<const N: usize>(header: &[u8; HEADER_SIZE], position: usize) -> [u8; N] {
    *header[position..].first_chunk().expect("all fields lie inside the header")
}

/// Gives a whole batch the last offset (less its base) and, if given, the largest timestamp of the one that it
/// replaces.
pub(crate) fn set_end(batch: &mut [u8], last_offset_delta: i32, max_timestamp: Option<TimestampMs>) {
    batch[LAST_OFFSET_DELTA..LAST_OFFSET_DELTA + 4].copy_from_slice(&last_offset_delta.to_be_bytes());
    if let Some(max_timestamp) = max_timestamp {
        batch[MAX_TIMESTAMP..MAX_TIMESTAMP + 8].copy_from_slice(&max_timestamp.0.to_be_bytes());
    }
    let crc = crc_fast::crc32_iscsi(&batch[ATTRIBUTES..]);
    batch[CRC..ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
}

/// A copy of a batch's header, to be written in the place of the original.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PatchedHeader(pub(crate) [u8; HEADER_SIZE]);

impl PatchedHeader {
    /// Copies the header of a whole batch.
    pub(crate) fn copy_of(batch: &[u8]) -> Self {
        Self(*batch.first_chunk().expect("a parsed batch has a header"))
    }

    /// The epoch it says it was written in.
    pub(crate) fn leader_epoch(&self) -> Epoch {
        Epoch(i32::from_be_bytes(field(&self.0, LEADER_EPOCH)))
    }

    /// Gives the batch its place in the log.
    pub(crate) fn set_place(&mut self, base_offset: Offset, leader_epoch: Epoch) {
        self.0[..LENGTH].copy_from_slice(&base_offset.0.to_be_bytes());
        self.0[LEADER_EPOCH..MAGIC].copy_from_slice(&leader_epoch.0.to_be_bytes());
    }

    /// Makes the batch's timestamps the broker's: all its records then count as `now`, whatever they say.
    pub(crate) fn set_log_append_time(&mut self, now: TimestampMs, body: &[u8]) {
        self.0[ATTRIBUTES + 1] |= LOG_APPEND_TIME_BIT;
        self.set_max_timestamp(now, body);
    }

    /// Corrects the largest timestamp, and with it the checksum over the header and the batch's `body`.
    pub(crate) fn set_max_timestamp(&mut self, max: TimestampMs, body: &[u8]) {
        self.0[MAX_TIMESTAMP..MAX_TIMESTAMP + 8].copy_from_slice(&max.0.to_be_bytes());
        let mut crc = Digest::new(CrcAlgorithm::Crc32Iscsi);
        crc.update(&self.0[ATTRIBUTES..]);
        crc.update(body);
        // A CRC of 32 bits in the low half.
        self.0[CRC..ATTRIBUTES].copy_from_slice(&(crc.finalize() as u32).to_be_bytes());
    }
}
