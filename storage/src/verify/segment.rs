//! One segment: its log walked once, its indexes checked against what the walk saw.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use protocol::records::batch::Batch;
use protocol::records::control::{Marker, Outcome};
use protocol::types::{Offset, TimestampMs};

use super::{Verified, if_there};
use crate::dump::{self, BATCH_BYTES_MAX, LogReader, Piece};
use crate::env::Disk;
use crate::segment::aborted_index::AbortedTransaction;
use crate::segment::{aborted_index, offset_index, time_index};

/// The files of one segment, to be checked.
pub(super) struct Segment<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) base: Offset,
    /// Its log; the indexes have the same name with another extension.
    pub(super) log: &'a Path,
    /// Whether a file was asked about; the log is walked for its indexes all the same.
    pub(super) asked: &'a dyn Fn(&Path) -> bool,
}

/// An index file, read.
struct Index<T> {
    path: PathBuf,
    /// In the file's order.
    entries: Vec<T>,
}

/// The indexes of a segment.
struct Indexes {
    offsets: Option<Index<(Offset, u32)>>,
    times: Option<Index<(TimestampMs, Offset)>>,
    aborted: Option<Index<Option<AbortedTransaction>>>,
}

/// What the indexes speak of, and then what the log has there.
#[derive(Default)]
pub(super) struct Wanted {
    /// By where a batch begins: its last offset.
    positions: BTreeMap<u64, Option<Offset>>,
    /// By last offset: the largest timestamp.
    last_offsets: BTreeMap<Offset, Option<TimestampMs>>,
    /// The abort markers in the log.
    aborts: BTreeSet<Offset>,
}

impl Segment<'_> {
    /// Checks the segment, whose log must begin at or behind `end`; returns where it ends.
    pub(super) fn check(&self, end: Offset, verified: &mut Verified) -> io::Result<Offset> {
        let indexes = self.read_indexes(verified)?;
        let mut wanted = indexes.wanted();
        let next = self.walk(end, &mut wanted, verified)?;
        indexes.check(self.base, &wanted, verified);
        Ok(next)
    }

    fn read_indexes(&self, verified: &mut Verified) -> io::Result<Indexes> {
        let base = self.base;
        Ok(Indexes {
            offsets: self.read_index("index", |bytes| dump::offset_entries(bytes, base), verified)?,
            times: self.read_index("timeindex", |bytes| dump::time_entries(bytes, base), verified)?,
            aborted: self.read_index("txnindex", dump::aborted_entries, verified)?,
        })
    }

    fn read_index<T>(
        &self,
        extension: &str,
        decode: impl Fn(&[u8]) -> dump::Entries<T>,
        verified: &mut Verified,
    ) -> io::Result<Option<Index<T>>> {
        let path = self.log.with_extension(extension);
        if !(self.asked)(&path) {
            return Ok(None);
        }
        let Some(bytes) = if_there(self.disk.read(&path))? else { return Ok(None) };
        verified.files += 1;
        verified.bytes += bytes.len() as u64;
        let read = decode(&bytes);
        if read.torn_bytes > 0 {
            verified.found(&path, (bytes.len() - read.torn_bytes) as u64, "torn inside an entry");
        }
        Ok(Some(Index { path, entries: read.entries }))
    }

    /// Walks the batches, and notes of them what is wanted.
    fn walk(&self, end: Offset, wanted: &mut Wanted, verified: &mut Verified) -> io::Result<Offset> {
        let path = self.log;
        let asked = (self.asked)(path);
        let Some(mut log) = if_there(LogReader::open(self.disk, path))? else {
            if !wanted.positions.is_empty() || !wanted.last_offsets.is_empty() {
                verified.found(path, 0, "missing, although there is an index of it");
            }
            return Ok(end);
        };
        // Of a log that was not asked about nothing is reported.
        let mut unasked = Verified::default();
        let verified = if asked { verified } else { &mut unasked };
        verified.files += 1;
        verified.bytes += log.size_bytes();
        if self.base < end {
            verified.found(path, 0, format_args!("the segment before reaches to offset {end}"));
        }
        let mut next = end.max(self.base);
        let mut scratch = Vec::new();
        while let Some(piece) = log.next_piece()? {
            match piece {
                Piece::Batch { position, batch } => {
                    self.check_batch(position, &batch, next, wanted, &mut scratch, verified);
                    next = batch.next_offset();
                }
                Piece::Damage { position, what, bytes } => {
                    verified.found(path, position, format_args!("{what}; {bytes} bytes to the end"));
                }
            }
        }
        Ok(next)
    }

    fn check_batch(
        &self,
        position: u64,
        batch: &Batch<'_>,
        next: Offset,
        wanted: &mut Wanted,
        scratch: &mut Vec<u8>,
        verified: &mut Verified,
    ) {
        let mut found = |what: &dyn std::fmt::Display| verified.found(self.log, position, what);
        let last = batch.last_offset();
        if batch.base_offset() < next {
            found(&format_args!("offset {} is not behind the last", batch.base_offset()));
        }
        if offset_index::relative_offset(self.base, last).is_none() {
            found(&format_args!("offset {last} is out of the segment's reach"));
        }
        let newest = match batch.verify_crc() {
            // What is inside cannot be trusted, and is not what is wrong.
            Err(error) => {
                found(&error);
                batch.max_timestamp()
            }
            Ok(()) => match check_records(batch, scratch) {
                Ok(newest) => newest.unwrap_or(batch.max_timestamp()),
                Err(what) => {
                    found(&what);
                    batch.max_timestamp()
                }
            },
        };
        if let Some(slot) = wanted.positions.get_mut(&position) {
            *slot = Some(last);
        }
        if let Some(slot) = wanted.last_offsets.get_mut(&last) {
            *slot = Some(newest);
        }
        if batch.is_control() && is_abort(batch) {
            wanted.aborts.insert(last);
        }
    }
}

/// Checks the records of a batch, which compaction may have thinned; returns their largest timestamp, if there are any.
fn check_records(batch: &Batch<'_>, scratch: &mut Vec<u8>) -> Result<Option<TimestampMs>, String> {
    let limit = usize::try_from(BATCH_BYTES_MAX).unwrap_or(usize::MAX);
    let records = batch.decompressed(limit, scratch).map_err(|error| error.to_string())?;
    let (mut newest, mut behind) = (None, batch.base_offset());
    for record in records {
        let record = record.map_err(|error| error.to_string())?;
        if record.offset < behind || record.offset > batch.last_offset() {
            return Err(format!("its record {} is out of place", record.offset));
        }
        behind = record.offset.next();
        newest = newest.max(Some(record.timestamp));
    }
    Ok(newest)
}

fn is_abort(batch: &Batch<'_>) -> bool {
    let marker = batch.records().next().and_then(Result::ok).and_then(|record| Marker::parse(&record));
    marker.is_some_and(|marker| marker.outcome == Outcome::Abort)
}

impl Indexes {
    fn wanted(&self) -> Wanted {
        let offsets = self.offsets.iter().flat_map(|index| &index.entries);
        let times = self.times.iter().flat_map(|index| &index.entries);
        Wanted {
            positions: offsets.map(|(_, position)| (u64::from(*position), None)).collect(),
            last_offsets: times.map(|(_, offset)| (*offset, None)).collect(),
            aborts: BTreeSet::new(),
        }
    }

    fn check(&self, base: Offset, log: &Wanted, verified: &mut Verified) {
        if let Some(index) = &self.offsets {
            check_offsets(index, log, verified);
        }
        if let Some(index) = &self.times {
            check_times(index, base, log, verified);
        }
        if let Some(index) = &self.aborted {
            check_aborted(index, log, verified);
        }
    }
}

fn check_offsets(index: &Index<(Offset, u32)>, log: &Wanted, verified: &mut Verified) {
    let mut last = None;
    for (i, &(offset, position)) in index.entries.iter().enumerate() {
        let at = (i * offset_index::ENTRY_BYTES) as u64;
        if last.is_some_and(|(o, p)| o >= offset || p >= position) {
            verified.found(&index.path, at, "entries do not rise");
        }
        last = Some((offset, position));
        match log.positions.get(&u64::from(position)) {
            Some(Some(ends)) if *ends == offset => {}
            Some(Some(ends)) => {
                let what = format_args!("offset {offset}, but the batch at {position} ends with {ends}");
                verified.found(&index.path, at, what);
            }
            _ => verified.found(&index.path, at, format_args!("offset {offset}: no batch at {position}")),
        }
    }
}

fn check_times(index: &Index<(TimestampMs, Offset)>, base: Offset, log: &Wanted, verified: &mut Verified) {
    let mut last = None;
    for (i, &(timestamp, offset)) in index.entries.iter().enumerate() {
        let at = (i * time_index::ENTRY_BYTES) as u64;
        // An entry of zeros at the very front is padding, unless a batch of 1970 begins the segment.
        let padding =
            timestamp.0 == 0 && offset == base && log.last_offsets.get(&offset) != Some(&Some(timestamp));
        if i == 0 && padding && index.entries.len() == 1 {
            return;
        }
        if last.is_some_and(|last| last >= timestamp) {
            verified.found(&index.path, at, "timestamps do not rise");
        }
        last = Some(timestamp);
        match log.last_offsets.get(&offset) {
            Some(Some(newest)) if *newest == timestamp => {}
            Some(Some(newest)) => {
                let what = format_args!(
                    "timestamp {timestamp}, but the newest of the batch that ends with {offset} is {newest}"
                );
                verified.found(&index.path, at, what);
            }
            _ => {
                verified.found(
                    &index.path,
                    at,
                    format_args!("timestamp {timestamp}: no batch ends with {offset}"),
                );
            }
        }
    }
}

fn check_aborted(index: &Index<Option<AbortedTransaction>>, log: &Wanted, verified: &mut Verified) {
    let mut last = None;
    for (i, transaction) in index.entries.iter().enumerate() {
        let at = (i * aborted_index::ENTRY_BYTES) as u64;
        let Some(transaction) = transaction else {
            verified.found(&index.path, at, "impossible entry");
            continue;
        };
        if last.is_some_and(|last| last >= transaction.last_offset) {
            verified.found(&index.path, at, "last offsets do not rise");
        }
        last = Some(transaction.last_offset);
        if !log.aborts.contains(&transaction.last_offset) {
            verified.found(&index.path, at, format_args!("no abort marker at {}", transaction.last_offset));
        }
    }
}
