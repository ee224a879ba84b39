//! Settings of a subscription to clients' metrics (KIP-714).
//!
//! They are checked, kept and shown, so that tools which manage them work. No client is asked for metrics: the
//! telemetry APIs are not served.

use std::collections::BTreeMap;

use super::ConfigError;
use super::describe::{Entry, Source};
use super::key::{ConfigType, Form, Key, keys};
use super::own::Own;
use super::server::ServerConfig;
use super::sources::Place;
use super::value::Value;

/// What a client can be chosen by.
const MATCHED: [&str; 6] = [
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

keys! {
    /// The settings of one subscription, checked. Made by [`ClientMetricsConfig::effective`].
    pub struct ClientMetricsConfig, table CLIENT_METRICS_KEYS, Dynamic, keeps own: Own;

    /// How often clients are to send, in milliseconds.
    interval_ms: i32 = "interval.ms", Some("300000"), Form::Int(100, 3_600_000), Medium;
    /// Which clients are asked: `attribute=pattern`, several with commas between; nothing is every client.
    matches: Matches = "match", Some(""),
        Form::Other(ConfigType::List, "client_id=PATTERN or the like, several with commas between"), Medium;
    /// Prefixes of the metrics asked for, with commas between; `*` is all of them, nothing none.
    metrics: String = "metrics", Some(""), Form::Other(ConfigType::List, "prefixes with commas between"), Medium;
}

/// Every key of a subscription.
pub fn client_metrics_keys() -> &'static [Key] {
    CLIENT_METRICS_KEYS
}

/// Attributes of a client and the patterns they are to match, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matches(pub Vec<(String, String)>);

impl Value for Matches {
    fn read(text: &str, _: &str) -> Option<Self> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let pair = |item: &str| {
            let (attribute, pattern) = item.split_once('=')?;
            let (attribute, pattern) = (attribute.trim(), pattern.trim());
            MATCHED.contains(&attribute).then(|| (attribute.to_owned(), pattern.to_owned()))
        };
        items.map(pair).collect::<Option<_>>().map(Self)
    }
}

impl ClientMetricsConfig {
    /// What a subscription with these settings asks for.
    ///
    /// # Errors
    /// [`ConfigError`] if a key is unknown, or a value is not what the key takes.
    pub fn effective(server: &ServerConfig, own: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let own = Own::read(CLIENT_METRICS_KEYS, server, own, &Place::ClientMetrics, Source::ClientMetrics)?;
        Ok(Self::from_text(|key| own.in_force(key), own.clone()))
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
    fn subscriptions_are_checked() {
        for (name, text, good) in [
            ("interval.ms", "100", true),
            ("interval.ms", "99", false),
            ("metrics", "org.apache.kafka.consumer.", true),
            ("match", "client_id=a.*,client_software_name=java", true),
            ("match", "", true),
            ("match", "colour=red", false),
            ("matches", "", false),
        ] {
            let own = BTreeMap::from([(name.to_owned(), text.to_owned())]);
            let config = ClientMetricsConfig::effective(&ServerConfig::default(), &own);
            assert_eq!(config.is_ok(), good, "{name}={text}");
        }
    }
}
