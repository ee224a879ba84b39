//! What hostile records cost in memory. One test, because the allocator counts for the whole process.

use peak_alloc::PeakAlloc;
use protocol::records::convert::{ConvertError, DECOMPRESSED_BYTES_MAX, Magic, up_convert};
use protocol::records::message_set::{MessageSetBuilder, Messages};
use protocol::records::{Batch, BatchBuilder, Compression};
use protocol::types::{Offset, TimestampMs};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const LIMIT_BYTES: usize = 1 << 20;
const BOMB_BYTES: usize = 100 << 20;

/// Bytes that `work` allocates at its worst, above what there was before.
fn peak_of(work: impl FnOnce()) -> usize {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    work();
    ALLOCATED.peak_usage().saturating_sub(before)
}

fn bomb(codec: Compression, bytes: usize) -> Vec<u8> {
    let mut batch = BatchBuilder::new().compression(codec);
    batch.append(TimestampMs(0), None, Some(&vec![0; bytes]), &[]);
    batch.build()
}

fn message_bomb(codec: Compression, bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut set = MessageSetBuilder::new(&mut out, Magic::V1, codec, None);
    set.append(Offset(0), TimestampMs(0), None, Some(&vec![0; bytes]));
    set.finish();
    out
}

/// A batch of one record whose count and header count claim what `i32` can.
fn boasting_counts() -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.append(TimestampMs(0), None, None, &[]);
    let mut bytes = builder.build();
    bytes[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    bytes
}

fn boasting_headers() -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    // A value whose bytes become the header count once the value's length says 0.
    builder.append(TimestampMs(0), None, Some(&[0xfe, 0xff, 0xff, 0xff, 0x0f]), &[]);
    let mut bytes = builder.build();
    let value_length_at = bytes.len() - 7;
    assert_eq!(bytes[value_length_at], 10);
    bytes[value_length_at] = 0;
    bytes
}

#[test]
fn bombs_and_boasts_cost_what_the_limit_allows() {
    let mut scratch = Vec::new();
    for codec in Compression::ALL {
        let bytes = bomb(codec, BOMB_BYTES);
        let (batch, _) = Batch::parse(&bytes).unwrap();
        let peak = peak_of(|| {
            let read = batch.decompressed(LIMIT_BYTES, &mut scratch);
            assert_eq!(read.is_err(), codec != Compression::None, "{codec}");
        });
        // lz4 holds a block, zlib and zstd their tables.
        assert!(peak <= 8 * LIMIT_BYTES, "{codec} took {peak} bytes");
        scratch = Vec::new();
    }
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        let bytes = message_bomb(codec, BOMB_BYTES);
        let message = Messages::new(&bytes).next().unwrap().unwrap();
        let peak = peak_of(|| assert!(message.inner(LIMIT_BYTES, &mut scratch).is_err()));
        assert!(peak <= 8 * LIMIT_BYTES, "{codec} took {peak} bytes");
        scratch = Vec::new();
    }
    for bytes in [boasting_counts(), boasting_headers()] {
        let (batch, _) = Batch::parse(&bytes).unwrap();
        let peak = peak_of(|| {
            assert!(batch.records().next().unwrap().is_err());
            assert!(batch.check_records(LIMIT_BYTES, &mut scratch).is_err());
        });
        assert!(peak < 1000, "a count took {peak} bytes");
    }
    let bytes = message_bomb(Compression::Gzip, DECOMPRESSED_BYTES_MAX);
    let peak = peak_of(|| assert!(matches!(up_convert(&bytes), Err(ConvertError::Corrupt(_)))));
    // Room grows by a copy into room twice as large; beside it a thread keeps a little.
    assert!(peak <= 2 * DECOMPRESSED_BYTES_MAX + 8 * LIMIT_BYTES, "a conversion took {peak} bytes");
}
