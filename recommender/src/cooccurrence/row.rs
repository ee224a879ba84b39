//! The neighbours of one item: pairs in one dense vector, found through a small hash index of 2 bytes a slot.
//!
//! Learning looks up one neighbour in each of up to fifty rows per event; answering reads whole rows. Dense pairs
//! make reading free of holes, which cost a mispredicted branch each; the index is small enough to stay cached.
//! Slots are found by a multiplicative hash and linear probing at a load under 2/3. At its bound a row drops its
//! weakest quarter in one go, so a newcomer has that long to prove itself, where evicting one by one would always
//! evict the newcomer.

use super::counts::Pair;
use crate::ids::{ItemIdx, Renumbering};

/// Most neighbours that the index can number.
pub(crate) const ROW_MAX: usize = 50_000;

const EMPTY: u16 = u16::MAX;

/// The neighbours of one item.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pairs: Vec<Pair>,
    /// Positions in `pairs`, or [`EMPTY`]: a power of two of slots, or none.
    index: Vec<u16>,
}

impl Row {
    pub(super) fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    pub(super) fn get(&self, item: ItemIdx) -> Option<&Pair> {
        if self.index.is_empty() {
            return None;
        }
        self.pairs.get(usize::from(self.index[self.slot_of(item)]))
    }

    /// Something of where `item` most likely stands, for the sake of having it in cache. Without a branch that depends
    /// on what is read, so that many such reads go on at once.
    pub(super) fn first_guess(&self, item: ItemIdx) -> u32 {
        let (Some(mask), Some(last)) = (self.index.len().checked_sub(1), self.pairs.len().checked_sub(1))
        else {
            return 0;
        };
        let place = usize::from(self.index[hash(item) & mask]);
        self.pairs[place.min(last)].item.0
    }

    /// The pair with `item`, if it is kept.
    pub(super) fn find_mut(&mut self, item: ItemIdx) -> Option<&mut Pair> {
        if self.index.is_empty() {
            return None;
        }
        let slot = self.slot_of(item);
        self.pairs.get_mut(usize::from(self.index[slot]))
    }

    /// The pair with `item`, made if it is new. `max`: the bound on neighbours after a cut, at most [`ROW_MAX`].
    pub(super) fn get_mut(&mut self, item: ItemIdx, max: usize) -> &mut Pair {
        if self.index.is_empty() {
            self.rebuild(4);
        }
        let mut slot = self.slot_of(item);
        if self.index[slot] == EMPTY {
            if self.pairs.len() >= max + max / 4 {
                self.keep_strongest(max);
                slot = self.slot_of(item);
            }
            if (self.pairs.len() + 1) * 3 > self.index.len() * 2 {
                self.rebuild(self.index.len() * 2);
                slot = self.slot_of(item);
            }
            self.index[slot] = self.pairs.len() as u16;
            if self.pairs.len() == self.pairs.capacity() {
                self.pairs.reserve_exact(self.pairs.len() / 4 + 4);
            }
            self.pairs.push(Pair { item, count: 0, weight: 0, forward: 0 });
        }
        &mut self.pairs[usize::from(self.index[slot])]
    }

    /// A row of these pairs, if they are of different items.
    pub(super) fn of(pairs: Vec<Pair>) -> Option<Self> {
        let mut row = Self { pairs, index: Vec::new() };
        row.rebuild_to_fit();
        let taken = row.index.iter().filter(|&&place| place != EMPTY).count();
        (taken == row.pairs.len()).then_some(row)
    }

    /// Gives neighbours their new indexes and drops the others.
    pub(super) fn renumber(&mut self, renumbering: &Renumbering) {
        self.pairs.retain_mut(|pair| match renumbering.item(pair.item) {
            Some(new) => {
                pair.item = new;
                true
            }
            None => false,
        });
        self.rebuild_to_fit();
    }

    /// Drops neighbours that nothing speaks for any more.
    pub(super) fn drop_empty(&mut self) {
        self.pairs.retain(|pair| pair.weight > 0 || pair.count > 0);
        self.rebuild_to_fit();
    }

    /// Most bytes that so many pairs may take: room for a quarter more, all of which was taken before the last cut; under
    /// four places of the index to a pair at its fullest.
    pub(super) fn size_bound(&self) -> usize {
        if self.pairs.is_empty() && self.index.is_empty() {
            return 0;
        }
        let fullest = self.pairs.len() + self.pairs.len() / 4 + 1;
        (fullest + fullest / 4 + 4) * size_of::<Pair>() + (4 * fullest).max(8) * 2
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.pairs.capacity() * size_of::<Pair>() + self.index.capacity() * 2
    }

    fn slot_of(&self, item: ItemIdx) -> usize {
        let mask = self.index.len() - 1;
        let mut slot = hash(item) & mask;
        while self.index[slot] != EMPTY && self.pairs[usize::from(self.index[slot])].item != item {
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// Keeps the `max` neighbours of greatest weight; among equals those with the lower index.
    fn keep_strongest(&mut self, max: usize) {
        let strongest_first = |a: &Pair, b: &Pair| b.weight.cmp(&a.weight).then(a.item.cmp(&b.item));
        self.pairs.select_nth_unstable_by(max - 1, strongest_first);
        self.pairs.truncate(max);
        self.rebuild(self.index.len());
    }

    fn rebuild_to_fit(&mut self) {
        self.pairs.shrink_to(self.pairs.len() + self.pairs.len() / 4 + 4);
        self.rebuild((self.pairs.len() * 3 / 2 + 1).next_power_of_two().max(4));
        self.index.shrink_to_fit();
    }

    fn rebuild(&mut self, slots: usize) {
        self.index.clear();
        self.index.resize(slots, EMPTY);
        for place in 0..self.pairs.len() {
            let slot = self.slot_of(self.pairs[place].item);
            self.index[slot] = place as u16;
        }
    }
}

fn hash(item: ItemIdx) -> usize {
    (item.0.wrapping_mul(0x9E37_79B1) >> 7) as usize
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
        assert_eq!(row.pairs().len(), map.len());
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
        assert_eq!(row.pairs().len(), 100);
        row.get_mut(ItemIdx(1000), 80).weight = 1;
        assert_eq!(row.pairs().len(), 81);
        assert!(row.get(ItemIdx(19)).is_none());
        assert!(row.get(ItemIdx(20)).is_some());
    }
}
