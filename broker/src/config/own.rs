//! Settings of something that has its own over the server's: a topic, a group, a subscription.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ConfigError;
use super::describe::{Entry, Layers, Source, Synonym, Texts, entry};
use super::key::Key;
use super::server::{ServerConfig, server_keys};
use super::sources::{Place, set};

/// What was set of one table's keys, and the server's settings behind them.
#[derive(Clone, Debug)]
pub(super) struct Own {
    table: &'static [Key],
    texts: Texts,
    server: Arc<Layers>,
    source: Source,
}

impl Own {
    /// Checks `pairs` against `table`, key by key; `source` is what DescribeConfigs calls them.
    ///
    /// # Errors
    /// [`ConfigError`] if a key is unknown, or a value is not what the key takes.
    pub(super) fn read(
        table: &'static [Key],
        server: &ServerConfig,
        pairs: &BTreeMap<String, String>,
        place: &Place,
        source: Source,
    ) -> Result<Self, ConfigError> {
        let mut texts = Texts::new();
        for (name, text) in pairs {
            set(table, &mut texts, name, text, place.clone())?;
        }
        Ok(Self { table, texts, server: Arc::clone(server.layers()), source })
    }

    /// The text in force: its own, else that of the first server synonym that has one, else the default.
    pub(super) fn in_force(&self, key: &Key) -> Option<String> {
        let from_server = || {
            key.synonyms.iter().find_map(|synonym| {
                let text = self.server.in_force(server_key(synonym.name))?;
                Some(if synonym.factor == 1 { text } else { multiplied(&text, synonym.factor) })
            })
        };
        self.texts.get(key.name).cloned().or_else(from_server).or_else(|| key.default.map(str::to_owned))
    }

    /// Every setting as DescribeConfigs shows it, in the table's order.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.table.iter().map(|key| entry(key, self.in_force(key), self.contributions(key))).collect()
    }

    /// Every value that has a say: its own, then the server's in the order they are asked.
    fn contributions(&self, key: &'static Key) -> Vec<Synonym> {
        let shown = |value: &str, source| Synonym { name: key.name, value: Some(value.to_owned()), source };
        let set = self.texts.get(key.name).map(|value| shown(value, self.source));
        let behind =
            key.synonyms.iter().flat_map(|synonym| self.server.contributions(server_key(synonym.name)));
        let default = key.default.map(|value| shown(value, Source::Default));
        set.into_iter().chain(behind).chain(default).collect()
    }
}

/// The value a key has if nobody sets anything: its own default, or that of the first server key behind it.
pub(super) fn built_in(key: &Key) -> Option<&'static str> {
    key.default.or_else(|| key.synonyms.iter().find_map(|synonym| server_key(synonym.name).default))
}

fn server_key(name: &str) -> &'static Key {
    let found = server_keys().iter().find(|key| key.name == name);
    found.unwrap_or_else(|| unreachable!("{name} is in the server's table, as a test checks"))
}

/// A number in a larger unit, in milliseconds; -1 stays -1, since it means "no limit".
fn multiplied(text: &str, factor: i64) -> String {
    match text.parse::<i64>() {
        Ok(number @ 0..) => number.saturating_mul(factor).to_string(),
        _ => text.to_owned(),
    }
}
