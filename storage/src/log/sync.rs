//! Making appends durable: one `fdatasync` for everything written before it.
//!
//! | step | why |
//! |---|---|
//! | note the end | what the sync will cover |
//! | `fdatasync` of segments sealed since the last sync, then of the active one | their bytes |
//! | `fsync` of the directory, if a file was made in it | their names: a synced file without a name is lost |
//! | move `synced` up to the noted end | waiting producers are answered |
//!
//! Producers that arrive while a sync runs wait for the next, which covers all of them at once. A checkpoint
//! ([`PartitionLog::flush`]) also syncs what recovery would otherwise make again: indexes, epochs, producers.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;
use protocol::types::Offset;

use super::PartitionLog;
use super::append::Appender;
use crate::env::{DiskFile, Open, durable};
use crate::error::LogFailed;
use crate::producers::snapshot;
use crate::segment::Segment;

/// How many producer snapshots besides those at segment starts are kept, in case the newest is torn.
const SNAPSHOTS_KEPT: usize = 2;

/// What was made or written since the last sync, besides the active segment.
#[derive(Default)]
pub(super) struct Unsynced {
    /// Files of segments sealed since.
    sealed: Vec<(Arc<Segment>, Arc<dyn DiskFile>)>,
    /// Segments whose indexes are not synced.
    indexes: Vec<Arc<Segment>>,
    /// Producer snapshots that are not.
    snapshots: Vec<Offset>,
    /// How often a name was made in the directory, and how many of those times are synced.
    names_made: u64,
    names_synced: u64,
}

impl Unsynced {
    /// A segment was sealed and a new one begun.
    pub(super) fn rolled(&mut self, old: Arc<Segment>, file: Arc<dyn DiskFile>) {
        self.sealed.push((old.clone(), file));
        self.indexes.push(old);
        self.named();
    }

    /// Snapshots that a killed process left may be in the page cache only.
    pub(super) fn found(&mut self, snapshots: &[Offset]) {
        self.snapshots.extend_from_slice(snapshots);
    }

    /// Every log file, and its name, has been synced.
    pub(super) fn logs_synced(&mut self) {
        self.sealed.clear();
        self.names_synced = self.names_made;
    }

    /// These are to be synced again: a checkpoint may have failed half way.
    pub(super) fn again(&mut self, indexes: Vec<Arc<Segment>>, snapshots: Vec<Offset>) {
        self.indexes = indexes;
        self.snapshots = snapshots;
    }

    /// A name was made in the directory.
    pub(super) fn named(&mut self) {
        self.names_made += 1;
    }
}

impl PartitionLog {
    /// Makes everything appended before this call durable, and returns the offset before which all is.
    ///
    /// # Errors
    /// The disk refused. Nothing that was not synced before may be taken for durable, now or later: the log is failed.
    pub fn sync(&self) -> Result<Offset, LogFailed> {
        let wanted = self.marks().end();
        if self.synced() >= wanted {
            return Ok(self.synced());
        }
        let one_at_a_time = self.syncing.lock();
        let synced = self.sync_alone(wanted);
        // To whoever waits longest: one who comes back at once would else take it again, and the others, covered by then,
        // would wait on.
        MutexGuard::unlock_fair(one_at_a_time);
        synced
    }

    /// As [`Self::sync`], by the one who may.
    fn sync_alone(&self, wanted: Offset) -> Result<Offset, LogFailed> {
        // Another sync may have covered us while we waited for it.
        if self.synced() >= wanted {
            return Ok(self.synced());
        }
        self.failure()?;
        // In this order: a segment sealed in between is then in both, never in none.
        let end = self.marks().end();
        let active = self.active();
        let (sealed, names_made, names_synced) = {
            let unsynced = self.unsynced.lock();
            (unsynced.sealed.clone(), unsynced.names_made, unsynced.names_synced)
        };
        for (segment, file) in &sealed {
            file.sync().map_err(|error| self.fail_until_healed(&segment.paths().log, &error))?;
        }
        match active.file().and_then(|file| file.sync()) {
            // Retention took the segment away in this moment: its records are no one's concern any more.
            Err(error) if error.kind() == io::ErrorKind::NotFound && active.is_removed() => {}
            synced => synced.map_err(|error| self.fail_until_healed(&active.paths().log, &error))?,
        }
        if names_made > names_synced {
            self.env.disk.sync_dir(&self.dir).map_err(|error| self.fail_until_healed(&self.dir, &error))?;
        }
        {
            let mut unsynced = self.unsynced.lock();
            unsynced.sealed.drain(..sealed.len());
            unsynced.names_synced = names_made;
        }
        self.synced.fetch_max(end.0, Ordering::AcqRel);
        Ok(self.synced())
    }

    /// The offset before which everything is durable.
    pub fn synced(&self) -> Offset {
        Offset(self.synced.load(Ordering::Acquire))
    }

    /// The offset from which recovery would read after a crash.
    pub fn recovery_point(&self) -> Offset {
        Offset(self.recovery_point.load(Ordering::Acquire))
    }

    /// Syncs the log and everything recovery would otherwise make again, and moves the recovery point up.
    pub(crate) fn flush(&self) -> Result<Offset, LogFailed> {
        if self.recovery_point() >= self.marks().end() {
            // Epochs change without an append where records are deleted, or where a damaged file was made again.
            self.write_epochs().map_err(|error| self.fail_until_healed(&self.dir, &error))?;
            return Ok(self.recovery_point());
        }
        self.flush_all()
    }

    /// As [`Self::flush`], even if nothing was appended since the last.
    pub(super) fn flush_all(&self) -> Result<Offset, LogFailed> {
        self.failure()?;
        let (at, producers) = {
            let appender = self.appender.lock();
            (self.marks().end(), snapshot::encode(&appender.producers))
        };
        let end = self.sync()?;
        self.write_checkpoint(end, at, &producers)
            .map_err(|(path, error)| self.fail_until_healed(&path, &error))?;
        Ok(end)
    }

    /// Writes and syncs what recovery would otherwise make again of a log that is synced up to `end`, and moves the
    /// recovery point there; `producers` is a snapshot of them as they stood at `at`. An error comes with its file.
    pub(super) fn write_checkpoint(
        &self,
        end: Offset,
        at: Offset,
        producers: &[u8],
    ) -> Result<(), (PathBuf, io::Error)> {
        let in_dir = |error| (self.dir.clone(), error);
        // Only now: a snapshot from behind the end that a crash leaves would be of no use.
        self.write_synced_snapshot(at, producers).map_err(in_dir)?;
        let (indexes, snapshots) = {
            let mut unsynced = self.unsynced.lock();
            (std::mem::take(&mut unsynced.indexes), std::mem::take(&mut unsynced.snapshots))
        };
        for offset in snapshots {
            self.sync_snapshot_file(offset).map_err(in_dir)?;
        }
        for segment in indexes.iter().chain([&self.active()]).filter(|segment| !segment.is_removed()) {
            let synced = segment.write_indexes().and_then(|()| segment.sync_indexes());
            synced.map_err(|error| (segment.paths().index.clone(), error))?;
        }
        self.write_epochs().map_err(in_dir)?;
        self.env.disk.sync_dir(&self.dir).map_err(in_dir)?;
        self.recovery_point.fetch_max(end.0, Ordering::AcqRel);
        Ok(())
    }

    /// Replaces `leader-epoch-checkpoint` if it lacks something.
    pub(super) fn write_epochs(&self) -> io::Result<()> {
        let content = {
            let mut epochs = self.epochs.write();
            epochs.take_changed().then(|| epochs.encode())
        };
        let Some(content) = content else { return Ok(()) };
        durable::replace(&*self.env.disk, &self.dir.join(super::open::EPOCHS_FILE), content.as_bytes())
    }

    /// Writes the producers as they stand where a segment begins. Not synced: a torn snapshot is recognised, and
    /// recovery takes an older one and reads more of the log.
    pub(super) fn write_snapshot(&self, appender: &mut Appender) -> io::Result<()> {
        let end = self.marks().end();
        if appender.snapshots.last() == Some(&end) || end.0 == 0 {
            return Ok(());
        }
        let content = snapshot::encode(&appender.producers);
        let path = self.dir.join(super::open::snapshot_name(end));
        let file = self.env.disk.open(&path, Open::Create)?;
        file.write_all_at(&mut [io::IoSlice::new(&content)], 0)?;
        appender.snapshots.push(end);
        self.unsynced.lock().snapshots.push(end);
        self.thin_snapshots(appender)
    }

    /// Makes the bytes of a snapshot durable, if it has not been removed meanwhile.
    fn sync_snapshot_file(&self, offset: Offset) -> io::Result<()> {
        match self.env.disk.open(&self.dir.join(super::open::snapshot_name(offset)), Open::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => opened?.sync(),
        }
    }

    /// Writes a snapshot of the producers as they stood at an offset that is synced, for good.
    fn write_synced_snapshot(&self, at: Offset, content: &[u8]) -> io::Result<()> {
        if at.0 == 0 || self.appender.lock().synced_snapshot >= Some(at) {
            return Ok(());
        }
        durable::replace(&*self.env.disk, &self.dir.join(super::open::snapshot_name(at)), content)?;
        let mut appender = self.appender.lock();
        appender.synced_snapshot = appender.synced_snapshot.max(Some(at));
        if let Err(place) = appender.snapshots.binary_search(&at) {
            appender.snapshots.insert(place, at);
        }
        self.thin_snapshots(&mut appender)
    }

    /// Makes the snapshot at the start of a segment durable: it is about to be the only trace of what lies before.
    pub(super) fn sync_snapshot(&self, appender: &mut Appender, offset: Offset) -> io::Result<()> {
        if appender.synced_snapshot >= Some(offset) || !appender.snapshots.contains(&offset) {
            return Ok(());
        }
        self.sync_snapshot_file(offset)?;
        self.env.disk.sync_dir(&self.dir)?;
        appender.synced_snapshot = Some(offset);
        Ok(())
    }

    /// Removes snapshots that do not begin a segment, except the newest and the last that is surely on disk.
    pub(super) fn thin_snapshots(&self, appender: &mut Appender) -> io::Result<()> {
        let mut bases: BTreeSet<_> = self.segments().iter().map(|segment| segment.base()).collect();
        bases.extend(appender.synced_snapshot);
        let old = appender.snapshots.len().saturating_sub(SNAPSHOTS_KEPT);
        let newest = appender.snapshots.split_off(old);
        let (kept, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut appender.snapshots).into_iter().partition(|offset| bases.contains(offset));
        appender.snapshots = kept.into_iter().chain(newest).collect();
        for offset in gone {
            durable::remove_if_exists(&*self.env.disk, &self.dir.join(super::open::snapshot_name(offset)))?;
        }
        Ok(())
    }
}
