//! When a segment ends and the next begins.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod common;

use std::path::Path;

use common::*;
use protocol::records::BatchBuilder;
use protocol::types::{Epoch, Offset, TimestampMs};
use storage::{AppendOptions, CleanupPolicy, Env, LogConfig, PartitionLog, Store};

const DIR: &str = "/data";

fn bases(log: &PartitionLog) -> Vec<i64> {
    log.segment_infos().iter().map(|segment| segment.base_offset.0).collect()
}

/// The bases of the segments after batches of one record each, at these times after `NOW`.
fn bases_after(config: &LogConfig, times_ms: &[i64]) -> Vec<i64> {
    let (env, _, clock) = Env::simulated(3, NOW);
    env.disk.create_dir_all(Path::new(DIR)).unwrap();
    let (store, _) = Store::open(Path::new(DIR), store_config(config), env.clone()).unwrap();
    let log = create(&store, config);
    let mut before_ms = 0;
    for time_ms in times_ms {
        clock.advance_ms(time_ms - before_ms);
        before_ms = *time_ms;
        let time = TimestampMs(NOW.0 + time_ms);
        let mut builder = BatchBuilder::new();
        builder.append(time, Some(b"k"), Some(b"x"), &[]);
        log.append(&builder.build(), Epoch(0), &AppendOptions::client(time)).unwrap();
    }
    store.close().unwrap();
    assert_sound(&env, Path::new(DIR), "rolled");
    bases(&log)
}

/// Bytes of a batch of [`bases_after`].
const BATCH_BYTES: u64 = 70;

#[test]
fn each_limit_ends_a_segment_and_nothing_else_does() {
    let plain = LogConfig::default();
    let cases: [(&str, LogConfig, &[i64], &[i64]); 8] = [
        ("no limit reached", plain.clone(), &[0, 1, 2, 3], &[0]),
        (
            "bytes: two fit exactly",
            LogConfig { segment_bytes: 2 * BATCH_BYTES, ..plain.clone() },
            &[0, 0, 0, 0, 0],
            &[0, 2, 4],
        ),
        (
            "time: later than its first record by more",
            LogConfig { segment_ms: 100, ..plain.clone() },
            &[0, 100, 101, 201, 202],
            &[0, 2, 4],
        ),
        (
            "time: of a compacted topic by its lag",
            LogConfig {
                segment_ms: 100,
                max_compaction_lag_ms: 50,
                cleanup_policy: CleanupPolicy::COMPACT_DELETE,
                ..plain.clone()
            },
            &[0, 50, 51, 101, 102],
            &[0, 2, 4],
        ),
        (
            "time: all of it taken off by the jitter",
            LogConfig { segment_ms: 1, segment_jitter_ms: 1, ..plain.clone() },
            &[0, 1, 2],
            &[0, 2],
        ),
        (
            "offset index full",
            LogConfig { segment_index_bytes: 31, index_interval_bytes: 0, ..plain.clone() },
            &[0, 0, 0, 0, 0],
            &[0, 2, 4],
        ),
        (
            "time index full: one entry is kept for its last timestamp",
            LogConfig { segment_index_bytes: 36, index_interval_bytes: 0, ..plain.clone() },
            &[0, 1, 2, 3, 4, 5, 6],
            &[0, 3, 6],
        ),
        (
            "indexes that get no entries never fill",
            LogConfig { segment_index_bytes: 12, index_interval_bytes: 1 << 20, ..plain },
            &[0, 1, 2, 3, 4, 5, 6],
            &[0],
        ),
    ];
    for (what, config, times_ms, expected) in cases {
        assert_eq!(bases_after(&config, times_ms), expected, "{what}");
    }
}

#[test]
fn jitter_takes_a_random_share_off_segment_ms() {
    let config = LogConfig { segment_ms: 1_000, segment_jitter_ms: 900, ..LogConfig::default() };
    let times: Vec<_> = (0..100).map(|i| i * 50).collect();
    let bases = bases_after(&config, &times);
    let gaps: Vec<_> = bases.windows(2).map(|pair| (pair[1] - pair[0]) * 50).collect();
    assert!(gaps.iter().all(|gap| (100..=1_050).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().any(|gap| *gap != gaps[0]), "{gaps:?}");
}

/// Relative offsets in the index files have 31 bits.
#[test]
fn offsets_out_of_an_indexs_reach_begin_a_segment() {
    let (env, _, _) = Env::simulated(3, NOW);
    env.disk.create_dir_all(Path::new(DIR)).unwrap();
    let config = LogConfig::default();
    let (store, _) = Store::open(Path::new(DIR), store_config(&config), env.clone()).unwrap();
    let log = create(&store, &config);
    let reach = i64::from(i32::MAX);
    for offset in [0, reach, reach + 1, 5 * reach] {
        let mut builder = BatchBuilder::new().base_offset(Offset(offset));
        builder.append(NOW, None, Some(b"x"), &[]);
        log.append(&builder.build(), Epoch(0), &AppendOptions::replicated(NOW)).unwrap();
    }
    assert_eq!(bases(&log), [0, reach + 1, 5 * reach]);
    for offset in [0, reach, reach + 1, 5 * reach] {
        let read = log.read(Offset(offset), 1, true, log.marks().high()).unwrap();
        assert_eq!(read.first_offset, Offset(offset));
    }
    store.close().unwrap();
    assert_sound(&env, Path::new(DIR), "far offsets");
}
