//! A disk that is full or fails while the broker runs.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod common;

use std::path::Path;

use common::*;
use protocol::types::{Offset, PartitionIndex, TopicId};
use storage::env::{Faults, MemoryDisk};
use storage::{AppendError, Env, LogConfig, Store, StoreError};

const DIR: &str = "/data";

fn start() -> (Store, Env, MemoryDisk) {
    let (env, disk, _) = Env::simulated(7, NOW);
    let (store, _) = Store::open(Path::new(DIR), store_config(&LogConfig::default()), env.clone()).unwrap();
    (store, env, disk)
}

#[test]
fn a_full_disk_refuses_appends_until_there_is_room() {
    let (store, env, disk) = start();
    let log = create(&store, &LogConfig::default());
    fill(&log, 3);
    for space_bytes in [0, 1, 30, 80] {
        disk.set_faults(Faults { space_bytes: Some(space_bytes), ..Faults::default() });
        let refused = append(&log, &batch(NOW, &["no room for this one"])).unwrap_err();
        assert!(
            matches!(&refused, AppendError::DiskFull { path } if path.ends_with("00000000000000000000.log"))
        );
        assert_eq!(values(&log), filled(0, 3), "reads go on");
    }
    disk.set_faults(Faults::default());
    fill(&log, 2);
    log.sync().unwrap();
    drop((store, log));
    disk.lose_power();
    let (store, reports) = Store::open(Path::new(DIR), store_config(&LogConfig::default()), env).unwrap();
    assert_eq!(reports[0].bytes_cut_off, 0, "nothing of the refused appends is left");
    assert_eq!(values(&log_of(&store)), filled(0, 5));
}

#[test]
fn a_failed_sync_ends_the_log_and_no_other() {
    let (store, env, disk) = start();
    let log = create(&store, &LogConfig::default());
    let other = store.create_log("other", PartitionIndex(0), TopicId([8; 16]), LogConfig::default()).unwrap();
    fill(&log, 2);
    log.sync().unwrap();
    fill(&log, 1);
    disk.set_faults(Faults { syncs_until_error: Some(0), ..Faults::default() });
    let failed = log.sync().unwrap_err();
    assert!(failed.path.ends_with("00000000000000000000.log"));
    disk.set_faults(Faults::default());
    // The disk is well again, but what it dropped is not known: no second try.
    assert!(log.sync().is_err());
    assert_eq!(log.synced(), Offset(2));
    assert!(matches!(append(&log, &batch(NOW, &["x"])), Err(AppendError::Failed(_))));
    assert!(log.failed().is_some());
    assert_eq!(values(&log), filled(0, 3), "reads go on");
    fill(&other, 5);
    assert_eq!(other.sync().unwrap(), Offset(5));
    store.flush_checkpoints().unwrap();
    assert!(matches!(store.close(), Err(StoreError::Failed(_))), "no clean marker");
    drop((store, log, other));
    disk.lose_power();
    let (store, reports) = Store::open(Path::new(DIR), store_config(&LogConfig::default()), env).unwrap();
    assert!(!reports[0].clean);
    assert!(log_of(&store).marks().end() >= Offset(2));
    fill(&log_of(&store), 1);
    assert_eq!(store.log("other", PartitionIndex(0)).unwrap().marks().end(), Offset(5));
}

/// Until upkeep finds the disk well: then what the failed sync had dropped is written again.
#[test]
fn a_log_heals_and_loses_nothing_that_was_shown() {
    let config = LogConfig { segment_bytes: 1_000, index_interval_bytes: 100, ..LogConfig::default() };
    for syncs in 0..12 {
        let (store, env, disk) = start();
        let log = create(&store, &config);
        fill(&log, 4);
        log.sync().unwrap();
        append(&log, &idempotent(7, 0, 0, 3)).unwrap();
        fill(&log, 30);
        let before = values(&log);
        disk.set_faults(Faults {
            syncs_until_error: Some(syncs),
            failed_syncs_drop_writes: true,
            ..Faults::default()
        });
        let _ = store.flush_checkpoints();
        if log.failed().is_none() {
            continue;
        }
        // The disk fails on: nothing changes.
        disk.set_faults(Faults { syncs_until_error: Some(0), ..Faults::default() });
        assert_eq!(store.maintain(NOW).logs_healed, 0);
        assert!(matches!(append(&log, &batch(NOW, &["x"])), Err(AppendError::Failed(_))));
        disk.set_faults(Faults::default());
        assert_eq!(store.maintain(NOW).logs_healed, 1);
        assert!(log.failed().is_none() && log.synced() == log.marks().end());
        assert_eq!(values(&log), before);
        assert!(append(&log, &idempotent(7, 0, 0, 3)).unwrap().duplicate, "producers are known as before");
        fill(&log, 3);
        log.sync().unwrap();
        let end = log.marks().end();
        drop((store, log));
        disk.lose_power();
        let (store, _) =
            Store::open(Path::new(DIR), store_config(&LogConfig::default()), env.clone()).unwrap();
        let log = log_of(&store);
        assert_eq!(log.marks().end(), end, "syncs {syncs}");
        assert_eq!(values(&log)[..before.len()], before);
        store.close().unwrap();
        assert_sound(&env, Path::new(DIR), "healed");
    }
}

#[test]
fn a_full_disk_at_a_checkpoint_heals_too() {
    let (store, env, disk) = start();
    let log = create(&store, &LogConfig::default());
    append(&log, &idempotent(7, 0, 0, 3)).unwrap();
    log.sync().unwrap();
    disk.set_faults(Faults { space_bytes: Some(0), ..Faults::default() });
    let _ = store.flush_checkpoints();
    assert!(log.failed().is_some(), "no room for a snapshot");
    assert_eq!(store.maintain(NOW).logs_healed, 0);
    disk.set_faults(Faults::default());
    assert_eq!(store.maintain(NOW).logs_healed, 1);
    append(&log, &idempotent(7, 0, 3, 1)).unwrap();
    store.close().unwrap();
    assert_sound(&env, Path::new(DIR), "healed");
}

#[test]
fn a_failed_write_ends_the_log() {
    let (store, env, disk) = start();
    let log = create(&store, &LogConfig::default());
    fill(&log, 2);
    disk.set_faults(Faults { writes_until_error: Some(0), ..Faults::default() });
    assert!(matches!(append(&log, &batch(NOW, &["x"])), Err(AppendError::Failed(_))));
    disk.set_faults(Faults::default());
    assert!(matches!(append(&log, &batch(NOW, &["x"])), Err(AppendError::Failed(_))));
    assert_eq!(values(&log), filled(0, 2));
    // Upkeep removes the half batch and takes the log back into use.
    assert_eq!(store.maintain(NOW).logs_healed, 1);
    fill(&log, 1);
    assert_eq!(values(&log), filled(0, 3));
    store.close().unwrap();
    assert_sound(&env, Path::new(DIR), "healed");
}

#[test]
fn no_room_for_a_next_segment_is_no_end() {
    let config = LogConfig { segment_bytes: 1_000, index_interval_bytes: 100, ..LogConfig::default() };
    let (store, env, disk) = start();
    let log = create(&store, &config);
    let mut appended = 0;
    for round in 0..200_u64 {
        disk.set_faults(Faults { space_bytes: Some(round * 13 % 400), ..Faults::default() });
        for _ in 0..5 {
            let value = format!("value {appended}");
            match append(&log, &batch(protocol::types::TimestampMs(NOW.0 + appended), &[&value])) {
                Ok(_) => appended += 1,
                Err(AppendError::DiskFull { .. }) => {}
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        disk.set_faults(Faults::default());
        assert_eq!(values(&log), filled(0, appended), "round {round}");
    }
    assert!(log.segment_infos().len() > 5 && appended > 100);
    assert_eq!(
        log.offset_for_timestamp(protocol::types::TimestampMs(NOW.0 + 50)).unwrap().unwrap().0,
        Offset(50)
    );
    store.close().unwrap();
    assert_sound(&env, Path::new(DIR), "closed");
}
