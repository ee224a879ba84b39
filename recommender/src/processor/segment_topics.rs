//! Events by age and gender: each message to `TOPIC.AGES.GENDER` of who it is of, such as `user_behavior.25-34.F`.
//!
//! The join is with what the `users` topics have said by the time that the event is learnt. Of whom nothing is known,
//! or only a session, the events go to `TOPIC.unknown.unknown`. There are only as many topics as there are segments.
//!
//! A message is written as received, key, value, headers and time, once; if it has events of several users, each event is
//! written by itself in normal form, so that nobody's are in the topic of somebody else.

use super::emission::{Body, Emission, json};
use super::operator::Operator;
use crate::config::{Config, TopicRole};
use crate::recommender::{Incoming, Recommender, Seen};

/// Routes events.
#[derive(Debug)]
pub(super) struct SegmentTopics {
    topics: Vec<String>,
    /// The message at hand is written already.
    written: bool,
}

impl SegmentTopics {
    pub(super) fn new(config: &Config) -> Self {
        let behaviour = |topic: &&String| matches!(config.role(topic), Some(TopicRole::Behaviour { .. }));
        Self { topics: config.segment_topics.iter().filter(behaviour).cloned().collect(), written: false }
    }
}

impl Operator for SegmentTopics {
    fn name(&self) -> &'static str {
        "segment-topics"
    }

    fn listens(&self, topic: &str) -> bool {
        self.topics.iter().any(|known| known == topic)
    }

    fn hear(&mut self, _: &Incoming<'_>, _: &mut Vec<Emission>) {
        self.written = false;
    }

    fn learnt(&mut self, seen: &Seen<'_>, recommender: &Recommender, out: &mut Vec<Emission>) {
        let message = seen.message;
        if self.written || !self.listens(message.topic) {
            return;
        }
        self.written = seen.of_one_user;
        let body = if seen.of_one_user {
            Body::AsReceived
        } else {
            let key = message.key.map(<[u8]>::to_vec);
            let value = Some(json(&message.alone(seen.event)));
            Body::Own { key, value, time_ms: message.time_ms }
        };
        let topic = format!("{}.{}", message.topic, recommender.segment_of(seen.event.user_id.as_deref()));
        out.push(Emission { topic: topic.into(), body, headers: Vec::new() });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Processor;
    use super::*;
    use crate::ingest::Position;

    fn routed(processor: &mut Processor, topic: &str, value: &str) -> Vec<(String, Option<String>)> {
        let mut out = Vec::new();
        let position = Position { source: topic, offset: 0 };
        let (key, value) = (Some(&b"k"[..]), Some(value.as_bytes()));
        let message = Incoming { topic, position, key, value, headers: &[], time_ms: 1_700_000_000_000 };
        drop(processor.process(&message, &mut out));
        let told = |emission: Emission| {
            let own = match emission.body {
                Body::AsReceived => None,
                Body::Own { key, value, .. } => {
                    assert_eq!(key.as_deref(), Some(&b"k"[..]));
                    Some(String::from_utf8(value.unwrap()).unwrap())
                }
            };
            (emission.topic.into_owned(), own)
        };
        out.into_iter().filter(|one| !one.topic.starts_with("kindred.")).map(told).collect()
    }

    #[test]
    fn events_go_where_their_user_belongs() {
        let mut config = Config::default();
        config.set("recommender.segment.topics", "user_behavior, payments").unwrap();
        let mut processor = Processor::new(config);
        assert!(!processor.reads("payments"), "no topic of behaviour");
        let event = |user: &str| format!(r#"{{"user_id":"{user}","item_id":"i","action":"view"}}"#);
        routed(&mut processor, "users", r#"{"user_id":"u","age":"30","gender":"f"}"#);
        routed(&mut processor, "users", r#"{"user_id":"v","gender":"../../x"}"#);
        let as_received = |topic: &str| vec![(topic.to_owned(), None)];
        for (value, topic) in [
            (event("u"), "user_behavior.25-34.F"),
            (event("v"), "user_behavior.unknown.other"),
            (event("w"), "user_behavior.unknown.unknown"),
            ("i:view".to_owned(), "user_behavior.unknown.unknown"),
            (event("u").replace("user_id", "session_id"), "user_behavior.unknown.unknown"),
            (format!("[{},{}]", event("u"), event("u")), "user_behavior.25-34.F"),
            // Others of the same message may be refused.
            (format!("[{},{}]", event("u").replace("view", "x"), event("u")), "user_behavior.25-34.F"),
        ] {
            assert_eq!(routed(&mut processor, "user_behavior", &value), as_received(topic), "{value}");
        }
        assert_eq!(routed(&mut processor, "user_behavior", "{}"), []);
        assert_eq!(routed(&mut processor, "recommendation", &event("u")), [], "not asked for");
        let of_two = routed(&mut processor, "user_behavior", &format!("[{},{}]", event("u"), event("v")));
        let topics: Vec<&str> = of_two.iter().map(|(topic, _)| topic.as_str()).collect();
        assert_eq!(topics, ["user_behavior.25-34.F", "user_behavior.unknown.other"]);
        assert!(of_two[0].1.as_ref().is_some_and(|own| own.contains(r#""u""#) && !own.contains(r#""v""#)));
        routed(&mut processor, "users", r#"{"user_id":"u","age":35,"gender":"f"}"#);
        assert_eq!(
            routed(&mut processor, "user_behavior", &event("u")),
            as_received("user_behavior.35-44.F")
        );
        // A tenant's user of the same name is somebody else.
        routed(&mut processor, "users", r#"{"user_id":"u","age":60,"gender":"m","tenant":"a"}"#);
        for (value, topic) in [
            (event("u").replace('{', r#"{"tenant":"a","#), "user_behavior.55-64.M"),
            (event("u").replace('{', r#"{"tenant":"b","#), "user_behavior.unknown.unknown"),
            (event("u"), "user_behavior.35-44.F"),
        ] {
            assert_eq!(routed(&mut processor, "user_behavior", &value), as_received(topic), "{value}");
        }
    }
}
