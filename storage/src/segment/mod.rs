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
pub(crate) mod scan;
pub(crate) mod time_index;

use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;
use protocol::records::batch::Batches;
use protocol::types::{Offset, TimestampMs};

use crate::env::{Disk, DiskFile, Map, Open};
use crate::error::ReadError;
use aborted_index::AbortedIndex;
use head::Head;
use offset_index::{OffsetIndex, OffsetPosition, relative_offset};
use scan::{Copied, Found, Scan, ScanError, Source};
use time_index::{TimeIndex, TimestampOffset};

/// The most bytes one read returns, unless a single batch is larger.
pub(crate) const READ_BYTES_MAX: u64 = 16 << 20;
/// The least that a read looks at, so that a tiny fetch does not look twice.
const READ_WINDOW_BYTES_MIN: u64 = 64 << 10;

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

/// What grows with each append. Everything in it is published: readers may rely on all of it at once.
pub(crate) struct Tail {
    base: Offset,
    interval_bytes: u64,
    size: u64,
    next_offset: Offset,
    offsets: OffsetIndex,
    times: TimeIndex,
    /// The largest timestamp, if larger than the time index knows.
    max: Option<TimestampOffset>,
    bytes_since_entry: u64,
}

impl Tail {
    fn empty(disk: &Arc<dyn Disk>, paths: &Paths, base: Offset, interval_bytes: u64) -> Self {
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
    fn rebuilding(disk: &Arc<dyn Disk>, paths: &Paths, base: Offset, interval_bytes: u64) -> Self {
        Self {
            offsets: OffsetIndex::replacing(disk.clone(), paths.index.clone(), base),
            times: TimeIndex::replacing(disk.clone(), paths.time_index.clone(), base),
            ..Self::empty(disk, paths, base, interval_bytes)
        }
    }

    /// Whether a batch's offsets are possible behind the last.
    fn can_follow(&self, head: &Head) -> bool {
        head.base_offset >= self.next_offset && relative_offset(self.base, head.last_offset).is_some()
    }

    /// Takes one more batch into account, with index entries as Apache Kafka makes them.
    fn add(&mut self, head: &Head) {
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

    fn max_timestamp(&self) -> Option<TimestampOffset> {
        self.max.or_else(|| self.times.last())
    }

    fn push_max_timestamp(&mut self) {
        // Timestamps before 1970 mean "none", as in Apache Kafka.
        if let Some(max) = self.max.filter(|max| max.timestamp.0 >= 0) {
            self.times.push_if_younger(max);
        }
    }

    fn preload(&self) -> io::Result<()> {
        self.offsets.entries.preload()?;
        self.times.entries.preload()
    }

    /// Whether both indexes have room for `bytes` more of log that end at `last_offset`.
    fn has_room(&self, bytes: u64, last_offset: Offset, index_bytes: u64) -> bool {
        let entries = (self.bytes_since_entry + bytes) / (self.interval_bytes + 1);
        // The time index gets one more when the segment is sealed.
        relative_offset(self.base, last_offset).is_some()
            && self.offsets.size_bytes() + entries * offset_index::ENTRY_BYTES as u64 <= index_bytes
            && self.times.size_bytes() + (entries + 1) * time_index::ENTRY_BYTES as u64 <= index_bytes
    }
}

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
                Err(Unsound::Damaged(reason)) => {
                    recovered.damage = Some(reason);
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
            return Err(Unsound::Damaged(format!("offset {} out of order", head.base_offset)));
        }
        if head.last_offset >= trusted {
            check(&scan.batch(&found)?).map_err(Unsound::Damaged)?;
        }
        Ok(Some(head))
    }

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

    /// Whether `bytes` more, ending at `last_offset`, fit.
    pub(crate) fn has_room(&self, bytes: u64, last_offset: Offset, segment_bytes: u64) -> bool {
        let tail = self.tail.read();
        tail.size + bytes <= segment_bytes.min(self.limits.bytes)
            && tail.has_room(bytes, last_offset, self.limits.index_bytes)
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

    /// Ends a segment's growth: its youngest timestamp enters the time index, both indexes reach their files,
    /// and their memory, the file handle and the oversized map are given back.
    pub(crate) fn seal(&self) -> io::Result<()> {
        let mut tail = self.tail.write();
        tail.push_max_timestamp();
        tail.max = None;
        tail.offsets.entries.seal()?;
        tail.times.entries.seal()?;
        self.aborted.write()?;
        self.sealed.store(true, Ordering::Release);
        *self.file.write() = None;
        *self.map.write() = None;
        Ok(())
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
        let bytes = self.check_once(range, bytes)?;
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
    /// before; keeps the sound batches, or fails if the first is not sound.
    fn check_once(&self, range: Range<u64>, bytes: Bytes) -> Result<Bytes, ReadError> {
        let checked = self.checked.load(Ordering::Relaxed);
        if range.start >= self.unchecked || range.end <= checked {
            return Ok(bytes);
        }
        let mut sound = 0;
        for batch in Batches::new(&bytes) {
            let position = range.start + sound as u64;
            let outcome = batch.map_err(|error| error.to_string()).and_then(|batch| {
                batch.verify_crc().map_err(|error| error.to_string())?;
                Ok(batch.size_bytes())
            });
            match outcome {
                Ok(size) => sound += size,
                Err(reason) if sound == 0 => return Err(self.damaged(position, &reason)),
                Err(reason) => {
                    tracing::error!(file = %self.paths.log.display(), position, reason, "damaged batch");
                    return Ok(bytes.slice(..sound));
                }
            }
        }
        if range.start <= checked {
            self.checked.fetch_max(range.end, Ordering::Relaxed);
        }
        Ok(bytes)
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
            ScanError::Damaged { position, reason } => self.damaged(position, reason),
            ScanError::Io(source) => ReadError::Io { path: self.paths.log.clone(), source },
        }
    }

    /// Damage at a position of the log.
    pub(crate) fn damaged(&self, position: u64, reason: &str) -> ReadError {
        ReadError::Damaged { path: self.paths.log.clone(), position, reason: reason.to_owned() }
    }

    /// A map that covers the first `end` bytes.
    fn map(&self, end: u64) -> io::Result<Arc<dyn Map>> {
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

/// Why recovery does not take a batch.
enum Unsound {
    Damaged(String),
    Io(io::Error),
}

impl From<ScanError> for Unsound {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Damaged { reason, .. } => Self::Damaged(reason.to_owned()),
            ScanError::Io(error) => Self::Io(error),
        }
    }
}

/// Checks one whole batch: structure, checksum, counts.
fn check(batch: &Bytes) -> Result<(), String> {
    let (batch, _) = protocol::records::batch::Batch::parse(batch).map_err(|error| error.to_string())?;
    batch.verify_crc().map_err(|error| error.to_string())
}
