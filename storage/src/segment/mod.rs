//! One data file of a log, with its indexes.
//!
//! ```text
//!  00000000000000368769.log        batches, back to back, nothing else
//!  00000000000000368769.index      offset → position, sparse        (offset_index.rs)
//!  00000000000000368769.timeindex  time → offset, sparse            (time_index.rs)
//!  00000000000000368769.txnindex   aborted transactions, if any     (aborted_index.rs)
//! ```
//! The name is the segment's base offset. The last segment of a log is *active*: one appender writes behind its
//! end with `pwritev`. All others are *sealed* and never change; compaction replaces them as a whole.
//!
//! Readers take a short lock to learn how far the file is published and where to start, and then read the map
//! without any: published bytes never change.

pub(crate) mod aborted_index;
mod entries;
pub(crate) mod head;
pub(crate) mod offset_index;
mod open;
mod read;
pub(crate) mod scan;
mod tail;
pub(crate) mod time_index;

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;
use protocol::types::{Offset, TimestampMs};

use crate::env::{Disk, DiskFile, Map, Open};
use crate::error::ReadError;
use aborted_index::AbortedIndex;
use head::Head;
pub(crate) use open::Recovered;
use scan::Scan;
use tail::Tail;
use time_index::TimestampOffset;

/// The paths of a segment's files.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    pub(crate) log: PathBuf,
    pub(crate) index: PathBuf,
    pub(crate) time_index: PathBuf,
    pub(crate) txn_index: PathBuf,
}

impl Paths {
    /// The files of the segment that begins at `base`, under a `suffix` such as `.cleaned` or none.
    pub(crate) fn new(dir: &Path, base: Offset, suffix: &str) -> Self {
        let path = |kind| dir.join(format!("{:020}.{kind}{suffix}", base.0));
        Self {
            log: path("log"),
            index: path("index"),
            time_index: path("timeindex"),
            txn_index: path("txnindex"),
        }
    }

    /// All four.
    pub(crate) fn all(&self) -> [&Path; 4] {
        [&self.log, &self.index, &self.time_index, &self.txn_index]
    }
}

/// What a segment needs to know of the settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentLimits {
    /// How large the file may grow.
    pub(crate) bytes: u64,
    /// How large each index may grow.
    pub(crate) index_bytes: u64,
    /// One index entry for about this many bytes.
    pub(crate) index_interval_bytes: u64,
}

/// A segment. Shared by the appender and all readers.
pub(crate) struct Segment {
    disk: Arc<dyn Disk>,
    paths: Paths,
    base: Offset,
    created: TimestampMs,
    limits: SegmentLimits,
    /// Whether nothing will be appended any more.
    sealed: AtomicBool,
    /// Whether its files are gone, or about to be.
    removed: AtomicBool,
    /// Open once something was appended, until it is sealed.
    file: RwLock<Option<Arc<dyn DiskFile>>>,
    map: RwLock<Option<Arc<dyn Map>>>,
    map_used: AtomicBool,
    tail: RwLock<Tail>,
    aborted: AbortedIndex,
    /// Bytes that were in the file when it was opened and whose checksums nobody has looked at since...
    unchecked: u64,
    /// ...except those before this.
    checked: AtomicU64,
}

impl Segment {
    fn new(
        disk: Arc<dyn Disk>,
        paths: Paths,
        base: Offset,
        limits: SegmentLimits,
        created: TimestampMs,
        tail: Tail,
        aborted: AbortedIndex,
    ) -> Self {
        Self {
            disk,
            paths,
            base,
            created,
            limits,
            sealed: AtomicBool::new(false),
            removed: AtomicBool::new(false),
            file: RwLock::new(None),
            map: RwLock::new(None),
            map_used: AtomicBool::new(false),
            tail: RwLock::new(tail),
            aborted,
            unchecked: 0,
            checked: AtomicU64::new(0),
        }
    }

    /// The segment's first offset, and its name.
    pub(crate) fn base(&self) -> Offset {
        self.base
    }

    /// Its files.
    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Its aborted transactions.
    pub(crate) fn aborted(&self) -> &AbortedIndex {
        &self.aborted
    }

    /// Published bytes.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.tail.read().size
    }

    /// The offset behind the last published batch (of a sealed segment: at most the next segment's base).
    pub(crate) fn next_offset(&self) -> Offset {
        self.tail.read().next_offset
    }

    /// When it was made, or last written if that was before it was opened.
    pub(crate) fn created(&self) -> TimestampMs {
        self.created
    }

    /// Its youngest timestamp and the last offset of the batch that holds it.
    pub(crate) fn max_timestamp(&self) -> Option<TimestampOffset> {
        self.tail.read().max_timestamp()
    }

    /// The largest timestamp of its first batch, from which `segment.ms` counts.
    pub(crate) fn first_timestamp(&self) -> Result<Option<TimestampMs>, ReadError> {
        let mut scan = Scan::new(self, 0..self.size_bytes());
        let first = scan.next_head().map_err(|error| self.read_error(error))?;
        Ok(first.map(|found| found.head.max_timestamp))
    }

    /// Whether so many `batches` more, of `bytes` together and ending at `last_offset`, fit.
    pub(crate) fn has_room(&self, batches: u64, bytes: u64, last_offset: Offset, segment_bytes: u64) -> bool {
        let tail = self.tail.read();
        tail.size + bytes <= segment_bytes.min(self.limits.bytes)
            && tail.has_room(batches, bytes, last_offset, self.limits.index_bytes)
    }

    /// The `.log`, opened when first needed.
    pub(crate) fn file(&self) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(file) = &*self.file.read() {
            return Ok(file.clone());
        }
        let mut slot = self.file.write();
        match &*slot {
            Some(file) => Ok(file.clone()),
            None => Ok(slot.insert(self.disk.open(&self.paths.log, Open::Write)?).clone()),
        }
    }

    /// Writes batches behind the end without publishing them. Only the appender calls this, one at a time.
    pub(crate) fn write(&self, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        let position = self.size_bytes();
        self.file()?.write_all_at(parts, position)
    }

    /// Removes what a failed [`Self::write`] may have left, for good: a refused batch must not come back after a
    /// crash. No reader has seen those bytes.
    pub(crate) fn roll_back(&self) -> io::Result<()> {
        let file = self.file()?;
        file.set_len(self.size_bytes())?;
        file.sync()
    }

    /// Publishes batches just written, in order.
    pub(crate) fn publish(&self, heads: &[Head]) {
        let mut tail = self.tail.write();
        heads.iter().for_each(|head| tail.add(head));
    }

    /// Cuts the file off behind the published bytes. Only recovery calls this, before anyone maps the file.
    pub(crate) fn cut_off(&self) -> io::Result<()> {
        let file = self.file()?;
        file.set_len(self.size_bytes())?;
        file.sync()
    }

    /// Writes the entries of all three indexes made so far to their files; not durable yet.
    pub(crate) fn write_indexes(&self) -> io::Result<()> {
        let mut tail = self.tail.write();
        tail.offsets.entries.write()?;
        tail.times.entries.write()?;
        self.aborted.write()
    }

    /// Makes the index files durable (not their names).
    pub(crate) fn sync_indexes(&self) -> io::Result<()> {
        {
            let tail = self.tail.read();
            tail.offsets.entries.sync()?;
            tail.times.entries.sync()?;
        }
        self.aborted.sync()
    }

    /// Prepares the end of a segment's growth: its youngest timestamp enters the time index, and all indexes reach their
    /// files. Should it grow on after all (no room for a next segment, say), nothing is wrong.
    pub(crate) fn seal(&self) -> io::Result<()> {
        let mut tail = self.tail.write();
        tail.push_max_timestamp();
        tail.max = None;
        tail.offsets.entries.seal()?;
        tail.times.entries.seal()?;
        self.aborted.write()
    }

    /// Ends its growth: the file handle and the oversized map are given back.
    pub(crate) fn retire(&self) {
        self.sealed.store(true, Ordering::Release);
        *self.file.write() = None;
        *self.map.write() = None;
    }

    /// Notes that its files are gone, or about to be.
    pub(crate) fn mark_removed(&self) {
        self.removed.store(true, Ordering::Release);
    }

    /// Whether its files are gone, or about to be.
    pub(crate) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }

    /// As [`Self::seal`] for a segment that stays active across a clean restart.
    pub(crate) fn write_final_indexes(&self) -> io::Result<()> {
        self.tail.write().push_max_timestamp();
        self.write_indexes()
    }

    /// Opens everything a reader may still need, since other files are about to take this segment's names.
    pub(crate) fn preload(&self) -> io::Result<()> {
        if self.size_bytes() > 0 {
            self.map(self.size_bytes())?;
        }
        self.tail.read().preload()?;
        self.aborted.load()
    }

    /// Gives back the map unless it was used since the last call.
    pub(crate) fn release_idle_map(&self) {
        if !self.map_used.swap(false, Ordering::Relaxed) && !self.is_removed() {
            *self.map.write() = None;
        }
    }
}
