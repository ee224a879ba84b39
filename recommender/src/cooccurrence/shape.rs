//! How the four numbers of a pair share a word.
//!
//! ```text
//! 64 bits:  forward │ weight │ count │ item       as many bits each as the row's greatest need, the rest shared out
//! ```
//!
//! A row has one shape for all its pairs, so that a pair is found and read with a few shifts. The topmost bit of a number
//! that can grow stays 0: three numbers are added to in one addition, and a bit that turns 1 says that one of them outgrows
//! its place. Then the row is shaped anew; where the greatest do not fit one word together, all its pairs take two, of 32
//! bits a number.

use super::counts::{Columns, Pair};
use crate::ids::ItemIdx;

/// Bits of item, count, weight and forward, of a pair in one word; 32 each: two words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    item: u8,
    count: u8,
    weight: u8,
    forward: u8,
}

impl Shape {
    /// Two words a pair: for any numbers.
    const WIDE: Self = Self { item: 32, count: 32, weight: 32, forward: 32 };

    /// The shape that suits pairs with these numbers, whose own bits are shared out with room to grow.
    pub(super) fn of(pairs: impl Iterator<Item = Pair>) -> Self {
        let (mut item, mut count, mut weight, mut forward) = (0, 0, 0, 0);
        for pair in pairs {
            item |= pair.item.0;
            count |= pair.count;
            weight |= pair.weight;
            forward |= pair.forward;
        }
        // With a bit each that stays 0, and place for what one event adds: a unit, of 11 bits.
        let (item, count) = (width(item).max(8), width(count).max(4) + 1);
        let (weight, forward) = (width(weight).max(12) + 1, width(forward).max(12) + 1);
        let Some(spare) = 64u32.checked_sub(item + count + weight + forward) else { return Self::WIDE };
        // Items first: in a young row the next may well be of a greater index.
        let item = (item + spare / 4).min(31);
        let count = (count + spare / 4).min(31);
        let weight = (weight + spare / 4).min(32);
        let forward = (64 - item - count - weight).min(32);
        Self { item: item as u8, count: count as u8, weight: weight as u8, forward: forward as u8 }
    }

    /// The shape of these bits, if there is one.
    pub(super) fn of_bytes(bytes: [u8; 4]) -> Option<Self> {
        let [item, count, weight, forward] = bytes;
        let shape = Self { item, count, weight, forward };
        let bits: u32 = bytes.iter().map(|&bits| u32::from(bits)).sum();
        let narrow = bytes.iter().all(|bits| (2..=32).contains(bits)) && bits <= 64 && count < 32;
        (narrow || shape == Self::WIDE).then_some(shape)
    }

    pub(super) fn bytes(self) -> [u8; 4] {
        [self.item, self.count, self.weight, self.forward]
    }

    /// Words to a pair.
    pub(super) fn words(self) -> usize {
        1 + usize::from(self.count == 32)
    }

    /// Whether a pair has room.
    pub(super) fn fits(self, pair: &Pair) -> bool {
        // Words of two have room for anything; one bit of a number that can grow stays 0.
        let within = |value: u32, bits: u8| u64::from(value) >> (bits - 1) == 0;
        self.words() == 2
            || u64::from(pair.item.0) >> self.item == 0
                && within(pair.count, self.count)
                && within(pair.weight, self.weight)
                && within(pair.forward, self.forward)
    }

    /// The bits of a pair's first word that say its item.
    pub(super) fn item_mask(self) -> u64 {
        mask(self.item)
    }

    /// The item of a pair, given its first word.
    pub(super) fn item(self, word: u64) -> ItemIdx {
        ItemIdx((word & mask(self.item)) as u32)
    }

    /// The word of a pair with these amounts added, each at most a unit, if they have room.
    pub(super) fn grown(self, word: u64, count: u32, weight: u32, forward: u32) -> Option<u64> {
        if self.words() == 2 {
            return None;
        }
        let to_weight = self.item + self.count;
        let to_forward = to_weight + self.weight;
        let end = to_forward + self.forward;
        let more =
            u64::from(count) << self.item | u64::from(weight) << to_weight | u64::from(forward) << to_forward;
        let grown = word.wrapping_add(more);
        let topmost = 1 << (to_weight - 1) | 1 << (to_forward - 1) | 1 << (end - 1);
        (grown & topmost == 0).then_some(grown)
    }

    /// The pair of these words.
    pub(super) fn unpack(self, words: &[u64]) -> Pair {
        match *words {
            [word] => self.narrow(word),
            [one, two] => Pair {
                item: ItemIdx(one as u32),
                count: (one >> 32) as u32,
                weight: two as u32,
                forward: (two >> 32) as u32,
            },
            _ => Pair { item: ItemIdx(0), count: 0, weight: 0, forward: 0 },
        }
    }

    /// Writes a pair that fits.
    pub(super) fn pack(self, pair: &Pair, words: &mut [u64]) {
        let (item, count) = (u64::from(pair.item.0), u64::from(pair.count));
        let (weight, forward) = (u64::from(pair.weight), u64::from(pair.forward));
        match words {
            [word] => {
                let above = weight | forward << self.weight;
                *word = item | (count | above << self.count) << self.item;
            }
            [one, two] => (*one, *two) = (item | count << 32, weight | forward << 32),
            _ => {}
        }
    }

    /// Lays the pairs of single words into columns of the same length.
    pub(super) fn narrow_columns(self, words: &[u64], columns: &mut Columns) {
        let to_weight = self.item + self.count;
        let to_forward = to_weight + self.weight;
        let (counts, weights, forwards) = (mask(self.count), mask(self.weight), mask(self.forward));
        // Below 2³¹, as the topmost bit is 0: signed integers become floats several at a time.
        let number = |bits: u64| bits as i32 as f32;
        for ((((item, count), weight), forward), &word) in columns.each().zip(words) {
            *item = self.item(word);
            *count = number(word >> self.item & counts);
            *weight = number(word >> to_weight & weights);
            *forward = number(word >> to_forward & forwards);
        }
    }

    /// Lays the pairs of two words each into columns of the same length.
    pub(super) fn wide_columns(words: &[u64], columns: &mut Columns) {
        for ((((item, count), weight), forward), &[one, two]) in columns.each().zip(words.as_chunks().0) {
            *item = ItemIdx(one as u32);
            *count = (one >> 32) as u32 as f32;
            *weight = two as u32 as f32;
            *forward = (two >> 32) as u32 as f32;
        }
    }

    /// The pair of a single word.
    pub(super) fn narrow(self, word: u64) -> Pair {
        let count = word >> self.item;
        let weight = count >> self.count;
        Pair {
            item: ItemIdx((word & mask(self.item)) as u32),
            count: (count & mask(self.count)) as u32,
            weight: (weight & mask(self.weight)) as u32,
            forward: (weight >> self.weight & mask(self.forward)) as u32,
        }
    }
}

impl Default for Shape {
    fn default() -> Self {
        Self::WIDE
    }
}

/// Of at most 32 bits.
fn mask(bits: u8) -> u64 {
    (1 << bits) - 1
}

fn width(value: u32) -> u32 {
    32 - value.leading_zeros()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pair_comes_back(numbers in prop::collection::vec((any::<[u32; 4]>(), 0u32..32), 1..20)) {
            let pair = |&([item, count, weight, forward], shift): &([u32; 4], u32)| Pair {
                item: ItemIdx(item >> (shift / 2)),
                count: count >> shift,
                weight: weight >> shift,
                forward: forward >> shift,
            };
            let shape = Shape::of(numbers.iter().map(pair));
            prop_assert_eq!(Shape::of_bytes(shape.bytes()), Some(shape));
            for pair in numbers.iter().map(pair) {
                let mut words = [0; 2];
                let words = &mut words[..shape.words()];
                prop_assert!(shape.fits(&pair));
                shape.pack(&pair, words);
                prop_assert_eq!(shape.unpack(words), pair);
                prop_assert_eq!(shape.item(words[0]), pair.item);
            }
        }
    }

    #[test]
    fn usual_rows_take_one_word_and_great_ones_two() {
        let pair = |weight| Pair { item: ItemIdx(99_999), count: 200, weight, forward: weight / 2 };
        assert_eq!(Shape::of([pair(200_000)].into_iter()).words(), 1);
        assert_eq!(Shape::of([pair(1 << 31)].into_iter()).words(), 2);
        assert_eq!(Shape::of_bytes([33, 1, 1, 1]), None);
        assert_eq!(Shape::of_bytes([0, 1, 1, 1]), None);
        assert_eq!(Shape::of_bytes([32, 32, 32, 32]), Some(Shape::WIDE));
    }

    #[test]
    fn numbers_grow_side_by_side_until_one_is_full() {
        let pair = |n: u32| Pair { item: ItemIdx(77), count: n, weight: n * 1024, forward: n * 3 };
        let shape = Shape::of([pair(9)].into_iter());
        let mut words = [0];
        shape.pack(&pair(0), &mut words);
        let mut grown = 0;
        while let Some(word) = shape.grown(words[0], 1, 1024, 3) {
            words[0] = word;
            grown += 1;
            assert_eq!(shape.unpack(&words), pair(grown));
        }
        assert!(grown > 200 && !shape.fits(&pair(grown + 1)), "{grown}");
    }
}
