//! The recommender from its door: messages in, answers out.

use proptest::prelude::*;
use recommender::evaluation::{Log, Options, Protocol, csv, run};
use recommender::{
    AnswerKind, Config, Event, Filter, HotWindow, Incoming, Metric, Position, Recommender, Rejection,
    Request, Scope,
};

const DAY: i64 = 86_400_000;

fn feed(recommender: &mut Recommender, topic: &str, offset: i64, value: &str) -> Result<usize, Rejection> {
    let position = Position { source: "user_behavior-0", offset };
    let message = Incoming {
        topic,
        position,
        key: None,
        value: Some(value.as_bytes()),
        headers: &[],
        time_ms: 1_700_000_000_000,
    };
    recommender.ingest(&message).map(|applied| applied.accepted)
}

fn click(recommender: &mut Recommender, user: &str, item: &str, time_ms: i64) {
    let event = Event {
        user_id: Some(user.into()),
        item_id: item.into(),
        action: "click".into(),
        time_ms,
        ..Event::default()
    };
    recommender.apply(&event, Position { source: "t-0", offset: time_ms }, time_ms).expect("valid");
}

fn bytes(recommender: &Recommender) -> Vec<u8> {
    let mut out = Vec::new();
    recommender.save(&mut out);
    out
}

/// Four users, three items: small enough to count on fingers.
fn small() -> Recommender {
    let mut recommender = Recommender::new(Config::default());
    for (time, (user, item)) in
        (1..).zip([("u1", "a"), ("u1", "b"), ("u2", "a"), ("u2", "b"), ("u3", "a"), ("u3", "c"), ("u4", "b")])
    {
        click(&mut recommender, user, item, time * 1000);
    }
    recommender
}

#[test]
fn the_counts_of_a_small_log_by_hand() {
    let similar = small().similar("a", 10, Metric::Cosine).unwrap();
    // a: u1 u2 u3; b: u1 u2 u4; c: u3. Of four users, u1 and u2 came to both a and b.
    let (b, c) = (&similar[0], &similar[1]);
    assert_eq!((b.item_id.as_str(), b.count), ("b", 2));
    assert!((b.cosine - 2.0 / 3.0).abs() < 1e-12);
    assert!((b.jaccard - 2.0 / 4.0).abs() < 1e-12);
    assert!((b.confidence - 2.0 / 3.0).abs() < 1e-12);
    assert!((b.lift - 2.0 * 4.0 / 9.0).abs() < 1e-12);
    assert_eq!((c.item_id.as_str(), c.count), ("c", 1));
    assert!((c.cosine - 1.0 / 3f64.sqrt()).abs() < 1e-9, "{}", c.cosine);
    assert!(small().similar("unknown", 10, Metric::Cosine).is_none());
}

#[test]
fn reasons_cite_the_event_that_led_to_an_item() {
    let recommender = small();
    let answer = recommender.recommend(&Request { explain: true, ..Request::user("u4", 10) }).unwrap();
    assert_eq!(answer.kind, AnswerKind::Personal);
    let first = &answer.items[0];
    assert_eq!(first.item_id, "a");
    let evidence = first.reasons.iter().flat_map(|reason| &reason.because).next().unwrap();
    assert_eq!((evidence.item_id.as_str(), evidence.count), ("b", 2));
    assert_eq!(evidence.event.as_deref(), Some("t-0-7000"));
    assert_eq!((evidence.action.as_deref(), evidence.ts), (Some("click"), Some(7000)));
    assert!(answer.items.iter().all(|item| item.item_id != "b"), "seen items are left out");
}

#[test]
fn the_unknown_get_hot_items_and_are_told_so() {
    let recommender = small();
    let answer = recommender.recommend(&Request::user("nobody", 2)).unwrap();
    assert_eq!(answer.kind, AnswerKind::UnknownUser);
    assert_eq!(answer.items.len(), 2);
    assert!(Recommender::new(Config::default()).recommend(&Request::user("u", 3)).unwrap().items.is_empty());
}

#[test]
fn users_without_a_history_get_what_their_like_take() {
    let mut recommender = Recommender::new(Config::default());
    let describe = |recommender: &mut Recommender, user: &str, age: u32, gender: &str| {
        let entity = format!(r#"{{"user_id":"{user}","age":{age},"gender":"{gender}"}}"#);
        feed(recommender, "users", 0, &entity).unwrap();
    };
    for n in 0..240i64 {
        let user = format!("u{n}");
        // Some are described before they act, some after, some twice.
        let act = |recommender: &mut Recommender| {
            click(recommender, &user, if n % 4 == 0 { "lathe" } else { "sofa" }, n);
            click(recommender, &user, if n % 4 == 0 { "drill" } else { "lamp" }, n + 1);
        };
        if n % 3 == 0 {
            describe(&mut recommender, &user, 70, "f");
            act(&mut recommender);
        }
        describe(&mut recommender, &user, if n % 4 == 0 { 30 } else { 50 }, "m");
        if n % 3 != 0 {
            act(&mut recommender);
        }
    }
    describe(&mut recommender, "young", 27, "male");
    describe(&mut recommender, "old", 52, "male");
    describe(&mut recommender, "odd", 70, "f");
    let first = |user: &str| {
        let answer = recommender.recommend(&Request::user(user, 4)).unwrap();
        assert_eq!(answer.items.len(), 4, "what is hot follows");
        assert!((answer.items[0].score - 1.0).abs() < 1e-6);
        (answer.kind, answer.items[0].item_id.clone())
    };
    let (young, old) = (first("young"), first("old"));
    assert!(["lathe", "drill"].contains(&young.1.as_str()), "{young:?}");
    assert!(["sofa", "lamp"].contains(&old.1.as_str()), "{old:?}");
    assert_eq!((young.0, first("nobody").0), (AnswerKind::ColdUser, AnswerKind::UnknownUser));
    assert_eq!(first("odd").1, first("nobody").1, "a segment nobody is left in says nothing");
    let list = |segment| recommender.hot(Scope::Segment(segment), HotWindow::AllTime, 9);
    let counts: Vec<u32> = list("age:25-34,gender:M").unwrap().items.iter().map(|item| item.count).collect();
    assert_eq!(counts, [60, 60]);
    assert!(list("gender:F,age:65-up").unwrap().items.is_empty() && list("old,men").is_none());
    let saved = bytes(&recommender);
    assert_eq!(bytes(&Recommender::load(Config::default(), &saved).unwrap()), saved);
}

#[test]
fn an_item_nobody_has_come_to_is_found_by_what_it_is() {
    let live = |models: &str| {
        let mut config = Config::default();
        config.set("recommender.models", models).unwrap();
        let mut recommender = Recommender::new(config);
        for n in 0..20 {
            let kind = if n % 2 == 0 { "garden lamp" } else { "steel drill" };
            let entity = format!(r#"{{"item_id":"i{n}","title":"{kind} number{n}"}}"#);
            feed(&mut recommender, "items", 0, &entity).unwrap();
        }
        for title in [r#""new","title":"garden lamp brand new""#, r#""other","title":"purple sofa""#] {
            feed(&mut recommender, "items", 0, &format!(r#"{{"item_id":{title}}}"#)).unwrap();
        }
        for n in 0..300i64 {
            let item = (n * 7 + n / 9) % 20;
            click(&mut recommender, &format!("u{}-{}", n % 15, item % 2), &format!("i{item}"), n * 1000);
        }
        recommender
    };
    let recommender = live("content");
    let answer = recommender.recommend(&Request { allow_seen: true, ..Request::user("u4-0", 30) }).unwrap();
    let place = |id: &str| answer.items.iter().position(|item| item.item_id == id);
    assert!(place("new").is_some_and(|place| place <= 10), "{:?}", place("new"));
    assert!(place("other").is_none_or(|place| place > 10));
    let likes = recommender.similar("new", 3, Metric::Cosine).unwrap();
    assert_eq!(likes.len(), 3);
    assert!(likes.iter().all(|like| like.count == 0 && like.cosine > 0.2 && like.score == like.cosine));
    assert!(likes.iter().all(|like| like.title.as_deref().is_some_and(|title| title.contains("lamp"))));
    let without = live("");
    assert_eq!(without.similar("new", 3, Metric::Cosine), Some(Vec::new()));
    let answer = without.recommend(&Request { allow_seen: true, ..Request::user("u4-0", 30) }).unwrap();
    assert!(answer.items.iter().all(|item| item.item_id != "new"));
}

#[test]
fn scores_do_not_depend_on_how_many_are_asked_for() {
    let recommender = trained(3000);
    let all = recommender.recommend(&Request::user("user-1", 50)).unwrap();
    for n in [1, 7, 30] {
        let some = recommender.recommend(&Request::user("user-1", n)).unwrap();
        assert_eq!(some.items, all.items[..n]);
        let page = recommender.recommend(&Request { offset: 5, ..Request::user("user-1", n) }).unwrap();
        assert_eq!(page.items, all.items[5..5 + n]);
    }
}

#[test]
fn lists_are_filtered_spread_and_still_paged_alike() {
    let mut recommender = trained(3000);
    for n in 0..160 {
        let entity = format!(r#"{{"item_id":"item-{n}","categories":["c{}"],"price":{n}}}"#, n % 5);
        feed(&mut recommender, "items", 0, &entity).unwrap();
    }
    let number = |id: &str| id.strip_prefix("item-").and_then(|text| text.parse::<u32>().ok()).unwrap();
    let filter = Filter::parse("price < 60 and not category = 'c1'").unwrap();
    let whole = Request {
        filter: Some(&filter),
        per_category_max: Some(4),
        diversity: 0.4,
        ..Request::user("user-1", 40)
    };
    let all = recommender.recommend(&whole).unwrap().items;
    assert_eq!(all.len(), 16, "four categories of four");
    for item in &all {
        assert!(number(&item.item_id) < 60 && number(&item.item_id) % 5 != 1, "{}", item.item_id);
    }
    for (offset, n) in [(0, 3), (0, 10), (5, 5), (12, 10)] {
        let page = recommender.recommend(&Request { offset, n, ..whole.clone() }).unwrap().items;
        assert_eq!(page, all[offset..all.len().min(offset + n)]);
    }
    let plain = Request { filter: Some(&filter), ..Request::user("user-1", 5) };
    assert_eq!(recommender.recommend(&plain).unwrap().items[0], all[0], "the best stays the best");
}

#[test]
fn what_is_withdrawn_excluded_or_disliked_is_not_shown() {
    let mut recommender = small();
    let shown = |recommender: &Recommender, exclude: &[&str]| -> Vec<String> {
        let answer = recommender.recommend(&Request { exclude, ..Request::user("u4", 10) }).unwrap();
        answer.items.into_iter().map(|item| item.item_id).collect()
    };
    assert_eq!(shown(&recommender, &[]), ["a", "c"]);
    assert_eq!(shown(&recommender, &["a"]), ["c"]);
    feed(&mut recommender, "items", 0, r#"{"item_id":"c","available":false}"#).unwrap();
    assert_eq!(shown(&recommender, &[]), ["a"]);
    feed(&mut recommender, "user_behavior", 0, r#"{"user_id":"u4","item_id":"a","action":"dislike"}"#)
        .unwrap();
    assert!(shown(&recommender, &[]).is_empty());
}

#[test]
fn nobody_is_shown_what_is_their_own_expired_or_not_yet_published() {
    let mut recommender = small();
    let shown = |recommender: &Recommender, user: &str, now_ms: Option<i64>| -> Vec<String> {
        let answer = recommender.recommend(&Request { now_ms, ..Request::user(user, 10) }).unwrap();
        answer.items.into_iter().map(|item| item.item_id).collect()
    };
    feed(&mut recommender, "items", 0, r#"{"item_id":"a","owner_id":"u4"}"#).unwrap();
    assert_eq!(shown(&recommender, "u4", None), ["c"]);
    assert_eq!(shown(&recommender, "nobody", None).len(), 3, "others see it");
    feed(&mut recommender, "items", 0, r#"{"item_id":"a","owner_id":"new"}"#).unwrap();
    assert!(!shown(&recommender, "new", None).contains(&"a".to_owned()), "an owner need never have acted");
    let life = r#"{"item_id":"a","published_at":1700000000,"expires_at":1700000100}"#;
    feed(&mut recommender, "items", 0, life).unwrap();
    for (now_s, there) in
        [(1_699_999_999, false), (1_700_000_000, true), (1_700_000_099, true), (1_700_000_100, false)]
    {
        let shown = shown(&recommender, "u4", Some(now_s * 1000));
        assert_eq!(shown.contains(&"a".to_owned()), there, "at {now_s}");
    }
}

#[test]
fn what_is_hidden_or_shown_too_often_in_vain_is_left_out() {
    let mut config = Config::default();
    config.set("recommender.fatigue.impressions.max", "3").unwrap();
    config.set("recommender.fatigue.window.ms", "1000").unwrap();
    config.set("recommender.user.history.max", "4").unwrap();
    let mut recommender = Recommender::new(config.clone());
    for (user, item) in [("u1", "a"), ("u1", "b"), ("u1", "c"), ("u2", "a")] {
        click(&mut recommender, user, item, 1);
    }
    let shown = |recommender: &Recommender, now_ms: i64| -> Vec<String> {
        let request = Request { now_ms: Some(now_ms), allow_seen: true, ..Request::user("u2", 10) };
        recommender.recommend(&request).unwrap().items.into_iter().map(|item| item.item_id).collect()
    };
    let act = |recommender: &mut Recommender, item: &'static str, action: &'static str, time_ms: i64| {
        let event = Event {
            user_id: Some("u2".into()),
            item_id: item.into(),
            action: action.into(),
            time_ms,
            ..Event::default()
        };
        recommender.apply(&event, Position::default(), time_ms).unwrap();
    };
    let has = |recommender: &Recommender, now_ms, item: &str| {
        shown(recommender, now_ms).iter().any(|id| id == item)
    };
    for time_ms in [100, 200] {
        act(&mut recommender, "b", "impression", time_ms);
    }
    assert!(has(&recommender, 200, "b"));
    act(&mut recommender, "b", "impression", 300);
    assert!(!has(&recommender, 300, "b") && has(&recommender, 300, "c"));
    assert!(has(&recommender, 1100, "b"), "1,000 ms after the first");
    let saved = bytes(&recommender);
    assert_eq!(bytes(&Recommender::load(config, &saved).unwrap()), saved);
    act(&mut recommender, "b", "click", 400);
    assert!(has(&recommender, 400, "b"), "an act ends it");
    assert!(has(&recommender, 400, "a"), "impressions pushed nothing out of a history of four");

    act(&mut recommender, "c", "hide", 500);
    for n in 0..10 {
        act(&mut recommender, "a", "click", 600 + n);
    }
    assert!(!has(&recommender, 700, "c"), "hidden for good, though it left the history");
    act(&mut recommender, "c", "favorite", 800);
    assert!(has(&recommender, 900, "c"), "unless the user takes it up again");
}

#[test]
fn explored_places_say_how_likely_they_were_and_page_alike() {
    let recommender = trained(3000);
    let request = |rec_id, exploration| Request {
        rec_id: Some(rec_id),
        exploration: Some(exploration),
        ..Request::user("user-1", 40)
    };
    let plain = recommender.recommend(&Request::user("user-1", 40)).unwrap().items;
    assert!(plain.iter().all(|item| item.propensity.is_none()));
    assert_eq!(recommender.recommend(&request("r", 0.0)).unwrap().items, plain);
    let all = recommender.recommend(&request("r", 0.3)).unwrap().items;
    assert_eq!(all, recommender.recommend(&request("r", 0.3)).unwrap().items);
    let explored = all.iter().filter(|item| item.propensity.is_some_and(|p| p < 0.1)).count();
    assert!((1..39).contains(&explored), "{explored} of 40 places were explored");
    for item in &all {
        let p = item.propensity.unwrap();
        assert!(p > 0.0 && p <= 1.0 && item.score <= plain[0].score);
    }
    for (offset, n) in [(0, 1), (0, 10), (10, 10), (25, 15)] {
        let page = recommender.recommend(&Request { offset, n, ..request("r", 0.3) }).unwrap().items;
        assert_eq!(page, all[offset..offset + n]);
    }
    let ids: Vec<String> = (0..20).map(|n| format!("r{n}")).collect();
    let others = ids.iter().filter(|id| recommender.recommend(&request(id, 0.3)).unwrap().items != all);
    assert_eq!(others.count(), 20, "each answer draws its own");
}

#[test]
fn a_dislike_lowers_what_is_like_it() {
    let mut recommender = small();
    let score = |recommender: &Recommender| {
        let answer = recommender.recommend(&Request::user("u4", 10)).unwrap();
        answer.items.iter().find(|item| item.item_id == "c").unwrap().score
    };
    let before = score(&recommender);
    feed(&mut recommender, "user_behavior", 0, r#"{"user_id":"u4","item_id":"a","action":"dislike"}"#)
        .unwrap();
    // Nothing else has changed, and the cosine of a and c is 1/√3.
    let lowered = before * (1.0 - 1.0 / 3f64.sqrt());
    assert!((score(&recommender) - lowered).abs() < 1e-6, "{} {lowered}", score(&recommender));
}

#[test]
fn hot_by_window_and_category() {
    let mut recommender = Recommender::new(Config::default());
    feed(&mut recommender, "items", 0, r#"{"item_id":"new","title":"New","categories":["x"]}"#).unwrap();
    for n in 0..5 {
        click(&mut recommender, &format!("u{n}"), "old", n);
    }
    click(&mut recommender, "u", "new", 3 * DAY);
    let hot = |scope, window| -> Vec<(String, u32)> {
        let list = recommender.hot(scope, window, 10).unwrap();
        list.items.into_iter().map(|item| (item.item_id, item.count)).collect()
    };
    assert_eq!(hot(Scope::All, HotWindow::AllTime), [("old".into(), 5), ("new".into(), 1)]);
    assert_eq!(hot(Scope::All, HotWindow::Day), [("new".into(), 1)]);
    assert_eq!(hot(Scope::Category("x"), HotWindow::Week), [("new".into(), 1)]);
    assert!(recommender.hot(Scope::Category("y"), HotWindow::Week, 10).is_none());
}

#[test]
fn what_grows_is_trending_and_what_was_always_hot_is_not() {
    let mut recommender = Recommender::new(Config::default());
    feed(&mut recommender, "items", 0, r#"{"item_id":"new","categories":["c"]}"#).unwrap();
    feed(&mut recommender, "items", 0, r#"{"item_id":"gone","categories":["c"],"available":false}"#).unwrap();
    // Buckets of two hours: ten of four events, then one in which everything has three or four.
    let hour = DAY / 24;
    for bucket in 0..10 {
        for user in 0..4 {
            click(&mut recommender, &format!("u{user}"), "always", bucket * 2 * hour + user);
        }
    }
    for user in 0..3 {
        for item in ["new", "gone", "always"] {
            click(&mut recommender, &format!("v{user}"), item, 20 * hour + user);
        }
    }
    click(&mut recommender, "v4", "always", 22 * hour - 1);
    let trending = recommender.trending(Scope::All, HotWindow::Day, 10).unwrap();
    let found: Vec<_> =
        trending.items.iter().map(|item| (item.item_id.as_str(), item.score, item.count)).collect();
    assert_eq!(found, [("new", 3.0, 3)], "nothing to nothing before: 3 deviations of 1");
    assert_eq!((trending.scope.as_str(), trending.window, trending.as_of), ("all", "24h", 22 * hour - 1));
    assert_eq!(recommender.trending(Scope::Category("c"), HotWindow::Day, 1).unwrap().items.len(), 1);
    assert!(recommender.trending(Scope::Category("none"), HotWindow::Day, 1).is_none());
    assert!(recommender.trending(Scope::All, HotWindow::AllTime, 1).is_none());
}

#[test]
fn programs_that_send_odd_things_harm_nothing() {
    let mut recommender = small();
    let before = bytes(&recommender);
    for _ in 0..10 {
        let refused = feed(&mut recommender, "recommendation", 0, "hello").unwrap_err();
        assert_eq!(refused.code(), "not-an-event");
    }
    assert_eq!(recommender.counters().rejected, 10);
    let python = "{'user_id': 1, 'item_id': 1001, 'action': 'click'}";
    assert_eq!(feed(&mut recommender, "user_behavior", 0, python), Ok(1));
    assert!(recommender.knows_user("1") && recommender.knows_item("1001"));
    assert_eq!(feed(&mut recommender, "recommendation", 0, "1001:view"), Ok(1));
    assert_ne!(bytes(&recommender), before);
}

#[test]
fn changes_are_handed_out_once() {
    let mut recommender = small();
    let changes = recommender.take_changes(100);
    assert_eq!(changes.users, ["u1", "u2", "u3", "u4"]);
    assert_eq!(changes.items, ["b", "a", "c"]);
    assert!(!changes.more);
    assert_eq!((recommender.take_hot(), recommender.take_hot()), (true, false));
    assert_eq!(recommender.take_changes(100), Default::default());
    click(&mut recommender, "u4", "a", 9000);
    let first = recommender.take_changes(1);
    assert_eq!((first.users.len(), first.items.len(), first.more), (1, 1, true));
}

/// Users of a few tastes, from a fixed seed.
fn trained(events: u64) -> Recommender {
    let mut recommender = Recommender::new(Config::default());
    for n in 0..events {
        let (user, item) = act(n);
        click(&mut recommender, &user, &item, n as i64 * 60_000);
    }
    recommender
}

fn act(n: u64) -> (String, String) {
    let mix = |n: u64| {
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33
    };
    let user = mix(n) % 60;
    let rank = (mix(n + 1_000_000) % 40) * (mix(n + 2_000_000) % 40) / 40;
    (format!("user-{user}"), format!("item-{}", rank * 4 + user % 4))
}

#[test]
fn the_same_log_gives_the_same_bytes() {
    assert_eq!(bytes(&trained(3000)), bytes(&trained(3000)));
}

#[test]
fn forgetting_a_user_is_as_if_it_had_never_come() {
    let mut with = Recommender::new(Config::default());
    let mut without = Recommender::new(Config::default());
    for n in 0..2000 {
        let (user, item) = act(n);
        click(&mut with, &user, &item, n as i64 * 60_000);
        click(&mut without, &user, &item, n as i64 * 60_000);
        if n % 50 == 0 {
            click(&mut with, "ghost", &item, n as i64 * 60_000 + 1);
        }
    }
    let tombstone = Incoming {
        topic: "users",
        position: Position::default(),
        key: Some(b"ghost"),
        value: None,
        headers: &[],
        time_ms: 0,
    };
    with.ingest(&tombstone).unwrap();
    for n in 0..40 {
        let item = format!("item-{n}");
        assert_eq!(with.similar(&item, 100, Metric::Llr), without.similar(&item, 100, Metric::Llr), "{item}");
    }
    for window in HotWindow::ALL {
        let scores = |recommender: &Recommender| -> Vec<(String, u32)> {
            let list = recommender.hot(Scope::All, window, 100).unwrap();
            list.items.into_iter().map(|item| (item.item_id, item.count)).collect()
        };
        if window != HotWindow::Decayed {
            assert_eq!(scores(&with), scores(&without), "{}", window.name());
        }
    }
}

#[test]
fn what_is_most_acted_on_is_known_though_its_items_were_dropped() {
    let mut config = Config::default();
    config.set("recommender.items.max", "40").unwrap();
    config.set("recommender.heavy.hitters.max", "20").unwrap();
    let mut recommender = Recommender::new(config.clone());
    let life = |recommender: &mut Recommender, from: i64, to: i64| {
        for n in from..to {
            // `old` is half of all acts in the first third, and then no more: after five months it counts as nothing.
            let item = if n < 1000 && n % 2 == 0 { "old".to_owned() } else { format!("passing-{n}") };
            click(recommender, &format!("u{}", n % 100), &item, n * 7_200_000);
        }
    };
    life(&mut recommender, 0, 3000);
    assert!(!recommender.knows_item("old"));
    let hitters = recommender.heavy_hitters(1).unwrap();
    assert_eq!((hitters.total, hitters.items[0].item_id.as_str()), (3000, "old"));
    let (count, error) = (hitters.items[0].count, hitters.items[0].error);
    assert!(hitters.error_max <= 3000 / 20 && (count - error..=count).contains(&500), "{hitters:?}");
    let mut again = Recommender::load(config, &bytes(&recommender)).unwrap();
    life(&mut recommender, 3000, 3100);
    life(&mut again, 3000, 3100);
    assert_eq!(bytes(&again), bytes(&recommender));
    assert!(small().heavy_hitters(1).is_none());
}

#[test]
fn users_and_items_stay_within_their_bounds() {
    let mut config = Config::default();
    config.set("recommender.users.max", "100").unwrap();
    config.set("recommender.items.max", "200").unwrap();
    let mut recommender = Recommender::new(config.clone());
    for n in 0..20_000u64 {
        let item = if n % 2 == 0 { format!("item-{}", n % 20) } else { format!("passing-{n}") };
        click(&mut recommender, &format!("user-{}", n / 7), &item, n as i64 * 1000);
        assert!(recommender.report().users <= 100 && recommender.report().items <= 200);
    }
    assert!(recommender.knows_item("item-4"), "what is used stays");
    assert!(recommender.knows_user(&format!("user-{}", 19_999 / 7)));
    let loaded = Recommender::load(config, &bytes(&recommender)).unwrap();
    assert_eq!(bytes(&loaded), bytes(&recommender));
}

#[test]
fn ever_new_ids_stay_within_the_memory_allowed() {
    const MAX: usize = 2_000_000;
    let mut config = Config::default();
    config.set("recommender.memory.max", &MAX.to_string()).unwrap();
    let live = |recommender: &mut Recommender, from: i64, to: i64| {
        for n in from..to {
            let user =
                if n % 4 == 0 { format!("regular-{}", n / 4 % 50) } else { format!("passing-{}", n / 6) };
            let item = if n % 3 == 0 { format!("novelty-{n}") } else { format!("classic-{}", n * n % 60) };
            click(recommender, &user, &item, n * 1000);
            if n % 100 == 0 {
                let report = recommender.report();
                let held: usize = report.bytes.iter().map(|part| part.1).sum();
                assert!(held <= MAX, "after {n} events: {:?}", report.bytes);
            }
        }
    };
    let mut whole = Recommender::new(config.clone());
    live(&mut whole, 0, 20_000);
    let report = whole.report();
    assert!(report.users < 5000 && report.items < 5000, "{} users, {} items", report.users, report.items);
    assert!(report.bytes.iter().map(|part| part.1).sum::<usize>() > MAX / 4, "{:?}", report.bytes);
    // What keeps coming is still known.
    assert!((0..50).all(|n| whole.knows_user(&format!("regular-{n}"))));
    assert!([1, 4, 16, 25, 49].iter().all(|n| whole.knows_item(&format!("classic-{n}"))));
    let answer = whole.recommend(&Request::user("regular-7", 5)).unwrap();
    assert_eq!((answer.kind, answer.items.len()), (AnswerKind::Personal, 5));
    // Stopped in between, it drops the same at the same time.
    let mut before = Recommender::new(config.clone());
    live(&mut before, 0, 11_111);
    let mut after = Recommender::load(config, &bytes(&before)).unwrap();
    live(&mut after, 11_111, 20_000);
    assert!(bytes(&after) == bytes(&whole));
}

#[test]
fn every_model_finds_what_everyone_like_the_user_took() {
    // Two tastes. A user of the first who lacks one of its items must be shown that one.
    let mut recommender = Recommender::new(Config::default());
    let mut time = 0;
    for user in 0..40 {
        for item in 0..6 {
            if !(user == 0 && item == 5) {
                time += 1000;
                click(&mut recommender, &format!("u{user}"), &format!("{}-{item}", user % 2), time);
            }
        }
    }
    // What is one step away is not two.
    let goes_by_taste = |name: &&str| !name.starts_with("popular") && *name != "walk";
    for model in Recommender::models().filter(goes_by_taste).chain(["fused"]) {
        let request = Request { model: Some(model), ..Request::user("u0", 3) };
        let answer = recommender.recommend(&request).unwrap();
        assert_eq!(answer.items[0].item_id, "0-5", "{model}");
        let ids: std::collections::HashSet<&String> = answer.items.iter().map(|item| &item.item_id).collect();
        assert_eq!(ids.len(), answer.items.len(), "{model}: no item twice");
    }
    assert!(recommender.recommend(&Request { model: Some("oracle"), ..Request::user("u0", 3) }).is_none());
}

/// The list for a user who came to `a`, which `neighbours` people came to together with something else.
fn after_a(neighbours: u32, model: Option<&str>) -> Vec<String> {
    let mut recommender = Recommender::new(Config::default());
    let mut time = 0;
    let mut visit = |user: &str, items: &[&str]| {
        for item in items {
            time += 1000;
            click(&mut recommender, user, item, time);
        }
    };
    visit("u1", &["a", "b"]);
    visit("u2", &["b", "c"]);
    visit("u3", &["c", "d"]);
    visit("asks", &["a"]);
    (0..30).for_each(|n| visit(&format!("crowd{n}"), &["hot"]));
    (1..neighbours).for_each(|n| visit(&format!("other{n}"), &["a", &format!("n{n}")]));
    let answer =
        recommender.recommend(&Request { model, ..Request::user("asks", 10) }).expect("hot at least");
    answer.items.into_iter().map(|item| item.item_id).collect()
}

#[test]
fn two_steps_are_taken_where_one_finds_little() {
    // b is one step from a, c two, d three.
    assert_eq!(after_a(1, Some("co-occurrence")), ["b"]);
    assert_eq!(after_a(1, Some("walk")), ["c"]);
    assert_eq!(after_a(1, None), ["b", "hot", "c", "d"]);
    assert_eq!(after_a(59, Some("walk")), ["c"]);
    assert!(after_a(60, Some("walk")).is_empty());
}

#[test]
fn a_model_that_is_off_has_no_part_in_anything() {
    let mut config = Config::default();
    config.set("recommender.disabled.models", "user-knn, co-occurrence, popular-7d, popular").unwrap();
    assert!(config.set("recommender.disabled.models", "ease").is_err());
    let mut recommender = Recommender::new(config);
    for user in 0..20 {
        for item in 0..4 {
            let time = i64::from(user * 10 + item) * 1000;
            click(
                &mut recommender,
                &format!("u{user}"),
                &format!("{}-{}", user % 2, (user + item) % 5),
                time,
            );
        }
    }
    let sources: Vec<&str> = recommender.report().weights.into_iter().map(|weight| weight.0).collect();
    let off = ["user-knn", "co-occurrence", "popular-7d", "popular"];
    assert!(sources.contains(&"rules") && off.iter().all(|name| !sources.contains(name)), "{sources:?}");
    for model in off {
        assert!(recommender.recommend(&Request { model: Some(model), ..Request::user("u0", 3) }).is_none());
    }
    let answer = recommender.recommend(&Request { explain: true, ..Request::user("u0", 10) }).unwrap();
    let reasons: Vec<&str> =
        answer.items.iter().flat_map(|item| &item.reasons).map(|reason| reason.source).collect();
    assert!(!reasons.is_empty() && reasons.iter().all(|source| !off.contains(source)), "{reasons:?}");
}

fn log(rows: &str) -> Log {
    csv::read(format!("user_id,item_id,ts\n{rows}").as_bytes()).expect("well-formed")
}

#[test]
fn prequential_asks_for_a_group_before_learning_it() {
    // u2 takes a and b at one time. Grouped, b is asked for before it is known that u2 took a.
    let log = log("u1,a,1\nu1,b,2\nu3,a,5\nu4,a,6\nu2,a,10\nu2,b,10\n");
    let hits = |ungrouped| {
        let options = Options { at: vec![1], ungrouped, ..Options::default() };
        let report = run(&options, Config::default(), &log, None).unwrap();
        let scores = *report.scores("fused", 1).unwrap();
        assert_eq!(scores.questions, 6);
        (scores.hit_rate * 6.0).round()
    };
    assert_eq!(hits(true), hits(false) + 1.0, "b follows a once a is learnt");
}

#[test]
fn the_other_protocols_ask_what_they_say() {
    let train = log("u1,a,1\nu1,b,2\nu2,a,3\nu2,b,4\nu3,a,5\nu3,b,6\nu4,a,7\nu4,b,8\n");
    let ask = |protocol, test: Option<&Log>| {
        let options =
            Options { protocol, at: vec![1], repeats: protocol == Protocol::NextItem, ..Options::default() };
        let report = run(&options, Config::default(), &train, test).unwrap();
        let scores = report.scores("fused", 1).unwrap();
        (report.learnt, scores.questions, scores.recall)
    };
    // Each user's b is held out, so nothing is known of b.
    assert_eq!(ask(Protocol::LeaveLastOut, None), (4, 4, 0.0));
    // 80 % of eight events: u1 to u3. u4 was not seen before and is not asked for.
    assert_eq!(ask(Protocol::Split, None), (6, 0, 0.0));
    // Test sessions s1 = a, b and s2 = a, b, c: prefixes a; a; a b.
    let sessions = log("s1,a,20\ns1,b,21\ns2,a,22\ns2,b,23\ns2,c,24\n");
    let (learnt, asked, recall) = ask(Protocol::NextItem, Some(&sessions));
    assert_eq!((learnt, asked), (8, 3));
    assert!((recall - 2.0 / 3.0).abs() < 1e-12, "b after a, twice; never c: {recall}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Stop anywhere, save, load, go on: the same bytes as without stopping.
    #[test]
    fn a_restart_changes_nothing(events in 1u64..1500, stop in 0u64..1500) {
        let stop = stop.min(events);
        let mut recommender = trained(stop);
        recommender = Recommender::load(Config::default(), &bytes(&recommender)).unwrap();
        for n in stop..events {
            let (user, item) = act(n);
            click(&mut recommender, &user, &item, n as i64 * 60_000);
        }
        prop_assert_eq!(bytes(&recommender), bytes(&trained(events)));
    }

    /// Whatever the bytes, ingesting answers; it never panics and refused messages change nothing.
    #[test]
    fn no_bytes_break_it(value in prop::collection::vec(any::<u8>(), 0..200)) {
        ingest_anything(&value);
    }

    /// The same with text that looks like events.
    #[test]
    fn no_json_breaks_it(value in r#"\{("(user_id|item_id|action|ts|items|event|properties|eventList|visitorId|eventType|specversion|data|FeedbackType|value)": ?(null|true|-?[0-9]{1,20}|"[a-z0-9:]{0,9}"|\[\]|\[\{"id":1\}\]|\{\}), ?){0,6}"x":0\}"#) {
        ingest_anything(value.as_bytes());
    }

    /// And with mutilated Python.
    #[test]
    fn no_python_breaks_it(value in r#"\{('[a-z_]{0,8}'|"[a-z\\]{0,4}"|None|True|\(|\)|,|:|\\| |é){0,20}\}"#) {
        ingest_anything(value.as_bytes());
    }

    /// A damaged snapshot is refused, not trusted.
    #[test]
    fn no_snapshot_breaks_it(place in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()) {
        let mut damaged = bytes(&trained(50));
        let at = place.index(damaged.len());
        damaged[at] ^= 1 << bit;
        prop_assert!(Recommender::load(Config::default(), &damaged).is_err());
        damaged.truncate(cut.index(damaged.len()));
        prop_assert!(Recommender::load(Config::default(), &damaged).is_err());
    }
}

fn ingest_anything(value: &[u8]) {
    let mut recommender = Recommender::new(Config::default());
    let empty = recommender.report();
    for topic in ["user_behavior", "rated-movies", "items", "users"] {
        let message = Incoming {
            topic,
            position: Position::default(),
            key: Some(value),
            value: Some(value),
            headers: &[],
            time_ms: 1,
        };
        if recommender.ingest(&message).is_ok() {
            return;
        }
        assert_eq!(recommender.report(), empty);
    }
}
