//! `.timeindex`: from a time to an offset at or before the first record that young.
//!
//! | field | size | meaning |
//! |---|---|---|
//! | timestamp | i64 | the largest timestamp of the segment so far |
//! | relative offset | i32 | last offset of the batch that holds it, less the segment's base offset |
//!
//! An entry is made together with one of the offset index, and once more when the segment is sealed, if the
//! largest timestamp has grown since; so timestamps rise strictly, and the last entry of a sealed segment is its
//! youngest record, which retention and lookups rely on (`LogSegment.onBecomeInactiveSegment`).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use protocol::types::{Offset, TimestampMs};

use super::entries::{Entries, Entry};
use super::offset_index::{be_u32, relative_offset};
use crate::env::Disk;

/// Size of an entry in bytes.
pub(crate) const ENTRY_BYTES: usize = 12;

/// An entry as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw {
    timestamp: i64,
    relative_offset: u32,
}

impl Entry for Raw {
    const SIZE: usize = ENTRY_BYTES;

    fn decode(bytes: &[u8]) -> Self {
        let (timestamp, offset) = bytes.split_at(8);
        Self {
            timestamp: i64::from_be_bytes(timestamp.try_into().expect("split off eight bytes")),
            relative_offset: be_u32(offset),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
    }

    fn is_padding(&self) -> bool {
        self.timestamp == 0 && self.relative_offset == 0
    }
}

/// A timestamp and the last offset of the batch that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimestampOffset {
    /// A batch's largest timestamp.
    pub(crate) timestamp: TimestampMs,
    /// That batch's last offset.
    pub(crate) offset: Offset,
}

/// The time index of one segment.
///
/// Invariant: timestamps rise strictly and offsets rise from entry to entry.
pub(crate) struct TimeIndex {
    base: Offset,
    /// The file; the segment writes, syncs and seals it.
    pub(super) entries: Entries<Raw>,
}

impl TimeIndex {
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

    /// The last entry no younger than `timestamp`.
    pub(crate) fn at_or_before(&self, timestamp: TimestampMs) -> io::Result<Option<TimestampOffset>> {
        Ok(self.entries.last_where(|raw| raw.timestamp <= timestamp.0)?.map(|raw| self.absolute(raw)))
    }

    /// The last entry: the largest timestamp.
    pub(crate) fn last(&self) -> Option<TimestampOffset> {
        self.entries.last().map(|raw| self.absolute(raw))
    }

    /// Adds an entry if it is younger than all others.
    pub(crate) fn push_if_younger(&mut self, entry: TimestampOffset) {
        if self.entries.last().is_none_or(|last| last.timestamp < entry.timestamp.0) {
            let relative_offset =
                relative_offset(self.base, entry.offset).expect("the segment rolls before that");
            self.entries.push(Raw { timestamp: entry.timestamp.0, relative_offset });
        }
    }

    /// Size of the file with all entries, in bytes.
    pub(crate) fn size_bytes(&self) -> u64 {
        (self.entries.len() * ENTRY_BYTES) as u64
    }

    /// Keeps the entries of batches that end before `end`, up to the first that is out of order.
    pub(crate) fn keep_before(&mut self, end: Offset) -> io::Result<()> {
        let mut previous: Option<TimestampOffset> = None;
        for i in 0..self.entries.len() {
            let entry = self.absolute(self.entries.get(i)?);
            let rises = previous.is_none_or(|p| p.timestamp < entry.timestamp && p.offset <= entry.offset);
            if !rises || entry.offset >= end {
                return self.entries.truncate(i);
            }
            previous = Some(entry);
        }
        Ok(())
    }

    fn absolute(&self, raw: Raw) -> TimestampOffset {
        TimestampOffset {
            timestamp: TimestampMs(raw.timestamp),
            offset: self.base + i64::from(raw.relative_offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::env::MemoryDisk;

    const BASE: Offset = Offset(1_000);

    proptest! {
        /// Only younger entries are taken, and a look-up finds what a plain search finds.
        #[test]
        fn finds_what_a_plain_search_finds(
            timestamps in prop::collection::vec(0_i64..200, 0..60),
            sealed_at in 0_usize..60,
            asked in -10_i64..210,
        ) {
            let disk = MemoryDisk::new(0);
            let mut index = TimeIndex::new(Arc::new(disk.clone()), "/x.timeindex".into(), BASE);
            let mut expected: Vec<TimestampOffset> = Vec::new();
            for (i, timestamp) in timestamps.iter().enumerate() {
                if i == sealed_at {
                    index.entries.seal().unwrap();
                }
                let entry = TimestampOffset { timestamp: TimestampMs(*timestamp), offset: Offset(BASE.0 + i as i64) };
                if expected.last().is_none_or(|last| last.timestamp < entry.timestamp) {
                    expected.push(entry);
                }
                index.push_if_younger(entry);
            }
            let found = expected.iter().rev().find(|entry| entry.timestamp.0 <= asked).copied();
            prop_assert_eq!(index.at_or_before(TimestampMs(asked)).unwrap(), found);
            prop_assert_eq!(index.last(), expected.last().copied());
            prop_assert_eq!(index.size_bytes(), (expected.len() * ENTRY_BYTES) as u64);
        }
    }

    #[test]
    fn golden_bytes() {
        let disk = MemoryDisk::new(0);
        let mut index = TimeIndex::new(Arc::new(disk.clone()), "/x.timeindex".into(), BASE);
        index.push_if_younger(TimestampOffset { timestamp: TimestampMs(0x0102), offset: Offset(1_003) });
        index.entries.write().unwrap();
        assert_eq!(disk.read(Path::new("/x.timeindex")).unwrap(), [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3]);
    }
}
