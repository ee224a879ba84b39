//! What people of each age and gender come to, to `kindred.hot`: `segment=age:25-34,gender:F/all-time`.
//!
//! A list is written when it has changed, and removed when those it is of have become too few to be shown: see
//! `recommender.segment.people.min`.

use std::collections::BTreeMap;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::emission::{Body, Emission, json};
use super::operator::Operator;
use super::topics;
use crate::recommender::{Recommender, tenant_key};
use crate::serving::HotList;
use crate::state::snapshot::{Reader, SnapshotError, Writer};

/// Items in one list.
const ITEMS: usize = 50;

/// A list as it is written.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(flatten)]
    list: &'a HotList,
}

/// The hash that stands for a list of other settings.
const NO_LIST: u64 = 0;

/// Writes hot lists by segment.
#[derive(Debug, Default)]
pub(super) struct SegmentLists {
    /// The hash of each list's items as last written, by key. At most one for each group of people of each tenant.
    written: BTreeMap<String, u64>,
}

impl SegmentLists {
    /// Takes the place of one under other settings: whatever either has written is written again, or removed.
    pub(super) fn replace(&mut self, before: &Self) {
        let keys = before.written.keys().chain(self.written.keys()).cloned().collect::<Vec<_>>();
        self.written = keys.into_iter().map(|key| (key, NO_LIST)).collect();
    }
}

impl Operator for SegmentLists {
    fn name(&self) -> &'static str {
        "segment-lists"
    }

    fn summarise(&mut self, recommender: &Recommender, out: &mut Vec<Emission>) {
        let before = std::mem::take(&mut self.written);
        for tenant in std::iter::once(None).chain(recommender.tenants().map(Some)) {
            let Some(own) = recommender.tenant(tenant) else { continue };
            for group in own.state().segments.bands().groups() {
                let list = own.hot_of_group(group, ITEMS);
                if list.items.is_empty() {
                    continue;
                }
                let about = format!("{}/{}", list.scope, list.window);
                let key = tenant_key(tenant, &about).into_owned();
                let hash = xxh3_64(&json(&list.items));
                if before.get(&key) != Some(&hash) {
                    out.push(Emission::json(topics::HOT, &key, &Listed { tenant, list: &list }, list.as_of));
                }
                self.written.insert(key, hash);
            }
        }
        for key in before.into_keys().filter(|key| !self.written.contains_key(key)) {
            let body = Body::Own {
                key: Some(key.into_bytes()),
                value: None,
                time_ms: recommender.newest_of_all_ms(),
            };
            out.push(Emission { topic: topics::HOT.into(), body, headers: Vec::new() });
        }
    }

    fn size_bytes(&self) -> usize {
        self.written.keys().map(|key| key.capacity() + size_of::<(String, u64)>()).sum()
    }

    fn save(&self, out: &mut Writer) {
        out.u32(self.written.len() as u32);
        for (key, hash) in &self.written {
            out.text(key);
            out.u64(*hash);
        }
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for _ in 0..input.count(12)? {
            self.written.insert(input.text()?.to_owned(), input.u64()?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Processor;
    use super::*;
    use crate::config::Config;
    use crate::ingest::Position;
    use crate::recommender::Incoming;

    fn feed(processor: &mut Processor, topic: &str, key: &str, value: Option<&str>) {
        let position = Position { source: topic, offset: 0 };
        let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
        let message = Incoming { topic, position, key, value, headers: &[], time_ms: 1_700_000_000_000 };
        processor.process(&message, &mut Vec::new()).expect("good");
    }

    /// The segments whose list is written, each with the count of its first item; none: removed.
    fn lists(processor: &mut Processor) -> Vec<(String, Option<u64>)> {
        let mut out = Vec::new();
        processor.take_summaries(&mut out);
        let told = |emission: &Emission| match &emission.body {
            Body::Own { key: Some(key), value, .. } => {
                let key = String::from_utf8_lossy(key).strip_prefix("segment=")?.to_owned();
                let count = |value: &Vec<u8>| {
                    serde_json::from_slice::<serde_json::Value>(value).unwrap()["items"][0]["count"].as_u64()
                };
                Some((key, value.as_ref().and_then(count)))
            }
            _ => None,
        };
        let mut told: Vec<_> = out.iter().filter(|one| one.topic == topics::HOT).filter_map(told).collect();
        told.sort();
        told
    }

    #[test]
    fn lists_come_with_enough_people_and_go_with_them() {
        let mut processor = Processor::new(Config::default());
        for user in 0..9 {
            let user = user.to_string();
            feed(&mut processor, "users", &user, Some(r#"{"age":30,"gender":"F"}"#));
            let event = format!(r#"{{"user_id":"{user}","item_id":"lamp","action":"view"}}"#);
            feed(&mut processor, "user_behavior", &user, Some(&event));
        }
        assert_eq!(lists(&mut processor), []);
        feed(&mut processor, "users", "9", Some(r#"{"age":26,"gender":"female"}"#));
        let event = r#"{"user_id":"9","item_id":"lamp","action":"view"}"#;
        feed(&mut processor, "user_behavior", "9", Some(event));
        let keys = ["age:25-34,gender:F/all-time", "age:25-34/all-time", "gender:F/all-time"];
        assert_eq!(lists(&mut processor), keys.map(|key| (key.to_owned(), Some(10))));
        let mut bytes = Vec::new();
        processor.save(&mut bytes);
        let mut processor = Processor::load(Config::default(), &bytes).expect("a good snapshot");
        feed(&mut processor, "user_behavior", "9", Some(event));
        assert_eq!(lists(&mut processor), [], "they say the same");
        let mut config = Config::default();
        config.set("recommender.segment.ages", "50").unwrap();
        let mut other = Processor::new(config);
        other.queue_everything(&processor);
        assert_eq!(
            lists(&mut other),
            keys.map(|key| (key.to_owned(), None)),
            "there is no such band any more"
        );
        feed(&mut processor, "users", "9", None);
        assert_eq!(lists(&mut processor), keys.map(|key| (key.to_owned(), None)));
    }
}
