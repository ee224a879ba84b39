//! One event in every format that is accepted without being configured: each file of `fixtures`, made of the fields that its
//! project documents, becomes the same normalised event. And what is none of them never stops what reads it.
//!
//! | file | documented at |
//! |---|---|
//! | `gorse.json` | gorse.io, REST API: feedback |
//! | `metarank.json` | docs.metarank.ai, event format: interaction |
//! | `google-retail.json` | cloud.google.com/retail, `projects.locations.catalogs.userEvents` |
//! | `personalize.json` | docs.aws.amazon.com/personalize, `PutEvents` |
//! | `segment.json` | segment.com, Spec: V2 Ecommerce Events, Product Viewed |
//! | `cloudevents.json` | github.com/cloudevents/spec, JSON event format |

use recommender::processor::topics::{CLEAN_EVENTS, DEAD_LETTER};
use recommender::{Body, Config, Emission, Incoming, Position, Processor};
use serde_json::{Value, json};

const TIME_MS: i64 = 1_700_000_000_000;

/// Each file, and what it says beside the event that all have in common.
const FORMATS: [(&str, &[u8], &str); 9] = [
    ("flat.json", include_bytes!("fixtures/flat.json"), r#"{"event_id":"event-1","session_id":"session-3"}"#),
    ("gorse.json", include_bytes!("fixtures/gorse.json"), r#"{"value":1.0}"#),
    (
        "metarank.json",
        include_bytes!("fixtures/metarank.json"),
        r#"{"event_id":"event-1","session_id":"session-3","rec_id":"ranking-5"}"#,
    ),
    (
        "google-retail.json",
        include_bytes!("fixtures/google-retail.json"),
        r#"{"session_id":"session-3","rec_id":"ranking-5","quantity":1.0}"#,
    ),
    (
        "personalize.json",
        include_bytes!("fixtures/personalize.json"),
        r#"{"event_id":"event-1","session_id":"session-3","rec_id":"ranking-5"}"#,
    ),
    (
        "segment.json",
        include_bytes!("fixtures/segment.json"),
        r#"{"event_id":"event-1","price":18.99,"quantity":1.0,"currency":"usd","position":3}"#,
    ),
    (
        "cloudevents.json",
        include_bytes!("fixtures/cloudevents.json"),
        r#"{"event_id":"event-1","session_id":"session-3"}"#,
    ),
    // It has no user, and counts for hot items only.
    ("plain.txt", include_bytes!("fixtures/plain.txt"), r#"{"user_id":null}"#),
    (
        "python.txt",
        include_bytes!("fixtures/python.txt"),
        r#"{"event_id":"event-1","session_id":"session-3","consent":true}"#,
    ),
];

/// What is written because of a message of a topic of behaviour, and whether anything of it was learnt.
fn processed(processor: &mut Processor, value: Option<&[u8]>) -> (bool, Vec<Emission>) {
    let position = Position { source: "user_behavior-0", offset: 0 };
    let topic = "user_behavior";
    let message = Incoming { topic, position, key: None, value, headers: &[], time_ms: TIME_MS };
    let mut out = Vec::new();
    let learnt = processor.process(&message, &mut out).is_ok();
    (learnt, out)
}

fn of<'e>(emissions: &'e [Emission], topic: &'e str) -> impl Iterator<Item = &'e Emission> {
    emissions.iter().filter(move |emission| emission.topic == topic)
}

#[test]
fn every_format_is_the_same_event() {
    for (file, message, also) in FORMATS {
        let mut expected =
            json!({"user_id": "user-7", "item_id": "item-42", "action": "view", "ts": TIME_MS});
        let also: Value = serde_json::from_str(also).expect("JSON");
        for (field, value) in also.as_object().expect("an object") {
            expected[field] = value.clone();
        }
        expected.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        let (learnt, out) = processed(&mut Processor::new(Config::default()), Some(message));
        assert!(learnt, "{file}: {out:?}");
        let clean: Vec<Value> = of(&out, CLEAN_EVENTS)
            .map(|emission| match &emission.body {
                Body::Own { value: Some(value), .. } => serde_json::from_slice(value).expect("JSON"),
                body => panic!("{file}: {body:?}"),
            })
            .collect();
        assert_eq!(clean, [expected], "{file}");
    }
}

#[test]
fn poison_is_a_dead_letter_and_what_follows_is_learnt() {
    let mut processor = Processor::new(Config::default());
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    let wide =
        format!(r#"{{"user_id":1,"action":"view","items":[{}]}}"#, vec![r#"{"item_id":1}"#; 2000].join(","));
    let poison: Vec<Vec<u8>> = [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        deep("{'a':(", ")}"),
        format!(r#"{{"user_id":1,"item_id":1,"action":"view","context":{}}}"#, deep("[", "]"))
            .replace("view", "x"),
        format!(r#"{{"user_id":"{}","item_id":1,"action":"view"}}"#, "u".repeat(5 << 20)),
        format!(r#"{{"user_id":1,"item_id":1,"action":"{}"}}"#, "x".repeat(5 << 20)),
        format!(r#"{{"user_id":1,"item_id":1,"action":"view","ts":1{}}}"#, "0".repeat(100_000)),
        "{".repeat(1 << 20),
        "\"".repeat(1 << 20),
        "\\".repeat(1 << 20),
        wide,
        r#"{"user_id":null,"item_id":null,"action":null}"#.to_owned(),
        r#"{"eventList":{}}"#.to_owned(),
        r#"{"specversion":"1.0","data":"x"}"#.to_owned(),
        r#"{"event":"item","item":"x","fields":7}"#.to_owned(),
        "null".to_owned(),
        "\u{0}".to_owned(),
    ]
    .map(String::into_bytes)
    .into_iter()
    .chain([vec![0xff; 1 << 20], vec![0; 1 << 20], b"\x00\x00\x00\x00\x07avro".to_vec()])
    .collect();
    for value in &poison {
        let shown = String::from_utf8_lossy(&value[..value.len().min(60)]).into_owned();
        let (learnt, out) = processed(&mut processor, Some(value));
        let letters: Vec<_> = of(&out, DEAD_LETTER).collect();
        assert!(!learnt && letters.len() == 1 && letters[0].body == Body::AsReceived, "{shown}: {out:?}");
        for name in ["topic", "partition", "offset", "reason", "rule", "message"] {
            let name = format!("kindred.{name}");
            let header = letters[0].headers.iter().find(|(known, _)| *known == name);
            assert!(header.is_some_and(|(_, text)| !text.is_empty() && text.len() < 1000), "{shown}: {name}");
        }
    }
    let (learnt, out) = processed(&mut processor, None);
    assert!(!learnt && of(&out, DEAD_LETTER).count() == 1);
    assert!(processed(&mut processor, Some(FORMATS[0].1)).0);
}

#[test]
fn a_damaged_message_is_learnt_or_a_dead_letter() {
    let mut processor = Processor::new(Config::default());
    let mut seed = 7u64;
    let mut below = |bound: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % bound
    };
    let (mut passed, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut message = FORMATS[below(FORMATS.len())].1.to_vec();
        for _ in 0..=below(4) {
            if message.is_empty() {
                break;
            }
            let at = below(message.len());
            match below(4) {
                0 => message[at] = below(256) as u8,
                1 => drop(message.remove(at)),
                2 => message.insert(at, b"{}[]\",:'\\0"[below(10)]),
                _ => message.truncate(at + 1),
            }
        }
        let (learnt, out) = processed(&mut processor, Some(&message));
        let whole = of(&out, DEAD_LETTER).filter(|letter| letter.body == Body::AsReceived).count();
        assert_eq!(whole, usize::from(!learnt), "{}", String::from_utf8_lossy(&message));
        *if learnt { &mut passed } else { &mut refused } += 1;
    }
    assert!(passed > 1000 && refused > 1000, "{passed} {refused}");
}
