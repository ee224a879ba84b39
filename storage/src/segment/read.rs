//! Reading a segment: from an offset to the bytes of whole batches.
//!
//! ```text
//!  offset ──index──▶ entry at or before it ──walk headers──▶ first batch
//!                                                              │ index again: the last entry before the limit,
//!                                                              ▼ and a short walk from there
//!                                                            range of the map, handed out as it is
//! ```

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use protocol::records::batch::Batches;
use protocol::types::{Offset, TimestampMs};

use super::Segment;
use super::offset_index::OffsetPosition;
use super::scan::{Copied, Found, Scan, ScanError, Source};
use super::tail::Tail;
use crate::env::{Map, Open};
use crate::error::ReadError;

/// The most bytes one read returns, unless a single batch is larger.
const READ_BYTES_MAX: u64 = 16 << 20;
/// The least that a read looks at, so that a tiny fetch does not look twice.
const READ_WINDOW_BYTES_MIN: u64 = 64 << 10;

/// What a read found in one segment.
pub(crate) struct SegmentRead {
    /// Whole batches.
    pub(crate) bytes: Bytes,
    /// The base offset of the first.
    pub(crate) first_offset: Offset,
    /// The offset behind the last.
    pub(crate) next_offset: Offset,
    /// Where the first begins in the file.
    pub(crate) position: u64,
}

impl Segment {
    /// Whole batches from the one that holds `from` (or the next, if compaction removed it) up to but not
    /// including the offset `up_to`; at most `bytes_max`, except that the first batch is returned whatever its size
    /// if `at_least_one`. `None` if the segment ends before `from`.
    pub(crate) fn read(
        &self,
        from: Offset,
        bytes_max: u64,
        at_least_one: bool,
        up_to: Offset,
    ) -> Result<Option<SegmentRead>, ReadError> {
        match self.try_read(from, bytes_max, at_least_one, up_to) {
            Err(ReadTrouble::IndexLies) => {
                self.rebuild_indexes()?;
                self.try_read(from, bytes_max, at_least_one, up_to)
            }
            other => other,
        }
        .map_err(|trouble| match trouble {
            ReadTrouble::IndexLies => self.damaged(0, "no batch where the index says, twice"),
            ReadTrouble::Failed(error) => error,
        })
    }

    fn try_read(
        &self,
        from: Offset,
        bytes_max: u64,
        at_least_one: bool,
        up_to: Offset,
    ) -> Result<Option<SegmentRead>, ReadTrouble> {
        let bytes_max = bytes_max.min(READ_BYTES_MAX);
        let (entry, size) = self.locate(from)?;
        let start = entry.map_or(0, |entry| entry.position);
        if entry.is_some() && start >= size {
            return Err(ReadTrouble::IndexLies);
        }
        let window_bytes = bytes_max.max(READ_WINDOW_BYTES_MIN) + self.limits.index_interval_bytes;
        let mut scan = Scan::new(self, start..size).with_window(window_bytes);
        let Some(first) = self.first_at(&mut scan, entry, from)? else { return Ok(None) };
        // The base offset is not under the checksum.
        if first.head.last_offset >= self.next_offset() {
            return Err(self.damaged(first.position, "offset behind the segment's end").into());
        }
        let whole = first.head.last_offset < up_to && (at_least_one || first.head.size_bytes <= bytes_max);
        let (end, next_offset) = match whole {
            true => self.end_of_read(&mut scan, &first, first.position + bytes_max, up_to)?,
            false => (first.position, from),
        };
        let range = first.position..end;
        let bytes = scan.bytes(range.clone()).map_err(|error| self.read_error(error))?;
        let (bytes, next_offset) = self.check_once(range, bytes, next_offset)?;
        Ok(Some(SegmentRead {
            bytes,
            first_offset: first.head.base_offset,
            next_offset,
            position: first.position,
        }))
    }

    /// Where a read that begins with `first` ends: before `limit` and before the offset `up_to`, but behind
    /// `first`. The index saves walking all the way.
    fn end_of_read(
        &self,
        scan: &mut Scan<'_>,
        first: &Found,
        limit: u64,
        up_to: Offset,
    ) -> Result<(u64, Offset), ReadTrouble> {
        let mut end = first.position + first.head.size_bytes;
        let mut next_offset = first.head.last_offset.next();
        let jump = self.entry_before(limit, up_to)?.filter(|entry| entry.position > end);
        if let Some(entry) = jump {
            scan.seek(entry.position);
            let landed = match scan.next_head() {
                Ok(Some(found)) if (next_offset..=entry.offset).contains(&found.head.base_offset) => found,
                Err(ScanError::Io(error)) => return Err(self.read_error(ScanError::Io(error)).into()),
                _ => return Err(ReadTrouble::IndexLies),
            };
            // What lies before the landing is part of the read even if the batch there is not.
            (end, next_offset) = (landed.position, landed.head.base_offset);
            scan.seek(landed.position);
        }
        loop {
            let found = match scan.next_head() {
                Ok(Some(found)) if found.head.base_offset >= next_offset => found,
                // What stands before damage is served; a read that begins at it fails.
                Ok(_) | Err(ScanError::Damaged { .. }) => break,
                Err(error) => return Err(self.read_error(error).into()),
            };
            if found.position + found.head.size_bytes > limit || found.head.last_offset >= up_to {
                break;
            }
            end = found.position + found.head.size_bytes;
            next_offset = found.head.last_offset.next();
        }
        Ok((end, next_offset))
    }

    /// The index entry to start from for `from`, and the published size.
    fn locate(&self, from: Offset) -> Result<(Option<OffsetPosition>, u64), ReadError> {
        let tail = self.tail.read();
        let entry = tail.offsets.at_or_before(from).map_err(ReadError::io(&self.paths.index))?;
        Ok((entry, tail.size))
    }

    /// The last index entry at or before a position and before an offset.
    fn entry_before(&self, position: u64, offset: Offset) -> Result<Option<OffsetPosition>, ReadError> {
        let tail = self.tail.read();
        tail.offsets
            .last_where(|entry| entry.position <= position && entry.offset < offset)
            .map_err(ReadError::io(&self.paths.index))
    }

    /// Walks to the first batch that ends at or behind `from`.
    fn first_at(
        &self,
        scan: &mut Scan<'_>,
        entry: Option<OffsetPosition>,
        from: Offset,
    ) -> Result<Option<Found>, ReadTrouble> {
        let mut landed = false;
        loop {
            let found = match scan.next_head() {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(None),
                Err(ScanError::Damaged { .. }) if entry.is_some() && !landed => {
                    return Err(ReadTrouble::IndexLies);
                }
                Err(error) => return Err(self.read_error(error).into()),
            };
            if !landed && entry.is_some_and(|entry| found.head.base_offset > entry.offset) {
                return Err(ReadTrouble::IndexLies);
            }
            landed = true;
            if found.head.last_offset >= from {
                return Ok(Some(found));
            }
        }
    }

    /// Checks the checksums of `bytes`, which begin at `range.start`, unless this process wrote or checked them
    /// before; keeps the sound batches and the offset behind them, or fails if the first is not sound.
    fn check_once(
        &self,
        range: Range<u64>,
        bytes: Bytes,
        next_offset: Offset,
    ) -> Result<(Bytes, Offset), ReadError> {
        let checked = self.checked.load(Ordering::Relaxed);
        if range.start >= self.unchecked || range.end <= checked {
            return Ok((bytes, next_offset));
        }
        let mut sound = 0;
        let mut sound_until = next_offset;
        for batch in Batches::new(&bytes) {
            let position = range.start + sound as u64;
            let outcome = batch.map_err(|error| error.to_string()).and_then(|batch| {
                batch.verify_crc().map_err(|error| error.to_string())?;
                Ok((batch.size_bytes(), batch.next_offset()))
            });
            match outcome {
                Ok((size, next_offset)) => {
                    sound += size;
                    sound_until = next_offset;
                }
                Err(reason) if sound == 0 => return Err(self.damaged(position, &reason)),
                Err(reason) => {
                    tracing::error!(file = %self.paths.log.display(), position, reason, "damaged batch");
                    // Who reads on from there meets the damage, and does not pass it by.
                    return Ok((bytes.slice(..sound), sound_until));
                }
            }
        }
        if range.start <= checked {
            self.checked.fetch_max(range.end, Ordering::Relaxed);
        }
        Ok((bytes, next_offset))
    }

    /// Walks the batches from the last that ends at or before `from`.
    pub(crate) fn scan_from(&self, from: Offset) -> Result<Scan<'_>, ReadError> {
        let (entry, size) = self.locate(from)?;
        Ok(Scan::new(self, entry.map_or(0, |entry| entry.position)..size))
    }

    /// Where to start looking for records at least as young as `timestamp`.
    pub(crate) fn scan_from_time(&self, timestamp: TimestampMs) -> Result<Scan<'_>, ReadError> {
        let entry =
            self.tail.read().times.at_or_before(timestamp).map_err(ReadError::io(&self.paths.time_index))?;
        self.scan_from(entry.map_or(self.base, |entry| entry.offset))
    }

    /// Makes both indexes again from the log: they were found to be wrong.
    fn rebuild_indexes(&self) -> Result<(), ReadError> {
        tracing::warn!(file = %self.paths.index.display(), "index does not fit its log, making it again");
        let mut rebuilt =
            Tail::rebuilding(&self.disk, &self.paths, self.base, self.limits.index_interval_bytes);
        loop {
            // Walked without the lock, which reading the map takes too; the active segment may grow meanwhile.
            let mut scan = Scan::new(self, rebuilt.size..self.size_bytes());
            let damaged = loop {
                match scan.next_head() {
                    Ok(Some(found)) if rebuilt.can_follow(&found.head) => rebuilt.add(&found.head),
                    Ok(None) => break false,
                    // What stands before the damage can be found again.
                    Ok(Some(_)) | Err(ScanError::Damaged { .. }) => break true,
                    Err(error) => return Err(self.read_error(error)),
                }
            };
            let mut tail = self.tail.write();
            if damaged || tail.size == rebuilt.size {
                tail.offsets = rebuilt.offsets;
                tail.times = rebuilt.times;
                tail.max = rebuilt.max;
                tail.bytes_since_entry = rebuilt.bytes_since_entry;
                return Ok(());
            }
        }
    }

    /// A failed walk as an error of the log.
    pub(crate) fn read_error(&self, error: ScanError) -> ReadError {
        match error {
            ScanError::Damaged { position, reason, .. } => self.damaged(position, reason),
            ScanError::Io(source) => ReadError::Io { path: self.paths.log.clone(), source },
        }
    }

    /// Damage at a position of the log.
    pub(crate) fn damaged(&self, position: u64, reason: &str) -> ReadError {
        ReadError::Damaged { path: self.paths.log.clone(), position, reason: reason.to_owned() }
    }

    /// A map that covers the first `end` bytes.
    pub(super) fn map(&self, end: u64) -> io::Result<Arc<dyn Map>> {
        self.map_used.store(true, Ordering::Relaxed);
        if let Some(map) = &*self.map.read()
            && map.capacity() >= end
        {
            return Ok(map.clone());
        }
        let capacity = match self.sealed.load(Ordering::Acquire) {
            true => self.size_bytes().max(end),
            false => self.limits.bytes.max(end),
        };
        let map = self.disk.open(&self.paths.log, Open::Read)?.map(capacity)?;
        if self.is_removed() {
            // The name may be another segment's by now. The caller starts over with the list as it is now.
            return Err(io::ErrorKind::NotFound.into());
        }
        *self.map.write() = Some(map.clone());
        Ok(map)
    }
}

impl Source for Segment {
    fn bytes(&self, range: Range<u64>) -> io::Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        match self.map(range.end) {
            Ok(map) => map.bytes(range),
            // A process may have only so many maps (`vm.max_map_count`): the rest is read the slow way.
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                let file = self.disk.open(&self.paths.log, Open::Read)?;
                if self.is_removed() {
                    return Err(io::ErrorKind::NotFound.into());
                }
                Copied(file).bytes(range)
            }
            Err(error) => Err(error),
        }
    }
}

/// Why a read has to start over or give up.
enum ReadTrouble {
    IndexLies,
    Failed(ReadError),
}

impl From<ReadError> for ReadTrouble {
    fn from(error: ReadError) -> Self {
        Self::Failed(error)
    }
}
