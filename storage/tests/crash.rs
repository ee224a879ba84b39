//! Random work on a simulated disk, interrupted by kills, power loss, full disks and failing syncs.
//!
//! A model keeps what was appended and what was acknowledged as synced. After each restart the log must hold a
//! prefix of the appended records that has at least the synced ones, with right checksums, working look-ups and the
//! producers as that prefix left them. Every run follows from its seed; a failure names it.
//!
//! `CRASH_SEEDS=5000 cargo test -p kindred-storage --test crash` runs longer.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::*;
use protocol::types::{Epoch, Offset, TimestampMs};
use storage::env::{Faults, MemoryDisk};
use storage::{AppendError, AppendOptions, Env, LogConfig, ManualClock, PartitionLog, Store};

const DIR: &str = "/data";

/// What the log must hold.
#[derive(Debug, Default, Clone)]
struct Model {
    /// Every record appended, from offset 0.
    values: Vec<String>,
    /// Records of an append that failed for good: after a restart some of them may be there, in order.
    doubtful: Vec<String>,
    /// How many of them are certain to survive power loss.
    synced: usize,
    start: i64,
    /// The start offset last written to a checkpoint.
    start_synced: i64,
}

struct World {
    seed: u64,
    random: u64,
    env: Env,
    disk: MemoryDisk,
    clock: Arc<ManualClock>,
    config: LogConfig,
    model: Model,
}

/// A running store, or what is left of one.
struct Running {
    store: Store,
    log: Arc<PartitionLog>,
}

impl World {
    fn new(seed: u64) -> Self {
        let (env, disk, clock) = Env::simulated(seed, NOW);
        let config = LogConfig {
            segment_bytes: 2048,
            index_interval_bytes: 150,
            file_delete_delay_ms: 1_000,
            retention_ms: -1,
            ..LogConfig::default()
        };
        Self { seed, random: seed ^ 0x5eed, env, disk, clock, config, model: Model::default() }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn start(&mut self) -> Running {
        let (store, _) = Store::open(Path::new(DIR), store_config(&self.config), self.env.clone())
            .unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
        let log = match store.logs().pop() {
            Some(log) => log,
            None => create(&store, &self.config),
        };
        Running { store, log }
    }

    /// Starts again, sometimes losing power once more on the way.
    fn restart(&mut self) -> Running {
        if self.below(4) == 0 {
            let calls = self.below(40);
            self.disk.set_faults(Faults { calls_until_power_loss: Some(calls), ..Faults::default() });
            drop(Store::open(Path::new(DIR), store_config(&self.config), self.env.clone()));
            self.disk.lose_power();
        }
        self.start()
    }

    /// One step of work. Errors are allowed once a fault is set: the model then only knows what was acknowledged.
    fn work(&mut self, running: &Running) {
        let log = &running.log;
        match self.below(20) {
            0..9 => self.append(log),
            9..12 => {
                if let Ok(synced) = log.sync() {
                    self.model.synced = self.model.synced.max(synced.0 as usize);
                }
            }
            12 => {
                if running.store.flush_checkpoints().is_ok() && log.failed().is_none() {
                    self.model.synced = self.model.synced.max(log.synced().0 as usize);
                    self.model.start_synced = self.model.start;
                }
            }
            13 => {
                self.clock.advance_ms(700);
                running.store.maintain(self.env.clock.now());
            }
            14 => {
                let end = self.model.values.len() as u64;
                if end > 20 {
                    let before = Offset((end - 20 + self.below(5)) as i64);
                    let start = log.delete_records(before).unwrap();
                    self.model.start = start.0;
                    if self.below(2) == 0 && running.store.flush_start_offsets().is_ok() {
                        self.model.synced = self.model.synced.max(log.synced().0 as usize);
                        self.model.start_synced = self.model.start.min(self.model.synced as i64);
                    }
                }
            }
            15..17 => self.check_lookups(log),
            _ => self.append_idempotent(log),
        }
    }

    fn append(&mut self, log: &PartitionLog) {
        let mut batches = Vec::new();
        let mut values = Vec::new();
        for _ in 0..=self.below(3) {
            let count = 1 + self.below(3) as usize;
            let first = self.model.values.len() + values.len();
            let padding = "x".repeat(self.below(200) as usize);
            let names: Vec<_> = (first..first + count).map(|i| format!("{i} {padding}")).collect();
            let texts: Vec<_> = names.iter().map(String::as_str).collect();
            batches.extend(batch(TimestampMs(NOW.0 + first as i64), &texts));
            values.extend(names);
        }
        let epoch = Epoch((self.model.values.len() / 40) as i32);
        match log.append(&batches, epoch, &AppendOptions::client(NOW)) {
            Ok(appended) => {
                assert_eq!(appended.base_offset.0, self.model.values.len() as i64, "seed {}", self.seed);
                self.model.values.extend(values);
            }
            Err(error) => self.refused(&error, values),
        }
    }

    /// Producer 5 counts its own records: its next sequence is how many the log has of them.
    fn append_idempotent(&mut self, log: &PartitionLog) {
        let sequence = self.model.values.iter().filter(|value| value.starts_with("5/")).count();
        match append(log, &idempotent(5, 0, sequence as i32, 1)) {
            Ok(appended) => {
                assert!(!appended.duplicate, "seed {}", self.seed);
                self.model.values.push(format!("5/0/{sequence}"));
                let again = append(log, &idempotent(5, 0, sequence as i32, 1));
                assert!(matches!(again, Ok(again) if again.duplicate), "seed {}", self.seed);
            }
            Err(error) => self.refused(&error, vec![format!("5/0/{sequence}")]),
        }
    }

    fn refused(&mut self, error: &AppendError, values: Vec<String>) {
        match error {
            AppendError::DiskFull { .. } => {}
            AppendError::Failed(_) if self.model.doubtful.is_empty() => self.model.doubtful = values,
            AppendError::Failed(_) => {}
            error => panic!("seed {}: {error}", self.seed),
        }
    }

    fn check_lookups(&mut self, log: &PartitionLog) {
        let (start, end) = (self.model.start, self.model.values.len() as i64);
        if start < end {
            let offset = start + self.below((end - start) as u64) as i64;
            let read = log.read(Offset(offset), 100, true, log.marks().high());
            let Ok(read) = read else { return };
            assert!(read.first_offset.0 <= offset && offset < read.next_offset.0, "seed {}", self.seed);
        }
    }

    /// Compares the log with the model, and takes over what recovery kept.
    fn check(&mut self, running: &Running) {
        let log = &running.log;
        let seed = self.seed;
        let marks = log.marks();
        let end = marks.end().0 as usize;
        self.model.values.append(&mut self.model.doubtful);
        assert!(end >= self.model.synced, "seed {seed}: {} synced, ends at {end}", self.model.synced);
        assert!(end <= self.model.values.len(), "seed {seed}: {end} is more than was appended");
        // A start that no checkpoint holds may be forgotten; the segments it removed are not.
        assert!(marks.start().0 <= self.model.start, "seed {seed}: start {}", marks.start());
        assert!(marks.start().0 >= self.model.start_synced.min(end as i64), "seed {seed}");
        assert_sound(&self.env, Path::new(DIR), &format!("seed {seed}"));
        self.model.start = marks.start().0;
        self.model.start_synced = self.model.start_synced.min(self.model.start);
        self.model.values.truncate(end);
        self.model.synced = end;
        let start = self.model.start as usize;
        let expected: Vec<_> =
            self.model.values.iter().enumerate().skip(start).map(|(i, v)| (i as i64, v.clone())).collect();
        assert_eq!(values_by(log, 300), expected, "seed {seed}");
        assert_eq!(log.synced().0 as usize, end, "seed {seed}: what recovery read is synced");
        if let Some(offset) = (start..end).rev().find(|i| !self.model.values[*i].starts_with("5/")) {
            let time = TimestampMs(NOW.0 + offset as i64);
            let found = log.offset_for_timestamp(time).unwrap();
            assert_eq!(found, Some((Offset(offset as i64), time)), "seed {seed}: by time");
        }
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    world.env.disk.create_dir_all(Path::new(DIR)).unwrap();
    let mut running = world.start();
    world.env.disk.sync_dir(Path::new("/")).unwrap();
    for _ in 0..12 {
        world.check(&running);
        let faults = match world.below(5) {
            0 => Faults { calls_until_power_loss: Some(world.below(60)), ..Faults::default() },
            1 => Faults { space_bytes: Some(world.below(5_000)), ..Faults::default() },
            2 => Faults { syncs_until_error: Some(world.below(10)), ..Faults::default() },
            3 => Faults { writes_until_error: Some(world.below(30)), ..Faults::default() },
            _ => Faults::default(),
        };
        world.disk.set_faults(faults);
        for _ in 0..world.below(40) {
            world.work(&running);
        }
        if world.below(3) == 0 && running.store.close().is_ok() {
            world.model.synced = world.model.values.len();
            world.model.start_synced = world.model.start;
        }
        drop(running);
        if world.below(2) == 0 || !world.disk.has_power() {
            world.disk.lose_power();
        } else {
            world.disk.kill();
        }
        running = world.restart();
    }
}

/// Seeds beyond the usual that once found something: a start offset, and a producer snapshot of a lost past, that came back
/// because the removal of a file was not synced.
const FOUND: [u64; 2] = [444, 2606];

fn seeds() -> u64 {
    std::env::var("CRASH_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(150)
}

#[test]
fn what_was_synced_survives_anything() {
    let only = std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(0..seeds(), |seed| seed..seed + 1);
    for seed in seeds.chain(FOUND) {
        run(seed);
    }
}
