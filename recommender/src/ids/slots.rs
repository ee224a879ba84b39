//! Where ids are found: their indexes, in slots by the hash of their text.
//!
//! ```text
//! slot   hash, its low bits │ index + 1      32 bits, of which the index takes as many as the most ids there is room for need
//!        0                                   free
//! ```
//!
//! A million ids need 20 bits, which leaves 12 of the hash: of the slots on the way to an id all but one in 4096 others are
//! passed by without a look at their text. Slots are probed one after the other, 16 to a line of cache, and at most four of
//! five are taken, so an id takes five to six bytes here.

/// Indexes by the hash of what they stand for, which their owner keeps.
#[derive(Debug, Default, Clone)]
pub(super) struct Slots {
    slots: Box<[u32]>,
    /// The low bits of a slot, which say the index.
    index_bits: u32,
}

impl Slots {
    /// All free, with room for `ids`.
    pub(super) fn new(ids: usize) -> Self {
        let slots: Box<[u32]> = vec![0; Self::of(ids)].into();
        let most = slots.len() / 5 * 4;
        Self { slots, index_bits: (usize::BITS - most.leading_zeros()).min(32) }
    }

    /// For how many ids there is room.
    pub(super) fn room(&self) -> usize {
        self.slots.len() / 5 * 4
    }

    /// Most bytes of slots that were made anew, with room for a quarter more ids than there were, when they were full or
    /// their owner said so, and have `ids` by now.
    pub(super) const fn size_bound(ids: usize) -> usize {
        4 * Self::of(roomy(ids))
    }

    /// Bytes held.
    pub(super) fn size_bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }

    /// The index of this hash that `is` the one.
    pub(super) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let (own, mask) = (self.tag(hash), self.mask());
        let mut slot = self.home(hash);
        loop {
            let taken = self.slots[slot];
            if taken == 0 {
                return None;
            }
            if taken & !mask == own && is((taken & mask) - 1) {
                return Some((taken & mask) - 1);
            }
            slot = self.after(slot);
        }
    }

    /// Adds an index, for which there must be room.
    pub(super) fn insert(&mut self, hash: u64, index: u32) {
        let mut slot = self.home(hash);
        while self.slots[slot] != 0 {
            slot = self.after(slot);
        }
        self.slots[slot] = self.tag(hash) | (index + 1);
    }

    /// Slots for so many ids.
    const fn of(ids: usize) -> usize {
        (ids / 4 + 1) * 5
    }

    fn mask(&self) -> u32 {
        u32::MAX >> (32 - self.index_bits)
    }

    fn tag(&self, hash: u64) -> u32 {
        hash as u32 & !self.mask()
    }

    /// The slot to look in first, by the high half of a hash; the low one is the tag.
    fn home(&self, hash: u64) -> usize {
        (((hash >> 32) * self.slots.len() as u64) >> 32) as usize
    }

    fn after(&self, slot: usize) -> usize {
        if slot + 1 == self.slots.len() { 0 } else { slot + 1 }
    }
}

/// For how many ids to make room where there are `ids`.
pub(super) const fn roomy(ids: usize) -> usize {
    ids + ids / 4 + 16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the hashes, equal ones and those that all begin alike included.
        #[test]
        fn each_is_found_and_no_other(hashes in prop::collection::vec(any::<u64>(), 1..300), shift in 0u32..64) {
            let hashes: Vec<u64> = hashes.into_iter().map(|hash| hash >> shift).collect();
            let mut slots = Slots::new(hashes.len());
            prop_assert!(slots.room() >= hashes.len());
            for (index, &hash) in (0..).zip(&hashes) {
                let looked_at = |other: u32| hashes[other as usize] == hash;
                let first = hashes.iter().position(|&known| known == hash).map(|first| first as u32);
                prop_assert_eq!(slots.find(hash, looked_at), first.filter(|&first| first < index));
                slots.insert(hash, index);
                prop_assert_eq!(slots.find(hash, |other| other == index), Some(index));
            }
            prop_assert!(slots.size_bytes() <= Slots::size_bound(hashes.len()));
        }
    }
}
