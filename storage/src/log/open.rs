//! Making a new log, and opening one that exists: the table of `recovery.rs`, in code.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use parking_lot::{Mutex, RwLock};
use protocol::records::batch::Batch;
use protocol::types::{Offset, PartitionIndex, TopicId};

use super::append::{Appender, producer_batch};
use super::maintain::DELETED_SUFFIX;
use super::sync::Unsynced;
use super::{Marks, PartitionLog, segment_limits};
use crate::checkpoint;
use crate::config::LogConfig;
use crate::env::{DiskFile, Env, durable};
use crate::epochs::Epochs;
use crate::error::{ReadError, StoreError};
use crate::producers::{Origin, Producers, Update, snapshot};
use crate::recovery::{Progress, RecoveryReport};
use crate::segment::head::Head;
use crate::segment::{Paths, Recovered, Segment};

/// Where each leader epoch began.
pub(super) const EPOCHS_FILE: &str = "leader-epoch-checkpoint";
/// The topic's id.
const METADATA_FILE: &str = "partition.metadata";
/// Files of a compaction that has not committed.
pub(crate) const CLEANED_SUFFIX: &str = ".cleaned";
/// Files of a compaction that has committed, once the `.log` has this suffix.
pub(crate) const SWAP_SUFFIX: &str = ".swap";

/// The kinds of a segment's files.
const SEGMENT_SUFFIXES: [&str; 4] = [".log", ".index", ".timeindex", ".txnindex"];

/// The name of the producer snapshot at `offset`.
pub(super) fn snapshot_name(offset: Offset) -> String {
    format!("{:020}.snapshot", offset.0)
}

/// What is known of a log before it is opened.
pub(crate) struct OpenLog {
    pub(crate) env: Env,
    pub(crate) topic: Arc<str>,
    pub(crate) partition: PartitionIndex,
    pub(crate) dir: PathBuf,
    pub(crate) config: LogConfig,
    pub(crate) producer_expiration_ms: i64,
    /// Whether the store was closed properly.
    pub(crate) clean: bool,
    /// From the root checkpoints; 0 where they say nothing.
    pub(crate) recovery_point: Offset,
    pub(crate) start_offset: Offset,
    pub(crate) compacted: Offset,
    /// Told of each segment.
    pub(crate) progress: Arc<Progress>,
}

/// A log being put together.
struct Opening {
    open: OpenLog,
    segments: Vec<Arc<Segment>>,
    snapshots: Vec<Offset>,
    /// Recovered segments but the last: their bytes may still be in the page cache only.
    to_sync: Vec<(Arc<Segment>, Arc<dyn DiskFile>)>,
    /// Files were removed that must not come back: they are of a past that did not last.
    removed: bool,
    /// Aborted transactions are to be collected again from here.
    aborted_from: Offset,
    report: RecoveryReport,
}

impl OpenLog {
    /// Makes a new, empty log in a new directory. Its own name is durable only once the caller syncs the data
    /// directory.
    pub(crate) fn create(self, topic_id: TopicId) -> Result<PartitionLog, StoreError> {
        self.create_dir(topic_id).map_err(StoreError::io(&self.dir))?;
        let mut opening = Opening::new(self);
        opening.begin_at(Offset(0))?;
        let dir = opening.open.dir.clone();
        opening.open.env.disk.sync_dir(&dir).map_err(StoreError::io(&dir))?;
        let (log, _) = opening.finish(Producers::default(), Epochs::default(), topic_id);
        Ok(log)
    }

    /// Makes the directory, which has its topic's id from the first moment: a crash leaves one that a start removes.
    fn create_dir(&self, topic_id: TopicId) -> io::Result<()> {
        let disk = &*self.env.disk;
        let parent = self.dir.parent().unwrap_or(&self.dir);
        let unfinished = doomed_dir(parent, format!("{}-{}", self.topic, self.partition), &self.env);
        disk.create_dir_all(&unfinished)?;
        let metadata = checkpoint::partition_metadata(topic_id);
        durable::write_synced(disk, &unfinished.join(METADATA_FILE), metadata.as_bytes())?;
        disk.sync_dir(&unfinished)?;
        disk.rename(&unfinished, &self.dir)
    }

    /// Opens the log in the directory, recovering it if it was not closed properly.
    pub(crate) fn open(self) -> Result<(PartitionLog, RecoveryReport), StoreError> {
        let dir = self.dir.clone();
        let mut opening = Opening::new(self);
        let bases = opening.tidy().map_err(StoreError::io(&dir))?;
        opening.open_segments(&bases).map_err(StoreError::io(&dir))?;
        let start = opening.settle_start()?;
        let topic_id = opening.read_topic_id().map_err(StoreError::io(&dir))?;
        let (producers, epochs) = opening.replay(start).map_err(StoreError::io(&dir))?;
        if opening.removed {
            opening.open.env.disk.sync_dir(&dir).map_err(StoreError::io(&dir))?;
        }
        let (log, report) = opening.finish(producers, epochs, topic_id);
        // What recovery read may be in the page cache only. It is synced before anyone is shown it.
        log.flush()?;
        // Index entries of what was cut off go even where that left nothing to sync.
        log.active().write_indexes().map_err(StoreError::io(&dir))?;
        Ok((log, report))
    }
}

impl Opening {
    fn new(open: OpenLog) -> Self {
        let report = RecoveryReport {
            topic: open.topic.clone(),
            partition: open.partition,
            clean: open.clean,
            ..RecoveryReport::default()
        };
        Self {
            open,
            segments: Vec::new(),
            snapshots: Vec::new(),
            to_sync: Vec::new(),
            removed: false,
            aborted_from: Offset(i64::MAX),
            report,
        }
    }

    /// Removes and finishes what an earlier process left half-done; returns the bases of the segments.
    fn tidy(&mut self) -> io::Result<Vec<Offset>> {
        let disk = self.open.env.disk.clone();
        let dir = self.open.dir.clone();
        let names: BTreeSet<String> = disk.read_dir(&dir)?.into_iter().map(|entry| entry.name).collect();
        let remove = |name: &str| durable::remove_if_exists(&*disk, &dir.join(name));
        for name in &names {
            let committed = |name: &str| {
                let base = name.split('.').next().unwrap_or_default();
                names.contains(&format!("{base}.log{SWAP_SUFFIX}"))
            };
            if name.ends_with(DELETED_SUFFIX)
                || name.ends_with(CLEANED_SUFFIX)
                || name.ends_with(".tmp")
                || (name.ends_with(SWAP_SUFFIX) && !committed(name))
            {
                remove(name)?;
            }
        }
        for name in names.iter().filter(|name| name.ends_with(".log.swap")) {
            if let Some(base) = base_of(name, ".log.swap") {
                self.finish_swap(base, &names)?;
            }
        }
        let names: BTreeSet<String> = disk.read_dir(&dir)?.into_iter().map(|entry| entry.name).collect();
        let bases: Vec<Offset> = names.iter().filter_map(|name| base_of(name, ".log")).collect();
        for name in &names {
            let orphan = SEGMENT_SUFFIXES
                .iter()
                .find_map(|suffix| base_of(name, suffix))
                .is_some_and(|base| bases.binary_search(&base).is_err());
            if orphan {
                remove(name)?;
            }
        }
        self.snapshots = names.iter().filter_map(|name| base_of(name, ".snapshot")).collect();
        Ok(bases)
    }

    /// Completes a compaction that had committed: its sources go, then its files take their names.
    fn finish_swap(&mut self, base: Offset, names: &BTreeSet<String>) -> io::Result<()> {
        let disk = self.open.env.disk.clone();
        let dir = &self.open.dir;
        let swap = Paths::new(dir, base, SWAP_SUFFIX);
        let limits = segment_limits(&self.open.config);
        let (segment, _) = Segment::recover(disk.clone(), swap.clone(), base, limits, Offset(i64::MAX))?;
        let end = segment.next_offset();
        drop(segment);
        // By all of their files: of a source that was being removed the `.log` went first, and an index of aborted
        // transactions left behind would be taken for the new segment's.
        let of_source = |name: &&String| {
            SEGMENT_SUFFIXES
                .iter()
                .find_map(|suffix| base_of(name, suffix))
                .is_some_and(|source| (base..end).contains(&source))
        };
        for name in names.iter().filter(of_source) {
            durable::remove_if_exists(&*disk, &dir.join(name))?;
        }
        for (from, to) in swap.all().into_iter().zip(Paths::new(dir, base, "").all()) {
            match disk.rename(from, to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        self.report.damage.push(format!("finished the compaction of segment {base}"));
        disk.sync_dir(dir)
    }

    /// Opens every segment: as it is where it was synced, recovered where it was not.
    fn open_segments(&mut self, bases: &[Offset]) -> io::Result<()> {
        for (i, base) in bases.iter().enumerate() {
            let next = bases.get(i + 1).copied();
            if !self.open_segment(*base, next)? {
                self.drop_from(&bases[i + 1..])?;
                break;
            }
        }
        Ok(())
    }

    /// Opens one segment; false if it was cut off, so that no segment can follow it.
    fn open_segment(&mut self, base: Offset, next: Option<Offset>) -> io::Result<bool> {
        let disk = self.open.env.disk.clone();
        let paths = Paths::new(&self.open.dir, base, "");
        let limits = segment_limits(&self.open.config);
        let trusted = if self.open.clean { Offset(i64::MAX) } else { self.open.recovery_point };
        // Were it equal, the checkpoint may be older than the roll, and the last entry of the time index not synced.
        let synced = self.open.clean || next.is_some_and(|next| next < self.open.recovery_point);
        if synced {
            if let Some(segment) = Segment::open(disk.clone(), paths.clone(), base, limits, next)? {
                self.segments.push(Arc::new(segment));
                self.open.progress.checked(0);
                return Ok(true);
            }
            self.report.indexes_rebuilt += 1;
        }
        let (segment, found) = Segment::recover(disk, paths, base, limits, trusted)?;
        self.report.segments_scanned += 1;
        self.report.bytes_scanned += found.bytes_scanned;
        self.open.progress.checked(found.bytes_scanned);
        if found.lost_aborted {
            self.aborted_from = self.aborted_from.min(base);
        }
        let whole = self.judge(&segment, &found, synced, next)?;
        let segment = Arc::new(segment);
        if next.is_some() && whole {
            self.to_sync.push((segment.clone(), segment.file()?));
            segment.seal()?;
            segment.retire();
        }
        self.segments.push(segment);
        Ok(whole)
    }

    /// Decides what becomes of a recovered segment's damaged tail; false if the log ends here.
    fn judge(
        &mut self,
        segment: &Segment,
        found: &Recovered,
        synced: bool,
        next: Option<Offset>,
    ) -> io::Result<bool> {
        let file = &segment.paths().log;
        let end = segment.next_offset();
        if let Some(damage) = &found.damage {
            let text = format!("{} at byte {}: {damage}", file.display(), found.sound_bytes);
            // A crash in the middle of an append, of which nobody was told yet: no harm is done.
            let cut_short =
                found.ends_early && next.is_none() && !self.open.clean && end >= self.open.recovery_point;
            if cut_short {
                self.report.unfinished = Some(text);
            } else {
                self.report.damage.push(text);
            }
        }
        // A segment is sealed where the next begins: in what was not synced, a gap is a lost tail.
        let fits = next.is_none_or(|next| end == next);
        if !fits && !synced {
            self.report
                .damage
                .push(format!("{} ends at offset {end}, not where the next begins", file.display()));
        }
        if next.is_none() && !self.open.clean && end < self.open.recovery_point {
            let point = self.open.recovery_point;
            self.report.damage.push(format!("{} ends at offset {end}, {point} was synced", file.display()));
        }
        if synced && next.is_some() {
            return Ok(true);
        }
        let cut_off = found.file_bytes - found.sound_bytes;
        if cut_off > 0 {
            self.report.bytes_cut_off += cut_off;
            segment.cut_off()?;
        }
        Ok(found.damage.is_none() && fits)
    }

    /// Drops segments behind a tear.
    fn drop_from(&mut self, bases: &[Offset]) -> io::Result<()> {
        for base in bases {
            let paths = Paths::new(&self.open.dir, *base, "");
            self.report.damage.push(format!("{} lies behind the damage, dropped", paths.log.display()));
            self.report.segments_dropped += 1;
            self.removed = true;
            self.report.bytes_cut_off += self.open.env.disk.len(&paths.log)?;
            for path in paths.all() {
                durable::remove_if_exists(&*self.open.env.disk, path)?;
            }
        }
        Ok(())
    }

    /// The log's start, after making sure there is a segment to append to.
    fn settle_start(&mut self) -> Result<Offset, StoreError> {
        let wanted = self.open.start_offset;
        let Some(first) = self.segments.first() else {
            self.begin_at(wanted)?;
            return Ok(wanted);
        };
        let start = wanted.max(first.base());
        if start > self.end() {
            let bases: Vec<_> = self.segments.drain(..).map(|segment| segment.base()).collect();
            self.report.damage.push(format!("all records before the start offset {start} are gone"));
            self.drop_from(&bases).map_err(StoreError::io(&self.open.dir))?;
            self.begin_at(start)?;
        }
        Ok(start)
    }

    fn begin_at(&mut self, base: Offset) -> Result<(), StoreError> {
        let paths = Paths::new(&self.open.dir, base, "");
        let env = &self.open.env;
        let limits = segment_limits(&self.open.config);
        let segment = Segment::create(env.disk.clone(), paths.clone(), base, limits, env.clock.now())
            .map_err(StoreError::io(&paths.log))?;
        self.segments.push(Arc::new(segment));
        Ok(())
    }

    fn end(&self) -> Offset {
        self.segments.last().map_or(Offset(0), |segment| segment.next_offset())
    }

    fn read_topic_id(&mut self) -> io::Result<TopicId> {
        let content = durable::read_if_exists(&*self.open.env.disk, &self.open.dir.join(METADATA_FILE))?;
        let id = content.as_deref().and_then(checkpoint::parse_partition_metadata);
        if id.is_none() {
            self.report.damage.push(format!("{METADATA_FILE} is missing or damaged"));
        }
        Ok(id.unwrap_or(TopicId::ZERO))
    }

    /// Producers and epochs as they stand at the end: from the newest sound snapshot and what lies behind it.
    fn replay(&mut self, start: Offset) -> io::Result<(Producers, Epochs)> {
        let disk = self.open.env.disk.clone();
        let (mut producers, snapshot_end) = self.newest_snapshot()?;
        let content = durable::read_if_exists(&*disk, &self.open.dir.join(EPOCHS_FILE))?;
        let mut epochs = content.as_deref().and_then(Epochs::decode);
        // A crash before the first checkpoint leaves no file: that is no damage.
        if epochs.is_none() && content.is_some() {
            self.report.damage.push(format!("{EPOCHS_FILE} is damaged, made again"));
        }
        let epochs_from =
            if epochs.is_some() { self.open.recovery_point.min(snapshot_end) } else { Offset(0) };
        let mut epochs = epochs.take().unwrap_or_default();
        epochs.forget_from(self.end());
        let mut update = Update::default();
        let now = self.open.env.clock.now();
        let from = epochs_from.min(snapshot_end);
        for segment in self.segments.iter().filter(|segment| segment.next_offset() > from) {
            segment.aborted().forget_from(snapshot_end)?;
            let mut scan = segment.scan_from(from).map_err(unread)?;
            while let Some(found) = scan.next_head().map_err(|error| unread(segment.read_error(error)))? {
                let bytes = scan.batch(&found).map_err(|error| unread(segment.read_error(error)))?;
                let Ok((batch, _)) = Batch::parse(&bytes) else { break };
                epochs.assign(batch.leader_epoch(), batch.base_offset());
                if found.head.base_offset >= snapshot_end {
                    replay_batch(&mut producers, &mut update, &batch, &found.head, segment, now)?;
                }
            }
        }
        epochs.forget_before(start);
        Ok((producers, epochs))
    }

    /// The newest snapshot at or before the end that is sound, and its offset. Those behind the end are removed, and
    /// after a crash all that are damaged: a later crash must not rely on them.
    fn newest_snapshot(&mut self) -> io::Result<(Producers, Offset)> {
        // One behind `aborted_from` cannot tell which transactions were aborted before it.
        let end = self.end().min(self.aborted_from);
        let now = self.open.env.clock.now();
        let mut newest = None;
        let mut kept = Vec::new();
        for offset in std::mem::take(&mut self.snapshots).into_iter().rev() {
            if newest.is_some() && self.open.clean {
                kept.push(offset);
                continue;
            }
            let path = self.open.dir.join(snapshot_name(offset));
            let content = if offset <= end { Some(self.open.env.disk.read(&path)?) } else { None };
            match content.as_deref().and_then(|content| snapshot::decode(content, now).ok()) {
                Some(producers) => {
                    kept.push(offset);
                    newest.get_or_insert((producers, offset));
                }
                None => {
                    if content.is_some() {
                        self.report.damage.push(format!("{} is damaged", path.display()));
                    }
                    self.removed = true;
                    durable::remove_if_exists(&*self.open.env.disk, &path)?;
                }
            }
        }
        kept.reverse();
        self.snapshots = kept;
        Ok(newest.unwrap_or_default())
    }

    fn finish(
        mut self,
        producers: Producers,
        epochs: Epochs,
        topic_id: TopicId,
    ) -> (PartitionLog, RecoveryReport) {
        let end = self.end();
        let first = self.segments.first().map_or(Offset(0), |segment| segment.base());
        let start = self.open.start_offset.max(first).min(end);
        let marks = Marks::of_single_node(start, producers.first_open(), end);
        self.report.start_offset = start;
        self.report.end_offset = end;
        let clean = self.open.clean && self.report.indexes_rebuilt == 0;
        let recovery_point = if clean { end } else { self.open.recovery_point.min(end) };
        let mut unsynced = Unsynced::default();
        unsynced.named();
        for (segment, file) in self.to_sync {
            unsynced.rolled(segment, file);
        }
        if !self.open.clean {
            unsynced.found(&self.snapshots);
        }
        let log = PartitionLog {
            topic: self.open.topic,
            partition: self.open.partition,
            topic_id,
            dir: self.open.dir,
            config: RwLock::new(Arc::new(self.open.config)),
            producer_expiration_ms: self.open.producer_expiration_ms,
            segments: RwLock::new(Arc::new(self.segments)),
            marks: RwLock::new(marks),
            epochs: RwLock::new(epochs),
            appender: Mutex::new(Appender::new(producers, 0, self.snapshots)),
            syncing: Mutex::new(()),
            unsynced: Mutex::new(unsynced),
            synced: AtomicI64::new(recovery_point.0),
            recovery_point: AtomicI64::new(recovery_point.0),
            compacted: AtomicI64::new(self.open.compacted.0),
            uncleanable: AtomicBool::new(false),
            upkeep: Mutex::new(()),
            failed: RwLock::new(None),
            full: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            trash: Mutex::new(Vec::new()),
            env: self.open.env,
        };
        {
            let mut appender = log.appender.lock();
            let newest = appender.snapshots.last().copied();
            appender.synced_snapshot = newest.filter(|offset| *offset <= recovery_point);
            appender.roll_jitter_ms = log.roll_jitter_ms(&log.config());
        }
        (log, self.report)
    }
}

/// Feeds one batch that is in the log to the producers' state.
fn replay_batch(
    producers: &mut Producers,
    update: &mut Update,
    batch: &Batch<'_>,
    head: &Head,
    segment: &Segment,
    now: protocol::types::TimestampMs,
) -> io::Result<()> {
    if batch.producer_id().0 < 0 {
        return Ok(());
    }
    update.clear();
    // A replayed batch is never refused: it was checked when it was appended.
    if producers.check(update, &producer_batch(batch, head), Origin::Replicated, 0, now).is_ok() {
        for transaction in producers.apply(update) {
            segment.aborted().push(transaction)?;
        }
    }
    Ok(())
}

/// The offset in a name like `00000000000000000042.log`.
fn base_of(name: &str, suffix: &str) -> Option<Offset> {
    let digits = name.strip_suffix(suffix)?;
    let well_formed = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    well_formed.then(|| digits.parse().ok().map(Offset)).flatten()
}

/// A failed walk as an I/O error.
fn unread(error: ReadError) -> io::Error {
    match error {
        ReadError::Io { source, .. } => source,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}

/// Whether a directory's name is that of a partition, and which.
pub(crate) fn parse_partition_dir(name: &str) -> Option<(&str, PartitionIndex)> {
    let (topic, partition) = name.rsplit_once('-')?;
    let plain = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    let partition = plain.then(|| partition.parse().ok()).flatten()?;
    (!topic.is_empty()).then_some((topic, PartitionIndex(partition)))
}

/// How the name of a directory ends that a start removes.
pub(crate) const DELETE_SUFFIX: &str = "-delete";
/// Most characters of such a name.
const DOOMED_NAME_CHARS_MAX: usize = 249;

/// A directory that a start removes, named as Apache Kafka does, cut so that the name stays legal.
pub(crate) fn doomed_dir(data: &Path, mut name: String, env: &Env) -> PathBuf {
    let id = TopicId(env.random_uuid()).to_string();
    name.truncate(DOOMED_NAME_CHARS_MAX - id.len() - DELETE_SUFFIX.len() - 1);
    data.join(format!("{name}.{id}{DELETE_SUFFIX}"))
}

/// The directory of a partition.
pub(crate) fn partition_dir(data: &Path, topic: &str, partition: PartitionIndex) -> PathBuf {
    data.join(format!("{topic}-{partition}"))
}
