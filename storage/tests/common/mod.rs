//! What several test files need: a store on a throw-away directory, batches, and readings of a whole log.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

use std::path::Path;
use std::sync::Arc;

use protocol::records::{Batch, BatchBuilder, Batches};
use protocol::types::{
    Epoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, TimestampMs, TopicId,
};
use storage::{
    AppendError, AppendOptions, Appended, Env, LogConfig, PartitionLog, RecoveryReport, Store, StoreConfig,
};

pub(crate) const TOPIC: &str = "orders";
pub(crate) const NOW: TimestampMs = TimestampMs(1_700_000_000_000);

/// Small segments and dense indexes, so that little data exercises everything.
pub(crate) fn small_segments() -> LogConfig {
    LogConfig { segment_bytes: 4096, index_interval_bytes: 200, ..LogConfig::default() }
}

pub(crate) fn store_config(config: &LogConfig) -> StoreConfig {
    StoreConfig { defaults: config.clone(), recovery_threads: 1, ..StoreConfig::default() }
}

pub(crate) fn open(dir: &Path, config: &LogConfig) -> (Store, Vec<RecoveryReport>) {
    Store::open(dir, store_config(config), Env::real()).unwrap()
}

pub(crate) fn create(store: &Store, config: &LogConfig) -> Arc<PartitionLog> {
    store.create_log(TOPIC, PartitionIndex(0), TopicId([7; 16]), config.clone()).unwrap()
}

pub(crate) fn log_of(store: &Store) -> Arc<PartitionLog> {
    store.log(TOPIC, PartitionIndex(0)).unwrap()
}

/// A batch of records with these values, the first at `time`, one millisecond apart.
pub(crate) fn batch(time: TimestampMs, values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for (i, value) in values.iter().enumerate() {
        builder.append(TimestampMs(time.0 + i as i64), None, Some(value.as_bytes()), &[]);
    }
    builder.build()
}

/// A batch of one record with a key.
pub(crate) fn keyed(key: &str, value: Option<&str>) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.append(NOW, Some(key.as_bytes()), value.map(str::as_bytes), &[]);
    builder.build()
}

/// A batch of `count` records of an idempotent producer.
pub(crate) fn idempotent(id: i64, epoch: i16, sequence: i32, count: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new().producer(ProducerId(id), ProducerEpoch(epoch), Sequence(sequence));
    for i in 0..count {
        builder.append(
            NOW,
            None,
            Some(format!("{id}/{epoch}/{}", sequence as i64 + i as i64).as_bytes()),
            &[],
        );
    }
    builder.build()
}

/// A batch of one record in a transaction.
pub(crate) fn transactional(id: i64, epoch: i16, sequence: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new()
        .producer(ProducerId(id), ProducerEpoch(epoch), Sequence(sequence))
        .transactional();
    builder.append(NOW, Some(b"k"), Some(format!("txn {id}/{sequence}").as_bytes()), &[]);
    builder.build()
}

/// The control batch that ends a transaction.
pub(crate) fn marker(id: i64, epoch: i16, commit: bool, coordinator_epoch: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new()
        .producer(ProducerId(id), ProducerEpoch(epoch), Sequence::NONE)
        .transactional()
        .control();
    let key = [0, 0, 0, u8::from(commit)];
    let mut value = vec![0, 0];
    value.extend_from_slice(&coordinator_epoch.to_be_bytes());
    builder.append(NOW, Some(&key), Some(&value), &[]);
    builder.build()
}

pub(crate) fn append(log: &PartitionLog, batches: &[u8]) -> Result<Appended, AppendError> {
    log.append(batches, Epoch(0), &AppendOptions::client(NOW))
}

/// Every record's offset and value, read `max_bytes` at a time from the start.
pub(crate) fn values_by(log: &PartitionLog, max_bytes: usize) -> Vec<(i64, String)> {
    let mut values = Vec::new();
    let mut from = log.marks().start();
    while from < log.marks().high() {
        let read = log.read(from, max_bytes, true, log.marks().high()).unwrap();
        assert!(read.next_offset > from, "no progress at {from}");
        for batch in Batches::new(&read.records) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            collect(&batch, from, &mut values);
        }
        from = read.next_offset;
    }
    values
}

pub(crate) fn values(log: &PartitionLog) -> Vec<(i64, String)> {
    values_by(log, 1 << 20)
}

fn collect(batch: &Batch<'_>, from: Offset, values: &mut Vec<(i64, String)>) {
    let mut buffer = Vec::new();
    for record in batch.decompressed(1 << 20, &mut buffer).unwrap() {
        let record = record.unwrap();
        if record.offset >= from {
            let value = record.value.map(|value| String::from_utf8_lossy(value).into_owned());
            values.push((record.offset.0, value.unwrap_or_default()));
        }
    }
}

/// Appends `count` batches of one record "value <offset>".
pub(crate) fn fill(log: &PartitionLog, count: usize) {
    for _ in 0..count {
        let end = log.marks().end().0;
        append(log, &batch(TimestampMs(NOW.0 + end), &[&format!("value {end}")])).unwrap();
    }
}

/// What [`fill`] leaves from offset `start` to `end`.
pub(crate) fn filled(start: i64, end: i64) -> Vec<(i64, String)> {
    (start..end).map(|offset| (offset, format!("value {offset}"))).collect()
}

/// The directory of [`create`]'s log.
pub(crate) fn partition_dir(data: &Path) -> std::path::PathBuf {
    data.join(format!("{TOPIC}-0"))
}

/// Nothing in the files of [`create`]'s log contradicts anything else.
pub(crate) fn assert_sound(env: &Env, data: &Path, what: &str) {
    let findings = storage::verify_partition(&*env.disk, &partition_dir(data)).unwrap();
    assert!(
        findings.is_empty(),
        "{what}: {}",
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    );
}
