//! Changes to settings: of topics, of brokers, of groups, of subscriptions to clients' metrics.
//!
//! ```text
//! request ─▶ what the settings would become ─▶ checked against the table ─▶ records ─▶ replay ─▶ put to use
//! ```
//!
//! Each resource changes as a whole or not at all; all that change are recorded by one batch and one sync.
//!
//! # Source
//! `ConfigurationControlManager`, `ConfigAdminManager` and `ControllerConfigurationValidator` in Apache Kafka.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use tracing::{info, warn};

use super::image::{ConfigResource, Image, ResourceKind};
use super::records::Record;
use super::{ApiError, Catalog, CatalogError, Topic, check_name};
use crate::config::{
    self, Alteration, ClientMetricsConfig, ConfigError, Entry, GroupSettings, Key, ServerConfig, TopicConfig,
};

type Pairs = BTreeMap<String, String>;

/// A change asked for.
#[derive(Clone, Debug)]
pub(crate) struct ConfigChange {
    pub(crate) resource: ConfigResource,
    pub(crate) what: Change,
}

/// What to do to a resource's settings.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// These are all of them from now on (AlterConfigs).
    Replace(Pairs),
    /// Change these keys only (IncrementalAlterConfigs).
    Alter(Vec<Alteration>),
}

impl Catalog {
    /// Changes settings, durably and at once; one answer per change, in their order. Blocks on the disk.
    ///
    /// # Errors
    /// [`CatalogError`] if nothing could be recorded, and nothing changed then.
    pub(crate) fn alter_configs(
        &self,
        changes: &[ConfigChange],
        validate_only: bool,
    ) -> Result<Vec<Result<(), ApiError>>, CatalogError> {
        let mut journal = self.journal.lock();
        let mut records = Vec::new();
        let mut answers = Vec::with_capacity(changes.len());
        let mut changed = Vec::new();
        for change in changes {
            answers.push(self.planned(change).map(|planned| {
                records.extend(planned);
                changed.push(&change.resource);
            }));
        }
        if !validate_only {
            self.commit(&mut journal, records)?;
            changed.into_iter().for_each(|resource| self.put_to_use(resource));
        }
        Ok(answers)
    }

    /// The records that make the change, if it is allowed.
    fn planned(&self, change: &ConfigChange) -> Result<Vec<Record>, ApiError> {
        let resource = &change.resource;
        check_resource(resource)?;
        let image = self.image.read();
        let own = image.config(resource);
        let next = match &change.what {
            Change::Replace(next) => next.clone(),
            Change::Alter(alterations) => config::altered(table(resource.kind), own, alterations)
                .map_err(|error| ApiError::new(ErrorCode::InvalidConfig, error.to_string()))?,
        };
        self.check_settings(resource, &next, &image)?;
        Ok(difference(resource, own, &next))
    }

    /// Checks what a resource's settings would be.
    fn check_settings(&self, resource: &ConfigResource, next: &Pairs, image: &Image) -> Result<(), ApiError> {
        // Apache Kafka calls a broker's bad value an invalid request, and anyone else's an invalid
        // configuration (KAFKA-13609).
        let invalid = |error: ConfigError| ApiError::new(ErrorCode::InvalidConfig, error.to_string());
        let config = self.config();
        match resource.kind {
            ResourceKind::Topic => {
                TopicConfig::effective(&config, next).map_err(invalid)?;
                if self.topic(&resource.name).is_none() {
                    let message = format!("The topic '{}' does not exist.", resource.name);
                    return Err(ApiError::new(ErrorCode::UnknownTopicOrPartition, message));
                }
            }
            ResourceKind::Broker => {
                self.check_broker_name(&resource.name)?;
                let layers = match resource.name.as_str() {
                    "" => self.fixed.with_dynamic(next, image.config(&self.this_broker())),
                    _ => self.fixed.with_dynamic(image.config(&every_broker()), next),
                };
                let wrong = |error: ConfigError| ApiError::new(ErrorCode::InvalidRequest, error.to_string());
                layers.map_err(wrong)?;
            }
            ResourceKind::Group => drop(GroupSettings::allowed(&config, next).map_err(invalid)?),
            ResourceKind::ClientMetrics => {
                drop(ClientMetricsConfig::effective(&config, next).map_err(invalid)?);
            }
        }
        Ok(())
    }

    /// Every setting of a resource as DescribeConfigs shows it.
    pub(crate) fn config_entries(&self, resource: &ConfigResource) -> Result<Vec<Entry>, ApiError> {
        match resource.kind {
            ResourceKind::Topic => {
                check_name(&resource.name).map_err(ApiError::from)?;
                let topic = self.topic(&resource.name);
                let unknown = || ApiError::from(CatalogError::Unknown(resource.name.clone()));
                Ok(topic.ok_or_else(unknown)?.config().entries())
            }
            ResourceKind::Broker if resource.name.is_empty() => Ok(self.config().cluster_entries()),
            ResourceKind::Broker => {
                self.check_broker_name(&resource.name)?;
                Ok(self.config().entries())
            }
            ResourceKind::Group => {
                check_resource(resource)?;
                Ok(self.group_settings(&resource.name).entries())
            }
            ResourceKind::ClientMetrics => {
                check_resource(resource)?;
                let config = self.config();
                let image = self.image.read();
                let build = |pairs: &Pairs| ClientMetricsConfig::effective(&config, pairs);
                Ok(usable(resource, image.config(resource), build).entries())
            }
        }
    }

    /// The settings in force for a group, whether it exists or not.
    pub(crate) fn group_settings(&self, group: &str) -> GroupSettings {
        let config = self.config();
        let resource = ConfigResource::new(ResourceKind::Group, group);
        let image = self.image.read();
        usable(&resource, image.config(&resource), |pairs| GroupSettings::effective(&config, pairs))
    }

    /// A broker's name is its number, and there is one broker.
    pub(crate) fn check_broker_name(&self, name: &str) -> Result<(), ApiError> {
        if name.is_empty() {
            return Ok(());
        }
        let invalid = |message| Err(ApiError::new(ErrorCode::InvalidRequest, message));
        let node = self.store.node_id();
        match name.parse::<i32>() {
            Ok(id) if id == node => Ok(()),
            Ok(_) => invalid(format!("Unexpected broker id, expected {node}, but received {name}")),
            Err(_) => invalid(format!("Node id must be an integer, but it is: {name}")),
        }
    }

    /// Lets what the records say of a resource's settings take effect.
    fn put_to_use(&self, resource: &ConfigResource) {
        match resource.kind {
            ResourceKind::Topic => {
                if let Some(topic) = self.topic(&resource.name) {
                    self.reconfigure(&topic);
                }
            }
            ResourceKind::Broker => {
                let config = server_config(&self.fixed, &self.image.read(), self.store.node_id());
                *self.config.write() = Arc::new(config);
                self.topics().iter().for_each(|topic| self.reconfigure(topic));
            }
            // Looked up when they are needed.
            ResourceKind::Group | ResourceKind::ClientMetrics => {}
        }
        info!(kind = ?resource.kind, name = resource.name, "configuration changed");
    }

    /// Puts a topic with its settings as they are now in place of this one.
    fn reconfigure(&self, topic: &Topic) {
        let config = self.topic_config(&topic.name);
        for partition in topic.partitions() {
            partition.log().set_config(config.log_config());
        }
        let (name, partitions) = (Arc::clone(&topic.name), topic.partitions.clone());
        self.insert(Topic { name, id: topic.id, partitions, config });
    }

    /// The settings in force for a topic, by what is recorded.
    pub(super) fn topic_config(&self, name: &str) -> TopicConfig {
        let config = self.config();
        let resource = ConfigResource::new(ResourceKind::Topic, name);
        let image = self.image.read();
        usable(&resource, image.config(&resource), |pairs| TopicConfig::effective(&config, pairs))
    }

    fn this_broker(&self) -> ConfigResource {
        broker(self.store.node_id())
    }
}

/// The broker's settings in force: as started, with what is recorded for it and for all.
pub(super) fn server_config(fixed: &ServerConfig, image: &Image, node: i32) -> ServerConfig {
    let (all, this) = (every_broker(), broker(node));
    let cluster = image.config(&all);
    let with_cluster = usable(&all, cluster, |pairs| fixed.with_dynamic(pairs, &Pairs::new()));
    let known = if with_cluster.cluster_entries().len() == cluster.len() { cluster } else { &Pairs::new() };
    usable(&this, image.config(&this), |pairs| fixed.with_dynamic(known, pairs))
}

/// What `build` makes of recorded settings. Those that it no longer takes, which an older or newer version may
/// have recorded, are passed over.
fn usable<T>(
    resource: &ConfigResource,
    recorded: &Pairs,
    build: impl Fn(&Pairs) -> Result<T, ConfigError>,
) -> T {
    let ignored = |error: ConfigError| {
        warn!(kind = ?resource.kind, name = resource.name, %error, "recorded settings ignored");
    };
    let all = build(recorded);
    let Err(error) = all else { return all.unwrap_or_else(|_| unreachable!("it is no error")) };
    ignored(error);
    let alone = |(key, value): (&String, &String)| Pairs::from([(key.clone(), value.clone())]);
    let good = recorded.iter().filter(|pair| build(&alone(*pair)).is_ok());
    let good = good.map(|(key, value)| (key.clone(), value.clone())).collect();
    build(&good).or_else(|_| build(&Pairs::new())).expect("nothing set is always usable")
}

fn broker(node: i32) -> ConfigResource {
    ConfigResource { kind: ResourceKind::Broker, name: node.to_string() }
}

fn every_broker() -> ConfigResource {
    ConfigResource { kind: ResourceKind::Broker, name: String::new() }
}

/// The keys that a kind of resource has.
fn table(kind: ResourceKind) -> &'static [Key] {
    match kind {
        ResourceKind::Topic => config::topic_keys(),
        ResourceKind::Broker => config::server_keys(),
        ResourceKind::Group => config::group_keys(),
        ResourceKind::ClientMetrics => config::client_metrics_keys(),
    }
}

/// Checks the resource's name; only brokers have defaults under the empty one.
fn check_resource(resource: &ConfigResource) -> Result<(), ApiError> {
    let of = match resource.kind {
        ResourceKind::Broker => return Ok(()),
        ResourceKind::Topic if !resource.name.is_empty() => {
            return check_name(&resource.name).map_err(ApiError::from);
        }
        ResourceKind::Topic => "topic",
        ResourceKind::Group => "group",
        ResourceKind::ClientMetrics => "client metrics",
    };
    match resource.name.is_empty() {
        true => {
            Err(ApiError::new(ErrorCode::InvalidRequest, format!("Default {of} resources are not allowed.")))
        }
        false => Ok(()),
    }
}

/// The records that lead from one set of settings to the next.
fn difference(resource: &ConfigResource, now: &Pairs, next: &Pairs) -> Vec<Record> {
    let record = |key: &String, value: Option<&String>| Record::Config {
        resource: resource.clone(),
        key: key.clone(),
        value: value.cloned(),
    };
    let gone = now.keys().filter(|key| !next.contains_key(*key)).map(|key| record(key, None));
    let set = next.iter().filter(|(key, value)| now.get(*key) != Some(*value));
    gone.chain(set.map(|(key, value)| record(key, Some(value)))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::NewTopic;
    use super::super::testing::Directory;
    use super::*;
    use crate::config::Operation;

    fn set(resource: &ConfigResource, key: &str, value: &str) -> ConfigChange {
        let alteration = Alteration { name: key.into(), operation: Operation::Set, value: value.into() };
        ConfigChange { resource: resource.clone(), what: Change::Alter(vec![alteration]) }
    }

    fn delete(resource: &ConfigResource, key: &str) -> ConfigChange {
        let alteration = Alteration { name: key.into(), operation: Operation::Delete, value: String::new() };
        ConfigChange { resource: resource.clone(), what: Change::Alter(vec![alteration]) }
    }

    fn named(kind: ResourceKind, name: &str) -> ConfigResource {
        ConfigResource::new(kind, name)
    }

    #[test]
    fn settings_are_in_force_at_once_and_after_a_restart() {
        let directory = Directory::new();
        let orders = named(ResourceKind::Topic, "orders");
        let check = |catalog: &Catalog| {
            let topic = catalog.topic("orders").unwrap();
            assert_eq!((topic.config().retention_ms, topic.config().max_message_bytes), (7, 900));
            let log = topic.partitions()[0].log().config();
            assert_eq!((log.retention_ms, log.max_message_bytes), (7, 900));
            assert_eq!(catalog.config().message_max_bytes, 900);
            assert_eq!(catalog.group_settings("g").consumer_session_timeout_ms, 50_000);
            assert_eq!(catalog.group_settings("other").consumer_session_timeout_ms, 45_000);
        };
        directory.with_catalog(|catalog| {
            catalog.create(NewTopic::with_defaults("orders")).unwrap();
            let changes = [
                set(&orders, "retention.ms", "7"),
                set(&named(ResourceKind::Broker, ""), "message.max.bytes", "800"),
                set(&named(ResourceKind::Broker, "1"), "message.max.bytes", "900"),
                set(&named(ResourceKind::Group, "g"), "consumer.session.timeout.ms", "50000"),
            ];
            let answers = catalog.alter_configs(&changes, false).unwrap();
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
            check(catalog);
        });
        directory.with_catalog(|catalog| {
            check(catalog);
            let changes = [
                delete(&orders, "retention.ms"),
                delete(&named(ResourceKind::Broker, "1"), "message.max.bytes"),
            ];
            catalog.alter_configs(&changes, false).unwrap();
            let topic = catalog.topic("orders").unwrap();
            assert_eq!(topic.config().max_message_bytes, 800);
            assert_eq!(topic.config().retention_ms, 7 * 24 * 3600 * 1000);
        });
    }

    #[test]
    fn what_is_wrong_is_refused_and_the_rest_is_changed() {
        use ErrorCode::{InvalidConfig, InvalidRequest, InvalidTopicException, UnknownTopicOrPartition};
        let directory = Directory::new();
        let orders = named(ResourceKind::Topic, "orders");
        directory.with_catalog(|catalog| {
            catalog.create(NewTopic::with_defaults("orders")).unwrap();
            for (change, code) in [
                (set(&orders, "retention.mss", "1"), InvalidConfig),
                (set(&orders, "retention.ms", "soon"), InvalidConfig),
                (set(&orders, "remote.storage.enable", "true"), InvalidConfig),
                (set(&named(ResourceKind::Topic, "nowhere"), "retention.ms", "1"), UnknownTopicOrPartition),
                (set(&named(ResourceKind::Topic, "a b"), "retention.ms", "1"), InvalidTopicException),
                (set(&named(ResourceKind::Topic, ""), "retention.ms", "1"), InvalidRequest),
                (set(&named(ResourceKind::Group, ""), "consumer.session.timeout.ms", "1"), InvalidRequest),
                (
                    set(&named(ResourceKind::Group, "g"), "consumer.session.timeout.ms", "70000"),
                    InvalidConfig,
                ),
                (set(&named(ResourceKind::Broker, "2"), "message.max.bytes", "1"), InvalidRequest),
                (set(&named(ResourceKind::Broker, "x"), "message.max.bytes", "1"), InvalidRequest),
                (set(&named(ResourceKind::Broker, "1"), "node.id", "2"), InvalidRequest),
                (set(&named(ResourceKind::Broker, "1"), "message.max.bytes", "x"), InvalidRequest),
                (set(&named(ResourceKind::ClientMetrics, "m"), "interval.ms", "1"), InvalidConfig),
            ] {
                let good = set(&orders, "segment.ms", "99");
                let answers = catalog.alter_configs(&[change.clone(), good], false).unwrap();
                assert_eq!(answers[0].as_ref().unwrap_err().code, code, "{change:?}");
                assert_eq!(answers[1], Ok(()));
            }
            assert_eq!(catalog.topic("orders").unwrap().config().segment_ms, 99);
        });
    }

    #[test]
    fn validate_only_changes_nothing() {
        let directory = Directory::new();
        let orders = named(ResourceKind::Topic, "orders");
        directory.with_catalog(|catalog| {
            catalog.create(NewTopic::with_defaults("orders")).unwrap();
            let end = catalog.metadata_marks().1;
            assert_eq!(catalog.alter_configs(&[set(&orders, "segment.ms", "99")], true).unwrap(), [Ok(())]);
            assert_eq!(catalog.metadata_marks().1, end);
            assert_ne!(catalog.topic("orders").unwrap().config().segment_ms, 99);
        });
    }

    #[test]
    fn replacing_takes_away_what_is_not_named() {
        let directory = Directory::new();
        let orders = named(ResourceKind::Topic, "orders");
        directory.with_catalog(|catalog| {
            catalog.create(NewTopic::with_defaults("orders")).unwrap();
            catalog.alter_configs(&[set(&orders, "segment.ms", "99")], false).unwrap();
            let what = Change::Replace(Pairs::from([("retention.ms".into(), "5".into())]));
            let change = ConfigChange { resource: orders.clone(), what };
            assert_eq!(catalog.alter_configs(&[change], false).unwrap(), [Ok(())]);
            let own = catalog.with_image(|image| image.config(&orders).clone());
            assert_eq!(own, Pairs::from([("retention.ms".to_owned(), "5".to_owned())]));
        });
    }

    #[test]
    fn a_long_log_is_rewritten_and_says_the_same() {
        let directory = Directory::new();
        let orders = named(ResourceKind::Topic, "orders");
        let start = |catalog: &Catalog| {
            let log = catalog.store().log(super::super::METADATA_TOPIC, protocol::types::PartitionIndex(0));
            log.unwrap().marks().start()
        };
        directory.with_catalog(|catalog| {
            catalog.create(NewTopic { partitions: Some(3), ..NewTopic::with_defaults("orders") }).unwrap();
            catalog.alter_configs(&[set(&orders, "segment.ms", "99")], false).unwrap();
            let records: Vec<Record> = (0..10_500)
                .map(|n| Record::Config {
                    resource: named(ResourceKind::Group, "g"),
                    key: "consumer.session.timeout.ms".into(),
                    value: Some((50_000 + n).to_string()),
                })
                .collect();
            for _ in 0..2 {
                catalog.change(|_| (records.clone(), ())).unwrap();
            }
            assert!(start(catalog).0 > 20_000, "the log begins at what was written anew");
            catalog.alter_configs(&[set(&orders, "retention.ms", "7")], false).unwrap();
        });
        directory.with_catalog(|catalog| {
            let topic = catalog.topic("orders").unwrap();
            assert_eq!(topic.partitions().len(), 3);
            assert_eq!((topic.config().segment_ms, topic.config().retention_ms), (99, 7));
            assert_eq!(catalog.group_settings("g").consumer_session_timeout_ms, 60_499);
        });
    }

    #[test]
    fn a_rewrite_that_was_cut_off_counts_for_nothing() {
        let directory = Directory::new();
        let group = |timeout: &str| Record::Config {
            resource: named(ResourceKind::Group, "g"),
            key: "consumer.session.timeout.ms".into(),
            value: Some(timeout.into()),
        };
        directory.with_catalog(|catalog| {
            catalog.change(|_| (vec![group("50000")], ())).unwrap();
            catalog.change(|_| (vec![Record::BeginTransaction, group("60000")], ())).unwrap();
        });
        let timeout = |catalog: &Catalog| catalog.group_settings("g").consumer_session_timeout_ms;
        directory.with_catalog(|catalog| {
            assert_eq!(timeout(catalog), 50_000);
            let other = named(ResourceKind::Group, "other");
            catalog.alter_configs(&[set(&other, "consumer.session.timeout.ms", "55000")], false).unwrap();
        });
        directory.with_catalog(|catalog| {
            assert_eq!(timeout(catalog), 50_000);
            assert_eq!(catalog.group_settings("other").consumer_session_timeout_ms, 55_000);
        });
    }
}
