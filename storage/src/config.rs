//! Settings of a log and of a data directory, under Kafka's names.
//!
//! The broker owns the table of keys (names, documentation, where a value came from); these structs hold the
//! values storage acts on. Each field's doc names its topic-level key. Every value may change while the log is
//! open ([`PartitionLog::set_config`](crate::PartitionLog::set_config)).

use std::collections::HashMap;

/// Largest `segment.bytes`: positions in a segment are `i32` in the index files.
pub const SEGMENT_BYTES_MAX: u64 = i32::MAX as u64;

/// The most that a batch of the log may decompress to where its records are looked at. The log itself takes no batch
/// from a client that comes near; a directory of Apache Kafka's may have one.
pub(crate) const DECOMPRESSED_BYTES_MAX: usize = 1 << 30;

/// What happens to old data (`cleanup.policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Old segments go, by `retention.ms` and `retention.bytes`.
    pub delete: bool,
    /// Only the last record of each key stays.
    pub compact: bool,
}

impl CleanupPolicy {
    /// `delete`.
    pub const DELETE: Self = Self { delete: true, compact: false };
    /// `compact`.
    pub const COMPACT: Self = Self { delete: false, compact: true };
    /// `compact,delete`.
    pub const COMPACT_DELETE: Self = Self { delete: true, compact: true };
}

/// Whose clock a record's timestamp is (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampSource {
    /// The producer's.
    CreateTime,
    /// The broker's, written into each batch as it is appended.
    LogAppendTime,
}

/// Settings of one log. `Default` gives Apache Kafka's defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is closed before it grows beyond this. At most [`SEGMENT_BYTES_MAX`].
    pub segment_bytes: u64,
    /// `segment.ms`: a segment is closed once records this much younger than its first arrive.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: up to this much is taken off `segment_ms`, so that not all logs roll at once.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: a segment is closed when either index would exceed this.
    pub segment_index_bytes: u64,
    /// `index.interval.bytes`: one index entry for about this many bytes of log.
    pub index_interval_bytes: u64,
    /// `retention.ms`: closed segments whose youngest record is older go; -1 keeps all.
    pub retention_ms: i64,
    /// `retention.bytes`: oldest segments go while the log would still be this large without them; -1 keeps all.
    pub retention_bytes: i64,
    /// `max.message.bytes`: the largest batch taken, as it is on disk.
    pub max_message_bytes: usize,
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `delete.retention.ms`: how long a compacted log still shows that a key was deleted.
    pub delete_retention_ms: i64,
    /// `min.cleanable.dirty.ratio`: the share of not yet compacted bytes at which compaction starts.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: records younger than this are not compacted.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: records older than this make the log due for compaction whatever its ratio.
    pub max_compaction_lag_ms: i64,
    /// `message.timestamp.type`.
    pub message_timestamp_type: TimestampSource,
    /// `message.timestamp.before.max.ms`: how far a CreateTime may lie in the past.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far a CreateTime may lie in the future.
    pub message_timestamp_after_max_ms: i64,
    /// `file.delete.delay.ms`: how long a removed file stays on disk under the suffix `.deleted`.
    pub file_delete_delay_ms: i64,
}

impl Default for LogConfig {
    fn default() -> Self {
        const HOUR_MS: i64 = 60 * 60 * 1000;
        const DAY_MS: i64 = 24 * HOUR_MS;
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            retention_ms: 7 * DAY_MS,
            retention_bytes: -1,
            max_message_bytes: (1 << 20) + 12,
            cleanup_policy: CleanupPolicy::DELETE,
            delete_retention_ms: DAY_MS,
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            message_timestamp_type: TimestampSource::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: HOUR_MS,
            file_delete_delay_ms: 60_000,
        }
    }
}

/// Settings of a data directory.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `node.id`: must match the directory's once it has one.
    pub node_id: i32,
    /// The cluster's id for a directory that has none yet; `None` makes one. A directory that has another is refused.
    pub cluster_id: Option<String>,
    /// Settings of logs that `topics` does not name.
    pub defaults: LogConfig,
    /// Settings by topic, for the logs found at start.
    pub topics: HashMap<String, LogConfig>,
    /// `producer.id.expiration.ms`: a producer silent for longer is forgotten.
    pub producer_id_expiration_ms: i64,
    /// `log.cleaner.dedupe.buffer.size`: memory for the key map of a compaction, in bytes.
    pub compaction_memory_bytes: usize,
    /// `num.recovery.threads.per.data.dir`: how many logs are opened at a time.
    pub recovery_threads: usize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            node_id: 1,
            cluster_id: None,
            defaults: LogConfig::default(),
            topics: HashMap::new(),
            producer_id_expiration_ms: 24 * 60 * 60 * 1000,
            compaction_memory_bytes: 128 << 20,
            recovery_threads: 2,
        }
    }
}

impl StoreConfig {
    /// The settings of `topic`'s logs.
    pub(crate) fn log_config(&self, topic: &str) -> &LogConfig {
        self.topics.get(topic).unwrap_or(&self.defaults)
    }
}
