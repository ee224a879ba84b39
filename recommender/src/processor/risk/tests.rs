use super::*;
use crate::ingest::Position;
use crate::processor::{Body, Processor};
use crate::recommender::Incoming;

const T: i64 = 1_700_000_000_000;

/// A processor with rules, fed with behaviour.
struct Shop {
    processor: Processor,
    offset: i64,
}

/// What became of an event: whether it was learnt, and the alerts, as key and JSON.
type Became = (bool, Vec<(String, serde_json::Value)>);

impl Shop {
    fn new(rules: &str) -> Self {
        let mut config = Config::default();
        config.set("recommender.risk", rules).expect("good rules");
        Self { processor: Processor::new(config), offset: 0 }
    }

    fn send(&mut self, address: &str, value: &str) -> (bool, Vec<Emission>) {
        let mut out = Vec::new();
        let position = Position { source: "user_behavior-0", offset: self.offset };
        self.offset += 1;
        let headers: [(&[u8], Option<&[u8]>); 1] = [(b"ip", Some(address.as_bytes()))];
        let value = Some(value.as_bytes());
        let message = Incoming {
            topic: "user_behavior",
            position,
            key: None,
            value,
            headers: &headers,
            time_ms: T + 3_000_000,
        };
        (self.processor.process(&message, &mut out).is_ok(), out)
    }

    fn act(&mut self, user: &str, item: &str, action: &str, address: &str, after_ms: i64) -> Became {
        let ts = T + after_ms;
        let event = format!(r#"{{"user_id":"{user}","item_id":"{item}","action":"{action}","ts":{ts}}}"#);
        let (learnt, out) = self.send(address, &event);
        assert_eq!(out.iter().any(|one| one.refused_because() == Some("quarantined")), !learnt);
        (learnt, out.iter().filter_map(alert).collect())
    }

    fn saved(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.processor.save(&mut out);
        out
    }
}

fn alert(emission: &Emission) -> Option<(String, serde_json::Value)> {
    let Body::Own { key: Some(key), value: Some(value), .. } = &emission.body else { return None };
    let alert = (String::from_utf8(key.clone()).unwrap(), serde_json::from_slice(value).unwrap());
    (emission.topic == topics::ALERTS).then_some(alert)
}

#[test]
fn who_acts_too_fast_is_quarantined_until_it_slows_down() {
    let mut shop = Shop::new("fast: by=user limit=3 window=12s");
    let mut act = |after_ms| shop.act("bot", "a", "view", "", after_ms);
    assert!((0..3).all(|n| act(n * 1000) == (true, vec![])));
    let (learnt, alerts) = act(3000);
    let [(key, alert)] = &alerts[..] else { panic!("{alerts:?}") };
    assert!(!learnt);
    assert_eq!(key, "fast/bot");
    let expected = serde_json::json!({
        "alert": "risk", "rule": "fast", "subject": "bot", "by": ["user"], "counted": "events",
        "count": 4, "limit": 3, "window": {"from": T - 9000, "to": T + 3000}, "quarantined": true,
        "evidence": "user_behavior-0-3"
    });
    assert_eq!(*alert, expected);
    // One alert in a window, and what is refused counts: it stays out as long as it goes on.
    assert!((4..15).all(|n| act(n * 1000) == (false, vec![])));
    assert_eq!(act(15_000).1.len(), 1);
    assert_eq!(act(40_000), (true, vec![]));
    assert_eq!(shop.act("ann", "a", "view", "", 3000), (true, vec![]), "everybody else is not concerned");
    assert_eq!(shop.processor.recommender().counters().events, 5);
}

#[test]
fn many_from_one_address_on_one_item_are_a_farm() {
    let mut shop = Shop::new("farm: by=@header.ip|item distinct=user limit=2 window=1m actions=click|view");
    let learnt = |became: Became| became.0;
    assert!(learnt(shop.act("u1", "a", "click", "10.0.0.1", 0)));
    assert!(learnt(shop.act("u2", "a", "click", "10.0.0.1", 10)));
    assert!(learnt(shop.act("u2", "a", "view", "10.0.0.1", 20)), "no other user");
    assert!(learnt(shop.act("u3", "b", "click", "10.0.0.1", 30)), "another item");
    assert!(learnt(shop.act("u3", "a", "click", "10.0.0.2", 40)), "another address");
    assert!(learnt(shop.act("u3", "a", "purchase", "10.0.0.1", 50)), "another action");
    let (learnt_too, alerts) = shop.act("u4", "a", "click", "10.0.0.1", 60);
    assert!(!learnt_too);
    let (key, alert) = &alerts[0];
    assert_eq!(key, "farm/10.0.0.1/a");
    assert_eq!((&alert["counted"], &alert["count"]), (&"user".into(), &3.into()));
    assert_eq!(alert["by"], serde_json::json!(["header `ip`", "item"]));
    assert!(learnt(shop.act("u5", "a", "click", "", 70)), "no address is no subject");
}

#[test]
fn tenants_with_the_same_users_are_counted_apart_and_an_address_is_not() {
    let mut shop =
        Shop::new("fast: by=user limit=2 window=1h, farm: by=@header.ip distinct=user limit=3 window=1h");
    let mut act = |tenant: &str, user: &str| {
        let event =
            format!(r#"{{"user_id":"{user}","item_id":"i","action":"view","ts":{T},"tenant":"{tenant}"}}"#);
        let (learnt, out) = shop.send("10.0.0.1", &event);
        (learnt, out.iter().filter_map(alert).collect::<Vec<_>>())
    };
    for tenant in ["a", "b", "a", "b"] {
        assert_eq!(act(tenant, "u"), (true, vec![]));
    }
    let (learnt, alerts) = act("a", "u");
    assert_eq!((learnt, alerts[0].0.as_str()), (false, "a\u{1f}fast/u"));
    assert_eq!(alerts[0].1["tenant"], "a");
    // u of a, u of b, v of a are three users of one address; v of b is the fourth.
    assert!(act("a", "v").0);
    let (learnt, alerts) = act("b", "v");
    assert_eq!((learnt, alerts[0].0.as_str(), alerts[0].1.get("tenant")), (false, "farm/10.0.0.1", None));
    let position = Position { source: "users-0", offset: 0 };
    let headers: [(&[u8], Option<&[u8]>); 1] = [(b"tenant", Some(b"a"))];
    let (topic, key) = ("users", Some(&b"u"[..]));
    let gone = Incoming { topic, position, key, value: None, headers: &headers, time_ms: T };
    shop.processor.process(&gone, &mut Vec::new()).expect("a good record");
    let mut learnt = |tenant: &str| {
        let event =
            format!(r#"{{"user_id":"u","item_id":"i","action":"view","ts":{T},"tenant":"{tenant}"}}"#);
        shop.send("", &event).0
    };
    assert_eq!(["a", "b"].map(&mut learnt), [true, false], "forgotten in its tenant alone");
}

#[test]
fn bursts_of_ratings_and_alerts_that_refuse_nothing() {
    let mut shop = Shop::new(
        "burst: by=item actions=rate limit=2 window=1h, wide: by=user distinct=item limit=2 window=1m then=alert",
    );
    for user in ["a", "b"] {
        assert!(shop.act(user, "film", "rate", "", 0).0);
    }
    assert!(!shop.act("c", "film", "rate", "", 0).0);
    assert!(shop.act("c", "film", "view", "", 0).0);
    for item in ["x", "y"] {
        assert_eq!(shop.act("d", item, "view", "", 0), (true, vec![]));
    }
    let (learnt, alerts) = shop.act("d", "z", "view", "", 0);
    assert!(learnt);
    assert_eq!((alerts[0].0.as_str(), &alerts[0].1["quarantined"]), ("wide/d", &false.into()));
}

#[test]
fn a_dead_letter_names_the_rule_and_one_of_several_events_stands_alone() {
    let mut shop = Shop::new("fast: by=user limit=1 window=1m");
    let line = |item: &str| format!(r#"{{"user_id":"u","item_id":"{item}","action":"view","ts":{T}}}"#);
    let (learnt, out) = shop.send("", &format!("[{},{}]", line("a"), line("b")));
    let letter = out.iter().find(|one| one.topic == topics::DEAD_LETTER).expect("a dead letter");
    let header =
        |name: &str| letter.headers.iter().find(|(known, _)| *known == name).map(|(_, v)| v.as_str());
    assert!(learnt && matches!(&letter.body, Body::Own { .. }));
    assert_eq!((header("kindred.reason"), header("kindred.rule")), (Some("quarantined"), Some("fast")));
    assert_eq!(header("kindred.message"), Some("rule fast: more than 1 of u within 60000 ms"));
}

#[test]
fn rules_that_make_no_sense_are_one_line() {
    for (rules, said) in [
        ("a: limit=3", "rule `a`: field `by` is missing"),
        ("a: by=user", "rule `a`: field `limit` is missing"),
        ("a: by=user limit=0", "rule `a`: field `limit` is `0`, not a number from 1 to 100000"),
        (
            "a: by=user|item distinct=item limit=3",
            "rule `a`: field `distinct` is in `by` too, so there is only one of it",
        ),
        (
            "a: by=@ip limit=3",
            "rule `a`: field `by` has `@ip`, not `user`, `item`, `session`, a field such as `price` or `order.total`, `.`, `@key` or `@header.NAME`",
        ),
        ("a: by=user limit=3 then=ban", "rule `a`: field `then` is `ban`, not one of quarantine, alert"),
    ] {
        let error = Config::default().set("recommender.risk", rules).unwrap_err();
        assert_eq!(error.reason().as_deref(), Some(said));
    }
}

#[test]
fn saved_anywhere_it_goes_on_as_if_nothing_had_happened() {
    let rules =
        "fast: by=user limit=4 window=10s keys=3, wide: by=@header.ip distinct=item limit=5 window=20s";
    let mut random = crate::models::random::Random(8);
    let acts: Vec<(String, String, String, i64)> = (0..250)
        .map(|n| {
            let name = |letter: &str, of: usize, random: &mut crate::models::random::Random| {
                format!("{letter}{}", random.below(of))
            };
            let (user, item) = (name("u", 5, &mut random), name("i", 9, &mut random));
            (user, item, name("10.0.0.", 3, &mut random), n * 400)
        })
        .collect();
    let act = |shop: &mut Shop, (user, item, address, after): &(String, String, String, i64)| {
        shop.act(user, item, "view", address, *after)
    };
    let mut whole = Shop::new(rules);
    let expected: Vec<Became> = acts.iter().map(|one| act(&mut whole, one)).collect();
    assert!(expected.iter().filter(|(learnt, _)| !learnt).count() > 10);
    for cut in [0, 33, 180] {
        let mut first = Shop::new(rules);
        acts[..cut].iter().for_each(|one| drop(act(&mut first, one)));
        let mut second = Shop::new(rules);
        second.offset = first.offset;
        let config = second.processor.recommender().config().clone();
        second.processor = Processor::load(config, &first.saved()).expect("a good snapshot");
        for (one, expected) in acts[cut..].iter().zip(&expected[cut..]) {
            assert_eq!(act(&mut second, one), *expected);
        }
        assert_eq!(second.saved(), whole.saved());
    }
    let mut risk = Risk::new(whole.processor.recommender().config());
    let (_, bytes) = whole.processor.bytes().into_iter().find(|(name, _)| *name == "risk").unwrap();
    assert!(bytes > 0 && bytes < 4000, "{bytes}");
    let subject = Subject::new(&risk.guards[0].rule);
    risk.guards[0].subjects.use_or_make("\u{1f}u1", || subject);
    risk.forget(None, "u1");
    assert!(risk.guards[0].subjects.iter_mut().next().is_none());
}
