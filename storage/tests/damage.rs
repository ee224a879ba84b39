//! Every kind of file cut short at every byte near its end, with flipped bits, with zeroed pages, and missing.
//!
//! Whatever was done to it, the directory opens (a damaged `meta.properties` apart, which is refused with its reason);
//! what a read returns is what was written there, with a right checksum; what stands before the damage is served; and the
//! report says what was found.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::*;
use protocol::records::Batches;
use protocol::types::{Epoch, Offset, TimestampMs};
use storage::env::MemoryDisk;
use storage::{AppendOptions, Env, LogConfig, PartitionLog, ReadError, RecoveryReport, Store, StoreError};

const DIR: &str = "/data";

fn config() -> LogConfig {
    LogConfig { segment_bytes: 1500, index_interval_bytes: 150, ..LogConfig::default() }
}

/// The bytes of each batch at its base offset.
type Original = BTreeMap<i64, Vec<u8>>;

/// A directory with several segments and one file of each kind; closed, or abandoned after a checkpoint and more work.
fn original(clean: bool) -> (MemoryDisk, Original) {
    let (env, disk, _) = Env::simulated(1, NOW);
    env.disk.create_dir_all(Path::new(DIR)).unwrap();
    let (store, _) = Store::open(Path::new(DIR), store_config(&config()), env).unwrap();
    let log = create(&store, &config());
    for i in 0..40_i32 {
        if i == 30 {
            store.flush_checkpoints().unwrap();
        }
        fill(&log, 1);
        append(&log, &idempotent(5, 0, i, 1)).unwrap();
        if i % 4 == 0 {
            append(&log, &transactional(6, 0, i / 4)).unwrap();
            let end = marker(6, 0, i % 8 == 0, 0);
            log.append(&end, Epoch(1), &AppendOptions::internal(NOW)).unwrap();
        }
    }
    let original = read_batches(&log);
    log.delete_records(Offset(3)).unwrap();
    if clean {
        store.close().unwrap();
    } else {
        log.sync().unwrap();
    }
    drop((store, log));
    disk.kill();
    (disk, original)
}

fn read_batches(log: &PartitionLog) -> Original {
    let mut batches = Original::new();
    let mut from = log.marks().start();
    while from < log.marks().high() {
        let read = log.read(from, 1, true, log.marks().high()).unwrap();
        for batch in Batches::new(&read.records) {
            let batch = batch.unwrap();
            batches.insert(batch.base_offset().0, batch.as_bytes().to_vec());
        }
        from = read.next_offset;
    }
    batches
}

fn reopen(disk: &MemoryDisk) -> Result<(Store, Vec<RecoveryReport>), StoreError> {
    let (env, _) = Env::on_disk(disk.copy(2), 2, NOW);
    Store::open(Path::new(DIR), store_config(&config()), env)
}

/// Reads everything that is served and compares it with what was written; returns the offsets that were not served.
fn check(log: &PartitionLog, original: &Original, what: &str) -> Vec<i64> {
    let marks = log.marks();
    let mut served = BTreeMap::new();
    let mut from = marks.start();
    while from < marks.high() {
        match log.read(from, 500, true, marks.high()) {
            Ok(read) => {
                for batch in Batches::new(&read.records) {
                    let batch = batch.unwrap_or_else(|error| panic!("{what}: {error}"));
                    batch.verify_crc().unwrap_or_else(|error| panic!("{what}: {error}"));
                    served.insert(batch.base_offset().0, batch.as_bytes().to_vec());
                }
                assert!(read.next_offset > from, "{what}: no progress at {from}");
                from = read.next_offset;
            }
            Err(ReadError::Damaged { .. }) => {
                from = original
                    .range(from.0 + 1..)
                    .next()
                    .map_or(marks.high(), |(next, _)| Offset(*next).min(marks.high()));
            }
            Err(error) => panic!("{what}: {error}"),
        }
    }
    for (offset, bytes) in &served {
        // Base offset and leader epoch are not under the checksum: Apache Kafka cannot notice their change either.
        let same = original.get(offset).is_some_and(|original| original[16..] == bytes[16..]);
        assert!(same || what.contains("bit"), "{what}: other bytes at {offset}");
    }
    log.offset_for_timestamp(TimestampMs(NOW.0 + 20)).ok();
    log.aborted_transactions(marks.start(), marks.end()).ok();
    original
        .keys()
        .copied()
        .filter(|offset| *offset >= marks.start().0 && !served.contains_key(offset))
        .collect()
}

/// What a damage may cost: nothing, if the file only helps to find things; else what lies behind it in that log file.
fn check_loss(path: &Path, position: usize, lost: &[i64], original: &Original, what: &str) {
    if path.extension().is_none_or(|extension| extension != "log") {
        let start_forgotten = path.ends_with("log-start-offset-checkpoint");
        assert!(lost.is_empty() || start_forgotten, "{what}: lost {lost:?}");
        return;
    }
    let base: i64 = path.file_stem().and_then(|stem| stem.to_str()).unwrap().parse().unwrap();
    let mut end = 0;
    for (offset, bytes) in original.range(base..) {
        end += bytes.len();
        if end > position {
            break;
        }
        assert!(!lost.contains(offset), "{what}: lost {offset}, which stands before the damage");
    }
}

fn files(disk: &MemoryDisk) -> Vec<(PathBuf, usize)> {
    disk.list().into_iter().filter(|(path, size)| *size > 0 && !path.ends_with(".lock")).collect()
}

fn try_damage(
    disk: &MemoryDisk,
    original: &Original,
    path: &Path,
    position: usize,
    what: &str,
    how: impl Fn(&mut Vec<u8>),
) {
    let copy = disk.copy(3);
    copy.damage(path, how).unwrap();
    let what = format!("{} {what} at {position}", path.display());
    match reopen(&copy) {
        Ok((store, _)) => {
            let log = log_of(&store);
            let lost = check(&log, original, &what);
            check_loss(path, position, &lost, original, &what);
            // And it goes on working.
            let mut builder = protocol::records::BatchBuilder::new();
            builder.append(NOW, None, Some(b"after"), &[]);
            append(&log, &builder.build()).unwrap_or_else(|error| panic!("{what}: {error}"));
            log.sync().unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        Err(error @ StoreError::Mismatch { .. }) => {
            assert!(path.ends_with("meta.properties"), "{what}: {error}");
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

#[test]
fn cut_short_at_every_byte_near_the_end() {
    for clean in [true, false] {
        let (disk, original) = original(clean);
        for (path, size) in files(&disk) {
            for len in size.saturating_sub(130)..size {
                try_damage(&disk, &original, &path, len, "cut", |bytes| bytes.truncate(len));
            }
        }
    }
}

#[test]
fn flipped_bits() {
    for clean in [true, false] {
        let (disk, original) = original(clean);
        for (path, size) in files(&disk) {
            let bits = size * 8;
            let step = (bits / 150).max(1) | 1;
            for bit in (0..bits).step_by(step) {
                try_damage(&disk, &original, &path, bit / 8, "bit flipped", |bytes| {
                    bytes[bit / 8] ^= 1 << (bit % 8)
                });
            }
        }
    }
}

#[test]
fn zeroed_sectors() {
    for clean in [true, false] {
        let (disk, original) = original(clean);
        for (path, size) in files(&disk) {
            for start in (0..size).step_by(512) {
                let zero = |bytes: &mut Vec<u8>| {
                    let end = (start + 512).min(bytes.len());
                    bytes[start..end].fill(0);
                };
                try_damage(&disk, &original, &path, start, "zeroed", zero);
            }
        }
    }
}

#[test]
fn empty_files_and_garbage_behind_the_end() {
    for clean in [true, false] {
        let (disk, original) = original(clean);
        for (path, size) in files(&disk) {
            try_damage(&disk, &original, &path, 0, "emptied", Vec::clear);
            for garbage in [vec![0; 700], vec![0xff; 61], b"garbage\n".to_vec()] {
                let append = |bytes: &mut Vec<u8>| bytes.extend_from_slice(&garbage);
                try_damage(&disk, &original, &path, size, "extended", append);
            }
        }
    }
}

#[test]
fn missing_files() {
    for clean in [true, false] {
        let (disk, original) = original(clean);
        for (path, _) in files(&disk) {
            if path.extension().is_some_and(|extension| extension == "log") {
                continue;
            }
            let copy = disk.copy(3);
            let (env, _) = Env::on_disk(copy.clone(), 3, NOW);
            env.disk.remove_file(&path).unwrap();
            let (store, _) = reopen(&copy).unwrap();
            let lost = check(&log_of(&store), &original, "missing");
            assert!(lost.is_empty(), "{} missing: lost {lost:?}", path.display());
        }
    }
}

#[test]
fn recovery_says_what_it_found() {
    let (disk, _) = original(false);
    let last_log = files(&disk)
        .into_iter()
        .map(|(path, _)| path)
        .rfind(|path| path.extension().is_some_and(|e| e == "log"))
        .unwrap();
    disk.damage(&last_log, |bytes| bytes.truncate(bytes.len() - 1)).unwrap();
    let (_store, reports) = reopen(&disk).unwrap();
    assert!(reports[0].bytes_cut_off > 0);
    let text = reports[0].to_string();
    assert!(text.contains("torn inside a batch") && text.contains(last_log.to_str().unwrap()), "{text}");
}

/// The verifier notices every cut and every flipped bit that it can: all but those in what no checksum covers.
#[test]
fn the_verifier_notices() {
    let (disk, _) = original(true);
    let dir = partition_dir(Path::new(DIR));
    let (env, _) = Env::on_disk(disk.clone(), 4, NOW);
    assert_eq!(storage::verify_partition(&*env.disk, &dir).unwrap(), []);
    for (path, size) in files(&disk).into_iter().filter(|(path, _)| path.starts_with(&dir)) {
        for bit in (0..size * 8).step_by(37) {
            let copy = disk.copy(5);
            copy.damage(&path, |bytes| bytes[bit / 8] ^= 1 << (bit % 8)).unwrap();
            let found = storage::verify_partition(&copy, &dir).unwrap();
            let extension = path.extension().and_then(|extension| extension.to_str());
            // Base offset and leader epoch of a batch, and the offsets in an entry of the aborted index.
            let uncovered = matches!(extension, Some("log" | "txnindex"))
                || path.ends_with("leader-epoch-checkpoint")
                || path.ends_with("partition.metadata");
            assert!(!found.is_empty() || uncovered, "{} bit {bit}", path.display());
        }
    }
}
