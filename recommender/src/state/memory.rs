//! How many bytes a part may take, told from lengths alone, and what to drop when all together take too many.
//!
//! Memory held ([`super::State::size_bytes`]) depends on when vectors grew, and differs after a restart; what is dropped
//! must not, or the same log would no longer give the same bytes. So the bound of `recommender.memory.max` is kept on
//! these figures, which no vector's capacity exceeds: those of every user or item grow by an eighth when full, slots of ids and
//! rows of pairs by a quarter, lists by as much again, and all give back what they hold beyond that when they shrink.
//!
//! ```text
//! users │ items │ pairs      whichever takes most gives way, down to the next at most:
//!   │       │       └─ the weakest neighbours of the items that have most
//!   │       └─ items least acted on lately
//!   └─ users idle longest
//! ```

use crate::ids::Renumbering;

/// Adds to a vector that grows by an eighth when it is full: those with an element for every user or item.
pub(crate) fn push<T>(values: &mut Vec<T>, value: T) {
    if values.len() == values.capacity() {
        values.reserve_exact(values.len() / 8 + 16);
    }
    values.push(value);
}

/// Adds `more` to such a vector.
pub(crate) fn extend<T>(values: &mut Vec<T>, more: usize, value: impl FnMut() -> T) {
    let length = values.len() + more;
    if length > values.capacity() {
        values.reserve_exact(length + length / 8 - values.len());
    }
    values.resize_with(length, value);
}

/// Most bytes of a vector that grows by [`push`] and [`extend`].
pub(crate) const fn steady<T>(length: usize) -> usize {
    size_of::<T>() * (length + length / 8 + 16)
}

/// Most bytes of a vector that doubles when it is full.
pub(crate) const fn doubling<T>(length: usize) -> usize {
    let room = match length {
        0 => 0,
        1..4 => 8,
        _ => 2 * length,
    };
    size_of::<T>() * room
}

/// How many of `count` go where there are too many.
pub(crate) const fn twentieth(count: usize) -> usize {
    count.div_ceil(20)
}

/// How many bytes to free of a part that takes `own`, where the next largest takes `next`, so that there are `excess` bytes
/// less in all: no more than until both would be alike if the other gave the rest.
pub(crate) fn to_free(own: usize, next: usize, excess: usize) -> usize {
    excess.min((own.saturating_sub(next) + excess) / 2)
}

/// How many of `count` a share of them is: at least the twentieth, those idle longest taking less than others, and at most
/// half.
pub(crate) fn share_of(count: usize, share: f64) -> usize {
    ((count as f64 * share) as usize).clamp(twentieth(count), count / 2 + 1)
}

/// What the parts may take, in bytes, by what there is to drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) users: usize,
    pub(crate) items: usize,
    /// Neighbours of items.
    pub(crate) pairs: usize,
}

/// What was dropped.
#[derive(Debug)]
pub(crate) enum Dropped {
    Users(Renumbering),
    Items(Renumbering),
    /// The weakest, of items that had many.
    Neighbours,
}

impl Bound {
    pub(crate) fn total(self) -> usize {
        self.users + self.items + self.pairs
    }
}

/// Most bytes that an event adds that named `new` users and items for the first time, of ids this long together, and met
/// `met` items.
pub(crate) fn added(new: usize, ids: usize, met: usize) -> usize {
    // Windows, posting, history; what is kept of each user or item, ids twice as long as they are; a pair both ways.
    512 + new * (1_000 + 2 * ids) + 90 * met
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_gives_until_both_are_alike() {
        // Of what, besides what, to free how much: how much of it.
        for (own, next, excess, freed) in
            [(100, 50, 30, 30), (100, 90, 30, 20), (100, 100, 30, 15), (8, 0, 9, 8)]
        {
            assert_eq!(to_free(own, next, excess), freed, "{own} beside {next}");
        }
        for (count, share, dropped) in [(1000, 0.125, 125), (1000, 0.0, 50), (1000, 0.99, 501), (21, 0.0, 2)]
        {
            assert_eq!(share_of(count, share), dropped, "{share} of {count}");
        }
    }
}
