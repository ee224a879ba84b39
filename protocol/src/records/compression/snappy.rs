//! Snappy as snappy-java frames it.
//!
//! ```text
//! header  82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | version i32 = 1 | compatible version i32 = 1
//! chunk   size i32 | one raw snappy block                                             (repeated)
//! ```
//! Streams may follow each other, header and all. Other clients send one raw block without a frame.
//!
//! # Source
//! `SnappyOutputStream` and `SnappyInputStream` of snappy-java, which Apache Kafka uses.

use super::{Compression, CompressionError};

const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// Of the header, what tells a framed stream from a raw block.
const MAGIC: &[u8] = HEADER.split_at(8).0;
const SIZE_BYTES: usize = 4;
/// snappy-java's chunks hold this much, uncompressed.
const CHUNK_BYTES: usize = 32 * 1024;
/// A block's element is at least one byte and copies at most this many.
const EXPANSION_MAX: usize = 64;

const CORRUPT: CompressionError = CompressionError::Corrupt(Compression::Snappy);

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) {
    let mut encoder = snap::raw::Encoder::new();
    out.extend_from_slice(&HEADER);
    for chunk in input.chunks(CHUNK_BYTES) {
        let size_at = out.len();
        let block_at = size_at + SIZE_BYTES;
        out.resize(block_at + snap::raw::max_compress_len(chunk.len()), 0);
        let size = encoder
            .compress(chunk, &mut out[block_at..])
            .expect("the buffer is as large as the codec asks for");
        out.truncate(block_at + size);
        out[size_at..block_at].copy_from_slice(&(size as i32).to_be_bytes());
    }
}

pub(super) fn decompress(
    input: &[u8],
    limit_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    if !input.starts_with(MAGIC) {
        return decompress_block(input, limit_bytes, out);
    }
    let mut rest = input;
    while !rest.is_empty() {
        if rest.starts_with(MAGIC) {
            rest = rest.get(HEADER.len()..).ok_or(CORRUPT)?;
            continue;
        }
        let (size, after) = rest.split_first_chunk::<SIZE_BYTES>().ok_or(CORRUPT)?;
        let size = usize::try_from(i32::from_be_bytes(*size)).map_err(|_| CORRUPT)?;
        let (block, after) = after.split_at_checked(size).ok_or(CORRUPT)?;
        decompress_block(block, limit_bytes, out)?;
        rest = after;
    }
    Ok(())
}

/// Appends what the raw `block` holds to `out`, which may grow to `limit_bytes`.
fn decompress_block(block: &[u8], limit_bytes: usize, out: &mut Vec<u8>) -> Result<(), CompressionError> {
    let size = snap::raw::decompress_len(block).map_err(|_| CORRUPT)?;
    if size / EXPANSION_MAX > block.len() {
        return Err(CORRUPT);
    }
    let start = out.len();
    if size > limit_bytes - start {
        return Err(CompressionError::TooLarge { codec: Compression::Snappy, limit_bytes });
    }
    out.resize(start + size, 0);
    let written = snap::raw::Decoder::new().decompress(block, &mut out[start..]).map_err(|_| CORRUPT)?;
    if written == size { Ok(()) } else { Err(CORRUPT) }
}
