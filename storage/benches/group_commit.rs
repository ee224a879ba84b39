//! How many syncs does an acknowledgement cost when producers share them, and how long does it wait?
//!
//! So many threads each append a batch of one record of 1 KB to one log and call [`PartitionLog::sync`], which returns
//! once the batch survives power loss, over and over. A sync that another thread ran covers everybody who waited. The
//! first row has no log in it: one thread, the same bytes, a bare `fdatasync`.
//!
//! `cargo bench -p kindred-storage --bench group_commit`, on the disk of `TMPDIR`.

#![expect(clippy::unwrap_used, reason = "a failed call is a failed measurement")]
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use protocol::records::BatchBuilder;
use protocol::types::{Epoch, Offset, PartitionIndex, TimestampMs, TopicId};
use storage::{AppendOptions, Env, LogConfig, PartitionLog, Store, StoreConfig};

const NOW: TimestampMs = TimestampMs(1_700_000_000_000);
const PRODUCERS: [usize; 3] = [1, 4, 16];
/// How long each row is measured.
const TIME: Duration = Duration::from_secs(3);

fn batch() -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.append(NOW, None, Some(&[b'x'; 1_000]), &[]);
    builder.build()
}

/// How long each acknowledgement took.
fn waits(mut acknowledged: impl FnMut()) -> Vec<Duration> {
    let until = Instant::now() + TIME;
    let mut waits = Vec::new();
    while Instant::now() < until {
        let began = Instant::now();
        acknowledged();
        waits.push(began.elapsed());
    }
    waits
}

/// One producer; every sync that ran has an end of its own, so the set of ends tells how many did.
fn produce(log: &PartitionLog, batch: &[u8]) -> (Vec<Duration>, BTreeSet<Offset>) {
    let mut ends = BTreeSet::new();
    let waits = waits(|| {
        log.append(batch, Epoch(0), &AppendOptions::client(NOW)).unwrap();
        ends.insert(log.sync().unwrap());
    });
    (waits, ends)
}

fn row(name: &str, syncs: usize, mut waits: Vec<Duration>) {
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let count = waits.len() as f64;
    println!(
        "| {name} | {:.0} | {:.2} | {:.2} | {:.2} |",
        count / TIME.as_secs_f64(),
        syncs as f64 / count,
        at(0.5),
        at(0.99)
    );
}

fn main() {
    let batch = batch();
    println!("| producers | acknowledgements/s | syncs each | p50 ms | p99 ms |\n|---|---|---|---|---|");

    let dir = tempfile::tempdir().unwrap();
    let mut file = File::create(dir.path().join("raw")).unwrap();
    let bare = waits(|| {
        file.write_all(&batch).unwrap();
        file.sync_data().unwrap();
    });
    row("bare `fdatasync`", bare.len(), bare);

    for producers in PRODUCERS {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path(), StoreConfig::default(), Env::real()).unwrap();
        let log = store.create_log("bench", PartitionIndex(0), TopicId([1; 16]), LogConfig::default());
        let log = log.unwrap();
        let (mut waits, mut ends) = (Vec::new(), BTreeSet::new());
        thread::scope(|scope| {
            let threads: Vec<_> = (0..producers).map(|_| scope.spawn(|| produce(&log, &batch))).collect();
            for thread in threads {
                let (its_waits, its_ends) = thread.join().unwrap();
                waits.extend(its_waits);
                ends.extend(its_ends);
            }
        });
        row(&producers.to_string(), ends.len(), waits);
    }
}
