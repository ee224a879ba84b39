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
pub(crate) fn be_u32(bytes: &[u8]) -> u32 {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::env::MemoryDisk;

    const BASE: Offset = Offset(1_000);

    /// Entries that rise by these steps.
    fn entries(steps: &[(u32, u32)]) -> Vec<OffsetPosition> {
        let (mut offset, mut position) = (BASE.0 - 1, 0);
        let rise = |step: &(u32, u32)| {
            offset += 1 + i64::from(step.0);
            position += 1 + u64::from(step.1);
            OffsetPosition { offset: Offset(offset), position }
        };
        steps.iter().map(rise).collect()
    }

    fn index_of(disk: &MemoryDisk, entries: &[OffsetPosition], written: usize) -> OffsetIndex {
        let mut index = OffsetIndex::new(Arc::new(disk.clone()), "/x.index".into(), BASE);
        for (i, entry) in entries.iter().enumerate() {
            if i == written {
                index.entries.seal().unwrap();
            }
            index.push(*entry);
        }
        index
    }

    proptest! {
        /// Wherever the entries lie (file, memory, both, read back), a look-up finds what a plain search finds.
        #[test]
        fn finds_what_a_plain_search_finds(
            steps in prop::collection::vec((0_u32..50, 0_u32..5_000), 0..60),
            written in 0_usize..60,
            asked in 0_i64..4_000,
            padding in 0_usize..40,
        ) {
            let disk = MemoryDisk::new(0);
            let entries = entries(&steps);
            let mut index = index_of(&disk, &entries, written);
            let asked = Offset(BASE.0 - 100 + asked);
            let expected = entries.iter().rev().find(|entry| entry.offset <= asked).copied();
            prop_assert_eq!(index.at_or_before(asked).unwrap(), expected);
            prop_assert_eq!(index.last(), entries.last().copied());
            index.entries.write().unwrap();
            // Apache Kafka leaves a growing index zero-filled behind its entries.
            disk.damage(Path::new("/x.index"), |bytes| bytes.resize(bytes.len() + padding * ENTRY_BYTES, 0)).unwrap();
            let mut index = OffsetIndex::open(Arc::new(disk.clone()), "/x.index".into(), BASE).unwrap().unwrap();
            prop_assert_eq!(index.at_or_before(asked).unwrap(), expected);
            prop_assert_eq!(index.last(), entries.last().copied());
            index.keep_before(asked).unwrap();
            index.entries.write().unwrap();
            let kept = entries.iter().filter(|entry| entry.offset < asked).count();
            prop_assert_eq!(disk.read(Path::new("/x.index")).unwrap().len(), kept * ENTRY_BYTES);
        }
    }

    #[test]
    fn golden_bytes() {
        let disk = MemoryDisk::new(0);
        let mut index = index_of(&disk, &[OffsetPosition { offset: Offset(1_258), position: 4_097 }], 1);
        index.entries.write().unwrap();
        assert_eq!(disk.read(Path::new("/x.index")).unwrap(), [0, 0, 1, 2, 0, 0, 16, 1]);
    }

    #[test]
    fn a_size_that_is_no_number_of_entries_is_refused() {
        let disk = MemoryDisk::new(0);
        let mut index = index_of(&disk, &entries(&[(1, 1)]), 1);
        index.entries.write().unwrap();
        disk.damage(Path::new("/x.index"), |bytes| bytes.truncate(7)).unwrap();
        assert!(OffsetIndex::open(Arc::new(disk), "/x.index".into(), BASE).unwrap().is_none());
    }

    #[test]
    fn relative_offsets_fit_thirty_one_bits() {
        assert_eq!(relative_offset(BASE, Offset(999)), None);
        assert_eq!(relative_offset(BASE, Offset(1_000 + i64::from(i32::MAX))), Some(i32::MAX as u32));
        assert_eq!(relative_offset(BASE, Offset(1_001 + i64::from(i32::MAX))), None);
    }
}
