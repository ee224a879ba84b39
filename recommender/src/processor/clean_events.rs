//! Every event that was learnt, in the one normal form, to `kindred.events.clean`: whatever shape and topic it came in,
//! those behind read one.

use super::emission::Emission;
use super::operator::Operator;
use super::topics;
use crate::config::Config;
use crate::ingest::Event;
use crate::recommender::{Recommender, Seen};

/// Writes normalised events, keyed by user; those of nobody by item.
#[derive(Debug)]
pub(super) struct CleanEvents {
    enabled: bool,
}

impl CleanEvents {
    pub(super) fn new(config: &Config) -> Self {
        Self { enabled: config.clean_events }
    }
}

impl Operator for CleanEvents {
    fn name(&self) -> &'static str {
        "clean-events"
    }

    fn learnt(&mut self, seen: &Seen<'_>, _: &Recommender, out: &mut Vec<Emission>) {
        if !self.enabled {
            return;
        }
        let key = seen.event.user_id.as_deref().or(seen.event.session_id.as_deref());
        let event = Event { action: seen.action.into(), ..seen.message.alone(seen.event) };
        let key = key.unwrap_or(&seen.event.item_id);
        out.push(Emission::json(topics::CLEAN_EVENTS, key, &event, seen.event.time_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Body, Processor};
    use super::*;
    use crate::ingest::Position;
    use crate::recommender::Incoming;

    fn clean(topic: &str, value: &str) -> Vec<(String, String)> {
        let mut out = Vec::new();
        let position = Position { source: topic, offset: 0 };
        let value = Some(value.as_bytes());
        let message =
            Incoming { topic, position, key: None, value, headers: &[], time_ms: 1_700_000_005_000 };
        Processor::new(Config::default()).process(&message, &mut out).expect("a good event");
        let text = |bytes: &Option<Vec<u8>>| String::from_utf8(bytes.clone().unwrap()).unwrap();
        out.iter()
            .filter(|one| one.topic == topics::CLEAN_EVENTS)
            .map(|one| match &one.body {
                Body::Own { key, value, .. } => (text(key), text(value)),
                Body::AsReceived => panic!("{one:?}"),
            })
            .collect()
    }

    #[test]
    fn events_have_one_form_whatever_they_came_in() {
        let normal = r#"{"user_id":"1","item_id":"2","action":"view","ts":1700000000000}"#;
        for (topic, value) in [
            ("user_behavior", r#"{"user_id":1,"item_id":2,"action":"View","ts":1700000000}"#),
            ("viewed-movies", r#"{"user_id":"1","item_id":"2","ts":1700000000000}"#),
            ("user_behavior", "{'user_id': 1, 'item_id': 2, 'action': 'pv', 'ts': 1700000000}"),
        ] {
            assert_eq!(clean(topic, value), [("1".to_owned(), normal.to_owned())], "{value}");
        }
        let of_nobody = r#"{"item_id":"2","action":"click","ts":1700000005000}"#;
        assert_eq!(clean("user_behavior", "2:click"), [("2".to_owned(), of_nobody.to_owned())]);
    }
}
