//! Figures over windows of any topic, by rules: `recommender.windows`.
//!
//! ```text
//! message ─▶ time, key, number ─▶ windows (see crate::windows) ─▶ those the watermark has passed ─▶ the rule's topic
//! ```
//! Each rule has windows of its own. What is late goes where the rule says: nowhere, counted, or to the dead letters.

use serde::Serialize;

use super::dead_letter;
use super::document::{Document, Places};
use super::emission::{Body, Emission};
use super::operator::Operator;
use super::topics;
use crate::config::Config;
use crate::config::rules::Rule;
use crate::ingest::rejection::Rejection;
use crate::recommender::Incoming;
use crate::state::snapshot::{Reader, SnapshotError, Writer};
use crate::windows::{Cut, Figure, Settings, Taken, Told, Windows};

/// The longest length of time in a rule: a year.
const SPAN_MAX_MS: i64 = 366 * 86_400_000;
/// Most windows that one number is in.
const OVERLAP_MAX: i64 = 1000;

/// One rule of `recommender.windows`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WindowRule {
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) output: String,
    places: Places,
    figure: (&'static str, Figure),
    settings: Settings,
    late_is_dead: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Tumbling,
    Hopping,
    Sliding,
    Session,
}

/// The figures there are, by name.
const FIGURES: [(&str, Figure); 7] = [
    ("count", Figure::Count),
    ("sum", Figure::Sum),
    ("avg", Figure::Average),
    ("min", Figure::Least),
    ("max", Figure::Greatest),
    ("first", Figure::First),
    ("last", Figure::Last),
];

impl WindowRule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(rule: &mut Rule) -> Result<Self, String> {
        let topic = rule.required_topic("topic")?;
        let output = rule.topic("output")?.unwrap_or_else(|| topics::WINDOWS.to_owned());
        let figure = rule.choice("aggregate", &FIGURES.map(|(name, figure)| (name, (name, figure))))?;
        let places = Places::read(rule)?;
        if places.field.is_none() && figure.1 != Figure::Count {
            return Err(format!("field `field` is missing: {} of what?", figure.0));
        }
        let kinds = [
            ("tumbling", Kind::Tumbling),
            ("hopping", Kind::Hopping),
            ("sliding", Kind::Sliding),
            ("session", Kind::Session),
        ];
        let kind = rule.choice("window", &kinds)?;
        let size_ms = rule.millis("size", 60_000, 1, SPAN_MAX_MS)?;
        let advance_ms = rule.millis("advance", size_ms, 1, SPAN_MAX_MS)?;
        if advance_ms > size_ms || size_ms / advance_ms > OVERLAP_MAX {
            return Err(format!("field `advance` is more than `size`, or less than its {OVERLAP_MAX}th"));
        }
        let cut = match kind {
            Kind::Hopping => Cut::Hopping { size_ms, advance_ms },
            _ if advance_ms != size_ms => return Err("field `advance` is for `window=hopping`".to_owned()),
            Kind::Tumbling => Cut::Tumbling { size_ms },
            Kind::Sliding => Cut::Sliding { size_ms },
            Kind::Session => Cut::Session { gap_ms: size_ms },
        };
        let settings = Settings {
            cut,
            delay_ms: rule.millis("delay", 0, 0, SPAN_MAX_MS)?,
            grace_ms: rule.millis("grace", 60_000, 0, SPAN_MAX_MS)?,
            windows_max: rule.number("windows", 100_000, 1, 10_000_000)?,
        };
        Ok(Self {
            name: rule.name.clone(),
            topic,
            output,
            places,
            figure,
            settings,
            late_is_dead: rule.choice("late", &[("count", false), ("dead-letter", true)])?,
        })
    }
}

/// Windows of every rule.
#[derive(Debug)]
pub(super) struct Windowed {
    rules: Vec<(WindowRule, Windows)>,
    time_ahead_max_ms: i64,
    told: Vec<Told>,
}

/// A figure, as it is written.
#[derive(Serialize)]
struct Written<'a> {
    rule: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    key: &'a str,
    window_start: i64,
    window_end: i64,
    aggregate: &'static str,
    value: f64,
    count: u64,
}

impl Windowed {
    pub(super) fn new(config: &Config) -> Self {
        let windows = |rule: &WindowRule| (rule.clone(), Windows::new(rule.settings));
        Self {
            rules: config.windows.iter().map(windows).collect(),
            time_ahead_max_ms: config.time_ahead_max_ms,
            told: Vec::new(),
        }
    }
}

impl WindowRule {
    fn write(&self, told: &Told) -> Emission {
        let (rule, key) = (self.name.as_str(), &*told.key);
        let value = told.totals.and_then(|totals| {
            let (aggregate, value) = (self.figure.0, totals.figure(self.figure.1));
            let (window_start, window_end, count) = (told.start_ms, told.end_ms, totals.count());
            let written = Written { rule, key, window_start, window_end, aggregate, value, count };
            serde_json::to_vec(&written).ok()
        });
        let key = Some(format!("{rule}|{}|{key}", told.start_ms).into_bytes());
        let body = Body::Own { key, value, time_ms: told.end_ms - 1 };
        Emission { topic: self.output.clone().into(), body, headers: Vec::new() }
    }
}

impl Operator for Windowed {
    fn name(&self) -> &'static str {
        "windows"
    }

    fn listens(&self, topic: &str) -> bool {
        self.rules.iter().any(|(rule, _)| rule.topic == topic)
    }

    fn hear(&mut self, message: &Incoming<'_>, out: &mut Vec<Emission>) {
        let document = Document::new(message);
        for (rule, windows) in self.rules.iter_mut().filter(|(rule, _)| rule.topic == message.topic) {
            let taken = match document.observation(&rule.places, &rule.name, self.time_ahead_max_ms) {
                Ok(None) => continue,
                Ok(Some(seen)) => windows.add(&seen.key, seen.time_ms, seen.number),
                Err(rejection) => {
                    out.push(dead_letter::whole(message, &rejection));
                    continue;
                }
            };
            if taken == Taken::Late && rule.late_is_dead {
                out.push(dead_letter::whole(message, &Rejection::LateForWindow { rule: rule.name.clone() }));
            }
            windows.close(&mut self.told);
            out.extend(self.told.drain(..).map(|told| rule.write(&told)));
        }
    }

    fn forget(&mut self, _: Option<&str>, user: &str) {
        self.rules.iter_mut().for_each(|(_, windows)| windows.forget(user));
    }

    fn size_bytes(&self) -> usize {
        self.rules.iter().map(|(_, windows)| windows.size_bytes()).sum()
    }

    fn save(&self, out: &mut Writer) {
        self.rules.iter().for_each(|(_, windows)| windows.save(out));
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.rules.iter_mut().try_for_each(|(_, windows)| windows.load(input))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::Processor;
    use super::*;
    use crate::ingest::Position;

    fn processor(rules: &str) -> Processor {
        let mut config = Config::default();
        config.set("recommender.windows", rules).expect("good rules");
        Processor::new(config)
    }

    /// Topic, key and value (or the header `kindred.reason`) of what is written because of a message.
    fn hear(processor: &mut Processor, value: &str, time_ms: i64) -> Vec<(String, String, Value)> {
        let position = Position { source: "orders-0", offset: 0 };
        let (topic, value) = ("orders", Some(value.as_bytes()));
        let message = Incoming { topic, position, key: None, value, headers: &[], time_ms };
        let mut out = Vec::new();
        processor.process(&message, &mut out).expect("a topic of no role");
        let told = |one: Emission| match one.body {
            Body::Own { key: Some(key), value, .. } => {
                let value = value.map_or(Value::Null, |value| serde_json::from_slice(&value).expect("JSON"));
                (one.topic.into_owned(), String::from_utf8(key).expect("text"), value)
            }
            _ => (one.topic.to_string(), String::new(), one.refused_because().unwrap_or_default().into()),
        };
        out.into_iter().map(told).collect()
    }

    #[test]
    fn sums_by_key_and_minute() {
        let rule =
            "revenue: topic=orders field=total by=shop window=tumbling size=1m aggregate=sum output=sums";
        let mut one = processor(rule);
        for (shop, total, time_ms) in [("a", 5, 1000), ("b", 7, 2000), ("a", 6, 59_999)] {
            assert_eq!(hear(&mut one, &format!(r#"{{"shop":"{shop}","total":{total}}}"#), time_ms), []);
        }
        assert_eq!(hear(&mut one, r#"{"shop":"a"}"#, 60_000), [], "no number, and none of its business");
        let told = hear(&mut one, r#"{"shop":"a","total":1}"#, 60_000);
        let keys: Vec<_> = told.iter().map(|(topic, key, _)| (topic.as_str(), key.as_str())).collect();
        assert_eq!(keys, [("sums", "revenue|0|a"), ("sums", "revenue|0|b")]);
        let expected = r#"{"rule":"revenue","key":"a","window_start":0,"window_end":60000,"aggregate":"sum","value":11.0,"count":2}"#;
        assert_eq!(told[0].2, serde_json::from_str::<Value>(expected).expect("JSON"));
        let corrected = hear(&mut one, r#"{"shop":"b","total":1}"#, 3000);
        assert_eq!(corrected[0].2["value"], 8.0, "within its grace");
    }

    #[test]
    fn what_is_late_is_a_dead_letter_if_the_rule_says_so() {
        for (late, expected) in [("count", vec![]), ("dead-letter", vec!["late-for-window"])] {
            let mut one = processor(&format!("n: topic=orders size=10s grace=0s late={late}"));
            hear(&mut one, "{}", 1000);
            hear(&mut one, "{}", 20_000);
            let told = hear(&mut one, "{}", 2000);
            assert_eq!(told.iter().map(|(_, _, reason)| reason).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn what_was_saved_goes_on_and_a_forgotten_key_is_gone() {
        let rule = "visits: topic=orders by=user window=session size=30s";
        let mut one = processor(rule);
        hear(&mut one, r#"{"user":"u"}"#, 1000);
        hear(&mut one, r#"{"user":"v"}"#, 2000);
        let mut bytes = Vec::new();
        one.save(&mut bytes);
        let mut config = Config::default();
        config.set("recommender.windows", rule).expect("a good rule");
        let mut two = Processor::load(config, &bytes).expect("what was saved");
        for one in [&mut one, &mut two] {
            let position = Position { source: "users-0", offset: 0 };
            let (topic, key) = ("users", Some(&b"u"[..]));
            let gone = Incoming { topic, position, key, value: None, headers: &[], time_ms: 0 };
            one.process(&gone, &mut Vec::new()).expect("a good record");
            let told = hear(one, r#"{"user":"w"}"#, 90_000);
            assert_eq!(told.iter().map(|(_, key, _)| key.as_str()).collect::<Vec<_>>(), ["visits|2000|v"]);
            assert_eq!(told[0].0, topics::WINDOWS);
        }
    }

    #[test]
    fn wrong_rules_are_told() {
        for (rule, said) in [
            ("a: topic=x aggregate=sum", "field `field` is missing"),
            ("a: topic=x window=hopping size=1m advance=2m", "field `advance`"),
            ("a: topic=x advance=10s", "field `advance` is for `window=hopping`"),
            ("a: topic=x size=0s", "field `size`"),
            ("a: topic=x window=round", "not one of tumbling, hopping, sliding, session"),
        ] {
            let error = Config::default().set("recommender.windows", rule).expect_err(rule);
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
