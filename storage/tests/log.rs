//! A log on the real file system: append, read, look up, restart.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod common;

use common::*;
use protocol::types::{Epoch, Offset, PartitionIndex, ProducerId, Sequence, TimestampMs, TopicId};
use storage::{
    AppendError, AppendOptions, CleanupPolicy, LogConfig, ReadError, RecordFault, RejectedRecord, StoreError,
    TimestampSource,
};

#[test]
fn appends_get_dense_offsets_and_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_segments();
    let (store, reports) = open(dir.path(), &config);
    assert!(reports.is_empty());
    let log = create(&store, &config);
    let first = append(&log, &batch(NOW, &["a", "b", "c"])).unwrap();
    assert_eq!((first.base_offset, first.last_offset), (Offset(0), Offset(2)));
    let two = [batch(NOW, &["d"]), batch(NOW, &["e", "f"])].concat();
    let second = log.append(&two, Epoch(5), &AppendOptions::client(NOW)).unwrap();
    assert_eq!(
        (second.base_offset, second.last_offset, second.bytes),
        (Offset(3), Offset(5), two.len() as u64)
    );
    assert_eq!(log.marks().end(), Offset(6));
    let expected: Vec<_> = "abcdef".chars().enumerate().map(|(i, c)| (i as i64, c.to_string())).collect();
    assert_eq!(values(&log), expected);
    assert_eq!(log.epoch_at(Offset(2)), Some(Epoch(0)));
    assert_eq!(log.end_of_epoch(Epoch(0)), Some((Epoch(0), Offset(3))));
    assert_eq!(log.end_of_epoch(Epoch(5)), Some((Epoch(5), Offset(6))));
}

#[test]
fn reads_across_segments_whatever_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_segments();
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    fill(&log, 500);
    assert!(log.segment_infos().len() > 5);
    for max_bytes in [0, 1, 75, 200, 1_000, 5_000, 1 << 20] {
        assert_eq!(values_by(&log, max_bytes), filled(0, 500), "{max_bytes} bytes at a time");
    }
    for from in 0..500 {
        let read = log.read(Offset(from), 1, true, log.marks().high()).unwrap();
        assert_eq!(read.first_offset, Offset(from));
    }
}

#[test]
fn a_read_returns_whole_batches_and_honours_its_limits() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig::default();
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    append(&log, &batch(NOW, &["a", "b", "c"])).unwrap();
    append(&log, &batch(NOW, &["d"])).unwrap();
    let end = log.marks().high();
    // An offset inside a batch returns the batch.
    let read = log.read(Offset(1), 1 << 20, true, end).unwrap();
    assert_eq!((read.first_offset, read.next_offset), (Offset(0), Offset(4)));
    // Too small a limit: the first batch, or nothing.
    assert_eq!(log.read(Offset(0), 1, true, end).unwrap().next_offset, Offset(3));
    let nothing = log.read(Offset(0), 1, false, end).unwrap();
    assert!(nothing.records.is_empty());
    assert_eq!(nothing.next_offset, Offset(0));
    // An upper bound hides what lies behind it.
    let bounded = log.read(Offset(0), 1 << 20, true, Offset(3)).unwrap();
    assert_eq!(bounded.next_offset, Offset(3));
    // At the end there is nothing; behind it, an error.
    assert!(log.read(Offset(4), 1 << 20, true, end).unwrap().records.is_empty());
    for offset in [-1, 5] {
        let error = log.read(Offset(offset), 1, true, end).unwrap_err();
        assert!(matches!(error, ReadError::OutOfRange { start: Offset(0), end: Offset(4), .. }), "{error}");
    }
}

#[test]
fn survives_clean_restarts_and_kills() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_segments();
    for round in 0..6 {
        let (store, reports) = open(dir.path(), &config);
        let log = if round == 0 { create(&store, &config) } else { log_of(&store) };
        assert_eq!(values(&log), filled(0, round * 50));
        if round > 0 {
            assert_eq!(reports[0].clean, round % 2 == 1, "round {round}");
            assert_eq!(log.topic_id(), TopicId([7; 16]));
            assert_eq!(log.latest_epoch().unwrap().epoch, Epoch(0));
        }
        fill(&log, 50);
        if round % 2 == 0 {
            store.close().unwrap();
            assert!(matches!(append(&log, &batch(NOW, &["late"])), Err(AppendError::Closed)));
        }
    }
}

#[test]
fn a_directory_is_opened_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &LogConfig::default());
    let second = storage::Store::open(dir.path(), store_config(&LogConfig::default()), storage::Env::real());
    assert!(matches!(second.err().unwrap(), StoreError::InUse { .. }));
    let ids = (store.cluster_id().to_owned(), store.directory_id());
    drop(store);
    let (store, _) = open(dir.path(), &LogConfig::default());
    assert_eq!((store.cluster_id().to_owned(), store.directory_id()), ids);
    drop(store);
    let other = storage::StoreConfig { node_id: 9, ..store_config(&LogConfig::default()) };
    let refused = storage::Store::open(dir.path(), other, storage::Env::real()).err().unwrap();
    assert!(refused.to_string().contains("node.id is 1 here and 9"), "{refused}");
}

#[test]
fn refuses_what_breaks_a_rule_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig {
        max_message_bytes: 200,
        segment_bytes: 1_000,
        cleanup_policy: CleanupPolicy::COMPACT,
        message_timestamp_before_max_ms: 1_000,
        ..LogConfig::default()
    };
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    let refused = |batches: &[u8]| append(&log, batches).unwrap_err();
    assert!(matches!(refused(b""), AppendError::InvalidRecord { .. }));
    assert!(matches!(refused(&[0; 100]), AppendError::Corrupt { .. }));
    let large = keyed("k", Some(&"x".repeat(300)));
    assert!(matches!(refused(&large), AppendError::TooLarge { limit_bytes: 200, .. }));
    let many = keyed("k", Some(&"x".repeat(50))).repeat(20);
    assert!(matches!(refused(&many), AppendError::SetTooLarge { .. }));
    let mut flipped = keyed("k", Some("v"));
    *flipped.last_mut().unwrap() ^= 1;
    assert!(matches!(refused(&flipped), AppendError::Corrupt { .. }));
    let keyless = batch(NOW, &["a"]);
    let no_key = [RejectedRecord { index: 0, fault: RecordFault::NoKey }];
    assert!(matches!(refused(&keyless), AppendError::RejectedRecords { rejected } if rejected == no_key));
    let control = marker(1, 0, true, 0);
    assert!(matches!(refused(&control), AppendError::InvalidRecord { .. }));
    for (time, good) in [(NOW.0 + 3_600_001, false), (NOW.0 + 3_599_999, true), (NOW.0 - 1_001, false)] {
        let mut builder = protocol::records::BatchBuilder::new();
        builder.append(TimestampMs(time), Some(b"k"), None, &[]);
        let appended = append(&log, &builder.build());
        assert_eq!(appended.is_ok(), good, "{time}: {appended:?}");
    }
    assert_eq!(log.marks().end(), Offset(1));
}

#[test]
fn log_append_time_rewrites_the_header() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { message_timestamp_type: TimestampSource::LogAppendTime, ..LogConfig::default() };
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    let appended = append(&log, &batch(TimestampMs(5), &["a", "b"])).unwrap();
    assert_eq!(appended.log_append_time, Some(NOW));
    assert_eq!(values(&log).len(), 2, "the checksum fits");
    assert_eq!(log.offset_for_timestamp(TimestampMs(6)).unwrap(), Some((Offset(0), NOW)));
}

#[test]
fn lookups_by_time_are_exact_to_the_record() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_segments();
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    let time = |offset: i64| TimestampMs(NOW.0 + offset * 10);
    for i in 0..200 {
        let codec = protocol::records::Compression::ALL[i as usize % 5];
        let mut builder = protocol::records::BatchBuilder::new().compression(codec);
        for j in 0..3 {
            builder.append(time(i * 3 + j), None, Some(b"some value to fill the segment"), &[]);
        }
        append(&log, &builder.build()).unwrap();
    }
    assert!(log.segment_infos().len() > 3);
    for offset in 0..600 {
        assert_eq!(log.offset_for_timestamp(time(offset)).unwrap(), Some((Offset(offset), time(offset))));
        let just_before = TimestampMs(time(offset).0 - 1);
        assert_eq!(log.offset_for_timestamp(just_before).unwrap(), Some((Offset(offset), time(offset))));
    }
    assert_eq!(log.offset_for_timestamp(time(600)).unwrap(), None);
    assert_eq!(log.max_timestamp().unwrap(), Some((Offset(599), time(599))));
}

#[test]
fn idempotent_producers_write_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_segments();
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    for i in 0..7 {
        let appended = append(&log, &idempotent(9, 0, i * 2, 2)).unwrap();
        assert_eq!(appended.base_offset, Offset(i64::from(i) * 2));
    }
    // Any of the last five is answered as the first time.
    for i in 2..7 {
        let again = append(&log, &idempotent(9, 0, i * 2, 2)).unwrap();
        assert!(again.duplicate);
        assert_eq!((again.base_offset.0, again.last_offset.0), (i64::from(i) * 2, i64::from(i) * 2 + 1));
    }
    let refused = |id, epoch, sequence| append(&log, &idempotent(id, epoch, sequence, 2)).unwrap_err();
    let order = |expected, got| {
        move |error: AppendError| {
            matches!(error, AppendError::OutOfOrderSequence { producer_id: ProducerId(9), expected: e, got: g }
                if e == Sequence(expected) && g == Sequence(got))
        }
    };
    assert!(order(14, 0)(refused(9, 0, 0)), "older than five: out of order");
    assert!(order(14, 16)(refused(9, 0, 16)), "a gap");
    assert!(order(0, 14)(refused(9, 1, 14)), "a new epoch begins at 0");
    assert!(matches!(refused(8, 0, 4), AppendError::UnknownProducer { .. }));
    append(&log, &idempotent(9, 1, 0, 2)).unwrap();
    assert!(matches!(refused(9, 0, 14), AppendError::InvalidProducerEpoch { .. }));
    assert_eq!(log.marks().end(), Offset(16));
}

#[test]
fn sequences_wrap_to_zero() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig::default();
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    append(&log, &idempotent(1, 0, 0, 1)).unwrap();
    // Get near the end without two billion records: keep a batch of another log.
    let mut builder = protocol::records::BatchBuilder::new().base_offset(Offset(1)).producer(
        ProducerId(1),
        protocol::types::ProducerEpoch(0),
        Sequence(i32::MAX - 2),
    );
    builder.append(NOW, None, Some(b"x"), &[]);
    log.append(&builder.build(), Epoch(0), &AppendOptions::replicated(NOW)).unwrap();
    let wrapping = idempotent(1, 0, i32::MAX - 1, 4);
    let appended = append(&log, &wrapping).unwrap();
    assert!(append(&log, &wrapping).unwrap().duplicate);
    let next = append(&log, &idempotent(1, 0, 2, 1)).unwrap();
    assert_eq!(next.base_offset, appended.last_offset.next());
}

#[test]
fn producers_survive_restarts() {
    for clean in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let config = small_segments();
        let (store, _) = open(dir.path(), &config);
        let log = create(&store, &config);
        for i in 0..60 {
            append(&log, &idempotent(9, 3, i, 1)).unwrap();
        }
        if clean {
            store.close().unwrap();
        }
        drop((store, log));
        let (store, _) = open(dir.path(), &config);
        let log = log_of(&store);
        assert!(append(&log, &idempotent(9, 3, 59, 1)).unwrap().duplicate, "clean {clean}");
        append(&log, &idempotent(9, 3, 60, 1)).unwrap();
        assert!(append(&log, &idempotent(9, 2, 61, 1)).is_err());
    }
}

#[test]
fn open_transactions_hold_the_stable_mark_and_aborted_ones_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_segments();
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    let end_txn =
        |id, commit| log.append(&marker(id, 0, commit, 0), Epoch(0), &AppendOptions::internal(NOW)).unwrap();
    append(&log, &batch(NOW, &["plain"])).unwrap(); // 0
    append(&log, &transactional(1, 0, 0)).unwrap(); // 1
    append(&log, &transactional(2, 0, 0)).unwrap(); // 2
    assert_eq!(log.marks().stable(), Offset(1));
    end_txn(1, false); // 3
    assert_eq!(log.marks().stable(), Offset(2));
    end_txn(2, true); // 4
    assert_eq!(log.marks().stable(), Offset(5));
    let aborted = log.aborted_transactions(Offset(0), Offset(5)).unwrap();
    assert_eq!(aborted.len(), 1);
    let only = aborted[0];
    assert_eq!(
        (only.producer_id, only.first_offset, only.last_offset, only.last_stable_offset),
        (ProducerId(1), Offset(1), Offset(3), Offset(2))
    );
    assert!(log.aborted_transactions(Offset(4), Offset(5)).unwrap().is_empty());
    // A batch outside the open transaction is refused.
    append(&log, &transactional(2, 0, 1)).unwrap();
    assert!(matches!(append(&log, &idempotent(2, 0, 2, 1)), Err(AppendError::InvalidTxnState { .. })));
    drop((store, log));
    let (store, _) = open(dir.path(), &config);
    let log = log_of(&store);
    assert_eq!(log.marks().stable(), Offset(5));
    assert_eq!(log.aborted_transactions(Offset(0), Offset(5)).unwrap(), aborted);
}

#[test]
fn a_checked_batch_waits_outside_until_its_transaction_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_segments();
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    let options = AppendOptions::client(NOW);
    let batches = [transactional(1, 0, 0), transactional(1, 0, 1), transactional(1, 1, 0)];
    let [first, second, newer_epoch] = batches.each_ref().map(|batch| log.check(batch, &options).unwrap());

    assert_eq!(log.append_to_open_transaction(&first, Epoch(0)).unwrap(), None);
    assert_eq!(log.marks().end(), Offset(0));
    let begun = log.append_checked(&first, Epoch(0)).unwrap();
    assert_eq!((begun.base_offset, begun.duplicate), (Offset(0), false));
    let joined = log.append_to_open_transaction(&second, Epoch(0)).unwrap().unwrap();
    assert_eq!((joined.base_offset, joined.duplicate), (Offset(1), false));
    assert_eq!(log.append_to_open_transaction(&newer_epoch, Epoch(0)).unwrap(), None);

    // Once it has ended, what was written before is still known; what is new needs a new transaction.
    log.append(&marker(1, 0, true, 0), Epoch(0), &AppendOptions::internal(NOW)).unwrap();
    let again = log.append_to_open_transaction(&second, Epoch(0)).unwrap().unwrap();
    assert_eq!((again.base_offset, again.duplicate), (Offset(1), true));
    let third = transactional(1, 0, 2);
    let third = log.check(&third, &options).unwrap();
    assert_eq!(log.append_to_open_transaction(&third, Epoch(0)).unwrap(), None);
    assert_eq!(log.marks().end(), Offset(3));
}

#[test]
fn sync_covers_what_was_appended_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_segments();
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    assert_eq!(log.synced(), Offset(0));
    fill(&log, 300);
    assert_eq!(log.synced(), Offset(0));
    assert_eq!(log.sync().unwrap(), Offset(300));
    assert_eq!(log.synced(), Offset(300));
    assert_eq!(log.sync().unwrap(), Offset(300));
    assert_eq!(log.recovery_point(), Offset(0));
    store.flush_checkpoints().unwrap();
    assert_eq!(log.recovery_point(), Offset(300));
    fill(&log, 10);
    drop((store, log));
    let (store, reports) = open(dir.path(), &config);
    assert!(!reports[0].clean);
    assert!(reports[0].bytes_scanned < 1_500, "{} bytes", reports[0].bytes_scanned);
    assert_eq!(values(&log_of(&store)), filled(0, 310));
}

#[test]
fn deleted_topics_are_gone_and_their_readers_finish() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { file_delete_delay_ms: 0, ..small_segments() };
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    fill(&log, 10);
    let read = log.read(Offset(0), 1 << 20, true, log.marks().high()).unwrap();
    assert_eq!(store.delete_topic(TOPIC).unwrap(), 1);
    assert!(store.log(TOPIC, PartitionIndex(0)).is_none());
    store.maintain(TimestampMs(i64::MAX));
    assert_eq!(protocol::records::Batches::new(&read.records).count(), 10);
    assert!(matches!(append(&log, &batch(NOW, &["x"])), Err(AppendError::Closed)));
    let again = create(&store, &config);
    assert_eq!(again.marks().end(), Offset(0));
}

#[test]
fn retention_removes_whole_old_segments() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { file_delete_delay_ms: 0, retention_ms: -1, ..small_segments() };
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    fill(&log, 500);
    let segments = log.segment_infos();
    store.maintain(NOW);
    assert_eq!(log.segment_infos(), segments, "nothing to do");

    log.set_config(LogConfig { retention_bytes: 10_000, ..config.clone() });
    store.maintain(NOW);
    let size = log.size_bytes();
    assert!((10_000..14_096).contains(&size), "{size}");
    let start = log.marks().start();
    assert_eq!(values(&log), filled(start.0, 500));
    assert!(log.read(Offset(0), 1, true, log.marks().high()).is_err());

    // By time everything goes in the end, the active segment too.
    log.set_config(LogConfig { retention_ms: 1_000, ..config.clone() });
    store.maintain(TimestampMs(NOW.0 + 10_000));
    assert_eq!((log.marks().start(), log.marks().end()), (Offset(500), Offset(500)));
    fill(&log, 1);
    drop((store, log));
    let (store, _) = open(dir.path(), &config);
    assert_eq!(values(&log_of(&store)), filled(500, 501));
}

#[test]
fn delete_records_moves_the_start_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_segments();
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    fill(&log, 300);
    assert_eq!(log.delete_records(Offset(150)).unwrap(), Offset(150));
    assert_eq!(log.delete_records(Offset(100)).unwrap(), Offset(150), "never back");
    assert!(log.delete_records(Offset(301)).is_err());
    store.flush_start_offsets().unwrap();
    drop((store, log));
    let (store, _) = open(dir.path(), &config);
    assert_eq!(values(&log_of(&store)), filled(150, 300));
}
