use super::*;
use crate::ingest::Position;
use crate::processor::Body;

const MINUTE: i64 = 60_000;
/// A Monday, midnight.
const T: i64 = 1_699_833_600_000;

/// A processor's worth of one rule: what it is fed, and what comes out.
struct Watched {
    monitors: Monitors,
    offset: i64,
}

impl Watched {
    fn new(rules: &str) -> Self {
        let mut config = Config::default();
        config.set("recommender.monitors", rules).expect("good rules");
        Self { monitors: Monitors::new(&config), offset: 0 }
    }

    fn hear(&mut self, value: &str, time_ms: i64) -> Vec<Emission> {
        let mut out = Vec::new();
        let position = Position { source: "t-0", offset: self.offset };
        self.offset += 1;
        let value = Some(value.as_bytes());
        self.monitors.hear(
            &Incoming { topic: "t", position, key: Some(b"k"), value, headers: &[], time_ms },
            &mut out,
        );
        out
    }

    /// So many messages in a minute, counted from `T`. Returns the alerts.
    fn minute(&mut self, minute: i64, count: usize) -> Vec<serde_json::Value> {
        (0..count).flat_map(|_| self.hear("{}", T + minute * MINUTE)).map(|one| json(&one).1).collect()
    }

    fn saved(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.monitors.save(&mut out);
        out.into_bytes()
    }
}

fn json(emission: &Emission) -> (String, serde_json::Value) {
    let Body::Own { key: Some(key), value: Some(value), .. } = &emission.body else { panic!("{emission:?}") };
    assert_eq!(emission.topic, topics::ALERTS);
    (String::from_utf8(key.clone()).unwrap(), serde_json::from_slice(value).unwrap())
}

fn near(found: &serde_json::Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn a_count_is_alerted_of_as_soon_as_it_is_too_much() {
    let mut watched = Watched::new("load: topic=t warmup=4 threshold=3 cooldown=0");
    for (minute, count) in [(0, 4), (1, 8), (2, 4), (3, 8)] {
        assert_eq!(watched.minute(minute, count), [] as [serde_json::Value; 0]);
    }
    // μ = 6, σ² = 4 is less than chance's 6: 14 is the first with (x − 6)/√6 ≥ 3.
    let alerts = watched.minute(4, 20);
    let [alert] = &alerts[..] else { panic!("{alerts:?}") };
    near(&alert["value"], 14.0);
    near(&alert["mean"], 6.0);
    near(&alert["deviation"], 6f64.sqrt());
    near(&alert["z"], 8.0 / 6f64.sqrt());
    assert_eq!(
        (&alert["rule"], &alert["measure"], &alert["key"]),
        (&"load".into(), &"count".into(), &serde_json::Value::Null)
    );
    assert_eq!(alert["window"]["from"], T + 4 * MINUTE);
    assert_eq!(alert["window"]["to"], T + 5 * MINUTE);
    // 24 messages in the minutes before, then the fourteenth.
    assert_eq!(alert["evidence"], "t-0-37");
}

#[test]
fn minutes_without_a_message_count_as_zero_once_time_moves_on() {
    let mut watched = Watched::new("pulse: topic=t warmup=3 threshold=3 side=down cooldown=1h");
    for minute in 0..10 {
        assert!(watched.minute(minute, 16).is_empty());
    }
    // Nothing in minutes 10 to 12: μ = 16, σ = √16: z = −4 in the first of them, and then silence of an hour.
    let alerts = watched.minute(13, 1);
    let [alert] = &alerts[..] else { panic!("{alerts:?}") };
    near(&alert["value"], 0.0);
    near(&alert["z"], -4.0);
    assert_eq!(alert["window"]["from"], T + 10 * MINUTE);
    assert_eq!(alert["evidence"], "t-0-159", "the last that came");
    let moments = watched.monitors.monitors[0].series.use_or_make("", || unreachable!()).slots[0];
    // 10 minutes of 16 and three of 0.
    assert_eq!(format!("{moments:?}").split(", mean").next(), Some("Moments { learnt: 13"));
}

#[test]
fn a_topic_that_is_silent_is_alerted_of_because_of_others_if_the_rule_says_so() {
    for (idle, expected) in [("", 0), (" idle=30s", 1)] {
        let mut watched = Watched::new(&format!("pulse: topic=t warmup=3 threshold=3 side=down{idle}"));
        (0..10).for_each(|minute| drop(watched.minute(minute, 16)));
        let mut pass = |time_ms| {
            let (mut out, position) = (Vec::new(), Position { source: "other-0", offset: 0 });
            let message =
                Incoming { topic: "other", position, key: None, value: None, headers: &[], time_ms };
            watched.monitors.pass(&message, &mut out);
            out
        };
        // Minute 10 ends at 11, and 30 s are waited.
        assert_eq!(pass(T + 11 * MINUTE + 29_999), []);
        let alerts = pass(T + 11 * MINUTE + 30_000);
        assert_eq!(alerts.len(), expected);
        for alert in alerts {
            near(&json(&alert).1["z"], -4.0);
        }
    }
}

#[test]
fn numbers_are_judged_one_by_one_and_by_key() {
    let mut watched =
        Watched::new("amount: topic=t field=amount by=user warmup=4 threshold=4 side=up keys=2");
    let amount = |watched: &mut Watched, user: &str, amount: f64| {
        watched.hear(&format!(r#"{{"user":"{user}","amount":{amount}}}"#), T)
    };
    for value in [10.0, 12.0, 10.0, 12.0] {
        assert!(amount(&mut watched, "ann", value).is_empty());
        assert!(amount(&mut watched, "bob", value * 100.0).is_empty());
    }
    // Ann: μ = 11, σ = 1.
    let found = amount(&mut watched, "ann", 16.0);
    let (key, alert) = json(&found[0]);
    assert_eq!((key.as_str(), &alert["key"], found.len()), ("amount/ann", &"ann".into(), 1));
    near(&alert["z"], 5.0);
    assert!(amount(&mut watched, "ann", 1000.0).is_empty(), "cooling down");
    assert!(amount(&mut watched, "bob", 1300.0).is_empty(), "2 deviations");
    // A third user makes room by dropping the idlest, who begins anew.
    amount(&mut watched, "cat", 1.0);
    assert!(amount(&mut watched, "ann", 1e9).is_empty());
    watched.monitors.forget(None, "ann");
    assert_eq!(watched.monitors.monitors[0].series.len(), 1);
}

#[test]
fn every_hour_of_the_day_has_a_past_of_its_own() {
    let rules = "a: topic=t field=. season=hour-of-day warmup=3 threshold=4 side=up floor=1 cooldown=0, b: topic=t field=. warmup=3 threshold=4 side=up floor=1 cooldown=0";
    let mut watched = Watched::new(rules);
    let at = |watched: &mut Watched, day: i64, hour: i64, value: i32| {
        let time_ms = T + (day * 24 + hour) * 60 * MINUTE;
        let found = watched.hear(&value.to_string(), time_ms);
        found.iter().map(|one| json(one).0).collect::<Vec<_>>()
    };
    for day in 0..5 {
        assert_eq!(at(&mut watched, day, 3, 10), [] as [&str; 0]);
        assert_eq!(at(&mut watched, day, 15, 100), [] as [&str; 0]);
    }
    // A hundred at night: nothing for who knows no hours.
    assert_eq!(at(&mut watched, 5, 3, 100), ["a"]);
    assert_eq!(at(&mut watched, 5, 15, 100), [] as [&str; 0]);
    let week = rule::Season::DayOfWeek;
    assert_eq!((week.slot(T), week.slot(T + 7 * 1440 * MINUTE), week.slot(T + 1440 * MINUTE)), (4, 4, 5));
    assert_eq!(rule::Season::HourOfWeek.slot(T - 1) + 1, rule::Season::HourOfWeek.slot(T));
}

#[test]
fn sums_and_means_of_buckets() {
    let mut watched = Watched::new(
        "sum: topic=t field=. measure=sum bucket=1m warmup=2 threshold=5 floor=2, \
         mean: topic=t field=. measure=mean bucket=1m warmup=2 threshold=5 floor=2",
    );
    let mut alerts = Vec::new();
    for (minute, value) in [(0, 6), (0, 4), (1, 5), (1, 5), (2, 5), (2, 5), (2, 10), (6, 30), (7, 0)] {
        let found = watched.hear(&value.to_string(), T + minute * MINUTE);
        alerts.extend(found.iter().map(|one| {
            let (key, alert) = json(one);
            (key, alert["window"]["from"].as_i64().unwrap() - T, alert["z"].as_f64().unwrap())
        }));
    }
    let alerts: Vec<_> = alerts.iter().map(|(key, from, z)| (key.as_str(), from / MINUTE, *z)).collect();
    // Sums 10, 10, then 20: z = (20 − 10)/2. Means 5, 5, 20/3; none while there is nothing; then 30 over a mean of 50/9.
    assert_eq!(alerts[0], ("sum", 2, 5.0));
    assert_eq!((alerts[1].0, alerts[1].1, alerts.len()), ("mean", 6, 2));
    assert!((alerts[1].2 - (30.0 - 50.0 / 9.0) / 2.0).abs() < 1e-9, "{alerts:?}");
}

#[test]
fn what_comes_late_counts_now_and_a_leap_is_bounded() {
    let mut watched = Watched::new("late: topic=t warmup=1 threshold=1000");
    watched.minute(5, 2);
    watched.minute(3, 2);
    watched.minute(6, 1);
    let state = |watched: &mut Watched| {
        let series = watched.monitors.monitors[0].series.use_or_make("", || unreachable!()).clone();
        format!("{:?}", series.slots[0])
    };
    assert_eq!(state(&mut watched), "Moments { learnt: 1, mean: 4.0, variance: 0.0 }");
    watched.hear("{}", i64::MAX);
    assert!(state(&mut watched).starts_with("Moments { learnt: 1002"), "{}", state(&mut watched));
}

#[test]
fn what_cannot_be_read_is_a_dead_letter_and_what_is_not_there_is_not() {
    let mut watched = Watched::new("a: topic=t field=amount time=at");
    for (value, reason) in [
        (r#"{"amount": 1, "at": "2023-11-13T00:00:00Z"}"#, None),
        (r#"{"amount": 1}"#, None),
        (r#"{"total": 1}"#, None),
        (r#"{"amount": "much"}"#, Some("not-a-number")),
        (r#"{"amount": 1, "at": "soon"}"#, Some("bad-time")),
        (r#"{"amount": 1, "at": "2030-01-01"}"#, Some("too-far-ahead")),
        (r#"{"amount": 1, "at": "1960-01-01"}"#, Some("before-epoch")),
        ("\u{1f600}", Some("malformed")),
    ] {
        let found = watched.hear(value, T);
        let reasons: Vec<_> = found.iter().map(|one| (&*one.topic, one.headers[3].1.as_str())).collect();
        assert_eq!(reasons, reason.map(|reason| (topics::DEAD_LETTER, reason)).as_slice(), "{value}");
    }
    assert!(!watched.monitors.listens("u") && watched.monitors.listens("t"));
}

#[test]
fn rules_that_make_no_sense_are_one_line() {
    for (rules, said) in [
        ("a: field=x", "rule `a`: field `topic` is missing"),
        (
            "a: topic=kindred.hot",
            "rule `a`: field `topic` is `kindred.hot`: topics that begin with `kindred.` or `__` are not for rules",
        ),
        ("a: topic=t measure=sum", "rule `a`: field `measure` is `sum`, not one of count"),
        (
            "a: topic=t by=@keys",
            "rule `a`: field `by` is `@keys`, not a field such as `price` or `order.total`, `.`, `@key` or `@header.NAME`",
        ),
        ("a: topic=t alpha=NaN", "rule `a`: field `alpha` is `NaN`, not a number from 0.000001 to 1"),
        (
            "a: topic=t bucket=soon",
            "rule `a`: field `bucket` is `soon`, not a time such as `30s` or `5m`, from 1 to 31622400000 ms",
        ),
    ] {
        let error = Config::default().set("recommender.monitors", rules).unwrap_err();
        assert_eq!(error.reason().as_deref(), Some(said));
    }
}

#[test]
fn saved_anywhere_it_goes_on_as_if_nothing_had_happened() {
    let rules = "count: topic=t by=k warmup=2 threshold=2 keys=3 cooldown=3m season=hour-of-day, \
                 value: topic=t field=v by=k warmup=2 threshold=2 keys=3";
    let mut random = crate::models::random::Random(3);
    let messages: Vec<(String, i64)> = (0..400)
        .scan(T, |time_ms, _| {
            *time_ms += random.below(40) as i64 * 1000 * if random.below(20) == 0 { 30 } else { 1 };
            let (key, value) = (random.below(5), random.normal().abs().powi(3));
            Some((format!(r#"{{"k":{key},"v":{value}}}"#), *time_ms))
        })
        .collect();
    let mut whole = Watched::new(rules);
    let expected: Vec<_> = messages.iter().map(|(value, time)| whole.hear(value, *time)).collect();
    assert!(expected.iter().flatten().count() > 10, "alerts to compare");
    for cut in [0, 1, 57, 200, 399] {
        let mut first = Watched::new(rules);
        messages[..cut].iter().for_each(|(value, time)| drop(first.hear(value, *time)));
        let saved = first.saved();
        let mut second = Watched::new(rules);
        second.offset = first.offset;
        second.monitors.load(&mut Reader::new(&saved)).expect("a good snapshot");
        for ((value, time), expected) in messages[cut..].iter().zip(&expected[cut..]) {
            assert_eq!(second.hear(value, *time), *expected);
        }
        assert_eq!(second.saved(), whole.saved());
        assert!(second.monitors.size_bytes() > 0 && second.monitors.size_bytes() < 20_000);
        let mut other = Watched::new(rules);
        assert!((0..saved.len()).all(|end| other.monitors.load(&mut Reader::new(&saved[..end])).is_err()));
    }
}
