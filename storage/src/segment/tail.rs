//! What grows at a segment's end: its size, its next offset, and both sparse indexes.

use std::io;
use std::sync::Arc;

use protocol::types::Offset;

use super::Paths;
use super::head::Head;
use super::offset_index::{self, OffsetIndex, OffsetPosition, relative_offset};
use super::time_index::{self, TimeIndex, TimestampOffset};
use crate::env::Disk;

/// What grows with each append. Everything in it is published: readers may rely on all of it at once.
pub(crate) struct Tail {
    pub(super) base: Offset,
    pub(super) interval_bytes: u64,
    pub(super) size: u64,
    pub(super) next_offset: Offset,
    pub(super) offsets: OffsetIndex,
    pub(super) times: TimeIndex,
    /// The largest timestamp, if larger than the time index knows.
    pub(super) max: Option<TimestampOffset>,
    pub(super) bytes_since_entry: u64,
}

impl Tail {
    pub(super) fn empty(disk: &Arc<dyn Disk>, paths: &Paths, base: Offset, interval_bytes: u64) -> Self {
        Self {
            base,
            interval_bytes,
            size: 0,
            next_offset: base,
            offsets: OffsetIndex::new(disk.clone(), paths.index.clone(), base),
            times: TimeIndex::new(disk.clone(), paths.time_index.clone(), base),
            max: None,
            bytes_since_entry: 0,
        }
    }

    /// As [`Self::empty`], for a segment whose index files may exist and are of no use.
    pub(super) fn rebuilding(disk: &Arc<dyn Disk>, paths: &Paths, base: Offset, interval_bytes: u64) -> Self {
        Self {
            offsets: OffsetIndex::replacing(disk.clone(), paths.index.clone(), base),
            times: TimeIndex::replacing(disk.clone(), paths.time_index.clone(), base),
            ..Self::empty(disk, paths, base, interval_bytes)
        }
    }

    /// Whether a batch's offsets are possible behind the last.
    pub(super) fn can_follow(&self, head: &Head) -> bool {
        head.base_offset >= self.next_offset && relative_offset(self.base, head.last_offset).is_some()
    }

    /// Takes one more batch into account, with index entries as Apache Kafka makes them.
    pub(super) fn add(&mut self, head: &Head) {
        if self.max_timestamp().is_none_or(|max| max.timestamp < head.max_timestamp) {
            self.max = Some(TimestampOffset { timestamp: head.max_timestamp, offset: head.last_offset });
        }
        if self.bytes_since_entry > self.interval_bytes {
            self.offsets.push(OffsetPosition { offset: head.last_offset, position: self.size });
            self.push_max_timestamp();
            self.bytes_since_entry = 0;
        }
        self.size += head.size_bytes;
        self.bytes_since_entry += head.size_bytes;
        self.next_offset = head.last_offset.next();
    }

    pub(super) fn max_timestamp(&self) -> Option<TimestampOffset> {
        self.max.or_else(|| self.times.last())
    }

    pub(super) fn push_max_timestamp(&mut self) {
        // Timestamps before 1970 mean "none", as in Apache Kafka.
        if let Some(max) = self.max.filter(|max| max.timestamp.0 >= 0) {
            self.times.push_if_younger(max);
        }
    }

    pub(super) fn preload(&self) -> io::Result<()> {
        self.offsets.entries.preload()?;
        self.times.entries.preload()
    }

    /// Whether both indexes have room for so many `batches` more, of `bytes` together, that end at `last_offset`.
    pub(super) fn has_room(&self, batches: u64, bytes: u64, last_offset: Offset, index_bytes: u64) -> bool {
        let entries = ((self.bytes_since_entry + bytes) / (self.interval_bytes + 1)).min(batches);
        // The time index gets one more when the segment is sealed.
        relative_offset(self.base, last_offset).is_some()
            && self.offsets.size_bytes() + entries * offset_index::ENTRY_BYTES as u64 <= index_bytes
            && self.times.size_bytes() + (entries + 1) * time_index::ENTRY_BYTES as u64 <= index_bytes
    }
}
