//! Figures over windows of any topic, by rules: `recommender.windows`.
//!
//! ```text
//! message ─▶ time, key, number ─▶ windows (see crate::windows) ─▶ those the watermark has passed ─▶ the rule's topic
//! ```
//! Each rule has windows of its own, or sums that fade (`window=ewm`). What is late goes where the rule says: nowhere, or to
//! the dead letters.

mod ewm;
mod rule;

use serde::Serialize;

use super::dead_letter;
use super::document::{Document, Observation};
use super::emission::{Body, Emission, json};
use super::operator::Operator;
use crate::config::Config;
use crate::ingest::rejection::Rejection;
use crate::recommender::Incoming;
use crate::state::snapshot::{Reader, SnapshotError, Writer};
use crate::windows::{Fading, Taken, Told, Windows};
use ewm::Ewm;
use rule::Over;
pub(crate) use rule::WindowRule;

/// Windows of every rule.
#[derive(Debug)]
pub(super) struct Windowed {
    rules: Vec<Ruled>,
    time_ahead_max_ms: i64,
}

/// One rule and what it has seen.
#[derive(Debug)]
struct Ruled {
    rule: WindowRule,
    seen: Numbers,
}

#[derive(Debug)]
enum Numbers {
    Windows(Windows),
    Ewm(Ewm),
}

/// A figure of a window, as it is written.
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

/// A figure that fades, as it is written.
#[derive(Serialize)]
struct WrittenNow<'a> {
    rule: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    key: &'a str,
    /// As of when, ms since 1970: the newest number's time.
    time: i64,
    aggregate: &'static str,
    value: f64,
    count: u64,
}

impl Windowed {
    pub(super) fn new(config: &Config) -> Self {
        let numbers = |over: Over| match over {
            Over::Windows(settings) => Numbers::Windows(Windows::new(settings)),
            Over::Ewm(settings) => Numbers::Ewm(Ewm::new(settings)),
        };
        let ruled = |rule: &WindowRule| Ruled { rule: rule.clone(), seen: numbers(rule.over) };
        Self {
            rules: config.windows.iter().map(ruled).collect(),
            time_ahead_max_ms: config.time_ahead_max_ms,
        }
    }
}

impl Ruled {
    fn add(&mut self, observation: Observation) -> Taken {
        let Observation { key, time_ms, number } = observation;
        match &mut self.seen {
            Numbers::Windows(windows) => windows.add(&key, time_ms, number),
            Numbers::Ewm(ewm) => ewm.add(key, time_ms, number),
        }
    }

    /// Lets time go on without a number.
    fn pass(&mut self, time_ms: i64) {
        match &mut self.seen {
            Numbers::Windows(windows) => windows.pass(time_ms),
            Numbers::Ewm(ewm) => ewm.pass(time_ms),
        }
    }

    /// Writes what the watermark has reached.
    fn tell(&mut self, out: &mut Vec<Emission>) {
        let Self { rule, seen } = self;
        match seen {
            Numbers::Windows(windows) => {
                let mut told = Vec::new();
                windows.close(&mut told);
                out.extend(told.iter().map(|told| rule.write(told)));
            }
            Numbers::Ewm(ewm) => ewm.tell(|key, fading| out.extend(rule.write_now(key, fading))),
        }
    }
}

impl WindowRule {
    fn write_now(&self, key: &str, fading: &Fading) -> Option<Emission> {
        let (rule, aggregate, time) = (self.name.as_str(), self.aggregate.name, fading.as_of_ms());
        let (value, count) = (fading.figure(self.aggregate.figure)?, fading.numbers());
        let written = WrittenNow { rule, key, time, aggregate, value, count };
        Some(Emission::json(self.output.clone(), &format!("{rule}||{key}"), &written, time))
    }

    fn write(&self, told: &Told) -> Emission {
        let (rule, key) = (self.name.as_str(), &*told.key);
        let value = told.totals.map(|totals| {
            let (aggregate, value) = (self.aggregate.name, totals.figure(self.aggregate.figure));
            let (window_start, window_end, count) = (told.start_ms, told.end_ms, totals.count());
            json(&Written { rule, key, window_start, window_end, aggregate, value, count })
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
        self.rules.iter().any(|ruled| ruled.rule.topic == topic)
    }

    fn hear(&mut self, message: &Incoming<'_>, out: &mut Vec<Emission>) {
        let document = Document::new(message);
        for ruled in self.rules.iter_mut().filter(|ruled| ruled.rule.topic == message.topic) {
            let rule = &ruled.rule;
            let taken = match document.observation(&rule.places, &rule.name, self.time_ahead_max_ms) {
                Ok(None) => continue,
                Ok(Some(observation)) => ruled.add(observation),
                Err(rejection) => {
                    out.push(dead_letter::whole(message, &rejection));
                    continue;
                }
            };
            let rule = &ruled.rule;
            if taken == Taken::Late && rule.late_is_dead {
                out.push(dead_letter::whole(message, &Rejection::LateForWindow { rule: rule.name.clone() }));
            }
            ruled.tell(out);
        }
    }

    fn pass(&mut self, message: &Incoming<'_>, out: &mut Vec<Emission>) {
        for ruled in self.rules.iter_mut().filter(|ruled| ruled.rule.topic != message.topic) {
            if let Some(idle_ms) = ruled.rule.idle_ms {
                ruled.pass(message.time_ms.saturating_sub(idle_ms));
                ruled.tell(out);
            }
        }
    }

    fn forget(&mut self, _: Option<&str>, user: &str) {
        self.rules.iter_mut().for_each(|ruled| match &mut ruled.seen {
            Numbers::Windows(windows) => windows.forget(user),
            Numbers::Ewm(ewm) => ewm.forget(user),
        });
    }

    fn size_bytes(&self) -> usize {
        let size_bytes = |ruled: &Ruled| match &ruled.seen {
            Numbers::Windows(windows) => windows.size_bytes(),
            Numbers::Ewm(ewm) => ewm.size_bytes(),
        };
        self.rules.iter().map(size_bytes).sum()
    }

    fn save(&self, out: &mut Writer) {
        self.rules.iter().for_each(|ruled| match &ruled.seen {
            Numbers::Windows(windows) => windows.save(out),
            Numbers::Ewm(ewm) => ewm.save(out),
        });
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.rules.iter_mut().try_for_each(|ruled| match &mut ruled.seen {
            Numbers::Windows(windows) => windows.load(input),
            Numbers::Ewm(ewm) => ewm.load(input),
        })
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
            assert_eq!(told[0].0, crate::processor::topics::WINDOWS);
        }
    }

    /// Values of figures, by time and what they are, as they are told.
    fn figures(told: &[(String, String, Value)]) -> Vec<(i64, f64)> {
        let time = |value: &Value| value["time"].as_i64().or(value["window_end"].as_i64().map(|end| end - 1));
        let figure = |value: &Value| Some((time(value)?, value["value"].as_f64()?));
        told.iter().filter_map(|(_, _, value)| figure(value)).collect()
    }

    #[test]
    fn moving_averages_by_hand() {
        let rules = "roll: topic=orders field=x window=rolling size=10s aggregate=avg, \
                     slide: topic=orders field=x window=sliding size=10s aggregate=avg, \
                     fade: topic=orders field=x by=of window=ewm halflife=10s output=faded";
        let mut one = processor(rules);
        let mut all = Vec::new();
        for (x, time_ms) in [(4, 0), (8, 10_000), (1, 15_000), (0, 40_000)] {
            all.extend(hear(&mut one, &format!(r#"{{"x":{x},"of":"a"}}"#), time_ms));
        }
        let of = |name: &str| {
            let of: Vec<_> = all.iter().filter(|(_, key, _)| key.starts_with(name)).cloned().collect();
            figures(&of)
        };
        // At 10 s the 4 of ten seconds before is in the sliding window, whose both ends are, and not in the rolling one.
        assert_eq!(of("roll|"), [(0, 4.0), (10_000, 8.0), (15_000, 4.5)]);
        assert_eq!(of("slide|"), [(0, 4.0), (10_000, 6.0), (15_000, 4.5)]);
        let faded = of("fade||a");
        assert_eq!(faded[..2], [(0, 4.0), (10_000, (4.0 * 0.5 + 8.0) / 1.5)]);
        // 40 s: 1/16 of the 4, 1/8 of the 8, 2^-2.5 of the 1.
        let (weight, third) = (1.0 + 1.0 / 16.0 + 1.0 / 8.0, 2f64.powf(-2.5));
        assert!((faded[3].1 - (4.0 / 16.0 + 1.0 + third) / (weight + third)).abs() < 1e-12, "{faded:?}");
        let last = all.iter().rfind(|(topic, _, _)| topic == "faded").expect("told at once");
        let fields = ["rule", "key", "time", "aggregate", "count"].map(|field| last.2[field].to_string());
        assert_eq!(fields, [r#""fade""#, r#""a""#, "40000", r#""avg""#, "4"]);
    }

    #[test]
    fn a_topic_that_has_gone_quiet_goes_on_with_the_time_of_others_if_its_rule_says_so() {
        for (idle, expected) in [("", vec![]), (" idle=5s", vec!["n|0|"])] {
            let rules = format!("n: topic=orders size=10s{idle}, other: topic=clicks size=1h");
            let mut one = processor(&rules);
            hear(&mut one, "{}", 1000);
            let mut out = Vec::new();
            for time_ms in [14_999, 15_000] {
                let position = Position { source: "clicks-0", offset: 0 };
                let (topic, value) = ("clicks", Some(&b"{}"[..]));
                let message = Incoming { topic, position, key: None, value, headers: &[], time_ms };
                assert!(out.is_empty(), "the window ends at 10 s, and 5 s are waited");
                one.process(&message, &mut out).expect("a topic of no role");
            }
            let key = |one: &Emission| match &one.body {
                Body::Own { key: Some(key), .. } => String::from_utf8_lossy(key).into_owned(),
                _ => String::new(),
            };
            assert_eq!(out.iter().map(key).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn wrong_rules_are_told() {
        for (rule, said) in [
            ("a: topic=x aggregate=sum", "field `field` is missing"),
            ("a: topic=x window=hopping size=1m advance=2m", "field `advance`"),
            ("a: topic=x advance=10s", "field `advance` is for `window=hopping`"),
            ("a: topic=x size=0s", "field `size`"),
            ("a: topic=x window=round", "not one of tumbling, hopping, sliding, rolling, session, ewm"),
            ("a: topic=x window=ewm", "field `halflife` is missing"),
            ("a: topic=x window=ewm halflife=0s", "field `halflife` is `0s`"),
            ("a: topic=x halflife=1m", "field `halflife` is for `window=ewm`"),
            ("a: topic=x window=ewm halflife=1m size=1m", "field `size` is not for `window=ewm`"),
            ("a: topic=x window=ewm halflife=1m aggregate=avg", "field `field` is missing: avg of what?"),
            (
                "a: topic=x field=y window=ewm halflife=1m aggregate=max",
                "field `aggregate` is `max`, not one of avg, sum, count",
            ),
            ("a: topic=x idle=soon", "field `idle`"),
        ] {
            let error = Config::default().set("recommender.windows", rule).expect_err(rule);
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
