//! Message sets into batches at the door, and batches into message sets for clients that know no others.
//!
//! The log holds batches alone. Produce before version 3 brings magic 0 or 1; Fetch before version 2 wants
//! magic 0 back, versions 2 and 3 magic 1. What the older format lacks is lost on the way out: headers,
//! transactions, the markers of their ends, and in magic 0 the timestamps.
//!
//! # Source
//! KIP-98, KIP-283; `LogValidator` and `RecordsUtil.downConvert` in Apache Kafka 3.9.

use super::TimestampType;
use super::batch::{Batch, BatchBuilder, BatchError, Batches};
use super::compression::Compression;
pub use super::message_set::Magic;
use super::message_set::{Message, MessageError, MessageSetBuilder, Messages};
use super::unpacking;
use crate::types::Offset;

/// The most that a conversion decompresses: of one set on the way in, of one batch on the way out.
///
/// Well above what a client means by the largest request (100 MiB), well below what a bomb may claim.
pub const DECOMPRESSED_BYTES_MAX: usize = 256 << 20;

/// Why a conversion fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// The message set is damaged: CORRUPT_MESSAGE.
    #[error(transparent)]
    Corrupt(MessageError),
    /// The stored batches are damaged: CORRUPT_MESSAGE.
    #[error(transparent)]
    CorruptBatch(BatchError),
    /// The older format has no such codec: UNSUPPORTED_COMPRESSION_TYPE.
    #[error("message sets cannot be compressed with {0}")]
    UnsupportedCompression(Compression),
    /// The set is whole but makes no sense: INVALID_RECORD.
    #[error("{0}")]
    Invalid(&'static str),
}

impl From<MessageError> for ConvertError {
    fn from(error: MessageError) -> Self {
        match error {
            MessageError::UnknownCompression(id) if id == Compression::Zstd.id() => {
                ConvertError::UnsupportedCompression(Compression::Zstd)
            }
            MessageError::UnknownCompression(_) => ConvertError::Invalid("unknown compression"),
            MessageError::Wrapper(what) => ConvertError::Invalid(what),
            error => ConvertError::Corrupt(error),
        }
    }
}

/// Turns a producer's message set into batches that hold the same records, numbered from 0.
///
/// A wrapper becomes a batch with its codec; messages without one that follow each other become one batch.
/// Offsets of the set are the producer's own and are not kept. Magic 0 has no times, and its records get
/// [`TimestampMs::NONE`](crate::types::TimestampMs::NONE), as in Kafka; a topic with log append time gives
/// them one.
///
/// # Errors
/// [`ConvertError::Corrupt`] for wrong sizes, checksums or compressed data, and for a set that ends inside a
/// message: Kafka stores the rest and acknowledges all, which loses a record.
/// [`ConvertError::Invalid`], [`ConvertError::UnsupportedCompression`].
pub fn up_convert(set: &[u8]) -> Result<Vec<u8>, ConvertError> {
    unpacking::within(DECOMPRESSED_BYTES_MAX, |limit_bytes, scratch| {
        up_convert_within(set, limit_bytes, scratch)
    })
}

/// [`up_convert`] of a set that unpacks to at most `budget_bytes`.
fn up_convert_within(
    set: &[u8],
    mut budget_bytes: usize,
    scratch: &mut Vec<u8>,
) -> Result<Vec<u8>, ConvertError> {
    let mut up = UpConversion { out: Vec::with_capacity(set.len()), plain: None, next: Offset(0) };
    let mut messages = Messages::new(set);
    let mut magic = None;
    for message in messages.by_ref() {
        let message = message?;
        message.verify_crc()?;
        if *magic.get_or_insert(message.magic()) != message.magic() {
            return Err(ConvertError::Invalid("the messages of a set differ in magic"));
        }
        if message.compression() == Compression::None {
            up.append_plain(&message);
        } else {
            up.append_wrapper(&message, budget_bytes, scratch)?;
            budget_bytes -= scratch.len();
        }
    }
    if !messages.remainder().is_empty() {
        return Err(ConvertError::Corrupt(MessageError::Lengths));
    }
    up.end_plain();
    if up.out.is_empty() { Err(ConvertError::Invalid("a message set without messages")) } else { Ok(up.out) }
}

/// The batches so far.
struct UpConversion {
    out: Vec<u8>,
    /// The batch that collects messages without a wrapper.
    plain: Option<BatchBuilder>,
    next: Offset,
}

impl UpConversion {
    fn append_plain(&mut self, message: &Message<'_>) {
        let next = self.next;
        let batch = self.plain.get_or_insert_with(|| BatchBuilder::new().base_offset(next));
        batch.append(message.timestamp(), message.key(), message.value(), &[]);
        self.next = batch.next_offset();
    }

    fn end_plain(&mut self) {
        if let Some(batch) = self.plain.take() {
            self.out.extend_from_slice(&batch.build());
        }
    }

    fn append_wrapper(
        &mut self,
        wrapper: &Message<'_>,
        limit_bytes: usize,
        scratch: &mut Vec<u8>,
    ) -> Result<(), ConvertError> {
        self.end_plain();
        let mut batch = BatchBuilder::new().base_offset(self.next).compression(wrapper.compression());
        for message in wrapper.inner(limit_bytes, scratch)? {
            let message = message?;
            message.verify_crc()?;
            batch.append(message.timestamp(), message.key(), message.value(), &[]);
        }
        self.next = batch.next_offset();
        self.out.extend_from_slice(&batch.build());
        Ok(())
    }
}

/// Turns stored batches into message sets of format `magic` for a fetch from `first_offset`.
///
/// The result is at most `limit_bytes`, except that the first batch is converted whole whatever it takes:
/// a client must get on. Every message is whole. It is empty if `batches` hold markers only.
///
/// Of an uncompressed batch, records before `first_offset` are left out; some versions of librdkafka count
/// on it. A compressed one keeps them, and clients skip them. Bytes of a batch that `batches` cuts are left
/// out too.
///
/// # Errors
/// [`ConvertError::UnsupportedCompression`] if the first batch to convert is zstd; where such a batch comes
/// later, the result ends before it. [`ConvertError::CorruptBatch`].
pub fn down_convert(
    batches: &[u8],
    magic: Magic,
    first_offset: Offset,
    limit_bytes: usize,
) -> Result<Vec<u8>, ConvertError> {
    unpacking::within(DECOMPRESSED_BYTES_MAX, |unpacked_bytes_max, scratch| {
        let how = DownConversion { magic, first_offset, unpacked_bytes_max };
        down_convert_within(batches, &how, limit_bytes, scratch)
    })
}

/// What holds for every batch of a down-conversion.
struct DownConversion {
    magic: Magic,
    first_offset: Offset,
    unpacked_bytes_max: usize,
}

fn down_convert_within(
    batches: &[u8],
    how: &DownConversion,
    limit_bytes: usize,
    scratch: &mut Vec<u8>,
) -> Result<Vec<u8>, ConvertError> {
    let mut out = Vec::new();
    for batch in Batches::new(batches) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(BatchError::Truncated { .. }) => break,
            Err(error) => return Err(ConvertError::CorruptBatch(error)),
        };
        if batch.is_control() {
            continue;
        }
        let whole = out.len();
        match down_convert_batch(&batch, how, scratch, &mut out) {
            Err(ConvertError::UnsupportedCompression(_)) if whole > 0 => break,
            converted => converted?,
        }
        if out.len() > limit_bytes {
            if whole > 0 {
                out.truncate(whole);
            }
            break;
        }
    }
    Ok(out)
}

fn down_convert_batch(
    batch: &Batch<'_>,
    how: &DownConversion,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), ConvertError> {
    let codec = batch.compression();
    if codec == Compression::Zstd {
        return Err(ConvertError::UnsupportedCompression(codec));
    }
    let append_time = (batch.timestamp_type() == TimestampType::LogAppendTime).then(|| batch.max_timestamp());
    out.reserve(batch.size_bytes());
    let mut set = MessageSetBuilder::new(out, how.magic, codec, append_time);
    for record in batch.decompressed(how.unpacked_bytes_max, scratch).map_err(ConvertError::CorruptBatch)? {
        let record = record.map_err(ConvertError::CorruptBatch)?;
        if codec != Compression::None || record.offset >= how.first_offset {
            set.append(record.offset, record.timestamp, record.key, record.value);
        }
    }
    set.finish();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{ProducerEpoch, ProducerId, Sequence, TimestampMs};

    const LIMIT: usize = 1 << 20;

    fn message_set(magic: Magic, codec: Compression, offsets: std::ops::Range<i64>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut set = MessageSetBuilder::new(&mut out, magic, codec, None);
        for offset in offsets {
            set.append(Offset(offset), TimestampMs(1000 + offset), Some(b"k"), Some(&offset.to_be_bytes()));
        }
        set.finish();
        out
    }

    fn batch(codec: Compression, base: i64, count: i64) -> Vec<u8> {
        let mut builder = BatchBuilder::new().base_offset(Offset(base)).compression(codec);
        for i in 0..count {
            builder.append(TimestampMs(1000 + i), Some(b"k"), Some(&[b'v'; 100]), &[(b"h", None)]);
        }
        builder.build()
    }

    /// Base offset, codec, and the value of each record, batch by batch.
    fn batches(bytes: &[u8]) -> Vec<(i64, Compression, Vec<Vec<u8>>)> {
        let mut scratch = Vec::new();
        let all = Batches::new(bytes).map(|batch| {
            let batch = batch.unwrap();
            assert_eq!((batch.verify_crc(), batch.validate()), (Ok(()), Ok(())));
            let records = batch.decompressed(LIMIT, &mut scratch).unwrap();
            let values = records.map(|r| r.unwrap().value.unwrap().to_vec()).collect();
            (batch.base_offset().0, batch.compression(), values)
        });
        all.collect()
    }

    fn offsets(set: &[u8]) -> Vec<i64> {
        let mut all = Vec::new();
        let mut scratch = Vec::new();
        for message in Messages::new(set).map(Result::unwrap) {
            if message.compression() == Compression::None {
                all.push(message.offset().0);
            } else {
                all.extend(message.inner(LIMIT, &mut scratch).unwrap().map(|m| m.unwrap().offset().0));
            }
        }
        all
    }

    fn values(offsets: std::ops::Range<i64>) -> Vec<Vec<u8>> {
        offsets.map(|offset| offset.to_be_bytes().to_vec()).collect()
    }

    #[test]
    fn a_wrapper_becomes_a_batch_and_plain_messages_share_one() {
        let set = [
            message_set(Magic::V1, Compression::None, 0..3),
            message_set(Magic::V1, Compression::Gzip, 0..2),
            message_set(Magic::V1, Compression::Lz4, 40..42),
            message_set(Magic::V1, Compression::None, 5..6),
        ]
        .concat();
        let expected = [
            (0, Compression::None, values(0..3)),
            (3, Compression::Gzip, values(0..2)),
            (5, Compression::Lz4, values(40..42)),
            (7, Compression::None, values(5..6)),
        ];
        assert_eq!(batches(&up_convert(&set).unwrap()), expected);
    }

    #[test]
    fn times_are_kept_and_magic_0_has_none() {
        for (magic, times) in [(Magic::V0, [-1, -1]), (Magic::V1, [1000, 1001])] {
            let bytes = up_convert(&message_set(magic, Compression::Snappy, 0..2)).unwrap();
            let (batch, _) = Batch::parse(&bytes).unwrap();
            let mut scratch = Vec::new();
            let records = batch.decompressed(LIMIT, &mut scratch).unwrap();
            assert_eq!(records.map(|r| r.unwrap().timestamp.0).collect::<Vec<_>>(), times);
            assert_eq!((batch.base_timestamp().0, batch.max_timestamp().0), (times[0], times[1]));
        }
    }

    #[test]
    fn damaged_sets_are_corrupt_and_senseless_ones_invalid() {
        let good = message_set(Magic::V1, Compression::None, 0..2);
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert!(matches!(up_convert(&flipped), Err(ConvertError::Corrupt(MessageError::Crc { .. }))));
        for end in 1..good.len() {
            let cut = up_convert(&good[..end]);
            assert_eq!(cut.is_ok(), end == good.len() / 2, "{end} bytes");
        }
        assert!(matches!(up_convert(&[]), Err(ConvertError::Invalid(_))));
        let mixed = [good, message_set(Magic::V0, Compression::None, 0..1)].concat();
        assert!(matches!(up_convert(&mixed), Err(ConvertError::Invalid(_))));
    }

    #[test]
    fn a_flipped_bit_inside_a_wrapper_is_corrupt() {
        let mut inner = message_set(Magic::V0, Compression::None, 0..2);
        *inner.last_mut().unwrap() ^= 1;
        let mut value = Vec::new();
        crate::records::compression::compress(Compression::Gzip, &inner, &mut value);
        let mut set = Vec::new();
        MessageSetBuilder::new(&mut set, Magic::V0, Compression::None, None).append(
            Offset(0),
            TimestampMs::NONE,
            None,
            Some(&value),
        );
        // Attributes say gzip; the outer checksum fits.
        set[17] = 1;
        let crc = crc_fast::crc32_iso_hdlc(&set[16..]);
        set[12..16].copy_from_slice(&crc.to_be_bytes());
        assert!(matches!(up_convert(&set), Err(ConvertError::Corrupt(MessageError::Crc { .. }))));
        set[17] = 4;
        let crc = crc_fast::crc32_iso_hdlc(&set[16..]);
        set[12..16].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(up_convert(&set), Err(ConvertError::UnsupportedCompression(Compression::Zstd)));
    }

    #[test]
    fn an_uncompressed_batch_starts_at_the_wanted_offset_and_a_compressed_one_is_whole() {
        let stored = [batch(Compression::None, 10, 4), batch(Compression::Gzip, 14, 3)].concat();
        for magic in [Magic::V0, Magic::V1] {
            let cases: [(i64, &[i64]); 4] = [
                (10, &[10, 11, 12, 13, 14, 15, 16]),
                (12, &[12, 13, 14, 15, 16]),
                (14, &[14, 15, 16]),
                (16, &[14, 15, 16]),
            ];
            for (from, expected) in cases {
                let set = down_convert(&stored, magic, Offset(from), LIMIT).unwrap();
                assert_eq!(offsets(&set), expected, "{magic:?} from {from}");
            }
        }
    }

    #[test]
    fn the_limit_holds_except_for_the_first_batch() {
        let stored = [batch(Compression::None, 0, 5), batch(Compression::None, 5, 5)].concat();
        let all = down_convert(&stored, Magic::V1, Offset(0), LIMIT).unwrap().len();
        for limit in [0, 1, all / 2, all - 1] {
            let set = down_convert(&stored, Magic::V1, Offset(0), limit).unwrap();
            assert_eq!(offsets(&set), [0, 1, 2, 3, 4], "{limit} bytes");
        }
        assert_eq!(down_convert(&stored, Magic::V1, Offset(0), all).unwrap().len(), all);
        // A read that ends inside a batch.
        let set = down_convert(&stored[..stored.len() - 1], Magic::V1, Offset(0), LIMIT).unwrap();
        assert_eq!(offsets(&set), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn markers_are_left_out() {
        let mut marker = BatchBuilder::new().base_offset(Offset(3)).transactional().control().producer(
            ProducerId(1),
            ProducerEpoch(0),
            Sequence::NONE,
        );
        marker.append(TimestampMs(0), Some(&[0; 4]), Some(&[0; 6]), &[]);
        let marker = marker.build();
        assert_eq!(down_convert(&marker, Magic::V1, Offset(3), LIMIT).unwrap(), []);
        let stored = [batch(Compression::None, 0, 3), marker, batch(Compression::None, 4, 1)].concat();
        assert_eq!(offsets(&down_convert(&stored, Magic::V0, Offset(0), LIMIT).unwrap()), [0, 1, 2, 4]);
    }

    #[test]
    fn zstd_is_refused_first_and_ends_the_answer_later() {
        let zstd = batch(Compression::Zstd, 3, 2);
        let refused = Err(ConvertError::UnsupportedCompression(Compression::Zstd));
        assert_eq!(down_convert(&zstd, Magic::V1, Offset(3), LIMIT), refused);
        let stored = [batch(Compression::Lz4, 0, 3), zstd].concat();
        assert_eq!(offsets(&down_convert(&stored, Magic::V1, Offset(0), LIMIT).unwrap()), [0, 1, 2]);
    }

    #[test]
    fn append_time_is_every_message_s() {
        for codec in [Compression::None, Compression::Gzip] {
            let mut stored = batch(codec, 0, 2);
            crate::records::batch::set_log_append_time(&mut stored, TimestampMs(77));
            let set = down_convert(&stored, Magic::V1, Offset(0), LIMIT).unwrap();
            for message in Messages::new(&set).map(Result::unwrap) {
                assert_eq!(
                    (message.timestamp_type(), message.timestamp()),
                    (TimestampType::LogAppendTime, TimestampMs(77))
                );
            }
        }
    }
}
