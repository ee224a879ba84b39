//! Every log under one data directory.
//!
//! ```text
//!  kindred-data/
//!    .lock                              held while the store is open: one process at a time
//!    .kafka_cleanshutdown               made last by a clean shutdown, removed first at start
//!    meta.properties                    cluster, node and directory id, made once
//!    recovery-point-offset-checkpoint   from where recovery would read
//!    log-start-offset-checkpoint        what DeleteRecords removed
//!    replication-offset-checkpoint      high marks (with one node, the ends)
//!    cleaner-offset-checkpoint          how far compaction has come
//!    <topic>-<partition>/               a log
//!    <topic>-<partition>.<id>-delete/   a log on its way out
//! ```
//! The root files are Apache Kafka's, so its tools read the directory, and a directory of a single-node Kafka opens
//! here. Checkpoints are written only after what they promise was synced.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use protocol::types::{Offset, PartitionIndex, TimestampMs, TopicId};
use rustc_hash::FxHashMap;

use crate::checkpoint::{self, MetaProperties, Offsets};
use crate::config::{LogConfig, StoreConfig};
use crate::env::{DiskSpace, Env, durable};
use crate::error::{LogFailed, StoreError};
use crate::log::{DELETE_SUFFIX, OpenLog, PartitionLog, doomed_dir, parse_partition_dir, partition_dir};
use crate::recovery::{Progress, RecoveryReport};

const LOCK: &str = ".lock";
const CLEAN_MARKER: &str = ".kafka_cleanshutdown";
const CLEAN_MARKER_CONTENT: &[u8] = br#"{"version":0,"brokerEpoch":-1}"#;
const META_PROPERTIES: &str = "meta.properties";
const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
const START_OFFSETS: &str = "log-start-offset-checkpoint";
const HIGH_MARKS: &str = "replication-offset-checkpoint";
const COMPACTED_OFFSETS: &str = "cleaner-offset-checkpoint";
/// How many logs are opened at a time after a clean shutdown, unless the settings ask for more, or for one.
const CLEAN_START_THREADS: usize = 8;
/// Longest topic name, as in Apache Kafka: with partition and suffix it must fit a file name.
const TOPIC_NAME_CHARS_MAX: usize = 249;

/// The partitions of one topic, by number.
type Partitions = BTreeMap<PartitionIndex, Arc<PartitionLog>>;

/// An open data directory.
pub struct Store {
    dir: PathBuf,
    env: Env,
    config: StoreConfig,
    meta: MetaProperties,
    logs: RwLock<FxHashMap<Arc<str>, Partitions>>,
    /// Directories of deleted logs still to be removed, and when.
    graveyard: Mutex<Vec<(TimestampMs, PathBuf)>>,
    /// One checkpoint at a time: they replace whole files.
    checkpointing: Mutex<()>,
    closed: AtomicBool,
    _lock: Box<dyn Send + Sync>,
}

/// What one round of upkeep did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct MaintenanceReport {
    /// Segments that retention removed.
    pub segments_removed: usize,
    /// Their bytes, and those that compaction saved.
    pub bytes_removed: u64,
    /// Logs that were compacted.
    pub logs_compacted: usize,
    /// Bytes that compaction read.
    pub bytes_compacted: u64,
    /// Failed logs that take appends again.
    pub logs_healed: usize,
    /// Logs that failed meanwhile.
    pub failed: Vec<(Arc<str>, PartitionIndex)>,
}

impl Store {
    /// Opens a data directory, made if it does not exist, and every log in it.
    ///
    /// The reports tell what recovery found, one for each log.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has it open; [`StoreError::Mismatch`] if it belongs to another node
    /// or cluster; [`StoreError::Io`] if the disk failed.
    pub fn open(
        dir: &Path,
        config: StoreConfig,
        env: Env,
    ) -> Result<(Self, Vec<RecoveryReport>), StoreError> {
        let disk = &*env.disk;
        disk.create_dir_all(dir).map_err(StoreError::io(dir))?;
        let lock_path = dir.join(LOCK);
        let lock = disk.lock(&lock_path).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => StoreError::InUse { path: dir.to_owned() },
            _ => StoreError::io(&lock_path)(error),
        })?;
        let meta = read_or_make_meta(dir, &config, &env)?;
        let clean = take_clean_marker(dir, &env).map_err(StoreError::io(dir))?;
        let found = Checkpoints::read(dir, &env)?;
        let partitions = find_partitions(dir, &env).map_err(StoreError::io(dir))?;
        let opened = open_all(dir, &partitions, &config, &env, clean, &found)?;
        let mut logs: FxHashMap<Arc<str>, Partitions> = FxHashMap::default();
        let mut reports = Vec::with_capacity(opened.len());
        for (log, report) in opened {
            logs.entry(log.topic().clone()).or_default().insert(log.partition(), Arc::new(log));
            reports.push(report);
        }
        let store = Self {
            dir: dir.to_owned(),
            env,
            config,
            meta,
            logs: RwLock::new(logs),
            graveyard: Mutex::new(Vec::new()),
            checkpointing: Mutex::new(()),
            closed: AtomicBool::new(false),
            _lock: lock,
        };
        if !clean && !reports.is_empty() {
            store.write_checkpoints().map_err(StoreError::io(dir))?;
        }
        Ok((store, reports))
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The cluster's id, made once for the directory.
    pub fn cluster_id(&self) -> &str {
        &self.meta.cluster_id
    }

    /// The node's number.
    pub fn node_id(&self) -> i32 {
        self.meta.node_id
    }

    /// The directory's id, made once.
    pub fn directory_id(&self) -> TopicId {
        self.meta.directory_id
    }

    /// A new random id, for a topic.
    pub fn random_id(&self) -> TopicId {
        TopicId(self.env.random_uuid())
    }

    /// Room on the file system.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub fn space(&self) -> io::Result<DiskSpace> {
        self.env.disk.space(&self.dir)
    }

    /// Makes one log; see [`Self::create_logs`].
    ///
    /// # Errors
    /// As [`Self::create_logs`].
    pub fn create_log(
        &self,
        topic: &str,
        partition: PartitionIndex,
        topic_id: TopicId,
        config: LogConfig,
    ) -> Result<Arc<PartitionLog>, StoreError> {
        let mut logs = self.create_logs(topic, &[partition], topic_id, &config)?;
        Ok(logs.pop().expect("one log was asked for"))
    }

    /// Makes the logs of several partitions of a topic. They are durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if one of them exists (none is made then), [`StoreError::IllegalName`],
    /// [`StoreError::Io`].
    pub fn create_logs(
        &self,
        topic: &str,
        partitions: &[PartitionIndex],
        topic_id: TopicId,
        config: &LogConfig,
    ) -> Result<Vec<Arc<PartitionLog>>, StoreError> {
        if !is_legal_topic(topic) {
            return Err(StoreError::IllegalName { topic: topic.to_owned() });
        }
        // Held throughout: two creations of one log would share a directory.
        let mut logs = self.logs.write();
        if let Some(known) = logs.get(topic)
            && let Some(taken) = partitions.iter().find(|partition| known.contains_key(partition))
        {
            return Err(StoreError::Exists { topic: topic.to_owned(), partition: taken.0 });
        }
        let name: Arc<str> = logs.get_key_value(topic).map_or_else(|| topic.into(), |(name, _)| name.clone());
        let mut made = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let open = self.describe(name.clone(), *partition, config.clone());
            made.push(Arc::new(open.create(topic_id)?));
        }
        self.env.disk.sync_dir(&self.dir).map_err(StoreError::io(&self.dir))?;
        let known = logs.entry(name).or_default();
        known.extend(made.iter().map(|log| (log.partition(), log.clone())));
        Ok(made)
    }

    fn describe(&self, topic: Arc<str>, partition: PartitionIndex, config: LogConfig) -> OpenLog {
        OpenLog {
            env: self.env.clone(),
            dir: partition_dir(&self.dir, &topic, partition),
            topic,
            partition,
            config,
            producer_expiration_ms: self.config.producer_id_expiration_ms,
            clean: true,
            recovery_point: Offset(0),
            start_offset: Offset(0),
            compacted: Offset(0),
            progress: Arc::new(Progress::new(self.env.clock.clone(), 1)),
        }
    }

    /// The log of a partition.
    pub fn log(&self, topic: &str, partition: PartitionIndex) -> Option<Arc<PartitionLog>> {
        self.logs.read().get(topic)?.get(&partition).cloned()
    }

    /// Every log, by topic and partition.
    pub fn logs(&self) -> Vec<Arc<PartitionLog>> {
        let logs = self.logs.read();
        let mut topics: Vec<_> = logs.iter().collect();
        topics.sort_unstable_by_key(|(topic, _)| *topic);
        topics.into_iter().flat_map(|(_, partitions)| partitions.values().cloned()).collect()
    }

    /// Removes all logs of a topic and returns how many there were. Reads in flight finish; the files go after
    /// `file.delete.delay.ms`.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the logs are gone from the store all the same.
    pub fn delete_topic(&self, topic: &str) -> Result<usize, StoreError> {
        let Some(partitions) = self.logs.write().remove(topic) else { return Ok(0) };
        let disk = &*self.env.disk;
        for log in partitions.values() {
            log.mark_closed();
            let dir = partition_dir(&self.dir, topic, log.partition());
            let doomed = doomed_dir(&self.dir, log.name(), &self.env);
            disk.rename(&dir, &doomed).map_err(StoreError::io(&dir))?;
            let due = self.env.clock.now().0.saturating_add(log.config().file_delete_delay_ms);
            self.graveyard.lock().push((TimestampMs(due), doomed));
        }
        disk.sync_dir(&self.dir).map_err(StoreError::io(&self.dir))?;
        self.write_checkpoints().map_err(StoreError::io(&self.dir))?;
        Ok(partitions.len())
    }

    /// Syncs every log that has grown and moves the recovery points up, so that a crash from now on costs
    /// recovery little. Also remembers start offsets. To be called every minute or so.
    ///
    /// # Errors
    /// The checkpoint files cannot be written. A log that fails is left out (and is failed from then on).
    pub fn flush_checkpoints(&self) -> Result<(), StoreError> {
        for log in self.logs() {
            // The log has said so itself, and its recovery point stays where it is.
            let _: Result<Offset, LogFailed> = log.flush();
        }
        self.write_checkpoints().map_err(StoreError::io(&self.dir))
    }

    /// Makes durable where logs begin, so that what DeleteRecords removed stays away whatever happens. Costs one file,
    /// however many logs have a new start, and a sync of those that begin behind what was synced: a log that lost its
    /// records before the start would have forgotten their producers too.
    ///
    /// # Errors
    /// The checkpoint file cannot be written. A log that fails is left out (and is failed from then on).
    pub fn flush_start_offsets(&self) -> Result<(), StoreError> {
        for log in self.logs().iter().filter(|log| log.marks().start() > log.synced()) {
            // The log has said so itself.
            let _: Result<Offset, LogFailed> = log.sync();
        }
        let _one_at_a_time = self.checkpointing.lock();
        self.write_start_offsets().map_err(StoreError::io(&self.dir.join(START_OFFSETS)))
    }

    fn write_checkpoints(&self) -> io::Result<()> {
        let _one_at_a_time = self.checkpointing.lock();
        self.write_offsets(RECOVERY_POINTS, |log| Some(log.recovery_point()))?;
        self.write_offsets(HIGH_MARKS, |log| Some(log.marks().high()))?;
        self.write_start_offsets()?;
        self.write_offsets(COMPACTED_OFFSETS, |log| Some(log.compacted()).filter(|offset| offset.0 > 0))
    }

    fn write_start_offsets(&self) -> io::Result<()> {
        // Apache Kafka leaves out starts that the first segment tells. But segments just removed may come back with a
        // power loss, and with them what retention has taken.
        // A start behind what is synced would, after a power loss, be all that is left of the log.
        self.write_offsets(START_OFFSETS, |log| {
            Some(log.marks().start().min(log.synced())).filter(|start| start.0 > 0)
        })
    }

    /// Replaces the checkpoint `name` by one with the offset of each log that has one.
    fn write_offsets(&self, name: &str, offset: impl Fn(&PartitionLog) -> Option<Offset>) -> io::Result<()> {
        let entry = |log: Arc<PartitionLog>| {
            offset(&log).map(|offset| ((log.topic().to_string(), log.partition()), offset))
        };
        let offsets: Offsets = self.logs().into_iter().filter_map(entry).collect();
        checkpoint::write_offsets(&*self.env.disk, &self.dir.join(name), &offsets)
    }

    /// One round of upkeep: failed logs tried again, retention, compaction, removal of deleted files, forgetting silent producers.
    ///
    /// Blocks on the disk; to be called every few seconds from a thread that may.
    pub fn maintain(&self, now: TimestampMs) -> MaintenanceReport {
        self.bury(now);
        let mut report = MaintenanceReport::default();
        for log in self.logs() {
            if log.failed().is_some() && log.heal() {
                report.logs_healed += 1;
            }
            match log.maintain(now) {
                Ok(done) => {
                    report.segments_removed += done.segments_removed;
                    report.bytes_removed += done.bytes_removed;
                }
                Err(LogFailed { .. }) => report.failed.push((log.topic().clone(), log.partition())),
            }
        }
        self.compact(now, &mut report);
        report
    }

    /// Compacts the logs that are due, dirtiest first.
    fn compact(&self, now: TimestampMs, report: &mut MaintenanceReport) {
        let due = |log: Arc<PartitionLog>| {
            let cleanable = log.cleanable(now).filter(|cleanable| cleanable.due)?;
            Some((log, cleanable))
        };
        let mut due: Vec<_> = self.logs().into_iter().filter_map(due).collect();
        due.sort_by(|(_, a), (_, b)| b.dirty_ratio.total_cmp(&a.dirty_ratio));
        for (log, cleanable) in due {
            match log.compact(&cleanable, self.config.compaction_memory_bytes, now) {
                Ok(done) => {
                    report.logs_compacted += 1;
                    report.bytes_compacted += done.bytes_before;
                    report.bytes_removed += done.bytes_before.saturating_sub(done.bytes_after);
                }
                Err(LogFailed { .. }) => report.failed.push((log.topic().clone(), log.partition())),
            }
        }
    }

    /// Removes the directories of deleted logs whose time has come.
    fn bury(&self, now: TimestampMs) {
        let mut graveyard = self.graveyard.lock();
        graveyard.retain(|(due, path)| {
            if *due > now {
                return true;
            }
            if let Err(error) = self.env.disk.remove_dir_all(path) {
                tracing::warn!(dir = %path.display(), reason = %error, "cannot remove directory of deleted topic");
            }
            false
        });
    }

    /// Shuts down: syncs everything and leaves the marker that spares the next start its scan. Logs take no more
    /// appends afterwards; what readers hold stays readable.
    ///
    /// # Errors
    /// A log had failed, or the disk does now: there is no marker, and the next start recovers.
    pub fn close(&self) -> Result<(), StoreError> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let mut failure = None;
        for log in self.logs() {
            if let Err(error) = log.close() {
                failure = Some(error);
            }
        }
        self.write_checkpoints().map_err(StoreError::io(&self.dir))?;
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        let marker = self.dir.join(CLEAN_MARKER);
        durable::replace(&*self.env.disk, &marker, CLEAN_MARKER_CONTENT).map_err(StoreError::io(&marker))
    }
}

/// Whether a topic may have this name: Apache Kafka's rule.
fn is_legal_topic(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty()
        && name.len() <= TOPIC_NAME_CHARS_MAX
        && name != "."
        && name != ".."
        && name.bytes().all(legal)
}

/// The root checkpoints as found.
#[derive(Default)]
struct Checkpoints {
    recovery_points: Offsets,
    starts: Offsets,
    compacted: Offsets,
}

impl Checkpoints {
    fn read(dir: &Path, env: &Env) -> Result<Self, StoreError> {
        let read = |name: &str| -> Result<Offsets, StoreError> {
            let path = dir.join(name);
            let (offsets, damaged) =
                checkpoint::read_offsets(&*env.disk, &path).map_err(StoreError::io(&path))?;
            if damaged {
                tracing::error!(file = %path.display(), "damaged checkpoint, taken for empty");
            }
            Ok(offsets)
        };
        Ok(Self {
            recovery_points: read(RECOVERY_POINTS)?,
            starts: read(START_OFFSETS)?,
            compacted: read(COMPACTED_OFFSETS)?,
        })
    }
}

/// The directory's identity, made on the first start.
fn read_or_make_meta(dir: &Path, config: &StoreConfig, env: &Env) -> Result<MetaProperties, StoreError> {
    let path = dir.join(META_PROPERTIES);
    let mismatch = |reason: String| StoreError::Mismatch { path: path.clone(), reason };
    if let Some(content) = durable::read_if_exists(&*env.disk, &path).map_err(StoreError::io(&path))? {
        let meta = MetaProperties::decode(&content).map_err(mismatch)?;
        if meta.node_id != config.node_id {
            return Err(mismatch(format!(
                "node.id is {} here and {} in the settings",
                meta.node_id, config.node_id
            )));
        }
        if let Some(wanted) = config.cluster_id.as_ref().filter(|id| **id != meta.cluster_id) {
            return Err(mismatch(format!(
                "cluster.id is {} here and {wanted} in the settings",
                meta.cluster_id
            )));
        }
        return Ok(meta);
    }
    let cluster_id = config.cluster_id.clone().unwrap_or_else(|| TopicId(env.random_uuid()).to_string());
    let directory_id = TopicId(env.random_uuid());
    let meta = MetaProperties { cluster_id, node_id: config.node_id, directory_id };
    durable::replace(&*env.disk, &path, meta.encode().as_bytes()).map_err(StoreError::io(&path))?;
    Ok(meta)
}

/// Whether the last process shut down cleanly. The marker is gone for good before anything else happens: a crash
/// from now on must not find it.
fn take_clean_marker(dir: &Path, env: &Env) -> io::Result<bool> {
    let path = dir.join(CLEAN_MARKER);
    match env.disk.remove_file(&path) {
        Ok(()) => env.disk.sync_dir(dir).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The partitions that have a directory; leftovers of deleted topics are removed.
fn find_partitions(dir: &Path, env: &Env) -> io::Result<Vec<(Arc<str>, PartitionIndex)>> {
    let mut found = Vec::new();
    for entry in env.disk.read_dir(dir)?.into_iter().filter(|entry| entry.is_dir) {
        if entry.name.ends_with(DELETE_SUFFIX) {
            env.disk.remove_dir_all(&dir.join(&entry.name))?;
        } else if let Some((topic, partition)) = parse_partition_dir(&entry.name) {
            found.push((Arc::from(topic), partition));
        } else if !entry.name.starts_with('.') && entry.name != "lost+found" {
            tracing::warn!(name = entry.name, "directory is no partition, left alone");
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Opens all logs, several at a time.
fn open_all(
    dir: &Path,
    partitions: &[(Arc<str>, PartitionIndex)],
    config: &StoreConfig,
    env: &Env,
    clean: bool,
    found: &Checkpoints,
) -> Result<Vec<Opened>, StoreError> {
    let progress = Arc::new(Progress::new(env.clock.clone(), partitions.len()));
    let open = |(topic, partition): &(Arc<str>, PartitionIndex)| {
        let offset =
            |offsets: &Offsets| offsets.get(&(topic.to_string(), *partition)).copied().unwrap_or_default();
        let open = OpenLog {
            env: env.clone(),
            topic: topic.clone(),
            partition: *partition,
            dir: partition_dir(dir, topic, *partition),
            config: config.log_config(topic).clone(),
            producer_expiration_ms: config.producer_id_expiration_ms,
            clean,
            recovery_point: offset(&found.recovery_points),
            start_offset: offset(&found.starts),
            compacted: offset(&found.compacted),
            progress: progress.clone(),
        };
        let opened = open.open();
        progress.log_done();
        opened
    };
    // A clean start waits for the disk, many small reads long; recovery keeps the processors busy too.
    let threads = match config.recovery_threads {
        several if clean && several > 1 => several.max(CLEAN_START_THREADS),
        other => other,
    };
    let threads = threads.clamp(1, partitions.len().max(1));
    let opened = open_by_threads(partitions, threads, &open)?;
    progress.finish(clean);
    Ok(opened)
}

/// A log just opened, and what that found.
type Opened = (PartitionLog, RecoveryReport);

/// Opens the partitions in `threads` equal parts, side by side.
fn open_by_threads(
    partitions: &[(Arc<str>, PartitionIndex)],
    threads: usize,
    open: &(impl Fn(&(Arc<str>, PartitionIndex)) -> Result<Opened, StoreError> + Sync),
) -> Result<Vec<Opened>, StoreError> {
    if threads == 1 {
        return partitions.iter().map(open).collect();
    }
    let chunk = partitions.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> = partitions
            .chunks(chunk)
            .map(|part| scope.spawn(move || part.iter().map(open).collect::<Result<Vec<_>, _>>()))
            .collect();
        let mut opened = Vec::with_capacity(partitions.len());
        for worker in workers {
            let part = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            opened.extend(part?);
        }
        Ok(opened)
    })
}
