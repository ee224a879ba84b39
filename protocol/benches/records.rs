//! What does a record cost to read, to write and to convert?
//!
//! Batches of 1000 records, each a value of 100 bytes of JSON and a key of 8, are about what a busy producer
//! sends. A broker only checks a batch's checksum; it walks records where a topic is compacted, for the
//! recommender, and to convert for old clients. `kafka_protocol` is the yardstick: the crate's own decoder.
//!
//! Figures in the project's notes are from a shared two-core x86-64 machine with AVX-512.
//!
//! ```text
//! cargo bench -p kindred-protocol --bench records              # all
//! cargo bench -p kindred-protocol --bench records -- walk      # by name
//! perf record target/release/deps/records-* --bench walk       # where the time goes
//! ```

use bytes::Bytes;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use kafka_protocol::records::RecordBatchDecoder;
use protocol::records::convert::{Magic, down_convert, up_convert};
use protocol::records::{Batch, BatchBuilder, Compression, compression};
use protocol::types::{Offset, TimestampMs};

const RECORDS: usize = 1000;
const LIMIT_BYTES: usize = 16 << 20;
const OLD_CODECS: [Compression; 4] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4];

fn main() {
    divan::main();
}

/// A value as a clickstream has it: the same field names, other numbers.
fn value(i: usize) -> Vec<u8> {
    let mut json = format!(
        r#"{{"user_id":{},"item_id":{},"action":"view","ts":17{:08},"session":"{:016x}"}}"#,
        i * 7919 % 5000,
        i * 104_729 % 20_000,
        i * 37,
        (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    );
    json.extend(std::iter::repeat_n(' ', 100usize.saturating_sub(json.len())));
    json.into_bytes()
}

fn values() -> Vec<Vec<u8>> {
    (0..RECORDS).map(value).collect()
}

fn build(values: &[Vec<u8>], codec: Compression, headers: &[(&[u8], Option<&[u8]>)]) -> Vec<u8> {
    let mut batch = BatchBuilder::new().compression(codec);
    for (i, value) in values.iter().enumerate() {
        let time = TimestampMs(1_700_000_000_000 + i as i64);
        batch.append(time, Some(&(i as u64).to_be_bytes()), Some(value), headers);
    }
    batch.build()
}

fn batch(codec: Compression) -> Vec<u8> {
    build(&values(), codec, &[])
}

/// Walks the records and sums what keeps the walk from being optimised away.
fn walk(bytes: &[u8], scratch: &mut Vec<u8>) -> usize {
    let (batch, _) = Batch::parse(bytes).expect("it was built above");
    let records = batch.decompressed(LIMIT_BYTES, scratch).expect("it was built above");
    records
        .flatten()
        .map(|r| r.key.map_or(0, <[u8]>::len) + r.value.map_or(0, <[u8]>::len) + r.headers().len())
        .sum()
}

#[divan::bench(args = Compression::ALL)]
fn walk_records(bencher: Bencher, codec: Compression) {
    let bytes = batch(codec);
    let mut scratch = Vec::new();
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| walk(black_box(&bytes), &mut scratch));
}

#[divan::bench]
fn walk_records_with_three_headers(bencher: Bencher) {
    let headers = [(&b"trace-id"[..], Some(&[7; 16][..])), (b"source", Some(b"web")), (b"empty", None)];
    let bytes = build(&values(), Compression::None, &headers);
    let mut scratch = Vec::new();
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| walk(black_box(&bytes), &mut scratch));
}

#[divan::bench(args = Compression::ALL)]
fn walk_records_kafka_protocol(bencher: Bencher, codec: Compression) {
    let bytes = Bytes::from(batch(codec));
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench(|| RecordBatchDecoder::decode(&mut black_box(&bytes).clone()).map(|set| set.records.len()));
}

#[divan::bench(args = [1, 10, 100, 1000])]
fn verify_crc_of_kilobytes(bencher: Bencher, kilobytes: usize) {
    let mut builder = BatchBuilder::new();
    builder.append(TimestampMs(0), None, Some(&vec![7; kilobytes << 10]), &[]);
    let bytes = builder.build();
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        let (batch, _) = Batch::parse(black_box(&bytes)).expect("it was built above");
        batch.validate().and_then(|()| batch.verify_crc())
    });
}

#[divan::bench(args = Compression::ALL)]
fn build_records(bencher: Bencher, codec: Compression) {
    let values = values();
    bencher.counter(ItemsCount::new(RECORDS)).bench(|| build(black_box(&values), codec, &[]));
}

#[divan::bench(args = Compression::ALL)]
fn decompress(bencher: Bencher, codec: Compression) {
    let plain = values().concat();
    let mut compressed = Vec::new();
    compression::compress(codec, &plain, &mut compressed);
    let mut out = Vec::new();
    bencher.counter(BytesCount::new(plain.len())).bench_local(|| {
        compression::decompress(codec, black_box(&compressed), LIMIT_BYTES, &mut out).map(|()| out.len())
    });
}

#[divan::bench(args = OLD_CODECS)]
fn up_convert_magic_1(bencher: Bencher, codec: Compression) {
    let set = down_convert(&batch(codec), Magic::V1, Offset(0), LIMIT_BYTES).expect("it was built above");
    bencher.counter(ItemsCount::new(RECORDS)).bench(|| up_convert(black_box(&set)));
}

#[divan::bench(args = OLD_CODECS)]
fn down_convert_to_magic_0(bencher: Bencher, codec: Compression) {
    let bytes = batch(codec);
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench(|| down_convert(black_box(&bytes), Magic::V0, Offset(0), LIMIT_BYTES));
}
