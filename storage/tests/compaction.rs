//! Compaction on a simulated disk: what a reader may still ask for is there, whatever happens on the way.
//!
//! A model keeps every record with its transaction's outcome. After each compaction, and after power loss in the
//! middle of one, each record in the log must be one that was written at its offset, and the last of each key must be
//! there unless it was a tombstone that has expired.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use common::*;
use protocol::records::{BatchBuilder, Batches, Compression};
use protocol::types::{Epoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use storage::env::{Faults, MemoryDisk};
use storage::{AppendOptions, CleanupPolicy, Env, LogConfig, ManualClock, PartitionLog, Store, StoreConfig};

const DIR: &str = "/data";
const DELETE_RETENTION_MS: i64 = 10_000;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    key: String,
    value: Option<String>,
    /// `None` while its transaction is open.
    committed: Option<bool>,
}

struct World {
    seed: u64,
    random: u64,
    env: Env,
    disk: MemoryDisk,
    clock: Arc<ManualClock>,
    config: LogConfig,
    written: BTreeMap<i64, Written>,
    sequences: BTreeMap<i64, i32>,
    /// Producers with an open transaction, and its records.
    open: BTreeMap<i64, Vec<i64>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let (env, disk, clock) = Env::simulated(seed, NOW);
        let config = LogConfig {
            segment_bytes: 1500,
            index_interval_bytes: 150,
            cleanup_policy: CleanupPolicy::COMPACT,
            min_cleanable_dirty_ratio: 0.3,
            delete_retention_ms: DELETE_RETENTION_MS,
            file_delete_delay_ms: 1_000,
            ..LogConfig::default()
        };
        env.disk.create_dir_all(Path::new(DIR)).unwrap();
        Self {
            seed,
            random: seed,
            env,
            disk,
            clock,
            config,
            written: BTreeMap::new(),
            sequences: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn start(&self) -> (Store, Arc<PartitionLog>) {
        let (store, _) = Store::open(Path::new(DIR), store_config(&self.config), self.env.clone())
            .unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
        let log = store.logs().pop().unwrap_or_else(|| create(&store, &self.config));
        (store, log)
    }

    /// One batch of keyed records: plain, idempotent or in a transaction; or a transaction's end.
    fn append(&mut self, log: &PartitionLog) {
        let producer = self.below(4) as i64;
        if producer > 1 && self.open.contains_key(&producer) && self.below(3) == 0 {
            return self.end_transaction(log, producer);
        }
        let transactional = producer > 1;
        let compression = Compression::ALL[self.below(5) as usize];
        let mut builder = BatchBuilder::new().compression(compression);
        let sequence = *self.sequences.entry(producer).or_default();
        if producer > 0 {
            builder = builder.producer(ProducerId(producer), ProducerEpoch(0), Sequence(sequence));
        }
        if transactional {
            builder = builder.transactional();
        }
        let now = self.env.clock.now();
        let mut records = Vec::new();
        for i in 0..=self.below(3) {
            let key = format!("key {}", self.below(12));
            let value = (self.below(5) > 0).then(|| format!("{key} {}", "v".repeat(self.below(60) as usize)));
            builder.append(
                TimestampMs(now.0 + i as i64),
                Some(key.as_bytes()),
                value.as_deref().map(str::as_bytes),
                &[],
            );
            records.push(Written { key, value, committed: (!transactional).then_some(true) });
        }
        self.sequences.insert(producer, sequence + records.len() as i32);
        let appended = log.append(&builder.build(), Epoch(0), &AppendOptions::client(now)).unwrap();
        for (offset, record) in (appended.base_offset.0..).zip(records) {
            self.written.insert(offset, record);
            if transactional {
                self.open.entry(producer).or_default().push(offset);
            }
        }
    }

    fn end_transaction(&mut self, log: &PartitionLog, producer: i64) {
        let commit = self.below(2) == 0;
        let options = AppendOptions::internal(self.env.clock.now());
        log.append(&marker(producer, 0, commit, 0), Epoch(0), &options).unwrap();
        for offset in self.open.remove(&producer).unwrap_or_default() {
            self.written.get_mut(&offset).unwrap().committed = Some(commit);
        }
    }

    /// Every record of the log by offset, as a reader of committed data sees it, and as any reader does.
    fn read(&self, log: &PartitionLog) -> (BTreeMap<i64, Written>, BTreeMap<i64, Written>) {
        let (mut committed, mut all) = (BTreeMap::new(), BTreeMap::new());
        let aborted = log.aborted_transactions(Offset(0), log.marks().end()).unwrap();
        let mut from = log.marks().start();
        while from < log.marks().high() {
            let read = log.read(from, 400, true, log.marks().high()).unwrap();
            for batch in Batches::new(&read.records) {
                let batch = batch.unwrap();
                batch.verify_crc().unwrap();
                if batch.is_control() {
                    continue;
                }
                let mut scratch = Vec::new();
                for record in batch.decompressed(1 << 20, &mut scratch).unwrap() {
                    let record = record.unwrap();
                    let offset = record.offset;
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    let is_aborted = batch.is_transactional()
                        && aborted.iter().any(|transaction| {
                            transaction.producer_id == batch.producer_id()
                                && (transaction.first_offset..transaction.last_offset).contains(&offset)
                        });
                    let written = Written {
                        key: text(record.key.unwrap()),
                        value: record.value.map(text),
                        committed: None,
                    };
                    if !is_aborted {
                        committed.insert(offset.0, written.clone());
                    }
                    all.insert(offset.0, written);
                }
            }
            assert!(read.next_offset > from, "seed {}", self.seed);
            from = read.next_offset;
        }
        (committed, all)
    }

    /// `complete`: no tombstone can have expired.
    fn check(&self, log: &PartitionLog, complete: bool) {
        let seed = self.seed;
        assert_sound(&self.env, Path::new(DIR), &format!("seed {seed}"));
        let (committed, all) = self.read(log);
        for (offset, record) in &all {
            let original = &self.written[offset];
            assert_eq!(
                (&record.key, &record.value),
                (&original.key, &original.value),
                "seed {seed} at {offset}"
            );
        }
        for (offset, record) in &committed {
            let outcome = self.written[offset].committed;
            assert_ne!(
                outcome,
                Some(false),
                "seed {seed}: aborted {record:?} at {offset} is shown as committed"
            );
        }
        let mut last: BTreeMap<&str, i64> = BTreeMap::new();
        for (offset, record) in self.written.iter().filter(|(_, record)| record.committed == Some(true)) {
            last.insert(&record.key, *offset);
        }
        for (key, offset) in last {
            let gone = !committed.contains_key(&offset);
            let may_go = self.written[&offset].value.is_none() && !complete;
            assert!(!gone || may_go, "seed {seed}: the last {key}, at {offset}, is gone");
            // A key whose tombstone has gone must not come back.
            if gone {
                let earlier = committed.iter().find(|(at, record)| record.key == key && **at < offset);
                assert_eq!(earlier, None, "seed {seed}: {key} is back");
            }
        }
        for offset in self.open.values().flatten() {
            assert!(all.contains_key(offset), "seed {seed}: {offset} of an open transaction is gone");
        }
    }
}

fn run(seed: u64, lose_power: bool) {
    let mut world = World::new(seed);
    let (mut store, mut log) = world.start();
    let mut compacted = 0;
    for round in 0..8 {
        for _ in 0..60 {
            world.append(&log);
            world.clock.advance_ms(10);
        }
        let (_, before) = world.read(&log);
        store.flush_checkpoints().unwrap();
        if lose_power {
            let calls = world.below(150);
            world.disk.set_faults(Faults { calls_until_power_loss: Some(calls), ..Faults::default() });
        }
        compacted += store.maintain(world.env.clock.now()).logs_compacted;
        if lose_power {
            drop((store, log));
            world.disk.lose_power();
            (store, log) = world.start();
        }
        let early = world.clock_ms() - NOW.0 < DELETE_RETENTION_MS;
        world.check(&log, early);
        let (_, after) = world.read(&log);
        assert!(after.len() <= before.len());
        if round == 4 {
            world.clock.advance_ms(DELETE_RETENTION_MS);
        }
    }
    assert!(compacted > 0 || lose_power, "seed {seed}");
}

/// The seed in `CRASH_SEED`, or so many as `CRASH_SEEDS` says, or as many as a quick test can afford.
fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|number: String| number.parse().ok());
    number("CRASH_SEED").map_or(0..number("CRASH_SEEDS").unwrap_or(default), |seed: u64| seed..seed + 1)
}

impl World {
    fn clock_ms(&self) -> i64 {
        self.env.clock.now().0
    }
}

#[test]
fn the_last_record_of_each_key_stays() {
    for seed in seeds(10) {
        run(seed, false);
    }
}

/// Once found: of a source that was being removed the index of aborted transactions stayed, and became that of the
/// segment in its place.
const FOUND: [u64; 1] = [1399];

#[test]
fn power_loss_in_a_compaction_loses_nothing() {
    for seed in seeds(20).chain(FOUND) {
        run(seed, true);
    }
}

/// One compaction, cut at each of its calls to the disk in turn: every write, sync, rename and removal.
#[test]
fn a_compaction_may_stop_at_any_step() {
    for seed in 0..3 {
        let mut cuts = 0;
        while cut_compaction(seed, cuts) {
            cuts += 1;
        }
        assert!(cuts > 20, "seed {seed}: only {cuts} calls");
    }
}

/// Loses power at the call number `calls` of a compaction; false if it was over before.
fn cut_compaction(seed: u64, calls: u64) -> bool {
    let mut world = World::new(seed);
    let (store, log) = world.start();
    for _ in 0..60 {
        world.append(&log);
        world.clock.advance_ms(10);
    }
    store.flush_checkpoints().unwrap();
    world.disk.set_faults(Faults { calls_until_power_loss: Some(calls), ..Faults::default() });
    let compacted = store.maintain(world.env.clock.now()).logs_compacted;
    let cut = !world.disk.has_power();
    assert!(cut || compacted > 0, "seed {seed}: nothing was compacted");
    drop((store, log));
    world.disk.lose_power();
    let (_store, log) = world.start();
    world.check(&log, true);
    cut
}

#[test]
fn superseded_records_go_and_offsets_stay() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        LogConfig { cleanup_policy: CleanupPolicy::COMPACT, segment_bytes: 4096, ..LogConfig::default() };
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    for i in 0..1_000 {
        append(&log, &keyed(&format!("key {}", i % 10), Some(&format!("value {i}")))).unwrap();
    }
    let before = log.size_bytes();
    let held = log.read(Offset(0), 1 << 20, true, log.marks().high()).unwrap();
    let report = store.maintain(NOW);
    assert_eq!((report.logs_compacted, report.failed.len()), (1, 0));
    assert!(log.size_bytes() < before / 5, "{} of {before}", log.size_bytes());
    assert_eq!(log.marks().end(), Offset(1_000));
    let values = values(&log);
    let last: BTreeMap<_, _> =
        values.iter().map(|(offset, value)| (offset % 10, (*offset, value.clone()))).collect();
    for key in 0..10 {
        assert_eq!(last[&key], (990 + key, format!("value {}", 990 + key)));
    }
    // What a reader held before is still what it was.
    assert_eq!(Batches::new(&held.records).next().unwrap().unwrap().base_offset(), Offset(0));
    assert_eq!(store.maintain(NOW).logs_compacted, 0, "nothing is dirty any more");
    // And after a restart.
    store.close().unwrap();
    drop((store, log));
    let (store, reports) = open(dir.path(), &config);
    assert!(reports[0].damage.is_empty(), "{}", reports[0]);
    assert_eq!(common::values(&log_of(&store)), values);
}

#[test]
fn more_keys_than_fit_into_memory_take_several_rounds() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig {
        cleanup_policy: CleanupPolicy::COMPACT,
        segment_bytes: 1_000,
        min_cleanable_dirty_ratio: 0.0,
        ..LogConfig::default()
    };
    // Room for seven keys; there are ten.
    let store_config = StoreConfig { compaction_memory_bytes: 200, ..store_config(&config) };
    let (store, _) = Store::open(dir.path(), store_config, Env::real()).unwrap();
    let log = create(&store, &config);
    for i in 0..200 {
        append(&log, &keyed(&format!("key {}", i % 10), Some(&format!("value {i}")))).unwrap();
    }
    let sealed = log.segment_infos().last().unwrap().base_offset.0;
    let mut rounds = 0;
    while store.maintain(NOW).logs_compacted > 0 {
        rounds += 1;
        assert!(rounds < 200, "no end in sight");
    }
    assert!(rounds > 10, "{rounds}");
    let values = values(&log);
    let last: BTreeMap<_, _> = values.iter().map(|(offset, value)| (offset % 10, value.clone())).collect();
    for key in 0..10 {
        assert_eq!(last[&key], format!("value {}", 190 + key));
    }
    // Each key once in what is sealed, and what a segment ends with.
    let kept = values.iter().filter(|(offset, _)| *offset < sealed).count();
    assert!(kept <= 20, "{kept} of {sealed}");
}
