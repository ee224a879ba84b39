//! Many threads on one log of the real file system: appends, reads, syncs, retention and compaction at once.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use common::*;
use protocol::records::Batches;
use protocol::types::{Epoch, Offset, TimestampMs};
use storage::{AppendOptions, CleanupPolicy, Env, LogConfig, PartitionLog, ReadError, Store, StoreConfig};

const WORK: Duration = Duration::from_millis(700);

/// Appends until told to stop; each record says its offset, as far as one appender at a time can know it.
fn appender(log: &PartitionLog, id: usize, stop: &AtomicBool) -> i64 {
    let mut appended = 0;
    while !stop.load(Ordering::Relaxed) {
        let value = "x".repeat(20 + (appended as usize * 37 + id) % 300);
        let batches = keyed(&format!("key {}", appended % 50), Some(&value));
        let done = log.append(&batches, Epoch(0), &AppendOptions::client(NOW)).unwrap();
        assert_eq!(done.base_offset, done.last_offset);
        appended += 1;
    }
    appended
}

/// Reads from the start to the end, over and over; offsets must rise and checksums be right.
fn reader(log: &PartitionLog, dense: bool, stop: &AtomicBool) -> usize {
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut from = log.marks().start();
        let end = log.marks().high();
        while from < end {
            let read = match log.read(from, 10_000, true, end) {
                Ok(read) => read,
                // Retention has overtaken us.
                Err(ReadError::OutOfRange { start, .. }) if start > from => {
                    from = start;
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            let mut next = from;
            for batch in Batches::new(&read.records) {
                let batch = batch.unwrap();
                batch.verify_crc().unwrap();
                assert!(batch.base_offset() >= next && batch.last_offset() < end);
                assert!(!dense || batch.base_offset() == next, "{} after {next}", batch.base_offset());
                next = batch.next_offset();
            }
            assert!(read.next_offset > from && read.next_offset >= next);
            from = read.next_offset;
        }
        rounds += 1;
    }
    rounds
}

fn work(policy: CleanupPolicy, dense: bool) {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig {
        segment_bytes: 20_000,
        cleanup_policy: policy,
        min_cleanable_dirty_ratio: 0.2,
        retention_bytes: if policy.delete { 200_000 } else { -1 },
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    };
    let store_config = StoreConfig { defaults: config.clone(), ..StoreConfig::default() };
    let (store, _) = Store::open(dir.path(), store_config.clone(), Env::real()).unwrap();
    let log = create(&store, &config);
    let stop = AtomicBool::new(false);
    let synced = AtomicI64::new(0);
    let (appended, rounds) = std::thread::scope(|scope| {
        let appenders: Vec<_> = (0..2)
            .map(|id| {
                scope.spawn({
                    let (log, stop) = (&log, &stop);
                    move || appender(log, id, stop)
                })
            })
            .collect();
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| reader(&log, dense, &stop))).collect();
        let upkeep = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(store.maintain(TimestampMs(NOW.0 + 1)).failed, []);
                store.flush_checkpoints().unwrap();
            }
        });
        let sync = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let end = log.marks().end();
                let covered = log.sync().unwrap();
                assert!(covered >= end && log.synced() >= covered);
                synced.fetch_max(covered.0, Ordering::Relaxed);
            }
        });
        let start = Instant::now();
        while start.elapsed() < WORK {
            std::thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Ordering::Relaxed);
        upkeep.join().unwrap();
        sync.join().unwrap();
        let appended: i64 = appenders.into_iter().map(|thread| thread.join().unwrap()).sum();
        let rounds: usize = readers.into_iter().map(|thread| thread.join().unwrap()).sum();
        (appended, rounds)
    });
    assert_eq!(log.marks().end(), Offset(appended));
    assert!(rounds > 0 && synced.load(Ordering::Relaxed) > 0);
    let before = values(&log);
    // Killed: the files are what they are.
    drop((store, log));
    let (store, _) = Store::open(dir.path(), store_config, Env::real()).unwrap();
    let log = log_of(&store);
    assert_eq!(log.marks().end(), Offset(appended));
    assert_eq!(values(&log).last(), before.last());
}

#[test]
fn with_retention() {
    work(CleanupPolicy::DELETE, true);
}

#[test]
fn with_compaction() {
    work(CleanupPolicy::COMPACT, false);
}

#[test]
fn with_both() {
    work(CleanupPolicy::COMPACT_DELETE, false);
}

#[test]
fn readers_keep_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        LogConfig { segment_bytes: 4_000, retention_ms: 0, file_delete_delay_ms: 0, ..LogConfig::default() };
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    fill(&log, 200);
    let mut held = Vec::new();
    let mut from = Offset(0);
    while from < log.marks().high() {
        let read = log.read(from, 1_000, true, log.marks().high()).unwrap();
        from = read.next_offset;
        held.push(read);
    }
    store.maintain(TimestampMs(NOW.0 + 1_000_000));
    store.maintain(TimestampMs(i64::MAX));
    assert_eq!(log.marks().start(), Offset(200), "everything is gone");
    for read in &held {
        Batches::new(&read.records).for_each(|batch| batch.unwrap().verify_crc().unwrap());
    }
}
