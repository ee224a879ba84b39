//! How long does a start take with 1,000 partitions that hold 50 GB, after a clean shutdown and after a kill?
//!
//! One partition of five sealed segments of 10 MB is written. The others are directories with hard links to its sealed
//! `.log` files, which a start may not change, and with indexes, snapshots and an active segment of their own, so that
//! the disk holds under a gigabyte. Bytes read are those that this process asked the system for (`rchar`). Where that
//! is allowed (root), the page cache is dropped before every other start.
//!
//! `cargo bench -p kindred-storage --bench start`, on the disk of `TMPDIR`.

#![expect(clippy::unwrap_used, reason = "a failed call is a failed measurement")]
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use protocol::records::BatchBuilder;
use protocol::types::{Epoch, PartitionIndex, TimestampMs, TopicId};
use storage::{AppendOptions, Env, LogConfig, PartitionLog, Store, StoreConfig};

const NOW: TimestampMs = TimestampMs(1_700_000_000_000);
const PARTITIONS: i32 = 1_000;
const SEALED_SEGMENTS: usize = 5;
const SEGMENT_BYTES: u64 = 10 << 20;
/// What each log grows by between its last checkpoint and the kill.
const TAIL_BATCHES: usize = 4;

fn append(log: &PartitionLog, count: usize) {
    let value = vec![b'x'; 1_000];
    let mut builder = BatchBuilder::new();
    for _ in 0..16 {
        builder.append(NOW, None, Some(&value), &[]);
    }
    let batch = builder.build();
    for _ in 0..count {
        log.append(&batch, Epoch(0), &AppendOptions::client(NOW)).unwrap();
    }
}

fn open(dir: &Path) -> Store {
    let config = LogConfig { segment_bytes: SEGMENT_BYTES, retention_ms: -1, ..LogConfig::default() };
    let config = StoreConfig { defaults: config, ..StoreConfig::default() };
    Store::open(dir, config, Env::real()).unwrap().0
}

/// Writes the partition that all others are made of.
fn build_first(dir: &Path) {
    let store = open(dir);
    let config = LogConfig { segment_bytes: SEGMENT_BYTES, ..LogConfig::default() };
    let log = store.create_log("many", PartitionIndex(0), TopicId([1; 16]), config).unwrap();
    while log.segment_infos().len() <= SEALED_SEGMENTS {
        append(&log, 1);
    }
    store.close().unwrap();
}

fn build_others(dir: &Path) {
    let first = dir.join("many-0");
    let mut names: Vec<_> = fs::read_dir(&first).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let is_log = |name: &&std::ffi::OsString| name.to_string_lossy().ends_with(".log");
    let active = names.iter().rfind(is_log).unwrap().clone();
    for partition in 1..PARTITIONS {
        let to = dir.join(format!("many-{partition}"));
        fs::create_dir(&to).unwrap();
        for name in &names {
            match is_log(&name) && *name != active {
                true => fs::hard_link(first.join(name), to.join(name)).unwrap(),
                false => drop(fs::copy(first.join(name), to.join(name)).unwrap()),
            }
        }
    }
    for name in ["recovery-point-offset-checkpoint", "replication-offset-checkpoint"] {
        let content = fs::read_to_string(dir.join(name)).unwrap();
        let offset = content.trim().rsplit(' ').next().unwrap();
        let mut all = format!("0\n{PARTITIONS}\n");
        (0..PARTITIONS).for_each(|partition| writeln!(all, "many {partition} {offset}").unwrap());
        fs::write(dir.join(name), all).unwrap();
    }
}

/// Bytes that this process has read so far.
fn bytes_read() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

fn measure(what: &str, cold: bool, dir: &Path) -> Store {
    rustix::fs::sync();
    let cold = cold && fs::write("/proc/sys/vm/drop_caches", "3").is_ok();
    let (began, before) = (Instant::now(), bytes_read());
    let store = open(dir);
    let elapsed = began.elapsed();
    let bytes: u64 = store.logs().iter().map(|log| log.size_bytes()).sum();
    println!(
        "| {what}{} | {} | {:.1} | {:.2} | {:.1} |",
        if cold { ", nothing cached" } else { "" },
        store.logs().len(),
        bytes as f64 / 1e9,
        elapsed.as_secs_f64(),
        (bytes_read() - before) as f64 / 1e6
    );
    store
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    build_first(dir.path());
    build_others(dir.path());
    println!("| start after | logs | GB | seconds | MB read |\n|---|---|---|---|---|");
    measure("clean shutdown", true, dir.path()).close().unwrap();
    let store = measure("clean shutdown", false, dir.path());
    store.flush_checkpoints().unwrap();
    store.logs().iter().for_each(|log| append(log, TAIL_BATCHES));
    drop(store);
    drop(measure("kill", true, dir.path()));
    let store = measure("kill, nothing written since", false, dir.path());
    store.close().unwrap();
}
