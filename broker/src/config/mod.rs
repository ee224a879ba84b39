//! Settings: one row per key, under Kafka's names.
//!
//! ```text
//! defaults ◀ TOML file ◀ KINDRED_… environment ◀ --set ◀ set by clients, for all brokers ◀ for this one
//!      └────────────┬──────────────────────────────┘                       (the right one wins)
//!             checked against the table, key by key
//!                   ▼
//!    ServerConfig (typed fields) ──▶ TopicConfig::effective(server, a topic's own settings), groups' likewise
//!                   │                            │
//!                   └── entries(): name, value, source, synonyms … for DescribeConfigs
//! ```
//!
//! A row of [`server_keys`] or [`topic_keys`] is the only place that knows a key: its type and range, default,
//! documentation and typed field come from there, and so do `--help`, the manual and what the wire shows.
//! A name that no row has is an error that suggests the nearest one; so is a value its row refuses.
//!
//! What clients set is kept by the catalogue; here is only what it means. A server key may change while the
//! broker runs if its row says so, which is where Apache Kafka allows it and the change takes effect at once.

mod alter;
mod client_metrics;
mod describe;
mod group;
mod key;
mod manual;
mod nearest;
mod own;
mod server;
mod sources;
mod topic;
mod value;

pub use alter::{Alteration, NotAList, Operation, altered};
pub use client_metrics::{ClientMetricsConfig, Matches, client_metrics_keys};
pub use describe::{Entry, Source, Synonym};
pub use group::{GroupSettings, group_keys};
pub use key::{ConfigType, Form, Importance, Key, ServerSynonym, Update};
pub use manual::{help, manual};
pub use server::{ServerConfig, server_keys};
pub use sources::Place;
pub use topic::{NoRemoteStorage, ThrottledReplicas, TopicCompression, TopicConfig, topic_keys};
pub use value::{Address, Listener, WebhookUrl};

/// A configuration that cannot be used. Each message is one line for the person who wrote it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// No row has this name.
    #[error("unknown key `{key}` {place}{}", suggestion(.nearest.as_deref()))]
    Unknown {
        /// The name as it was written.
        key: String,
        /// Where it was written.
        place: Place,
        /// The key that was probably meant, if any is close.
        nearest: Option<String>,
    },
    /// The key's row refuses this value.
    #[error("bad value `{value}` for `{key}` {place}: {reason}")]
    BadValue {
        /// The key's name.
        key: &'static str,
        /// The value as it was written; `(hidden)` if the key is sensitive.
        value: String,
        /// Where it was written.
        place: Place,
        /// What the row takes, or what is wrong.
        reason: String,
    },
    /// The key is settled when the broker starts.
    #[error("`{key}` can be set only before the broker starts")]
    ReadOnly {
        /// The key's name.
        key: &'static str,
    },
    /// Two settings contradict each other.
    #[error("{0}")]
    Conflict(String),
    /// A `--set` without `=`.
    #[error("bad argument `--set {0}`: expected KEY=VALUE")]
    Argument(String),
    /// The file cannot be read, or is not TOML.
    #[error("configuration file {path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it, and where.
        reason: String,
    },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default()
}
