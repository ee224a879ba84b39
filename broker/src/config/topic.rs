//! Settings of a topic: the table of its keys, and what is in force for one topic.

use std::collections::BTreeMap;
use std::sync::Arc;

use storage::{CleanupPolicy, LogConfig, TimestampSource};

use super::ConfigError;
use super::describe::{Entry, Source, Synonym, Texts, contributions, entry, in_force};
use super::key::{Form, Key, keys, synonym};
use super::server::{ServerConfig, server_keys};
use super::sources::{Place, set};
use super::value::Value;

const HOUR_MS: i64 = 60 * 60 * 1000;
const MINUTE_MS: i64 = 60 * 1000;

/// Values of `compression.type`.
pub(super) const COMPRESSIONS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];

keys! {
    /// The settings in force for one topic, checked. Made by [`TopicConfig::effective`].
    pub struct TopicConfig, table TOPIC_KEYS, read_only false, keeps kept: Kept;

    /// What happens to old records: `delete` by age and size, `compact` to the last of each key, or both.
    cleanup_policy: CleanupPolicy = "cleanup.policy", None, Form::SomeOf(&["compact", "delete"]), Medium,
        from &[synonym("log.cleanup.policy", 1)];
    /// Accepted so that tools written for a cluster work. Batches are kept as they came, whatever is asked for.
    compression_type: TopicCompression = "compression.type", None, Form::OneOf(COMPRESSIONS), Medium,
        from &[synonym("compression.type", 1)];
    /// How long a compacted topic still shows that a key was deleted.
    delete_retention_ms: i64 = "delete.retention.ms", None, Form::Long(0, i64::MAX), Medium,
        from &[synonym("log.cleaner.delete.retention.ms", 1)];
    /// How long a removed file stays on disk, as `.deleted`.
    file_delete_delay_ms: i64 = "file.delete.delay.ms", None, Form::Long(0, i64::MAX), Medium,
        from &[synonym("log.segment.delete.delay.ms", 1)];
    /// Accepted so that tools written for a cluster work. The broker's `log.flush.interval.ms` decides for
    /// every topic how long a record may stay in memory alone.
    flush_ms: i64 = "flush.ms", None, Form::Long(1, i64::MAX), Medium,
        from &[synonym("log.flush.interval.ms", 1)];
    /// One entry of the offset index for about this many bytes of log.
    index_interval_bytes: u64 = "index.interval.bytes", None, Form::Int(0, i32::MAX), Medium,
        from &[synonym("log.index.interval.bytes", 1)];
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
        "unclean.leader.election.enable", Some("false"), Form::Bool, Low;
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

/// What a [`TopicConfig`] has beside its fields.
#[derive(Clone, Debug)]
struct Kept {
    /// The topic's own settings.
    own: Texts,
    /// The server's, for the synonyms.
    server: Arc<Texts>,
}

impl TopicConfig {
    /// What is in force for a topic with these settings of its own on this server.
    ///
    /// # Errors
    /// [`ConfigError`] if a key is unknown, or a value is not what the key takes.
    pub fn effective(server: &ServerConfig, own: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut texts = Texts::new();
        for (name, text) in own {
            set(TOPIC_KEYS, &mut texts, name, text, Place::Topic)?;
        }
        let kept = Kept { own: texts.clone(), server: Arc::clone(server.texts()) };
        let config = Self::from_text(|key| text_in_force(key, &texts, server.texts()), kept);
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
        let Kept { own, server } = &self.kept;
        let shown = |key| entry(key, text_in_force(key, own, server), topic_contributions(key, own, server));
        TOPIC_KEYS.iter().map(shown).collect()
    }
}

/// The text in force: the topic's own, else that of the first server synonym that has one, else the default.
fn text_in_force(key: &Key, own: &Texts, server: &Texts) -> Option<String> {
    let from_server = || {
        key.synonyms.iter().find_map(|synonym| {
            let text = in_force(server_key(synonym.name), server)?;
            Some(if synonym.factor == 1 { text } else { multiplied(&text, synonym.factor) })
        })
    };
    own.get(key.name).cloned().or_else(from_server).or_else(|| key.default.map(str::to_owned))
}

fn server_key(name: &str) -> &'static Key {
    let found = server_keys().iter().find(|key| key.name == name);
    found.unwrap_or_else(|| unreachable!("{name} is in the server's table, as a test checks"))
}

/// A number in a larger unit, in milliseconds; -1 stays -1, since it means "no limit".
fn multiplied(text: &str, factor: i64) -> String {
    match text.parse::<i64>() {
        Ok(number @ 0..) => number.saturating_mul(factor).to_string(),
        _ => text.to_owned(),
    }
}

/// Every value that has a say in a topic's setting: its own, then the server's in the order they are asked.
fn topic_contributions(key: &'static Key, own: &Texts, server: &Texts) -> Vec<Synonym> {
    let set = own.get(key.name).map(|value| Synonym {
        name: key.name,
        value: Some(value.clone()),
        source: Source::DynamicTopic,
    });
    let behind = key.synonyms.iter().flat_map(|synonym| contributions(server_key(synonym.name), server));
    let default = key.default.map(|value| Synonym {
        name: key.name,
        value: Some(value.to_owned()),
        source: Source::Default,
    });
    set.into_iter().chain(behind).chain(default).collect()
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
        for key in TOPIC_KEYS {
            let text = text_in_force(key, &Texts::new(), &Texts::new());
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
