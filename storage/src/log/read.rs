//! Reading: whole batches by offset, and offsets by time.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use protocol::records::batch::{Batch, BatchError};
use protocol::records::unpacking;
use protocol::types::{Offset, TimestampMs};

use super::{PartitionLog, Segments};
use crate::config::DECOMPRESSED_BYTES_MAX;
use crate::error::ReadError;
use crate::segment::Segment;
use crate::segment::aborted_index::AbortedTransaction;
use crate::segment::scan::Scan;

/// How often a read starts over because retention or compaction took a file away under it.
const ATTEMPTS_MAX: usize = 4;

/// What a read returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Whole batches, borrowed from the map of the segment; empty if nothing is there (yet) or nothing fits.
    pub records: Bytes,
    /// The base offset of the first batch, which may lie before the offset asked for; that offset if `records` is
    /// empty.
    pub first_offset: Offset,
    /// Where to read on: behind the last batch, or behind a hole that compaction left.
    pub next_offset: Offset,
    /// The first offset of the segment read.
    pub segment_base_offset: Offset,
    /// Where in the segment's file the first batch begins.
    pub position: u64,
}

/// A record found by its time.
type Found = (Offset, TimestampMs);

impl PartitionLog {
    /// Whole batches from the one that holds `from`, up to but not including the offset `up_to`
    /// (see [`Marks`](super::Marks): high for ordinary readers, stable for those of committed data).
    ///
    /// At most `max_bytes` (and 16 MiB) are returned, all of one segment; the first batch may be larger if
    /// `min_one_message`. No batch is copied, and no record looked at.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] if `from` lies before the start or behind the end; at the end the read is empty.
    pub fn read(
        &self,
        from: Offset,
        max_bytes: usize,
        min_one_message: bool,
        up_to: Offset,
    ) -> Result<Read, ReadError> {
        self.retrying(|segments| {
            let marks = self.marks();
            if from < marks.start() || from > marks.end() {
                return Err(ReadError::OutOfRange { offset: from, start: marks.start(), end: marks.end() });
            }
            self.read_from(segments, from, max_bytes as u64, min_one_message, up_to.min(marks.end()))
        })
    }

    fn read_from(
        &self,
        segments: &Segments,
        from: Offset,
        bytes_max: u64,
        at_least_one: bool,
        up_to: Offset,
    ) -> Result<Read, ReadError> {
        let first = index_of(segments, from);
        for segment in &segments[first..] {
            if from >= up_to || segment.base() >= up_to {
                break;
            }
            if let Some(read) = segment.read(from, bytes_max, at_least_one, up_to)? {
                return Ok(Read {
                    records: read.bytes,
                    first_offset: read.first_offset,
                    next_offset: read.next_offset,
                    segment_base_offset: segment.base(),
                    position: read.position,
                });
            }
        }
        // Nothing between `from` and `up_to`: a hole at most, and the reader may go on behind it.
        let next_offset = from.max(up_to);
        Ok(Read {
            records: Bytes::new(),
            first_offset: from,
            next_offset,
            segment_base_offset: segments[first].base(),
            position: 0,
        })
    }

    /// The first record at least as young as `timestamp`, with its own timestamp; exact, not only the batch.
    ///
    /// # Errors
    /// The disk failed, or the batch that must hold the record is damaged.
    pub fn offset_for_timestamp(&self, timestamp: TimestampMs) -> Result<Option<Found>, ReadError> {
        self.retrying(|segments| {
            let marks = self.marks();
            let young = |segment: &&Arc<Segment>| {
                segment.next_offset() > marks.start()
                    && segment.max_timestamp().is_some_and(|max| max.timestamp >= timestamp)
            };
            for segment in segments.iter().filter(young) {
                let mut scan = segment.scan_from_time(timestamp)?;
                let found = find_record(
                    segment,
                    &mut scan,
                    |batch| batch.max_timestamp() >= timestamp,
                    |offset, time| time >= timestamp && offset >= marks.start() && offset < marks.end(),
                )?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            Ok(None)
        })
    }

    /// The youngest record, by its timestamp; the first of them if several share it.
    ///
    /// # Errors
    /// As [`Self::offset_for_timestamp`].
    pub fn max_timestamp(&self) -> Result<Option<Found>, ReadError> {
        self.retrying(|segments| {
            let start = self.marks().start();
            let mut youngest = None;
            for segment in segments.iter().filter(|segment| segment.next_offset() > start) {
                let Some(max) = segment.max_timestamp() else { continue };
                if youngest.as_ref().is_none_or(|(_, best): &(_, TimestampMs)| max.timestamp > *best) {
                    youngest = Some(((segment, max.offset), max.timestamp));
                }
            }
            let Some(((segment, offset), timestamp)) = youngest else { return Ok(None) };
            let mut scan = segment.scan_from(offset)?;
            find_record(
                segment,
                &mut scan,
                |batch| batch.last_offset() >= offset,
                |_, time| time >= timestamp,
            )
        })
    }

    /// Where the segments begin that were last written at `before` or earlier, newest first; the log's end comes before
    /// them, as last written `now`.
    ///
    /// # Errors
    /// [`ReadError::Io`] if a file cannot be asked.
    pub fn offsets_before(&self, before: TimestampMs, now: TimestampMs) -> Result<Vec<Offset>, ReadError> {
        self.retrying(|segments| {
            let marks = self.marks();
            let mut offsets = if now <= before { vec![marks.end()] } else { Vec::new() };
            for segment in segments.iter().rev() {
                let path = &segment.paths().log;
                let modified_ms = self.env.disk.modified_ms(path).map_err(ReadError::io(path))?;
                // Files are written in their order: those before this one are older still.
                if modified_ms <= before.0 || !offsets.is_empty() {
                    offsets.push(segment.base().max(marks.start()));
                }
            }
            // The active segment may be empty, and the start may lie in the middle of one.
            offsets.dedup();
            Ok(offsets)
        })
    }

    /// The aborted transactions that touch offsets from `from` up to but not including `up_to`: a reader of committed data
    /// skips their records.
    ///
    /// # Errors
    /// An index of them cannot be read.
    pub fn aborted_transactions(
        &self,
        from: Offset,
        up_to: Offset,
    ) -> Result<Vec<AbortedTransaction>, ReadError> {
        self.retrying(|segments| {
            let mut found = Vec::new();
            for segment in &segments[index_of(segments, from)..] {
                let complete = segment
                    .aborted()
                    .collect(from, up_to, &mut found)
                    .map_err(ReadError::io(&segment.paths().txn_index))?;
                if complete {
                    break;
                }
            }
            Ok(found)
        })
    }

    /// Runs `read` on the segments of now, and again if one of their files was taken away meanwhile.
    fn retrying<T>(&self, read: impl Fn(&Segments) -> Result<T, ReadError>) -> Result<T, ReadError> {
        for _ in 1..ATTEMPTS_MAX {
            let segments = self.segments();
            match read(&segments) {
                Err(ReadError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound
                        && !Arc::ptr_eq(&segments, &self.segments()) => {}
                Err(ReadError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && self.is_closed() =>
                {
                    return Err(ReadError::Closed);
                }
                other => return other,
            }
        }
        read(&self.segments())
    }
}

/// The number of the segment that holds `offset`, or the first.
fn index_of(segments: &Segments, offset: Offset) -> usize {
    segments.partition_point(|segment| segment.base() <= offset).saturating_sub(1)
}

/// The first record that `wanted` accepts, of the first batches that `promising` accepts.
fn find_record(
    segment: &Segment,
    scan: &mut Scan<'_>,
    promising: impl Fn(&Batch<'_>) -> bool,
    wanted: impl Fn(Offset, TimestampMs) -> bool,
) -> Result<Option<Found>, ReadError> {
    while let Some(found) = scan.next_head().map_err(|error| segment.read_error(error))? {
        let bytes = scan.batch(&found).map_err(|error| segment.read_error(error))?;
        let damaged = |error: BatchError| segment.damaged(found.position, &error.to_string());
        let (batch, _) = Batch::parse(&bytes).map_err(damaged)?;
        if batch.is_control() || !promising(&batch) {
            continue;
        }
        let found = unpacking::within(DECOMPRESSED_BYTES_MAX, |limit_bytes, unpacked| {
            for record in batch.decompressed(limit_bytes, unpacked)? {
                let record = record?;
                if wanted(record.offset, record.timestamp) {
                    return Ok(Some((record.offset, record.timestamp)));
                }
            }
            Ok(None)
        });
        if let Some(found) = found.map_err(damaged)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
