use serde_json::{Value, json};

use super::*;
use crate::ingest::Position;
use crate::judging::report::{Row, Window};
use crate::judging::tally::JudgedBy;
use crate::processor::{Body, Processor};
use crate::recommender::Incoming;
use crate::serving::{History, Request};

const HOUR: i64 = 3_600_000;
const BEGAN: i64 = 1_700_000_000_000 / HOUR * HOUR;

fn processor(settings: &[(&str, &str)]) -> Processor {
    let mut config = Config::default();
    settings.iter().for_each(|(key, value)| config.set(key, value).expect("a good setting"));
    Processor::new(config)
}

fn tell(processor: &mut Processor, event: &Value) {
    let position = Position { source: "user_behavior-0", offset: 0 };
    let value = event.to_string();
    let (topic, value, time_ms) = ("user_behavior", Some(value.as_bytes()), BEGAN + 100 * HOUR);
    let message = Incoming { topic, position, key: None, value, headers: &[], time_ms };
    processor.process(&message, &mut Vec::new()).expect("a good event");
}

fn act(user: &str, item: &str, action: &str, minute: i64, more: Value) -> Value {
    let mut event =
        json!({"user_id": user, "item_id": item, "action": action, "ts": BEGAN + minute * 60_000});
    let more = more.as_object().expect("members").clone();
    event.as_object_mut().expect("members").extend(more);
    event
}

/// Value, sum and count of a figure of all time.
fn figure(processor: &Processor, metric: JudgedBy, model: &str) -> Option<(f64, f64, u64)> {
    let wanted = Wanted { metric: Some(metric), model: Some(model.into()), ..Wanted::default() };
    let told = processor.evaluation(&wanted);
    told.figures.first().map(|row| (row.value, row.sum, row.count))
}

/// Currency, value, sum and count of what orders come to in all time.
fn orders(processor: &Processor, tenant: Option<&str>) -> Vec<(String, f64, f64, u64)> {
    let (metric, model, tenant) = (Some(JudgedBy::Aov), Some("*".into()), tenant.map(str::to_owned));
    let told = processor.evaluation(&Wanted { metric, model, tenant, ..Wanted::default() });
    let row = |row: Row| (row.currency.unwrap_or_default(), row.value, row.sum, row.count);
    told.figures.into_iter().map(row).collect()
}

fn named(processor: &Processor, user: &str, model: Option<&str>) -> String {
    let by = processor.recommender().assign(Some(user), Some("home"), model);
    processor.recommender().rec_id(History::User(user), Some("home"), &by)
}

#[test]
fn what_carries_a_name_counts_for_where_it_came_from() {
    let mut one = processor(&[]);
    let (a, b) = (named(&one, "u", Some("llr")), named(&one, "u", None));
    for (item, id) in [("1", &a), ("2", &a), ("3", &a), ("4", &a), ("5", &b), ("6", &b)] {
        tell(&mut one, &act("u", item, "impression", 0, json!({"rec_id": id})));
    }
    tell(&mut one, &act("u", "1", "click", 1, json!({"rec_id": a})));
    // Without a name: as it was shown last.
    tell(&mut one, &act("u", "5", "click", 2, json!({})));
    tell(&mut one, &act("u", "1", "purchase", 3, json!({"price": 10.0, "quantity": 2})));
    tell(&mut one, &act("u", "", "satisfaction", 4, json!({"rec_id": b, "value": 4})));
    // Never shown, and shown too long ago: of no answer.
    tell(&mut one, &act("u", "9", "click", 5, json!({})));
    tell(&mut one, &act("u", "2", "click", 25 * 60, json!({})));
    assert_eq!(figure(&one, JudgedBy::Ctr, "llr"), Some((0.25, 1.0, 4)));
    assert_eq!(figure(&one, JudgedBy::Ctr, "fused"), Some((0.5, 1.0, 2)));
    assert_eq!(figure(&one, JudgedBy::Ctr, "*"), Some((4.0 / 6.0, 4.0, 6)));
    assert_eq!(figure(&one, JudgedBy::Cvr, "llr"), Some((1.0, 1.0, 1)));
    assert_eq!(figure(&one, JudgedBy::Cvr, "*"), Some((0.25, 1.0, 4)));
    assert_eq!(figure(&one, JudgedBy::Aov, "llr"), Some((20.0, 20.0, 1)));
    assert_eq!(figure(&one, JudgedBy::Satisfaction, "fused"), Some((4.0, 4.0, 1)));
    assert_eq!(figure(&one, JudgedBy::Cvr, ""), Some((0.0, 0.0, 2)));
}

#[test]
fn lines_of_an_order_are_one_order_in_the_window_of_the_first() {
    let mut one = processor(&[]);
    let id = named(&one, "u", Some("llr"));
    let line = |item, minute, order: &str, price: f64| {
        act("u", item, "purchase", minute, json!({"rec_id": id, "order_id": order, "price": price}))
    };
    for line in [line("1", 0, "a", 10.0), line("2", 59, "b", 1.0), line("3", 61, "a", 5.0)] {
        tell(&mut one, &line);
    }
    // Not by the answer; of the same order all the same.
    tell(&mut one, &act("u", "4", "purchase", 62, json!({"order_id": "a", "price": 4.0})));
    assert_eq!(figure(&one, JudgedBy::Aov, "llr"), Some((8.0, 16.0, 2)));
    assert_eq!(figure(&one, JudgedBy::Aov, "*"), Some((10.0, 20.0, 2)));
    let wanted = Wanted { window: Window::Starting(BEGAN), model: Some("*".into()), ..Wanted::default() };
    let told = one.evaluation(&wanted);
    let aov = told.figures.iter().find(|row| row.metric == "aov").expect("a figure");
    assert_eq!((aov.sum, aov.count, aov.window_end), (20.0, 2, Some(BEGAN + HOUR)));
    // Orders of 19 and 1: mean 10, s 9·√2, t = 12.706205.
    assert!((aov.high.expect("an interval") - (10.0 + 12.706_205 * 9.0)).abs() < 1e-9);
}

#[test]
fn arms_are_compared() {
    let rule = "ranking: arms=a=fused:50|b=llr:50";
    let mut one = processor(&[("recommender.experiments", rule)]);
    for n in 0..400 {
        let user = n.to_string();
        let by = one.recommender().assign(Some(&user), None, None);
        let is_b = by.arm == Some(("ranking", "b"));
        let id = one.recommender().rec_id(History::User(&user), None, &by);
        tell(&mut one, &act(&user, "1", "impression", 0, json!({"rec_id": id})));
        if n % if is_b { 2 } else { 10 } == 0 {
            tell(&mut one, &act(&user, "1", "click", 1, json!({"rec_id": id})));
        }
    }
    let told = one.evaluation(&Wanted::default());
    let [ctr] = &told.comparisons[..] else { panic!("{:?}", told.comparisons) };
    assert_eq!((ctr.metric, ctr.baseline.as_str(), ctr.arm.as_str()), ("ctr", "a", "b"));
    assert!(ctr.difference > 0.2 && ctr.statistic > 4.0 && ctr.p_value < 1e-4, "{ctr:?}");
}

#[test]
fn models_are_asked_before_a_like_is_learnt() {
    let mut one = processor(&[]);
    let pairs = [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2"), ("c", "1")];
    for (minute, (user, item)) in (0..).zip(pairs) {
        tell(&mut one, &act(user, item, "view", minute, json!({})));
    }
    let before = |model| figure(&one, JudgedBy::HitRate, model);
    // Items nobody knew are misses; "1" was no longer new when b and c came, nor "2" when b did.
    assert_eq!(before("fused"), Some((0.6, 3.0, 5)));
    // Of pairs nothing is known until c has one of them.
    assert_eq!(before("item-cosine").map(|figure| figure.1), Some(1.0));
    let list = one.recommender().recommend(&Request::user("c", 10)).expect("an answer");
    assert_eq!(list.items[0].item_id, "2");
    tell(&mut one, &act("c", "2", "view", 9, json!({})));
    assert_eq!(figure(&one, JudgedBy::HitRate, "fused"), Some((4.0 / 6.0, 4.0, 6)));
    // Coming back to an item is no trial: lists leave out what the user had.
    tell(&mut one, &act("c", "2", "view", 10, json!({})));
    assert_eq!(figure(&one, JudgedBy::HitRate, "fused").map(|figure| figure.2), Some(6));
}

#[test]
fn figures_are_written_where_counts_changed() {
    let mut one = processor(&[]);
    let id = named(&one, "u|v", Some("llr"));
    tell(&mut one, &act("u|v", "1", "impression", 0, json!({"rec_id": id})));
    let written = |one: &mut Processor| {
        let mut out = Vec::new();
        one.take_summaries(&mut out);
        let of = out.into_iter().filter(|one| one.topic == topics::EVALUATION);
        let record = |one: Emission| match one.body {
            Body::Own { key: Some(key), value: Some(value), .. } => {
                let value: Value = serde_json::from_slice(&value).expect("JSON");
                (String::from_utf8(key).expect("text"), value)
            }
            other => panic!("{other:?}"),
        };
        of.map(record).collect::<Vec<_>>()
    };
    let records = written(&mut one);
    let keys: Vec<&str> = records.iter().map(|(key, _)| key.as_str()).collect();
    let hour = format!("ctr|{BEGAN}");
    let expected = [
        format!("{hour}|*|*|*|*"),
        format!("{hour}|llr|home||"),
        "ctr|all|*|*|*|*".into(),
        "ctr|all|llr|home||".into(),
    ];
    assert_eq!(keys, expected);
    let of_arm = &records[1].1;
    assert_eq!((&of_arm["value"], &of_arm["count"], &of_arm["low"]), (&json!(0.0), &json!(1), &json!(0.0)));
    tell(&mut one, &act("u", "1", "view", 0, json!({})));
    assert!(written(&mut one).iter().all(|(key, _)| key.starts_with("hit-rate|")));
}

#[test]
fn what_was_saved_goes_on_and_who_is_forgotten_is_not_attributed() {
    let mut one = processor(&[]);
    let id = named(&one, "u", Some("llr"));
    for item in ["1", "2"] {
        tell(&mut one, &act("u", item, "impression", 0, json!({"rec_id": id})));
    }
    let order = json!({"order_id": "o", "price": 3.0});
    tell(&mut one, &act("u", "1", "purchase", 1, order.clone()));
    let mut bytes = Vec::new();
    one.save(&mut bytes);
    let mut two = Processor::load(Config::default(), &bytes).expect("what was saved");
    for one in [&mut one, &mut two] {
        tell(one, &act("u", "2", "purchase", 2, order.clone()));
        assert_eq!(figure(one, JudgedBy::Aov, "llr"), Some((6.0, 6.0, 1)));
        let position = Position { source: "users-0", offset: 0 };
        let (topic, key) = ("users", Some(&b"u"[..]));
        let gone = Incoming { topic, position, key, value: None, headers: &[], time_ms: BEGAN };
        one.process(&gone, &mut Vec::new()).expect("a good record");
        tell(one, &act("u", "1", "click", 3, json!({})));
        assert_eq!(figure(one, JudgedBy::Cvr, "llr"), None, "no click of this model");
    }
    let saved = [&one, &two].map(|one| {
        let mut bytes = Vec::new();
        one.save(&mut bytes);
        bytes
    });
    assert!(saved[0] == saved[1]);
}

#[test]
fn each_currency_is_by_itself() {
    let mut one = processor(&[("recommender.experiments", "ranking: arms=a=fused:50|b=llr:50")]);
    let buy = |user: &str, order: &str, price: f64, more: Value| {
        let mut event = act(user, "1", "purchase", 0, json!({"order_id": order, "price": price}));
        event.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
        event
    };
    for event in [
        buy("u", "a", 10.0, json!({"currency": "EUR"})),
        // A line that does not say is in that of its order.
        buy("u", "a", 20.0, json!({})),
        buy("u", "b", 50.0, json!({"currency": "eur"})),
        buy("v", "c", 3000.0, json!({"currency": "JPY"})),
        buy("v", "d", 7.0, json!({})),
        // One order in two currencies is an order in each.
        buy("v", "d", 8.0, json!({"currency": "USD"})),
    ] {
        tell(&mut one, &event);
    }
    let expected =
        [("", 7.0, 7.0, 1), ("EUR", 40.0, 80.0, 2), ("JPY", 3000.0, 3000.0, 1), ("USD", 8.0, 8.0, 1)];
    assert_eq!(
        orders(&one, None),
        expected.map(|(name, mean, sum, count)| (name.to_owned(), mean, sum, count))
    );
    let mut out = Vec::new();
    one.take_summaries(&mut out);
    let keys: Vec<String> = out
        .iter()
        .filter_map(|one| match &one.body {
            Body::Own { key: Some(key), .. } => Some(String::from_utf8_lossy(key).into_owned()),
            _ => None,
        })
        .collect();
    for key in ["aov|all|*|*|*|*", "aov|all|*|*|*|*|EUR"] {
        assert!(keys.iter().any(|known| known == key), "{key} of {keys:?}");
    }
    // Arms are compared in each, never across.
    for (arm, price) in [("a", 10.0), ("a", 12.0), ("b", 20.0), ("b", 23.0)] {
        for (n, currency) in ["EUR", "JPY"].into_iter().enumerate() {
            let user = (0..)
                .map(|n| n.to_string())
                .find(|user| one.recommender().assign(Some(user), None, None).arm == Some(("ranking", arm)));
            let user = user.expect("some user has each arm");
            let by = one.recommender().assign(Some(&user), None, None);
            let id = one.recommender().rec_id(History::User(&user), None, &by);
            let more = json!({"rec_id": id, "currency": currency});
            tell(&mut one, &buy(&user, &format!("{arm}{price}{n}"), price, more));
        }
    }
    let told = one.evaluation(&Wanted { metric: Some(JudgedBy::Aov), ..Wanted::default() });
    let compared: Vec<_> =
        told.comparisons.iter().map(|of| (of.currency.as_deref(), of.difference)).collect();
    assert_eq!(compared, [(Some("EUR"), 10.5), (Some("JPY"), 10.5)]);
}

#[test]
fn refunds_are_taken_off() {
    let mut one = processor(&[]);
    let buy = |order: &str, item: &str, price: f64| {
        act("u", item, "purchase", 0, json!({"order_id": order, "price": price, "currency": "EUR"}))
    };
    for event in [buy("a", "1", 30.0), buy("a", "2", 10.0), buy("b", "1", 60.0)] {
        tell(&mut one, &event);
    }
    let eur = |mean: f64, sum: f64, count: u64| ("EUR".to_owned(), mean, sum, count);
    assert_eq!(orders(&one, None), [eur(50.0, 100.0, 2)]);
    // One line comes back, by another name of the act, hours later: less in the order's own window.
    tell(&mut one, &act("u", "2", "return", 130, json!({"order_id": "a", "price": 10.0})));
    assert_eq!(orders(&one, None), [eur(45.0, 90.0, 2)]);
    // As shops write it that know no refunds: a purchase of minus one.
    tell(&mut one, &act("u", "1", "purchase", 131, json!({"order_id": "b", "price": 5.0, "quantity": -1})));
    assert_eq!(orders(&one, None), [eur(42.5, 85.0, 2)]);
    let window = Wanted {
        window: Window::Starting(BEGAN),
        metric: Some(JudgedBy::Aov),
        model: Some("*".into()),
        ..Wanted::default()
    };
    assert_eq!(one.evaluation(&window).figures[0].sum, 85.0);
    // All of an order, which names no amount; of one thing without one nothing is known.
    tell(&mut one, &act("u", "1", "refund", 132, json!({"order_id": "b"})));
    assert_eq!(orders(&one, None), [eur(42.5, 85.0, 2)]);
    tell(&mut one, &act("u", "", "Order Cancelled", 133, json!({"order_id": "b"})));
    assert_eq!(orders(&one, None), [eur(15.0, 30.0, 2)]);
    // Of no order that is known: off the sum, in its own window, which has no order.
    tell(&mut one, &act("u", "7", "refund", 134, json!({"price": 4.0, "currency": "EUR"})));
    assert_eq!(orders(&one, None), [eur(13.0, 26.0, 2)]);
    assert_eq!(figure(&one, JudgedBy::Cvr, "*"), None, "no refund is a conversion, and nobody clicked");
    tell(&mut one, &act("u", "9", "purchase", 134, json!({"price": 1e200, "quantity": 1e200})));
    assert_eq!(orders(&one, None), [eur(13.0, 26.0, 2)], "no amount that could be added up");
    let mut bytes = Vec::new();
    one.save(&mut bytes);
    let mut two = Processor::load(Config::default(), &bytes).expect("what was saved");
    for one in [&mut one, &mut two] {
        tell(one, &act("u", "", "refund", 135, json!({"order_id": "a"})));
        assert_eq!(orders(one, None), [eur(-2.0, -4.0, 2)]);
    }
}

#[test]
fn tenants_with_the_same_users_and_items_do_not_mix() {
    let mut one = processor(&[]);
    let (mine, theirs) = (json!({}), json!({"tenant": "a"}));
    let with = |of: &Value, more: Value| {
        let mut of = of.clone();
        of.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
        of
    };
    let id = named(&one, "u", Some("llr"));
    tell(&mut one, &act("u", "1", "impression", 0, with(&theirs, json!({"rec_id": id}))));
    // Shown by the tenant, and clicked on in both.
    for of in [&mine, &theirs] {
        tell(&mut one, &act("u", "1", "click", 1, of.clone()));
        tell(&mut one, &act("u", "1", "purchase", 2, with(of, json!({"order_id": "o", "price": 5.0}))));
    }
    tell(&mut one, &act("u", "2", "purchase", 3, with(&theirs, json!({"order_id": "o", "price": 2.0}))));
    let none = String::new;
    assert_eq!(orders(&one, None), [(none(), 5.0, 5.0, 1)]);
    assert_eq!(orders(&one, Some("a")), [(none(), 7.0, 7.0, 1)]);
    let ctr = |one: &Processor, tenant: Option<&str>| {
        let (metric, tenant) = (Some(JudgedBy::Ctr), tenant.map(str::to_owned));
        let told = one.evaluation(&Wanted { metric, tenant, model: Some("llr".into()), ..Wanted::default() });
        (told.as_of, told.figures.first().map(|row| (row.tenant.clone(), row.sum, row.count)))
    };
    assert_eq!(ctr(&one, None), (BEGAN + 2 * 60_000, None));
    assert_eq!(ctr(&one, Some("a")), (BEGAN + 3 * 60_000, Some((Some("a".to_owned()), 1.0, 1))));
    assert_eq!(ctr(&one, Some("b")), (0, None));
    let mut out = Vec::new();
    one.take_summaries(&mut out);
    let written: Vec<_> = out
        .iter()
        .filter_map(|one| match &one.body {
            Body::Own { key: Some(key), time_ms, .. } if key.starts_with(b"a\x1fctr|all|llr|") => {
                Some(*time_ms)
            }
            _ => None,
        })
        .collect();
    assert_eq!(written, [BEGAN + 3 * 60_000]);
    // The tenant's user is forgotten, and nobody else.
    let position = Position { source: "users-0", offset: 0 };
    let (topic, key) = ("users", Some(&b"u"[..]));
    let headers: [(&[u8], Option<&[u8]>); 1] = [(b"tenant", Some(b"a"))];
    let gone = Incoming { topic, position, key, value: None, headers: &headers, time_ms: BEGAN };
    one.process(&gone, &mut Vec::new()).expect("a good record");
    for (of, tenant, sum) in [(&mine, None, 6.0), (&theirs, Some("a"), 8.0)] {
        tell(&mut one, &act("u", "3", "purchase", 4, with(of, json!({"order_id": "o", "price": 1.0}))));
        let orders = orders(&one, tenant);
        assert_eq!((orders[0].2, orders[0].3), (sum, if tenant.is_some() { 2 } else { 1 }));
    }
    let mut bytes = Vec::new();
    one.save(&mut bytes);
    let two = Processor::load(Config::default(), &bytes).expect("what was saved");
    assert_eq!(orders(&two, Some("a")), orders(&one, Some("a")));
    // Where tenants mean nothing, all are one.
    let mut all = processor(&[("recommender.tenants.max", "0")]);
    tell(&mut all, &act("u", "1", "purchase", 2, with(&theirs, json!({"price": 5.0}))));
    assert_eq!(orders(&all, Some("a")), orders(&all, None));
}
