//! The catalogue: which topics exist, with which ids, partitions and settings.
//!
//! ```text
//! create, widen, delete ─▶ records ─▶ __cluster_metadata-0 (synced) ─▶ replay ─▶ the maps handlers read
//!                                             └──────── at start-up ──────▲
//! ```
//!
//! A change is a batch of records in Kafka's own metadata formats, appended and synced before it is
//! seen; the same `replay` applies it live and at start-up. Directories follow the records: made
//! after a topic's records are durable, removed after its removal is, and put right at start-up if
//! a crash came between.
//!
//! # Invariants
//! - A topic in the maps has an open log for each of its partitions.
//! - Topics are immutable snapshots: a change puts a new `Arc<Topic>` into the maps, so a handler
//!   that holds one never sees it half changed.

mod acls;
mod codes;
mod configs;
mod image;
mod journal;
mod records;
#[cfg(test)]
mod testing;
mod well_known;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use protocol::error_code::ErrorCode;
use protocol::types::{Epoch, Offset, PartitionIndex, ProducerId, TopicId};
use storage::{Env, PartitionLog, Store, StoreError};
use tracing::{info, warn};

use crate::config::{ConfigError, ServerConfig, TopicConfig};
use crate::partitions::Partition;
pub(crate) use acls::{
    Acl, AclFilter, AclOperation, CLUSTER_NAME, PatternFilter, PatternType, Permission, ResourcePattern,
    ResourceType,
};
pub(crate) use configs::{Change, ConfigChange};
pub(crate) use image::{ConfigResource, Image, QuotaEntity, ResourceKind, ScramCredential, ScramMechanism};
use journal::Journal;
pub(crate) use records::Record;
pub(crate) use well_known::{OFFSETS_TOPIC, STEPS_TOPIC, TRANSACTIONS_TOPIC};

/// The topic of the catalogue's own records; not a topic that clients see.
pub(crate) const METADATA_TOPIC: &str = "__cluster_metadata";
/// Longest legal topic name: a directory name has room for `-<partition>` and a suffix beside it.
const NAME_LENGTH_MAX: usize = 249;
/// Partitions one topic may have, and the most one request may ask for: each costs descriptors and
/// directories, and a typing error should not fill the disk with them.
const PARTITIONS_MAX: i32 = 10_000;
/// Records that one change may make, beyond what the largest topic needs. Apache Kafka has 10,000.
const RECORDS_MAX: usize = 11_000;

/// A topic and its partitions, as of one moment.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: Arc<str>,
    pub(crate) id: TopicId,
    partitions: Vec<Arc<Partition>>,
    config: TopicConfig,
}

impl Topic {
    /// The partition with this index.
    pub(crate) fn partition(&self, index: PartitionIndex) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(index.0).ok()?)
    }

    /// All partitions, by index.
    pub(crate) fn partitions(&self) -> &[Arc<Partition>] {
        &self.partitions
    }

    /// Its settings: the topic's own over the broker's defaults.
    pub(crate) fn config(&self) -> &TopicConfig {
        &self.config
    }

    /// Whether only the broker writes to it.
    pub(crate) fn is_internal(&self) -> bool {
        well_known::is_internal(&self.name)
    }
}

/// A topic to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewTopic {
    pub(crate) name: String,
    /// `None` takes `num.partitions`.
    pub(crate) partitions: Option<i32>,
    pub(crate) configs: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic whose maker names nothing else. The recommender's lists and entities are compacted
    /// then, everything else follows the broker's defaults.
    pub(crate) fn with_defaults(name: &str) -> Self {
        let policy =
            well_known::is_compacted(name).then(|| ("cleanup.policy".to_owned(), "compact".to_owned()));
        Self { name: name.to_owned(), partitions: None, configs: policy.into_iter().collect() }
    }

    /// A compacted topic.
    pub(crate) fn compacted(name: &str, partitions: i32) -> Self {
        let configs = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
        Self { name: name.to_owned(), partitions: Some(partitions), configs }
    }
}

/// What a checked [`NewTopic`] would become.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) partitions: usize,
    pub(crate) config: TopicConfig,
}

/// Why the catalogue did not change.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    #[error("This server does not host the topic '{0}'.")]
    Unknown(String),
    #[error("Topic name is invalid: {0}")]
    Name(String),
    #[error("The topic '{0}' belongs to the broker and cannot be changed by a client.")]
    Internal(String),
    #[error("{0}")]
    Partitions(String),
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("The change could not be recorded: {0}")]
    Journal(#[from] journal::JournalError),
    #[error("The change would make {0} records; ask for less at a time.")]
    TooMany(usize),
    #[error("The broker is stopping.")]
    Stopping,
}

/// Why one of the things that a client asked for was refused: what its answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl CatalogError {
    /// The error code that tells a client.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Exists(_) => ErrorCode::TopicAlreadyExists,
            Self::Unknown(_) => ErrorCode::UnknownTopicOrPartition,
            Self::Name(_) => ErrorCode::InvalidTopicException,
            Self::Internal(_) => ErrorCode::InvalidRequest,
            Self::Partitions(_) => ErrorCode::InvalidPartitions,
            Self::Config(_) => ErrorCode::InvalidConfig,
            Self::Store(_) | Self::Journal(_) => ErrorCode::KafkaStorageError,
            Self::TooMany(_) => ErrorCode::PolicyViolation,
            Self::Stopping => ErrorCode::CoordinatorNotAvailable,
        }
    }
}

/// Checks a topic name by Kafka's rules.
pub(crate) fn check_name(name: &str) -> Result<(), CatalogError> {
    let wrong = |why: String| Err(CatalogError::Name(why));
    match name {
        "" => wrong("the empty string is not allowed".into()),
        "." | ".." => wrong("'.' or '..' is not allowed".into()),
        METADATA_TOPIC => wrong(format!("'{METADATA_TOPIC}' is reserved")),
        _ if name.len() > NAME_LENGTH_MAX => {
            wrong(format!("the length of '{name}' is longer than the max allowed length {NAME_LENGTH_MAX}"))
        }
        _ if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) => {
            wrong(format!(
                "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
            ))
        }
        _ => Ok(()),
    }
}

#[derive(Debug, Default)]
struct Maps {
    /// Rises with every change.
    version: u64,
    by_name: BTreeMap<Arc<str>, Arc<Topic>>,
    by_id: HashMap<TopicId, Arc<Topic>>,
}

/// All topics of this broker, and everything else that its metadata log says.
pub(crate) struct Catalog {
    store: Arc<Store>,
    /// The broker's settings as it was started.
    fixed: Arc<ServerConfig>,
    /// Those in force.
    config: RwLock<Arc<ServerConfig>>,
    maps: RwLock<Maps>,
    image: RwLock<Image>,
    /// Held while a change is made; changes are rare and made one at a time.
    journal: Mutex<Journal>,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("topics", &self.maps.read().by_name.len()).finish_non_exhaustive()
    }
}

impl Catalog {
    /// Reads the records and opens every topic's logs, putting directories right where a crash left
    /// them behind. Blocks on the disk.
    pub(crate) fn open(store: Arc<Store>, env: &Env, fixed: Arc<ServerConfig>) -> Result<Self, CatalogError> {
        let mut image = Image::default();
        let mut journal = Journal::open(&store, env, |record| image.replay(record))?;
        remove_leftovers(&store, &image)?;
        adopt_unrecorded(&store, &mut image, &mut journal)?;
        let config = configs::server_config(&fixed, &image, store.node_id());
        let recorded: Vec<_> =
            image.topics.iter().map(|(id, topic)| (*id, topic.name.clone(), topic.partitions)).collect();
        let catalog = Self {
            config: RwLock::new(Arc::new(config)),
            maps: RwLock::default(),
            image: RwLock::new(image),
            journal: Mutex::new(journal),
            store,
            fixed,
        };
        catalog.say_what_is_not_enforced();
        for (id, name, partitions) in recorded {
            let config = catalog.topic_config(&name);
            catalog.insert(catalog.build(&name, id, partitions, config, &[])?);
        }
        Ok(catalog)
    }

    /// The broker's settings in force, those set by clients included.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read())
    }

    /// Looks at what the records say. `look` is short: changes wait for it.
    pub(crate) fn with_image<T>(&self, look: impl FnOnce(&Image) -> T) -> T {
        look(&self.image.read())
    }

    /// Changes what the records say: `decide` looks at the image and gives the records that make the change,
    /// together with the answer to whoever asked. The answer returns once the records are durable and seen.
    /// Blocks on the disk.
    ///
    /// For changes that need nothing but records; those of topics and settings have methods of their own.
    pub(crate) fn change<T>(
        &self,
        decide: impl FnOnce(&Image) -> (Vec<Record>, T),
    ) -> Result<T, CatalogError> {
        let mut journal = self.journal.lock();
        let (records, answer) = self.with_image(decide);
        self.commit(&mut journal, records)?;
        Ok(answer)
    }

    /// Makes records durable, then seen.
    fn commit(&self, journal: &mut Journal, records: Vec<Record>) -> Result<(), CatalogError> {
        if records.is_empty() {
            return Ok(());
        }
        if records.len() > RECORDS_MAX {
            return Err(CatalogError::TooMany(records.len()));
        }
        journal.append(&records)?;
        let mut image = self.image.write();
        records.into_iter().for_each(|record| image.replay(record));
        drop(image);
        if journal.is_long() {
            let records = self.image.read().records();
            if let Err(error) = journal.rewrite(&records) {
                warn!(%error, "metadata log not rewritten");
            }
        }
        Ok(())
    }

    /// The data directory.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The metadata log's epoch, and its end.
    pub(crate) fn metadata_marks(&self) -> (Epoch, Offset) {
        let log = self.store.log(METADATA_TOPIC, PartitionIndex(0));
        let epoch = log.as_ref().and_then(|log| log.latest_epoch()).map_or(Epoch(0), |latest| latest.epoch);
        (epoch, log.map_or(Offset(0), |log| log.marks().end()))
    }

    /// A fresh id for something recorded.
    pub(crate) fn random_id(&self) -> TopicId {
        self.store.random_id()
    }

    /// Nobody shall believe to be protected by what is only written down.
    fn say_what_is_not_enforced(&self) {
        let image = self.image.read();
        let (acls, quotas, scram_users) = (image.acls().len(), image.quotas().len(), image.scram().len());
        if acls + quotas + scram_users > 0 {
            warn!(acls, quotas, scram_users, "kept, and not enforced");
        }
    }

    /// The topic of this name.
    pub(crate) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.maps.read().by_name.get(name).cloned()
    }

    /// The topic with this id.
    pub(crate) fn topic_by_id(&self, id: TopicId) -> Option<Arc<Topic>> {
        self.maps.read().by_id.get(&id).cloned()
    }

    /// All topics, by name.
    pub(crate) fn topics(&self) -> Vec<Arc<Topic>> {
        self.maps.read().by_name.values().cloned().collect()
    }

    /// A number that rises with every change of topics.
    pub(crate) fn version(&self) -> u64 {
        self.maps.read().version
    }

    /// All topics, by name, and the version they are of.
    pub(crate) fn versioned_topics(&self) -> (u64, Vec<Arc<Topic>>) {
        let maps = self.maps.read();
        (maps.version, maps.by_name.values().cloned().collect())
    }

    /// Whether `new` could be made now, and what it would be.
    pub(crate) fn check(&self, new: &NewTopic) -> Result<Planned, CatalogError> {
        check_name(&new.name)?;
        if self.topic(&new.name).is_some() {
            return Err(CatalogError::Exists(new.name.clone()));
        }
        self.check_collision(&new.name)?;
        let partitions = new.partitions.unwrap_or(self.fixed.num_partitions);
        if !(1..=PARTITIONS_MAX).contains(&partitions) {
            let message = format!("A topic may have 1 to {PARTITIONS_MAX} partitions, not {partitions}.");
            return Err(CatalogError::Partitions(message));
        }
        let config = TopicConfig::effective(&self.config(), &new.configs)?;
        Ok(Planned { partitions: usize::try_from(partitions).expect("checked to be positive"), config })
    }

    /// Makes a topic: durable when this returns. Blocks on the disk.
    pub(crate) fn create(&self, new: NewTopic) -> Result<Arc<Topic>, CatalogError> {
        let mut journal = self.journal.lock();
        let planned = self.check(&new)?;
        let id = self.store.random_id();
        let count = i32::try_from(planned.partitions).expect("checked to be small");
        let mut records = vec![Record::Topic { name: new.name.clone(), id }];
        records.extend(config_records(&new.name, &new.configs));
        records
            .extend((0..count).map(|index| Record::Partition { topic_id: id, index: PartitionIndex(index) }));
        self.commit(&mut journal, records)?;
        let topic = self.build(&new.name, id, count, planned.config, &[]).inspect_err(|_| {
            // The disk refused the directories. What cannot be undone now, the next start finishes.
            let undone = self.commit(&mut journal, vec![Record::RemoveTopic { id }]);
            if let Err(error) = undone.and_then(|()| Ok(self.store.delete_topic(&new.name)?)) {
                warn!(topic = new.name, %error, "a topic that could not be made is still recorded");
            }
        })?;
        info!(topic = new.name, partitions = count, "topic created");
        Ok(self.insert(topic))
    }

    /// Whether `topic` could be widened to `count` partitions in all.
    pub(crate) fn check_widening(&self, topic: &Topic, count: i32) -> Result<(), CatalogError> {
        if topic.is_internal() {
            return Err(CatalogError::Internal(topic.name.to_string()));
        }
        let now = topic.partitions.len();
        let wanted = usize::try_from(count).unwrap_or(0);
        let message = if wanted < now {
            format!(
                "The topic {} currently has {now} partition(s); {count} would not be an increase.",
                topic.name
            )
        } else if wanted == now {
            format!("Topic already has {now} partition(s).")
        } else if count > PARTITIONS_MAX {
            format!("A topic may have 1 to {PARTITIONS_MAX} partitions, not {count}.")
        } else {
            return Ok(());
        };
        Err(CatalogError::Partitions(message))
    }

    /// Widens a topic to `count` partitions in all. Blocks on the disk.
    pub(crate) fn widen(&self, topic: &Topic, count: i32) -> Result<(), CatalogError> {
        let mut journal = self.journal.lock();
        let current =
            self.topic_by_id(topic.id).ok_or_else(|| CatalogError::Unknown(topic.name.to_string()))?;
        self.check_widening(&current, count)?;
        let first_new = i32::try_from(current.partitions.len()).expect("checked to be small");
        let records: Vec<Record> = (first_new..count)
            .map(|index| Record::Partition { topic_id: current.id, index: PartitionIndex(index) })
            .collect();
        self.commit(&mut journal, records)?;
        let config = current.config.clone();
        self.insert(self.build(&current.name, current.id, count, config, &current.partitions)?);
        Ok(())
    }

    /// Makes durable where partitions begin, after DeleteRecords.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn flush_start_offsets(&self) -> Result<(), StoreError> {
        self.store.flush_start_offsets()
    }

    /// Deletes a topic and its data. Blocks on the disk.
    pub(crate) fn delete(&self, topic: &Topic) -> Result<(), CatalogError> {
        if topic.is_internal() {
            return Err(CatalogError::Internal(topic.name.to_string()));
        }
        let mut journal = self.journal.lock();
        let current =
            self.topic_by_id(topic.id).ok_or_else(|| CatalogError::Unknown(topic.name.to_string()))?;
        self.commit(&mut journal, vec![Record::RemoveTopic { id: current.id }])?;
        {
            let mut maps = self.maps.write();
            maps.version += 1;
            maps.by_name.remove(&current.name);
            maps.by_id.remove(&current.id);
        }
        self.store.delete_topic(&current.name)?;
        for partition in &current.partitions {
            partition.wake();
        }
        info!(topic = %current.name, "topic deleted");
        Ok(())
    }

    /// The first producer id that is not reserved.
    pub(crate) fn next_producer_id(&self) -> ProducerId {
        self.image.read().next_producer_id
    }

    /// Reserves the producer ids below `next`, durably. Blocks on the disk.
    pub(crate) fn reserve_producer_ids(&self, next: ProducerId) -> Result<(), CatalogError> {
        let mut journal = self.journal.lock();
        self.commit(&mut journal, vec![Record::ProducerIds { next }])
    }

    /// `.` and `_` are the same in metric names, so Kafka refuses topics that differ only by them.
    fn check_collision(&self, name: &str) -> Result<(), CatalogError> {
        let folded = name.replace('.', "_");
        let maps = self.maps.read();
        match maps.by_name.keys().find(|other| other.len() == name.len() && other.replace('.', "_") == folded)
        {
            Some(other) => {
                Err(CatalogError::Name(format!("'{name}' collides with existing topic '{other}'")))
            }
            None => Ok(()),
        }
    }

    /// Opens what is missing of a topic's logs and puts the topic together.
    fn build(
        &self,
        name: &str,
        id: TopicId,
        count: i32,
        config: TopicConfig,
        open: &[Arc<Partition>],
    ) -> Result<Topic, CatalogError> {
        let name: Arc<str> =
            open.first().map_or_else(|| Arc::from(name), |partition| Arc::clone(&partition.topic));
        let mut partitions = open.to_vec();
        let first_new = i32::try_from(open.len()).expect("bounded by PARTITIONS_MAX");
        for index in first_new..count {
            let log = open_log(&self.store, &name, PartitionIndex(index), id, &config)?;
            let epoch = next_epoch(&log);
            partitions.push(Arc::new(Partition::new(
                Arc::clone(&name),
                id,
                PartitionIndex(index),
                epoch,
                log,
            )));
        }
        Ok(Topic { name, id, partitions, config })
    }

    fn insert(&self, topic: Topic) -> Arc<Topic> {
        let topic = Arc::new(topic);
        let mut maps = self.maps.write();
        maps.version += 1;
        maps.by_name.insert(Arc::clone(&topic.name), Arc::clone(&topic));
        maps.by_id.insert(topic.id, Arc::clone(&topic));
        topic
    }
}

fn config_records<'a>(
    topic: &'a str,
    configs: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = Record> + 'a {
    let resource = ConfigResource::new(ResourceKind::Topic, topic);
    configs.iter().map(move |(key, value)| Record::Config {
        resource: resource.clone(),
        key: key.clone(),
        value: Some(value.clone()),
    })
}

/// The log of a recorded partition: as recovered, or made anew if a crash came before its directory.
fn open_log(
    store: &Store,
    topic: &str,
    index: PartitionIndex,
    id: TopicId,
    config: &TopicConfig,
) -> Result<Arc<PartitionLog>, CatalogError> {
    match store.log(topic, index) {
        Some(log) => {
            log.set_config(config.log_config());
            Ok(log)
        }
        None => Ok(store.create_log(topic, index, id, config.log_config())?),
    }
}

/// The epoch in which a log is led from now on: one above the newest it has records of. An epoch
/// without records leaves no trace, and is given out again after a restart.
fn next_epoch(log: &PartitionLog) -> Epoch {
    log.latest_epoch().map_or(Epoch(0), |last| Epoch(last.epoch.0 + 1))
}

/// Finishes deletions that a crash interrupted.
fn remove_leftovers(store: &Store, image: &Image) -> Result<(), CatalogError> {
    let mut doomed: Vec<String> = Vec::new();
    for log in store.logs() {
        if image.removed.contains(&log.topic_id()) {
            doomed.push(log.topic().to_string());
        }
    }
    doomed.sort_unstable();
    doomed.dedup();
    for topic in doomed {
        info!(topic, "finishing a deletion that was interrupted");
        store.delete_topic(&topic)?;
    }
    Ok(())
}

/// Records topics whose directories are there but that no record names: a data directory written
/// by Apache Kafka opens with its topics and ids.
fn adopt_unrecorded(store: &Store, image: &mut Image, journal: &mut Journal) -> Result<(), CatalogError> {
    let mut found: BTreeMap<String, (TopicId, i32)> = BTreeMap::new();
    for log in store.logs().into_iter().filter(|log| **log.topic() != *METADATA_TOPIC) {
        if !image.topics.contains_key(&log.topic_id()) {
            let (_, count) = found.entry(log.topic().to_string()).or_insert((log.topic_id(), 0));
            *count = (*count).max(log.partition().0 + 1);
        }
    }
    for (name, (id, count)) in found {
        info!(topic = name, partitions = count, "adopting a topic that no record names");
        let mut records = vec![Record::Topic { name, id }];
        records
            .extend((0..count).map(|index| Record::Partition { topic_id: id, index: PartitionIndex(index) }));
        journal.append(&records)?;
        records.into_iter().for_each(|record| image.replay(record));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kafkas_rules() {
        let long = "x".repeat(250);
        for (name, good) in [
            ("a", true),
            ("user_behavior", true),
            ("kindred.similar-items", true),
            ("A.b_c-1", true),
            ("", false),
            (".", false),
            ("..", false),
            ("a b", false),
            ("a/b", false),
            ("ä", false),
            ("__cluster_metadata", false),
            (&long, false),
            (&long[1..], true),
        ] {
            assert_eq!(check_name(name).is_ok(), good, "{name:?}");
        }
    }
}
