//! Settings of a group: what KIP-848 lets each group set for itself.
//!
//! Left out: the settings of share and streams groups, which are not served.

use std::collections::BTreeMap;

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
}
