//! Space-Saving: the most frequent of any number of things, in a fixed number of counters.
//!
//! ```text
//! counted already ──▶ its counter + 1
//! a free counter  ──▶ 1
//! otherwise       ──▶ takes the least counter over: its count + 1, that count being the error
//! ```
//!
//! With m counters and N things counted, each count is at least the true one and at most its error above it, no error is
//! above N/m, and whatever came more than N/m times has a counter.
//!
//! Counters stand in order of count, and the first place of each count is known, so that one more costs O(1).
//!
//! # Bounds
//! m names and some 80 bytes each.
//!
//! # Source
//! Metwally, Agrawal, El Abbadi, Efficient computation of frequent and top-k elements in data streams, ICDT 2005.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// One counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// What is counted.
    pub name: String,
    /// How often it came, or more.
    pub count: u64,
    /// How much more, at most.
    pub error: u64,
}

/// The counters.
#[derive(Debug, Clone, PartialEq)]
pub struct SpaceSaving {
    max: usize,
    total: u64,
    /// The greatest count at which a counter was taken over: what is not counted came at most so often.
    floor: u64,
    /// Most frequent first.
    counters: Vec<Counter>,
    places: HashMap<String, usize, FxBuildHasher>,
    /// The first place of each count.
    firsts: HashMap<u64, usize, FxBuildHasher>,
}

impl SpaceSaving {
    /// So many counters, at least 1.
    pub fn new(max: usize) -> Self {
        let (places, firsts) = (HashMap::default(), HashMap::default());
        Self { max: max.max(1), total: 0, floor: 0, counters: Vec::new(), places, firsts }
    }

    /// Counts one more of `name`.
    pub fn add(&mut self, name: &str) {
        self.total += 1;
        let place = match self.places.get(name) {
            Some(&place) => place,
            None => self.take_over(name),
        };
        self.increment(place);
    }

    /// Takes back one that was counted. No count falls below those at which counters were taken over: there the error
    /// grows instead.
    pub fn remove(&mut self, name: &str) {
        self.total = self.total.saturating_sub(1);
        let Some(&place) = self.places.get(name) else { return };
        let counter = &mut self.counters[place];
        if counter.count > self.floor {
            self.decrement(place);
        } else {
            counter.error = counter.count.min(counter.error + 1);
        }
    }

    /// The counters, most frequent first.
    pub fn counters(&self) -> &[Counter] {
        &self.counters
    }

    /// How many things were counted: N.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What no error is above.
    pub fn error_max(&self) -> u64 {
        self.counters.iter().fold(0, |most, counter| most.max(counter.error))
    }

    /// Bytes held, by capacity.
    pub fn size_bytes(&self) -> usize {
        let names: usize = self.counters.iter().map(|counter| 2 * counter.name.len()).sum();
        self.counters.capacity() * size_of::<Counter>()
            + self.places.capacity() * (size_of::<(String, usize)>() + 1)
            + self.firsts.capacity() * 17
            + names
    }

    /// The place of a counter for a new name, with the count it begins with.
    fn take_over(&mut self, name: &str) -> usize {
        let place = match self.counters.last_mut() {
            Some(least) if self.places.len() >= self.max => {
                self.places.remove(&least.name);
                name.clone_into(&mut least.name);
                least.error = least.count;
                self.floor = least.count;
                self.counters.len() - 1
            }
            _ => {
                self.counters.push(Counter { name: name.to_owned(), count: 0, error: 0 });
                self.firsts.insert(0, self.counters.len() - 1);
                self.counters.len() - 1
            }
        };
        self.places.insert(name.to_owned(), place);
        place
    }

    fn increment(&mut self, place: usize) {
        let count = self.counters[place].count;
        let first = self.firsts.get(&count).copied().unwrap_or(place);
        self.swap(place, first);
        self.counters[first].count = count + 1;
        match self.counters.get(first + 1) {
            Some(next) if next.count == count => self.firsts.insert(count, first + 1),
            _ => self.firsts.remove(&count),
        };
        self.firsts.entry(count + 1).or_insert(first);
    }

    fn decrement(&mut self, place: usize) {
        let count = self.counters[place].count;
        let last = self.counters.partition_point(|other| other.count >= count) - 1;
        self.swap(place, last);
        let counter = &mut self.counters[last];
        counter.count = count - 1;
        counter.error = counter.error.min(counter.count);
        if self.firsts.get(&count) == Some(&last) {
            self.firsts.remove(&count);
        }
        // It now stands before all of its new count. Of no count there is at most this one, at the end.
        self.firsts.insert(count - 1, last);
        if count == 1
            && let Some(gone) = self.counters.pop()
        {
            self.places.remove(&gone.name);
            self.firsts.remove(&0);
        }
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.counters.swap(one, other);
        for place in [one, other] {
            if let Some(known) = self.places.get_mut(&self.counters[place].name) {
                *known = place;
            }
        }
    }
}

impl Snapshot for SpaceSaving {
    fn save(&self, out: &mut Writer) {
        out.u64(self.max as u64);
        out.u64(self.total);
        out.u64(self.floor);
        out.u32(self.counters.len() as u32);
        for counter in &self.counters {
            out.text(&counter.name);
            out.u64(counter.count);
            out.u64(counter.error);
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut loaded = Self::new(input.u64()? as usize);
        loaded.total = input.u64()?;
        loaded.floor = input.u64()?;
        for place in 0..input.count(20)? {
            let name = input.text()?.to_owned();
            let counter = Counter { name: name.clone(), count: input.u64()?, error: input.u64()? };
            let before = loaded.counters.last().map_or(u64::MAX, |before| before.count);
            if counter.count > before || counter.count == 0 || loaded.places.insert(name, place).is_some() {
                return Err(SnapshotError::Malformed("counters of the most frequent"));
            }
            loaded.firsts.entry(counter.count).or_insert(place);
            loaded.counters.push(counter);
        }
        if loaded.counters.len() > loaded.max {
            return Err(SnapshotError::Malformed("more counters than there are"));
        }
        Ok(loaded)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(counted: &SpaceSaving) -> String {
        let one = |counter: &Counter| format!("{}:{}-{}", counter.name, counter.count, counter.error);
        counted.counters().iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_example_by_hand() {
        let mut counted = SpaceSaving::new(2);
        let mut add = |names: &str| {
            names.split(' ').for_each(|name| counted.add(name));
            told(&counted)
        };
        assert_eq!(add("x y y"), "y:2-0 x:1-0");
        assert_eq!(add("z"), "y:2-0 z:2-1", "takes over from x");
        assert_eq!(add("z x"), "z:3-1 x:3-2");
        assert_eq!((counted.total(), counted.error_max()), (6, 2));
        counted.remove("x");
        counted.remove("y");
        assert_eq!(told(&counted), "z:3-1 x:2-2", "x is known to have come once, and may have come twice");
        for _ in 0..2 {
            counted.remove("z");
        }
        assert_eq!((told(&counted).as_str(), counted.total()), ("z:2-2 x:2-2", 2));
        let mut few = SpaceSaving::new(2);
        ["a", "b", "a"].into_iter().for_each(|name| few.add(name));
        few.remove("b");
        assert_eq!(told(&few), "a:2-0", "with room left all is exact");
    }

    proptest! {
        #[test]
        fn bounds_hold_whatever_comes_and_goes(
            acts in prop::collection::vec((0u32..40, prop::bool::weighted(0.15)), 0..600),
            max in 1usize..16,
        ) {
            let mut counted = SpaceSaving::new(max);
            let mut exact: HashMap<String, u64> = HashMap::new();
            let mut added = 0;
            for (number, gone) in acts {
                // Small numbers are frequent.
                let name = format!("i{}", number * number / 40);
                let known = exact.entry(name.clone()).or_default();
                if gone && *known > 0 {
                    *known -= 1;
                    counted.remove(&name);
                } else {
                    *known += 1;
                    added += 1;
                    counted.add(&name);
                }
            }
            prop_assert_eq!(counted.total(), exact.values().sum::<u64>());
            prop_assert!(counted.counters().is_sorted_by_key(|counter| std::cmp::Reverse(counter.count)));
            prop_assert!(counted.counters().len() <= max);
            prop_assert!(counted.error_max() <= added / max as u64);
            for counter in counted.counters() {
                let count = exact[&counter.name];
                prop_assert!(counter.count >= count && counter.count - counter.error <= count, "{counter:?} {count}");
                prop_assert_eq!(counted.counters()[counted.places[&counter.name]].clone(), counter.clone());
            }
            for (name, &count) in &exact {
                prop_assert!(count <= added / max as u64 || counted.places.contains_key(name), "{name} {count}");
            }
            let mut out = Writer::default();
            counted.save(&mut out);
            prop_assert_eq!(SpaceSaving::load(&mut Reader::new(&out.into_bytes())), Ok(counted));
        }
    }
}
