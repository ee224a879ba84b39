//! Settings of a group: what KIP-848 lets each group set for itself.
//!
//! Left out: the settings of share and streams groups, which are not served.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ConfigError;
use super::describe::{Entry, Source};
use super::key::{Form, Key, keys, synonym};
use super::own::Own;
use super::server::ServerConfig;
use super::sources::Place;

keys! {
    /// The settings in force for one group, checked. Made by [`GroupSettings::effective`].
    pub struct GroupSettings, table GROUP_KEYS, Dynamic, keeps own: Own;

    /// How often a member of a consumer group (KIP-848) is told to report; kept within the server's bounds.
    consumer_heartbeat_interval_ms: i32 =
        "consumer.heartbeat.interval.ms", None, Form::Int(1, i32::MAX), Medium,
        from &[synonym("group.consumer.heartbeat.interval.ms", 1)];
    /// How long a silent member of a consumer group (KIP-848) is waited for; kept within the server's bounds.
    consumer_session_timeout_ms: i32 =
        "consumer.session.timeout.ms", None, Form::Int(1, i32::MAX), Medium,
        from &[synonym("group.consumer.session.timeout.ms", 1)];
}

/// Every key of a group.
pub fn group_keys() -> &'static [Key] {
    GROUP_KEYS
}

impl GroupSettings {
    /// What is in force for a group with these settings of its own on this server.
    ///
    /// # Errors
    /// [`ConfigError`] if a key is unknown, a value is not what the key takes, or a session would end
    /// between two heartbeats.
    pub fn effective(server: &ServerConfig, own: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let own = Own::read(GROUP_KEYS, server, own, &Place::Group, Source::Group)?;
        let settings = Self::from_text(|key| own.in_force(key), own.clone());
        if settings.consumer_session_timeout_ms <= settings.consumer_heartbeat_interval_ms {
            let message =
                "`consumer.session.timeout.ms` is not greater than `consumer.heartbeat.interval.ms`";
            return Err(ConfigError::Conflict(message.into()));
        }
        Ok(settings)
    }

    /// As [`GroupSettings::effective`], for settings that are to be: they must be within the server's bounds,
    /// as in Apache Kafka. Bounds that came later do not take away what was set before.
    ///
    /// # Errors
    /// [`ConfigError`] as there, and for a value out of bounds.
    pub fn allowed(server: &ServerConfig, own: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let settings = Self::effective(server, own)?;
        let bounds = [
            (
                "consumer.heartbeat.interval.ms",
                settings.consumer_heartbeat_interval_ms,
                server.group_consumer_min_heartbeat_interval..=server.group_consumer_max_heartbeat_interval,
            ),
            (
                "consumer.session.timeout.ms",
                settings.consumer_session_timeout_ms,
                server.group_consumer_min_session_timeout..=server.group_consumer_max_session_timeout,
            ),
        ];
        for (name, ms, bounds) in bounds {
            if !bounds.contains(&Duration::from_millis(u64::try_from(ms).unwrap_or(0))) {
                let (least, most) = (bounds.start().as_millis(), bounds.end().as_millis());
                return Err(ConfigError::Conflict(format!("`{name}` is not from {least} to {most}")));
            }
        }
        Ok(settings)
    }

    /// Every setting as DescribeConfigs shows it, in the table's order.
    pub fn entries(&self) -> Vec<Entry> {
        self.own.entries()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_outlives_a_heartbeat() {
        let server = ServerConfig::default();
        let own = |name: &str, text: &str| BTreeMap::from([(name.to_owned(), text.to_owned())]);
        let settings =
            GroupSettings::effective(&server, &own("consumer.session.timeout.ms", "6000")).unwrap();
        assert_eq!(
            (settings.consumer_session_timeout_ms, settings.consumer_heartbeat_interval_ms),
            (6000, 5000)
        );
        assert_eq!(settings.entries()[1].source, Source::Group);
        for (name, text) in [
            ("consumer.session.timeout.ms", "5000"),
            ("consumer.heartbeat.interval.ms", "45000"),
            ("share.session.timeout.ms", "1"),
        ] {
            assert!(GroupSettings::effective(&server, &own(name, text)).is_err(), "{name}={text}");
        }
    }

    #[test]
    fn what_a_group_does_not_set_comes_from_the_server() {
        let shown = |server: &ServerConfig, own: &[(&str, &str)]| {
            let own = own.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
            let entry = GroupSettings::effective(server, &own).unwrap().entries().swap_remove(1);
            let synonyms = entry.synonyms.into_iter();
            let synonyms: Vec<_> =
                synonyms.map(|synonym| (synonym.name, synonym.value.unwrap(), synonym.source)).collect();
            (entry.value.unwrap(), entry.source, synonyms)
        };
        let (group, server) = ("consumer.session.timeout.ms", "group.consumer.session.timeout.ms");
        let default = (server, "45000".to_owned(), Source::Default);
        let plain = ServerConfig::default();
        assert_eq!(shown(&plain, &[]), ("45000".to_owned(), Source::Default, vec![default.clone()]));
        let set = ServerConfig::load(None, Vec::new(), &[format!("{server}=50000")]).unwrap();
        let fixed = (server, "50000".to_owned(), Source::StaticBroker);
        let behind = vec![fixed.clone(), default.clone()];
        assert_eq!(shown(&set, &[]), ("50000".to_owned(), Source::StaticBroker, behind));
        let own = (group, "55000".to_owned(), Source::Group);
        let all = vec![own, fixed, default];
        assert_eq!(shown(&set, &[(group, "55000")]), ("55000".to_owned(), Source::Group, all));
    }

    #[test]
    fn a_new_value_is_within_the_servers_bounds_and_an_old_one_stays() {
        let server = ServerConfig::default();
        for (name, text, allowed) in [
            ("consumer.session.timeout.ms", "44999", false),
            ("consumer.session.timeout.ms", "45000", true),
            ("consumer.session.timeout.ms", "60000", true),
            ("consumer.session.timeout.ms", "60001", false),
            ("consumer.heartbeat.interval.ms", "4999", false),
            ("consumer.heartbeat.interval.ms", "15000", true),
            ("consumer.heartbeat.interval.ms", "15001", false),
        ] {
            let own = BTreeMap::from([(name.to_owned(), text.to_owned())]);
            assert_eq!(GroupSettings::allowed(&server, &own).is_ok(), allowed, "{name}={text}");
            assert!(GroupSettings::effective(&server, &own).is_ok(), "{name}={text}");
        }
    }
}
