//! Apache Kafka's own `DumpLogSegments` reads and verifies what we write.
//!
//! Runs only where `KAFKA_LIBS` names a directory with the jars of `org.apache.kafka:kafka_2.13`, `kafka-tools` and
//! an slf4j binding (`mvn dependency:copy-dependencies`), and `java` is 17 or newer:
//!
//! `KAFKA_LIBS=… cargo test -p kindred-storage --test kafka_tools -- --nocapture`

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::*;
use protocol::records::{BatchBuilder, Compression};
use protocol::types::{Epoch, TimestampMs};
use storage::{AppendOptions, CleanupPolicy, Env, LogConfig, PartitionLog};

/// A log with everything a log can have: codecs, idempotent batches, transactions, times that go back.
fn write_log(log: &PartitionLog) {
    for i in 0..400_i64 {
        let compression = Compression::ALL[i as usize % Compression::ALL.len()];
        let mut builder = BatchBuilder::new().compression(compression);
        for j in 0..=i % 4 {
            let time = TimestampMs(NOW.0 + (i * 7919) % 1_000 + j);
            let key = format!("key {}", i % 10);
            let headers = [(&b"header"[..], Some(&b"value"[..])), (b"empty", None)];
            builder.append(time, Some(key.as_bytes()), Some(b"some value"), &headers);
        }
        log.append(&builder.build(), Epoch((i / 100) as i32), &AppendOptions::client(NOW)).unwrap();
        if i % 5 == 0 {
            append(log, &idempotent(7, 0, (i / 5) as i32, 1)).unwrap();
        }
        if i % 9 == 0 {
            append(log, &transactional(8, 0, (i / 9) as i32)).unwrap();
            let marker = marker(8, 0, i % 2 == 0, 3);
            log.append(&marker, Epoch(3), &AppendOptions::internal(NOW)).unwrap();
        }
    }
}

fn dump(libs: &str, mode: &str, files: &[PathBuf]) -> String {
    let list = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(",");
    let output = Command::new("java")
        .args([
            "-Xmx256m",
            "-cp",
            &format!("{libs}/*"),
            "kafka.tools.DumpLogSegments",
            mode,
            "--files",
            &list,
        ])
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{mode}: {text}");
    text
}

fn files(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(suffix))
        .collect();
    files.sort();
    files
}

/// What the tool says when something is wrong.
fn assert_nothing_wrong(text: &str) {
    for complaint in [
        "Mismatches",
        "Non-consecutive",
        "not found",
        "is not valid",
        "corrupt",
        "Exception",
        "isvalid: false",
    ] {
        assert!(!text.contains(complaint), "{complaint}: {text}");
    }
}

fn verify(libs: &str, dir: &Path) {
    assert_eq!(storage::verify_partition(&*Env::real().disk, dir).unwrap(), []);
    let logs = files(dir, ".log");
    let text = dump(libs, "--deep-iteration", &logs);
    assert_nothing_wrong(&text);
    assert!(text.contains("isvalid: true"), "{text}");
    for suffix in [".index", ".timeindex"] {
        let indexes = files(dir, suffix);
        assert!(!indexes.is_empty());
        for mode in ["--verify-index-only", "--index-sanity-check"] {
            assert_nothing_wrong(&dump(libs, mode, &indexes));
        }
    }
    for suffix in [".snapshot", ".txnindex"] {
        let found = files(dir, suffix);
        assert!(!found.is_empty(), "{suffix}");
        assert_nothing_wrong(&dump(libs, "--deep-iteration", &found));
    }
}

#[test]
fn dump_log_segments_finds_nothing_wrong() {
    let Ok(libs) = std::env::var("KAFKA_LIBS") else {
        println!("skipped: KAFKA_LIBS is not set");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { segment_bytes: 16 << 10, index_interval_bytes: 512, ..LogConfig::default() };
    let (store, _) = open(dir.path(), &config);
    let log = create(&store, &config);
    write_log(&log);
    let partition = dir.path().join(format!("{TOPIC}-0"));
    store.close().unwrap();
    verify(&libs, &partition);
    // Again after a crash has made everything be recovered.
    drop((store, log));
    std::fs::remove_file(dir.path().join(".kafka_cleanshutdown")).unwrap();
    for suffix in [".index", ".timeindex"] {
        files(&partition, suffix).iter().for_each(|file| std::fs::remove_file(file).unwrap());
    }
    let (store, reports) = open(dir.path(), &config);
    assert!(reports[0].indexes_rebuilt > 0, "{}", reports[0]);
    store.close().unwrap();
    verify(&libs, &partition);
    drop(store);
    compact(dir.path(), &config);
    let logs = files(&partition, ".log");
    let text = dump(&libs, "--deep-iteration", &logs);
    for complaint in ["Mismatches", "corrupt", "Exception", "isvalid: false"] {
        assert!(!text.contains(complaint), "{complaint}: {text}");
    }
    for suffix in [".index", ".timeindex"] {
        assert_nothing_wrong(&dump(&libs, "--verify-index-only", &files(&partition, suffix)));
    }
}

/// Compacts the log, which leaves holes, empty batches and delete horizons.
fn compact(dir: &Path, config: &LogConfig) {
    let config = LogConfig {
        cleanup_policy: CleanupPolicy::COMPACT,
        min_cleanable_dirty_ratio: 0.01,
        ..config.clone()
    };
    let (store, _) = open(dir, &config);
    let before = log_of(&store).size_bytes();
    assert_eq!(store.maintain(NOW).logs_compacted, 1);
    assert!(log_of(&store).size_bytes() < before / 2);
    store.close().unwrap();
}
