//! One partition: a list of segments, one appender, many readers.
//!
//! ```text
//!              append ──▶ [Appender: producers, roll] ──pwritev──▶ active segment
//!                             │ then publishes                        ▲
//!                             ▼                                       │ map
//!   read ──▶ marks ──▶ list of segments (a snapshot) ──▶ segment ─────┘
//!
//!   sync: one fdatasync for all that was appended before it, under a lock of its own
//! ```
//! # Locks
//! `appender` is held while a batch is checked and written, never while the disk is synced. `marks`, `segments` and
//! each segment's tail are locked for a few instructions. Readers take only those. `syncing` lets one
//! sync run at a time; those that wait for it usually find themselves served.
//!
//! # Invariants
//! - The list of segments is never empty; bases rise; only the last is active.
//! - `synced <= end`; a byte below `synced` has survived an `fdatasync` of its file and its file's name one of
//!   its directory.
//! - After a failed write that could not be undone, or any failed sync, nothing is appended or synced until what no sync
//!   has covered was written again (`heal.rs`).

mod append;
mod compact;
mod heal;
mod maintain;
mod marks;
mod open;
mod read;
mod sync;
mod validate;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::{Mutex, RwLock};
use protocol::types::{Epoch, Offset, PartitionIndex, ProducerId, TimestampMs, TopicId};

use crate::config::{LogConfig, SEGMENT_BYTES_MAX};
use crate::env::Env;
use crate::epochs::{EpochStart, Epochs};
use crate::error::{AppendError, LogFailed};
use crate::producers::ProducerEntry;
use crate::segment::{Segment, SegmentLimits};
use append::Appender;
pub use append::{AppendOptions, Appended, Checked, OffsetSource};
pub use marks::Marks;
pub(crate) use open::{DELETE_SUFFIX, OpenLog, doomed_dir, parse_partition_dir, partition_dir};
pub use read::Read;
use sync::Unsynced;

/// Segments in the order of their offsets; readers hold on to the list they began with.
type Segments = Arc<Vec<Arc<Segment>>>;

/// The log of one partition. All methods take `&self` and may be called from any thread; they block on the disk.
pub struct PartitionLog {
    env: Env,
    topic: Arc<str>,
    partition: PartitionIndex,
    topic_id: TopicId,
    dir: PathBuf,
    config: RwLock<Arc<LogConfig>>,
    producer_expiration_ms: i64,
    segments: RwLock<Segments>,
    marks: RwLock<Marks>,
    epochs: RwLock<Epochs>,
    appender: Mutex<Appender>,
    syncing: Mutex<()>,
    unsynced: Mutex<Unsynced>,
    synced: AtomicI64,
    /// Everything before this needs no look at a restart: log, indexes, epochs and producers are on disk.
    recovery_point: AtomicI64,
    /// Everything before this has been compacted.
    compacted: AtomicI64,
    /// Compaction met damage: it stays away until the log is reopened.
    uncleanable: AtomicBool,
    /// Held by whoever removes or replaces segments.
    upkeep: Mutex<()>,
    failed: RwLock<Option<Failure>>,
    /// An append was refused for want of space, and none has been taken since.
    full: AtomicBool,
    closed: AtomicBool,
    trash: Mutex<Vec<maintain::Trash>>,
}

/// A segment as lists show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its first offset, and its name.
    pub base_offset: Offset,
    /// Bytes in its `.log`.
    pub size_bytes: u64,
    /// Its youngest timestamp, if any record has one.
    pub max_timestamp: Option<TimestampMs>,
    /// When it was made, or last written before this process opened it.
    pub created: TimestampMs,
}

impl PartitionLog {
    /// The topic's name.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The partition's number.
    pub fn partition(&self) -> PartitionIndex {
        self.partition
    }

    /// The topic's id ([`TopicId::ZERO`] if its directory has none).
    pub fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// The settings in force.
    pub fn config(&self) -> Arc<LogConfig> {
        self.config.read().clone()
    }

    /// Changes the settings. Sizes apply from the next segment on.
    pub fn set_config(&self, config: LogConfig) {
        *self.config.write() = Arc::new(config);
    }

    /// Start, stable, high and end offset, consistent with each other.
    pub fn marks(&self) -> Marks {
        *self.marks.read()
    }

    /// Bytes in all `.log` files.
    pub fn size_bytes(&self) -> u64 {
        self.segments().iter().map(|segment| segment.size_bytes()).sum()
    }

    /// The segments, oldest first.
    pub fn segment_infos(&self) -> Vec<SegmentInfo> {
        let info = |segment: &Arc<Segment>| SegmentInfo {
            base_offset: segment.base(),
            size_bytes: segment.size_bytes(),
            max_timestamp: segment.max_timestamp().map(|max| max.timestamp),
            created: segment.created(),
        };
        self.segments().iter().map(info).collect()
    }

    /// The failure since which the log takes no appends or syncs, if there was one. Upkeep tries to cure it.
    pub fn failed(&self) -> Option<LogFailed> {
        self.failed.read().as_ref().map(|failure| failure.failed.clone())
    }

    /// Every producer known, for DescribeProducers.
    pub fn producers(&self) -> Vec<(ProducerId, ProducerEntry)> {
        self.appender.lock().producers.iter().map(|(id, entry)| (id, entry.clone())).collect()
    }

    /// The newest leader epoch written, and where it began.
    pub fn latest_epoch(&self) -> Option<EpochStart> {
        self.epochs.read().latest()
    }

    /// The leader epoch of the record at `offset`.
    pub fn epoch_at(&self, offset: Offset) -> Option<Epoch> {
        self.epochs.read().at(offset)
    }

    /// Where `epoch` ends, as OffsetForLeaderEpoch answers: the newest epoch not above it and the offset behind
    /// that epoch's last record; `None` if the epoch is unknown.
    pub fn end_of_epoch(&self, epoch: Epoch) -> Option<(Epoch, Offset)> {
        let end = self.marks().end();
        self.epochs.read().end_of(epoch, end)
    }

    /// The name of the partition's directory.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.topic, self.partition)
    }

    /// The offset up to which the log has been compacted.
    pub(crate) fn compacted(&self) -> Offset {
        Offset(self.compacted.load(Ordering::Acquire))
    }

    fn segments(&self) -> Segments {
        self.segments.read().clone()
    }

    fn active(&self) -> Arc<Segment> {
        self.segments.read().last().expect("a log always has a segment").clone()
    }

    fn check_usable(&self) -> Result<(), AppendError> {
        self.failure().map_err(AppendError::Failed)?;
        if self.closed.load(Ordering::Acquire) { Err(AppendError::Closed) } else { Ok(()) }
    }

    /// Notes a failure after which only a restart helps, and says so once.
    fn fail(&self, path: &Path, error: &io::Error) -> LogFailed {
        self.note(path, error, false)
    }

    /// Notes a failure of the disk that [`Self::heal`] can make up for, and says so once.
    fn fail_until_healed(&self, path: &Path, error: &io::Error) -> LogFailed {
        self.note(path, error, true)
    }

    fn note(&self, path: &Path, error: &io::Error, curable: bool) -> LogFailed {
        let failed = LogFailed { path: path.to_owned(), reason: error.to_string().into() };
        let mut slot = self.failed.write();
        if let Some(failure) = &mut *slot {
            failure.curable &= curable;
            return failed;
        }
        *slot = Some(Failure { failed: failed.clone(), curable });
        // A deleted topic's files go while a sync may be under way, and that the disk is full has been said.
        let known = is_full(error) && self.full.load(Ordering::Relaxed);
        if !known && !self.closed.load(Ordering::Acquire) {
            let until = if curable { "the disk is well again" } else { "a restart" };
            tracing::error!(
                log = self.name(),
                file = %path.display(),
                reason = %error,
                "log failed, no more writes until {until}"
            );
        }
        failed
    }
}

/// Why a log takes no appends.
struct Failure {
    failed: LogFailed,
    /// Whether everything it takes to go on is still in memory or in the files.
    curable: bool,
}

/// Whether the disk has no room, or not for us.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The part of the settings that a segment keeps for its life.
fn segment_limits(config: &LogConfig) -> SegmentLimits {
    SegmentLimits {
        bytes: config.segment_bytes.min(SEGMENT_BYTES_MAX),
        index_bytes: config.segment_index_bytes,
        index_interval_bytes: config.index_interval_bytes,
    }
}
