//! How many bytes a part may take, told from lengths alone, and what to drop when all together take too many.
//!
//! Memory held ([`super::State::size_bytes`]) depends on when vectors grew, and differs after a restart; what is dropped
//! must not, or the same log would no longer give the same bytes. So the bound of `recommender.memory.max` is kept on
//! these figures, which no vector's capacity exceeds: tables double when full, histories grow by half, rows by a quarter,
//! and all give back what they hold beyond that when they shrink.

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

/// Most bytes of a table of hashed indexes: at least 7/16 of its places are taken, each of 4 bytes and one of marks.
pub(crate) const fn table(length: usize) -> usize {
    32 + 12 * length
}

/// What the parts may take, in bytes, by what there is to drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) users: usize,
    pub(crate) items: usize,
}

/// What was dropped.
#[derive(Debug)]
pub(crate) enum Dropped {
    Users(Renumbering),
    Items(Renumbering),
}

impl Bound {
    pub(crate) fn total(self) -> usize {
        self.users + self.items
    }
}

/// Most bytes that an event adds that named `new` users and items for the first time, of ids this long together, and met
/// `met` items.
pub(crate) fn added(new: usize, ids: usize, met: usize) -> usize {
    // Windows, posting, history; what is kept of each user or item, ids twice as long as they are; a pair both ways.
    512 + new * (1_000 + 2 * ids) + 90 * met
}
