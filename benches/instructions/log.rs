//! A log on the real disk, in the directory for temporary files.

use std::hint::black_box;
use std::sync::Arc;

use protocol::records::{BatchBuilder, Compression};
use protocol::types::{Epoch, Offset, PartitionIndex, TimestampMs, TopicId};
use storage::env::{RealDisk, SeededRandom};
use storage::{AppendOptions, Env, LogConfig, ManualClock, PartitionLog, Store, StoreConfig};

use crate::codec::{TIME, batch};
use crate::{Prepared, Random};

/// Records of a batch of 16 KB that is appended.
const RECORDS: u64 = 145;
/// Batches of a log that is read, and records in each, of 1 KB: what they hold does not matter there.
const BATCHES: u64 = 512;
const RECORDS_READ: u64 = 16;
/// 15 batches.
const SEGMENT_BYTES: u64 = 256 << 10;
/// How much later each batch of a log that is read begins.
const BATCH_MS: i64 = 1_000;

/// A log, and what must live as long.
struct Site {
    log: Arc<PartitionLog>,
    _store: Store,
    _dir: tempfile::TempDir,
}

impl Site {
    fn new(segment_bytes: u64) -> Self {
        let dir = tempfile::tempdir().expect("there is room for temporary files");
        let env = Env {
            disk: Arc::new(RealDisk),
            clock: Arc::new(ManualClock::new(TIME)),
            random: Arc::new(SeededRandom::new(1)),
        };
        let config = StoreConfig { recovery_threads: 1, ..StoreConfig::default() };
        let (store, _) = Store::open(dir.path(), config, env).expect("the directory is empty");
        let config = LogConfig { segment_bytes, ..LogConfig::default() };
        let log = store.create_log("events", PartitionIndex(0), TopicId([1; 16]), config);
        Self { log: log.expect("the directory is empty"), _store: store, _dir: dir }
    }

    fn filled() -> Self {
        let site = Self::new(SEGMENT_BYTES);
        let value = [b'x'; 1_000];
        for n in 0..BATCHES as i64 {
            let mut builder = BatchBuilder::new();
            for i in 0..RECORDS_READ as i64 {
                builder.append(TimestampMs(TIME.0 + n * BATCH_MS + i), None, Some(&value), &[]);
            }
            site.append(&builder.build());
        }
        site
    }

    fn append(&self, batch: &[u8]) {
        let appended = self.log.append(batch, Epoch(0), &AppendOptions::client(TIME));
        appended.expect("there is room for temporary files");
    }

    /// Reads from an offset; returns how many bytes, and where to read on.
    fn read(&self, from: Offset, bytes_max: usize) -> (usize, Offset) {
        let read =
            self.log.read(from, bytes_max, true, self.log.marks().high()).expect("the offset is there");
        (read.records.len(), read.next_offset)
    }

    fn offset_at(&self, time: TimestampMs) -> Option<Offset> {
        let found = self.log.offset_for_timestamp(time).expect("the log is whole");
        found.map(|(offset, _)| offset)
    }
}

fn appending(codec: Compression) -> Prepared {
    let site = Site::new(1 << 30);
    let batch = batch(RECORDS, codec);
    Box::new(move |_| site.append(black_box(&batch)))
}

/// Checksum, every record looked at, header patched, written.
pub(crate) fn append() -> Prepared {
    appending(Compression::None)
}

/// The same of a batch that is 16 KB only once it is unpacked.
pub(crate) fn append_lz4() -> Prepared {
    appending(Compression::Lz4)
}

/// One batch from anywhere in 35 segments.
pub(crate) fn look_up_offset() -> Prepared {
    let site = Site::filled();
    let mut random = Random(2);
    Box::new(move |_| {
        let from = Offset((random.next() % (BATCHES * RECORDS_READ)) as i64);
        black_box(site.read(from, 1));
    })
}

/// The offset of a time anywhere in 35 segments.
pub(crate) fn look_up_time() -> Prepared {
    let site = Site::filled();
    let mut random = Random(3);
    Box::new(move |_| {
        let time = TimestampMs(TIME.0 + (random.next() % (BATCHES * BATCH_MS as u64)) as i64);
        black_box(site.offset_at(time));
    })
}

/// Up to 1 MB, a segment at most, one read after the other.
pub(crate) fn fetch() -> Prepared {
    let site = Site::filled();
    let mut next = Offset(0);
    Box::new(move |_| {
        let (bytes, behind) = site.read(next, 1 << 20);
        next = if bytes == 0 { Offset(0) } else { behind };
    })
}
