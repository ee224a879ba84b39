//! What consumer groups must know of the cluster: topics to subscribe to and to assign, and their settings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use protocol::types::TopicId;
use regex::RegexBuilder;

/// Memory that one regular expression may take when compiled; RE2's own limit is of this order.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Where groups look topics up.
pub trait Topics: Send + Sync + fmt::Debug {
    /// The topics there are now. Called under a lock and often: cheap unless something has changed.
    fn image(&self) -> Arc<TopicsImage>;

    /// The times that are set for one group; `None` for those of the coordinator's configuration.
    fn times(&self, group_id: &str) -> Option<GroupTimes> {
        let _ = group_id;
        None
    }
}

/// Times that a group may set for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTimes {
    /// How long a member may stay silent.
    pub session_timeout: Duration,
    /// How often it is to say that it is there.
    pub heartbeat_interval: Duration,
}

/// All topics as of one moment.
#[derive(Debug, Default)]
pub struct TopicsImage {
    version: u64,
    by_name: BTreeMap<String, Topic>,
    names: HashMap<TopicId, String>,
}

/// One topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its id.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: i32,
}

impl TopicsImage {
    /// The topics given. Images of one version must be alike.
    #[must_use]
    pub fn new(version: u64, topics: impl IntoIterator<Item = (String, Topic)>) -> Self {
        let by_name: BTreeMap<String, Topic> = topics.into_iter().collect();
        let names = by_name.iter().map(|(name, topic)| (topic.id, name.clone())).collect();
        Self { version, by_name, names }
    }

    /// Rises with every change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The topic of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Topic> {
        self.by_name.get(name).copied()
    }

    /// The name of the topic with this id.
    #[must_use]
    pub fn name(&self, id: TopicId) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    /// A number that is another one, to all practical purposes, if any of these topics is made, deleted,
    /// made again or widened. Of no topics it is 0. It goes into the log and must not change.
    #[must_use]
    pub fn hash_of<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> i64 {
        let names: BTreeSet<&str> = names.into_iter().collect();
        let known = names.into_iter().filter_map(|name| Some((name, self.get(name)?)));
        let mut hash = 0;
        for (name, topic) in known {
            let mut one = fnv(FNV_BASIS, name.as_bytes());
            one = fnv(one, &topic.id.0);
            one = fnv(one, &topic.partitions.to_be_bytes());
            hash = fnv(if hash == 0 { FNV_BASIS } else { hash }, &one.to_be_bytes());
        }
        hash.cast_signed()
    }

    /// The topics whose whole name matches.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn matching(&self, regex: &str) -> Result<BTreeSet<String>, regex::Error> {
        // By itself first: it must not close our group and open another.
        RegexBuilder::new(regex).size_limit(REGEX_BYTES_MAX).build()?;
        let whole = RegexBuilder::new(&format!("^(?:{regex})$")).size_limit(REGEX_BYTES_MAX).build()?;
        Ok(self.by_name.keys().filter(|name| whole.is_match(name)).cloned().collect())
    }
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// FNV-1a, carried on from `hash`.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(topics: &[(&str, u8, i32)]) -> TopicsImage {
        let topic = |(name, id, partitions): &(&str, u8, i32)| {
            ((*name).to_owned(), Topic { id: TopicId([*id; 16]), partitions: *partitions })
        };
        TopicsImage::new(1, topics.iter().map(topic))
    }

    #[test]
    fn the_hash_tells_changes_and_nothing_else() {
        let before = image(&[("a", 1, 1), ("b", 2, 1), ("other", 9, 1)]);
        let hash = before.hash_of(["b", "a", "missing", "a"]);
        assert_eq!(hash, before.hash_of(["a", "b"]));
        assert_eq!(before.hash_of([]), 0);
        assert_eq!(before.hash_of(["missing"]), 0);
        for changed in [
            image(&[("a", 1, 2), ("b", 2, 1)]),
            image(&[("a", 3, 1), ("b", 2, 1)]),
            image(&[("b", 2, 1)]),
            image(&[("a", 2, 1), ("b", 1, 1)]),
        ] {
            assert_ne!(changed.hash_of(["a", "b"]), hash);
        }
    }

    #[test]
    fn expressions_match_whole_names_as_re2_does() {
        let topics = image(&[("ab", 1, 1), ("abc", 2, 1), ("B", 3, 1), ("b-1", 4, 1)]);
        for (regex, expected) in [
            ("ab", &["ab"][..]),
            ("a|ab", &["ab"]),
            ("ab.*", &["ab", "abc"]),
            ("(?i)b", &["B"]),
            (r"b-\d+", &["b-1"]),
            (r"[[:upper:]]", &["B"]),
            ("nothing", &[]),
        ] {
            let matched = topics.matching(regex).unwrap();
            assert_eq!(matched.iter().collect::<Vec<_>>(), expected, "{regex}");
        }
        for wrong in ["[a", "*", "a)|(b", "(?=a)", r"(a)\1", "((a{1000}){1000}){1000}"] {
            assert!(topics.matching(wrong).is_err(), "{wrong}");
        }
    }
}
