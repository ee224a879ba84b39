//! Every loader of a data directory: one file of a sound directory is replaced by any bytes, and the store opened on it.
//!
//! The first byte picks the file, the second whether it was closed properly and whether the bytes are the file or are
//! laid over the original at some place. Whatever they are: nothing with a bad checksum is served, appends go on, and
//! after a clean close everything opens again to the same.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use protocol::records::{BatchBuilder, Batches, Compression};
use protocol::types::{
    Epoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, TimestampMs, TopicId,
};
use storage::env::{Disk, MemoryDisk, Open};
use storage::{AppendOptions, Env, LogConfig, PartitionLog, Store, StoreConfig, verify_path};

const DIR: &str = "/data";
const NOW: TimestampMs = TimestampMs(1_700_000_000_000);

fn config() -> LogConfig {
    LogConfig { segment_bytes: 2048, index_interval_bytes: 200, ..LogConfig::default() }
}

fn open(disk: &MemoryDisk) -> Option<(Store, std::sync::Arc<PartitionLog>)> {
    let (env, _) = Env::on_disk(disk.clone(), 1, NOW);
    let config = StoreConfig { defaults: config(), recovery_threads: 1, ..StoreConfig::default() };
    let (store, _) = Store::open(Path::new(DIR), config, env).ok()?;
    let log = store.log("orders", PartitionIndex(0))?;
    Some((store, log))
}

/// Several segments with idempotent, transactional and compressed batches; closed, or not.
fn directory(close: bool) -> MemoryDisk {
    let disk = MemoryDisk::new(1);
    let (env, _) = Env::on_disk(disk.clone(), 1, NOW);
    let (store, _) = Store::open(Path::new(DIR), StoreConfig::default(), env).expect("an empty disk");
    let log =
        store.create_log("orders", PartitionIndex(0), TopicId([7; 16]), config()).expect("an empty disk");
    for i in 0..40_i32 {
        let codec = Compression::ALL[i as usize % Compression::ALL.len()];
        let producer = (ProducerId(7), ProducerEpoch(0), Sequence(i));
        let mut builder = BatchBuilder::new().compression(codec).producer(producer.0, producer.1, producer.2);
        builder.append(TimestampMs(NOW.0 + i64::from(i)), Some(b"key"), Some(&[b'v'; 150]), &[]);
        log.append(&builder.build(), Epoch(i / 20), &AppendOptions::client(NOW)).expect("a sound batch");
        if i % 10 == 0 {
            let (id, epoch) = (ProducerId(8), ProducerEpoch(0));
            let mut builder = BatchBuilder::new().producer(id, epoch, Sequence(i / 10)).transactional();
            builder.append(NOW, None, Some(b"t"), &[]);
            log.append(&builder.build(), Epoch(i / 20), &AppendOptions::client(NOW)).expect("a sound batch");
            let outcome = protocol::records::control::Outcome::Abort;
            let marker = protocol::records::control::Marker { outcome, coordinator_epoch: Epoch(0) };
            let marker = marker.to_batch(id, epoch, NOW);
            log.append(&marker, Epoch(i / 20), &AppendOptions::internal(NOW)).expect("a sound marker");
        }
    }
    if close {
        store.close().expect("a sound disk");
    } else {
        store.flush_checkpoints().expect("a sound disk");
    }
    drop((store, log));
    disk
}

static DIRECTORIES: LazyLock<[(MemoryDisk, Vec<PathBuf>); 2]> = LazyLock::new(|| {
    [false, true].map(|close| {
        let disk = directory(close);
        let files = disk.list().into_iter().map(|(path, _)| path).collect();
        (disk, files)
    })
});

fn read_all(log: &PartitionLog) -> (Offset, usize) {
    let (mut from, mut count) = (log.marks().start(), 0);
    while from < log.marks().high() {
        let Ok(read) = log.read(from, 4096, true, log.marks().high()) else {
            // Damage ends what can be had of a segment, and the next ones are there.
            let next = log.segment_infos().into_iter().map(|info| info.base_offset).find(|base| *base > from);
            let Some(next) = next else { break };
            from = next;
            continue;
        };
        assert!(read.next_offset > from, "no progress");
        for batch in Batches::new(&read.records) {
            let batch = batch.expect("whole batches are served");
            batch.verify_crc().expect("nothing with a bad checksum is served");
            count += 1;
        }
        from = read.next_offset;
    }
    (from, count)
}

fuzz_target!(|input: &[u8]| {
    let [file, how, content @ ..] = input else { return };
    let (disk, files) = &DIRECTORIES[usize::from(how & 1)];
    let disk = disk.copy(1);
    let path = &files[usize::from(*file) % files.len()];
    if how & 2 == 0 {
        let file = disk.open(path, Open::Create).expect("the disk takes it");
        file.write_all_at(&mut [std::io::IoSlice::new(content)], 0).expect("the disk takes it");
    } else if let [at, extra, content @ ..] = content {
        let patch = |bytes: &mut Vec<u8>| {
            let at = (usize::from(*at) << 4 | usize::from(*extra & 15)).min(bytes.len());
            let end = (at + content.len()).min(bytes.len());
            bytes.splice(at..end, content.iter().copied());
        };
        disk.damage(path, patch).expect("the file is there");
    }
    let _ = verify_path(&disk, Path::new(DIR));
    let Some((store, log)) = open(&disk) else { return };
    let before = read_all(&log);
    let _ = log.offset_for_timestamp(TimestampMs(NOW.0 + 20));
    let _ = log.max_timestamp();
    let _ = log.aborted_transactions(log.marks().start(), log.marks().end());
    let _ = (log.producers(), log.end_of_epoch(Epoch(0)), log.epoch_at(Offset(3)));
    let mut builder = BatchBuilder::new();
    builder.append(NOW, None, Some(b"after"), &[]);
    let appended = log.append(&builder.build(), Epoch(5), &AppendOptions::client(NOW));
    if store.close().is_err() {
        return;
    }
    let end = log.marks().end();
    drop((store, log));
    let (_store, log) = open(&disk).expect("what was closed opens");
    assert_eq!(log.marks().end(), end);
    let after = read_all(&log);
    let whole = usize::from(appended.is_ok() && before.0 == end);
    assert!(after.1 >= before.1 + whole, "{}: {before:?} {after:?}", path.display());
});
