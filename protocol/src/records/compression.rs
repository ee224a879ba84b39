//! The five codecs of batches and message sets, each with bounded output.
//!
//! A few kilobytes from the network may claim to be gigabytes, so [`decompress`] takes the most bytes that
//! its caller is willing to hold and stops there.
//!
//! Kafka's dialects: snappy comes in snappy-java's chunks or as one raw block, and both are read; lz4 is the
//! frame format, whose header checksum clients of magic 0 got wrong (KAFKA-3160), and what they wrote they
//! also expect to read.
//!
//! Left out: compression levels; a broker compresses only what it converts.

mod lz4;
mod snappy;

use std::cell::RefCell;
use std::fmt;
use std::io::{Cursor, Read, Write};

pub(super) use lz4::Lz4Checksum;

/// zstd's own default, and Kafka's.
const ZSTD_LEVEL: i32 = 3;
/// What a stream of unknown length is given room for at first.
const READ_BYTES_MIN: usize = 32 << 10;
/// A zstd block is at least four bytes and holds at most 128 KiB.
const ZSTD_EXPANSION_MAX: usize = 32 << 10;

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
///
/// `out` doubles, but is never made larger than the limit and one byte.
fn read_bounded(
    codec: Compression,
    mut decoder: impl Read,
    limit_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    while out.len() <= limit_bytes {
        let step = out.len().max(READ_BYTES_MIN).min((limit_bytes - out.len()).saturating_add(1));
        out.reserve_exact(step);
        let read = decoder.by_ref().take(step as u64).read_to_end(out);
        if read.map_err(|_| CompressionError::Corrupt(codec))? < step {
            return Ok(());
        }
    }
    Err(CompressionError::TooLarge { codec, limit_bytes })
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
    let start = out.len();
    out.reserve(zstd::zstd_safe::compress_bound(input.len()));
    let mut end = Cursor::new(out);
    end.set_position(start as u64);
    ZSTD_COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = slot.get_or_insert_with(|| {
            zstd::bulk::Compressor::new(ZSTD_LEVEL).expect("the level is one that exists")
        });
        compressor.compress_to_buffer(input, &mut end).expect("the buffer is as large as the codec asks for")
    });
}

/// Decompresses in one call into a buffer as large as the frames can fill, so that no window has to be
/// kept: a hostile header cannot make the codec allocate one.
fn decompress_zstd(input: &[u8], limit_bytes: usize, out: &mut Vec<u8>) -> Result<(), CompressionError> {
    let codec = Compression::Zstd;
    let corrupt = CompressionError::Corrupt(codec);
    let bound = zstd::bulk::Decompressor::upper_bound(input).ok_or(corrupt)?;
    out.reserve(bound.min(limit_bytes).min(input.len().saturating_mul(ZSTD_EXPANSION_MAX)));
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

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 20;
    const CODECS: [Compression; 4] =
        [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    fn decompressed(codec: Compression, input: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
        let mut out = b"left from before".to_vec();
        decompress(codec, input, limit, &mut out).map(|()| out)
    }

    #[test]
    fn what_is_compressed_decompresses() {
        let texts = [
            vec![],
            b"a".to_vec(),
            vec![0; 200_000],
            (0..100_000u64).map(|i| ((i * i) >> 5) as u8).collect(),
        ];
        for codec in Compression::ALL {
            for text in &texts {
                let mut out = b"before".to_vec();
                compress(codec, text, &mut out);
                let compressed = out.strip_prefix(b"before").unwrap();
                assert_eq!(&decompressed(codec, compressed, LIMIT).unwrap(), text, "{codec}");
                assert_eq!(&decompressed(codec, compressed, text.len()).unwrap(), text, "{codec}");
            }
        }
    }

    #[test]
    fn bombs_stop_at_the_limit() {
        for codec in Compression::ALL {
            let mut bomb = Vec::new();
            compress(codec, &vec![0; 64 << 20], &mut bomb);
            let error = decompressed(codec, &bomb, LIMIT).unwrap_err();
            assert_eq!(error, CompressionError::TooLarge { codec, limit_bytes: LIMIT });
            let mut out = Vec::new();
            decompress(codec, &bomb, LIMIT, &mut out).unwrap_err();
            assert!(out.capacity() <= 8 * LIMIT, "{codec} held {} bytes", out.capacity());
        }
    }

    #[test]
    fn sizes_that_cannot_be_reserve_nothing() {
        // A zstd frame of one raw byte that claims a terabyte, and a snappy block that claims 4 GiB.
        let zstd = [&[0x28, 0xb5, 0x2f, 0xfd, 0xe0][..], &[0, 0, 0, 0, 0, 1, 0, 0], &[9, 0, 0, 7]].concat();
        let snappy = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 7];
        for (codec, bytes) in [(Compression::Zstd, &zstd[..]), (Compression::Snappy, &snappy)] {
            let mut out = Vec::new();
            assert!(decompress(codec, bytes, usize::MAX, &mut out).is_err());
            assert!(out.capacity() < LIMIT, "{codec} held {} bytes", out.capacity());
        }
    }

    #[test]
    fn truncations_and_noise_are_errors() {
        let text: Vec<u8> = (0..5000u32).map(|i| (i % 251) as u8).collect();
        for codec in CODECS {
            let mut whole = Vec::new();
            compress(codec, &text, &mut whole);
            for end in 0..whole.len() {
                // Chunks of snappy and blocks of lz4 may end early without a trace; counts and checksums of
                // the batch tell.
                let cut = decompressed(codec, &whole[..end], LIMIT);
                assert!(cut.is_err() || text.starts_with(&cut.unwrap()), "{codec} of {end} bytes");
            }
            assert!(decompressed(codec, &[0xa5; 100], LIMIT).is_err(), "{codec}");
        }
    }

    #[test]
    fn ids_and_names_are_kafkas() {
        let names: Vec<_> = Compression::ALL.map(|codec| (codec.id(), codec.to_string())).into();
        let expected = [(0, "none"), (1, "gzip"), (2, "snappy"), (3, "lz4"), (4, "zstd")];
        assert_eq!(names, expected.map(|(id, name)| (id, name.to_owned())));
        for id in [-1, 5, 7, i8::MAX] {
            assert_eq!(Compression::from_id(id), None);
        }
    }

    #[test]
    fn gzip_members_in_a_row_are_one_stream() {
        let mut two = Vec::new();
        compress(Compression::Gzip, b"one ", &mut two);
        compress(Compression::Gzip, b"two", &mut two);
        assert_eq!(decompressed(Compression::Gzip, &two, LIMIT).unwrap(), b"one two");
    }

    #[test]
    fn snappy_streams_in_a_row_empty_ones_and_raw_blocks_are_read() {
        let mut streams = Vec::new();
        compress(Compression::Snappy, b"one ", &mut streams);
        compress(Compression::Snappy, b"", &mut streams);
        compress(Compression::Snappy, b"two", &mut streams);
        assert_eq!(decompressed(Compression::Snappy, &streams, LIMIT).unwrap(), b"one two");
        let raw = snap::raw::Encoder::new().compress_vec(b"raw").unwrap();
        assert_eq!(decompressed(Compression::Snappy, &raw, LIMIT).unwrap(), b"raw");
    }

    #[test]
    fn lz4_of_magic_0_has_its_own_checksum_and_is_read_with_either() {
        let mut standard = Vec::new();
        compress(Compression::Lz4, b"text", &mut standard);
        let mut old = Vec::new();
        compress_with(Compression::Lz4, Lz4Checksum::WithMagic, b"text", &mut old);
        // The header that kafka-python's lz4_encode_old_kafka writes for independent 64 KiB blocks.
        assert_eq!(old[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x1a]);
        assert_eq!(standard[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
        let mut out = Vec::new();
        for frame in [&standard, &old] {
            decompress_with(Compression::Lz4, Lz4Checksum::WithMagic, frame, LIMIT, &mut out).unwrap();
            assert_eq!(out, b"text");
        }
        assert_eq!(
            decompressed(Compression::Lz4, &old, LIMIT),
            Err(CompressionError::Corrupt(Compression::Lz4))
        );
    }
}
