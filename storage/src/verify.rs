//! Checks the files of a partition against each other, without opening the log.
//!
//! | file | rule |
//! |---|---|
//! | `.log` | whole batches back to back; checksums right; offsets rise and fit the segment; nothing behind the last |
//! | `.index` | whole entries that rise; a batch begins at each position and ends with the entry's offset |
//! | `.timeindex` | whole entries that rise; each offset is the last of a batch whose largest timestamp is the entry's |
//! | `.txnindex` | whole entries of version 0; last offsets rise and are those of abort markers |
//! | `.snapshot` | right checksum |
//! | `leader-epoch-checkpoint`, `partition.metadata` | readable |
//!
//! They are those of Apache Kafka's `DumpLogSegments` (`--deep-iteration`, `--verify-index-only`), and a little more. A
//! log that is being written, or was not closed, may lack index entries; it never has wrong ones.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use protocol::records::batch::{Batch, HEADER_SIZE};
use protocol::records::control::{Marker, Outcome};
use protocol::types::{Offset, TimestampMs};

use crate::checkpoint;
use crate::env::Disk;
use crate::epochs::Epochs;
use crate::producers::snapshot;
use crate::segment::aborted_index;
use crate::segment::head::Head;
use crate::segment::{offset_index, time_index};

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// The byte at which the offending thing begins.
    pub position: u64,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.path.display(), self.position, self.what)
    }
}

/// A batch, as far as indexes speak of it.
struct Known {
    last_offset: Offset,
    max_timestamp: TimestampMs,
    is_abort: bool,
}

/// Checks every file in a partition's directory; an empty answer is a clean bill of health.
///
/// # Errors
/// The directory or a file cannot be read.
pub fn verify_partition(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut names: Vec<_> = disk.read_dir(dir)?.into_iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    let mut end = Offset(0);
    for name in &names {
        let path = dir.join(name);
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("log") => {
                let mut segment =
                    Segment { findings: &mut findings, base: base_of(name), batches: BTreeMap::new() };
                end = segment.check_log(&path, &disk.read(&path)?, end);
                segment.check_indexes(disk, &path)?;
            }
            Some("snapshot") if snapshot::decode(&disk.read(&path)?, TimestampMs(0)).is_none() => {
                findings.push(Finding { path, position: 0, what: "damaged snapshot".to_owned() });
            }
            _ if name == "leader-epoch-checkpoint" && Epochs::decode(&disk.read(&path)?).is_none() => {
                findings.push(Finding { path, position: 0, what: "damaged checkpoint".to_owned() });
            }
            _ if name == "partition.metadata"
                && checkpoint::parse_partition_metadata(&disk.read(&path)?).is_none() =>
            {
                findings.push(Finding { path, position: 0, what: "damaged metadata".to_owned() });
            }
            _ => {}
        }
    }
    Ok(findings)
}

fn base_of(name: &str) -> Offset {
    name.split('.').next().and_then(|digits| digits.parse().ok()).map_or(Offset(0), Offset)
}

/// One segment being checked.
struct Segment<'a> {
    findings: &'a mut Vec<Finding>,
    base: Offset,
    /// Sound batches by where they begin.
    batches: BTreeMap<u64, Known>,
}

impl Segment<'_> {
    fn found(&mut self, path: &Path, position: usize, what: impl fmt::Display) {
        self.findings.push(Finding {
            path: path.to_owned(),
            position: position as u64,
            what: what.to_string(),
        });
    }

    /// Walks the batches, which must begin at or behind `end`; returns where they end.
    fn check_log(&mut self, path: &Path, log: &[u8], end: Offset) -> Offset {
        let mut next = end.max(self.base);
        if self.base < end {
            self.found(path, 0, format_args!("the segment before reaches to offset {end}"));
        }
        let mut position = 0;
        while position < log.len() {
            let head = match Head::parse(&log[position..]) {
                Ok(head) => head,
                Err(reason) => {
                    self.found(path, position, reason);
                    break;
                }
            };
            let size = head.size_bytes as usize;
            let Some(bytes) = log.get(position..position + size) else {
                self.found(path, position, "torn inside a batch");
                break;
            };
            self.check_batch(path, position, bytes, &head, next);
            next = head.last_offset.next();
            position += size;
        }
        next
    }

    fn check_batch(&mut self, path: &Path, position: usize, bytes: &[u8], head: &Head, next: Offset) {
        if head.base_offset < next {
            self.found(path, position, format_args!("offset {} is not behind the last", head.base_offset));
        }
        if offset_index::relative_offset(self.base, head.last_offset).is_none() {
            self.found(
                path,
                position,
                format_args!("offset {} is out of the segment's reach", head.last_offset),
            );
        }
        match Batch::parse(bytes) {
            Ok((batch, _)) => {
                if let Err(error) = batch.verify_crc() {
                    self.found(path, position, error);
                }
                let is_abort = batch.is_control() && bytes.len() > HEADER_SIZE && {
                    let marker =
                        batch.records().next().and_then(Result::ok).and_then(|record| Marker::parse(&record));
                    marker.is_some_and(|marker| marker.outcome == Outcome::Abort)
                };
                let known =
                    Known { last_offset: head.last_offset, max_timestamp: head.max_timestamp, is_abort };
                self.batches.insert(position as u64, known);
            }
            Err(error) => self.found(path, position, error),
        }
    }

    fn check_indexes(&mut self, disk: &dyn Disk, log: &Path) -> io::Result<()> {
        for (extension, check) in [
            ("index", Self::check_offset_index as fn(&mut Self, &Path, &[u8])),
            ("timeindex", Self::check_time_index),
            ("txnindex", Self::check_aborted_index),
        ] {
            let path = log.with_extension(extension);
            match disk.read(&path) {
                Ok(bytes) => check(self, &path, &bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn check_offset_index(&mut self, path: &Path, bytes: &[u8]) {
        let (entries, rest) = bytes.as_chunks::<{ offset_index::ENTRY_BYTES }>();
        self.check_rest(path, bytes.len(), rest);
        let mut last = None;
        for (i, entry) in entries.iter().enumerate() {
            let [offset, position] = [&entry[..4], &entry[4..]].map(offset_index::be_u32);
            if i > 0 && (offset, position) == (0, 0) {
                // Apache Kafka gives a growing index its full size.
                break;
            }
            if last.is_some_and(|last| last >= (offset, position)) {
                self.found(path, i * entry.len(), "entries do not rise");
            }
            last = Some((offset, position));
            let offset = self.base + i64::from(offset);
            let ends = self.batches.get(&u64::from(position)).map(|batch| batch.last_offset);
            if ends != Some(offset) {
                self.found(
                    path,
                    i * entry.len(),
                    format_args!("no batch at {position} that ends with {offset}"),
                );
            }
        }
    }

    fn check_time_index(&mut self, path: &Path, bytes: &[u8]) {
        let (entries, rest) = bytes.as_chunks::<{ time_index::ENTRY_BYTES }>();
        self.check_rest(path, bytes.len(), rest);
        let by_last_offset: BTreeMap<Offset, TimestampMs> =
            self.batches.values().map(|batch| (batch.last_offset, batch.max_timestamp)).collect();
        let mut last = None;
        for (i, entry) in entries.iter().enumerate() {
            let (timestamp, offset) = entry.split_at(8);
            let timestamp = i64::from_be_bytes(timestamp.try_into().expect("split off eight bytes"));
            let offset = self.base + i64::from(offset_index::be_u32(offset));
            if i > 0 && timestamp == 0 && offset == self.base {
                break;
            }
            if last.is_some_and(|last| last >= timestamp) {
                self.found(path, i * entry.len(), "timestamps do not rise");
            }
            last = Some(timestamp);
            if by_last_offset.get(&offset) != Some(&TimestampMs(timestamp)) {
                let what = format_args!("no batch that ends with {offset} and is of {timestamp}");
                self.found(path, i * entry.len(), what);
            }
        }
    }

    fn check_aborted_index(&mut self, path: &Path, bytes: &[u8]) {
        let (entries, rest) = bytes.as_chunks::<{ aborted_index::ENTRY_BYTES }>();
        self.check_rest(path, bytes.len(), rest);
        let mut last = None;
        for (i, entry) in entries.iter().enumerate() {
            let at = i * entry.len();
            let Some(transaction) = aborted_index::AbortedTransaction::decode(entry) else {
                self.found(path, at, "impossible entry");
                continue;
            };
            if last.is_some_and(|last| last >= transaction.last_offset) {
                self.found(path, at, "last offsets do not rise");
            }
            last = Some(transaction.last_offset);
            let is_abort = |batch: &Known| batch.is_abort && batch.last_offset == transaction.last_offset;
            if !self.batches.values().any(is_abort) {
                self.found(path, at, format_args!("no abort marker at {}", transaction.last_offset));
            }
        }
    }

    fn check_rest(&mut self, path: &Path, len: usize, rest: &[u8]) {
        if !rest.is_empty() {
            self.found(path, len - rest.len(), "torn inside an entry");
        }
    }
}
