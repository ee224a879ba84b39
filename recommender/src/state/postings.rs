//! For each item, the users who came to it last: how people with like tastes are found.
//!
//! A posting is a small ring: beyond its bound the longest gone makes room, which favours those who are active
//! now. One number per like, of as many bits as the greatest needs, so it is the cheapest memory a neighbourhood model can
//! have.

use super::bits::{Bits, width};
use super::memory::{self, steady};
use super::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use crate::ids::{ItemIdx, Renumbering, UserIdx};

/// How many users an item's posting holds.
pub(crate) const POSTING_MAX: usize = 128;

/// Every item's posting.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Postings {
    rows: Vec<Posting>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Posting {
    /// Users one after the other, of `wide` bits each.
    bits: Bits,
    wide: u8,
    len: u8,
    /// Where the next user goes once the ring is full.
    next: u8,
}

impl Postings {
    /// Notes that a user came to an item, for the first time as far as is known.
    pub(crate) fn add(&mut self, item: ItemIdx, user: UserIdx) {
        if self.rows.len() <= item.at() {
            let more = item.at() + 1 - self.rows.len();
            memory::extend(&mut self.rows, more, Posting::default);
        }
        self.rows[item.at()].add(user);
    }

    /// Removes a user from an item's posting.
    pub(crate) fn remove(&mut self, item: ItemIdx, user: UserIdx) {
        if let Some(posting) = self.rows.get_mut(item.at()) {
            *posting = posting.edited(|other| (other != user).then_some(other));
        }
    }

    /// Gives items their new indexes and drops the others.
    pub(crate) fn renumber_items(&mut self, renumbering: &Renumbering) {
        renumbering.compact(&mut self.rows);
    }

    /// Gives users their new indexes and drops the others.
    pub(crate) fn renumber_users(&mut self, renumbering: &Renumbering) {
        for posting in &mut self.rows {
            *posting = posting.edited(|user| renumbering.index(user.0).map(UserIdx));
        }
    }

    /// The last users of an item, in no particular order.
    pub(crate) fn users(&self, item: ItemIdx) -> impl DoubleEndedIterator<Item = UserIdx> {
        self.rows.get(item.at()).into_iter().flat_map(Posting::users)
    }

    /// Most bytes that so many users of so many items may take, where there are `users` in all.
    pub(crate) fn size_bound(&self, users: usize) -> usize {
        // What a user of a posting takes depends on the greatest one that it ever held.
        let wide = width(users as u64) as usize;
        let users: usize =
            self.rows.iter().map(|posting| Bits::size_of(usize::from(posting.len) * wide)).sum();
        steady::<Posting>(self.rows.len()) + users
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let users: usize = self.rows.iter().map(|posting| posting.bits.size_bytes()).sum();
        self.rows.capacity() * size_of::<Posting>() + users
    }
}

impl Posting {
    /// Of these users, each of as many bits as the greatest needs.
    fn of(users: &[UserIdx]) -> Self {
        let wide = users.iter().map(|user| bits_of(*user)).max().unwrap_or(0);
        let bits = Bits::of(users.iter().map(|user| u64::from(user.0)), users.len(), u32::from(wide));
        Self { bits, wide, len: users.len() as u8, next: 0 }
    }

    fn add(&mut self, user: UserIdx) {
        if bits_of(user) > self.wide {
            let wide = bits_of(user);
            let users = self.users().map(|user| u64::from(user.0));
            let bits = Bits::of(users, usize::from(self.len), u32::from(wide));
            *self = Self { bits, wide, ..*self };
        }
        let wide = u32::from(self.wide);
        let at = |place: u8| usize::from(place) * wide as usize;
        if usize::from(self.len) < POSTING_MAX {
            self.bits.insert(at(self.len), wide, u64::from(user.0), at(self.len));
            self.len += 1;
        } else {
            self.bits.set(at(self.next), wide, u64::from(user.0));
            self.next = (self.next + 1) % POSTING_MAX as u8;
        }
    }

    fn users(&self) -> impl DoubleEndedIterator<Item = UserIdx> {
        let wide = u32::from(self.wide);
        (0..usize::from(self.len))
            .map(move |place| UserIdx(self.bits.get(place * wide as usize, wide) as u32))
    }

    /// With each user replaced or dropped, the longest there still first to go.
    fn edited(&self, change: impl Fn(UserIdx) -> Option<UserIdx>) -> Self {
        let next = usize::from(self.next);
        let in_order = self.users().skip(next).chain(self.users().take(next));
        Self::of(&in_order.filter_map(change).collect::<Vec<_>>())
    }
}

fn bits_of(user: UserIdx) -> u8 {
    width(u64::from(user.0)).max(1) as u8
}

impl Snapshot for Postings {
    fn save(&self, out: &mut Writer) {
        out.u32(self.rows.len() as u32);
        for posting in &self.rows {
            out.u32(u32::from(posting.len));
            posting.users().for_each(|user| out.u32(user.0));
            out.u32(u32::from(posting.next));
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut postings = Self::default();
        for _ in 0..input.count(8)? {
            let mut users = Vec::new();
            for _ in 0..input.count(4)? {
                users.push(UserIdx(input.u32()?));
            }
            let next = input.u32()? as usize;
            if users.len() > POSTING_MAX || next >= POSTING_MAX || next > 0 && users.len() < POSTING_MAX {
                return Err(SnapshotError::Malformed("posting"));
            }
            postings.rows.push(Posting { next: next as u8, ..Posting::of(&users) });
        }
        Ok(postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gone_makes_room() {
        let mut postings = Postings::default();
        for user in 0..POSTING_MAX as u32 + 3 {
            postings.add(ItemIdx(2), UserIdx(user * user));
        }
        let users: Vec<UserIdx> = postings.users(ItemIdx(2)).collect();
        assert_eq!(users.len(), POSTING_MAX);
        assert!(!users.contains(&UserIdx(4)) && (3..131).all(|user| users.contains(&UserIdx(user * user))));
        assert!(postings.users(ItemIdx(0)).next().is_none() && postings.users(ItemIdx(9)).next().is_none());
        assert!(postings.size_bytes() <= postings.size_bound(130 * 130 + 1));
        let mut out = Writer::default();
        postings.save(&mut out);
        assert_eq!(Postings::load(&mut Reader::new(&out.into_bytes())).as_ref(), Ok(&postings));
        // Who stays has the same order still: the longest there goes first.
        postings.remove(ItemIdx(2), UserIdx(16));
        postings.add(ItemIdx(2), UserIdx(7));
        postings.add(ItemIdx(2), UserIdx(8));
        let users: Vec<UserIdx> = postings.users(ItemIdx(2)).collect();
        assert!(
            !users.contains(&UserIdx(9)) && [25, 7, 8].iter().all(|&user| users.contains(&UserIdx(user)))
        );
    }
}
