//! What a broker sets in the header of a batch that it appends, in place.
//!
//! Each takes the bytes of a batch that [`Batch::parse`](super::Batch::parse) accepted, and panics on
//! anything shorter than a header.

use super::{
    ATTRIBUTES_AT, CRC_AT, LEADER_EPOCH_AT, LOG_APPEND_TIME, MAX_TIMESTAMP_AT, OVERHEAD, SIZE_AT, array_at,
    crc_of,
};
use crate::types::{Epoch, Offset, TimestampMs};

/// Moves the batch to `offset`. The checksum does not cover it.
pub fn set_base_offset(batch: &mut [u8], offset: Offset) {
    batch[..8].copy_from_slice(&offset.0.to_be_bytes());
}

/// Marks the batch as appended by the leader of `epoch`. The checksum does not cover it.
pub fn set_leader_epoch(batch: &mut [u8], epoch: Epoch) {
    put(batch, LEADER_EPOCH_AT, epoch.0.to_be_bytes());
}

/// Gives every record of the batch the time `now`, and computes the checksum anew.
pub fn set_log_append_time(batch: &mut [u8], now: TimestampMs) {
    let attributes = i16::from_be_bytes(array_at(batch, ATTRIBUTES_AT)) | LOG_APPEND_TIME;
    put(batch, ATTRIBUTES_AT, attributes.to_be_bytes());
    put(batch, MAX_TIMESTAMP_AT, now.0.to_be_bytes());
    seal(batch);
}

/// Computes the checksum of the batch at the front of `bytes` and writes it into the header.
pub(super) fn seal(bytes: &mut [u8]) {
    let size = i32::from_be_bytes(array_at(bytes, SIZE_AT)) as usize + OVERHEAD;
    let crc = crc_of(&bytes[..size]);
    put(bytes, CRC_AT, crc.to_be_bytes());
}

/// Overwrites the bytes at `at`.
pub(super) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}
