//! A data directory that Apache Kafka wrote opens here, with its ids, topics, offsets, transactions and producers.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod common;

use std::fs;
use std::path::Path;

use common::*;
use protocol::records::Batches;
use protocol::types::{Epoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence};
use storage::{AppendError, Env, LogConfig, PartitionLog, Store};

/// A copy of the directory in `testdata`, to be worked on.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/kafka-4.1"), dir.path());
    dir
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// How many data records there are, and how many of them in aborted transactions.
fn count(log: &PartitionLog) -> (usize, usize) {
    let read = log.read(Offset(0), 1 << 20, true, log.marks().high()).unwrap();
    let aborted = log.aborted_transactions(Offset(0), log.marks().end()).unwrap();
    let (mut all, mut skipped) = (0, 0);
    for batch in Batches::new(&read.records).map(Result::unwrap).filter(|batch| !batch.is_control()) {
        batch.verify_crc().unwrap();
        let count = batch.record_count() as usize;
        let is_aborted = aborted.iter().any(|transaction| {
            transaction.producer_id == batch.producer_id()
                && (transaction.first_offset..transaction.last_offset).contains(&batch.base_offset())
        });
        all += count;
        skipped += if is_aborted { count } else { 0 };
    }
    (all, skipped)
}

#[test]
fn opens_as_it_was_left() {
    let dir = directory();
    let (store, reports) = Store::open(dir.path(), store_config(&LogConfig::default()), Env::real()).unwrap();
    let names: Vec<_> =
        store.logs().iter().map(|log| format!("{}-{}", log.topic(), log.partition())).collect();
    assert_eq!(
        names,
        ["__cluster_metadata-0", "__consumer_offsets-0", "__transaction_state-0", "orders-0", "orders-1"]
    );
    for report in &reports {
        assert!(report.clean && !report.is_notable(), "{report}");
    }
    let meta = fs::read_to_string(dir.path().join("meta.properties")).unwrap();
    assert!(meta.contains(&format!("cluster.id={}", store.cluster_id())));
    assert!(meta.contains(&format!("directory.id={}", store.directory_id())));
    for name in names {
        assert_eq!(storage::verify_partition(&*Env::real().disk, &dir.path().join(name)).unwrap(), []);
    }
    for log in store.logs().iter().filter(|log| &**log.topic() == "orders") {
        assert!(!log.topic_id().is_zero());
        assert_eq!(count(log), (60, 6), "{log:?}", log = log.partition());
        // 60 records and four markers.
        assert_eq!((log.marks().end(), log.marks().stable()), (Offset(64), Offset(64)));
        assert_eq!(log.end_of_epoch(Epoch(0)), Some((Epoch(0), Offset(64))));
        assert_eq!(log.producers().len(), 5);
        let (last, _) = log.max_timestamp().unwrap().unwrap();
        assert!(last >= Offset(52), "{last}");
    }
}

#[test]
fn opens_after_a_crash_to_the_same() {
    let dir = directory();
    fs::remove_file(dir.path().join(".kafka_cleanshutdown")).unwrap();
    fs::remove_file(dir.path().join("recovery-point-offset-checkpoint")).unwrap();
    for entry in fs::read_dir(dir.path().join("orders-0")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension != "log" && extension != "metadata") {
            fs::remove_file(path).unwrap();
        }
    }
    let (store, _) = Store::open(dir.path(), store_config(&LogConfig::default()), Env::real()).unwrap();
    let log = store.log("orders", PartitionIndex(0)).unwrap();
    assert_eq!(count(&log), (60, 6));
    assert_eq!(log.producers().len(), 5);
}

#[test]
fn its_producers_go_on() {
    let dir = directory();
    let (store, _) = Store::open(dir.path(), store_config(&LogConfig::default()), Env::real()).unwrap();
    let log = store.log("orders", PartitionIndex(1)).unwrap();
    let plain = log.producers().into_iter().find(|(_, entry)| entry.coordinator_epoch < 0).unwrap();
    let (ProducerId(id), ProducerEpoch(epoch)) = (plain.0, plain.1.epoch);
    let last = plain.1.window.last().unwrap().last_sequence;
    let Sequence(next) = last.advance(1);
    let gap = append(&log, &idempotent(id, epoch, next + 1, 1)).unwrap_err();
    assert!(matches!(gap, AppendError::OutOfOrderSequence { .. }));
    assert_eq!(append(&log, &idempotent(id, epoch, next, 1)).unwrap().base_offset, Offset(64));
}
