//! The neighbours of one item: a small open-addressing table, all in one block of memory.
//!
//! Learning touches one slot in each of up to fifty rows per event, so a row is laid out to cost one cache miss:
//! no index beside the entries, no boxes. Slots are found by a multiplicative hash and linear probing; the load
//! stays under 3/4. At its bound a row drops its weakest quarter in one go, so a newcomer has that long to prove
//! itself, where evicting one by one would always evict the newcomer.

use super::counts::Pair;
use crate::ids::{ItemIdx, Renumbering};

const EMPTY: ItemIdx = ItemIdx(u32::MAX);

/// The neighbours of one item.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    /// A power of two of slots, or none.
    slots: Vec<Pair>,
    used: u32,
}

const FREE: Pair = Pair { item: EMPTY, count: 0, weight: 0, forward: 0 };

impl Row {
    pub(super) fn len(&self) -> usize {
        self.used as usize
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.slots.iter().filter(|pair| pair.item != EMPTY)
    }

    pub(super) fn get(&self, item: ItemIdx) -> Option<&Pair> {
        if self.slots.is_empty() {
            return None;
        }
        let pair = &self.slots[self.slot_of(item)];
        (pair.item == item).then_some(pair)
    }

    /// The pair with `item`, made if it is new. `max`: the bound on neighbours after a cut.
    pub(super) fn get_mut(&mut self, item: ItemIdx, max: usize) -> &mut Pair {
        let mut slot = if self.slots.is_empty() { 0 } else { self.slot_of(item) };
        if self.slots.is_empty() || self.slots[slot].item == EMPTY {
            if self.len() >= max + max / 4 {
                self.keep_strongest(max);
                slot = self.slot_of(item);
            }
            if (self.len() + 1) * 4 > self.slots.len() * 3 {
                self.resize((self.slots.len() * 2).max(4));
                slot = self.slot_of(item);
            }
            self.used += 1;
            self.slots[slot] = Pair { item, ..FREE };
        }
        &mut self.slots[slot]
    }

    /// Puts back a pair that was saved.
    pub(super) fn restore(&mut self, pair: Pair) {
        *self.get_mut(pair.item, usize::MAX / 2) = pair;
    }

    /// Makes room for this many neighbours at once.
    pub(super) fn reserve(&mut self, count: usize) {
        self.resize((count * 4 / 3 + 1).next_power_of_two().max(4));
    }

    /// Gives neighbours their new indexes and drops the others.
    pub(super) fn renumber(&mut self, renumbering: &Renumbering) {
        let renumbered =
            self.iter().filter_map(|pair| Some(Pair { item: renumbering.item(pair.item)?, ..*pair }));
        let pairs: Vec<Pair> = renumbered.collect();
        self.replace(&pairs);
    }

    /// The pair with `item`, if it is kept.
    pub(super) fn find_mut(&mut self, item: ItemIdx) -> Option<&mut Pair> {
        if self.slots.is_empty() {
            return None;
        }
        let slot = self.slot_of(item);
        Some(&mut self.slots[slot]).filter(|pair| pair.item == item)
    }

    /// Drops neighbours that nothing speaks for any more.
    pub(super) fn drop_empty(&mut self) {
        let pairs: Vec<Pair> =
            self.iter().filter(|pair| pair.weight > 0 || pair.count > 0).copied().collect();
        if pairs.len() < self.len() {
            self.replace(&pairs);
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Pair>()
    }

    fn slot_of(&self, item: ItemIdx) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = (item.0.wrapping_mul(0x9E37_79B1) >> 7) as usize & mask;
        while self.slots[slot].item != item && self.slots[slot].item != EMPTY {
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// Keeps the `max` neighbours of greatest weight; among equals those with the lower index.
    fn keep_strongest(&mut self, max: usize) {
        let mut pairs: Vec<Pair> = self.iter().copied().collect();
        pairs.sort_unstable_by(|a, b| b.weight.cmp(&a.weight).then(a.item.cmp(&b.item)));
        pairs.truncate(max);
        self.replace(&pairs);
    }

    fn resize(&mut self, slots: usize) {
        let pairs: Vec<Pair> = self.iter().copied().collect();
        self.slots = vec![FREE; slots];
        self.used = 0;
        self.place(&pairs);
    }

    fn replace(&mut self, pairs: &[Pair]) {
        self.slots.fill(FREE);
        self.used = 0;
        self.place(pairs);
    }

    fn place(&mut self, pairs: &[Pair]) {
        for &pair in pairs {
            let slot = self.slot_of(pair.item);
            self.slots[slot] = pair;
            self.used += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn holds_what_a_map_holds() {
        let (mut row, mut map) = (Row::default(), HashMap::new());
        for n in 0..5000u32 {
            let item = ItemIdx(n.wrapping_mul(2_654_435_761) % 700);
            row.get_mut(item, 1000).count += 1;
            *map.entry(item).or_insert(0u32) += 1;
        }
        assert_eq!(row.len(), map.len());
        for (&item, &count) in &map {
            assert_eq!(row.get(item).map(|pair| pair.count), Some(count));
        }
        assert_eq!(row.get(ItemIdx(9999)), None);
        assert_eq!(Row::default().get(ItemIdx(0)), None);
    }

    #[test]
    fn the_weakest_quarter_goes() {
        let mut row = Row::default();
        for n in 0..100u32 {
            row.get_mut(ItemIdx(n), 80).weight = n;
        }
        assert_eq!(row.len(), 100);
        row.get_mut(ItemIdx(1000), 80).weight = 1;
        assert_eq!(row.len(), 81);
        assert!(row.get(ItemIdx(19)).is_none());
        assert!(row.get(ItemIdx(20)).is_some());
    }
}
