//! Settings of a topic: the table of its keys, and what is in force for one topic.

use std::collections::BTreeMap;

use storage::{CleanupPolicy, LogConfig, TimestampSource};

use super::ConfigError;
use super::describe::{Entry, Source};
use super::key::{ConfigType, Form, Key, keys, synonym};
use super::own::Own;
use super::server::ServerConfig;
use super::sources::Place;
use super::value::Value;

const HOUR_MS: i64 = 60 * 60 * 1000;
const MINUTE_MS: i64 = 60 * 1000;

/// Values of `compression.type`.
pub(super) const COMPRESSIONS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];

const THROTTLED: Form = Form::Other(ConfigType::List, "*, or partition:broker, several with commas between");

keys! {
    /// The settings in force for one topic, checked. Made by [`TopicConfig::effective`].
    pub struct TopicConfig, table TOPIC_KEYS, Dynamic, keeps own: Own;

    /// What happens to old records: `delete` by age and size, `compact` to the last of each key, or both.
    cleanup_policy: CleanupPolicy = "cleanup.policy", None, Form::SomeOf(&["compact", "delete"]), Medium,
        from &[synonym("log.cleanup.policy", 1)];
    /// How batches that clients send are stored: `producer` as they come, anything else in that codec, for which
    /// a batch in another one is unpacked and packed anew.
    compression_type: TopicCompression = "compression.type", None, Form::OneOf(COMPRESSIONS), Medium,
        from &[synonym("compression.type", 1)];
    /// Accepted so that tools written for a cluster work. The broker compresses at each codec's usual level.
    compression_gzip_level: i32 = "compression.gzip.level", Some("-1"), Form::Int(-1, 9), Medium;
    /// Accepted so that tools written for a cluster work. The broker compresses at each codec's usual level.
    compression_lz4_level: i32 = "compression.lz4.level", Some("9"), Form::Int(1, 17), Medium;
    /// Accepted so that tools written for a cluster work. The broker compresses at each codec's usual level.
    compression_zstd_level: i32 = "compression.zstd.level", Some("3"), Form::Int(-131_072, 22), Medium;
    /// How long a compacted topic still shows that a key was deleted.
    delete_retention_ms: i64 = "delete.retention.ms", None, Form::Long(0, i64::MAX), Medium,
        from &[synonym("log.cleaner.delete.retention.ms", 1)];
    /// How long a removed file stays on disk, as `.deleted`.
    file_delete_delay_ms: i64 = "file.delete.delay.ms", None, Form::Long(0, i64::MAX), Medium,
        from &[synonym("log.segment.delete.delay.ms", 1)];
    /// Accepted so that tools written for a cluster work. `flush.ms` and `log.acks.all.sync` say when records
    /// reach the disk.
    flush_messages: i64 = "flush.messages", Some("9223372036854775807"), Form::Long(1, i64::MAX), Medium;
    /// Accepted so that tools written for a cluster work. The broker's `log.flush.interval.ms` decides for
    /// every topic how long a record may stay in memory alone.
    flush_ms: i64 = "flush.ms", None, Form::Long(1, i64::MAX), Medium,
        from &[synonym("log.flush.interval.ms", 1)];
    /// Accepted so that tools which move replicas work. There is one replica, and nothing to hold back.
    follower_replication_throttled_replicas: ThrottledReplicas =
        "follower.replication.throttled.replicas", Some(""), THROTTLED, Medium;
    /// One entry of the offset index for about this many bytes of log.
    index_interval_bytes: u64 = "index.interval.bytes", None, Form::Int(0, i32::MAX), Medium,
        from &[synonym("log.index.interval.bytes", 1)];
    /// Accepted so that tools which move replicas work. There is one replica, and nothing to hold back.
    leader_replication_throttled_replicas: ThrottledReplicas =
        "leader.replication.throttled.replicas", Some(""), THROTTLED, Medium;
    /// Accepted so that tools written for a cluster work. Without remote storage everything is local, and
    /// `retention.bytes` decides.
    local_retention_bytes: i64 = "local.retention.bytes", Some("-2"), Form::Long(-2, i64::MAX), Medium;
    /// Accepted so that tools written for a cluster work. Without remote storage everything is local, and
    /// `retention.ms` decides.
    local_retention_ms: i64 = "local.retention.ms", Some("-2"), Form::Long(-2, i64::MAX), Medium;
    /// How long a record stays uncompacted at most.
    max_compaction_lag_ms: i64 = "max.compaction.lag.ms", None, Form::Long(1, i64::MAX), Medium,
        from &[synonym("log.cleaner.max.compaction.lag.ms", 1)];
    /// The largest batch of records taken, in bytes as it arrives.
    max_message_bytes: usize = "max.message.bytes", None, Form::Int(0, i32::MAX), Medium,
        from &[synonym("message.max.bytes", 1)];
    /// How far a producer's timestamp may lie in the future.
    message_timestamp_after_max_ms: i64 =
        "message.timestamp.after.max.ms", None, Form::Long(0, i64::MAX), Medium,
        from &[synonym("log.message.timestamp.after.max.ms", 1)];
    /// How far a producer's timestamp may lie in the past.
    message_timestamp_before_max_ms: i64 =
        "message.timestamp.before.max.ms", None, Form::Long(0, i64::MAX), Medium,
        from &[synonym("log.message.timestamp.before.max.ms", 1)];
    /// Whose clock a record's timestamp is: `CreateTime` the producer's, `LogAppendTime` the broker's.
    message_timestamp_type: TimestampSource = "message.timestamp.type", None,
        Form::OneOf(&["CreateTime", "LogAppendTime"]), Medium,
        from &[synonym("log.message.timestamp.type", 1)];
    /// The share of a log that is not yet compacted at which compaction starts.
    min_cleanable_dirty_ratio: f64 = "min.cleanable.dirty.ratio", None, Form::Double(0.0, 1.0), Medium,
        from &[synonym("log.cleaner.min.cleanable.ratio", 1)];
    /// How long a record stays uncompacted at least.
    min_compaction_lag_ms: i64 = "min.compaction.lag.ms", None, Form::Long(0, i64::MAX), Medium,
        from &[synonym("log.cleaner.min.compaction.lag.ms", 1)];
    /// Accepted so that tools written for a cluster work. There is one replica, and `acks=all` waits for
    /// its disk.
    min_insync_replicas: i32 = "min.insync.replicas", None, Form::Int(1, i32::MAX), Medium,
        from &[synonym("min.insync.replicas", 1)];
    /// Accepted so that tools written for a cluster work. Files grow as they are written, so that a full disk
    /// is an error and no crash.
    preallocate: bool = "preallocate", Some("false"), Form::Bool, Medium;
    /// Accepted so that tools written for a cluster work. There is no remote storage to copy to.
    remote_log_copy_disable: bool = "remote.log.copy.disable", Some("false"), Form::Bool, Medium;
    /// Accepted so that tools written for a cluster work. There is no remote storage to delete from.
    remote_log_delete_on_disable: bool = "remote.log.delete.on.disable", Some("false"), Form::Bool, Medium;
    /// Whether closed segments move to remote storage. There is none, so `true` is refused.
    remote_storage_enable: NoRemoteStorage = "remote.storage.enable", Some("false"),
        Form::Other(ConfigType::Boolean, "false: there is no remote storage"), Medium;
    /// The size above which a partition's oldest segments go, in bytes; -1 for none.
    retention_bytes: i64 = "retention.bytes", None, Form::Long(-1, i64::MAX), Medium,
        from &[synonym("log.retention.bytes", 1)];
    /// How long records are kept; -1 for ever.
    retention_ms: i64 = "retention.ms", None, Form::Long(-1, i64::MAX), Medium,
        from &[
            synonym("log.retention.ms", 1),
            synonym("log.retention.minutes", MINUTE_MS),
            synonym("log.retention.hours", HOUR_MS),
        ];
    /// The size at which a segment file is closed and the next begun, in bytes.
    segment_bytes: u64 = "segment.bytes", None, Form::Int(14, i32::MAX), Medium,
        from &[synonym("log.segment.bytes", 1)];
    /// The largest index file, in bytes; a full one closes its segment.
    segment_index_bytes: u64 = "segment.index.bytes", None, Form::Int(12, i32::MAX), Medium,
        from &[synonym("log.index.size.max.bytes", 1)];
    /// Up to this is taken off `segment.ms`, so that many topics do not roll at once.
    segment_jitter_ms: i64 = "segment.jitter.ms", None, Form::Long(0, i64::MAX), Medium,
        from &[synonym("log.roll.jitter.ms", 1), synonym("log.roll.jitter.hours", HOUR_MS)];
    /// The age, by its records' times, at which a segment is closed.
    segment_ms: i64 = "segment.ms", None, Form::Long(1, i64::MAX), Medium,
        from &[synonym("log.roll.ms", 1), synonym("log.roll.hours", HOUR_MS)];
    /// Accepted so that tools written for a cluster work. The one node is always the leader.
    unclean_leader_election_enable: bool =
        "unclean.leader.election.enable", None, Form::Bool, Low,
        from &[synonym("unclean.leader.election.enable", 1)];
}

/// Every key of a topic.
pub fn topic_keys() -> &'static [Key] {
    TOPIC_KEYS
}

/// `compression.type`: how a topic's batches are asked to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicCompression {
    /// As they come.
    Producer,
    /// Without compression.
    Uncompressed,
    /// With gzip.
    Gzip,
    /// With snappy.
    Snappy,
    /// With LZ4.
    Lz4,
    /// With zstd.
    Zstd,
}

impl Value for TopicCompression {
    fn read(text: &str, _: &str) -> Option<Self> {
        Some(match text {
            "producer" => Self::Producer,
            "uncompressed" => Self::Uncompressed,
            "gzip" => Self::Gzip,
            "snappy" => Self::Snappy,
            "lz4" => Self::Lz4,
            "zstd" => Self::Zstd,
            _ => return None,
        })
    }
}

/// Which replicas are held back while others are moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThrottledReplicas {
    /// All of them.
    All,
    /// These, as partition and broker.
    Some(Vec<(i32, i32)>),
}

impl Value for ThrottledReplicas {
    fn read(text: &str, _: &str) -> Option<Self> {
        let pair = |item: &str| {
            let (partition, broker) = item.trim().split_once(':')?;
            Some((partition.parse().ok()?, broker.parse().ok()?))
        };
        match text {
            "" => Some(Self::Some(Vec::new())),
            "*" => Some(Self::All),
            items => items.split(',').map(pair).collect::<Option<_>>().map(Self::Some),
        }
    }
}

/// `remote.storage.enable`, whose only value here is `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRemoteStorage;

impl Value for NoRemoteStorage {
    fn read(text: &str, _: &str) -> Option<Self> {
        (text == "false").then_some(Self)
    }
}

impl Value for CleanupPolicy {
    fn read(text: &str, _: &str) -> Option<Self> {
        let has = |policy| text.split(',').any(|word| word.trim() == policy);
        Some(Self { delete: has("delete"), compact: has("compact") })
    }
}

impl Value for TimestampSource {
    fn read(text: &str, _: &str) -> Option<Self> {
        match text {
            "CreateTime" => Some(Self::CreateTime),
            "LogAppendTime" => Some(Self::LogAppendTime),
            _ => None,
        }
    }
}

impl TopicConfig {
    /// What is in force for a topic with these settings of its own on this server.
    ///
    /// # Errors
    /// [`ConfigError`] if a key is unknown, or a value is not what the key takes.
    pub fn effective(server: &ServerConfig, own: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let own = Own::read(TOPIC_KEYS, server, own, &Place::Topic, Source::DynamicTopic)?;
        let config = Self::from_text(|key| own.in_force(key), own.clone());
        if config.min_compaction_lag_ms > config.max_compaction_lag_ms {
            let message = "`min.compaction.lag.ms` is greater than `max.compaction.lag.ms`";
            return Err(ConfigError::Conflict(message.into()));
        }
        Ok(config)
    }

    /// The part that the log itself acts on.
    pub fn log_config(&self) -> LogConfig {
        LogConfig {
            segment_bytes: self.segment_bytes,
            segment_ms: self.segment_ms,
            segment_jitter_ms: self.segment_jitter_ms,
            segment_index_bytes: self.segment_index_bytes,
            index_interval_bytes: self.index_interval_bytes,
            retention_ms: self.retention_ms,
            retention_bytes: self.retention_bytes,
            max_message_bytes: self.max_message_bytes,
            cleanup_policy: self.cleanup_policy,
            delete_retention_ms: self.delete_retention_ms,
            min_cleanable_dirty_ratio: self.min_cleanable_dirty_ratio,
            min_compaction_lag_ms: self.min_compaction_lag_ms,
            max_compaction_lag_ms: self.max_compaction_lag_ms,
            message_timestamp_type: self.message_timestamp_type,
            message_timestamp_before_max_ms: self.message_timestamp_before_max_ms,
            message_timestamp_after_max_ms: self.message_timestamp_after_max_ms,
            file_delete_delay_ms: self.file_delete_delay_ms,
        }
    }

    /// Every setting as DescribeConfigs shows it, in the table's order.
    pub fn entries(&self) -> Vec<Entry> {
        self.own.entries()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(arguments: &[&str]) -> ServerConfig {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        ServerConfig::load(None, [], &arguments).unwrap()
    }

    fn own(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn every_row_has_a_value_from_somewhere() {
        let bare = TopicConfig::effective(&ServerConfig::default(), &own(&[])).unwrap();
        for key in TOPIC_KEYS {
            let text = bare.own.in_force(key);
            assert!(text.as_deref().is_some_and(|text| key.admits(text)), "{} = {text:?}", key.name);
            assert_eq!(key.default.is_none(), !key.synonyms.is_empty(), "{}: one of the two", key.name);
        }
    }

    #[test]
    fn nothing_configured_is_storages_default() {
        let config = TopicConfig::effective(&server(&[]), &own(&[])).unwrap();
        assert_eq!(config.log_config(), LogConfig::default());
        assert_eq!(config.flush_ms, 1000);
        assert_eq!(config.compression_type, TopicCompression::Producer);
    }

    #[test]
    fn retention_comes_from_the_finest_unit_that_is_set() {
        for (arguments, topic, expected) in [
            (&[][..], &[][..], 7 * 24 * HOUR_MS),
            (&["log.retention.hours=1"], &[], HOUR_MS),
            (&["log.retention.hours=1", "log.retention.minutes=2"], &[], 2 * MINUTE_MS),
            (&["log.retention.minutes=2", "log.retention.ms=3"], &[], 3),
            (&["log.retention.ms=3"], &[("retention.ms", "4")], 4),
            (&["log.retention.hours=-1"], &[], -1),
        ] {
            let config = TopicConfig::effective(&server(arguments), &own(topic)).unwrap();
            assert_eq!(config.retention_ms, expected, "{arguments:?} {topic:?}");
        }
    }

    #[test]
    fn entries_show_the_chain_of_values() {
        let server = server(&["log.retention.minutes=2"]);
        let config = TopicConfig::effective(&server, &own(&[("retention.ms", "4")])).unwrap();
        let entries = config.entries();
        let retention = entries.iter().find(|entry| entry.name == "retention.ms").unwrap();
        let chain: Vec<_> = retention
            .synonyms
            .iter()
            .map(|synonym| (synonym.name, synonym.value.as_deref().unwrap(), synonym.source.code()))
            .collect();
        assert_eq!(
            chain,
            [("retention.ms", "4", 1), ("log.retention.minutes", "2", 4), ("log.retention.hours", "168", 5)]
        );
        assert_eq!((retention.value.as_deref(), retention.source), (Some("4"), Source::DynamicTopic));
        assert!(!retention.read_only);

        let plain = TopicConfig::effective(&server, &own(&[])).unwrap().entries();
        let retention = plain.iter().find(|entry| entry.name == "retention.ms").unwrap();
        assert_eq!((retention.value.as_deref(), retention.source), (Some("120000"), Source::StaticBroker));
    }

    #[test]
    fn wrong_settings_say_why() {
        for (pairs, expected) in [
            (
                &[("retention.mss", "1")][..],
                "unknown key `retention.mss` in the topic's configuration; did you mean `retention.ms`?",
            ),
            (
                &[("cleanup.policy", "shred")],
                "bad value `shred` for `cleanup.policy` in the topic's configuration: \
                 expected one or more of compact, delete, with commas between",
            ),
            (
                &[("min.compaction.lag.ms", "2"), ("max.compaction.lag.ms", "1")],
                "`min.compaction.lag.ms` is greater than `max.compaction.lag.ms`",
            ),
        ] {
            let error = TopicConfig::effective(&server(&[]), &own(pairs)).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
