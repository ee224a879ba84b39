//! A disk that gets full under the running program: the partition on it refuses, others and reading go on, one line says
//! why, and once there is room the partition takes records again, without a restart.
//!
//! The disk is a small tmpfs, mounted where only the broker sees it: in a mount namespace of its own, which root may
//! make, and others where the machine allows user namespaces. Its files are reached through the broker's `/proc` entry.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::client::{NO_PRODUCER, Producer, batch};
use crate::support::{Broker, binary, eventually};

/// `KAFKA_STORAGE_ERROR`.
const STORAGE_ERROR: i16 = 56;
const SIZE: &str = "24m";

/// Whether a file system can be mounted where no one else sees it.
fn can_mount() -> bool {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let mut command = Command::new("unshare");
    command.args(["-rm", "mount", "-t", "tmpfs", "tmpfs"]).arg(dir.path());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A broker whose data directory is a small disk; what lies on that, as seen from here.
fn broker_on_small_disk(settings: &[(&str, &str)]) -> (Broker, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let data = directory.path().join("data");
    fs::create_dir(&data).expect("a directory of our own");
    let program = directory.path().join("kindred-on-a-small-disk");
    let script = format!(
        "#!/bin/sh\nexec unshare -rm sh -c 'mount -t tmpfs -o size={SIZE} tmpfs \"$1\" && shift && exec \"$@\"' sh '{}' '{}' \"$@\"\n",
        data.display(),
        binary().display()
    );
    fs::write(&program, script).expect("a directory of our own");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a file of our own");
    let broker = Broker::of_program(program, directory, data.clone(), settings);
    let inside = data.strip_prefix("/").expect("an absolute path");
    let seen = PathBuf::from(format!("/proc/{}/root", broker.child().id())).join(inside);
    (broker, seen)
}

#[test]
fn a_full_disk_stops_what_is_on_it_and_nothing_else_and_heals() {
    if !can_mount() {
        println!("######## SKIPPED a_full_disk…: this machine lets nobody mount a file system ########");
        return;
    }
    let (mut broker, disk) = broker_on_small_disk(&[
        ("log.retention.check.interval.ms", "200"),
        ("log.flush.offset.checkpoint.interval.ms", "300"),
    ]);
    broker.announce("cannot append");
    broker.announce("log failed, no more writes until the disk is well again");
    broker.announce("checkpoints not written");
    let mut client = broker.connect();
    client.create_topic("full", 2);
    let producer = Producer { id: 4_000, epoch: 0 };
    let value = vec![7; 1_000];
    let mut sequence = 0;
    let mut send = |client: &mut crate::support::client::Client, partition, acks| {
        let bytes = batch(producer, sequence, &[&value]);
        let answer = client.produce("full", partition, acks, &bytes).expect("the broker is there");
        if answer.0 == 0 && partition == 0 {
            sequence += 1;
        }
        answer
    };
    for _ in 0..10 {
        assert_eq!(send(&mut client, 0, -1).0, 0);
    }

    let filler = disk.join("filler");
    let mut file = fs::File::create(&filler).expect("the broker's disk is reached through /proc");
    let block = vec![1; 64 << 10];
    while file.write_all(&block).is_ok() {}
    // What the last blocks left free takes a few more records; then every answer is a refusal.
    let acknowledged = eventually("the disk to refuse", || {
        let (error, offset) = send(&mut client, 0, -1);
        assert!(error == 0 || error == STORAGE_ERROR, "error {error}");
        (error == STORAGE_ERROR).then_some(offset)
    });
    assert_eq!(acknowledged, -1);
    for _ in 0..50 {
        assert_eq!(send(&mut client, 0, 1).0, STORAGE_ERROR);
        assert_eq!(send(&mut client, 0, -1).0, STORAGE_ERROR);
    }
    let stored = client.fetch_values("full", 0);
    assert!(stored.len() >= 10 && stored.iter().all(|stored| *stored == value), "reading goes on");
    assert!(!client.api_versions().is_empty());

    fs::remove_file(&filler).expect("the broker's disk is reached through /proc");
    drop(file);
    eventually("the partition to heal", || {
        let (error, offset) = send(&mut client, 0, -1);
        assert!(error == 0 || error == STORAGE_ERROR, "error {error}");
        (error == 0).then_some(offset)
    });
    let mut other = batch(NO_PRODUCER, -1, &[b"other"]);
    assert_eq!(client.produce("full", 1, -1, &other).map(|(error, _)| error), Some(0));
    other.clear();
    let after = client.fetch_values("full", 0);
    assert_eq!(after.len(), stored.len() + 1, "refused records are nowhere, and none is lost");

    let log = broker.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(" ERROR ")).collect();
    for line in &lines {
        assert!(line.contains("file=") && line.contains("reason="), "{line}");
    }
    let of_partition: Vec<_> = lines.iter().filter(|line| line.contains("log=\"full-0\"")).collect();
    assert_eq!(of_partition.len(), 1, "one line for the partition:\n{}", lines.join("\n"));
    // The disk goes with the process, so this is all that a stop can show: no signal but ours ended it.
    let (status, _) = broker.stop(Signal::TERM);
    assert!(status.success(), "{status}");
}
