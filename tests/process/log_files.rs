//! `kindred log` on files that Apache Kafka wrote, on damaged ones, and on those of a running broker.
//!
//! `golden/` holds what Apache Kafka's own `DumpLogSegments` (4.1) printed of `storage/testdata/kafka-4.1`, less the line
//! that names the file and spaces at the ends of lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::client::{NO_PRODUCER, batch};
use crate::support::{Broker, binary};

/// A copy of the data directory in `storage/testdata`, to be worked on.
pub(crate) fn kafka_directory() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("storage/testdata/kafka-4.1"), dir.path());
    dir
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory of our own");
    for entry in fs::read_dir(from).expect("the test data are there") {
        let entry = entry.expect("the test data are there");
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("a directory of our own")),
        }
    }
}

fn log(arguments: &[&str], paths: &[&Path]) -> Output {
    let mut command = Command::new(binary());
    command.arg("log").args(arguments).args(paths);
    command.output().expect("the binary under test starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("ended by itself")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Every line as a JSON object.
fn objects(output: &Output) -> Vec<Value> {
    text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object a line"))
        .collect()
}

#[test]
fn dump_prints_what_kafkas_own_tool_prints() {
    let dir = kafka_directory();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/process/golden");
    for (file, option, expected) in [
        ("__consumer_offsets-0/00000000000000000000.log", "--offsets-decoder", "offsets.txt"),
        ("__transaction_state-0/00000000000000000000.log", "--transaction-log-decoder", "transactions.txt"),
        ("__cluster_metadata-0/00000000000000000000.log", "--cluster-metadata-decoder", "metadata.txt"),
        ("orders-0/00000000000000000000.log", "--print-data-log", "records.txt"),
        ("orders-0/00000000000000000064.snapshot", "--deep-iteration", "producers.txt"),
    ] {
        let path = dir.path().join(file);
        let output = log(&["dump", option], &[&path]);
        assert_eq!(code(&output), 0, "{file}: {}", text(&output.stderr));
        let printed = text(&output.stdout);
        let (head, rest) = printed.split_once('\n').expect("more than a line");
        assert_eq!(head, format!("Dumping {}", path.display()));
        let expected = fs::read_to_string(golden.join(expected)).expect("a golden file");
        for (ours, kafkas) in rest.lines().zip(expected.lines()) {
            assert_eq!(ours, kafkas, "{file}");
        }
        assert_eq!(rest.lines().count(), expected.lines().count(), "{file}");
        // The same facts as JSON: an object for every line that states one.
        let output = log(&["dump", "--json", option], &[&path]);
        let facts =
            expected.lines().filter(|line| line.contains(": ") && !line.starts_with("Log starting")).count();
        assert_eq!(objects(&output).len(), facts, "{file}");
    }
}

#[test]
fn dump_shows_indexes_checkpoints_and_ids() {
    let dir = kafka_directory();
    let orders = dir.path().join("orders-0");
    let cases: [(PathBuf, &[&str]); 6] = [
        (orders.join("00000000000000000000.timeindex"), &["timestamp: 1795259265826 offset: 63"]),
        (
            orders.join("00000000000000000000.txnindex"),
            &[
                "version: 0 producerId: 2 firstOffset: 28 lastOffset: 31 lastStableOffset: 32",
                "version: 0 producerId: 2 firstOffset: 36 lastOffset: 39 lastStableOffset: 40",
            ],
        ),
        (orders.join("leader-epoch-checkpoint"), &["0", "1", "0 0"]),
        (orders.join("partition.metadata"), &["version: 0", "topic_id: W83XLbb-T9yFUcEKlHojRg"]),
        (dir.path().join("recovery-point-offset-checkpoint"), &["orders 0 64"]),
        (dir.path().join("meta.properties"), &["version=1"]),
    ];
    for (path, lines) in cases {
        let output = log(&["dump"], &[&path]);
        assert_eq!(code(&output), 0, "{}: {}", path.display(), text(&output.stderr));
        let printed = text(&output.stdout);
        for line in lines {
            assert!(printed.lines().any(|printed| printed == *line), "{line} is not in {printed}");
        }
    }
    for option in ["--verify-index-only", "--index-sanity-check"] {
        let output = log(&["dump", option], &[&orders.join("00000000000000000000.timeindex")]);
        assert_eq!((code(&output), text(&output.stderr)), (0, String::new()));
        assert!(!text(&output.stdout).contains("offset: 63"));
    }
}

#[test]
fn damage_is_named_with_file_byte_and_reason() {
    let cases: [(&str, u64, u8, u64, &str); 6] = [
        ("orders-0/00000000000000000000.log", 100, 1, 0, "CRC"),
        ("orders-0/00000000000000000000.log", 301 + 16, 3, 301, "not a batch of format 2"),
        ("orders-0/00000000000000000000.timeindex", 11, 1, 0, "no batch ends with 62"),
        ("orders-0/00000000000000000000.txnindex", 34 + 25, 1, 34, "no abort marker at 38"),
        ("orders-0/00000000000000000064.snapshot", 20, 1, 0, "checksum"),
        ("orders-0/leader-epoch-checkpoint", 2, 7, 0, "epochs"),
    ];
    for (file, byte, flip, at, what) in cases {
        let dir = kafka_directory();
        let path = dir.path().join(file);
        let mut bytes = fs::read(&path).expect("a copy of our own");
        bytes[byte as usize] ^= flip;
        fs::write(&path, bytes).expect("a copy of our own");
        for asked in [dir.path(), path.parent().expect("in a directory"), &path] {
            let output = log(&["verify"], &[asked]);
            assert_eq!(code(&output), 1, "{file}");
            let found = text(&output.stdout);
            let prefix = format!("{} at byte {at}: ", path.display());
            let line = found.lines().find(|line| line.starts_with(&prefix));
            assert!(line.is_some_and(|line| line.contains(what)), "{file}: {found}");
        }
        let findings = objects(&log(&["verify", "--json"], &[dir.path()]));
        let finding = findings.iter().find(|finding| finding["type"] == "finding").expect("a finding");
        assert_eq!(
            (&finding["file"], &finding["position"]),
            (&path.display().to_string().into(), &at.into())
        );
        let dumped = log(&["dump", "--deep-iteration"], &[&path]);
        assert_eq!(code(&dumped), 1, "{file}");
        assert!(text(&dumped.stderr).contains(what), "{file}: {}", text(&dumped.stderr));
    }
}

#[test]
fn a_torn_end_is_shown_up_to_where_it_is_sound() {
    let dir = kafka_directory();
    let path = dir.path().join("orders-0/00000000000000000000.log");
    let bytes = fs::read(&path).expect("a copy of our own");
    fs::write(&path, &bytes[..310]).expect("a copy of our own");
    let output = log(&["dump"], &[&path]);
    assert_eq!(code(&output), 1);
    let printed = text(&output.stdout);
    assert!(printed.contains("baseOffset: 0 lastOffset: 11"), "{printed}");
    assert!(printed.contains("Found 9 invalid bytes at the end of 00000000000000000000.log"), "{printed}");
    assert!(text(&output.stderr).contains("at byte 301"));
}

#[test]
fn wrong_arguments_are_told_from_damage() {
    let dir = kafka_directory();
    let missing = dir.path().join("missing.log");
    let foreign = dir.path().join("notes.txt");
    fs::write(&foreign, "x").expect("a directory of our own");
    for (arguments, paths) in [
        (&["verify"][..], &[][..]),
        (&["verify"], &[missing.as_path()]),
        (&["verify"], &[foreign.as_path()]),
        (&["dump"], &[missing.as_path()]),
        (&["dump"], &[foreign.as_path()]),
        (&["dump", "--offsets-decoder", "--transaction-log-decoder"], &[missing.as_path()]),
    ] {
        let output = log(arguments, paths);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn a_directory_in_use_is_found_sound_again_and_again() {
    let broker = Broker::with(&[("log.segment.bytes", "65536"), ("log.index.interval.bytes", "512")]);
    broker.connect().create_topic("busy", 2);
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2)
        .map(|partition| {
            let (mut client, done) = (broker.connect(), Arc::clone(&done));
            thread::spawn(move || {
                let value = vec![7; 3_000];
                while !done.load(Ordering::SeqCst) {
                    let produced =
                        client.produce("busy", partition, 1, &batch(NO_PRODUCER, -1, &[&value, &value]));
                    assert_eq!(produced.map(|(error, _)| error), Some(0));
                }
            })
        })
        .collect();
    for _ in 0..5 {
        let output = log(&["verify"], &[broker.data()]);
        assert_eq!((code(&output), text(&output.stderr)), (0, String::new()), "{}", text(&output.stdout));
    }
    done.store(true, Ordering::SeqCst);
    writers.into_iter().for_each(|writer| writer.join().expect("the writer finished"));
    let summary = objects(&log(&["verify", "--json"], &[broker.data()])).pop().expect("a summary");
    assert!(summary["files"].as_u64().is_some_and(|files| files > 20), "{summary}");
}
