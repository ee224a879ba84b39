//! What does a log cost over the system calls it makes?
//!
//! Questions: how fast is an append against a bare `pwritev` of the same bytes, and against a copy into a map; how fast
//! is a read against a copy of the same bytes; what does it take to find an offset or a time; what does a group commit
//! add to a bare `fdatasync`.
//!
//! `cargo bench -p kindred-storage --bench log` runs all, with a word behind `--` those whose name has it. The
//! directory is `TMPDIR`: name one on the disk to be measured. For a profile: `perf record` the binary that
//! `cargo bench --no-run` prints, with `--bench NAME`.

#![expect(clippy::unwrap_used, reason = "a failed call is a failed measurement")]

use std::fs::File;
use std::io::{IoSlice, Write};
use std::sync::Arc;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use protocol::records::{BatchBuilder, Compression};
use protocol::types::{Epoch, Offset, PartitionIndex, TimestampMs, TopicId};
use storage::{AppendOptions, CleanupPolicy, Env, LogConfig, PartitionLog, Store, StoreConfig};

const NOW: TimestampMs = TimestampMs(1_700_000_000_000);

fn main() {
    divan::main();
}

/// A store in a directory that goes when it does, and an empty log.
struct Fixture {
    log: Arc<PartitionLog>,
    store: Store,
    _dir: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { segment_bytes: 256 << 20, retention_bytes: 512 << 20, ..LogConfig::default() };
    let (store, _) = Store::open(dir.path(), StoreConfig::default(), Env::real()).unwrap();
    let log = store.create_log("bench", PartitionIndex(0), TopicId([1; 16]), config).unwrap();
    Fixture { log, store, _dir: dir }
}

/// One batch of records of 1 KB.
fn batch(records: usize) -> Vec<u8> {
    let value = vec![b'x'; 1_000];
    let mut builder = BatchBuilder::new();
    for _ in 0..records {
        builder.append(NOW, None, Some(&value), &[]);
    }
    builder.build()
}

fn append(log: &PartitionLog, batch: &[u8]) {
    log.append(batch, Epoch(0), &AppendOptions::client(NOW)).unwrap();
}

/// Appends, dropping old segments outside the measurement so that the disk does not fill.
#[divan::bench(args = [1, 16, 64, 1000])]
fn append_1kb_records(bencher: Bencher<'_, '_>, records: usize) {
    let fixture = fixture();
    let batch = batch(records);
    let mut written = 0;
    bencher.counter(BytesCount::new(batch.len())).bench_local(|| {
        append(&fixture.log, &batch);
        written += batch.len();
        if written > 1 << 30 {
            fixture.store.maintain(NOW);
            written = 0;
        }
    });
}

/// What a producer sends: 16 KB of records, as they are or compressed.
#[derive(Clone, Copy)]
struct Sent {
    record_bytes: usize,
    codec: Compression,
}

impl std::fmt::Display for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} B {}", self.record_bytes, self.codec)
    }
}

const SENT: [Sent; 10] = {
    let mut sent = [Sent { record_bytes: 100, codec: Compression::None }; 10];
    let mut i = 0;
    while i < 10 {
        sent[i] = Sent { record_bytes: if i < 5 { 100 } else { 1_000 }, codec: Compression::ALL[i % 5] };
        i += 1;
    }
    sent
};

/// Appends 16 KB (before compression) of records that look like events; every record is walked at the door.
#[divan::bench(args = SENT)]
fn append_16kb_of(bencher: Bencher<'_, '_>, sent: Sent) {
    let fixture = fixture();
    let records = 16_000 / sent.record_bytes;
    let mut builder = BatchBuilder::new().compression(sent.codec);
    for i in 0..records as u64 {
        let number = i.wrapping_mul(6_364_136_223_846_793_005);
        let mut value =
            format!("{{\"user\":{},\"item\":\"{number:016x}\",\"event\":\"view\",\"at\":", i % 977);
        while value.len() < sent.record_bytes - 12 {
            value.push_str(&format!("{:08x},", number.rotate_left(value.len() as u32) >> 40));
        }
        value.truncate(sent.record_bytes - 12);
        builder.append(NOW, Some(&i.to_be_bytes()[4..]), Some(value.as_bytes()), &[]);
    }
    let batch = builder.build();
    let mut written = 0;
    bencher.counter(BytesCount::new(16_000_usize)).counter(ItemsCount::new(records)).bench_local(|| {
        append(&fixture.log, &batch);
        written += batch.len();
        if written > 1 << 30 {
            fixture.store.maintain(NOW);
            written = 0;
        }
    });
}

/// The same bytes by the bare system call.
#[divan::bench(args = [1, 16, 64, 1000])]
fn raw_pwritev(bencher: Bencher<'_, '_>, records: usize) {
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(dir.path().join("raw")).unwrap();
    let batch = batch(records);
    let mut position = 0;
    bencher.counter(BytesCount::new(batch.len())).bench_local(|| {
        let parts = [IoSlice::new(&batch[..61]), IoSlice::new(&batch[61..])];
        position += rustix::io::pwritev(&file, &parts, position).unwrap() as u64;
        if position > 1 << 30 {
            position = 0;
        }
    });
}

/// A checksum and a copy in memory: what no append can be faster than.
#[divan::bench(args = [1, 16, 64, 1000])]
fn raw_crc_and_copy(bencher: Bencher<'_, '_>, records: usize) {
    let batch = batch(records);
    let mut target = vec![0; batch.len()];
    bencher.counter(BytesCount::new(batch.len())).bench_local(|| {
        target.copy_from_slice(&batch);
        crc_fast::crc32_iscsi(&target)
    });
}

/// Reads 1 MB at a time through 256 MB of log.
#[divan::bench(args = [1, 16, 1000])]
fn read_1mb(bencher: Bencher<'_, '_>, records: usize) {
    let fixture = fixture();
    let batch = batch(records);
    for _ in 0..(256 << 20) / batch.len() {
        append(&fixture.log, &batch);
    }
    let mut from = Offset(0);
    bencher.counter(BytesCount::new(1_usize << 20)).bench_local(|| {
        let read = fixture.log.read(from, 1 << 20, true, fixture.log.marks().high()).unwrap();
        from = if read.records.is_empty() { Offset(0) } else { read.next_offset };
        read.records.len()
    });
}

/// Reads the batch that was just appended: what a waiting consumer costs.
#[divan::bench]
fn append_then_read_tail(bencher: Bencher<'_, '_>) {
    let fixture = fixture();
    let batch = batch(1);
    bencher.bench_local(|| {
        let from = fixture.log.marks().end();
        append(&fixture.log, &batch);
        fixture.log.read(from, 1 << 20, true, fixture.log.marks().high()).unwrap().records.len()
    });
}

/// Batches of a log in which something is looked for, and how much later each begins.
const LOOKED_IN: i64 = 4_000;
const BATCH_MS: i64 = 500;
const RECORDS_PER_BATCH: i64 = 16;

/// A log of 64 MB in batches of 16 KB, half a second apart, in segments of so many bytes.
fn to_look_in(segment_bytes: u64) -> Fixture {
    let fixture = fixture();
    fixture.log.set_config(LogConfig { segment_bytes, ..LogConfig::default() });
    let value = vec![b'x'; 1_000];
    for n in 0..LOOKED_IN {
        let mut builder = BatchBuilder::new();
        for i in 0..RECORDS_PER_BATCH {
            builder.append(TimestampMs(NOW.0 + n * BATCH_MS + i), None, Some(&value), &[]);
        }
        append(&fixture.log, &builder.build());
    }
    fixture
}

/// Numbers below `n` from a fixed seed.
fn anywhere(n: i64) -> impl FnMut() -> i64 {
    let mut state = 1_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((state >> 33) % n as u64) as i64
    }
}

/// Reads one batch at any offset, of one segment and of 256.
#[divan::bench(args = [1 << 30, 256 << 10])]
fn look_up_offset_segments_of(bencher: Bencher<'_, '_>, segment_bytes: u64) {
    let fixture = to_look_in(segment_bytes);
    let mut offset = anywhere(LOOKED_IN * RECORDS_PER_BATCH);
    let high = fixture.log.marks().high();
    bencher.bench_local(|| fixture.log.read(Offset(offset()), 1, true, high).unwrap().next_offset);
}

/// Finds the first record as young as any time: what ListOffsets asks.
#[divan::bench(args = [1 << 30, 256 << 10])]
fn look_up_time_segments_of(bencher: Bencher<'_, '_>, segment_bytes: u64) {
    let fixture = to_look_in(segment_bytes);
    let mut time = anywhere(LOOKED_IN * BATCH_MS);
    bencher.bench_local(|| fixture.log.offset_for_timestamp(TimestampMs(NOW.0 + time())).unwrap());
}

/// Finds the youngest record: ListOffsets with -3.
#[divan::bench(args = [1 << 30, 256 << 10])]
fn look_up_youngest_segments_of(bencher: Bencher<'_, '_>, segment_bytes: u64) {
    let fixture = to_look_in(segment_bytes);
    bencher.bench_local(|| fixture.log.max_timestamp().unwrap());
}

/// One batch, then a group commit of the log.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn append_and_sync(bencher: Bencher<'_, '_>) {
    let fixture = fixture();
    let batch = batch(16);
    bencher.bench_local(|| {
        append(&fixture.log, &batch);
        fixture.log.sync().unwrap()
    });
}

/// The same bytes and a bare `fdatasync`.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn raw_write_and_fdatasync(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().unwrap();
    let mut file = File::create(dir.path().join("raw")).unwrap();
    let batch = batch(16);
    bencher.bench_local(|| {
        file.write_all(&batch).unwrap();
        file.sync_data().unwrap();
    });
}

/// Opens a directory of 1,000 partitions with two segments each, closed cleanly.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn open_1000_partitions(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { segment_bytes: 64 << 10, ..LogConfig::default() };
    {
        let (store, _) = Store::open(dir.path(), StoreConfig::default(), Env::real()).unwrap();
        let partitions: Vec<_> = (0..1_000).map(PartitionIndex).collect();
        let logs = store.create_logs("many", &partitions, TopicId([1; 16]), &config).unwrap();
        let batch = batch(16);
        for log in logs {
            for _ in 0..6 {
                append(&log, &batch);
            }
        }
        store.close().unwrap();
    }
    bencher.bench_local(|| {
        let (store, reports) = Store::open(dir.path(), StoreConfig::default(), Env::real()).unwrap();
        assert!(reports.iter().all(|report| report.clean));
        std::fs::write(dir.path().join(".kafka_cleanshutdown"), b"{}").unwrap();
        store.logs().len()
    });
}

/// Compacts 64 MB of records of 1 KB with 10,000 keys, none of them compacted before.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn compact_64mb(bencher: Bencher<'_, '_>) {
    let config = LogConfig {
        cleanup_policy: CleanupPolicy::COMPACT,
        segment_bytes: 16 << 20,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    };
    let value = vec![b'x'; 1_000];
    bencher
        .counter(BytesCount::new(64_usize << 20))
        .with_inputs(|| {
            let fixture = fixture();
            fixture.log.set_config(config.clone());
            for i in 0..4_200_usize {
                let mut builder = BatchBuilder::new();
                for j in 0..16 {
                    let key = ((i * 16 + j) * 7919 % 10_000).to_string();
                    builder.append(NOW, Some(key.as_bytes()), Some(&value), &[]);
                }
                append(&fixture.log, &builder.build());
            }
            fixture.log.sync().unwrap();
            fixture
        })
        .bench_local_refs(|fixture| fixture.store.maintain(NOW).bytes_compacted);
}

/// Opens a log of 64 MB in batches of 16 KB after a crash without any checkpoint: every checksum is looked at.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn recover_64mb(bencher: Bencher<'_, '_>) {
    let fixture = fixture();
    let batch = batch(16);
    for _ in 0..(64 << 20) / batch.len() {
        append(&fixture.log, &batch);
    }
    fixture.log.sync().unwrap();
    let Fixture { log, store, _dir: dir } = fixture;
    drop((log, store));
    bencher.counter(BytesCount::new(64_usize << 20)).bench_local(|| {
        let checkpoint = dir.path().join("recovery-point-offset-checkpoint");
        let _ = std::fs::remove_file(checkpoint);
        let (store, reports) = Store::open(dir.path(), StoreConfig::default(), Env::real()).unwrap();
        assert!(!reports[0].clean && reports[0].bytes_scanned > 60 << 20);
        store.logs().len()
    });
}
