//! What `kindred log` reads: every kind of file, as any bytes. The first byte picks the kind.
#![no_main]

use std::io::IoSlice;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use protocol::types::Offset;
use storage::dump::{self, FileKind, LogReader, Piece};
use storage::env::{Disk, MemoryDisk, Open};
use storage::verify_path;

const NAMES: [&str; 6] = ["log", "index", "timeindex", "txnindex", "snapshot", "checkpoint"];
const TEXTS: [FileKind; 4] =
    [FileKind::Epochs, FileKind::Offsets, FileKind::PartitionMetadata, FileKind::MetaProperties];

fuzz_target!(|input: &[u8]| {
    let [kind, bytes @ ..] = input else { return };
    let kind = usize::from(*kind) % (NAMES.len() + TEXTS.len());
    let Some(name) = NAMES.get(kind) else {
        let _ = dump::check_text(TEXTS[kind - NAMES.len()], bytes);
        return;
    };
    let _ = (dump::offset_entries(bytes, Offset(i64::MAX - 9)), dump::time_entries(bytes, Offset(7)));
    let _ = (dump::aborted_entries(bytes), dump::producer_entries(bytes));
    let disk = MemoryDisk::new(0);
    let dir = Path::new("/data/orders-0");
    disk.create_dir_all(dir).expect("an empty disk");
    let path = dir.join(format!("00000000000000000007.{name}"));
    let file = disk.open(&path, Open::Create).expect("an empty disk");
    file.write_all_at(&mut [IoSlice::new(bytes)], 0).expect("an empty disk");
    let mut reader = LogReader::open(&disk, &path).expect("a file");
    let mut covered = 0;
    while let Some(piece) = reader.next_piece().expect("a sound disk") {
        match piece {
            Piece::Batch { position, batch } => {
                assert_eq!(position, covered);
                covered += batch.size_bytes() as u64;
            }
            Piece::Damage { position, bytes, .. } => {
                assert_eq!(position, covered);
                covered += bytes;
            }
        }
    }
    assert_eq!(covered, bytes.len() as u64);
    let verified = verify_path(&disk, &path).expect("a sound disk");
    assert!(verified.findings.len() <= 4 * bytes.len() + 8);
});
