//! Counts of pairs of items within a user's recent history.
//!
//! When a user acts on item `i`, it meets each distinct item `j ≠ i` among the user's last W (default 50), `j`
//! being the d-th most recent of them, d = 1, 2, .... For each such pair:
//!
//! | kept | by | where | meaning |
//! |---|---|---|---|
//! | `count` | +1 if the user had not met `i` before | rows i and j | users who came to both; what a person counts by hand |
//! | `weight` | +1/√d | rows i and j | closeness in the history, undirected |
//! | `forward` | +1/d | row j | how often, and how soon, i follows j |
//!
//! "Before" reaches as far back as the user's kept history. With `n_i`, the users who came to `i` (counted by
//! the same rule), `count` is a contingency table, so that `count ≤ min(n_i, n_j)`: cosine, Jaccard and LLR are
//! well defined on it. Weights are integers in units of 1/[`UNIT`]: sums do not depend on the order of addition
//! and can be taken back exactly.
//!
//! A row keeps at most `recommender.cooccurrence.row.max` neighbours, give or take the quarter between two cuts,
//! and drops those of least weight.

use std::hint;
use std::sync::LazyLock;

use super::row::Row;
use crate::ids::{ItemIdx, Renumbering};
use crate::state::memory::{self, steady};
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// Units of weight: `weight` and `forward` count 1/1024.
pub const UNIT: f32 = 1024.0;

/// So many neighbours are left to each item where memory is short.
const FEW: usize = 4;

/// Distances beyond this weigh like this one.
const DISTANCE_MAX: usize = 4096;

/// What is known of an ordered pair of items: `item` as a neighbour of the row's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The neighbour.
    pub item: ItemIdx,
    /// Users who came to both.
    pub count: u32,
    /// Σ 1/√d in units of 1/[`UNIT`].
    pub weight: u32,
    /// Σ 1/d over the times the neighbour came after the owner, in units of 1/[`UNIT`].
    pub forward: u32,
}

impl Pair {
    fn shrink(&mut self, count: u32, weight: u32, forward: u32) {
        self.count = self.count.saturating_sub(count);
        self.weight = self.weight.saturating_sub(weight);
        self.forward = self.forward.saturating_sub(forward);
    }
}

/// The neighbours of an item, number by number, as sums take them: reusable memory.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) items: Vec<ItemIdx>,
    /// Users who came to both.
    pub(crate) counts: Vec<f32>,
    /// In units of 1/[`UNIT`].
    pub(crate) weights: Vec<f32>,
    /// In units of 1/[`UNIT`].
    pub(crate) forwards: Vec<f32>,
}

impl Columns {
    /// Makes place for so many neighbours.
    pub(super) fn resize(&mut self, neighbours: usize) {
        self.items.resize(neighbours, ItemIdx::default());
        self.counts.resize(neighbours, 0.0);
        self.weights.resize(neighbours, 0.0);
        self.forwards.resize(neighbours, 0.0);
    }

    /// Item, count, weight and forward of each neighbour.
    pub(super) fn each(&mut self) -> impl Iterator<Item = (((&mut ItemIdx, &mut f32), &mut f32), &mut f32)> {
        let two = self.items.iter_mut().zip(&mut self.counts);
        two.zip(&mut self.weights).zip(&mut self.forwards)
    }
}

/// Every item's neighbours.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    rows: Vec<Row>,
}

impl Pairs {
    /// Learns that a user acted on `item`, having acted on `before` (distinct, most recent first, without
    /// `item`). `new`: the user had not met `item` before. `row_max`: neighbours a row keeps.
    pub fn learn(&mut self, item: ItemIdx, before: &[ItemIdx], new: bool, row_max: usize) {
        let last = before.iter().fold(item, |last, &other| last.max(other));
        if self.rows.len() <= last.at() {
            let more = last.at() + 1 - self.rows.len();
            memory::extend(&mut self.rows, more, Row::default);
        }
        // Rows lie all over memory: asking for all of them first lets the processor wait for all at once.
        let (rows, own) = (&self.rows, &self.rows[item.at()]);
        let look = |&other: &ItemIdx| rows[other.at()].first_guess(item) ^ own.first_guess(other);
        hint::black_box(before.iter().map(look).fold(0, |sum, word| sum ^ word));
        let count = u32::from(new);
        for (distance, &other) in (1..).zip(before) {
            let (weight, forward) = weights(distance);
            self.rows[other.at()].add(item, (count, weight, forward), row_max);
            self.rows[item.at()].add(other, (count, weight, 0), row_max);
        }
    }

    /// Takes back what [`Pairs::learn`] counted, as far as rows still hold it.
    pub(crate) fn unlearn(&mut self, item: ItemIdx, before: &[ItemIdx], new: bool) {
        let count = u32::from(new);
        for (distance, &other) in (1..).zip(before) {
            let (weight, forward) = weights(distance);
            if let Some(row) = self.rows.get_mut(other.at()) {
                row.change(item, |pair| pair.shrink(count, weight, forward));
            }
            if let Some(row) = self.rows.get_mut(item.at()) {
                row.change(other, |pair| pair.shrink(count, weight, 0));
            }
        }
    }

    /// Drops pairs of these items that nothing speaks for any more.
    pub(crate) fn drop_empty(&mut self, items: impl Iterator<Item = ItemIdx>) {
        for item in items {
            if let Some(row) = self.rows.get_mut(item.at()) {
                row.drop_empty();
            }
        }
    }

    /// Gives items their new indexes and drops the others.
    pub(crate) fn renumber(&mut self, renumbering: &Renumbering) {
        renumbering.compact(&mut self.rows);
        self.rows.iter_mut().for_each(|row| row.renumber(renumbering));
    }

    /// Drops the weakest neighbours of all items that have more than a certain number, so that there are `bytes` less. False
    /// if each would have fewer than a few.
    pub(crate) fn thin(&mut self, bytes: usize) -> bool {
        let longest = self.rows.iter().map(Row::len).max().unwrap_or(0);
        let enough = |max: usize| self.rows.iter().map(|row| row.saved_by(max)).sum::<usize>() >= bytes;
        let (mut from, mut to) = (FEW, longest);
        while from < to {
            let middle = usize::midpoint(from, to).max(from + 1);
            if enough(middle) { from = middle } else { to = middle - 1 }
        }
        self.rows.iter_mut().for_each(|row| row.thin(from));
        from < longest
    }

    /// The neighbours of an item, in no particular order.
    pub fn neighbours(&self, item: ItemIdx) -> impl Iterator<Item = Pair> {
        self.rows.get(item.at()).into_iter().flat_map(Row::pairs)
    }

    /// Lays the neighbours of an item, in the same order, into columns.
    pub(crate) fn columns(&self, item: ItemIdx, columns: &mut Columns) {
        match self.rows.get(item.at()) {
            Some(row) => row.columns(columns),
            None => columns.resize(0),
        }
    }

    /// How many neighbours of an item are kept.
    pub(crate) fn degree(&self, item: ItemIdx) -> usize {
        self.rows.get(item.at()).map_or(0, Row::len)
    }

    /// Touches an item's first neighbours, so that they are in cache.
    pub(crate) fn touch(&self, item: ItemIdx) -> u64 {
        self.rows.get(item.at()).map_or(0, Row::touch)
    }

    /// What is known of `other` as a neighbour of `item`.
    pub fn pair(&self, item: ItemIdx, other: ItemIdx) -> Option<Pair> {
        self.rows.get(item.at())?.get(other)
    }

    /// How many ordered pairs are kept.
    pub fn len(&self) -> usize {
        self.rows.iter().map(Row::len).sum()
    }

    /// Whether no pair is kept.
    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.len() == 0)
    }

    /// Most bytes that so many pairs of so many items may take.
    pub(crate) fn size_bound(&self) -> usize {
        steady::<Row>(self.rows.len()) + self.rows.iter().map(Row::size_bound).sum::<usize>()
    }

    /// Bytes held, by capacity.
    pub fn size_bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>() + self.rows.iter().map(Row::size_bytes).sum::<usize>()
    }
}

/// 1/√d and 1/d in units.
fn weights(distance: usize) -> (u32, u32) {
    /// Those of the distances that a window usually has.
    static NEAR: LazyLock<[(u32, u32); 64]> = LazyLock::new(|| std::array::from_fn(exact_weights));
    NEAR.get(distance).copied().unwrap_or_else(|| exact_weights(distance))
}

fn exact_weights(distance: usize) -> (u32, u32) {
    let distance = distance.clamp(1, DISTANCE_MAX) as f32;
    ((UNIT / distance.sqrt()).round() as u32, (UNIT / distance).round() as u32)
}

impl Snapshot for Pairs {
    fn save(&self, out: &mut Writer) {
        out.u32(self.rows.len() as u32);
        self.rows.iter().for_each(|row| row.save(out));
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let items = input.count(8)?;
        let mut rows = Vec::with_capacity(items);
        for _ in 0..items {
            rows.push(Row::load(input, items)?);
        }
        Ok(Self { rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ItemIdx = ItemIdx(0);
    const B: ItemIdx = ItemIdx(1);
    const C: ItemIdx = ItemIdx(2);

    #[test]
    fn counts_and_weights_by_hand() {
        let mut pairs = Pairs::default();
        // One user: A, B, C. Another: B, A.
        pairs.learn(A, &[], true, 100);
        pairs.learn(B, &[A], true, 100);
        pairs.learn(C, &[B, A], true, 100);
        pairs.learn(B, &[], true, 100);
        pairs.learn(A, &[B], true, 100);
        let get = |i, j| pairs.pair(i, j).map(|pair| (pair.count, pair.weight, pair.forward));
        // A and B met twice at distance 1, once in each order.
        assert_eq!(get(A, B), Some((2, 2048, 1024)));
        assert_eq!(get(B, A), Some((2, 2048, 1024)));
        // A and C at distance 2: 1024/√2 = 724.1, 1024/2 = 512; C never came before A.
        assert_eq!(get(A, C), Some((1, 724, 512)));
        assert_eq!(get(C, A), Some((1, 724, 0)));
        assert_eq!(pairs.len(), 6);
    }

    #[test]
    fn coming_back_counts_as_closeness_not_as_another_user() {
        let mut pairs = Pairs::default();
        pairs.learn(A, &[], true, 100);
        pairs.learn(B, &[A], true, 100);
        pairs.learn(A, &[B], false, 100);
        assert_eq!(pairs.pair(A, B).map(|pair| (pair.count, pair.weight)), Some((1, 2048)));
    }

    #[test]
    fn a_snapshot_holds_the_same_pairs() {
        let mut pairs = Pairs::default();
        for n in 0..500u32 {
            let before: Vec<ItemIdx> =
                (1..20).map(|d| ItemIdx((n + d * d) % 97)).filter(|j| j.0 != n % 97).collect();
            pairs.learn(ItemIdx(n % 97), &before, true, 40);
        }
        let mut out = Writer::default();
        pairs.save(&mut out);
        let bytes = out.into_bytes();
        let again = Pairs::load(&mut Reader::new(&bytes)).unwrap();
        for item in (0..97).map(ItemIdx) {
            for pair in pairs.neighbours(item) {
                assert_eq!(again.pair(item, pair.item), Some(pair));
            }
        }
        assert_eq!(again.len(), pairs.len());
    }

    #[test]
    fn the_longest_rows_give_way_first() {
        let mut pairs = Pairs::default();
        let ring = |n: u32, step: u32| (1..=10).map(|d| ItemIdx((n + d * step) % 97)).collect::<Vec<_>>();
        // A hundred items in a circle, and one that all of them meet.
        for n in 0..97u32 {
            pairs.learn(ItemIdx(n), &ring(n, 1), true, 400);
            pairs.learn(ItemIdx(n), &[ItemIdx(97)], true, 400);
        }
        let (bound, short) = (pairs.size_bound(), pairs.degree(B));
        assert_eq!(pairs.degree(ItemIdx(97)), 97);
        assert!(pairs.thin(400) && pairs.size_bound() <= bound - 400);
        assert!(pairs.degree(ItemIdx(97)) < 97 && pairs.degree(B) == short);
        assert!(pairs.thin(10_000) && pairs.size_bound() <= bound - 10_000);
        // The closest are left.
        assert!(
            pairs.degree(B) < short && pairs.pair(B, C).is_some() && pairs.pair(B, ItemIdx(11)).is_none()
        );
        assert!(pairs.thin(usize::MAX) && pairs.degree(B) == FEW && !pairs.thin(1), "there is an end to it");
        assert!(pairs.size_bytes() <= pairs.size_bound());
    }
}
