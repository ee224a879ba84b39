//! A memory of the most recent things, by hash: bounded, the oldest go first.

use std::collections::{HashMap, VecDeque};

use rustc_hash::FxBuildHasher;

/// Values by hash, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    max: usize,
    /// How many have gone.
    gone: u64,
    entries: VecDeque<(u64, V)>,
    /// Where each stands, counted from the first there ever was.
    places: HashMap<u64, u64, FxBuildHasher>,
}

impl<V> Recent<V> {
    /// Room for `max` values.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, gone: 0, entries: VecDeque::new(), places: HashMap::default() }
    }

    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        let place = self.places.get(&key)?.checked_sub(self.gone)?;
        self.entries.get_mut(place as usize).map(|(_, value)| value)
    }

    /// Takes in a value for a key that has none; the oldest makes room.
    pub(crate) fn insert(&mut self, key: u64, value: V) {
        if self.entries.len() >= self.max
            && let Some((oldest, _)) = self.entries.pop_front()
        {
            self.places.remove(&oldest);
            self.gone += 1;
        }
        if self.max > 0 {
            self.places.insert(key, self.gone + self.entries.len() as u64);
            self.entries.push_back((key, value));
        }
    }

    /// Drops the values that `keep` does not want.
    pub(crate) fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.entries.retain(|(_, value)| keep(value));
        self.gone = 0;
        self.places = (0..).zip(&self.entries).map(|(place, (key, _))| (*key, place)).collect();
    }

    /// Keys and values, the oldest first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &V)> {
        self.entries.iter().map(|(key, value)| (*key, value))
    }

    /// Bytes held, by capacity.
    pub(crate) fn size_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(u64, V)>()
            + self.places.capacity() * (size_of::<(u64, u64)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let mut recent = Recent::new(2);
        for key in [7, 8, 9] {
            recent.insert(key, key * 10);
        }
        assert_eq!([7, 8, 9].map(|key| recent.get_mut(key).copied()), [None, Some(80), Some(90)]);
        recent.retain(|value| *value != 80);
        assert_eq!([8, 9].map(|key| recent.get_mut(key).copied()), [None, Some(90)]);
        recent.insert(10, 100);
        recent.insert(11, 110);
        assert_eq!(recent.iter().map(|(key, _)| key).collect::<Vec<_>>(), [10, 11]);
        assert_eq!(recent.get_mut(11).copied(), Some(110));
        let mut none = Recent::new(0);
        none.insert(1, 1);
        assert_eq!(none.get_mut(1), None);
    }
}
