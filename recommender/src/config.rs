//! Every setting of the recommender, one row a key: documentation, default, reading and writing.
//!
//! [`ROWS`] is what the manual, `--help` and the broker's configuration are generated from. The defaults are
//! meant for every data set; the numbers that differ between data sets (half-lives, how much each source
//! counts) are learnt online instead of being set here.

use thiserror::Error;

use crate::cooccurrence::ROW_MAX;
use crate::ingest::action::Actions;
use crate::models::optional_of;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// No such key.
    #[error("unknown key {0}")]
    UnknownKey(String),
    /// A value of the wrong kind or out of range.
    #[error("{key} = {value:?}: {expected}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// The value as given.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

/// What the records of a topic hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicRole<'c> {
    /// Behaviour events; the action is for events that name none.
    Behaviour {
        /// Implied by the topic's name.
        action: Option<&'c str>,
    },
    /// Attributes of items.
    Items,
    /// Attributes of users.
    Users,
}

/// The settings in force. Make one with [`Config::default`] and [`Config::set`].
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub(crate) topics_events: Vec<String>,
    pub(crate) topics_actions: Vec<(String, String)>,
    pub(crate) topics_items: Vec<String>,
    pub(crate) topics_users: Vec<String>,
    pub(crate) actions: Actions,
    pub(crate) rating_positive_min: f64,
    pub(crate) rating_negative_max: f64,
    pub(crate) id_bytes_max: usize,
    pub(crate) event_items_max: usize,
    pub(crate) time_ahead_max_ms: i64,
    pub(crate) dedup_ids_max: usize,
    pub(crate) memory_max: usize,
    pub(crate) users_max: usize,
    pub(crate) items_max: usize,
    pub(crate) history_max: usize,
    pub(crate) window: usize,
    pub(crate) row_max: usize,
    pub(crate) models: Vec<String>,
    pub(crate) ease_items_max: usize,
    pub(crate) ease_lambda: f64,
    pub(crate) als_factors: usize,
    pub(crate) als_alpha: f64,
    pub(crate) als_lambda: f64,
    pub(crate) bpr_factors: usize,
    pub(crate) bpr_rate: f64,
    pub(crate) bpr_lambda: f64,
    pub(crate) sgd_factors: usize,
    pub(crate) sgd_rate: f64,
    pub(crate) sgd_lambda: f64,
    pub(crate) user_user_neighbours: usize,
}

impl Default for Config {
    fn default() -> Self {
        let list = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let pairs =
            |words: &[(&str, &str)]| words.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect();
        Self {
            topics_events: list(&["user_behavior", "recommendation"]),
            topics_actions: pairs(&[
                ("viewed-movies", "view"),
                ("watched-movies", "view"),
                ("rated-movies", "rate"),
                ("favorite-movies", "favorite"),
            ]),
            topics_items: list(&["items"]),
            topics_users: list(&["users"]),
            actions: Actions::default(),
            rating_positive_min: 3.5,
            rating_negative_max: 2.0,
            id_bytes_max: 256,
            event_items_max: 1000,
            time_ahead_max_ms: 3_600_000,
            dedup_ids_max: 262_144,
            memory_max: 0,
            users_max: 1_000_000,
            items_max: 200_000,
            history_max: 100,
            window: 50,
            row_max: 500,
            models: Vec::new(),
            ease_items_max: 2048,
            ease_lambda: 500.0,
            als_factors: 64,
            als_alpha: 0.2,
            als_lambda: 2.0,
            bpr_factors: 64,
            bpr_rate: 0.05,
            bpr_lambda: 0.01,
            sgd_factors: 32,
            sgd_rate: 0.01,
            sgd_lambda: 0.05,
            user_user_neighbours: 80,
        }
    }
}

/// One key.
pub struct ConfigRow {
    /// Its name, Kafka-style.
    pub key: &'static str,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
    /// Its present value, as text that [`Config::set`] accepts.
    pub get: fn(&Config) -> String,
    set: fn(&mut Config, &str) -> Option<()>,
    expected: &'static str,
}

/// Every key.
pub const ROWS: &[ConfigRow] = &[
    ConfigRow {
        key: "recommender.topics.events",
        doc: "Topics of behaviour events that name their action themselves.",
        get: |c| c.topics_events.join(","),
        set: |c, v| put(&mut c.topics_events, Some(words(v))),
        expected: "a list of topics",
    },
    ConfigRow {
        key: "recommender.topics.actions",
        doc: "Topics whose name implies the action of their events, as topic:action.",
        get: |c| join_pairs(&c.topics_actions),
        set: |c, v| put(&mut c.topics_actions, split_pairs(v)),
        expected: "a list of topic:action",
    },
    ConfigRow {
        key: "recommender.topics.items",
        doc: "Topics of item attributes, keyed by item id; a record without value removes the item.",
        get: |c| c.topics_items.join(","),
        set: |c, v| put(&mut c.topics_items, Some(words(v))),
        expected: "a list of topics",
    },
    ConfigRow {
        key: "recommender.topics.users",
        doc: "Topics of user attributes, keyed by user id; a record without value forgets the user.",
        get: |c| c.topics_users.join(","),
        set: |c, v| put(&mut c.topics_users, Some(words(v))),
        expected: "a list of topics",
    },
    ConfigRow {
        key: "recommender.action.weights",
        doc: "How much each action says, as action:weight. Positive is learnt, zero is only counted, negative \
              lowers the item and its like. An action without a weight is refused.",
        get: |c| {
            c.actions.iter().map(|(word, weight)| format!("{word}:{weight}")).collect::<Vec<_>>().join(",")
        },
        set: |c, v| {
            let mut actions = c.actions.clone();
            for (word, weight) in split_pairs(v)? {
                actions.set(&word, weight.parse().ok()?).then_some(())?;
            }
            put(&mut c.actions, Some(actions))
        },
        expected: "a list of action:weight, at most 256 actions",
    },
    ConfigRow {
        key: "recommender.rating.positive.min",
        doc: "A `rate` event with a value from here on counts as liked.",
        get: |c| c.rating_positive_min.to_string(),
        set: |c, v| put(&mut c.rating_positive_min, finite(v)),
        expected: "a number",
    },
    ConfigRow {
        key: "recommender.rating.negative.max",
        doc: "A `rate` event with a value up to here counts as disliked; between the two it is only counted.",
        get: |c| c.rating_negative_max.to_string(),
        set: |c, v| put(&mut c.rating_negative_max, finite(v)),
        expected: "a number",
    },
    ConfigRow {
        key: "recommender.id.bytes.max",
        doc: "Longest id accepted, in bytes.",
        get: |c| c.id_bytes_max.to_string(),
        set: |c, v| put(&mut c.id_bytes_max, within(v, 1, 4096)),
        expected: "1 to 4096",
    },
    ConfigRow {
        key: "recommender.event.items.max",
        doc: "Most lines in one event.",
        get: |c| c.event_items_max.to_string(),
        set: |c, v| put(&mut c.event_items_max, within(v, 1, 100_000)),
        expected: "1 to 100000",
    },
    ConfigRow {
        key: "recommender.time.ahead.max.ms",
        doc: "How far an event's time may lie after its record's.",
        get: |c| c.time_ahead_max_ms.to_string(),
        set: |c, v| put(&mut c.time_ahead_max_ms, within(v, 0, 1 << 42).map(|ms| ms as i64)),
        expected: "0 or more milliseconds",
    },
    ConfigRow {
        key: "recommender.dedup.ids.max",
        doc: "How many event ids are remembered to recognise duplicates; 17 bytes each. 0 turns it off.",
        get: |c| c.dedup_ids_max.to_string(),
        set: |c, v| put(&mut c.dedup_ids_max, within(v, 0, 1 << 28)),
        expected: "0 to 268435456",
    },
    ConfigRow {
        key: "recommender.memory.max",
        doc: "Most bytes of what is learnt, going by how much there is of it: less is held. Beyond it the twentieth of \
              the users or of the items that was idle longest is forgotten, of whichever take more. 0: as many bytes \
              as the other bounds allow. Models with memory of their own come on top.",
        get: |c| c.memory_max.to_string(),
        set: |c, v| put(&mut c.memory_max, within(v, 0, 1 << 40)),
        expected: "0 to 1099511627776",
    },
    ConfigRow {
        key: "recommender.users.max",
        doc: "Most users kept. Beyond it the twentieth that was idle longest is forgotten.",
        get: |c| c.users_max.to_string(),
        set: |c, v| put(&mut c.users_max, within(v, 20, 1 << 28)),
        expected: "20 to 268435456",
    },
    ConfigRow {
        key: "recommender.items.max",
        doc: "Most items kept. Beyond it the twentieth that was idle longest is forgotten.",
        get: |c| c.items_max.to_string(),
        set: |c, v| put(&mut c.items_max, within(v, 20, 1 << 26)),
        expected: "20 to 67108864",
    },
    ConfigRow {
        key: "recommender.user.history.max",
        doc: "How many of a user's events are kept.",
        get: |c| c.history_max.to_string(),
        set: |c, v| put(&mut c.history_max, within(v, 1, 1 << 20)),
        expected: "1 to 1048576",
    },
    ConfigRow {
        key: "recommender.cooccurrence.window",
        doc: "With how many of the user's items before it an item is counted as occurring together.",
        get: |c| c.window.to_string(),
        set: |c, v| put(&mut c.window, within(v, 1, 1 << 20)),
        expected: "1 to 1048576",
    },
    ConfigRow {
        key: "recommender.cooccurrence.row.max",
        doc: "How many neighbours an item keeps; the weakest are dropped.",
        get: |c| c.row_max.to_string(),
        set: |c, v| put(&mut c.row_max, within(v, 4, ROW_MAX)),
        expected: "4 to 50000",
    },
    ConfigRow {
        key: "recommender.models",
        doc: "Models with memory of their own that are on, beside those that always are. Each costs bytes or time.",
        get: |c| c.models.join(","),
        set: |c, v| put(&mut c.models, known_models(v)),
        expected: "a list of models, each one of those of the manual of the recommender",
    },
    ConfigRow {
        key: "recommender.ease.items.max",
        doc: "How many items `ease` goes over, those with most users; 8 bytes for each pair of them.",
        get: |c| c.ease_items_max.to_string(),
        set: |c, v| put(&mut c.ease_items_max, within(v, 2, 16_384)),
        expected: "2 to 16384",
    },
    ConfigRow {
        key: "recommender.ease.lambda",
        doc: "How strongly `ease` is regularised.",
        get: |c| c.ease_lambda.to_string(),
        set: |c, v| put(&mut c.ease_lambda, positive(v)),
        expected: "a number above 0",
    },
    ConfigRow {
        key: "recommender.als.factors",
        doc: "Numbers in a vector of `als`.",
        get: |c| c.als_factors.to_string(),
        set: |c, v| put(&mut c.als_factors, within(v, 1, 512)),
        expected: "1 to 512",
    },
    ConfigRow {
        key: "recommender.als.alpha",
        doc: "What `als` makes of a pair nobody has acted on: its weight where a like weighs 1.",
        get: |c| c.als_alpha.to_string(),
        set: |c, v| put(&mut c.als_alpha, positive(v)),
        expected: "a number above 0",
    },
    ConfigRow {
        key: "recommender.als.lambda",
        doc: "How strongly `als` is regularised.",
        get: |c| c.als_lambda.to_string(),
        set: |c, v| put(&mut c.als_lambda, positive(v)),
        expected: "a number above 0",
    },
    ConfigRow {
        key: "recommender.bpr.factors",
        doc: "Numbers in a vector of `bpr`.",
        get: |c| c.bpr_factors.to_string(),
        set: |c, v| put(&mut c.bpr_factors, within(v, 1, 512)),
        expected: "1 to 512",
    },
    ConfigRow {
        key: "recommender.bpr.rate",
        doc: "The step of `bpr`.",
        get: |c| c.bpr_rate.to_string(),
        set: |c, v| put(&mut c.bpr_rate, positive(v)),
        expected: "a number above 0",
    },
    ConfigRow {
        key: "recommender.bpr.lambda",
        doc: "How strongly `bpr` is regularised.",
        get: |c| c.bpr_lambda.to_string(),
        set: |c, v| put(&mut c.bpr_lambda, positive(v)),
        expected: "a number above 0",
    },
    ConfigRow {
        key: "recommender.sgd.factors",
        doc: "Numbers in a vector of `biased-sgd`.",
        get: |c| c.sgd_factors.to_string(),
        set: |c, v| put(&mut c.sgd_factors, within(v, 1, 512)),
        expected: "1 to 512",
    },
    ConfigRow {
        key: "recommender.sgd.rate",
        doc: "The step of `biased-sgd`.",
        get: |c| c.sgd_rate.to_string(),
        set: |c, v| put(&mut c.sgd_rate, positive(v)),
        expected: "a number above 0",
    },
    ConfigRow {
        key: "recommender.sgd.lambda",
        doc: "How strongly `biased-sgd` is regularised.",
        get: |c| c.sgd_lambda.to_string(),
        set: |c, v| put(&mut c.sgd_lambda, positive(v)),
        expected: "a number above 0",
    },
    ConfigRow {
        key: "recommender.user-user.neighbours",
        doc: "How many nearest users count in `user-user`.",
        get: |c| c.user_user_neighbours.to_string(),
        set: |c, v| put(&mut c.user_user_neighbours, within(v, 1, 1 << 28)),
        expected: "1 to 268435456",
    },
];

impl Config {
    /// Changes one setting.
    ///
    /// # Errors
    /// [`ConfigError`], in one line that names the key.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        let row =
            ROWS.iter().find(|row| row.key == key).ok_or_else(|| ConfigError::UnknownKey(key.to_owned()))?;
        let bad = || ConfigError::BadValue { key: row.key, value: value.to_owned(), expected: row.expected };
        (row.set)(self, value.trim()).ok_or_else(bad)
    }

    /// Every topic that is read.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        let lists = [&self.topics_events, &self.topics_items, &self.topics_users];
        let mapped = self.topics_actions.iter().map(|(topic, _)| topic.as_str());
        lists.into_iter().flatten().map(String::as_str).chain(mapped)
    }

    /// What the records of a topic hold; `None` if it is not read.
    pub fn role(&self, topic: &str) -> Option<TopicRole<'_>> {
        let has = |list: &[String]| list.iter().any(|name| name == topic);
        if let Some((_, action)) = self.topics_actions.iter().find(|(name, _)| name == topic) {
            return Some(TopicRole::Behaviour { action: Some(action) });
        }
        if has(&self.topics_events) {
            return Some(TopicRole::Behaviour { action: None });
        }
        if has(&self.topics_items) {
            return Some(TopicRole::Items);
        }
        has(&self.topics_users).then_some(TopicRole::Users)
    }

    /// The actions in force.
    pub fn actions(&self) -> &Actions {
        &self.actions
    }
}

/// Sets a field if there is a value for it.
fn put<T>(field: &mut T, value: Option<T>) -> Option<()> {
    *field = value?;
    Some(())
}

fn words(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn split_pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |word: String| {
        let (left, right) = word.rsplit_once(':')?;
        Some((left.trim().to_owned(), right.trim().to_owned()))
    };
    words(text).into_iter().map(pair).collect()
}

fn join_pairs(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(left, right)| format!("{left}:{right}")).collect::<Vec<_>>().join(",")
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

fn positive(text: &str) -> Option<f64> {
    finite(text).filter(|&value| value > 0.0)
}

fn known_models(text: &str) -> Option<Vec<String>> {
    let names = words(text);
    names.iter().all(|name| optional_of(name).is_some()).then_some(names)
}

fn within(text: &str, min: usize, max: usize) -> Option<usize> {
    text.parse().ok().filter(|value| (min..=max).contains(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_accepts_its_own_default() {
        let default = Config::default();
        for row in ROWS {
            let mut config = Config::default();
            config.set(row.key, &(row.get)(&default)).unwrap();
            assert_eq!(config, default, "{}", row.key);
        }
    }

    #[test]
    fn wrong_values_name_their_key() {
        let mut config = Config::default();
        let said = |config: &mut Config, key, value| config.set(key, value).unwrap_err().to_string();
        assert_eq!(said(&mut config, "recommender.colour", "red"), "unknown key recommender.colour");
        assert_eq!(
            said(&mut config, "recommender.users.max", "3"),
            "recommender.users.max = \"3\": 20 to 268435456"
        );
        assert!(config.set("recommender.action.weights", "click:much").is_err());
        assert!(config.set("recommender.action.weights", "click:5, levitate:1").is_ok());
        assert!(config.actions().find("levitate").is_some());
    }

    #[test]
    fn topics_have_roles() {
        let config = Config::default();
        assert_eq!(config.role("user_behavior"), Some(TopicRole::Behaviour { action: None }));
        assert_eq!(config.role("rated-movies"), Some(TopicRole::Behaviour { action: Some("rate") }));
        assert_eq!(config.role("items"), Some(TopicRole::Items));
        assert_eq!(config.role("kindred.hot"), None);
        assert_eq!(config.topics().count(), 8);
    }
}
