//! Message sets, magic 0 and 1: what clients wrote and read before batches.
//!
//! ```text
//! at  bytes  field
//!  0      8  offset
//!  8      4  size of what follows
//! 12      4  CRC-32 of all that follows
//! 16      1  magic: 0 or 1
//! 17      1  attributes: bits 0-2 codec, 3 log append time (magic 1)
//! 18      8  timestamp (magic 1)
//!         4  key size, -1 for null; then the key
//!         4  value size, -1 for null; then the value
//! ```
//! Uncompressed messages lie back to back. Compressed, they are the value of one *wrapper* message, which
//! bears the offset of the last of them. Inside, magic 0 repeats each message's own offset; magic 1 counts
//! from 0, so that a broker can move the set by writing one number. A wrapper with log append time
//! overrides the times inside.
//!
//! Left out: zstd, which these formats never had.
//!
//! # Source
//! KIP-31, KIP-32; `LegacyRecord` and `AbstractLegacyRecordBatch` in Apache Kafka.

use super::compression::{self, Compression, CompressionError, Lz4Checksum};
use super::{MAGIC_AT, TimestampType};
use crate::types::{Offset, TimestampMs};

const SIZE_AT: usize = 8;
const CRC_AT: usize = 12;
/// Where timestamp or key size follow magic and attributes.
const FIELDS_AT: usize = MAGIC_AT + 2;

/// Offset and size: what the size does not count.
const OVERHEAD: usize = CRC_AT;
/// The least that a size field may say, in either magic: CRC, magic, attributes, two lengths.
const SIZE_MIN: usize = FIELDS_AT - OVERHEAD + 2 * LENGTH_BYTES;
const LENGTH_BYTES: usize = 4;

const CODEC_MASK: i8 = 0b111;
const LOG_APPEND_TIME: i8 = 1 << 3;

/// The format of a message set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Magic {
    /// Before Kafka 0.10: no timestamps.
    V0,
    /// Kafka 0.10.
    V1,
}

impl Magic {
    fn from_byte(byte: i8) -> Option<Magic> {
        match byte {
            0 => Some(Magic::V0),
            1 => Some(Magic::V1),
            _ => None,
        }
    }

    fn byte(self) -> i8 {
        match self {
            Magic::V0 => 0,
            Magic::V1 => 1,
        }
    }

    fn lz4_checksum(self) -> Lz4Checksum {
        match self {
            Magic::V0 => Lz4Checksum::WithMagic,
            Magic::V1 => Lz4Checksum::Standard,
        }
    }
}

/// What is wrong with the bytes of a message set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A size field says less than the fixed fields take, or is negative.
    #[error("a message's size field says {0}")]
    Size(i32),
    /// No message has this version.
    #[error("magic {0} is not that of a message")]
    Magic(i8),
    /// Sizes within the message contradict each other.
    #[error("a message's lengths do not add up")]
    Lengths,
    /// The bytes are not those that were checksummed.
    #[error("message CRC is {stored:#010x}, its bytes give {computed:#010x}")]
    Crc {
        /// In the message.
        stored: u32,
        /// Of the bytes.
        computed: u32,
    },
    /// The attributes name a codec that messages do not have.
    #[error("messages have no compression {0}")]
    UnknownCompression(i8),
    /// A wrapper's value does not decompress, or not within the limit.
    #[error(transparent)]
    Compression(#[from] CompressionError),
    /// A wrapper holds something other than plain messages of its own magic.
    #[error("{0}")]
    Wrapper(&'static str),
}

/// One message, borrowed: its sizes, magic and codec are known to be sound, its checksum is not yet.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    offset: Offset,
    magic: Magic,
    attributes: i8,
    timestamp: TimestampMs,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    crc: u32,
    checksummed: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads the message that `bytes` are: all of them, offset and size included.
    fn parse(bytes: &'a [u8]) -> Result<Message<'a>, MessageError> {
        let mut rest = bytes;
        let mut head = || {
            let offset = i64::from_be_bytes(take(&mut rest)?);
            let _size: [u8; LENGTH_BYTES] = take(&mut rest)?;
            let crc = u32::from_be_bytes(take(&mut rest)?);
            let [magic, attributes] = take(&mut rest)?;
            Some((offset, crc, magic as i8, attributes as i8))
        };
        let (offset, crc, magic, attributes) = head().ok_or(MessageError::Lengths)?;
        let magic = Magic::from_byte(magic).ok_or(MessageError::Magic(magic))?;
        let codec = attributes & CODEC_MASK;
        Compression::from_id(codec).ok_or(MessageError::UnknownCompression(codec))?;
        let mut fields = || {
            let timestamp = match magic {
                Magic::V0 => TimestampMs::NONE,
                Magic::V1 => TimestampMs(i64::from_be_bytes(take(&mut rest)?)),
            };
            let key = take_nullable(&mut rest)?;
            let value = take_nullable(&mut rest)?;
            rest.is_empty().then_some((timestamp, key, value))
        };
        let (timestamp, key, value) = fields().ok_or(MessageError::Lengths)?;
        let checksummed = &bytes[MAGIC_AT..];
        Ok(Message { offset: Offset(offset), magic, attributes, timestamp, key, value, crc, checksummed })
    }

    /// The message's offset; a wrapper's is that of its last message, or 0 from producers that count none.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// The format.
    #[must_use]
    pub fn magic(&self) -> Magic {
        self.magic
    }

    /// What the value is compressed with; anything but [`Compression::None`] makes this a wrapper.
    #[must_use]
    pub fn compression(&self) -> Compression {
        // `parse` refuses what is no codec.
        Compression::from_id(self.attributes & CODEC_MASK).unwrap_or_default()
    }

    /// Who gave the message its timestamp.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        match self.magic {
            Magic::V1 if self.attributes & LOG_APPEND_TIME != 0 => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        }
    }

    /// The message's time; [`TimestampMs::NONE`] in magic 0.
    #[must_use]
    pub fn timestamp(&self) -> TimestampMs {
        self.timestamp
    }

    /// Null is not empty.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// Null is not empty.
    #[must_use]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// Checks the checksum.
    ///
    /// # Errors
    /// [`MessageError::Crc`].
    pub fn verify_crc(&self) -> Result<(), MessageError> {
        let computed = crc_fast::crc32_iso_hdlc(self.checksummed);
        if self.crc == computed { Ok(()) } else { Err(MessageError::Crc { stored: self.crc, computed }) }
    }

    /// The messages inside a wrapper, decompressed into `scratch`, with their offsets in the partition.
    ///
    /// At most `limit_bytes` are decompressed; `scratch` is overwritten and may be kept for the next.
    ///
    /// # Errors
    /// [`MessageError::Compression`], [`MessageError::Wrapper`], and what is wrong with the messages inside;
    /// [`MessageError::UnknownCompression`] for zstd.
    pub fn inner<'s>(
        &self,
        limit_bytes: usize,
        scratch: &'s mut Vec<u8>,
    ) -> Result<InnerMessages<'s>, MessageError> {
        let codec = self.compression();
        match codec {
            Compression::None => return Err(MessageError::Wrapper("a plain message holds no others")),
            Compression::Zstd => return Err(MessageError::UnknownCompression(codec.id())),
            Compression::Gzip | Compression::Snappy | Compression::Lz4 => {}
        }
        let value = self.value.ok_or(MessageError::Wrapper("a compressed message's value is null"))?;
        compression::decompress_with(codec, self.magic.lz4_checksum(), value, limit_bytes, scratch)?;
        let messages = Messages::new(scratch);
        let last =
            last_offset(messages.clone())?.ok_or(MessageError::Wrapper("a compressed message is empty"))?;
        let shift = match self.magic {
            Magic::V0 => 0,
            // Producers may leave the wrapper's offset to the broker.
            Magic::V1 if self.offset == Offset(0) => 0,
            Magic::V1 => self.offset.0.checked_sub(last.0).filter(|&shift| shift >= 0).ok_or(
                MessageError::Wrapper("a compressed message's offset is before that of its last message"),
            )?,
        };
        let append_time = (self.timestamp_type() == TimestampType::LogAppendTime).then_some(self.timestamp);
        Ok(InnerMessages { messages, magic: self.magic, shift, append_time })
    }
}

/// Walks messages that lie back to back, wrappers unopened; ends after the first error.
///
/// A message that is cut short ends the walk without an error, because a fetch cuts where its size limit
/// falls: [`Messages::remainder`] tells.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// The messages in `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Messages<'a> {
        Messages { rest: bytes }
    }

    /// What has not been walked: after the end, the message that was cut.
    #[must_use]
    pub fn remainder(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes the bytes of the next message, if they are all there.
    fn split(&mut self) -> Result<Option<&'a [u8]>, MessageError> {
        let Some(size) = self.rest.get(SIZE_AT..).and_then(|bytes| bytes.first_chunk()) else {
            return Ok(None);
        };
        let size = i32::from_be_bytes(*size);
        let whole = match usize::try_from(size) {
            Ok(size) if size >= SIZE_MIN => size + OVERHEAD,
            _ => return Err(MessageError::Size(size)),
        };
        let Some((message, rest)) = self.rest.split_at_checked(whole) else { return Ok(None) };
        self.rest = rest;
        Ok(Some(message))
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let message = self.split().transpose()?.and_then(Message::parse);
        if message.is_err() {
            self.rest = &[];
        }
        Some(message)
    }
}

/// Walks the messages inside a wrapper; ends after the first error.
#[derive(Clone, Debug)]
pub struct InnerMessages<'a> {
    messages: Messages<'a>,
    magic: Magic,
    /// What to add to the offsets inside.
    shift: i64,
    append_time: Option<TimestampMs>,
}

impl<'a> InnerMessages<'a> {
    fn settle(&self, message: Message<'a>) -> Result<Message<'a>, MessageError> {
        if message.magic != self.magic {
            return Err(MessageError::Wrapper("a compressed message holds another magic than its own"));
        }
        if message.compression() != Compression::None {
            return Err(MessageError::Wrapper("a compressed message holds a compressed one"));
        }
        let offset = Offset(message.offset.0.wrapping_add(self.shift));
        Ok(Message { offset, timestamp: self.append_time.unwrap_or(message.timestamp), ..message })
    }
}

impl<'a> Iterator for InnerMessages<'a> {
    type Item = Result<Message<'a>, MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let message = match self.messages.next() {
            Some(message) => message.and_then(|message| self.settle(message)),
            None if self.messages.remainder().is_empty() => return None,
            None => Err(MessageError::Lengths),
        };
        if message.is_err() {
            self.messages = Messages::new(&[]);
        }
        Some(message)
    }
}

/// Writes one message set, compressed or not, to the end of a buffer.
///
/// [`MessageSetBuilder::finish`] must be called; what was appended before may not be there without it.
#[derive(Debug)]
pub struct MessageSetBuilder<'o> {
    out: &'o mut Vec<u8>,
    magic: Magic,
    compression: Compression,
    append_time: Option<TimestampMs>,
    /// The messages of a wrapper, before compression.
    inner: Vec<u8>,
    base_offset: Option<Offset>,
    last_offset: Offset,
    max_timestamp: TimestampMs,
}

impl<'o> MessageSetBuilder<'o> {
    /// A set of format `magic` at the end of `out`, in a wrapper unless `compression` is none.
    ///
    /// `append_time` is for every message, if the broker gave it.
    ///
    /// # Panics
    /// On zstd, which these formats do not have.
    #[must_use]
    pub fn new(
        out: &'o mut Vec<u8>,
        magic: Magic,
        compression: Compression,
        append_time: Option<TimestampMs>,
    ) -> MessageSetBuilder<'o> {
        assert_ne!(compression, Compression::Zstd, "message sets have no zstd");
        MessageSetBuilder {
            out,
            magic,
            compression,
            append_time,
            inner: Vec::new(),
            base_offset: None,
            last_offset: Offset(0),
            max_timestamp: TimestampMs::NONE,
        }
    }

    /// Appends a message, whose offset must be past those before.
    pub fn append(
        &mut self,
        offset: Offset,
        timestamp: TimestampMs,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> &mut Self {
        let base = *self.base_offset.get_or_insert(offset);
        let timestamp = self.append_time.unwrap_or(timestamp);
        self.last_offset = offset;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let attributes = self.time_attribute();
        if self.compression == Compression::None {
            put_message(self.out, self.magic, attributes, offset, timestamp, key, value);
        } else {
            let offset = if self.magic == Magic::V0 { offset } else { Offset(offset.0.wrapping_sub(base.0)) };
            put_message(&mut self.inner, self.magic, attributes, offset, timestamp, key, value);
        }
        self
    }

    /// Completes the set; a set without messages is no bytes.
    pub fn finish(self) {
        if self.inner.is_empty() {
            return;
        }
        let mut compressed = Vec::with_capacity(self.inner.len() / 2);
        compression::compress_with(self.compression, self.magic.lz4_checksum(), &self.inner, &mut compressed);
        let attributes = self.time_attribute() | self.compression.id();
        let (last, time) = (self.last_offset, self.max_timestamp);
        put_message(self.out, self.magic, attributes, last, time, None, Some(&compressed));
    }

    fn time_attribute(&self) -> i8 {
        if self.magic == Magic::V1 && self.append_time.is_some() { LOG_APPEND_TIME } else { 0 }
    }
}

fn put_message(
    out: &mut Vec<u8>,
    magic: Magic,
    attributes: i8,
    offset: Offset,
    timestamp: TimestampMs,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) {
    let start = out.len();
    let time_bytes = if magic == Magic::V1 { size_of::<i64>() } else { 0 };
    let fields_bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + time_bytes;
    let size = i32::try_from(SIZE_MIN + fields_bytes).expect("a message stays under 2 GiB");
    let mut head = [0; FIELDS_AT];
    head[..SIZE_AT].copy_from_slice(&offset.0.to_be_bytes());
    head[SIZE_AT..CRC_AT].copy_from_slice(&size.to_be_bytes());
    head[MAGIC_AT..].copy_from_slice(&[magic.byte() as u8, attributes as u8]);
    out.reserve(OVERHEAD + SIZE_MIN + fields_bytes);
    out.extend_from_slice(&head);
    if magic == Magic::V1 {
        out.extend_from_slice(&timestamp.0.to_be_bytes());
    }
    put_nullable(out, key);
    put_nullable(out, value);
    let crc = crc_fast::crc32_iso_hdlc(&out[start + MAGIC_AT..]);
    out[start + CRC_AT..start + MAGIC_AT].copy_from_slice(&crc.to_be_bytes());
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    // The message's own size, which is larger, fits too.
    let size = bytes.map_or(-1, |bytes| bytes.len() as i32);
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*array)
}

/// A field with its length in front; any negative length means null, as in Kafka.
fn take_nullable<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    match usize::try_from(i32::from_be_bytes(take(bytes)?)) {
        Ok(size) => {
            let (field, rest) = bytes.split_at_checked(size)?;
            *bytes = rest;
            Some(Some(field))
        }
        Err(_) => Some(None),
    }
}

/// The offset of the last of `messages`, found by their sizes alone.
fn last_offset(mut messages: Messages<'_>) -> Result<Option<Offset>, MessageError> {
    let mut last = None;
    while let Some(message) = messages.split()? {
        last = message.first_chunk().map(|offset| Offset(i64::from_be_bytes(*offset)));
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 20;
    const OLD_CODECS: [Compression; 4] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4];

    fn set(magic: Magic, codec: Compression, append_time: Option<TimestampMs>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut set = MessageSetBuilder::new(&mut out, magic, codec, append_time);
        set.append(Offset(70), TimestampMs(500), Some(b"k"), Some(b"v"));
        set.append(Offset(71), TimestampMs(400), None, Some(b""));
        set.append(Offset(75), TimestampMs(600), Some(b""), None);
        set.finish();
        out
    }

    type Fields = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>);

    fn fields(message: &Message<'_>) -> Fields {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        (message.offset().0, message.timestamp().0, owned(message.key()), owned(message.value()))
    }

    /// Every message of `set`, wrappers opened.
    fn deep(set: &[u8]) -> Result<Vec<Fields>, MessageError> {
        let mut all = Vec::new();
        let mut scratch = Vec::new();
        for message in Messages::new(set) {
            let message = message?;
            message.verify_crc()?;
            if message.compression() == Compression::None {
                all.push(fields(&message));
                continue;
            }
            for inner in message.inner(LIMIT, &mut scratch)? {
                let inner = inner?;
                inner.verify_crc()?;
                all.push(fields(&inner));
            }
        }
        Ok(all)
    }

    #[test]
    fn what_is_built_is_read_in_either_magic_with_every_codec() {
        for codec in OLD_CODECS {
            for (magic, append_time, times) in [
                (Magic::V0, None, [-1, -1, -1]),
                (Magic::V1, None, [500, 400, 600]),
                (Magic::V1, Some(TimestampMs(9)), [9, 9, 9]),
            ] {
                let expected = [
                    (70, times[0], Some(b"k".to_vec()), Some(b"v".to_vec())),
                    (71, times[1], None, Some(vec![])),
                    (75, times[2], Some(vec![]), None),
                ];
                assert_eq!(deep(&set(magic, codec, append_time)).unwrap(), expected, "{magic:?} {codec}");
            }
        }
    }

    #[test]
    fn a_wrapper_bears_the_last_offset_and_the_largest_time() {
        let bytes = set(Magic::V1, Compression::Gzip, None);
        let wrapper = Messages::new(&bytes).next().unwrap().unwrap();
        assert_eq!((wrapper.offset(), wrapper.timestamp()), (Offset(75), TimestampMs(600)));
        assert_eq!((wrapper.key(), wrapper.timestamp_type()), (None, TimestampType::CreateTime));
        assert_eq!(Messages::new(&bytes).count(), 1);
    }

    /// A wrapper of `magic` at `offset` around `inner`, whatever it is.
    fn wrapper(magic: Magic, offset: i64, inner: &[u8]) -> Vec<u8> {
        let mut value = Vec::new();
        compression::compress_with(Compression::Gzip, magic.lz4_checksum(), inner, &mut value);
        let mut out = Vec::new();
        let codec = Compression::Gzip.id();
        put_message(&mut out, magic, codec, Offset(offset), TimestampMs(1), None, Some(&value));
        out
    }

    fn plain(magic: Magic, offset: i64) -> Vec<u8> {
        let mut out = Vec::new();
        put_message(&mut out, magic, 0, Offset(offset), TimestampMs(1), None, Some(b"v"));
        out
    }

    #[test]
    fn offsets_inside_a_wrapper_are_settled_as_in_kafka() {
        use Magic::{V0, V1};
        let cases = [
            (V1, 101, [0, 1], Some([100, 101])),
            // Compaction left gaps.
            (V1, 109, [3, 9], Some([103, 109])),
            // From producers that leave the wrapper's offset, or all of them, to the broker.
            (V1, 0, [0, 1], Some([0, 1])),
            (V1, 0, [0, 0], Some([0, 0])),
            (V1, 1, [0, 2], None),
            (V0, 7, [40, 41], Some([40, 41])),
        ];
        for (magic, outer, inner, expected) in cases {
            let bytes = wrapper(magic, outer, &[plain(magic, inner[0]), plain(magic, inner[1])].concat());
            let offsets = deep(&bytes).ok().map(|all| [all[0].0, all[1].0]);
            assert_eq!(offsets, expected, "{magic:?} {outer} {inner:?}");
        }
    }

    #[test]
    fn wrappers_of_anything_but_plain_messages_are_refused() {
        let nested = wrapper(Magic::V1, 0, &wrapper(Magic::V1, 0, &plain(Magic::V1, 0)));
        let mixed = wrapper(Magic::V1, 0, &plain(Magic::V0, 0));
        let empty = wrapper(Magic::V1, 0, &[]);
        let cut = wrapper(Magic::V1, 0, &[&plain(Magic::V1, 0)[..], &plain(Magic::V1, 1)[..20]].concat());
        let mut null = Vec::new();
        put_message(&mut null, Magic::V1, 1, Offset(0), TimestampMs(1), None, None);
        for bytes in [nested, mixed, empty, null] {
            assert!(matches!(deep(&bytes), Err(MessageError::Wrapper(_))));
        }
        assert_eq!(deep(&cut), Err(MessageError::Lengths));
    }

    #[test]
    fn a_cut_tail_ends_the_walk_and_remains() {
        let one = plain(Magic::V1, 3);
        let bytes = [&one[..], &one].concat();
        for end in 0..bytes.len() {
            let mut messages = Messages::new(&bytes[..end]);
            let whole = messages.by_ref().map(Result::unwrap).count();
            assert_eq!(whole, end / one.len());
            assert_eq!(messages.remainder().len(), end % one.len());
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let good = plain(Magic::V1, 3);
        let cases: [(usize, &[u8], MessageError); 6] = [
            (SIZE_AT, &[0xff; 4], MessageError::Size(-1)),
            (SIZE_AT, &[0, 0, 0, 13], MessageError::Size(13)),
            (MAGIC_AT, &[2], MessageError::Magic(2)),
            (MAGIC_AT + 1, &[5], MessageError::UnknownCompression(5)),
            (FIELDS_AT + 8, &[0x7f, 0xff, 0xff, 0xff], MessageError::Lengths),
            (good.len() - 5, &[0, 0, 0, 0], MessageError::Lengths),
        ];
        for (at, field, error) in cases {
            let mut bytes = good.clone();
            bytes[at..at + field.len()].copy_from_slice(field);
            let walked: Vec<_> = Messages::new(&bytes).map(|m| m.map(drop)).collect();
            assert_eq!(walked, [Err(error)]);
        }
    }

    #[test]
    fn a_flipped_bit_is_a_wrong_checksum() {
        let mut bytes = plain(Magic::V0, 3);
        *bytes.last_mut().unwrap() ^= 1;
        assert!(matches!(deep(&bytes), Err(MessageError::Crc { .. })));
    }
}
