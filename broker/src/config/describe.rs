//! What DescribeConfigs and CreateTopics show of a setting: its value, and where it came from.

use std::collections::BTreeMap;

use super::key::{ConfigType, Key};

/// Where a value in force came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Source {
    /// Set on the topic.
    DynamicTopic = 1,
    /// Set on the broker while it runs.
    DynamicBroker = 2,
    /// Set for all brokers while they run.
    DynamicCluster = 3,
    /// Set when the broker was started: by file, environment or argument.
    StaticBroker = 4,
    /// Set by nobody.
    Default = 5,
    /// Set as a level of the broker's log.
    BrokerLogger = 6,
    /// Set on the subscription to clients' metrics.
    ClientMetrics = 7,
    /// Set on the group.
    Group = 8,
}

impl Source {
    /// The number on the wire (`DescribeConfigsResponse.ConfigSource`).
    pub fn code(self) -> i8 {
        self as i8
    }
}

/// One setting as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub name: &'static str,
    /// The value in force; `None` if it is unset or sensitive.
    pub value: Option<String>,
    /// Where the value came from.
    pub source: Source,
    /// Whether it can be set only before the broker starts.
    pub read_only: bool,
    /// Whether the value is a secret.
    pub is_sensitive: bool,
    /// Every value that has a say, the one in force first.
    pub synonyms: Vec<Synonym>,
    /// The type of the value.
    pub config_type: ConfigType,
    /// What it does.
    pub documentation: &'static str,
}

/// One of the values that have a say in a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The key that was set: the setting's own, or a server key that stands behind it.
    pub name: &'static str,
    /// Its value, in that key's unit; `None` if sensitive.
    pub value: Option<String>,
    /// Where the value came from.
    pub source: Source,
}

/// The texts that were set, by key; what nobody set is not here.
pub(super) type Texts = BTreeMap<&'static str, String>;

/// What was set of the server's keys, by who set it.
#[derive(Clone, Debug, Default)]
pub(super) struct Layers {
    /// On this broker, while it runs.
    pub(super) broker: Texts,
    /// On all brokers, while they run.
    pub(super) cluster: Texts,
    /// When the broker was started.
    pub(super) fixed: Texts,
}

impl Layers {
    /// The layers, the first that has a key deciding.
    fn in_order(&self) -> [(&Texts, Source); 3] {
        [
            (&self.broker, Source::DynamicBroker),
            (&self.cluster, Source::DynamicCluster),
            (&self.fixed, Source::StaticBroker),
        ]
    }

    /// The text of a server key that was set, by whoever decides.
    pub(super) fn set(&self, key: &Key) -> Option<&str> {
        self.in_order().into_iter().find_map(|(texts, _)| texts.get(key.name)).map(String::as_str)
    }

    /// The text in force of a server key: as set, else the default.
    pub(super) fn in_force(&self, key: &Key) -> Option<String> {
        self.set(key).or(key.default).map(str::to_owned)
    }

    /// The values that a server key itself contributes: as set, then its default.
    pub(super) fn contributions(&self, key: &'static Key) -> impl Iterator<Item = Synonym> {
        let shown = |value: &str, source| Synonym { name: key.name, value: Some(value.to_owned()), source };
        let set = self
            .in_order()
            .into_iter()
            .filter_map(move |(texts, source)| texts.get(key.name).map(|value| shown(value, source)));
        set.chain(key.default.map(|value| shown(value, Source::Default)))
    }
}

/// The entry of `key`, whose `value` in force is the first of `synonyms`, perhaps in another unit.
pub(super) fn entry(key: &'static Key, value: Option<String>, mut synonyms: Vec<Synonym>) -> Entry {
    if key.sensitive {
        synonyms.iter_mut().for_each(|synonym| synonym.value = None);
    }
    Entry {
        name: key.name,
        value: value.filter(|_| !key.sensitive),
        source: synonyms.first().map_or(Source::Default, |synonym| synonym.source),
        read_only: !key.is_dynamic(),
        is_sensitive: key.sensitive,
        synonyms,
        config_type: key.form.config_type(),
        documentation: key.documentation,
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::{Form, Importance, Update};
    use super::*;

    const SECRET: Key = Key {
        name: "secret",
        form: Form::Other(ConfigType::String, "a word"),
        default: Some("none"),
        documentation: "A secret.",
        importance: Importance::Low,
        sensitive: true,
        update: Update::ReadOnly,
        synonyms: &[],
        check: |_, _| Ok(()),
    };

    #[test]
    fn a_sensitive_value_is_not_shown() {
        const KEY: &Key = &SECRET;
        let fixed = Texts::from([("secret", "hush".to_owned())]);
        let layers = Layers { fixed, ..Layers::default() };
        let entry = entry(KEY, layers.in_force(KEY), layers.contributions(KEY).collect());
        assert_eq!((entry.value, entry.source, entry.synonyms.len()), (None, Source::StaticBroker, 2));
        assert!(entry.synonyms.iter().all(|synonym| synonym.value.is_none()));
    }
}
