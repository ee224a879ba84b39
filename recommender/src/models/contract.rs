//! What every model with memory of its own must do, tested alike over all of [`OPTIONAL`], and over the click model.
//!
//! The click model proposes nothing: it weighs what others propose, and hears of acts before the state has learnt them. So
//! it is no [`Model`] and cannot be asked alone; whatever else is tested here holds for it as well.

use super::set::Models;
use super::{Lesson, Model, OPTIONAL, OPTIONALS};
use crate::config::Config;
use crate::ids::UserIdx;
use crate::ingest::event::{Event, Position};
use crate::serving::Request;
use crate::state::notes::Fatigue;
use crate::state::positions::SourceId;
use crate::state::ring::{Origin, Visit};
use crate::state::{Kind, Limits, State};
use crate::{Incoming, Recommender};

const LIMITS: Limits =
    Limits { history_max: 100, window: 50, row_max: 500, fatigue: Fatigue { times: 0, window_ms: 0 } };

/// One made-up act, from a fixed seed: 40 users of four tastes over 120 items.
pub(super) struct Act {
    user: u64,
    item: u64,
    n: u64,
}

impl Act {
    pub(super) fn nth(n: u64) -> Self {
        let mix = super::random::mix;
        let user = mix(n * 3) % 40;
        let rank = (mix(n * 3 + 1) % 30) * (mix(n * 3 + 2) % 30) / 30;
        Self { user, item: rank * 4 + user % 4, n }
    }
}

/// Lets state and model learn, without a recommender around them.
pub(super) fn learnt(state: &mut State, model: &mut dyn Model, acts: &[Act]) {
    let action = crate::ingest::action::Actions::default().find("click").unwrap();
    for act in acts {
        let user = state.users.intern(&format!("user-{}", act.user)).unwrap();
        let item = state.items.intern(&format!("item-{}", act.item)).unwrap();
        let visit = Visit {
            item,
            action,
            sign: 1,
            superseded: false,
            origin: Some(Origin { source: SourceId::default(), offset: act.n as i64 }),
            time_ms: act.n as i64 * 1000,
        };
        let whole = crate::state::Act { user: Some(user), item, weight: 1.0, visit, kind: Kind::Other };
        let first_like = state.learn(whole, LIMITS, &mut Vec::new());
        let lesson = Lesson { state, user, item, action: "click", weight: 1.0, first_like, rating: None };
        model.learn(&lesson);
    }
}

/// Lets state and model forget a user.
pub(super) fn forget(state: &mut State, model: &mut dyn Model, user: UserIdx) {
    let liked = state.users.liked(user);
    state.forget(user, LIMITS, |_| 1.0);
    model.forget(state, user, &liked);
}

/// The click model, as its bytes are named.
const CLICKS: &str = "clicks";

/// Default settings but for these.
fn with(settings: &[(&str, &str)]) -> Config {
    let mut config = Config::default();
    settings.iter().for_each(|(key, value)| config.set(key, value).unwrap());
    config
}

/// Every model that can be asked alone, with settings small enough for a test, alone in the fusion.
fn each(test: impl Fn(&'static str, Config)) {
    for optional in &OPTIONAL {
        let settings = [
            ("recommender.models", optional.name),
            ("recommender.ease.items.max", "64"),
            ("recommender.als.factors", "8"),
            ("recommender.bpr.factors", "8"),
            ("recommender.sgd.factors", "8"),
        ];
        test(optional.name, with(&settings));
    }
}

/// The same, and the click model.
fn each_and_clicks(test: impl Fn(&'static str, Config)) {
    each(&test);
    let settings = [
        ("recommender.click.weight", "1"),
        ("recommender.click.bits", "8"),
        ("recommender.click.window.ms", "100000"),
        ("recommender.click.pending.max", "20"),
    ];
    test(CLICKS, with(&settings));
}

fn describe(recommender: &mut Recommender, item: u64) {
    let text = format!(
        r#"{{"item_id":"item-{item}","title":"thing {item} of taste {}","categories":["taste-{}"],"embedding":[{},1,{}]}}"#,
        item % 4,
        item % 4,
        item % 4,
        item % 7
    );
    let message = Incoming {
        topic: "items",
        position: Position::default(),
        key: None,
        value: Some(text.as_bytes()),
        headers: &[],
        time_ms: 0,
    };
    recommender.ingest(&message).unwrap();
}

/// Acts, some of them ratings and some on people, what was shown before them, and descriptions of items.
fn live(recommender: &mut Recommender, from: u64, to: u64) {
    for n in from..to {
        let act = Act::nth(n);
        if n < 120 {
            describe(recommender, n);
        }
        let (action, item) = match n % 11 {
            7 => ("follow", format!("user-{}", act.item % 40)),
            _ => (if n % 3 == 0 { "rate" } else { "click" }, format!("item-{}", act.item)),
        };
        let event = Event {
            user_id: Some(format!("user-{}", act.user).into()),
            item_id: item.into(),
            action: action.into(),
            time_ms: n as i64 * 1000,
            value: (action == "rate").then_some((act.item % 5 + 1) as f64),
            ..Event::default()
        };
        if n % 2 == 0 {
            let rec_id = (n % 4 == 0).then(|| format!("answer-{n}").into());
            let shown = Event { action: "impression".into(), value: None, rec_id, ..event.clone() };
            recommender.apply(&shown, Position { source: "s-0", offset: n as i64 }, event.time_ms).unwrap();
        }
        recommender.apply(&event, Position { source: "t-0", offset: n as i64 }, event.time_ms).unwrap();
    }
}

fn bytes(recommender: &Recommender) -> Vec<u8> {
    let mut out = Vec::new();
    recommender.save(&mut out);
    out
}

#[test]
fn the_same_log_gives_the_same_bytes_whether_or_not_it_was_interrupted() {
    each_and_clicks(|name, config| {
        let mut through = Recommender::new(config.clone());
        live(&mut through, 0, 1500);
        for stop in [0, 1, 700, 1499] {
            let mut first = Recommender::new(config.clone());
            live(&mut first, 0, stop);
            let mut second = Recommender::load(config.clone(), &bytes(&first)).unwrap();
            live(&mut second, stop, 1500);
            assert!(bytes(&second) == bytes(&through), "{name}, stopped at {stop}");
        }
        assert!(Recommender::load(Config::default(), &bytes(&through)).is_err(), "{name}: other settings");
    });
}

#[test]
fn scores_do_not_depend_on_how_many_are_asked_for() {
    each_and_clicks(|name, config| {
        let mut recommender = Recommender::new(config);
        live(&mut recommender, 0, 1500);
        recommender.settle();
        for model in [Some(name).filter(|&name| name != CLICKS), None] {
            let request = |n| Request { model, ..Request::user("user-7", n) };
            let all = recommender.recommend(&request(60)).unwrap().items;
            assert!(!all.is_empty(), "{name} has something to say");
            for n in [1, 5, 20] {
                let some = recommender.recommend(&request(n)).unwrap().items;
                assert_eq!(some, all[..n.min(all.len())], "{name}");
            }
            assert!(all.iter().all(|item| item.score.is_finite() && item.score > 0.0), "{name}");
        }
    });
}

#[test]
fn a_forgotten_user_leaves_no_answer() {
    each(|name, config| {
        let mut recommender = Recommender::new(config.clone());
        live(&mut recommender, 0, 1200);
        let ask = |recommender: &Recommender| {
            recommender
                .recommend(&Request { model: Some(name), ..Request::user("user-7", 10) })
                .unwrap()
                .items
        };
        recommender.settle();
        assert!(!ask(&recommender).is_empty(), "{name}");
        let tombstone = Incoming {
            topic: "users",
            position: Position::default(),
            key: Some(b"user-7"),
            value: None,
            headers: &[],
            time_ms: 0,
        };
        recommender.ingest(&tombstone).unwrap();
        assert!(ask(&recommender).is_empty(), "{name}");
        let loaded = Recommender::load(config, &bytes(&recommender)).unwrap();
        assert!(bytes(&loaded) == bytes(&recommender), "{name}");
        live(&mut recommender, 1200, 1500);
        assert!(!ask(&recommender).is_empty(), "{name}: the user comes back as new");
    });
}

#[test]
fn ever_new_users_and_items_do_not_grow_a_model_beyond_its_bound() {
    each_and_clicks(|name, mut config| {
        config.set("recommender.users.max", "60").unwrap();
        config.set("recommender.items.max", "160").unwrap();
        let mut recommender = Recommender::new(config.clone());
        let size = |recommender: &Recommender| {
            let report = recommender.report();
            report.bytes.iter().find(|part| part.0 == name).unwrap().1
        };
        let mut sizes = Vec::new();
        for round in 0..4 {
            for n in round * 1000..round * 1000 + 1000 {
                let (user, item) = (format!("passing-{}", n / 9), format!("novelty-{}", n / 4));
                let event = Event {
                    user_id: Some(user.into()),
                    item_id: item.into(),
                    action: if n % 3 == 0 { "rate" } else { "click" }.into(),
                    time_ms: n as i64 * 1000,
                    value: (n % 3 == 0).then_some(4.0),
                    ..Event::default()
                };
                let shown = Event { action: "impression".into(), value: None, ..event.clone() };
                for event in [shown, event] {
                    recommender.apply(&event, Position::default(), event.time_ms).unwrap();
                }
            }
            sizes.push(size(&recommender));
        }
        assert!(sizes[3] <= 2 * sizes[1].max(4096), "{name}: {sizes:?}");
        let loaded = Recommender::load(config, &bytes(&recommender)).unwrap();
        assert!(bytes(&loaded) == bytes(&recommender), "{name}");
    });
}

#[test]
fn names_are_told_apart_and_those_observed_stay_out_of_the_fusion() {
    let names: std::collections::HashSet<&str> = OPTIONAL.iter().map(|optional| optional.name).collect();
    assert_eq!(names.len(), OPTIONALS);
    let mut config = Config::default();
    assert!(config.set("recommender.models", "als,oracle").is_err());
    config.set("recommender.models", "als").unwrap();
    let models = Models::new(&config, &[0, 1]);
    assert_eq!((models.fused(), models.bytes().count()), (1, 2));
}
