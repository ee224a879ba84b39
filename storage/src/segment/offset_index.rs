//! `.index`: from an offset to a place in the log from which a short walk finds it.
//!
//! | field | size | meaning |
//! |---|---|---|
//! | relative offset | i32 | last offset of a batch, less the segment's base offset |
//! | position | i32 | where that batch begins in the `.log` |
//!
//! As in Apache Kafka (`LogSegment.append`), an entry is made for a batch when more than
//! `index.interval.bytes` were appended since the last entry, so the first batch never has one. Not
//! checksummed: a batch found through an entry is checked against it, and an index that lies is made again.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use protocol::types::Offset;

use super::entries::{Entries, Entry};
use crate::env::Disk;

/// Size of an entry in bytes.
pub(crate) const ENTRY_BYTES: usize = 8;

/// An entry as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw {
    relative_offset: u32,
    position: u32,
}

impl Entry for Raw {
    const SIZE: usize = ENTRY_BYTES;

    fn decode(bytes: &[u8]) -> Self {
        let (offset, position) = bytes.split_at(4);
        Self { relative_offset: be_u32(offset), position: be_u32(position) }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }

    fn is_padding(&self) -> bool {
        self.relative_offset == 0 && self.position == 0
    }
}

/// Four bytes as a number.
pub(super) fn be_u32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("the caller split off four bytes"))
}

/// An entry with its offset made absolute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetPosition {
    /// The last offset of the batch at `position`.
    pub(crate) offset: Offset,
    /// Where the batch begins.
    pub(crate) position: u64,
}

/// The offset index of one segment.
///
/// Invariant: offsets and positions both rise strictly from entry to entry.
pub(crate) struct OffsetIndex {
    base: Offset,
    /// The file; the segment writes, syncs and seals it.
    pub(super) entries: Entries<Raw>,
}

impl OffsetIndex {
    /// The index of a new segment.
    pub(crate) fn new(disk: Arc<dyn Disk>, path: PathBuf, base: Offset) -> Self {
        Self { base, entries: Entries::new(disk, path) }
    }

    /// An index without entries, in the place of one that may be there.
    pub(crate) fn replacing(disk: Arc<dyn Disk>, path: PathBuf, base: Offset) -> Self {
        Self { base, entries: Entries::replacing(disk, path) }
    }

    /// The index in the file; `None` if it is missing or plainly damaged.
    pub(crate) fn open(disk: Arc<dyn Disk>, path: PathBuf, base: Offset) -> io::Result<Option<Self>> {
        Ok(Entries::open(disk, path)?.map(|entries| Self { base, entries }))
    }

    /// The entry of the last batch known to end at or before `offset`.
    pub(crate) fn at_or_before(&self, offset: Offset) -> io::Result<Option<OffsetPosition>> {
        self.last_where(|entry| entry.offset <= offset)
    }

    /// The last entry for which `before` holds; it must hold for a prefix of the entries.
    pub(crate) fn last_where(
        &self,
        before: impl Fn(&OffsetPosition) -> bool,
    ) -> io::Result<Option<OffsetPosition>> {
        Ok(self.entries.last_where(|raw| before(&self.absolute(*raw)))?.map(|raw| self.absolute(raw)))
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<OffsetPosition> {
        self.entries.last().map(|raw| self.absolute(raw))
    }

    /// Adds an entry; the caller has checked [`relative_offset`].
    pub(crate) fn push(&mut self, entry: OffsetPosition) {
        let relative_offset =
            relative_offset(self.base, entry.offset).expect("the segment rolls before that");
        let position = u32::try_from(entry.position).expect("the segment rolls before that");
        self.entries.push(Raw { relative_offset, position });
    }

    /// Size of the file with all entries, in bytes.
    pub(crate) fn size_bytes(&self) -> u64 {
        (self.entries.len() * ENTRY_BYTES) as u64
    }

    /// Keeps the entries of batches that end before `end`, up to the first that is out of order.
    pub(crate) fn keep_before(&mut self, end: Offset) -> io::Result<()> {
        let mut previous: Option<OffsetPosition> = None;
        for i in 0..self.entries.len() {
            let entry = self.absolute(self.entries.get(i)?);
            let rises = previous.is_none_or(|p| p.offset < entry.offset && p.position < entry.position);
            if !rises || entry.offset >= end {
                return self.entries.truncate(i);
            }
            previous = Some(entry);
        }
        Ok(())
    }

    fn absolute(&self, raw: Raw) -> OffsetPosition {
        OffsetPosition {
            offset: self.base + i64::from(raw.relative_offset),
            position: u64::from(raw.position),
        }
    }
}

/// `offset` as an index file stores it; `None` if it is out of range for a segment that begins at `base`.
pub(crate) fn relative_offset(base: Offset, offset: Offset) -> Option<u32> {
    i32::try_from(offset.0.checked_sub(base.0)?).ok().and_then(|relative| u32::try_from(relative).ok())
}
