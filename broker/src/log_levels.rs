//! The levels of the log, which clients may change while the broker runs (KIP-412).
//!
//! A level is set for a logger, which is a part of the program (`broker::net`), or for `root`, which stands for
//! the parts that have none of their own. As in Apache Kafka, what is set so lasts until the broker stops.
//!
//! The log is the process's, so this is too: [`install`] is called once, by whoever starts the log; without it
//! levels can be asked for and set, and nothing is written anyway.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;

/// The logger of all parts that have no level of their own.
pub(crate) const ROOT: &str = "root";
/// The loggers that can be set.
const LOGGERS: [&str; 10] = [
    ROOT,
    "broker",
    "broker::admin",
    "broker::catalog",
    "broker::coordinator",
    "broker::feed",
    "broker::handlers",
    "broker::net",
    "recommender",
    "storage",
];

/// Kafka's names of levels. There is no level above `error` here, so `FATAL` is the same.
const LEVELS: [(&str, LevelFilter); 7] = [
    ("TRACE", LevelFilter::TRACE),
    ("DEBUG", LevelFilter::DEBUG),
    ("INFO", LevelFilter::INFO),
    ("WARN", LevelFilter::WARN),
    ("ERROR", LevelFilter::ERROR),
    ("FATAL", LevelFilter::ERROR),
    ("OFF", LevelFilter::OFF),
];

static STATE: Mutex<State> = Mutex::new(State { base: String::new(), set: BTreeMap::new(), apply: None });

struct State {
    /// The filter that the log was started with.
    base: String,
    /// What was set since, by logger.
    set: BTreeMap<&'static str, LevelFilter>,
    apply: Option<Box<dyn Fn(EnvFilter) + Send>>,
}

/// Takes charge of a log that was started with the filter `base`; `apply` puts another in its place.
pub(crate) fn install(base: String, apply: impl Fn(EnvFilter) + Send + 'static) {
    let mut state = STATE.lock();
    state.base = base;
    state.apply = Some(Box::new(apply));
}

/// The logger of this name.
pub(crate) fn logger(name: &str) -> Option<&'static str> {
    LOGGERS.into_iter().find(|logger| *logger == name)
}

/// The level with Kafka's name for it.
pub(crate) fn level(name: &str) -> Option<LevelFilter> {
    LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
}

/// Kafka's names of all levels, for messages.
pub(crate) fn level_names() -> String {
    LEVELS.map(|(name, _)| name).join(", ")
}

/// Each logger with the name of the level in force.
pub(crate) fn levels() -> Vec<(&'static str, &'static str)> {
    let state = STATE.lock();
    LOGGERS.map(|logger| (logger, name_of(state.level(logger)))).to_vec()
}

/// Sets levels; `None` goes back to the one that the logger would have otherwise.
pub(crate) fn set(changes: &[(&'static str, Option<LevelFilter>)]) {
    let mut state = STATE.lock();
    for (logger, level) in changes {
        match level {
            Some(level) => state.set.insert(logger, *level),
            None => state.set.remove(logger),
        };
    }
    if let Some(apply) = &state.apply {
        apply(EnvFilter::new(state.directives()));
    }
}

fn name_of(level: LevelFilter) -> &'static str {
    let found = LEVELS.iter().find(|(_, known)| *known == level);
    found.map_or("OFF", |(name, _)| name)
}

impl State {
    /// The filter as text: later directives replace earlier ones for the same part.
    fn directives(&self) -> String {
        let mut directives = self.base.clone();
        for (logger, level) in &self.set {
            let separator = if directives.is_empty() { "" } else { "," };
            let part = if *logger == ROOT { String::new() } else { format!("{logger}=") };
            directives.push_str(&format!("{separator}{part}{level}"));
        }
        directives
    }

    fn level(&self, logger: &str) -> LevelFilter {
        // The filter's own syntax has more; what levels it names, this one reads too.
        let targets: Targets = self.directives().parse().unwrap_or_default();
        if logger == ROOT {
            return targets.default_level().unwrap_or(LevelFilter::OFF);
        }
        [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR]
            .into_iter()
            .find(|level| targets.would_enable(logger, level))
            .map_or(LevelFilter::OFF, LevelFilter::from_level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logger_has_its_own_level_or_that_above() {
        let mut state = State { base: "info,storage=warn".into(), set: BTreeMap::new(), apply: None };
        let levels =
            |state: &State| ["root", "broker::net", "storage"].map(|name| name_of(state.level(name)));
        assert_eq!(levels(&state), ["INFO", "INFO", "WARN"]);
        state.set.insert("broker", LevelFilter::DEBUG);
        assert_eq!(levels(&state), ["INFO", "DEBUG", "WARN"]);
        state.set.insert(ROOT, LevelFilter::ERROR);
        state.set.insert("storage", LevelFilter::OFF);
        assert_eq!(levels(&state), ["ERROR", "DEBUG", "OFF"]);
        assert_eq!(state.directives(), "info,storage=warn,broker=debug,error,storage=off");
        state.set.clear();
        assert_eq!(levels(&state), ["INFO", "INFO", "WARN"]);
    }

    #[test]
    fn names_are_kafkas() {
        assert_eq!(level("WARN"), Some(LevelFilter::WARN));
        assert_eq!(level("FATAL"), Some(LevelFilter::ERROR));
        assert!(level("warn").is_none() && level("LOUD").is_none());
        assert!(logger("broker::net").is_some() && logger("kafka.server").is_none());
    }
}
