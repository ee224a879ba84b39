//! Impressions that wait for what follows: a queue in order of arrival, looked up by answer or by user.

use std::collections::{BTreeMap, HashMap};

use rustc_hash::FxBuildHasher;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::features::FEATURES;
use crate::online::Feature;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// What an act is matched by. Hashes of ids, which stay when indexes move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    user: u64,
    /// Of user and item.
    by_user: u64,
    /// Of answer and item, if there is an answer.
    by_answer: Option<u64>,
}

impl Key {
    pub(super) fn of(user_id: &str, item_id: &str, rec_id: Option<&str>) -> Self {
        let user = xxh3_64(user_id.as_bytes());
        let item = |seed| xxh3_64_with_seed(item_id.as_bytes(), seed);
        // An answer is no user, whatever its id.
        Self { user, by_user: item(user), by_answer: rec_id.map(|id| item(!xxh3_64(id.as_bytes()))) }
    }

    /// What it is looked up by.
    fn names(self) -> impl Iterator<Item = u64> {
        std::iter::once(self.by_user).chain(self.by_answer)
    }
}

/// An impression that waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pending {
    key: Key,
    pub(super) time_ms: i64,
    pub(super) features: [Feature; FEATURES],
}

impl Pending {
    pub(super) fn new(key: Key, time_ms: i64, features: [Feature; FEATURES]) -> Self {
        Self { key, time_ms, features }
    }
}

/// All that wait.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Waiting {
    /// By number, which is in order of arrival.
    queue: BTreeMap<u64, Pending>,
    next: u64,
    /// The number of the latest by each key; none where that one was taken, though earlier ones may wait.
    latest: HashMap<u64, u64, FxBuildHasher>,
}

impl Waiting {
    /// Whether one of this user and item waits.
    pub(super) fn has(&self, key: Key) -> bool {
        self.latest.contains_key(&key.by_user)
    }

    pub(super) fn push(&mut self, pending: Pending) {
        pending.key.names().for_each(|name| _ = self.latest.insert(name, self.next));
        self.queue.insert(self.next, pending);
        self.next += 1;
    }

    /// Takes the one that an act belongs to.
    pub(super) fn take(&mut self, key: Key) -> Option<Pending> {
        let find = |key: u64| self.latest.get(&key).copied();
        let number = key.by_answer.and_then(find).or_else(|| find(key.by_user))?;
        self.remove(number)
    }

    /// Takes the first one if it is from before `before_ms`, or if more than `max` wait.
    pub(super) fn take_overdue(&mut self, before_ms: i64, max: usize) -> Option<Pending> {
        let (&number, first) = self.queue.first_key_value()?;
        if first.time_ms > before_ms && self.queue.len() <= max {
            return None;
        }
        self.remove(number)
    }

    /// Drops those of a user.
    pub(super) fn forget(&mut self, user_id: &str) {
        let user = xxh3_64(user_id.as_bytes());
        let own =
            self.queue.iter().filter(|(_, pending)| pending.key.user == user).map(|(&number, _)| number);
        own.collect::<Vec<_>>().into_iter().for_each(|number| _ = self.remove(number));
    }

    /// Bytes held: nodes of the tree are two thirds full, as a rule.
    pub(super) fn size_bytes(&self) -> usize {
        self.queue.len() * size_of::<(u64, Pending)>() * 3 / 2 + self.latest.capacity() * 17
    }

    /// Removes one. Its keys stand for it no more, unless for a later one.
    fn remove(&mut self, number: u64) -> Option<Pending> {
        let pending = self.queue.remove(&number)?;
        for name in pending.key.names() {
            if self.latest.get(&name) == Some(&number) {
                self.latest.remove(&name);
            }
        }
        Some(pending)
    }
}

/// Numbers are not written: those that wait are numbered anew.
impl Snapshot for Waiting {
    fn save(&self, out: &mut Writer) {
        out.u32(self.queue.len() as u32);
        for (number, pending) in &self.queue {
            out.u64(pending.key.user);
            out.u64(pending.key.by_user);
            out.u8(u8::from(pending.key.by_answer.is_some()));
            out.u64(pending.key.by_answer.unwrap_or(0));
            let listed = pending.key.names().map(|name| self.latest.get(&name) == Some(number));
            listed.for_each(|listed| out.u8(u8::from(listed)));
            out.i64(pending.time_ms);
            pending.features.iter().for_each(|feature| out.u64(feature.name));
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut waiting = Self::default();
        for _ in 0..input.count(1)? {
            let (user, by_user) = (input.u64()?, input.u64()?);
            let answered = input.u8()? != 0;
            let answer = input.u64()?;
            let key = Key { user, by_user, by_answer: answered.then_some(answer) };
            for name in key.names() {
                if input.u8()? != 0 {
                    waiting.latest.insert(name, waiting.next);
                }
            }
            let time_ms = input.i64()?;
            let mut features = [Feature::present(0); FEATURES];
            for feature in &mut features {
                feature.name = input.u64()?;
            }
            waiting.queue.insert(waiting.next, Pending::new(key, time_ms, features));
            waiting.next += 1;
        }
        Ok(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(user: &str, item: &str, rec_id: Option<&str>, time_ms: i64) -> Pending {
        Pending::new(Key::of(user, item, rec_id), time_ms, [Feature::present(7); FEATURES])
    }

    fn bytes(waiting: &Waiting) -> Vec<u8> {
        let mut out = Writer::default();
        waiting.save(&mut out);
        out.into_bytes()
    }

    #[test]
    fn the_latest_is_taken_and_the_oldest_falls_due() {
        let mut waiting = Waiting::default();
        let key = Key::of("u", "a", None);
        for (time_ms, rec_id) in [(10, None), (20, Some("r")), (30, None)] {
            waiting.push(pending("u", "a", rec_id, time_ms));
        }
        assert_eq!(
            waiting.take(Key::of("v", "a", Some("r"))).map(|one| one.time_ms),
            Some(20),
            "by the answer"
        );
        assert_eq!(waiting.take(key).map(|one| one.time_ms), Some(30));
        assert_eq!(waiting.take(key), None, "an earlier one only falls due");
        assert_eq!(waiting.take_overdue(9, 3), None);
        assert_eq!(waiting.take_overdue(10, 3).map(|one| one.time_ms), Some(10));
        assert_eq!(waiting.take_overdue(10, 3), None);
        assert!(waiting.queue.is_empty() && waiting.latest.is_empty(), "{waiting:?}");
    }

    #[test]
    fn bounded_forgotten_and_saved() {
        let mut waiting = Waiting::default();
        for n in 0..50 {
            waiting.push(pending(if n % 5 == 0 { "u" } else { "v" }, &format!("i{n}"), Some("r"), n));
            while waiting.take_overdue(-1, 20).is_some() {}
        }
        assert_eq!(waiting.queue.keys().copied().collect::<Vec<_>>(), (30..50).collect::<Vec<_>>());
        waiting.forget("u");
        assert_eq!((waiting.queue.len(), waiting.latest.len()), (16, 32));
        let mut others = Waiting::default();
        (30..50)
            .filter(|n| n % 5 != 0)
            .for_each(|n| others.push(pending("v", &format!("i{n}"), Some("r"), n)));
        assert!(bytes(&waiting) == bytes(&others), "as if the user had never come");
        assert_eq!(Waiting::load(&mut Reader::new(&bytes(&others))), Ok(others));
    }

    #[test]
    fn one_that_only_falls_due_does_so_after_a_restart_too() {
        let mut waiting = Waiting::default();
        [10, 20].into_iter().for_each(|time_ms| waiting.push(pending("u", "a", None, time_ms)));
        let key = Key::of("u", "a", None);
        assert_eq!(waiting.take(key).map(|one| one.time_ms), Some(20));
        let mut loaded = Waiting::load(&mut Reader::new(&bytes(&waiting))).unwrap();
        assert!(!loaded.has(key));
        assert_eq!(loaded.take(key), None);
        assert_eq!(loaded.take_overdue(10, 9).map(|one| one.time_ms), Some(10));
    }
}
