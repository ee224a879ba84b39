//! What is due when: one deadline a key, earliest first.
//!
//! A group has many deadlines (a session for each member, the phases of a rebalance) and most of them
//! only ever move back, with every heartbeat. So a group stands here once, with a moment at which it is
//! worth looking: asking too early costs one look, a heartbeat costs nothing. Bounded by the number of
//! keys.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

/// A queue of keys by deadline. Times are on a monotonic clock whose zero the owner chooses.
#[derive(Debug)]
pub(crate) struct Deadlines<K> {
    by_time: BTreeSet<(Duration, K)>,
    by_key: HashMap<K, Duration>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_key: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash + Ord> Deadlines<K> {
    /// Looks at `key` at `at`, and no sooner; `None` for never.
    pub(crate) fn set(&mut self, key: &K, at: Option<Duration>) {
        if self.by_key.get(key).copied() == at {
            return;
        }
        if let Some(before) = self.by_key.remove(key) {
            self.by_time.remove(&(before, key.clone()));
        }
        if let Some(at) = at {
            self.by_key.insert(key.clone(), at);
            self.by_time.insert((at, key.clone()));
        }
    }

    /// The next moment at which anything is due.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out the first key that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn keys_come_out_by_deadline_once_they_are_due() {
        let mut deadlines = Deadlines::default();
        deadlines.set(&"b", Some(secs(2)));
        deadlines.set(&"a", Some(secs(1)));
        deadlines.set(&"c", Some(secs(3)));
        assert_eq!(deadlines.next(), Some(secs(1)));
        assert_eq!(deadlines.pop_due(secs(0)), None);
        assert_eq!(deadlines.pop_due(secs(2)), Some("a"));
        assert_eq!(deadlines.pop_due(secs(2)), Some("b"));
        assert_eq!(deadlines.pop_due(secs(2)), None);
        assert_eq!(deadlines.next(), Some(secs(3)));
    }

    #[test]
    fn a_key_stands_once() {
        let mut deadlines = Deadlines::default();
        deadlines.set(&"a", Some(secs(1)));
        deadlines.set(&"a", Some(secs(5)));
        assert_eq!(deadlines.pop_due(secs(4)), None);
        deadlines.set(&"a", Some(secs(2)));
        assert_eq!(deadlines.pop_due(secs(4)), Some("a"));
        deadlines.set(&"a", Some(secs(2)));
        deadlines.set(&"a", None);
        assert_eq!(deadlines.next(), None);
        assert!(deadlines.by_time.is_empty() && deadlines.by_key.is_empty());
    }
}
