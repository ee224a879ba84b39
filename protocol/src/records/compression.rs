//! The five codecs of batches and message sets, each with bounded output.
//!
//! A few kilobytes from the network may claim to be gigabytes, so [`decompress`] takes the most bytes that
//! its caller is willing to hold and stops there.
//!
//! Kafka's dialects: snappy comes in snappy-java's chunks or as one raw block, and both are read; lz4 is the
//! frame format, whose header checksum clients of magic 0 got wrong (KAFKA-3160), and what they wrote they
//! also expect to read ([`Lz4Checksum`]).
//!
//! Left out: compression levels; a broker compresses only what it converts.

mod lz4;
mod snappy;

use std::cell::RefCell;
use std::fmt;
use std::io::{Read, Write};

pub(super) use lz4::Lz4Checksum;

/// zstd's own default, and Kafka's.
const ZSTD_LEVEL: i32 = 3;

/// How records are compressed; the low bits of a batch's or message's attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// snappy-java's chunked stream, or one raw block.
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// RFC 8878; only in batches, and only for clients that know it (KIP-110).
    Zstd,
}

impl Compression {
    /// Every codec, in the order of their ids.
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// The codec that attributes name by `id`.
    #[must_use]
    pub fn from_id(id: i8) -> Option<Compression> {
        usize::try_from(id).ok().and_then(|id| Self::ALL.get(id).copied())
    }

    /// What attributes call the codec.
    #[must_use]
    pub fn id(self) -> i8 {
        match self {
            Compression::None => 0,
            Compression::Gzip => 1,
            Compression::Snappy => 2,
            Compression::Lz4 => 3,
            Compression::Zstd => 4,
        }
    }

    /// What `compression.type` calls the codec.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why bytes do not decompress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// They are not what the codec writes.
    #[error("not {0} data")]
    Corrupt(Compression),
    /// They would be larger than the caller is willing to hold.
    #[error("{codec} data decompresses to more than {limit_bytes} bytes")]
    TooLarge {
        /// The codec.
        codec: Compression,
        /// The caller's bound.
        limit_bytes: usize,
    },
}

/// Appends `input`, compressed, to `out`.
pub fn compress(codec: Compression, input: &[u8], out: &mut Vec<u8>) {
    compress_with(codec, Lz4Checksum::Standard, input, out);
}

/// Replaces `out` by what `input` decompresses to, at most `limit_bytes`.
///
/// On an error, what `out` holds is unspecified.
///
/// # Errors
/// [`CompressionError::Corrupt`], [`CompressionError::TooLarge`].
pub fn decompress(
    codec: Compression,
    input: &[u8],
    limit_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    decompress_with(codec, Lz4Checksum::Standard, input, limit_bytes, out)
}

/// [`compress`], with the lz4 header that readers of `checksum`'s kind expect.
pub(super) fn compress_with(codec: Compression, checksum: Lz4Checksum, input: &[u8], out: &mut Vec<u8>) {
    match codec {
        Compression::None => out.extend_from_slice(input),
        Compression::Gzip => compress_gzip(input, out),
        Compression::Snappy => snappy::compress(input, out),
        Compression::Lz4 => lz4::compress(checksum, input, out),
        Compression::Zstd => compress_zstd(input, out),
    }
}

/// [`decompress`], with the lz4 header that writers of `checksum`'s kind write.
pub(super) fn decompress_with(
    codec: Compression,
    checksum: Lz4Checksum,
    input: &[u8],
    limit_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    out.clear();
    match codec {
        Compression::None if input.len() > limit_bytes => {
            Err(CompressionError::TooLarge { codec, limit_bytes })
        }
        Compression::None => {
            out.extend_from_slice(input);
            Ok(())
        }
        // Java reads members that follow each other as one stream.
        Compression::Gzip => {
            read_bounded(codec, flate2::bufread::MultiGzDecoder::new(input), limit_bytes, out)
        }
        Compression::Snappy => snappy::decompress(input, limit_bytes, out),
        Compression::Lz4 => lz4::decompress(checksum, input, limit_bytes, out),
        Compression::Zstd => decompress_zstd(input, limit_bytes, out),
    }
}

/// Reads `decoder` to its end into the empty `out`, or until it has given more than `limit_bytes`.
fn read_bounded(
    codec: Compression,
    decoder: impl Read,
    limit_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    let one_too_many = (limit_bytes as u64).saturating_add(1);
    decoder.take(one_too_many).read_to_end(out).map_err(|_| CompressionError::Corrupt(codec))?;
    if out.len() > limit_bytes { Err(CompressionError::TooLarge { codec, limit_bytes }) } else { Ok(()) }
}

fn compress_gzip(input: &[u8], out: &mut Vec<u8>) {
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
    encoder
        .write_all(input)
        .and_then(|()| encoder.finish().map(drop))
        .expect("writing to a Vec does not fail");
}

thread_local! {
    // A context is some hundred kilobytes of tables; making one costs more than a small batch.
    static ZSTD_COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static ZSTD_DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

fn compress_zstd(input: &[u8], out: &mut Vec<u8>) {
    let compressed = ZSTD_COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = slot.get_or_insert_with(|| {
            zstd::bulk::Compressor::new(ZSTD_LEVEL)
                .expect("the level exists, and memory is not the codec's to miss")
        });
        compressor.compress(input).expect("the buffer is as large as the codec asks for")
    });
    out.extend_from_slice(&compressed);
}

/// Decompresses in one call into a buffer as large as the frames can fill, so that no window has to be
/// kept: a hostile header cannot make the codec allocate one.
fn decompress_zstd(input: &[u8], limit_bytes: usize, out: &mut Vec<u8>) -> Result<(), CompressionError> {
    let codec = Compression::Zstd;
    let corrupt = CompressionError::Corrupt(codec);
    let bound = zstd::bulk::Decompressor::upper_bound(input).ok_or(corrupt)?;
    out.reserve(bound.min(limit_bytes));
    let decompressed = ZSTD_DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(zstd::bulk::Decompressor::new().map_err(|_| corrupt)?),
        };
        decompressor.decompress_to_buffer(input, out).map_err(|_| corrupt)
    });
    match decompressed {
        // Kept room from an earlier call may be larger than the limit.
        Ok(size) if size <= limit_bytes => Ok(()),
        Err(corrupt) if bound <= limit_bytes => Err(corrupt),
        _ => Err(CompressionError::TooLarge { codec, limit_bytes }),
    }
}
