//! How much one key does within a window that slides, for as many keys as there may be.
//!
//! ```text
//!        window before        window at hand
//!  ├──────────────────────┼─────────────┬────────┤       rate ≈ at hand + before · share of it that still counts
//!          before               at hand ▲ now
//! ```
//! Exact if what happened in the window before was spread evenly over it; never more than a window's count off.
//!
//! # Bounds
//! 65,536 keys at 32 bytes. Each has [`WAYS`] places it may be in; who comes to full ones takes that of the key that was idle
//! longest, of those alike the one that did least. What does far more than others keeps its place.

use std::ops::Range;

use crate::state::snapshot::{Reader, SnapshotError, Writer};

/// Places that a key may be in.
const WAYS: usize = 4;
/// Sets of places.
const SETS: usize = 16_384;

/// Counts of every key.
#[derive(Debug)]
pub(super) struct Rates {
    window_ms: i64,
    /// Empty until something is counted.
    slots: Vec<Slot>,
}

/// One key. Empty if it counts nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Slot {
    key: u64,
    /// The window at hand, counted from 1970.
    window: i64,
    /// The newest time in it, from its beginning.
    last_ms: u32,
    at_hand: u32,
    before: u32,
}

/// What counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Every event.
    Each,
    /// Events at the same time as one: the lines of an order, what was clicked in one second.
    Times,
}

impl Rates {
    /// Of windows of so many milliseconds, at least one and at most [`u32::MAX`].
    pub(super) fn new(window_ms: i64) -> Self {
        Self { window_ms: window_ms.clamp(1, i64::from(u32::MAX)), slots: Vec::new() }
    }

    /// Counts an event and says how many there were in the window that ends with it. Events from before the window that is
    /// kept are neither counted nor judged: they have a rate of 0.
    pub(super) fn count(&mut self, key: u64, time_ms: i64, counted: Counted) -> u64 {
        let window = time_ms.div_euclid(self.window_ms);
        let into_ms = time_ms.rem_euclid(self.window_ms);
        let slot = self.slot(key);
        if window < slot.window {
            // What comes a little late belongs to the window before.
            slot.before = slot.before.saturating_add(u32::from(window + 1 == slot.window));
            return 0;
        }
        if window > slot.window {
            slot.before = if slot.window + 1 == window { slot.at_hand } else { 0 };
            (slot.window, slot.at_hand) = (window, 0);
        }
        let again = slot.at_hand > 0 && i64::from(slot.last_ms) == into_ms;
        if !(again && counted == Counted::Times) {
            slot.at_hand = slot.at_hand.saturating_add(1);
        }
        slot.last_ms = into_ms as u32;
        let (at_hand, before) = (u64::from(slot.at_hand), u64::from(slot.before));
        at_hand + before * (self.window_ms - into_ms) as u64 / self.window_ms as u64
    }

    /// Forgets a key.
    pub(super) fn forget(&mut self, key: u64) {
        if !self.slots.is_empty() {
            let of_it = self.slots[ways_of(key)].iter_mut().filter(|slot| slot.key == key);
            of_it.for_each(|slot| *slot = Slot::default());
        }
    }

    /// The place of a key, made if it has none.
    fn slot(&mut self, key: u64) -> &mut Slot {
        if self.slots.is_empty() {
            self.slots.resize(SETS * WAYS, Slot::default());
        }
        let ways = &mut self.slots[ways_of(key)];
        let known = ways.iter().position(|slot| slot.key == key && !slot.is_empty());
        let place = known.unwrap_or_else(|| {
            let idlest = |&at: &usize| (!ways[at].is_empty(), ways[at].window, ways[at].at_hand);
            let place = (0..WAYS).min_by_key(idlest).unwrap_or(0);
            ways[place] = Slot { key, window: i64::MIN / 2, ..Slot::default() };
            place
        });
        &mut ways[place]
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    pub(super) fn save(&self, out: &mut Writer) {
        let used = || self.slots.iter().enumerate().filter(|(_, slot)| !slot.is_empty());
        out.u32(used().count() as u32);
        for (place, slot) in used() {
            out.u32(place as u32);
            out.u64(slot.key);
            out.i64(slot.window);
            [slot.last_ms, slot.at_hand, slot.before].into_iter().for_each(|count| out.u32(count));
        }
    }

    pub(super) fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let count = input.count(32)?;
        self.slots = vec![Slot::default(); if count > 0 { SETS * WAYS } else { 0 }];
        for _ in 0..count {
            let place = input.u32()? as usize;
            let slot = Slot {
                key: input.u64()?,
                window: input.i64()?,
                last_ms: input.u32()?,
                at_hand: input.u32()?,
                before: input.u32()?,
            };
            *self.slots.get_mut(place).ok_or(SnapshotError::Malformed("place of a rate"))? = slot;
        }
        Ok(())
    }
}

/// The places that a key may be in.
fn ways_of(key: u64) -> Range<usize> {
    let set = (key % SETS as u64) as usize * WAYS;
    set..set + WAYS
}

impl Slot {
    fn is_empty(&self) -> bool {
        self.at_hand == 0 && self.before == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_by_hand() {
        let mut rates = Rates::new(1000);
        let mut count = |time_ms| rates.count(7, time_ms, Counted::Each);
        assert_eq!([count(0), count(500), count(500), count(999)], [1, 2, 3, 4]);
        // A quarter into the next window: three quarters of the four before still count.
        assert_eq!(count(1250), 1 + 3);
        assert_eq!(count(900), 0, "late: into the window before");
        assert_eq!(count(1500), 2 + 2);
        assert_eq!(count(5000), 1, "after a pause");
        assert_eq!(count(100), 0);
        assert_eq!(count(-1), 0);
    }

    #[test]
    fn what_happens_at_one_time_is_one() {
        let mut rates = Rates::new(1000);
        let most = (0..3000).map(|n| rates.count(7, n / 1000 * 100, Counted::Times)).max();
        assert_eq!(most, Some(3));
    }

    #[test]
    fn memory_is_bounded_and_the_busy_keep_their_place() {
        let mut rates = Rates::new(1000);
        let hash = |n: u64| xxhash_rust::xxh3::xxh3_64(&n.to_be_bytes());
        let mut busy = 0;
        for n in 0..300_000 {
            rates.count(hash(n + 1), n as i64 / 400, Counted::Each);
            busy = busy.max(rates.count(hash(0), n as i64 / 400, Counted::Each));
        }
        assert_eq!(busy, 300_000);
        assert_eq!(rates.size_bytes(), 2 << 20);
        rates.forget(hash(0));
        assert_eq!(rates.count(hash(0), 300_000 / 400, Counted::Each), 1, "as if it had never been");
        let (mut saved, mut again) = (Writer::default(), Rates::new(1000));
        rates.save(&mut saved);
        let saved = saved.into_bytes();
        again.load(&mut Reader::new(&saved)).unwrap();
        assert_eq!(again.slots, rates.slots);
    }
}
