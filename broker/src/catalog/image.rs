//! The image: what the catalogue's records, taken together, say.
//!
//! Only [`Image::replay`] changes it, at start-up and live alike; [`Image::records`] says the same in as few
//! records as there are things, which is what a snapshot is.

use std::collections::{BTreeMap, HashMap, HashSet};

use protocol::types::{PartitionIndex, ProducerId, TopicId};

use super::acls::Acl;
use super::codes::codes;
use super::records::Record;

codes! {
    /// What can be configured (`ConfigResource.Type`).
    pub(crate) enum ResourceKind {
        Topic = 2,
        Broker = 4,
        ClientMetrics = 16,
        Group = 32,
    }
}

codes! {
    /// How a password is proven (`ScramMechanism`).
    pub(crate) enum ScramMechanism {
        Sha256 = 1,
        Sha512 = 2,
    }
}

/// One thing that can be configured. The broker named `""` is every broker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConfigResource {
    pub(crate) kind: ResourceKind,
    pub(crate) name: String,
}

impl ConfigResource {
    pub(crate) fn new(kind: ResourceKind, name: &str) -> Self {
        Self { kind, name: name.to_owned() }
    }
}

/// What the broker keeps of a password (RFC 5802): enough to check one, not to prove one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ScramCredential {
    pub(crate) salt: Vec<u8>,
    pub(crate) stored_key: Vec<u8>,
    pub(crate) server_key: Vec<u8>,
    pub(crate) iterations: i32,
}

/// Secrets stay out of logs.
impl std::fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScramCredential").finish_non_exhaustive()
    }
}

/// Whom a quota is for: names by type (`user`, `client-id`, `ip`); `None` is the type's default.
pub(crate) type QuotaEntity = BTreeMap<String, Option<String>>;

/// The catalogue's state. Everything is bounded by what clients were let to record.
#[derive(Debug, Default)]
pub(crate) struct Image {
    pub(super) topics: HashMap<TopicId, TopicImage>,
    /// Topics that records removed, whose directories a crash may have left behind.
    pub(super) removed: HashSet<TopicId>,
    pub(super) next_producer_id: ProducerId,
    configs: BTreeMap<ConfigResource, BTreeMap<String, String>>,
    acls: BTreeMap<TopicId, Acl>,
    scram: BTreeMap<(String, ScramMechanism), ScramCredential>,
    quotas: BTreeMap<QuotaEntity, BTreeMap<String, f64>>,
    features: BTreeMap<String, i16>,
}

/// A topic, as far as records go.
#[derive(Debug, Default)]
pub(super) struct TopicImage {
    pub(super) name: String,
    pub(super) partitions: i32,
}

impl Image {
    /// Applies one record: the only way this state changes.
    pub(super) fn replay(&mut self, record: Record) {
        match record {
            Record::Topic { name, id } => {
                self.topics.insert(id, TopicImage { name, partitions: 0 });
            }
            Record::Partition { topic_id, index } => {
                if let Some(topic) = self.topics.get_mut(&topic_id) {
                    topic.partitions = topic.partitions.max(index.0.saturating_add(1));
                }
            }
            Record::RemoveTopic { id } => {
                if let Some(topic) = self.topics.remove(&id) {
                    self.configs.remove(&ConfigResource { kind: ResourceKind::Topic, name: topic.name });
                }
                self.removed.insert(id);
            }
            Record::Config { resource, key, value } => set_or_remove(&mut self.configs, resource, key, value),
            Record::ProducerIds { next } => self.next_producer_id = self.next_producer_id.max(next),
            Record::Acl { id, acl } => {
                self.acls.insert(id, acl);
            }
            Record::RemoveAcl { id } => {
                self.acls.remove(&id);
            }
            Record::Scram { user, mechanism, credential } => {
                self.scram.insert((user, mechanism), credential);
            }
            Record::RemoveScram { user, mechanism } => {
                self.scram.remove(&(user, mechanism));
            }
            Record::Quota { entity, key, value } => set_or_remove(&mut self.quotas, entity, key, value),
            Record::Feature { name, level } => {
                self.features.insert(name, level);
            }
            Record::BeginTransaction | Record::EndTransaction | Record::AbortTransaction => {}
        }
    }

    /// The level that was given to a feature.
    pub(crate) fn feature(&self, name: &str) -> Option<i16> {
        self.features.get(name).copied()
    }

    /// What was set on a resource, by key.
    pub(crate) fn config(&self, resource: &ConfigResource) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.configs.get(resource).unwrap_or(&NONE)
    }

    /// The names of the resources of a kind on which something was set.
    pub(crate) fn configured(&self, kind: ResourceKind) -> impl Iterator<Item = &str> {
        let of_kind = self.configs.keys().filter(move |resource| resource.kind == kind);
        of_kind.map(|resource| resource.name.as_str())
    }

    /// The access control entries, by id.
    pub(crate) fn acls(&self) -> &BTreeMap<TopicId, Acl> {
        &self.acls
    }

    /// The SCRAM credentials, by user and mechanism.
    pub(crate) fn scram(&self) -> &BTreeMap<(String, ScramMechanism), ScramCredential> {
        &self.scram
    }

    /// The quotas, by whom they are for and by key.
    pub(crate) fn quotas(&self) -> &BTreeMap<QuotaEntity, BTreeMap<String, f64>> {
        &self.quotas
    }

    /// The records that make this image.
    pub(super) fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (id, topic) in &self.topics {
            records.push(Record::Topic { name: topic.name.clone(), id: *id });
            let partition = |index| Record::Partition { topic_id: *id, index: PartitionIndex(index) };
            records.extend((0..topic.partitions).map(partition));
        }
        for (resource, pairs) in &self.configs {
            records.extend(pairs.iter().map(|(key, value)| Record::Config {
                resource: resource.clone(),
                key: key.clone(),
                value: Some(value.clone()),
            }));
        }
        records.push(Record::ProducerIds { next: self.next_producer_id });
        records.extend(self.acls.iter().map(|(id, acl)| Record::Acl { id: *id, acl: acl.clone() }));
        records.extend(self.scram.iter().map(|((user, mechanism), credential)| Record::Scram {
            user: user.clone(),
            mechanism: *mechanism,
            credential: credential.clone(),
        }));
        for (entity, values) in &self.quotas {
            records.extend(values.iter().map(|(key, value)| Record::Quota {
                entity: entity.clone(),
                key: key.clone(),
                value: Some(*value),
            }));
        }
        let features = self.features.iter();
        records.extend(features.map(|(name, level)| Record::Feature { name: name.clone(), level: *level }));
        records
    }
}

/// Sets one value of a thing's, or takes it away; a thing without values is forgotten.
fn set_or_remove<T: Ord, V>(
    all: &mut BTreeMap<T, BTreeMap<String, V>>,
    thing: T,
    key: String,
    value: Option<V>,
) {
    let values = all.entry(thing);
    match value {
        Some(value) => {
            values.or_default().insert(key, value);
        }
        None => {
            if let std::collections::btree_map::Entry::Occupied(mut values) = values {
                values.get_mut().remove(&key);
                if values.get().is_empty() {
                    values.remove();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::samples;
    use super::*;

    #[test]
    fn replaying_a_removal_forgets_the_topic_and_remembers_that() {
        let id = TopicId([7; 16]);
        let resource = ConfigResource::new(ResourceKind::Topic, "t");
        let mut image = Image::default();
        image.replay(Record::Topic { name: "t".into(), id });
        image.replay(Record::Partition { topic_id: id, index: PartitionIndex(2) });
        image.replay(Record::Config { resource: resource.clone(), key: "k".into(), value: Some("v".into()) });
        assert_eq!(image.topics[&id].partitions, 3);
        assert_eq!(image.config(&resource)["k"], "v");
        image.replay(Record::RemoveTopic { id });
        assert!(image.topics.is_empty() && image.removed.contains(&id) && image.config(&resource).is_empty());
    }

    #[test]
    fn a_thing_without_values_is_forgotten() {
        let resource = ConfigResource::new(ResourceKind::Group, "g");
        let mut image = Image::default();
        for value in [Some("1".to_owned()), None, None] {
            image.replay(Record::Config { resource: resource.clone(), key: "k".into(), value });
        }
        assert_eq!(image.configured(ResourceKind::Group).count(), 0);
    }

    #[test]
    fn its_records_make_it_again() {
        let mut image = Image::default();
        samples().into_iter().for_each(|record| image.replay(record));
        let records = image.records();
        let mut again = Image::default();
        records.iter().cloned().for_each(|record| again.replay(record));
        assert_eq!(again.records(), records);
        assert!(!image.acls().is_empty() && !image.scram().is_empty() && !image.quotas().is_empty());
        assert!(!image.features.is_empty() && image.next_producer_id == ProducerId(2000));
    }
}
