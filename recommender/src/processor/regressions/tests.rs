use super::*;
use crate::ingest::Position;
use crate::models::random::Random;
use crate::processor::topics;

struct Predicting {
    regressions: Regressions,
    offset: i64,
}

impl Predicting {
    fn new(rules: &str) -> Self {
        let mut config = Config::default();
        config.set("recommender.regressions", rules).expect("good rules");
        Self { regressions: Regressions::new(&config), offset: 0 }
    }

    fn hear(&mut self, value: &str) -> Vec<Emission> {
        let mut out = Vec::new();
        let position = Position { source: "t-0", offset: self.offset };
        self.offset += 1;
        let value = Some(value.as_bytes());
        let message = Incoming { topic: "t", position, key: Some(b"k"), value, headers: &[], time_ms: 77 };
        self.regressions.hear(&message, &mut out);
        out
    }

    /// The one prediction for a good message.
    fn predict(&mut self, value: &str) -> serde_json::Value {
        let out = self.hear(value);
        let [Emission { topic, body: Body::Own { key, value: Some(value), time_ms }, headers }] = &out[..]
        else {
            panic!("{value}: {out:?}")
        };
        assert_eq!(
            (&**topic, key.as_deref(), *time_ms, headers.len()),
            ("t.predictions", Some(&b"k"[..]), 77, 0)
        );
        serde_json::from_slice(value).expect("JSON")
    }

    fn saved(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.regressions.save(&mut out);
        out.into_bytes()
    }
}

#[test]
fn a_topic_of_plain_numbers_needs_nothing_but_its_name() {
    let mut prices = Predicting::new("prices: topic=t");
    let first = prices.predict("10");
    let expected = serde_json::json!(
        {"model": "prices", "truth": 10.0, "next": 10.0, "compared": 0, "evidence": "t-0-0"}
    );
    assert_eq!(first, expected);
    // Like the last, as nothing else is known.
    let second = prices.predict("12");
    assert_eq!(
        (&second["prediction"], &second["error"], &second["rmse"]),
        (&10.0.into(), &(-2.0).into(), &2.0.into())
    );
    // One step of 2 was seen from (1, 10/8, 0, 0, 0): θ = P·x/(1 + xᵀPx)·2 with P = I/.1 = 10·I; now x is (1, 12/8, 1, 0, 1).
    let theta = |x: f64| 10.0 * x / (1.0 + 10.0 * (1.0 + 1.25 * 1.25)) * 2.0;
    let next = 12.0 + theta(1.0) + theta(1.25) * 1.5;
    assert!((second["next"].as_f64().unwrap() - next).abs() < 1e-12, "{second}");
}

#[test]
fn lines_and_patterns_are_learnt() {
    let mut line = Predicting::new("p: topic=t");
    let last = (0..60).map(|n| line.predict(&format!("{}", 5.0 + 2.5 * f64::from(n)))).last().unwrap();
    assert!((last["next"].as_f64().unwrap() - (5.0 + 2.5 * 60.0)).abs() < 0.05, "{last}");
    let mut wave = Predicting::new("p: topic=t");
    for n in 0..400 {
        wave.predict(&format!("{}", 100.0 + 10.0 * (f64::from(n) * 0.3).sin()));
    }
    let next = wave.predict(&format!("{}", 100.0 + 10.0 * (400.0 * 0.3f64).sin()))["next"].as_f64().unwrap();
    assert!((next - (100.0 + 10.0 * (401.0 * 0.3f64).sin())).abs() < 0.05, "{next}");
    // What is only noise around a number is predicted about as well as that number does: .5, not the .7 of "like the last".
    let mut random = Random(2);
    let mut noise = Predicting::new("p: topic=t lags=1");
    let last = (0..3000).map(|_| noise.predict(&format!("{}", 20.0 + 0.5 * random.normal()))).last().unwrap();
    let rmse = last["rmse"].as_f64().unwrap();
    assert!((0.48..0.56).contains(&rmse), "{rmse}");
}

#[test]
fn a_target_from_fields_and_a_record_without_one() {
    let mut houses = Predicting::new("houses: topic=t target=price features=size|plot.rooms");
    for (size, rooms) in [(50, 2), (80, 3), (120, 4), (60, 3), (200, 6), (90, 2)] {
        let price = 10_000 + 2_000 * size + 5_000 * rooms;
        let value = format!(r#"{{"size":{size},"plot":{{"rooms":"{rooms}"}},"price":{price}}}"#);
        let said = houses.predict(&value);
        assert_eq!(said["truth"], f64::from(price));
        let error = said["prediction"].as_f64().unwrap() - f64::from(price);
        assert!((said["error"].as_f64().unwrap() - error).abs() < 1e-6, "{said}");
    }
    let asked = houses.predict(r#"{"size":100,"plot":{"rooms":5}}"#);
    assert!((asked["prediction"].as_f64().unwrap() - 235_000.0).abs() < 5.0, "{asked}");
    assert_eq!((&asked["truth"], &asked["error"], &asked["compared"]), (&().into(), &().into(), &6.into()));
}

#[test]
fn a_chance_from_a_word_and_by_key() {
    let mut clicks =
        Predicting::new("c: topic=t target=clicked features=colour|size kind=logistic by=shop keys=10");
    for n in 0..300 {
        let (colour, clicked) = if n % 2 == 0 { ("red", n % 10 != 0) } else { ("blue", n % 10 == 1) };
        clicks.predict(&format!(r#"{{"shop":"a","colour":"{colour}","size":1,"clicked":{clicked}}}"#));
    }
    let red = clicks.predict(r#"{"shop":"a","colour":"red","size":1}"#);
    assert!((0.7..0.9).contains(&red["prediction"].as_f64().unwrap()), "{red}");
    assert!(red["log_loss"].as_f64().unwrap() < 0.6 && red["rmse"].is_null() && red["key"] == "a", "{red}");
    let elsewhere = clicks.predict(r#"{"shop":"b","colour":"red","size":1}"#);
    assert_eq!((&elsewhere["prediction"], &elsewhere["compared"]), (&0.5.into(), &0.into()));
    clicks.regressions.forget(None, "a");
    assert_eq!(clicks.predict(r#"{"shop":"a","colour":"red","size":1}"#)["prediction"], 0.5);
}

#[test]
fn what_cannot_be_reckoned_with_is_a_dead_letter() {
    for (rules, value, reason) in [
        ("a: topic=t", "ten", "not-a-number"),
        ("a: topic=t", "NaN", "not-a-number"),
        ("a: topic=t", "1e400", "overflow"),
        ("a: topic=t", "", "empty"),
        ("a: topic=t", r#"{"price": 4}"#, "not-a-number"),
        ("a: topic=t target=price", r#"{"cost": 4}"#, "missing-field"),
        ("a: topic=t target=y features=x", r#"{"y": 4}"#, "missing-field"),
        ("a: topic=t target=y features=x", r#"{"y": 4, "x": null}"#, "missing-field"),
        ("a: topic=t target=y features=x", r#"{"y": 4, "x": "red"}"#, "not-a-number"),
        ("a: topic=t target=y features=x", r#"{"y": 4, "x": NaN}"#, "malformed"),
        ("a: topic=t target=y features=x", r#"{"y": 4, "x": 1e101}"#, "overflow"),
        ("a: topic=t target=y features=x", "4", "missing-field"),
        ("a: topic=t target=y features=x kind=logistic", r#"{"y": 4, "x": 1}"#, "malformed"),
        ("a: topic=t target=y features=x kind=logistic", r#"{"y": 1, "x": [1]}"#, "missing-field"),
        ("a: topic=t target=y features=x by=z", r#"{"y": 4, "x": 1}"#, "missing-field"),
    ] {
        let mut predicting = Predicting::new(rules);
        let out = predicting.hear(value);
        let [letter] = &out[..] else { panic!("{out:?}") };
        assert_eq!(
            (&*letter.topic, letter.refused_because()),
            (topics::DEAD_LETTER, Some(reason)),
            "{value}"
        );
        assert_eq!(letter.body, Body::AsReceived);
    }
    // Too large beside the first of its kind, and nothing is broken by it.
    let mut predicting = Predicting::new("a: topic=t target=y features=x");
    predicting.predict(r#"{"y": 1, "x": 1e-300}"#);
    let out = predicting.hear(r#"{"y": 1, "x": 1e100}"#);
    assert_eq!(out[0].refused_because(), Some("overflow"));
    assert!(predicting.predict(r#"{"x": 1e100}"#)["prediction"].as_f64().unwrap().is_finite());
    assert_eq!(predicting.predict(r#"{"y": 1, "x": 1e-300}"#)["compared"], 2);
}

#[test]
fn rules_that_make_no_sense_are_one_line() {
    for (rules, said) in [
        ("a: target=x", "rule `a`: field `topic` is missing"),
        ("a: topic=t features=x", "rule `a`: field `target` is missing, which `features` are to predict"),
        ("a: topic=t target=x features=y|x", "rule `a`: field `features` has the target itself"),
        ("a: topic=t target=x features=y|y", "rule `a`: field `features` has `y` twice"),
        (
            "a: topic=t kind=logistic",
            "rule `a`: field `features` is missing, from which a chance is to be predicted",
        ),
        ("a: topic=t kind=cubic", "rule `a`: field `kind` is `cubic`, not one of linear, logistic"),
        ("a: topic=t output=t", "rule `a`: field `output` is `t`, the topic that is read"),
        (
            "a: topic=t output=kindred.hot",
            "rule `a`: field `output` is `kindred.hot`: topics that begin with `kindred.` or `__` are not for rules",
        ),
        ("a: topic=t forgetting=1.5", "rule `a`: field `forgetting` is `1.5`, not a number from 0.5 to 1"),
        (
            "a: topic=t colour=red",
            "rule `a`: field `colour` is unknown; there are topic, target, features, kind, lags, output, by, forgetting, ridge, keys",
        ),
    ] {
        let error = Config::default().set("recommender.regressions", rules).unwrap_err();
        assert_eq!(error.reason().as_deref(), Some(said));
    }
}

#[test]
fn saved_anywhere_it_goes_on_as_if_nothing_had_happened() {
    let rules = "row: topic=t target=y by=k keys=3, line: topic=t target=y features=x forgetting=0.98, \
                 chance: topic=t target=z features=x|word kind=logistic";
    let mut random = Random(3);
    let messages: Vec<String> = (0..150)
        .map(|n| {
            let (x, y) = (random.normal(), random.normal() * 1e3);
            let (k, word, z) = (random.below(5), ["a", "b"][random.below(2)], random.below(2));
            let target = if n % 7 == 0 { String::new() } else { format!(r#","y":{y},"z":{z}"#) };
            format!(r#"{{"k":{k},"x":{x},"word":"{word}"{target}}}"#)
        })
        .collect();
    let mut whole = Predicting::new(rules);
    let expected: Vec<_> = messages.iter().map(|value| whole.hear(value)).collect();
    for cut in [0, 1, 40, 149] {
        let mut first = Predicting::new(rules);
        messages[..cut].iter().for_each(|value| drop(first.hear(value)));
        let saved = first.saved();
        let mut second = Predicting::new(rules);
        second.offset = first.offset;
        second.regressions.load(&mut Reader::new(&saved)).expect("a good snapshot");
        for (value, expected) in messages[cut..].iter().zip(&expected[cut..]) {
            assert_eq!(second.hear(value), *expected);
        }
        assert_eq!(second.saved(), whole.saved());
    }
    let saved = whole.saved();
    let mut other = Predicting::new(rules);
    assert!(
        (0..saved.len())
            .step_by(7)
            .all(|end| other.regressions.load(&mut Reader::new(&saved[..end])).is_err())
    );
    let mut other = Predicting::new("row: topic=t, line: topic=t target=y features=x|w, chance: topic=t");
    assert!(other.regressions.load(&mut Reader::new(&saved)).is_err());
    assert!(whole.regressions.size_bytes() > 64 << 10 && whole.regressions.size_bytes() < 100 << 10);
}
