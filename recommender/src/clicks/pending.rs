//! Impressions that wait for what follows: a queue in order of arrival, looked up by answer or by user.

use std::collections::{HashMap, VecDeque};

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
    /// In order of arrival; nothing where an outcome is known.
    queue: VecDeque<Option<Pending>>,
    /// The number of the first in the queue.
    first: u64,
    /// The number of the latest by each key.
    latest: HashMap<u64, u64, FxBuildHasher>,
}

impl Waiting {
    /// Whether one of this user and item waits.
    pub(super) fn has(&self, key: Key) -> bool {
        self.latest.contains_key(&key.by_user)
    }

    pub(super) fn push(&mut self, pending: Pending) {
        let number = self.first + self.queue.len() as u64;
        self.latest.insert(pending.key.by_user, number);
        if let Some(answer) = pending.key.by_answer {
            self.latest.insert(answer, number);
        }
        self.queue.push_back(Some(pending));
    }

    /// Takes the one that an act belongs to.
    pub(super) fn take(&mut self, key: Key) -> Option<Pending> {
        let find = |key: u64| self.latest.get(&key).copied();
        let number = key.by_answer.and_then(find).or_else(|| find(key.by_user))?;
        let pending = self.queue.get_mut((number - self.first) as usize)?.take()?;
        self.unlist(&pending, number);
        Some(pending)
    }

    /// Takes the first one if it is from before `before_ms`, or if more than `max` wait.
    pub(super) fn take_overdue(&mut self, before_ms: i64, max: usize) -> Option<Pending> {
        loop {
            let first = self.queue.front()?;
            let overdue = first.as_ref().is_none_or(|first| first.time_ms <= before_ms);
            if !overdue && self.queue.len() <= max {
                return None;
            }
            let number = self.first;
            self.first += 1;
            if let Some(pending) = self.queue.pop_front().flatten() {
                self.unlist(&pending, number);
                return Some(pending);
            }
        }
    }

    /// Drops those of a user.
    pub(super) fn forget(&mut self, user_id: &str) {
        let user = xxh3_64(user_id.as_bytes());
        for place in 0..self.queue.len() {
            if let Some(pending) = self.queue[place].take_if(|pending| pending.key.user == user) {
                self.unlist(&pending, self.first + place as u64);
            }
        }
    }

    /// Bytes held, by capacity.
    pub(super) fn size_bytes(&self) -> usize {
        self.queue.capacity() * size_of::<Option<Pending>>() + self.latest.capacity() * 17
    }

    /// Its keys stand for it no more, unless for a later one.
    fn unlist(&mut self, pending: &Pending, number: u64) {
        for key in std::iter::once(pending.key.by_user).chain(pending.key.by_answer) {
            if self.latest.get(&key) == Some(&number) {
                self.latest.remove(&key);
            }
        }
    }
}

impl Snapshot for Waiting {
    fn save(&self, out: &mut Writer) {
        out.u64(self.first);
        out.u32(self.queue.len() as u32);
        for pending in &self.queue {
            out.u8(u8::from(pending.is_some()));
            let Some(pending) = pending else { continue };
            out.u64(pending.key.user);
            out.u64(pending.key.by_user);
            out.u8(u8::from(pending.key.by_answer.is_some()));
            out.u64(pending.key.by_answer.unwrap_or(0));
            out.i64(pending.time_ms);
            pending.features.iter().for_each(|feature| out.u64(feature.name));
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut waiting = Self { first: input.u64()?, ..Self::default() };
        for _ in 0..input.count(1)? {
            if input.u8()? == 0 {
                waiting.queue.push_back(None);
                continue;
            }
            let (user, by_user) = (input.u64()?, input.u64()?);
            let answered = input.u8()? != 0;
            let answer = input.u64()?;
            let key = Key { user, by_user, by_answer: answered.then_some(answer) };
            let time_ms = input.i64()?;
            let mut features = [Feature::present(0); FEATURES];
            for feature in &mut features {
                feature.name = input.u64()?;
            }
            waiting.push(Pending::new(key, time_ms, features));
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
        assert_eq!((waiting.queue.len(), waiting.first), (20, 30));
        waiting.forget("u");
        assert_eq!(waiting.queue.iter().flatten().count(), 16);
        assert_eq!(waiting.latest.len(), 32);
        let mut out = Writer::default();
        waiting.save(&mut out);
        assert_eq!(Waiting::load(&mut Reader::new(&out.into_bytes())), Ok(waiting));
    }
}
