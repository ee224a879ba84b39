//! The neighbours of one item: pairs of a word each in one dense vector, found through a small hash index.
//!
//! Learning looks up one neighbour in each of up to fifty rows per event; answering reads whole rows. Dense pairs
//! make reading free of holes, which cost a mispredicted branch each; the index has a byte a slot, or two in rows of
//! more than 254 pairs, and stays cached. Slots are found by a multiplicative hash and linear probing at a load of at most
//! 2/3. At its bound a row drops its weakest quarter in one go, so a newcomer has that long to prove itself, where evicting
//! one by one would always evict the newcomer.

use super::counts::{Columns, Pair};
use super::shape::Shape;
use crate::ids::{ItemIdx, Renumbering};
use crate::state::snapshot::{Reader, SnapshotError, Writer};

/// Most neighbours that the index can number.
pub(crate) const ROW_MAX: usize = 50_000;

/// The neighbours of one item.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    words: Vec<u64>,
    index: Index,
    shape: Shape,
}

/// Positions of pairs plus one by hash of the item; 0: a free slot.
#[derive(Debug, Clone)]
enum Index {
    Bytes(Box<[u8]>),
    Words(Box<[u16]>),
}

impl Default for Index {
    fn default() -> Self {
        Self::Bytes(Box::default())
    }
}

impl Index {
    /// All free, with slots for `pairs` at most.
    fn new(pairs: usize) -> Self {
        let slots = pairs + pairs / 2 + 1;
        match u8::try_from(pairs) {
            Ok(_) => Self::Bytes(vec![0; slots].into()),
            Err(_) => Self::Words(vec![0; slots].into()),
        }
    }

    fn slots(&self) -> usize {
        match self {
            Self::Bytes(slots) => slots.len(),
            Self::Words(slots) => slots.len(),
        }
    }

    /// The position of the pair in a slot.
    fn get(&self, slot: usize) -> Option<usize> {
        let place = match self {
            Self::Bytes(slots) => usize::from(slots[slot]),
            Self::Words(slots) => usize::from(slots[slot]),
        };
        place.checked_sub(1)
    }

    fn set(&mut self, slot: usize, place: usize) {
        match self {
            Self::Bytes(slots) => slots[slot] = place as u8 + 1,
            Self::Words(slots) => slots[slot] = place as u16 + 1,
        }
    }

    fn size_bytes(&self) -> usize {
        match self {
            Self::Bytes(slots) => slots.len(),
            Self::Words(slots) => 2 * slots.len(),
        }
    }
}

impl Row {
    /// The pairs, in their order.
    pub(super) fn pairs(&self) -> impl ExactSizeIterator<Item = Pair> {
        let shape = self.shape;
        self.words.chunks_exact(shape.words()).map(move |words| shape.unpack(words))
    }

    /// Lays the pairs, in their order, into columns.
    pub(super) fn columns(&self, columns: &mut Columns) {
        columns.resize(self.len());
        match self.shape.words() {
            1 => self.shape.narrow_columns(&self.words, columns),
            _ => Shape::wide_columns(&self.words, columns),
        }
    }

    /// How many pairs there are.
    pub(super) fn len(&self) -> usize {
        self.words.len() / self.shape.words()
    }

    pub(super) fn get(&self, item: ItemIdx) -> Option<Pair> {
        self.find(item).map(|place| self.shape.unpack(self.at(place)))
    }

    /// Something of where `item` most likely stands, for the sake of having it in cache. Without a branch that depends
    /// on what is read, so that many such reads go on at once.
    pub(super) fn first_guess(&self, item: ItemIdx) -> u64 {
        if self.words.is_empty() {
            return 0;
        }
        let place = self.index.get(home(item, self.index.slots())).unwrap_or(0) * self.shape.words();
        self.words[place.min(self.words.len() - 1)]
    }

    /// Touches the first pairs, so that they are in cache.
    pub(super) fn touch(&self) -> u64 {
        self.words.first().copied().unwrap_or(0)
    }

    /// Changes the pair with `item`, if it is kept.
    pub(super) fn change(&mut self, item: ItemIdx, change: impl FnOnce(&mut Pair)) {
        if let Some(place) = self.find(item) {
            self.change_at(place, change);
        }
    }

    /// Adds to the pair with `item`, which is made if it is new, at most a unit each. `max`: the bound on neighbours after
    /// a cut, at most [`ROW_MAX`].
    pub(super) fn add(&mut self, item: ItemIdx, (count, weight, forward): (u32, u32, u32), max: usize) {
        let place = self.find(item).unwrap_or_else(|| self.push(item, max));
        let first = place * self.shape.words();
        if let Some(grown) = self.shape.grown(self.words[first], count, weight, forward) {
            self.words[first] = grown;
            return;
        }
        self.change_at(place, |pair| {
            pair.count = pair.count.saturating_add(count);
            pair.weight = pair.weight.saturating_add(weight);
            pair.forward = pair.forward.saturating_add(forward);
        });
    }

    /// Gives neighbours their new indexes and drops the others.
    pub(super) fn renumber(&mut self, renumbering: &Renumbering) {
        if self.words.is_empty() {
            return;
        }
        let renumbered = |pair: Pair| renumbering.item(pair.item).map(|item| Pair { item, ..pair });
        let pairs: Vec<Pair> = self.pairs().filter_map(renumbered).collect();
        *self = Self::of(&pairs, pairs.len());
    }

    /// Drops neighbours that nothing speaks for any more.
    pub(super) fn drop_empty(&mut self) {
        let pairs: Vec<Pair> = self.pairs().filter(|pair| pair.weight > 0 || pair.count > 0).collect();
        *self = Self::of(&pairs, pairs.len());
    }

    /// Drops all but the `max` strongest.
    pub(super) fn thin(&mut self, max: usize) {
        if self.len() > max {
            let mut pairs: Vec<Pair> = self.pairs().collect();
            keep_strongest(&mut pairs, max);
            *self = Self::of(&pairs, Self::roomy(max));
        }
    }

    /// How many bytes that saves.
    pub(super) fn saved_by(&self, max: usize) -> usize {
        let pairs = self.len();
        if pairs > max { self.bound_of(pairs) - self.bound_of(max) } else { 0 }
    }

    /// Most bytes that so many pairs may take: room for a quarter more, all of which was taken before the last cut, and for
    /// an eighth beyond that.
    pub(super) fn size_bound(&self) -> usize {
        if self.words.is_empty() { 0 } else { self.bound_of(self.len()) }
    }

    fn bound_of(&self, pairs: usize) -> usize {
        let room = Self::roomy(pairs + pairs / 4 + 1);
        let slot = if room < 256 { 1 } else { 2 };
        room * 8 * self.shape.words() + (room + room / 2 + 1) * slot
    }

    pub(super) fn size_bytes(&self) -> usize {
        8 * self.words.capacity() + self.index.size_bytes()
    }

    pub(super) fn save(&self, out: &mut Writer) {
        self.shape.bytes().into_iter().for_each(|bits| out.u8(bits));
        out.u32(self.words.len() as u32);
        // In their order, which sums of floats depend on.
        self.words.iter().for_each(|&word| out.u64(word));
    }

    /// Reads what [`Row::save`] wrote: neighbours of an item among `items`.
    pub(super) fn load(input: &mut Reader<'_>, items: usize) -> Result<Self, SnapshotError> {
        let bytes = [input.u8()?, input.u8()?, input.u8()?, input.u8()?];
        let shape = Shape::of_bytes(bytes).ok_or(SnapshotError::Malformed("shape of a row"))?;
        let count = input.count(8)?;
        let mut words = Vec::with_capacity(count);
        for _ in 0..count {
            words.push(input.u64()?);
        }
        let mut row = Self { words, index: Index::default(), shape };
        let known = row.pairs().all(|pair| pair.item.at() < items);
        if !known || row.len() > 2 * ROW_MAX || !row.words.len().is_multiple_of(shape.words()) {
            return Err(SnapshotError::Malformed("neighbour"));
        }
        row.rebuild(row.len());
        // Of two pairs with one item, only the first is ever found.
        let found = |(place, pair): (usize, Pair)| row.find(pair.item) == Some(place);
        if !row.pairs().enumerate().all(found) {
            return Err(SnapshotError::Malformed("neighbour appears twice"));
        }
        Ok(row)
    }

    /// A row of these pairs, of different items, with room for `room`.
    fn of(pairs: &[Pair], room: usize) -> Self {
        let mut row = Self { shape: Shape::of(pairs.iter().copied()), ..Self::default() };
        let step = row.shape.words();
        row.words.reserve_exact(room * step);
        row.words.resize(pairs.len() * step, 0);
        for (pair, words) in pairs.iter().zip(row.words.chunks_exact_mut(step)) {
            row.shape.pack(pair, words);
        }
        row.rebuild(room);
        row
    }

    fn at(&self, place: usize) -> &[u64] {
        let step = self.shape.words();
        &self.words[place * step..(place + 1) * step]
    }

    fn change_at(&mut self, place: usize, change: impl FnOnce(&mut Pair)) {
        let step = self.shape.words();
        let words = &mut self.words[place * step..(place + 1) * step];
        let mut pair = self.shape.unpack(words);
        change(&mut pair);
        if self.shape.fits(&pair) {
            self.shape.pack(&pair, words);
            return;
        }
        let mut pairs: Vec<Pair> = self.pairs().collect();
        pairs[place] = pair;
        *self = Self::of(&pairs, self.room());
    }

    /// Adds a pair, and says where.
    fn push(&mut self, item: ItemIdx, max: usize) -> usize {
        let new = Pair { item, count: 0, weight: 0, forward: 0 };
        let full = self.len() >= max + max / 4;
        // Not for want of room: how much there is says nothing of what is kept, and differs after a restart.
        if full || !self.shape.fits(&new) || self.words.is_empty() {
            let mut pairs: Vec<Pair> = self.pairs().collect();
            if full {
                keep_strongest(&mut pairs, max);
            }
            pairs.push(new);
            *self = Self::of(&pairs, self.room().max(Self::roomy_below(max, pairs.len())));
            return self.len() - 1;
        }
        if self.len() == self.room() {
            let room = Self::roomy_below(max, self.len() + 1);
            self.words.reserve_exact((room - self.len()) * self.shape.words());
            self.rebuild(room);
        }
        let place = self.len();
        self.words.resize(self.words.len() + self.shape.words(), 0);
        let step = self.shape.words();
        self.shape.pack(&new, &mut self.words[place * step..]);
        self.take_slot(item, place);
        place
    }

    /// For how many pairs there is room.
    fn room(&self) -> usize {
        self.words.capacity() / self.shape.words()
    }

    /// For how many pairs to make room where there are `pairs`.
    fn roomy(pairs: usize) -> usize {
        pairs + pairs / 8 + 2
    }

    /// The same where a row is cut to `max` once there are a quarter more.
    fn roomy_below(max: usize, pairs: usize) -> usize {
        Self::roomy(pairs).min(max + max / 4).max(pairs)
    }

    /// The place of the pair with an item.
    fn find(&self, item: ItemIdx) -> Option<usize> {
        match &self.index {
            Index::Bytes(slots) => self.probe(slots, item),
            Index::Words(slots) => self.probe(slots, item),
        }
    }

    fn probe<T: Copy + Into<usize>>(&self, slots: &[T], item: ItemIdx) -> Option<usize> {
        if slots.is_empty() {
            return None;
        }
        let (step, mask, own) = (self.shape.words(), self.shape.item_mask(), u64::from(item.0));
        let mut slot = home(item, slots.len());
        loop {
            let place = slots[slot].into().checked_sub(1)?;
            if self.words[place * step] & mask == own {
                return Some(place);
            }
            slot = if slot + 1 == slots.len() { 0 } else { slot + 1 };
        }
    }

    fn take_slot(&mut self, item: ItemIdx, place: usize) {
        let slots = self.index.slots();
        let mut slot = home(item, slots);
        while self.index.get(slot).is_some() {
            slot = if slot + 1 == slots { 0 } else { slot + 1 };
        }
        self.index.set(slot, place);
    }

    fn rebuild(&mut self, room: usize) {
        self.index = Index::new(room.max(self.len()));
        for place in 0..self.len() {
            let item = self.shape.item(self.at(place)[0]);
            self.take_slot(item, place);
        }
    }
}

/// The first of some slots to look for an item in.
fn home(item: ItemIdx, slots: usize) -> usize {
    ((u64::from(item.0.wrapping_mul(0x9E37_79B1)) * slots as u64) >> 32) as usize
}

/// Keeps the `max` neighbours of greatest weight; among equals those with the lower index.
fn keep_strongest(pairs: &mut Vec<Pair>, max: usize) {
    let strongest_first = |a: &Pair, b: &Pair| b.weight.cmp(&a.weight).then(a.item.cmp(&b.item));
    pairs.select_nth_unstable_by(max - 1, strongest_first);
    pairs.truncate(max);
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
            // Some outgrow their bits, until the row takes two words a pair.
            let weight = (n % 40 + 1).pow(n / 800).min(1 << 28);
            let count = weight / 8 + 1;
            row.add(item, (0, 0, 0), 1000);
            row.change(item, |pair| (pair.count, pair.weight) = (pair.count + count, pair.weight + weight));
            let held = map.entry(item).or_insert((0, 0));
            *held = (held.0 + count, held.1 + weight);
        }
        assert_eq!((row.len(), row.shape.words()), (map.len(), 2));
        for (&item, &held) in &map {
            assert_eq!(row.get(item).map(|pair| (pair.count, pair.weight)), Some(held));
        }
        assert_eq!(row.get(ItemIdx(9999)), None);
        assert_eq!(Row::default().get(ItemIdx(0)), None);
        assert!(row.size_bytes() <= row.size_bound());
        row.change(ItemIdx(3), |pair| pair.count = 77);
        row.change(ItemIdx(9999), |pair| pair.count = 77);
        assert_eq!(row.get(ItemIdx(3)).map(|pair| pair.count), Some(77));
        let mut out = Writer::default();
        row.save(&mut out);
        let bytes = out.into_bytes();
        let loaded = Row::load(&mut Reader::new(&bytes), 700).unwrap();
        assert!(loaded.pairs().eq(row.pairs()));
        assert_eq!((loaded.shape, loaded.size_bound()), (row.shape, row.size_bound()));
        assert!(Row::load(&mut Reader::new(&bytes), 600).is_err());
    }

    #[test]
    fn the_weakest_quarter_goes() {
        let mut row = Row::default();
        for n in 0..100u32 {
            row.add(ItemIdx(n), (0, n, 0), 80);
        }
        assert_eq!(row.len(), 100);
        row.add(ItemIdx(1000), (0, 1, 0), 80);
        assert_eq!(row.len(), 81);
        assert!(row.get(ItemIdx(19)).is_none());
        assert!(row.get(ItemIdx(20)).is_some());
        assert!(row.size_bytes() <= row.size_bound());
    }
}
