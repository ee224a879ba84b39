//! Record batches, magic 2: the unit of the log, of Produce and of Fetch.
//!
//! ```text
//! at  bytes  field                       at  bytes  field
//!  0      8  base offset                 27      8  base timestamp
//!  8      4  size of what follows        35      8  max timestamp
//! 12      4  leader epoch                43      8  producer id
//! 16      1  magic = 2                   51      2  producer epoch
//! 17      4  CRC-32C of all that follows 53      4  base sequence
//! 21      2  attributes                  57      4  record count
//! 23      4  last offset delta           61         records
//! ```
//! Attributes: bits 0-2 codec, 3 log append time, 4 transactional, 5 control, 6 base timestamp is the
//! delete horizon.
//!
//! A [`Batch`] is a view of one whole batch; its getters read the header where it lies. Base offset and
//! leader epoch lie before the checksum so that a broker may set them ([`set_base_offset`],
//! [`set_leader_epoch`]) without touching the rest.
//!
//! # Source
//! KIP-98, KIP-534; `DefaultRecordBatch` in Apache Kafka.

mod builder;
mod patch;
mod recompress;
mod record;

pub use builder::BatchBuilder;
pub use patch::{set_base_offset, set_leader_epoch, set_log_append_time};
pub use record::{Header, Headers, Record, Records};

use super::compression::{self, Compression, CompressionError};
use super::{MAGIC_AT, TimestampType};
use crate::types::{Epoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};

/// Bytes of a batch before its records.
pub const HEADER_SIZE: usize = 61;
/// The magic of the batches here.
pub const MAGIC: i8 = 2;

const SIZE_AT: usize = 8;
const LEADER_EPOCH_AT: usize = 12;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const BASE_TIMESTAMP_AT: usize = 27;
const MAX_TIMESTAMP_AT: usize = 35;
const PRODUCER_ID_AT: usize = 43;
const PRODUCER_EPOCH_AT: usize = 51;
const BASE_SEQUENCE_AT: usize = 53;
const COUNT_AT: usize = 57;

/// Base offset and size: what the size does not count.
const OVERHEAD: usize = LEADER_EPOCH_AT;
/// The least that the size field may say: the rest of the header.
const SIZE_MIN: usize = HEADER_SIZE - OVERHEAD;

const CODEC_MASK: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;

const _: () = assert!(COUNT_AT + 4 == HEADER_SIZE && MAGIC_AT + 1 == CRC_AT);

/// What is wrong with the bytes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end inside the batch: what a torn write or a fetch's size limit leaves behind.
    #[error("{available} bytes of a batch of {needed}")]
    Truncated {
        /// Size of the whole batch, or of its header where that is cut too.
        needed: usize,
        /// Bytes at hand.
        available: usize,
    },
    /// The size field says less than a header, or is negative.
    #[error("a batch's size field says {0}")]
    Size(i32),
    /// An older format, or none at all.
    #[error("magic {0} is not that of a batch")]
    Magic(i8),
    /// The bytes are not those that were checksummed.
    #[error("batch CRC is {stored:#010x}, its bytes give {computed:#010x}")]
    Crc {
        /// In the header.
        stored: u32,
        /// Of the bytes.
        computed: u32,
    },
    /// The attributes name a codec that does not exist.
    #[error("unknown compression {0}")]
    UnknownCompression(i8),
    /// The records are compressed and have to be decompressed to be walked.
    #[error("the records are compressed")]
    Compressed,
    /// The records do not decompress, or not within the limit.
    #[error(transparent)]
    Compression(#[from] CompressionError),
    /// Header and records contradict each other or themselves.
    #[error("{0}")]
    Invalid(&'static str),
}

/// What [`Batch::check_records`] saw on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsSummary {
    /// The earliest.
    pub min_timestamp: TimestampMs,
    /// The latest.
    pub max_timestamp: TimestampMs,
    /// The first record with the latest.
    pub max_timestamp_offset: Offset,
    /// Position within the batch of the first record without a key: what a compacted topic refuses.
    pub keyless: Option<usize>,
}

/// One whole batch, borrowed: sizes, magic and codec are known to be sound, the rest is not yet.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// At least [`HEADER_SIZE`] bytes, exactly as many as the size field says.
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Takes the batch at the front of `bytes`, and returns it with what follows.
    ///
    /// The checksum is not looked at: a log need not check what it checked before ([`Batch::verify_crc`]).
    ///
    /// # Errors
    /// [`BatchError::Truncated`], [`BatchError::Size`], [`BatchError::Magic`],
    /// [`BatchError::UnknownCompression`].
    pub fn parse(bytes: &'a [u8]) -> Result<(Batch<'a>, &'a [u8]), BatchError> {
        let truncated = |needed| BatchError::Truncated { needed, available: bytes.len() };
        let magic = super::magic(bytes).ok_or_else(|| truncated(HEADER_SIZE))?;
        if magic != MAGIC {
            return Err(BatchError::Magic(magic));
        }
        let size = i32::from_be_bytes(array_at(bytes, SIZE_AT));
        let needed = match usize::try_from(size) {
            Ok(size) if size >= SIZE_MIN => size + OVERHEAD,
            _ => return Err(BatchError::Size(size)),
        };
        let (bytes, rest) = bytes.split_at_checked(needed).ok_or_else(|| truncated(needed))?;
        let batch = Batch { bytes };
        let codec = (batch.attributes() & CODEC_MASK) as i8;
        Compression::from_id(codec).ok_or(BatchError::UnknownCompression(codec))?;
        Ok((batch, rest))
    }

    /// The batch as it lies in the log or on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Bytes of the whole batch, header included.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Offset of the first record, or of the one that compaction took from there.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        Offset(i64::from_be_bytes(array_at(self.bytes, 0)))
    }

    /// Offset of the last record, or of the one that compaction took from there.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset().0.wrapping_add(i64::from(self.last_offset_delta())))
    }

    /// Offset that follows the batch.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.wrapping_add(1))
    }

    /// Epoch of the leader that appended the batch.
    #[must_use]
    pub fn leader_epoch(&self) -> Epoch {
        Epoch(i32::from_be_bytes(array_at(self.bytes, LEADER_EPOCH_AT)))
    }

    /// The checksum in the header.
    #[must_use]
    pub fn crc(&self) -> u32 {
        u32::from_be_bytes(array_at(self.bytes, CRC_AT))
    }

    /// The attribute bits, unknown ones included.
    #[must_use]
    pub fn attributes(&self) -> i16 {
        i16::from_be_bytes(array_at(self.bytes, ATTRIBUTES_AT))
    }

    /// How the records are compressed.
    #[must_use]
    pub fn compression(&self) -> Compression {
        // `parse` refuses what is no codec.
        Compression::from_id((self.attributes() & CODEC_MASK) as i8).unwrap_or_default()
    }

    /// Who gave the records their timestamps.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        if self.has(LOG_APPEND_TIME) { TimestampType::LogAppendTime } else { TimestampType::CreateTime }
    }

    /// Whether the batch belongs to a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.has(TRANSACTIONAL)
    }

    /// Whether the records are markers of the broker's, never shown to an application.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.has(CONTROL)
    }

    /// Whether the base timestamp is the time at which compaction may drop tombstones (KIP-534).
    #[must_use]
    pub fn has_delete_horizon(&self) -> bool {
        self.has(DELETE_HORIZON)
    }

    /// Last offset less base offset.
    #[must_use]
    pub fn last_offset_delta(&self) -> i32 {
        i32::from_be_bytes(array_at(self.bytes, LAST_OFFSET_DELTA_AT))
    }

    /// What the records' timestamps are counted from.
    #[must_use]
    pub fn base_timestamp(&self) -> TimestampMs {
        TimestampMs(i64::from_be_bytes(array_at(self.bytes, BASE_TIMESTAMP_AT)))
    }

    /// Largest timestamp of the records; the append time if the broker gave it.
    #[must_use]
    pub fn max_timestamp(&self) -> TimestampMs {
        TimestampMs(i64::from_be_bytes(array_at(self.bytes, MAX_TIMESTAMP_AT)))
    }

    /// The idempotent producer, or [`ProducerId::NONE`].
    #[must_use]
    pub fn producer_id(&self) -> ProducerId {
        ProducerId(i64::from_be_bytes(array_at(self.bytes, PRODUCER_ID_AT)))
    }

    /// The idempotent producer's epoch, or [`ProducerEpoch::NONE`].
    #[must_use]
    pub fn producer_epoch(&self) -> ProducerEpoch {
        ProducerEpoch(i16::from_be_bytes(array_at(self.bytes, PRODUCER_EPOCH_AT)))
    }

    /// Sequence of the first record, or [`Sequence::NONE`].
    #[must_use]
    pub fn base_sequence(&self) -> Sequence {
        Sequence(i32::from_be_bytes(array_at(self.bytes, BASE_SEQUENCE_AT)))
    }

    /// Sequence of the last record, or [`Sequence::NONE`].
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        let base = self.base_sequence();
        if base < Sequence(0) { base } else { base.advance(self.last_offset_delta().max(0)) }
    }

    /// Records that the header announces; compaction may leave fewer than the offsets tell, even none.
    #[must_use]
    pub fn record_count(&self) -> i32 {
        i32::from_be_bytes(array_at(self.bytes, COUNT_AT))
    }

    /// Checks the checksum.
    ///
    /// # Errors
    /// [`BatchError::Crc`].
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let stored = self.crc();
        let computed = crc_of(self.bytes);
        if stored == computed { Ok(()) } else { Err(BatchError::Crc { stored, computed }) }
    }

    /// Checks what a producer's batch must keep in its header: at least one record, and offsets and
    /// sequences that are possible. It does not walk the records ([`Batch::check_records`]).
    ///
    /// # Errors
    /// [`BatchError::Invalid`].
    ///
    /// # Source
    /// `LogValidator.validateBatch` in Apache Kafka.
    pub fn validate(&self) -> Result<(), BatchError> {
        let checks = [
            (self.base_offset() >= Offset(0), "a batch's base offset is negative"),
            (self.record_count() > 0, "a batch without records"),
            (
                self.last_offset_delta().checked_add(1) == Some(self.record_count()),
                "a batch's offsets do not match its count",
            ),
            (self.base_offset().0.checked_add(i64::from(self.record_count())).is_some(), "offsets overflow"),
            (
                self.producer_id() == ProducerId::NONE || self.base_sequence() >= Sequence(0),
                "a producer id without a sequence",
            ),
            (
                !self.is_transactional() || self.producer_id() >= ProducerId(0),
                "a transaction without a producer id",
            ),
        ];
        match checks.iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(BatchError::Invalid(what)),
            None => Ok(()),
        }
    }

    /// The records of an uncompressed batch; of a compressed one, [`BatchError::Compressed`].
    #[must_use]
    pub fn records(&self) -> Records<'a> {
        match self.compression() {
            Compression::None => Records::new(self, self.body()),
            _ => Records::failed(BatchError::Compressed),
        }
    }

    /// The records, decompressed into `scratch` if they are compressed and borrowed in place if not.
    ///
    /// `limit_bytes` bounds what decompression may produce; `scratch` is overwritten and may be kept for
    /// the next batch.
    ///
    /// # Errors
    /// [`BatchError::Compression`].
    pub fn decompressed<'s>(
        &self,
        limit_bytes: usize,
        scratch: &'s mut Vec<u8>,
    ) -> Result<Records<'s>, BatchError>
    where
        'a: 's,
    {
        match self.compression() {
            Compression::None => Ok(Records::new(self, self.body())),
            codec => {
                scratch.clear();
                compression::decompress(codec, self.body(), limit_bytes, scratch)?;
                Ok(Records::new(self, scratch))
            }
        }
    }

    /// Walks the records of a producer's batch and checks that they are those the header announces.
    ///
    /// `limit_bytes` and `scratch` as in [`Batch::decompressed`].
    ///
    /// # Errors
    /// [`BatchError::Compression`], [`BatchError::Invalid`].
    ///
    /// # Source
    /// `LogValidator` in Apache Kafka.
    pub fn check_records(
        &self,
        limit_bytes: usize,
        scratch: &mut Vec<u8>,
    ) -> Result<RecordsSummary, BatchError> {
        let mut summary = RecordsSummary {
            min_timestamp: TimestampMs(i64::MAX),
            max_timestamp: TimestampMs(i64::MIN),
            max_timestamp_offset: self.base_offset(),
            keyless: None,
        };
        let mut expected = self.base_offset().0;
        for (index, record) in self.decompressed(limit_bytes, scratch)?.enumerate() {
            let record = record?;
            if record.offset.0 != expected {
                return Err(BatchError::Invalid("a batch's records are not numbered one by one"));
            }
            expected = expected.wrapping_add(1);
            summary.min_timestamp = summary.min_timestamp.min(record.timestamp);
            if record.timestamp > summary.max_timestamp {
                (summary.max_timestamp, summary.max_timestamp_offset) = (record.timestamp, record.offset);
            }
            if record.key.is_none() && summary.keyless.is_none() {
                summary.keyless = Some(index);
            }
        }
        Ok(summary)
    }

    /// The bytes after the header, as they lie: compressed if the batch is.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[HEADER_SIZE..]
    }

    fn has(&self, attribute: i16) -> bool {
        self.attributes() & attribute != 0
    }
}

impl std::fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("base_offset", &self.base_offset())
            .field("last_offset", &self.last_offset())
            .field("size_bytes", &self.size_bytes())
            .field("record_count", &self.record_count())
            .field("compression", &self.compression())
            .field("producer_id", &self.producer_id())
            .field("base_sequence", &self.base_sequence())
            .field("attributes", &format_args!("{:#b}", self.attributes()))
            .finish_non_exhaustive()
    }
}

/// Walks batches that lie back to back; ends after the first error.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Batches<'a> {
    /// The batches in `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Batches<'a> {
        Batches { rest: bytes }
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let parsed = Batch::parse(self.rest);
        self.rest = parsed.map_or(&[], |(_, rest)| rest);
        Some(parsed.map(|(batch, _)| batch))
    }
}

/// The checksum that belongs into the header of `batch`, which holds exactly one.
fn crc_of(batch: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(&batch[ATTRIBUTES_AT..])
}

/// The `N` bytes at `at`, which the caller knows to be there.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 20;

    fn three(codec: Compression) -> Vec<u8> {
        let mut builder = BatchBuilder::new()
            .base_offset(Offset(40))
            .leader_epoch(Epoch(3))
            .compression(codec)
            .producer(ProducerId(7), ProducerEpoch(1), Sequence(i32::MAX - 1));
        builder.append(TimestampMs(1000), Some(b"k"), Some(b"v"), &[(b"h", Some(b"1")), (b"h", None)]);
        builder.append(TimestampMs(900), None, Some(b""), &[]);
        builder.append(TimestampMs(1100), Some(b""), None, &[]);
        builder.build()
    }

    /// Overwrites a field of the header and makes the checksum fit again.
    fn with<const N: usize>(at: usize, value: [u8; N]) -> Vec<u8> {
        let mut bytes = three(Compression::None);
        patch::put(&mut bytes, at, value);
        patch::seal(&mut bytes);
        bytes
    }

    #[test]
    fn what_is_built_is_read_with_every_codec() {
        for codec in Compression::ALL {
            let bytes = three(codec);
            let (batch, rest) = Batch::parse(&bytes).unwrap();
            assert!(rest.is_empty());
            assert_eq!(batch.verify_crc(), Ok(()));
            assert_eq!(batch.validate(), Ok(()));
            assert_eq!(batch.compression(), codec);
            assert_eq!((batch.base_offset(), batch.last_offset()), (Offset(40), Offset(42)));
            assert_eq!(batch.next_offset(), Offset(43));
            assert_eq!(batch.leader_epoch(), Epoch(3));
            assert_eq!(
                (batch.base_timestamp(), batch.max_timestamp()),
                (TimestampMs(1000), TimestampMs(1100))
            );
            assert_eq!((batch.base_sequence(), batch.last_sequence()), (Sequence(i32::MAX - 1), Sequence(0)));
            let mut scratch = Vec::new();
            let records: Vec<_> =
                batch.decompressed(LIMIT, &mut scratch).unwrap().collect::<Result<_, _>>().unwrap();
            let fields: Vec<_> =
                records.iter().map(|r| (r.offset.0, r.timestamp.0, r.key, r.value)).collect();
            assert_eq!(
                fields,
                [
                    (40, 1000, Some(&b"k"[..]), Some(&b"v"[..])),
                    (41, 900, None, Some(b"")),
                    (42, 1100, Some(b""), None)
                ]
            );
            let headers: Vec<_> = records[0].headers().collect();
            assert_eq!(headers, [(&b"h"[..], Some(&b"1"[..])), (b"h", None)]);
            let summary = batch.check_records(LIMIT, &mut scratch).unwrap();
            assert_eq!((summary.min_timestamp, summary.max_timestamp), (TimestampMs(900), TimestampMs(1100)));
            assert_eq!((summary.max_timestamp_offset, summary.keyless), (Offset(42), Some(1)));
        }
    }

    #[test]
    fn compressed_records_are_not_walked_in_place() {
        let bytes = three(Compression::Lz4);
        let (batch, _) = Batch::parse(&bytes).unwrap();
        assert_eq!(batch.records().collect::<Vec<_>>(), [Err(BatchError::Compressed)]);
    }

    #[test]
    fn batches_are_walked_to_the_first_that_is_cut() {
        let one = three(Compression::None);
        let bytes = [&one[..], &one, &one[..one.len() - 1]].concat();
        let walked: Vec<_> = Batches::new(&bytes).map(|batch| batch.map(|b| b.size_bytes())).collect();
        let truncated = BatchError::Truncated { needed: one.len(), available: one.len() - 1 };
        assert_eq!(walked, [Ok(one.len()), Ok(one.len()), Err(truncated)]);
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        let cases = [
            (with(MAGIC_AT, [1]), BatchError::Magic(1)),
            (with(ATTRIBUTES_AT, [0, 5]), BatchError::UnknownCompression(5)),
        ];
        for (bytes, error) in cases {
            assert_eq!(Batch::parse(&bytes).unwrap_err(), error);
        }
        let mut bytes = three(Compression::None);
        for size in [-1, 0, 48, i32::MIN] {
            patch::put(&mut bytes, SIZE_AT, i32::to_be_bytes(size));
            assert_eq!(Batch::parse(&bytes).unwrap_err(), BatchError::Size(size));
        }
        assert!(matches!(
            Batch::parse(&[]),
            Err(BatchError::Truncated { needed: HEADER_SIZE, available: 0 })
        ));
    }

    #[test]
    fn a_flipped_bit_is_a_wrong_checksum() {
        let good = three(Compression::None);
        for at in ATTRIBUTES_AT + 1..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            let (batch, _) = Batch::parse(&bytes).unwrap();
            assert!(matches!(batch.verify_crc(), Err(BatchError::Crc { .. })), "byte {at}");
        }
    }

    #[test]
    fn headers_no_producer_may_send_are_invalid() {
        let cases = [
            with(0, i64::to_be_bytes(-1)),
            with(0, i64::to_be_bytes(i64::MAX - 1)),
            with(COUNT_AT, i32::to_be_bytes(0)),
            with(COUNT_AT, i32::to_be_bytes(-1)),
            with(COUNT_AT, i32::to_be_bytes(i32::MIN)),
            with(LAST_OFFSET_DELTA_AT, i32::to_be_bytes(i32::MAX)),
            with(COUNT_AT, i32::to_be_bytes(4)),
            with(LAST_OFFSET_DELTA_AT, i32::to_be_bytes(1)),
            with(BASE_SEQUENCE_AT, i32::to_be_bytes(-1)),
        ];
        for bytes in cases {
            let (batch, _) = Batch::parse(&bytes).unwrap();
            assert!(matches!(batch.validate(), Err(BatchError::Invalid(_))), "{batch:?}");
        }
    }

    #[test]
    fn counts_that_records_do_not_fill_or_overflow_are_invalid() {
        for count in [i32::MIN, -1, 2, 4, i32::MAX] {
            let bytes = with(COUNT_AT, i32::to_be_bytes(count));
            let (batch, _) = Batch::parse(&bytes).unwrap();
            let walked: Result<Vec<_>, _> = batch.records().collect();
            assert!(matches!(walked, Err(BatchError::Invalid(_))), "{count}");
        }
    }

    #[test]
    fn a_broker_patches_offset_and_epoch_without_the_checksum_and_time_with_it() {
        let mut bytes = three(Compression::Gzip);
        set_base_offset(&mut bytes, Offset(1 << 40));
        set_leader_epoch(&mut bytes, Epoch(9));
        let (batch, _) = Batch::parse(&bytes).unwrap();
        assert_eq!((batch.base_offset(), batch.leader_epoch()), (Offset(1 << 40), Epoch(9)));
        assert_eq!(batch.verify_crc(), Ok(()));

        set_log_append_time(&mut bytes, TimestampMs(5000));
        let (batch, _) = Batch::parse(&bytes).unwrap();
        assert_eq!(batch.verify_crc(), Ok(()));
        assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
        let mut scratch = Vec::new();
        for record in batch.decompressed(LIMIT, &mut scratch).unwrap() {
            assert_eq!(record.unwrap().timestamp, TimestampMs(5000));
        }
    }

    #[test]
    fn flags_are_where_kafka_has_them() {
        let builder = BatchBuilder::new().transactional().control().delete_horizon(TimestampMs(4));
        let bytes = builder.clone().log_append_time(TimestampMs(9)).build();
        let (batch, _) = Batch::parse(&bytes).unwrap();
        assert_eq!(batch.attributes(), 0b111_1000);
        assert!(batch.is_transactional() && batch.is_control() && batch.has_delete_horizon());
        assert_eq!((batch.base_timestamp(), batch.max_timestamp()), (TimestampMs(4), TimestampMs(9)));
        assert_eq!(batch.record_count(), 0);
        assert_eq!(batch.records().count(), 0, "compaction may leave a batch empty");
    }
}
