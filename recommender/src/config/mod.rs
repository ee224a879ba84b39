//! Every setting of the recommender, one row a key: documentation, default, reading and writing.
//!
//! [`ROWS`] is what the manual, `--help` and the broker's configuration are generated from. The defaults are
//! meant for every data set; the numbers that differ between data sets (half-lives, how much each source
//! counts) are learnt online instead of being set here.

mod rows;
pub mod rules;
mod values;

use thiserror::Error;

use crate::clicks::ClickSettings;
use crate::ingest::action::Actions;
use crate::ingest::parse::Format;
use crate::judging::experiment::Experiment;
use crate::processor::monitors::MonitorRule;
use crate::processor::regressions::RegressionRule;
use crate::processor::risk::RiskRule;
use crate::processor::windowed::WindowRule;
use crate::segment::AgeBands;
use crate::state::notes::Fatigue;
pub use rows::ROWS;
use rules::Rules;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// No such key.
    #[error("unknown key {0}")]
    UnknownKey(String),
    /// A value of the wrong kind or out of range.
    #[error("{key} = {value:?}: {}", .reason.as_deref().unwrap_or(expected))]
    BadValue {
        /// The key.
        key: &'static str,
        /// The value as given.
        value: String,
        /// What it should be.
        expected: &'static str,
        /// What is wrong with it, where that says more.
        reason: Option<String>,
    },
}

impl ConfigError {
    /// What is wrong with the value, where that says more than what is expected.
    pub fn reason(self) -> Option<String> {
        match self {
            Self::BadValue { reason, .. } => reason,
            Self::UnknownKey(_) => None,
        }
    }
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
    pub(crate) topics_formats: Vec<(String, String)>,
    pub(crate) topics_items: Vec<String>,
    pub(crate) topics_users: Vec<String>,
    pub(crate) actions: Actions,
    pub(crate) rating_positive_min: f64,
    pub(crate) rating_negative_max: f64,
    pub(crate) id_bytes_max: usize,
    pub(crate) event_items_max: usize,
    pub(crate) time_ahead_max_ms: i64,
    pub(crate) dedup_ids_max: usize,
    pub(crate) late_max_ms: i64,
    pub(crate) robot_events_max: usize,
    pub(crate) robot_window_ms: i64,
    pub(crate) robot_agents: Vec<String>,
    pub(crate) burst_item_events_max: usize,
    pub(crate) burst_address_events_max: usize,
    pub(crate) burst_window_ms: i64,
    pub(crate) clean_events: bool,
    pub(crate) segment_ages: AgeBands,
    pub(crate) segment_people_min: u32,
    pub(crate) segment_topics: Vec<String>,
    pub(crate) monitors: Rules<MonitorRule>,
    pub(crate) regressions: Rules<RegressionRule>,
    pub(crate) risk: Rules<RiskRule>,
    pub(crate) memory_max: usize,
    pub(crate) users_max: usize,
    pub(crate) items_max: usize,
    pub(crate) history_max: usize,
    pub(crate) window: usize,
    pub(crate) row_max: usize,
    pub(crate) tenants_max: usize,
    pub(crate) hitters_max: usize,
    pub(crate) fatigue: Fatigue,
    pub(crate) exploration: f64,
    pub(crate) clicks: ClickSettings,
    pub(crate) models: Vec<String>,
    pub(crate) models_off: Vec<String>,
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
    pub(crate) experiments: Vec<Experiment>,
    pub(crate) evaluation_clicks: Vec<String>,
    pub(crate) evaluation_conversions: Vec<String>,
    pub(crate) evaluation_window_ms: i64,
    pub(crate) evaluation_attribution_ms: i64,
    pub(crate) evaluation_impressions_max: usize,
    pub(crate) features: bool,
    pub(crate) windows: Rules<WindowRule>,
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
            topics_formats: Vec::new(),
            topics_items: list(&["items"]),
            topics_users: list(&["users"]),
            actions: Actions::default(),
            rating_positive_min: 3.5,
            rating_negative_max: 2.0,
            id_bytes_max: 256,
            event_items_max: 1000,
            time_ahead_max_ms: 3_600_000,
            dedup_ids_max: 262_144,
            late_max_ms: 0,
            robot_events_max: 20_000,
            robot_window_ms: 60_000,
            robot_agents: list(&["bot/", "bot;", "crawler", "spider", "slurp", "headlesschrome"]),
            burst_item_events_max: 0,
            burst_address_events_max: 0,
            burst_window_ms: 10_000,
            clean_events: true,
            segment_ages: AgeBands::default(),
            segment_people_min: 10,
            segment_topics: Vec::new(),
            monitors: Rules::default(),
            regressions: Rules::default(),
            risk: Rules::default(),
            memory_max: 0,
            users_max: 1_000_000,
            items_max: 200_000,
            history_max: 100,
            window: 50,
            row_max: 500,
            tenants_max: 64,
            hitters_max: 0,
            fatigue: Fatigue { times: 0, window_ms: 604_800_000 },
            exploration: 0.0,
            clicks: ClickSettings { weight: 0.0, window_ms: 1_800_000, pending_max: 65_536, bits: 18 },
            models: Vec::new(),
            models_off: Vec::new(),
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
            experiments: Vec::new(),
            evaluation_clicks: list(&["click"]),
            evaluation_conversions: list(&["purchase"]),
            evaluation_window_ms: 3_600_000,
            evaluation_attribution_ms: 86_400_000,
            evaluation_impressions_max: 262_144,
            features: true,
            windows: Rules::default(),
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
    set: fn(&mut Config, &str) -> Result<(), Wrong>,
    /// What it takes, as the end of a sentence.
    pub expected: &'static str,
}

/// Why a row does not take a value.
enum Wrong {
    /// It is not what the row expects.
    Other,
    /// This is wrong with it.
    Because(String),
}

impl Config {
    /// Changes one setting.
    ///
    /// # Errors
    /// [`ConfigError`], in one line that names the key.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        let row =
            ROWS.iter().find(|row| row.key == key).ok_or_else(|| ConfigError::UnknownKey(key.to_owned()))?;
        (row.set)(self, value.trim()).map_err(|wrong| ConfigError::BadValue {
            key: row.key,
            value: value.to_owned(),
            expected: row.expected,
            reason: match wrong {
                Wrong::Other => None,
                Wrong::Because(reason) => Some(reason),
            },
        })
    }

    /// Makes sure that the rules agree with each other: none may write a topic that is read, or what it writes would come
    /// back to it.
    ///
    /// # Errors
    /// What is wrong, in one line that names the rule.
    pub fn check(&self) -> Result<(), String> {
        let regressions = self.regressions.iter().map(|rule| ("regressions", &rule.name, &rule.output));
        let windows = self.windows.iter().map(|rule| ("windows", &rule.name, &rule.output));
        for (key, name, output) in regressions.chain(windows) {
            let is_heard = self.monitors.iter().any(|other| other.topic == *output)
                || self.regressions.iter().any(|other| other.topic == *output)
                || self.windows.iter().any(|other| other.topic == *output);
            if is_heard || self.role(output).is_some() {
                return Err(format!("`recommender.{key}`: rule `{name}` writes `{output}`, which is read"));
            }
        }
        Ok(())
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

    /// How the values of a topic of behaviour are read.
    pub(crate) fn format(&self, topic: &str) -> Format {
        let found = self.topics_formats.iter().find(|(name, _)| name == topic);
        found.and_then(|(_, format)| Format::from_name(format)).unwrap_or_default()
    }

    /// The actions in force.
    pub fn actions(&self) -> &Actions {
        &self.actions
    }
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
    fn no_rule_writes_what_is_read() {
        let check = |settings: &[(&str, &str)]| {
            let mut config = Config::default();
            settings.iter().for_each(|(key, value)| config.set(key, value).unwrap());
            config.check()
        };
        let said = Err("`recommender.regressions`: rule `a` writes `x`, which is read".to_owned());
        assert_eq!(
            check(&[("recommender.regressions", "a: topic=p, b: topic=q output=p.predictions")]),
            Ok(())
        );
        assert_eq!(check(&[("recommender.regressions", "a: topic=p output=x, b: topic=x")]), said);
        let rule = ("recommender.regressions", "a: topic=p output=x");
        assert_eq!(check(&[rule, ("recommender.monitors", "m: topic=x")]), said);
        assert_eq!(check(&[rule, ("recommender.topics.items", "x")]), said);
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
