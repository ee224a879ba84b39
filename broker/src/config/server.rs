//! Settings of the broker: the table of its keys, and the typed struct that the table makes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::ConfigError;
use super::describe::{Entry, Layers, Source, Texts, entry};
use super::key::{ConfigType, Form, Importance, Key, Update, keys};
use super::sources::{Place, read_arguments, read_environment, read_file, set};
use super::value::{Address, Listener, WebhookUrl};

const LISTENERS: Form =
    Form::Other(ConfigType::List, "PLAINTEXT://host:port, or several with commas between");
const ADDRESS: Form = Form::Other(ConfigType::String, "host:port, or nothing to turn it off");
const WEBHOOK: Form = Form::Other(
    ConfigType::String,
    "http://host:port/path, without a user (https is not spoken: put a proxy that speaks it in between)",
);
const DIRECTORY: Form = Form::Other(ConfigType::String, "one directory");

keys! {
    /// The broker's settings, checked. Made by [`ServerConfig::load`].
    pub struct ServerConfig, table ROWS, ReadOnly, keeps kept: Kept;

    /// Where Kafka clients connect. `localhost` listens on the loopback of IPv4 and IPv6, an empty host on
    /// every interface; port 0 takes a free port.
    listeners: Vec<Listener> = "listeners", Some("PLAINTEXT://localhost:9092"), LISTENERS, High;
    /// The address that clients are told to use. Unset, each client is told the address it connected to,
    /// which is right unless a proxy or port mapping stands between.
    advertised_listeners: Option<Vec<Listener>> = "advertised.listeners", None, LISTENERS, High;
    /// Where HTTP is served: health, metrics, recommendations. Empty turns it off.
    http_listen: Option<Address> = "http.listen", Some("127.0.0.1:8080"), ADDRESS, High;
    /// The largest body of an HTTP request, in bytes.
    http_request_max_bytes: usize =
        "http.request.max.bytes", Some("1048576"), Form::Int(1024, i32::MAX), Low;
    /// How long an HTTP request may take before it is answered with 503.
    http_request_timeout: Duration =
        "http.request.timeout.ms", Some("10000"), Form::Long(1, i32::MAX as i64), Low;
    /// Questions and events that HTTP serves at a time; what comes on top of them is answered with 503 and `Retry-After`.
    http_requests_max: usize = "http.requests.max", Some("256"), Form::Int(1, 65_536), Low;
    /// Threads that serve HTTP, beside those that serve Kafka clients; 0 for as many as there are processors.
    http_threads: usize = "http.threads", Some("0"), Form::Int(0, 1024), Low;
    /// The number by which clients know this broker. A data directory keeps the one it was made with.
    node_id: i32 = "node.id", Some("1"), Form::Int(0, i32::MAX), Low;
    /// The directory that holds everything this broker keeps; used if `log.dirs` is unset.
    log_dir: PathBuf = "log.dir", Some("kindred-data"), DIRECTORY, High;
    /// The directory that holds everything this broker keeps. One only: there is one disk to promise for.
    log_dirs: Option<PathBuf> = "log.dirs", None, DIRECTORY, High;

    /// Connections served at a time; further ones are closed at once.
    max_connections: usize =
        "max.connections", Some("2147483647"), Form::Int(1, i32::MAX), Medium, update Dynamic;
    /// A connection silent for longer is closed.
    connections_max_idle: Duration =
        "connections.max.idle.ms", Some("600000"), Form::Long(1, i64::MAX), Medium;
    /// The largest request, in bytes. A longer one closes the connection before any of it is kept.
    socket_request_max_bytes: usize =
        "socket.request.max.bytes", Some("104857600"), Form::Int(1, i32::MAX), Medium;
    /// The most a fetch answers, in bytes, whatever the client asks for; one batch is always answered.
    fetch_max_bytes: usize = "fetch.max.bytes", Some("57671680"), Form::Int(1024, i32::MAX), Medium;
    /// The most partitions that one answer to DescribeTopicPartitions holds.
    max_request_partition_size_limit: usize =
        "max.request.partition.size.limit", Some("2000"), Form::Int(1, i32::MAX), Medium;
    /// Fetch sessions kept at a time; clients without one name all their partitions in every request.
    max_incremental_fetch_session_cache_slots: usize =
        "max.incremental.fetch.session.cache.slots", Some("1000"), Form::Int(0, i32::MAX), Medium;

    /// Partitions of a topic whose maker does not say.
    num_partitions: i32 = "num.partitions", Some("1"), Form::Int(1, i32::MAX), Medium;
    /// Whether a client's first question about a topic makes it.
    auto_create_topics_enable: bool = "auto.create.topics.enable", Some("true"), Form::Bool, High;
    /// Whether topics can be deleted.
    delete_topic_enable: bool = "delete.topic.enable", Some("true"), Form::Bool, High;
    /// Replicas of a topic whose maker does not say. There is one node, so there is one.
    default_replication_factor: i32 = "default.replication.factor", Some("1"), Form::Int(1, 1), Low;
    /// Accepted so that configurations written for a cluster work. There is one replica, and `acks=all`
    /// waits for its disk.
    min_insync_replicas: i32 = "min.insync.replicas", Some("1"), Form::Int(1, i32::MAX), Low, update Dynamic;
    /// Whether access control entries can be kept. They are shown to whoever asks, and **nothing is enforced**:
    /// every client may do everything. `false` answers that security is disabled, as Apache Kafka does without
    /// an authorizer.
    acls_storage_enable: bool = "acls.storage.enable", Some("true"), Form::Bool, Low;
    /// Accepted so that configurations written for a cluster work. The one node is always the leader.
    unclean_leader_election_enable: bool =
        "unclean.leader.election.enable", Some("false"), Form::Bool, Low, update Dynamic;
    /// Accepted so that tools which move replicas work. There is one replica, and nothing to hold back.
    leader_replication_throttled_rate: i64 =
        "leader.replication.throttled.rate", Some("9223372036854775807"), Form::Long(0, i64::MAX), Low, update Dynamic;
    /// Accepted so that tools which move replicas work. There is one replica, and nothing to hold back.
    follower_replication_throttled_rate: i64 =
        "follower.replication.throttled.rate", Some("9223372036854775807"), Form::Long(0, i64::MAX), Low,
        update Dynamic;
    /// Accepted so that tools which move replicas work. There is one directory, and nothing to move.
    replica_alter_log_dirs_io_max_bytes_per_second: i64 = "replica.alter.log.dirs.io.max.bytes.per.second",
        Some("9223372036854775807"), Form::Long(0, i64::MAX), Low, update Dynamic;

    /// Whether a write with `acks=all` is acknowledged only after the disk has it: one sync for all that
    /// wait. `false` gives a single Apache Kafka replica's promise, which is to have it in memory.
    log_acks_all_sync: bool = "log.acks.all.sync", Some("true"), Form::Bool, High;
    /// How long a record may stay in memory alone: a power failure loses no more than this of what was
    /// acknowledged with `acks=1`.
    log_flush_interval: Duration =
        "log.flush.interval.ms", Some("1000"), Form::Long(1, i64::MAX), High, update Dynamic;
    /// The size at which a segment file is closed and the next begun, in bytes.
    log_segment_bytes: i32 =
        "log.segment.bytes", Some("1073741824"), Form::Int(14, i32::MAX), High, update Dynamic;
    /// The age, by its records' times, at which a segment is closed. Unset: `log.roll.hours`.
    log_roll_ms: Option<i64> = "log.roll.ms", None, Form::Long(1, i64::MAX), High, update Dynamic;
    /// The age at which a segment is closed, in hours.
    log_roll_hours: i32 = "log.roll.hours", Some("168"), Form::Int(1, i32::MAX), High;
    /// Up to this is taken off the age at which a segment is closed, so that many topics do not roll at
    /// once. Unset: `log.roll.jitter.hours`.
    log_roll_jitter_ms: Option<i64> =
        "log.roll.jitter.ms", None, Form::Long(0, i64::MAX), Low, update Dynamic;
    /// Up to this is taken off the age at which a segment is closed, in hours.
    log_roll_jitter_hours: i32 = "log.roll.jitter.hours", Some("0"), Form::Int(0, i32::MAX), Low;
    /// How long records are kept; -1 for ever. Unset: `log.retention.minutes`.
    log_retention_ms: Option<i64> = "log.retention.ms", None, Form::Long(-1, i64::MAX), High, update Dynamic;
    /// How long records are kept, in minutes; -1 for ever. Unset: `log.retention.hours`.
    log_retention_minutes: Option<i32> = "log.retention.minutes", None, Form::Int(-1, i32::MAX), High;
    /// How long records are kept, in hours; -1 for ever.
    log_retention_hours: i32 = "log.retention.hours", Some("168"), Form::Int(-1, i32::MAX), High;
    /// The size above which a partition's oldest segments go, in bytes; -1 for none.
    log_retention_bytes: i64 =
        "log.retention.bytes", Some("-1"), Form::Long(-1, i64::MAX), High, update Dynamic;
    /// How often segments are checked against the retention settings.
    log_retention_check_interval: Duration =
        "log.retention.check.interval.ms", Some("300000"), Form::Long(1, i64::MAX), Medium;
    /// What happens to old records: `delete` by age and size, `compact` to the last of each key.
    log_cleanup_policy: String =
        "log.cleanup.policy", Some("delete"), Form::SomeOf(&["compact", "delete"]), Medium, update Dynamic;
    /// One entry of the offset index for about this many bytes of log.
    log_index_interval_bytes: i32 =
        "log.index.interval.bytes", Some("4096"), Form::Int(0, i32::MAX), Medium, update Dynamic;
    /// The largest index file, in bytes; a full one closes its segment.
    log_index_size_max_bytes: i32 =
        "log.index.size.max.bytes", Some("10485760"), Form::Int(12, i32::MAX), Medium, update Dynamic;
    /// How long a removed file stays on disk, as `.deleted`.
    log_segment_delete_delay_ms: i64 =
        "log.segment.delete.delay.ms", Some("60000"), Form::Long(0, i64::MAX), Low, update Dynamic;
    /// How often it is written down up to where each log is known to be on disk: what comes after is read
    /// again after a crash.
    log_flush_offset_checkpoint_interval: Duration =
        "log.flush.offset.checkpoint.interval.ms", Some("60000"), Form::Long(1, i32::MAX as i64), Low;
    /// Logs opened at a time when the broker starts.
    num_recovery_threads_per_data_dir: usize =
        "num.recovery.threads.per.data.dir", Some("2"), Form::Int(1, 1024), Low;
    /// The largest batch of records taken, in bytes as it arrives.
    message_max_bytes: i32 =
        "message.max.bytes", Some("1048588"), Form::Int(0, i32::MAX), High, update Dynamic;
    /// Whose clock a record's timestamp is: `CreateTime` the producer's, `LogAppendTime` the broker's.
    log_message_timestamp_type: String = "log.message.timestamp.type", Some("CreateTime"),
        Form::OneOf(&["CreateTime", "LogAppendTime"]), Medium, update Dynamic;
    /// How far a producer's timestamp may lie in the past.
    log_message_timestamp_before_max_ms: i64 = "log.message.timestamp.before.max.ms",
        Some("9223372036854775807"), Form::Long(0, i64::MAX), Medium, update Dynamic;
    /// How far a producer's timestamp may lie in the future.
    log_message_timestamp_after_max_ms: i64 = "log.message.timestamp.after.max.ms",
        Some("3600000"), Form::Long(0, i64::MAX), Medium, update Dynamic;
    /// How batches that clients send are stored: `producer` as they come, anything else in that codec.
    compression_type: String =
        "compression.type", Some("producer"), Form::OneOf(super::topic::COMPRESSIONS), High, update Dynamic;

    /// Memory for the keys of one compaction, in bytes.
    log_cleaner_dedupe_buffer_size: usize =
        "log.cleaner.dedupe.buffer.size", Some("134217728"), Form::Long(1 << 20, 1 << 40), Medium;
    /// How long a compacted topic still shows that a key was deleted.
    log_cleaner_delete_retention_ms: i64 =
        "log.cleaner.delete.retention.ms", Some("86400000"), Form::Long(0, i64::MAX), Medium, update Dynamic;
    /// How long a record stays uncompacted at least.
    log_cleaner_min_compaction_lag_ms: i64 =
        "log.cleaner.min.compaction.lag.ms", Some("0"), Form::Long(0, i64::MAX), Medium, update Dynamic;
    /// How long a record stays uncompacted at most.
    log_cleaner_max_compaction_lag_ms: i64 = "log.cleaner.max.compaction.lag.ms",
        Some("9223372036854775807"), Form::Long(1, i64::MAX), Medium, update Dynamic;
    /// The share of a log that is not yet compacted at which compaction starts.
    log_cleaner_min_cleanable_ratio: f64 =
        "log.cleaner.min.cleanable.ratio", Some("0.5"), Form::Double(0.0, 1.0), Medium, update Dynamic;

    /// Partitions of the topic that holds groups and their offsets. It counts when the topic is made.
    offsets_topic_num_partitions: i32 =
        "offsets.topic.num.partitions", Some("1"), Form::Int(1, i32::MAX), High;
    /// Replicas of that topic. There is one node, so there is one.
    offsets_topic_replication_factor: i32 =
        "offsets.topic.replication.factor", Some("1"), Form::Int(1, 1), Low;
    /// The segment size of that topic, in bytes: small, so that compaction keeps start-up short.
    offsets_topic_segment_bytes: i32 =
        "offsets.topic.segment.bytes", Some("104857600"), Form::Int(14, i32::MAX), Low;
    /// How long the offsets of a group without members are kept, in minutes.
    offsets_retention: Duration =
        "offsets.retention.minutes", Some("10080"), Form::Int(1, i32::MAX), High;
    /// How often offsets are checked against their retention.
    offsets_retention_check_interval: Duration =
        "offsets.retention.check.interval.ms", Some("600000"), Form::Long(1, i64::MAX), Low;
    /// The longest note a consumer may leave with an offset.
    offset_metadata_max_bytes: usize =
        "offset.metadata.max.bytes", Some("4096"), Form::Int(0, i32::MAX), High;
    /// The shortest session time-out a group member may ask for.
    group_min_session_timeout: Duration =
        "group.min.session.timeout.ms", Some("6000"), Form::Int(1, i32::MAX), Medium;
    /// The longest session time-out a group member may ask for.
    group_max_session_timeout: Duration =
        "group.max.session.timeout.ms", Some("1800000"), Form::Int(1, i32::MAX), Medium;
    /// How long the first member of an empty group waits for others. Apache Kafka waits 3 s; a single node
    /// is mostly asked by one consumer at a time, which would wait for nobody.
    group_initial_rebalance_delay: Duration =
        "group.initial.rebalance.delay.ms", Some("0"), Form::Int(0, i32::MAX), Medium;
    /// Members that a group may have.
    group_max_size: usize = "group.max.size", Some("2147483647"), Form::Int(1, i32::MAX), Medium;
    /// The protocols that groups may speak. Without `consumer`, requests of KIP-848's protocol are answered
    /// UNSUPPORTED_VERSION; `classic` cannot be left out, as in Apache Kafka.
    group_coordinator_rebalance_protocols: String = "group.coordinator.rebalance.protocols",
        Some("classic,consumer"), Form::SomeOf(&["classic", "consumer"]), Medium;
    /// How long a member of a consumer group (KIP-848) may stay silent.
    group_consumer_session_timeout: Duration =
        "group.consumer.session.timeout.ms", Some("45000"), Form::Int(1, i32::MAX), Medium;
    /// The least that `group.consumer.session.timeout.ms` may be.
    group_consumer_min_session_timeout: Duration =
        "group.consumer.min.session.timeout.ms", Some("45000"), Form::Int(1, i32::MAX), Medium;
    /// The most that `group.consumer.session.timeout.ms` may be.
    group_consumer_max_session_timeout: Duration =
        "group.consumer.max.session.timeout.ms", Some("60000"), Form::Int(1, i32::MAX), Medium;
    /// How often members of consumer groups are told to say that they are there.
    group_consumer_heartbeat_interval: Duration =
        "group.consumer.heartbeat.interval.ms", Some("5000"), Form::Int(1, i32::MAX), Medium;
    /// The least that `group.consumer.heartbeat.interval.ms` may be.
    group_consumer_min_heartbeat_interval: Duration =
        "group.consumer.min.heartbeat.interval.ms", Some("5000"), Form::Int(1, i32::MAX), Medium;
    /// The most that `group.consumer.heartbeat.interval.ms` may be.
    group_consumer_max_heartbeat_interval: Duration =
        "group.consumer.max.heartbeat.interval.ms", Some("15000"), Form::Int(1, i32::MAX), Medium;
    /// Members that a consumer group may have.
    group_consumer_max_size: usize =
        "group.consumer.max.size", Some("2147483647"), Form::Int(1, i32::MAX), Medium;
    /// The assignors of consumer groups; the first is for members that do not ask for one.
    group_consumer_assignors: String =
        "group.consumer.assignors", Some("uniform,range"), Form::SomeOf(&["uniform", "range"]), Medium;
    /// Whether a classic group may become a consumer group when a member that speaks KIP-848's protocol joins
    /// it (`upgrade`), a consumer group a classic one when the last such member goes (`downgrade`), or both.
    group_consumer_migration_policy: String = "group.consumer.migration.policy", Some("bidirectional"),
        Form::OneOf(&["disabled", "upgrade", "downgrade", "bidirectional"]), Medium;
    /// Accepted so that configurations written for Apache Kafka work. What regular expressions stand for is
    /// looked up again as soon as a topic has come or gone; there is nothing left to refresh.
    group_consumer_regex_refresh_interval: Duration =
        "group.consumer.regex.refresh.interval.ms", Some("600000"), Form::Int(10_000, i32::MAX), Medium;

    /// Partitions of the topic that holds transactional ids. It counts when the topic is made.
    transaction_state_log_num_partitions: i32 =
        "transaction.state.log.num.partitions", Some("1"), Form::Int(1, i32::MAX), High;
    /// Replicas of that topic. There is one node, so there is one.
    transaction_state_log_replication_factor: i32 =
        "transaction.state.log.replication.factor", Some("1"), Form::Int(1, 1), High;
    /// Accepted so that configurations written for a cluster work. There is one replica.
    transaction_state_log_min_isr: i32 =
        "transaction.state.log.min.isr", Some("1"), Form::Int(1, i32::MAX), High;
    /// The segment size of that topic, in bytes: small, so that compaction keeps start-up short.
    transaction_state_log_segment_bytes: i32 =
        "transaction.state.log.segment.bytes", Some("104857600"), Form::Int(14, i32::MAX), High;
    /// The longest that a producer may let its transactions stay open.
    transaction_max_timeout_ms: i32 =
        "transaction.max.timeout.ms", Some("900000"), Form::Int(1, i32::MAX), High;
    /// How long a transactional id that nobody uses is remembered.
    transactional_id_expiration_ms: i64 =
        "transactional.id.expiration.ms", Some("604800000"), Form::Int(1, i32::MAX), High;
    /// How often transactions are looked at that have been open for too long.
    transaction_abort_interval: Duration =
        "transaction.abort.timed.out.transaction.cleanup.interval.ms", Some("10000"), Form::Int(1, i32::MAX), Low;
    /// How often transactional ids are looked at that nobody uses.
    transaction_expiry_interval: Duration =
        "transaction.remove.expired.transaction.cleanup.interval.ms", Some("3600000"), Form::Int(1, i32::MAX), Low;
    /// How long a silent idempotent producer is remembered.
    producer_id_expiration_ms: i64 =
        "producer.id.expiration.ms", Some("86400000"), Form::Int(1, i32::MAX), Low;

    /// Where alerts (`kindred.alerts`) are posted to, each as one JSON object, at least once. Unset: nowhere. Not shown,
    /// since such a path may be a secret.
    recommender_alerts_webhook_url: Option<WebhookUrl> =
        "recommender.alerts.webhook.url", None, WEBHOOK, Low, sensitive true;
    /// How long posting an alert may take before the attempt has failed.
    recommender_alerts_webhook_timeout: Duration =
        "recommender.alerts.webhook.timeout.ms", Some("10000"), Form::Int(1, 600_000), Low;
    /// How often an alert is posted before it is given up. The pause between attempts doubles from 250 ms to a minute.
    recommender_alerts_webhook_attempts_max: u64 =
        "recommender.alerts.webhook.attempts.max", Some("10"), Form::Int(1, 1000), Low;
    /// Whether the recommender learns from this broker's topics.
    recommender_enable: bool = "recommender.enable", Some("true"), Form::Bool, High;
    /// How often changed lists are written to the output topics. A list that changes often in between is
    /// written once; HTTP answers do not wait for it.
    recommender_emit_interval: Duration =
        "recommender.emit.interval.ms", Some("100"), Form::Int(1, i32::MAX), Medium, update Dynamic;
    /// How often a snapshot of the recommender is written to the data directory, if anything was learnt. Learning
    /// waits about 2 ms a megabyte for it, and never more than a hundredth of the time; a start learns again what came
    /// after the last one.
    recommender_snapshot_interval: Duration =
        "recommender.snapshot.interval.ms", Some("60000"), Form::Int(1, i32::MAX), Low, update Dynamic;
}

/// What a [`ServerConfig`] has beside its fields.
#[derive(Clone, Debug)]
struct Kept {
    /// As set, by key and by whom. Shared with the settings of every topic.
    layers: Arc<Layers>,
    recommender: recommender::Config,
}

/// Every key of the broker: the table above, then the recommender's own.
pub fn server_keys() -> &'static [Key] {
    static KEYS: LazyLock<Vec<Key>> =
        LazyLock::new(|| ROWS.iter().copied().chain(recommender_keys()).collect());
    &KEYS
}

/// The recommender's rows in this table's terms.
fn recommender_keys() -> impl Iterator<Item = Key> {
    static DEFAULTS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let config = recommender::Config::default();
        recommender::config::ROWS.iter().map(|row| (row.get)(&config)).collect()
    });
    recommender::config::ROWS.iter().zip(DEFAULTS.iter()).map(|(row, default)| {
        let config_type = match (default.parse::<i64>(), default.parse::<f64>()) {
            _ if row.expected == "true or false" => ConfigType::Boolean,
            (_, Ok(_)) if row.expected.starts_with("a number") => ConfigType::Double,
            (Ok(_), _) => ConfigType::Long,
            (_, Ok(_)) => ConfigType::Double,
            _ => ConfigType::List,
        };
        Key {
            name: row.key,
            form: Form::Other(config_type, row.expected),
            default: Some(default),
            documentation: row.doc,
            importance: Importance::Low,
            sensitive: false,
            update: Update::Dynamic,
            synonyms: &[],
            check: |text, name| {
                recommender::Config::default().set(name, text).map_err(|error| error.reason())
            },
        }
    })
}

impl ServerConfig {
    /// Reads the settings: defaults, then `file`, `environment` and `arguments` (each `key=value`), where
    /// the later wins.
    ///
    /// # Errors
    /// [`ConfigError`], one line for whoever wrote the setting.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        arguments: &[String],
    ) -> Result<Self, ConfigError> {
        let mut texts = Texts::new();
        if let Some(path) = file {
            read_file(server_keys(), &mut texts, path)?;
        }
        read_environment(server_keys(), &mut texts, environment)?;
        read_arguments(server_keys(), &mut texts, arguments)?;
        let config = Self::from_layers(Layers { fixed: texts, ..Layers::default() });
        config.check()?;
        Ok(config)
    }

    fn from_layers(layers: Layers) -> Self {
        let mut recommender = recommender::Config::default();
        for key in recommender_keys() {
            if let Some(text) = layers.set(&key) {
                recommender.set(key.name, text).expect("checked when it was set");
            }
        }
        let layers = Arc::new(layers);
        let kept = Kept { layers: Arc::clone(&layers), recommender };
        Self::from_text(|key| layers.in_force(key), kept)
    }

    /// These settings with what was set while the broker runs in place of any that was set so before:
    /// `cluster` for every broker, `broker` for this one, which wins.
    ///
    /// # Errors
    /// [`ConfigError`] if a key is unknown or settled when the broker starts, or a value is not what the
    /// key takes.
    pub fn with_dynamic(
        &self,
        cluster: &BTreeMap<String, String>,
        broker: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let layer = |pairs: &BTreeMap<String, String>| {
            let mut texts = Texts::new();
            for (name, text) in pairs {
                set(server_keys(), &mut texts, name, text, Place::Broker)?;
            }
            match server_keys().iter().find(|key| texts.contains_key(key.name) && !key.is_dynamic()) {
                Some(key) => Err(ConfigError::ReadOnly { key: key.name }),
                None => Ok(texts),
            }
        };
        let fixed = self.kept.layers.fixed.clone();
        let config = Self::from_layers(Layers { broker: layer(broker)?, cluster: layer(cluster)?, fixed });
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.group_min_session_timeout > self.group_max_session_timeout {
            let message = "`group.min.session.timeout.ms` is greater than `group.max.session.timeout.ms`";
            return Err(ConfigError::Conflict(message.into()));
        }
        self.check_consumer_groups()?;
        self.recommender().check().map_err(ConfigError::Conflict)?;
        super::TopicConfig::effective(self, &BTreeMap::new()).map(drop)
    }

    fn check_consumer_groups(&self) -> Result<(), ConfigError> {
        let conflict = |message: &str| Err(ConfigError::Conflict(message.into()));
        if !self.speaks("classic") {
            return conflict(
                "`group.coordinator.rebalance.protocols` lacks `classic`, which cannot be left out",
            );
        }
        let session = self.group_consumer_session_timeout;
        if !(self.group_consumer_min_session_timeout..=self.group_consumer_max_session_timeout)
            .contains(&session)
        {
            return conflict(
                "`group.consumer.session.timeout.ms` is not between `group.consumer.min.session.timeout.ms` \
                 and `group.consumer.max.session.timeout.ms`",
            );
        }
        let heartbeat = self.group_consumer_heartbeat_interval;
        if !(self.group_consumer_min_heartbeat_interval..=self.group_consumer_max_heartbeat_interval)
            .contains(&heartbeat)
        {
            return conflict(
                "`group.consumer.heartbeat.interval.ms` is not between \
                 `group.consumer.min.heartbeat.interval.ms` and `group.consumer.max.heartbeat.interval.ms`",
            );
        }
        if heartbeat >= session {
            return conflict(
                "`group.consumer.heartbeat.interval.ms` is not less than `group.consumer.session.timeout.ms`",
            );
        }
        Ok(())
    }

    /// Whether `group.coordinator.rebalance.protocols` has this one.
    pub fn speaks(&self, protocol: &str) -> bool {
        self.group_coordinator_rebalance_protocols.split(',').any(|named| named.trim() == protocol)
    }

    /// The directory that holds everything this broker keeps.
    pub fn data_dir(&self) -> &Path {
        self.log_dirs.as_ref().unwrap_or(&self.log_dir)
    }

    /// The address clients are told to use, if one is set: host and port.
    pub fn advertised_listener(&self) -> Option<(&str, u16)> {
        let listener = self.advertised_listeners.as_ref()?.first()?;
        Some((&listener.address.host, listener.address.port))
    }

    /// The recommender's own settings.
    pub fn recommender(&self) -> &recommender::Config {
        &self.kept.recommender
    }

    /// Every setting as DescribeConfigs shows it, in the table's order.
    pub fn entries(&self) -> Vec<Entry> {
        let layers = self.layers();
        let shown = |key| entry(key, layers.in_force(key), layers.contributions(key).collect());
        server_keys().iter().map(shown).collect()
    }

    /// Those of every broker that were set while it runs, as DescribeConfigs shows them.
    pub fn cluster_entries(&self) -> Vec<Entry> {
        let layers = self.layers();
        let of_cluster =
            |key| layers.contributions(key).filter(|synonym| synonym.source == Source::DynamicCluster);
        let set = server_keys().iter().filter_map(|key| Some((key, layers.cluster.get(key.name)?.clone())));
        set.map(|(key, text)| entry(key, Some(text), of_cluster(key).collect())).collect()
    }

    /// What was set, by key and by whom.
    pub(super) fn layers(&self) -> &Arc<Layers> {
        &self.kept.layers
    }
}

/// What nobody configured.
impl Default for ServerConfig {
    fn default() -> Self {
        Self::from_layers(Layers::default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::describe::Source;
    use super::*;

    fn load(
        file: Option<&str>,
        environment: &[(&str, &str)],
        arguments: &[&str],
    ) -> Result<ServerConfig, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kindred.toml");
        std::fs::write(&path, file.unwrap_or_default()).unwrap();
        let environment = environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        ServerConfig::load(file.map(|_| path.as_path()), environment, &arguments)
    }

    fn said(file: Option<&str>, environment: &[(&str, &str)], arguments: &[&str]) -> String {
        let message = load(file, environment, arguments).unwrap_err().to_string();
        assert!(!message.contains('\n'), "one line: {message}");
        match message.split_once("kindred.toml") {
            Some((before, after)) => {
                let before = before
                    .rsplit_once('/')
                    .map_or(before, |(path, _)| path.rsplit_once(" /").unwrap_or((path, "")).0);
                format!("{before} FILE{after}")
            }
            None => message,
        }
    }

    #[test]
    fn every_default_is_admitted_by_its_own_row() {
        for key in server_keys() {
            match key.default {
                Some(default) => assert!(key.admits(default), "{} = {default}", key.name),
                None => assert!(
                    (key.check)("", key.name).is_ok(),
                    "{} has no default and cannot be unset",
                    key.name
                ),
            }
            assert!(key.documentation.ends_with('.'), "{} is documented in sentences", key.name);
        }
    }

    #[test]
    fn names_are_unique_and_none_is_the_folder_of_another() {
        let names: Vec<&str> = server_keys().iter().map(|key| key.name).collect();
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name} twice");
            let folder = format!("{name}.");
            assert!(
                !names.iter().any(|other| other.starts_with(&folder)),
                "{name} cannot be written in TOML"
            );
        }
    }

    #[test]
    fn defaults_serve_without_configuration() {
        let config = ServerConfig::default();
        assert_eq!(config.listeners[0].address.to_string(), "localhost:9092");
        assert_eq!(config.advertised_listener(), None);
        assert_eq!(config.http_listen.as_ref().unwrap().to_string(), "127.0.0.1:8080");
        assert_eq!(config.data_dir(), Path::new("kindred-data"));
        assert_eq!(config.offsets_retention, Duration::from_secs(7 * 24 * 3600));
        assert!(config.recommender_enable && config.log_acks_all_sync);
    }

    #[test]
    fn later_sources_win() {
        let file = "num.partitions = 2\n\"log.retention.ms\" = 1000\nlog.segment.bytes = 4096\n";
        let config = load(
            Some(file),
            &[("KINDRED_NUM_PARTITIONS", "3"), ("KINDRED_LOG_RETENTION_MS", "2000"), ("PATH", "x")],
            &["num.partitions=4"],
        )
        .unwrap();
        assert_eq!(config.num_partitions, 4);
        assert_eq!(config.log_retention_ms, Some(2000));
        assert_eq!(config.log_segment_bytes, 4096);
        assert!(config.auto_create_topics_enable);
    }

    #[test]
    fn files_take_quoted_keys_nested_tables_arrays_and_pairs() {
        let file = r#"
            listeners = ["PLAINTEXT://127.0.0.1:0", "PLAINTEXT://[::1]:0"]
            "log.dirs" = "elsewhere"
            [group.initial]
            rebalance.delay.ms = 5
            [log]
            cleanup.policy = ["compact", "delete"]
            [recommender.action.weights]
            click = 5
            levitate = 0.5
        "#;
        let config = load(Some(file), &[], &[]).unwrap();
        assert_eq!(config.listeners.len(), 2);
        assert_eq!(config.data_dir(), Path::new("elsewhere"));
        assert_eq!(config.group_initial_rebalance_delay, Duration::from_millis(5));
        assert_eq!(config.log_cleanup_policy, "compact,delete");
        assert!(config.recommender().actions().find("levitate").is_some());
    }

    #[test]
    fn errors_are_one_line_that_says_what_to_do() {
        for (file, environment, arguments, expected) in [
            (
                None,
                &[][..],
                &["log.segmnet.bytes=1"][..],
                "unknown key `log.segmnet.bytes` in --set; did you mean `log.segment.bytes`?",
            ),
            (None, &[], &["zookeeper.connect=a"], "unknown key `zookeeper.connect` in --set"),
            (None, &[], &["num.partitions"], "bad argument `--set num.partitions`: expected KEY=VALUE"),
            (
                None,
                &[("KINDRED_LOG_SEGMENT_BYTE", "1")],
                &[],
                "unknown key `KINDRED_LOG_SEGMENT_BYTE` in the environment as KINDRED_LOG_SEGMENT_BYTE; \
                 did you mean `KINDRED_LOG_SEGMENT_BYTES`?",
            ),
            (
                None,
                &[("KINDRED_NUM_PARTITIONS", "many")],
                &[],
                "bad value `many` for `num.partitions` in the environment as KINDRED_NUM_PARTITIONS: \
                 expected a whole number, 1 or more",
            ),
            (
                Some("num.partitions = 0"),
                &[],
                &[],
                "bad value `0` for `num.partitions` in FILE: expected a whole number, 1 or more",
            ),
            (
                Some("[log]\nsegment.byte = 0"),
                &[],
                &[],
                "unknown key `log.segment.byte` in FILE; did you mean `log.segment.bytes`?",
            ),
            (Some("a = 2020-01-01"), &[], &[], "configuration file FILE: `a` is a date, which no key takes"),
            (
                None,
                &[],
                &["listeners=SSL://a:1"],
                "bad value `SSL://a:1` for `listeners` in --set: expected PLAINTEXT://host:port, or several with commas between",
            ),
            (None, &[], &["log.dirs=a,b"], "bad value `a,b` for `log.dirs` in --set: expected one directory"),
            (
                None,
                &[],
                &["group.min.session.timeout.ms=9", "group.max.session.timeout.ms=8"],
                "`group.min.session.timeout.ms` is greater than `group.max.session.timeout.ms`",
            ),
            (
                None,
                &[],
                &["group.coordinator.rebalance.protocols=consumer"],
                "`group.coordinator.rebalance.protocols` lacks `classic`, which cannot be left out",
            ),
            (
                None,
                &[],
                &["group.consumer.session.timeout.ms=10000"],
                "`group.consumer.session.timeout.ms` is not between `group.consumer.min.session.timeout.ms` \
                 and `group.consumer.max.session.timeout.ms`",
            ),
        ] {
            assert_eq!(said(file, environment, arguments), expected);
        }
        let message = said(Some("x = 1\nnum.partitions = = 2"), &[], &[]);
        assert!(message.starts_with("configuration file FILE: line 2, column 18: "), "{message}");
        assert!(ServerConfig::load(Some(Path::new("no/such.toml")), [], &[]).is_err());
    }

    #[test]
    fn what_is_set_while_the_broker_runs_wins() {
        let pairs = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let started = load(None, &[], &["message.max.bytes=1000"]).unwrap();
        let cluster = pairs(&[("message.max.bytes", "2000"), ("log.retention.ms", "5")]);
        let config = started.with_dynamic(&cluster, &pairs(&[("message.max.bytes", "3000")])).unwrap();
        assert_eq!((config.message_max_bytes, config.log_retention_ms), (3000, Some(5)));
        let entries = config.entries();
        let size = entries.iter().find(|entry| entry.name == "message.max.bytes").unwrap();
        let chain: Vec<_> = size
            .synonyms
            .iter()
            .map(|synonym| (synonym.value.as_deref().unwrap(), synonym.source.code()))
            .collect();
        assert_eq!(chain, [("3000", 2), ("2000", 3), ("1000", 4), ("1048588", 5)]);
        let of_cluster: Vec<_> = config
            .cluster_entries()
            .into_iter()
            .map(|entry| (entry.name, entry.value.unwrap(), entry.source.code()))
            .collect();
        assert_eq!(
            of_cluster,
            [("log.retention.ms", "5".to_owned(), 3), ("message.max.bytes", "2000".to_owned(), 3)]
        );
        let back = config.with_dynamic(&pairs(&[]), &pairs(&[])).unwrap();
        assert_eq!((back.message_max_bytes, back.log_retention_ms), (1000, None));
        for (pair, expected) in [
            (("node.id", "2"), "`node.id` can be set only before the broker starts"),
            (
                ("message.max.bytes", "x"),
                "bad value `x` for `message.max.bytes` in the broker's configuration: \
             expected a whole number, 0 or more",
            ),
            (
                ("message.max.byte", "1"),
                "unknown key `message.max.byte` in the broker's configuration; \
             did you mean `message.max.bytes`?",
            ),
        ] {
            let error = started.with_dynamic(&pairs(&[pair]), &pairs(&[])).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn a_kubernetes_service_of_our_name_does_no_harm() {
        let injected = [
            ("KINDRED_PORT", "tcp://10.0.0.1:9092"),
            ("KINDRED_PORT_9092_TCP_ADDR", "10.0.0.1"),
            ("KINDRED_SERVICE_HOST", "10.0.0.1"),
        ];
        assert!(load(None, &injected, &[]).is_ok());
    }

    #[test]
    fn entries_say_where_values_come_from() {
        let config = load(None, &[], &["num.partitions=3"]).unwrap();
        let entries = config.entries();
        let find = |name| entries.iter().find(|entry| entry.name == name).unwrap();
        let partitions = find("num.partitions");
        assert_eq!((partitions.value.as_deref(), partitions.source), (Some("3"), Source::StaticBroker));
        let synonyms: Vec<_> = partitions
            .synonyms
            .iter()
            .map(|synonym| (synonym.value.as_deref(), synonym.source.code()))
            .collect();
        assert_eq!(synonyms, [(Some("3"), 4), (Some("1"), 5)]);
        assert!(partitions.read_only && partitions.config_type.code() == 3);
        assert!(!find("message.max.bytes").read_only);
        let unset = find("log.retention.ms");
        assert_eq!((unset.value.as_deref(), unset.source, unset.synonyms.len()), (None, Source::Default, 0));
        assert_eq!(entries.len(), server_keys().len());
    }
}
