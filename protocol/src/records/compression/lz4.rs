//! LZ4 frames, and the wrong header checksum that Kafka had before 0.10.
//!
//! ```text
//! magic 04 22 4d 18 | FLG | BD | content size u64, if FLG says so | HC | blocks … | end mark
//! ```
//! HC is the second byte of the xxHash32 of FLG up to HC. Kafka's first code hashed the magic too.
//!
//! # Source
//! LZ4 frame format 1.6; KAFKA-3160; `Lz4BlockOutputStream` in Apache Kafka.

use std::io::{Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use twox_hash::XxHash32;

use super::{Compression, CompressionError, read_bounded};

const MAGIC_SIZE: usize = 4;
/// FLG's bit for a content size in the header.
const HAS_CONTENT_SIZE: u8 = 1 << 3;
/// FLG's bit for a dictionary id in the header.
const HAS_DICTIONARY: u8 = 1;
/// Magic, FLG, BD, content size, dictionary id, HC.
const HEADER_SIZE_MAX: usize = 4 + 1 + 1 + 8 + 4 + 1;

const CORRUPT: CompressionError = CompressionError::Corrupt(Compression::Lz4);

/// What a frame's header checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::records) enum Lz4Checksum {
    /// The descriptor, as the format says: magic 1 and 2.
    Standard,
    /// The frame's magic too: magic 0. Readers let either pass, as Kafka does.
    WithMagic,
}

pub(super) fn compress(checksum: Lz4Checksum, input: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    // Java's reader knows no blocks that depend on each other.
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, &mut *out);
    encoder.write_all(input).expect("writing to a Vec does not fail");
    encoder.try_finish().expect("writing to a Vec does not fail");
    drop(encoder);
    if checksum == Lz4Checksum::WithMagic {
        let frame = &mut out[start..];
        if let Some(at) = checksum_at(frame) {
            frame[at] = hash_byte(&frame[..at]);
        }
    }
}

pub(super) fn decompress(
    checksum: Lz4Checksum,
    input: &[u8],
    limit_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    match checksum {
        Lz4Checksum::Standard => read_bounded(Compression::Lz4, FrameDecoder::new(input), limit_bytes, out),
        Lz4Checksum::WithMagic => {
            let at = checksum_at(input).ok_or(CORRUPT)?;
            let mut header = [0; HEADER_SIZE_MAX];
            header[..at].copy_from_slice(&input[..at]);
            header[at] = hash_byte(&input[MAGIC_SIZE..at]);
            let mended = header[..=at].chain(&input[at + 1..]);
            read_bounded(Compression::Lz4, FrameDecoder::new(mended), limit_bytes, out)
        }
    }
}

/// Where the header checksum of `frame` lies, if the frame reaches that far.
fn checksum_at(frame: &[u8]) -> Option<usize> {
    let flags = *frame.get(MAGIC_SIZE)?;
    let content_size = if flags & HAS_CONTENT_SIZE != 0 { 8 } else { 0 };
    let dictionary = if flags & HAS_DICTIONARY != 0 { 4 } else { 0 };
    let at = MAGIC_SIZE + 2 + content_size + dictionary;
    (at < frame.len()).then_some(at)
}

fn hash_byte(bytes: &[u8]) -> u8 {
    (XxHash32::oneshot(0, bytes) >> 8) as u8
}
