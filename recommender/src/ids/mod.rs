//! Outside ids, which are text of any kind, to dense indexes and back.
//!
//! Everything inside works on [`ItemIdx`] and [`UserIdx`]: 4 bytes, usable as a vector index. The text of an
//! id is kept once, in one arena; the hash table holds bare indexes into it, so an id of 6 bytes costs about
//! 16 bytes in all. Indexes are given out densely in order of first sight, which makes them deterministic.
//!
//! The map itself never refuses: whoever owns it bounds [`IdMap::len`] by the configuration.

mod slots;

use std::hash::Hasher;

use rustc_hash::FxHasher;
use slots::{Slots, roomy};

use crate::state::memory::{push, steady};
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// Dense index of an item, from 0, in order of first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ItemIdx(pub u32);

/// Dense index of a user, from 0, in order of first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UserIdx(pub u32);

impl ItemIdx {
    /// The index as a position in a vector.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

impl UserIdx {
    /// The index as a position in a vector.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

/// New indexes for old ones when some are dropped: the kept ones move together, in their order.
#[derive(Debug, Clone)]
pub struct Renumbering {
    /// By old index; `u32::MAX` for those dropped.
    indexes: Vec<u32>,
    kept: usize,
}

impl Renumbering {
    /// Drops the `count` whose `last` is least, those of the lowest index among equals.
    pub fn dropping_least<T: Ord + Copy>(last: &[T], count: usize) -> Self {
        let mut order: Vec<(T, u32)> = last.iter().copied().zip(0..).collect();
        let least_kept = (count < order.len()).then(|| *order.select_nth_unstable(count).1);
        let mut kept = 0;
        let indexes = last.iter().copied().zip(0..).map(|known| match least_kept {
            Some(least) if known >= least => {
                kept += 1;
                kept - 1
            }
            _ => u32::MAX,
        });
        Self { indexes: indexes.collect(), kept: kept as usize }
    }

    /// The new index of an old one, if it is kept.
    pub fn index(&self, old: u32) -> Option<u32> {
        self.indexes.get(old as usize).copied().filter(|&new| new != u32::MAX)
    }

    /// The new index of an item, if it is kept.
    pub fn item(&self, old: ItemIdx) -> Option<ItemIdx> {
        self.index(old.0).map(ItemIdx)
    }

    /// How many are kept.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Moves the values of kept indexes together, in a vector with no more room than one that grows by an eighth would have. Values
    /// beyond the last index are dropped.
    pub fn compact<T>(&self, values: &mut Vec<T>) {
        let mut old = 0;
        values.retain(|_| {
            old += 1;
            self.index(old - 1).is_some()
        });
        values.shrink_to(values.len() + values.len() / 8 + 16);
    }
}

/// What erased ids are overwritten with; no id of a user or an item may have it.
const ERASED: &str = "\x7f";

/// Text ids, each with a dense index.
#[derive(Debug, Default, Clone)]
pub struct IdMap {
    text: String,
    /// `ends[i]` is where id `i` stops in `text`; it starts where its predecessor stops.
    ends: Vec<u32>,
    slots: Slots,
}

impl IdMap {
    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no id yet.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The index of `id`, if it has one.
    pub fn get(&self, id: &str) -> Option<u32> {
        self.slots.find(hash(id), |index| self.text_of(index) == id)
    }

    /// The index of `id`, giving it the next one if it has none, and whether it is new.
    ///
    /// The arena is addressed by 32 bits: an id that would not fit gets `None`. The owner's bound on the
    /// number of ids and on their length keeps that from happening.
    pub fn get_or_insert(&mut self, id: &str) -> Option<(u32, bool)> {
        if let Some(index) = self.get(id) {
            return Some((index, false));
        }
        let index = self.append(id)?;
        if self.len() > self.slots.room() {
            self.fill_slots();
        } else {
            self.slots.insert(hash(id), index);
        }
        Some((index, true))
    }

    /// Erases the id with this index: it is found no more, its text is overwritten, and the index stays taken.
    pub(crate) fn erase(&mut self, index: u32) {
        // Its slot stays, and leads to what no id is.
        let end = self.ends[index as usize] as usize;
        let start = end - self.text_of(index).len();
        self.text.replace_range(start..end, &ERASED.repeat(end - start));
    }

    /// Adds an id that is not to be found.
    fn append(&mut self, id: &str) -> Option<u32> {
        let index = u32::try_from(self.ends.len()).ok()?;
        let end = u32::try_from(self.text.len() + id.len()).ok()?;
        if end as usize > self.text.capacity() {
            self.text.reserve_exact(id.len() + self.text.len() / 8 + 16);
        }
        self.text.push_str(id);
        push(&mut self.ends, end);
        Some(index)
    }

    /// Makes the slots anew, without those of erased ids.
    fn fill_slots(&mut self) {
        let mut slots = Slots::new(roomy(self.len()));
        let known = self.iter().zip(0..).filter(|(id, _)| !id.starts_with(ERASED));
        known.for_each(|(id, index)| slots.insert(hash(id), index));
        self.slots = slots;
    }

    /// The id with this index.
    ///
    /// # Panics
    /// If the index was never given out by this map.
    pub fn text_of(&self, index: u32) -> &str {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.text[start..self.ends[index] as usize]
    }

    /// Every id, in order of index.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len() as u32).map(|index| self.text_of(index))
    }

    /// Drops the ids for which `renumbering` has no index and gives the others theirs.
    pub fn renumber(&mut self, renumbering: &Renumbering) {
        let mut kept = Self::default();
        let known = || self.iter().zip(0..).filter(|&(_, old)| renumbering.index(old).is_some());
        kept.text.reserve_exact(known().map(|(id, _)| id.len()).sum());
        kept.ends.reserve_exact(renumbering.kept());
        known().for_each(|(id, _)| _ = kept.append(id));
        kept.fill_slots();
        *self = kept;
    }

    /// Most bytes that so many ids may take.
    pub(crate) fn size_bound(&self) -> usize {
        steady::<u8>(self.text.len()) + steady::<u32>(self.ends.len()) + Slots::size_bound(self.ends.len())
    }

    /// Bytes held, by capacity.
    pub fn size_bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * 4 + self.slots.size_bytes()
    }
}

impl Snapshot for IdMap {
    fn save(&self, out: &mut Writer) {
        out.u32(self.ends.len() as u32);
        for id in self.iter() {
            out.text(id);
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut map = Self::default();
        for _ in 0..input.count(4)? {
            map.append(input.text()?).ok_or(SnapshotError::Malformed("too many ids"))?;
        }
        map.fill_slots();
        // Of two of the same text, only the first is ever found.
        let found = |(id, index): (&str, u32)| id.starts_with(ERASED) || map.get(id) == Some(index);
        if !map.iter().zip(0..).all(found) {
            return Err(SnapshotError::Malformed("an id appears twice"));
        }
        Ok(map)
    }
}

/// Deterministic across runs and machines of one word size; never stored. All its bits are as good as each other.
fn hash(id: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(id.as_bytes());
    let product = u128::from(hasher.finish()) * 0x9E37_79B9_7F4A_7C15;
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_dense_in_order_of_first_sight() {
        let mut ids = IdMap::default();
        assert_eq!(ids.get_or_insert("b"), Some((0, true)));
        assert_eq!(ids.get_or_insert(""), Some((1, true)));
        assert_eq!(ids.get_or_insert("aé"), Some((2, true)));
        assert_eq!(ids.get_or_insert("b"), Some((0, false)));
        assert_eq!(ids.get("aé"), Some(2));
        assert_eq!(ids.get("c"), None);
        assert_eq!(ids.iter().collect::<Vec<_>>(), ["b", "", "aé"]);
    }

    #[test]
    fn renumbering_keeps_the_recent_in_order() {
        let renumbering = Renumbering::dropping_least(&[5, 1, 9, 1, 7], 2);
        let new: Vec<_> = (0..5).map(|old| renumbering.index(old)).collect();
        assert_eq!(new, [Some(0), None, Some(1), None, Some(2)]);
        assert_eq!(renumbering.kept(), 3);
        let mut values = vec!['a', 'b', 'c', 'd', 'e'];
        renumbering.compact(&mut values);
        assert_eq!(values, ['a', 'c', 'e']);
        let mut ids = IdMap::default();
        for id in ["a", "b", "c", "d", "e"] {
            ids.get_or_insert(id);
        }
        ids.renumber(&renumbering);
        assert_eq!((ids.get("b"), ids.get("c"), ids.len()), (None, Some(1), 3));
    }

    #[test]
    fn an_erased_id_leaves_its_place_taken_and_no_text() {
        let mut ids = IdMap::default();
        for id in ["a", "bob", "c", "dora"] {
            ids.get_or_insert(id);
        }
        ids.erase(1);
        ids.erase(2);
        assert_eq!((ids.get("bob"), ids.get("dora"), ids.len()), (None, Some(3), 4));
        let mut out = Writer::default();
        ids.save(&mut out);
        let bytes = out.into_bytes();
        assert!(!bytes.windows(3).any(|text| text == b"bob"));
        let mut again = IdMap::load(&mut Reader::new(&bytes)).unwrap();
        assert_eq!((again.get("c"), again.get("dora")), (None, Some(3)));
        assert_eq!(again.get_or_insert("bob"), Some((4, true)), "who comes back is new");
        again.renumber(&Renumbering::dropping_least(&[1, 2, 3, 4, 0], 1));
        assert_eq!((again.get("dora"), again.len()), (Some(3), 4));
    }

    #[test]
    fn ten_thousand_ids_survive_growth_and_a_snapshot() {
        let mut ids = IdMap::default();
        for n in 0..10_000 {
            ids.get_or_insert(&format!("item-{n}"));
        }
        let mut out = Writer::default();
        ids.save(&mut out);
        let bytes = out.into_bytes();
        let again = IdMap::load(&mut Reader::new(&bytes)).unwrap();
        for n in 0..10_000 {
            assert_eq!(again.get(&format!("item-{n}")), Some(n));
        }
    }
}
