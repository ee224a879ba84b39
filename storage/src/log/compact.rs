//! Compacting one log: the part of `compaction/` that touches its files.
//!
//! | step | a crash after it |
//! |---|---|
//! | write `.cleaned` files, sync them | they are removed |
//! | rename indexes to `.swap`, then the `.log`; sync the directory | with `.log.swap` the swap is finished, else undone |
//! | rename the sources to `.deleted` | the swap is finished |
//! | rename `.swap` files to their names; sync the directory | done |
//!
//! Readers that hold the old list go on reading the old files, which were opened for them before they lost their names.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::records::batch::Batch;
use protocol::types::{Offset, TimestampMs};

use super::open::{CLEANED_SUFFIX, SWAP_SUFFIX};
use super::{PartitionLog, segment_limits};
use crate::compaction::choose::{self, Cleanable};
use crate::compaction::keys::KeyMap;
use crate::compaction::rewrite::{Rewriter, Rewritten};
use crate::compaction::transactions::Transactions;
use crate::config::{DECOMPRESSED_BYTES_MAX, LogConfig};
use crate::env::durable;
use crate::error::{LogFailed, ReadError};
use crate::segment::head::Head;
use crate::segment::{Paths, Segment};

/// How much is written in one go.
const WRITE_BYTES: usize = 1 << 20;

/// What a compaction did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compacted {
    pub(crate) bytes_before: u64,
    pub(crate) bytes_after: u64,
}

/// Why a compaction stopped before it changed anything.
enum Stopped {
    /// The log is damaged: another try would meet the same.
    Damaged(ReadError),
    /// The disk is full or refuses; later it may not.
    Io(io::Error),
    /// The keys of a single batch do not fit into the key map.
    NoRoom,
}

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { source, .. } => Self::Io(source),
            other => Self::Damaged(other),
        }
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl PartitionLog {
    /// What of the log may be compacted now; `None` if nothing, or its policy is another.
    pub(crate) fn cleanable(&self, now: TimestampMs) -> Option<Cleanable> {
        let config = self.config();
        let barred = self.uncleanable.load(Ordering::Relaxed) || self.failed().is_some() || self.is_closed();
        if !config.cleanup_policy.compact || barred {
            return None;
        }
        let marks = self.marks();
        choose::cleanable(&self.segments(), &config, self.compacted(), marks.start(), marks.stable(), now)
    }

    /// Compacts the log up to where [`Self::cleanable`] said, as far as the key map reaches.
    ///
    /// # Errors
    /// The log failed. A full disk or damage in the log only stops the compaction, and is logged.
    pub(crate) fn compact(
        &self,
        cleanable: &Cleanable,
        memory_bytes: usize,
        now: TimestampMs,
    ) -> Result<Compacted, LogFailed> {
        let _alone = self.upkeep.lock();
        if self.is_closed() {
            return Ok(Compacted::default());
        }
        // What replaces the sources must not be more durable than what lies before them.
        self.sync()?;
        let mut done = Compacted::default();
        match self.compact_groups(cleanable, memory_bytes, now, &mut done) {
            Ok(end) => {
                self.compacted.store(end.0, Ordering::Release);
                tracing::info!(
                    log = self.name(),
                    up_to = end.0,
                    bytes_before = done.bytes_before,
                    bytes_after = done.bytes_after,
                    "compacted"
                );
            }
            Err(Stopped::Io(error)) => {
                tracing::warn!(log = self.name(), reason = %error, "compaction stopped");
            }
            Err(Stopped::NoRoom) => {
                tracing::warn!(
                    log = self.name(),
                    memory_bytes,
                    "log.cleaner.dedupe.buffer.size holds not even one batch's keys, not compacted"
                );
            }
            Err(Stopped::Damaged(error)) => {
                self.uncleanable.store(true, Ordering::Relaxed);
                tracing::error!(log = self.name(), reason = %error, "damage, no compaction until reopened");
            }
        }
        self.failure()?;
        Ok(done)
    }

    /// Compacts group by group; returns the first offset not compacted.
    fn compact_groups(
        &self,
        cleanable: &Cleanable,
        memory_bytes: usize,
        now: TimestampMs,
        done: &mut Compacted,
    ) -> Result<Offset, Stopped> {
        let config = self.config();
        let segments: Vec<_> =
            self.segments().iter().filter(|segment| segment.base() < cleanable.end).cloned().collect();
        let keys = self.map_keys(&segments, cleanable, memory_bytes)?;
        let end = keys.latest().next().min(cleanable.end);
        if end <= cleanable.first_dirty {
            return Err(Stopped::NoRoom);
        }
        let segments: Vec<_> = segments.into_iter().filter(|segment| segment.base() < end).collect();
        let Some(first) = segments.first() else { return Ok(end) };
        let aborted = self.aborted_transactions(first.base(), cleanable.end)?;
        let mut rewriter = {
            let appender = self.appender.lock();
            Rewriter::new(&keys, aborted, &appender.producers, config.delete_retention_ms, now)
        };
        for group in choose::groups(&segments, &config) {
            let written = self.write_cleaned(&group, &mut rewriter, &config);
            let Some(cleaned) = written.inspect_err(|_| self.remove_cleaned(group[0].base()))? else {
                continue;
            };
            done.bytes_before += group.iter().map(|segment| segment.size_bytes()).sum::<u64>();
            done.bytes_after += cleaned.size_bytes();
            self.swap(&group, &cleaned, &config)?;
        }
        Ok(end)
    }

    /// The last offset of each key from the first dirty offset on.
    fn map_keys(
        &self,
        segments: &[Arc<Segment>],
        cleanable: &Cleanable,
        memory_bytes: usize,
    ) -> Result<KeyMap, Stopped> {
        let mut seed = [0; 8];
        self.env.random.fill(&mut seed);
        let seed = u64::from_be_bytes(seed);
        let mut keys = KeyMap::new(memory_bytes, cleanable.first_dirty, cleanable.end, seed);
        let aborted = self.aborted_transactions(cleanable.first_dirty, cleanable.end)?;
        let mut transactions = Transactions::new(aborted);
        let mut scratch = Vec::new();
        for segment in segments.iter().filter(|segment| segment.next_offset() > cleanable.first_dirty) {
            let mut scan = segment.scan_from(cleanable.first_dirty)?;
            while let Some(found) = scan.next_head().map_err(|error| segment.read_error(error))? {
                let bytes = scan.batch(&found).map_err(|error| segment.read_error(error))?;
                let damaged = |error: &dyn ToString| segment.damaged(found.position, &error.to_string());
                let (batch, _) = Batch::parse(&bytes).map_err(|error| damaged(&error))?;
                batch.verify_crc().map_err(|error| damaged(&error))?;
                if batch.is_control() {
                    transactions.meet_control(&batch);
                } else if !transactions.meet_data(&batch) {
                    let records = batch
                        .decompressed(DECOMPRESSED_BYTES_MAX, &mut scratch)
                        .map_err(|error| damaged(&error))?;
                    for record in records {
                        let record = record.map_err(|error| damaged(&error))?;
                        let Some(key) = record.key.filter(|_| record.offset >= cleanable.first_dirty) else {
                            continue;
                        };
                        if !keys.put(key, record.offset) {
                            return Ok(keys);
                        }
                    }
                }
                keys.reached(batch.last_offset());
            }
            keys.reached(Offset(segment.next_offset().0 - 1));
        }
        Ok(keys)
    }

    /// Writes what stays of a group into `.cleaned` files and syncs them; `None` if all of one segment stays.
    fn write_cleaned(
        &self,
        group: &[Arc<Segment>],
        rewriter: &mut Rewriter<'_>,
        config: &LogConfig,
    ) -> Result<Option<Segment>, Stopped> {
        let base = group[0].base();
        let disk = &self.env.disk;
        let paths = Paths::new(&self.dir, base, CLEANED_SUFFIX);
        let cleaned =
            Segment::create(disk.clone(), paths.clone(), base, segment_limits(config), self.env.clock.now())?;
        let mut out = Out { segment: &cleaned, bytes: Vec::with_capacity(WRITE_BYTES), heads: Vec::new() };
        let mut changed = group.len() > 1;
        for (i, segment) in group.iter().enumerate() {
            let size = segment.size_bytes();
            let mut scan = segment.scan_from(segment.base())?;
            while let Some(found) = scan.next_head().map_err(|error| segment.read_error(error))? {
                let bytes = scan.batch(&found).map_err(|error| segment.read_error(error))?;
                let damaged = |error: &dyn ToString| segment.damaged(found.position, &error.to_string());
                let (batch, _) = Batch::parse(&bytes).map_err(|error| damaged(&error))?;
                // A new checksum must not make damage look sound.
                batch.verify_crc().map_err(|error| damaged(&error))?;
                let is_last = i + 1 == group.len() && found.position + found.head.size_bytes == size;
                let (rewritten, aborted) =
                    rewriter.rewrite(&batch, is_last).map_err(|error| damaged(&error))?;
                changed |= rewritten != Rewritten::Whole;
                match rewritten {
                    Rewritten::Whole => out.push(&bytes)?,
                    Rewritten::Replaced(bytes) => out.push(&bytes)?,
                    Rewritten::Gone => {}
                }
                if let Some(transaction) = aborted {
                    cleaned.aborted().push(transaction)?;
                }
            }
        }
        out.flush()?;
        if !changed {
            self.remove_cleaned(base);
            return Ok(None);
        }
        cleaned.file()?.sync()?;
        cleaned.seal()?;
        cleaned.sync_indexes()?;
        // Segments without timestamps are retained by the age of their files.
        if let Some(last) = group.last() {
            disk.set_modified_ms(&paths.log, disk.modified_ms(&last.paths().log)?)?;
        }
        Ok(Some(cleaned))
    }

    fn remove_cleaned(&self, base: Offset) {
        for path in Paths::new(&self.dir, base, CLEANED_SUFFIX).all() {
            // What cannot be removed now is removed at the next start.
            let _ = durable::remove_if_exists(&*self.env.disk, path);
        }
    }

    /// Puts a cleaned segment in the place of its sources.
    fn swap(&self, group: &[Arc<Segment>], cleaned: &Segment, config: &LogConfig) -> Result<(), Stopped> {
        let base = cleaned.base();
        group.iter().try_for_each(|segment| segment.preload())?;
        self.rename(base, CLEANED_SUFFIX, SWAP_SUFFIX)
            .and_then(|()| self.take_place(group, base, config))
            // Half a swap can only be finished by recovery.
            .map_err(|error| {
                self.fail(&cleaned.paths().log, &error);
                Stopped::Io(error)
            })
    }

    fn take_place(&self, group: &[Arc<Segment>], base: Offset, config: &LogConfig) -> io::Result<()> {
        self.discard(group);
        self.rename(base, SWAP_SUFFIX, "")?;
        // No one rolls meanwhile: the list is read, changed and put back.
        let _appender = self.appender.lock();
        let segments = self.segments();
        let first = segments.partition_point(|segment| segment.base() < base);
        let behind = first + group.len();
        let next_offset = segments.get(behind).map(|segment| segment.base());
        let paths = Paths::new(&self.dir, base, "");
        let new = Segment::open(self.env.disk.clone(), paths, base, segment_limits(config), next_offset)?
            .ok_or_else(|| io::Error::other("the indexes just written cannot be read"))?;
        let mut list = segments[..first].to_vec();
        list.push(Arc::new(new));
        list.extend_from_slice(&segments[behind..]);
        *self.segments.write() = Arc::new(list);
        Ok(())
    }

    /// Changes the suffix of a segment's files, the `.log` last, and makes that durable.
    fn rename(&self, base: Offset, from: &str, to: &str) -> io::Result<()> {
        let from = Paths::new(&self.dir, base, from);
        let to = Paths::new(&self.dir, base, to);
        let txn_index = from.txn_index.as_path();
        for (from, to) in from.all().into_iter().zip(to.all()).rev() {
            match self.env.disk.rename(from, to) {
                // The index of aborted transactions is there only if there are any.
                Err(error) if error.kind() == io::ErrorKind::NotFound && from == txn_index => {}
                other => other?,
            }
        }
        self.env.disk.sync_dir(&self.dir)
    }
}

/// Batches on their way into a cleaned segment.
struct Out<'a> {
    segment: &'a Segment,
    bytes: Vec<u8>,
    heads: Vec<Head>,
}

impl Out<'_> {
    fn push(&mut self, batch: &[u8]) -> io::Result<()> {
        self.heads.push(Head::parse(batch).map_err(io::Error::other)?);
        self.bytes.extend_from_slice(batch);
        if self.bytes.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.segment.write(&mut [IoSlice::new(&self.bytes)])?;
        self.segment.publish(&self.heads);
        self.bytes.clear();
        self.heads.clear();
        Ok(())
    }
}
