//! Making a segment, opening one as it is, and opening one without believing more of it than must be.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use protocol::records::batch::Batch;
use protocol::types::{Offset, TimestampMs};

use super::aborted_index::AbortedIndex;
use super::head::Head;
use super::offset_index::{OffsetIndex, OffsetPosition};
use super::scan::{Copied, Scan, ScanError};
use super::tail::Tail;
use super::time_index::TimeIndex;
use super::{Paths, Segment, SegmentLimits};
use crate::env::{Disk, Open};

/// What recovering a segment found.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// The file's length.
    pub(crate) file_bytes: u64,
    /// How many of those are sound batches, from the start.
    pub(crate) sound_bytes: u64,
    /// Bytes of batches whose checksums were looked at.
    pub(crate) bytes_scanned: u64,
    /// Bytes before the trusted offset, which were not.
    unchecked_bytes: u64,
    /// What is wrong behind the sound bytes.
    pub(crate) damage: Option<String>,
    /// The damage is but the file's end in the middle of a batch.
    pub(crate) ends_early: bool,
    /// The aborted-transaction index could not be used.
    pub(crate) lost_aborted: bool,
}

impl Segment {
    /// Makes a new, empty segment. Its name is durable only once the directory is synced.
    pub(crate) fn create(
        disk: Arc<dyn Disk>,
        paths: Paths,
        base: Offset,
        limits: SegmentLimits,
        now: TimestampMs,
    ) -> io::Result<Self> {
        let file = disk.open(&paths.log, Open::Create)?;
        let tail = Tail::empty(&disk, &paths, base, limits.index_interval_bytes);
        let aborted = AbortedIndex::new(disk.clone(), paths.txn_index.clone());
        let segment = Self::new(disk, paths, base, limits, now, tail, aborted);
        *segment.file.write() = Some(file);
        Ok(segment)
    }

    /// Opens a segment that was closed properly: nothing but the sizes of its files is looked at.
    ///
    /// `next_offset` is the base offset of the segment behind it; the last segment finds its own end by walking
    /// from the last index entry. `None` if the indexes are missing or cannot be right, or the walk meets damage:
    /// the caller recovers the segment then.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        paths: Paths,
        base: Offset,
        limits: SegmentLimits,
        next_offset: Option<Offset>,
    ) -> io::Result<Option<Self>> {
        let size = disk.len(&paths.log)?;
        let created = TimestampMs(disk.modified_ms(&paths.log)?);
        let Some(offsets) = OffsetIndex::open(disk.clone(), paths.index.clone(), base)? else {
            return Ok(None);
        };
        let Some(times) = TimeIndex::open(disk.clone(), paths.time_index.clone(), base)? else {
            return Ok(None);
        };
        let Some(aborted) = AbortedIndex::open(disk.clone(), paths.txn_index.clone())? else {
            return Ok(None);
        };
        let last_entry = offsets.last();
        let last_time = times.last();
        if last_entry.is_some_and(|entry| entry.position >= size)
            || next_offset.is_some_and(|next| {
                last_entry.is_some_and(|entry| entry.offset >= next)
                    || last_time.is_some_and(|entry| entry.offset >= next)
            })
        {
            return Ok(None);
        }
        let tail = Tail {
            base,
            interval_bytes: limits.index_interval_bytes,
            size,
            next_offset: next_offset.unwrap_or(base),
            offsets,
            times,
            max: None,
            bytes_since_entry: size - last_entry.map_or(0, |entry| entry.position),
        };
        let mut segment = Self::new(disk, paths, base, limits, created, tail, aborted);
        segment.unchecked = size;
        segment.sealed = AtomicBool::new(next_offset.is_some());
        if next_offset.is_none() && !segment.find_end(last_entry)? {
            return Ok(None);
        }
        Ok(Some(segment))
    }

    /// Opens a segment without believing its indexes: every batch that ends at or behind `trusted` is read and checked,
    /// and what is no sound batch is left out. Of what lies before, only headers are walked, from the last index
    /// entry that fits.
    ///
    /// The file itself is not changed: the caller decides with [`Self::cut_off`].
    ///
    /// # Errors
    /// The disk failed to read.
    pub(crate) fn recover(
        disk: Arc<dyn Disk>,
        paths: Paths,
        base: Offset,
        limits: SegmentLimits,
        trusted: Offset,
    ) -> io::Result<(Self, Recovered)> {
        let file = disk.open(&paths.log, Open::Read)?;
        let file_bytes = file.size()?;
        let created = TimestampMs(disk.modified_ms(&paths.log)?);
        let source = Copied(file);
        let mut attempt = None;
        let tail = Self::trusted_tail(&disk, &paths, base, limits, trusted)?;
        if let Some(tail) = tail.filter(|tail| tail.size < file_bytes) {
            let start = tail.size;
            let (tail, recovered) = Self::scan_tail(&source, tail, file_bytes, trusted)?;
            // Where not even the first batch is sound, the index may be lying.
            if recovered.damage.is_none() || recovered.sound_bytes > start {
                attempt = Some((tail, recovered));
            }
        }
        let (tail, mut recovered) = match attempt {
            Some(done) => done,
            None => {
                let tail = Tail::rebuilding(&disk, &paths, base, limits.index_interval_bytes);
                Self::scan_tail(&source, tail, file_bytes, trusted)?
            }
        };
        let aborted = match AbortedIndex::open(disk.clone(), paths.txn_index.clone())? {
            Some(aborted) => aborted,
            None => {
                recovered.lost_aborted = true;
                AbortedIndex::replacing(disk.clone(), paths.txn_index.clone())
            }
        };
        let mut segment = Self::new(disk, paths, base, limits, created, tail, aborted);
        segment.unchecked = recovered.unchecked_bytes;
        Ok((segment, recovered))
    }

    /// The tail as the indexes have it at their last entry before `trusted`; `None` if they are of no use.
    fn trusted_tail(
        disk: &Arc<dyn Disk>,
        paths: &Paths,
        base: Offset,
        limits: SegmentLimits,
        trusted: Offset,
    ) -> io::Result<Option<Tail>> {
        let Some(mut offsets) = OffsetIndex::open(disk.clone(), paths.index.clone(), base)? else {
            return Ok(None);
        };
        let Some(mut times) = TimeIndex::open(disk.clone(), paths.time_index.clone(), base)? else {
            return Ok(None);
        };
        offsets.keep_before(trusted)?;
        let Some(last) = offsets.last() else { return Ok(None) };
        // The batch of the last entry is walked again, and its entry made again.
        offsets.keep_before(last.offset)?;
        times.keep_before(last.offset)?;
        Ok(Some(Tail {
            base,
            interval_bytes: limits.index_interval_bytes,
            size: last.position,
            next_offset: offsets.last().map_or(base, |before| before.offset.next()),
            offsets,
            times,
            max: None,
            bytes_since_entry: limits.index_interval_bytes + 1,
        }))
    }

    /// Adds every sound batch from the tail's end on.
    fn scan_tail(
        source: &Copied,
        mut tail: Tail,
        file_bytes: u64,
        trusted: Offset,
    ) -> io::Result<(Tail, Recovered)> {
        let start = tail.size;
        let mut scan = Scan::new(source, start..file_bytes);
        let mut recovered = Recovered { file_bytes, ..Recovered::default() };
        loop {
            match Self::next_sound(&mut scan, &tail, trusted) {
                Ok(None) => break,
                Ok(Some(head)) => {
                    tail.add(&head);
                    if head.last_offset < trusted {
                        recovered.unchecked_bytes = tail.size;
                    }
                }
                Err(Unsound::Io(error)) => return Err(error),
                Err(Unsound::Damaged { reason, ends_early }) => {
                    recovered.damage = Some(reason);
                    recovered.ends_early = ends_early;
                    break;
                }
            }
        }
        recovered.sound_bytes = tail.size;
        recovered.bytes_scanned = tail.size - start.max(recovered.unchecked_bytes).min(tail.size);
        Ok((tail, recovered))
    }

    /// The next batch, if it is sound; one before the trusted offset is believed.
    fn next_sound(scan: &mut Scan<'_>, tail: &Tail, trusted: Offset) -> Result<Option<Head>, Unsound> {
        let Some(found) = scan.next_head()? else { return Ok(None) };
        let head = found.head;
        if !tail.can_follow(&head) {
            return Err(Unsound::damaged(format!("offset {} out of order", head.base_offset)));
        }
        if head.last_offset >= trusted {
            check(&scan.batch(&found)?).map_err(Unsound::damaged)?;
        }
        Ok(Some(head))
    }

    /// Walks from the last index entry to the end of the file and notes where that is; false on damage.
    fn find_end(&mut self, last_entry: Option<OffsetPosition>) -> io::Result<bool> {
        let source = Copied(self.disk.open(&self.paths.log, Open::Read)?);
        let tail = self.tail.get_mut();
        let mut scan = Scan::new(&source, last_entry.map_or(0, |entry| entry.position)..tail.size);
        loop {
            match scan.next_head() {
                Ok(None) => return Ok(true),
                Ok(Some(found)) if tail.can_follow(&found.head) => {
                    tail.next_offset = found.head.last_offset.next();
                }
                Ok(Some(_)) | Err(ScanError::Damaged { .. }) => return Ok(false),
                Err(ScanError::Io(error)) => return Err(error),
            }
        }
    }
}

/// Why recovery does not take a batch.
enum Unsound {
    Damaged { reason: String, ends_early: bool },
    Io(io::Error),
}

impl Unsound {
    fn damaged(reason: String) -> Self {
        Self::Damaged { reason, ends_early: false }
    }
}

impl From<ScanError> for Unsound {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Damaged { reason, ends_early, .. } => {
                Self::Damaged { reason: reason.to_owned(), ends_early }
            }
            ScanError::Io(error) => Self::Io(error),
        }
    }
}

/// Checks one whole batch: structure, checksum, counts.
fn check(batch: &Bytes) -> Result<(), String> {
    let (batch, _) = Batch::parse(batch).map_err(|error| error.to_string())?;
    batch.verify_crc().map_err(|error| error.to_string())
}
