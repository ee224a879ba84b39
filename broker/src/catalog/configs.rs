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
            ResourceKind::Group => drop(GroupSettings::effective(&config, next).map_err(invalid)?),
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
