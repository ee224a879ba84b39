//! Writes a batch: the broker's own records, conversions, tests.

use super::patch::{put, seal};
use super::{
    ATTRIBUTES_AT, BASE_SEQUENCE_AT, BASE_TIMESTAMP_AT, CONTROL, COUNT_AT, DELETE_HORIZON, HEADER_SIZE,
    Header, LAST_OFFSET_DELTA_AT, LEADER_EPOCH_AT, LOG_APPEND_TIME, MAGIC, MAX_TIMESTAMP_AT, OVERHEAD,
    PRODUCER_EPOCH_AT, PRODUCER_ID_AT, SIZE_AT, TRANSACTIONAL,
};
use crate::records::MAGIC_AT;
use crate::records::compression::{self, Compression};
use crate::records::varint::{put_varint, put_varlong, varint_size, varlong_size};
use crate::types::{Epoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};

/// Collects records into one batch.
///
/// A batch from the defaults starts at offset 0 with no leader epoch, is uncompressed, and comes from a
/// plain producer. The first record's timestamp is the base timestamp.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    /// Room for the header, then the records, uncompressed.
    bytes: Vec<u8>,
    count: i32,
    base_offset: Offset,
    last_offset_delta: i32,
    base_timestamp: Option<TimestampMs>,
    max_timestamp: TimestampMs,
    append_time: Option<TimestampMs>,
    leader_epoch: Epoch,
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    base_sequence: Sequence,
    attributes: i16,
    compression: Compression,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    /// An empty batch.
    #[must_use]
    pub fn new() -> BatchBuilder {
        BatchBuilder {
            bytes: vec![0; HEADER_SIZE],
            count: 0,
            base_offset: Offset(0),
            last_offset_delta: -1,
            base_timestamp: None,
            max_timestamp: TimestampMs::NONE,
            append_time: None,
            leader_epoch: Epoch::NONE,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: Sequence::NONE,
            attributes: 0,
            compression: Compression::None,
        }
    }

    /// The offset that records are counted from; to be set before the first one.
    #[must_use]
    pub fn base_offset(mut self, offset: Offset) -> Self {
        assert_eq!(self.count, 0, "records are already counted from another base");
        self.base_offset = offset;
        self
    }

    /// The appending leader's epoch.
    #[must_use]
    pub fn leader_epoch(mut self, epoch: Epoch) -> Self {
        self.leader_epoch = epoch;
        self
    }

    /// The codec for the records.
    #[must_use]
    pub fn compression(mut self, codec: Compression) -> Self {
        self.compression = codec;
        self
    }

    /// The idempotent producer, and the sequence of the first record.
    #[must_use]
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: Sequence) -> Self {
        (self.producer_id, self.producer_epoch, self.base_sequence) = (id, epoch, base_sequence);
        self
    }

    /// Makes the batch part of its producer's transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.attributes |= TRANSACTIONAL;
        self
    }

    /// Makes the batch one of markers.
    #[must_use]
    pub fn control(mut self) -> Self {
        self.attributes |= CONTROL;
        self
    }

    /// Gives every record the broker's time.
    #[must_use]
    pub fn log_append_time(mut self, now: TimestampMs) -> Self {
        self.append_time = Some(now);
        self
    }

    /// Says from when compaction may drop the batch's tombstones; to be set before the first record.
    #[must_use]
    pub fn delete_horizon(mut self, horizon: TimestampMs) -> Self {
        assert_eq!(self.count, 0, "records are already counted from another base");
        self.attributes |= DELETE_HORIZON;
        self.base_timestamp = Some(horizon);
        self
    }

    /// Appends a record at the next offset.
    ///
    /// # Panics
    /// If the batch grows past 2 GiB, which no format can hold: the caller bounds what it appends.
    pub fn append(
        &mut self,
        timestamp: TimestampMs,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> &mut Self {
        let offset = self.next_offset();
        self.append_at(offset, timestamp, key, value, headers)
    }

    /// Appends a record at `offset`, past all before it: what compaction and old wrappers with gaps need.
    ///
    /// # Panics
    /// As [`BatchBuilder::append`], and if `offset` is not past the last or 2^31 past the base.
    pub fn append_at(
        &mut self,
        offset: Offset,
        timestamp: TimestampMs,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> &mut Self {
        assert!(offset >= self.next_offset(), "offsets ascend");
        let base = *self.base_timestamp.get_or_insert(timestamp);
        let fields = Fields {
            timestamp_delta: timestamp.0.wrapping_sub(base.0),
            offset_delta: i32::try_from(offset - self.base_offset).expect("offsets of a batch span 2^31"),
            key,
            value,
            headers,
        };
        fields.put(&mut self.bytes);
        assert!(self.bytes.len() <= i32::MAX as usize, "a batch stays under 2 GiB");
        self.last_offset_delta = fields.offset_delta;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count += 1;
        self
    }

    /// The offset after the last record.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.base_offset + i64::from(self.last_offset_delta) + 1
    }

    /// Records so far.
    #[must_use]
    pub fn record_count(&self) -> usize {
        self.count as usize
    }

    /// Bytes so far, header included, before compression.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The batch, checksummed.
    #[must_use]
    pub fn build(mut self) -> Vec<u8> {
        if self.compression != Compression::None {
            let mut compressed = Vec::with_capacity(HEADER_SIZE + self.bytes.len() / 2);
            compressed.resize(HEADER_SIZE, 0);
            compression::compress(self.compression, &self.bytes[HEADER_SIZE..], &mut compressed);
            self.bytes = compressed;
        }
        self.put_header();
        seal(&mut self.bytes);
        self.bytes
    }

    fn put_header(&mut self) {
        let append_time = if self.append_time.is_some() { LOG_APPEND_TIME } else { 0 };
        let attributes = self.attributes | append_time | i16::from(self.compression.id());
        let base_timestamp = self.base_timestamp.unwrap_or(TimestampMs::NONE);
        let max_timestamp = self.append_time.unwrap_or(self.max_timestamp);
        let size = i32::try_from(self.bytes.len() - OVERHEAD).expect("a batch stays under 2 GiB");
        let bytes = &mut self.bytes;
        put(bytes, 0, self.base_offset.0.to_be_bytes());
        put(bytes, SIZE_AT, size.to_be_bytes());
        put(bytes, LEADER_EPOCH_AT, self.leader_epoch.0.to_be_bytes());
        put(bytes, MAGIC_AT, MAGIC.to_be_bytes());
        put(bytes, ATTRIBUTES_AT, attributes.to_be_bytes());
        put(bytes, LAST_OFFSET_DELTA_AT, self.last_offset_delta.max(0).to_be_bytes());
        put(bytes, BASE_TIMESTAMP_AT, base_timestamp.0.to_be_bytes());
        put(bytes, MAX_TIMESTAMP_AT, max_timestamp.0.to_be_bytes());
        put(bytes, PRODUCER_ID_AT, self.producer_id.0.to_be_bytes());
        put(bytes, PRODUCER_EPOCH_AT, self.producer_epoch.0.to_be_bytes());
        put(bytes, BASE_SEQUENCE_AT, self.base_sequence.0.to_be_bytes());
        put(bytes, COUNT_AT, self.count.to_be_bytes());
    }
}

/// A record's fields, to be sized first and then written.
struct Fields<'a> {
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: &'a [Header<'a>],
}

impl Fields<'_> {
    fn size(&self) -> usize {
        let headers: usize =
            self.headers.iter().map(|(name, value)| nullable_size(Some(name)) + nullable_size(*value)).sum();
        1 + varlong_size(self.timestamp_delta)
            + varint_size(self.offset_delta)
            + nullable_size(self.key)
            + nullable_size(self.value)
            + varint_size(self.headers.len() as i32)
            + headers
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, i32::try_from(self.size()).expect("a batch stays under 2 GiB"));
        out.push(0);
        put_varlong(out, self.timestamp_delta);
        put_varint(out, self.offset_delta);
        put_nullable(out, self.key);
        put_nullable(out, self.value);
        put_varint(out, self.headers.len() as i32);
        for (name, value) in self.headers {
            put_nullable(out, Some(name));
            put_nullable(out, *value);
        }
    }
}

fn nullable_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(varint_size(-1), |bytes| varint_size(bytes.len() as i32) + bytes.len())
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_varint(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
        None => put_varint(out, -1),
    }
}
