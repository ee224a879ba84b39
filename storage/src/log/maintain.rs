//! What happens to a log without anyone asking: old segments go, idle maps and producers too.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::types::{Offset, TimestampMs};

use super::{Marks, PartitionLog};
use crate::env::durable;
use crate::error::{LogFailed, ReadError};
use crate::retention::{self, Reason};
use crate::segment::Segment;

/// Appended to the names of files that are about to be removed.
pub(super) const DELETED_SUFFIX: &str = ".deleted";

/// Files without a use any more, to be removed once readers on other machines can be expected to have finished.
pub(super) struct Trash {
    due: TimestampMs,
    paths: Vec<PathBuf>,
}

/// What one round of upkeep did to a log.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Maintained {
    pub(crate) segments_removed: usize,
    pub(crate) bytes_removed: u64,
}

impl PartitionLog {
    /// Removes every record before `before`, which may not lie behind the high mark; returns the new start.
    ///
    /// The start is remembered across restarts from the next checkpoint on ([`Store::flush_start_offsets`]).
    ///
    /// [`Store::flush_start_offsets`]: crate::Store::flush_start_offsets
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] if `before` lies behind the high mark.
    pub fn delete_records(&self, before: Offset) -> Result<Offset, ReadError> {
        let mut marks = self.marks.write();
        if before > marks.high() || before.0 < 0 {
            return Err(ReadError::OutOfRange { offset: before, start: marks.start(), end: marks.high() });
        }
        if before > marks.start() {
            *marks = Marks::new(before, marks.stable().max(before), marks.high(), marks.end())
                .expect("the start moved up to the high mark at most");
            self.epochs.write().forget_before(before);
            tracing::info!(log = self.name(), start_offset = before.0, "records deleted");
        }
        Ok(marks.start())
    }

    /// One round of upkeep: retention, due removals, silent producers, idle maps.
    pub(crate) fn maintain(&self, now: TimestampMs) -> Result<Maintained, LogFailed> {
        let _alone = self.upkeep.lock();
        if self.is_closed() {
            return Ok(Maintained::default());
        }
        self.empty_trash(now);
        self.appender.lock().producers.expire(now, self.producer_expiration_ms);
        let segments = self.segments();
        segments.iter().for_each(|segment| segment.release_idle_map());
        self.retain(now)
    }

    /// Removes the segments that retention no longer keeps, oldest first.
    fn retain(&self, now: TimestampMs) -> Result<Maintained, LogFailed> {
        let config = self.config();
        let due = retention::removable(&self.segments(), &config, self.marks(), now).is_some();
        if !due || self.failed().is_some() {
            return Ok(Maintained::default());
        }
        // What stays must be on disk before what goes is gone: the producers are known from both together.
        let synced = self.sync()?;
        let mut appender = self.appender.lock();
        let segments = self.segments();
        let Some((count, reason)) = retention::removable(&segments, &config, self.marks(), now) else {
            return Ok(Maintained::default());
        };
        let end = self.marks().end();
        if segments.get(count).map_or(end, |kept| kept.base()) > synced {
            return Ok(Maintained::default());
        }
        if count == segments.len() {
            // The active segment goes too: a new one takes its place first.
            self.roll(&mut appender, end, &config, now)
                .map_err(|error| self.fail_until_healed(&self.dir, &error))?;
        }
        let gone = &segments[..count];
        let start = self.segments()[count].base();
        self.sync_snapshot(&mut appender, start)
            .map_err(|error| self.fail_until_healed(&self.dir, &error))?;
        {
            let mut marks = self.marks.write();
            let start = start.max(marks.start()).min(marks.end());
            *marks = Marks::of_single_node(start, appender.producers.first_open(), marks.end());
            self.epochs.write().forget_before(start);
        }
        let mut list = self.segments.write();
        *list = Arc::new(list[count..].to_vec());
        drop(list);
        self.thin_snapshots(&mut appender).map_err(|error| self.fail(&self.dir, &error))?;
        drop(appender);
        self.discard(gone);
        let bytes_removed = gone.iter().map(|segment| segment.size_bytes()).sum();
        let by = match reason {
            Reason::BeforeStart => "log start",
            Reason::Time => "retention.ms",
            Reason::Size => "retention.bytes",
        };
        tracing::info!(log = self.name(), segments = count, bytes = bytes_removed, by, "segments removed");
        Ok(Maintained { segments_removed: count, bytes_removed })
    }

    /// Renames the files of segments that left the list, and removes them after `file.delete.delay.ms`.
    ///
    /// A crash in between is harmless: leftovers with the suffix are removed at start, and segments that still have
    /// their names lie before the log's start.
    pub(super) fn discard(&self, segments: &[Arc<Segment>]) {
        let disk = &*self.env.disk;
        let mut paths = Vec::new();
        for segment in segments {
            segment.mark_removed();
            for path in segment.paths().all() {
                let mut renamed = path.as_os_str().to_owned();
                renamed.push(DELETED_SUFFIX);
                let renamed = PathBuf::from(renamed);
                match disk.rename(path, &renamed) {
                    Ok(()) => paths.push(renamed),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => {
                        tracing::warn!(file = %path.display(), reason = %error, "cannot remove segment file");
                    }
                }
            }
        }
        let due = TimestampMs(self.env.clock.now().0.saturating_add(self.config().file_delete_delay_ms));
        self.trash.lock().push(Trash { due, paths });
    }

    /// Removes the files whose time has come.
    fn empty_trash(&self, now: TimestampMs) {
        let due: Vec<Trash> = {
            let mut trash = self.trash.lock();
            let (due, kept) = trash.drain(..).partition(|item: &Trash| item.due <= now);
            *trash = kept;
            due
        };
        for path in due.iter().flat_map(|item| &item.paths) {
            if let Err(error) = durable::remove_if_exists(&*self.env.disk, path) {
                tracing::warn!(file = %path.display(), reason = %error, "cannot remove file");
            }
        }
    }

    /// Writes what a clean shutdown leaves behind, syncs everything, and takes no more appends.
    ///
    /// # Errors
    /// The log had failed, or fails now: the next start must recover it.
    pub(crate) fn close(&self) -> Result<(), LogFailed> {
        self.closed.store(true, Ordering::Release);
        let _no_append_is_running = self.appender.lock();
        self.failure()?;
        let active = self.active();
        active.write_final_indexes().map_err(|error| self.fail(&active.paths().index, &error))?;
        drop(_no_append_is_running);
        self.flush_all()?;
        Ok(())
    }

    /// Takes no more appends: the topic is gone. Returns once none is under way, and no upkeep.
    pub(crate) fn mark_closed(&self) {
        self.closed.store(true, Ordering::Release);
        let _no_upkeep_is_running = self.upkeep.lock();
        let _no_append_is_running = self.appender.lock();
    }

    /// Whether the topic is gone, or the store closed.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}
