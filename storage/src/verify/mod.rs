//! Checks the files of a data directory against each other, without opening a log.
//!
//! | file | rule |
//! |---|---|
//! | `.log` | whole batches back to back; checksums right; offsets rise and fit the segment; records as announced; nothing behind the last |
//! | `.index` | whole entries that rise; a batch begins at each position and ends with the entry's offset |
//! | `.timeindex` | whole entries that rise; each offset is the last of a batch whose largest timestamp is the entry's |
//! | `.txnindex` | whole entries of version 0; last offsets rise and are those of abort markers |
//! | `.snapshot` | right checksum |
//! | `leader-epoch-checkpoint`, `partition.metadata`, `meta.properties`, checkpoints of offsets | readable |
//!
//! They are those of Apache Kafka's `DumpLogSegments` (`--deep-iteration`, `--verify-index-only`), and a little more. A
//! log that is being written, or was not closed, may lack index entries; it never has wrong ones. One that is being
//! written may look torn at its end, and its files may go while they are read: what two looks in a row find is there
//! ([`Verified::confirmed_by`]).
//!
//! Indexes are read before the log that they speak of, so that a log which grows meanwhile has whatever they name; and
//! of the log only the batches that they name are remembered, so memory follows the indexes.

mod segment;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use protocol::types::Offset;

use crate::dump::{self, FileKind};
use crate::env::Disk;
use crate::log::parse_partition_dir;
use segment::Segment;

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

/// What was looked at, and what was wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Files that were checked.
    pub files: usize,
    /// Bytes in them.
    pub bytes: u64,
    /// By directory and file; empty is a clean bill of health.
    pub findings: Vec<Finding>,
}

impl Verified {
    /// Keeps the findings that `again`, a later look at the same path, has too.
    #[must_use]
    pub fn confirmed_by(mut self, again: &Verified) -> Verified {
        self.findings.retain(|finding| again.findings.contains(finding));
        self
    }

    fn found(&mut self, path: &Path, position: u64, what: impl fmt::Display) {
        self.findings.push(Finding { path: path.to_owned(), position, what: what.to_string() });
    }
}

/// Checks a data directory, the directory of a partition, or one file (with the log that an index speaks of).
///
/// # Errors
/// The path is not there, or the device failed.
pub fn verify_path(disk: &dyn Disk, path: &Path) -> io::Result<Verified> {
    let mut verified = Verified::default();
    let entries = match disk.read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let directory = path.parent().unwrap_or(Path::new(""));
            if FileKind::of(path).is_none() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file of a data directory"));
            }
            check_files(disk, directory, &[name.to_owned()], &mut verified)?;
            return Ok(verified);
        }
        Err(error) => return Err(error),
    };
    let (mut directories, mut files) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry.is_dir {
            true if parse_partition_dir(&entry.name).is_some() => directories.push(entry.name),
            true => {}
            false => files.push(entry.name),
        }
    }
    check_files(disk, path, &files, &mut verified)?;
    directories.sort_unstable();
    for name in directories {
        let directory = path.join(name);
        if let Some(files) = if_there(disk.read_dir(&directory))? {
            let files: Vec<_> = files.into_iter().map(|entry| entry.name).collect();
            check_files(disk, &directory, &files, &mut verified)?;
        }
    }
    Ok(verified)
}

/// Checks every file in a partition's directory; an empty answer is a clean bill of health.
///
/// # Errors
/// The directory or a file cannot be read.
pub fn verify_partition(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<Finding>> {
    verify_path(disk, dir).map(|verified| verified.findings)
}

/// Checks the files of these names in a directory: segments by their base offset, then the rest by name.
fn check_files(disk: &dyn Disk, dir: &Path, names: &[String], verified: &mut Verified) -> io::Result<()> {
    let paths: BTreeSet<PathBuf> = names.iter().map(|name| dir.join(name)).collect();
    let mut segments = BTreeSet::new();
    let mut others = Vec::new();
    for path in &paths {
        match FileKind::of(path) {
            Some(FileKind::Log | FileKind::OffsetIndex | FileKind::TimeIndex | FileKind::AbortedIndex) => {
                match dump::base_offset(path) {
                    Some(base) => drop(segments.insert((base, path.with_extension("log")))),
                    None => verified.found(path, 0, "its name does not begin with an offset"),
                }
            }
            Some(_) => others.push(path),
            None => {}
        }
    }
    let asked = |path: &Path| paths.contains(path);
    let mut end = Offset(0);
    for (base, log) in segments {
        end = Segment { disk, base, log: &log, asked: &asked }.check(end, verified)?;
    }
    for path in others {
        check_other(disk, path, verified)?;
    }
    Ok(())
}

/// Checks a file that speaks of no other.
fn check_other(disk: &dyn Disk, path: &Path, verified: &mut Verified) -> io::Result<()> {
    let Some(kind) = FileKind::of(path) else { return Ok(()) };
    if kind == FileKind::MetadataSnapshot {
        // Its offsets begin at 0, whatever its name says.
        let segment = Segment { disk, base: Offset(0), log: path, asked: &|asked| asked == path };
        return segment.check(Offset(0), verified).map(drop);
    }
    let Some(bytes) = if_there(disk.read(path))? else { return Ok(()) };
    verified.files += 1;
    verified.bytes += bytes.len() as u64;
    let fault = match kind {
        FileKind::Producers => dump::producer_entries(&bytes).err().map(str::to_owned),
        kind => dump::check_text(kind, &bytes).err(),
    };
    if let Some(fault) = fault {
        verified.found(path, 0, fault);
    }
    Ok(())
}

/// `None` for what is not there: the files of a log that is in use may go at any time.
fn if_there<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
