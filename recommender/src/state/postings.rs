//! For each item, the users who came to it last: how people with like tastes are found.
//!
//! A posting is a small ring: beyond its bound the longest gone makes room, which favours those who are active
//! now. One number per like, so it is the cheapest memory a neighbourhood model can have.

use super::memory::{self, doubling, steady};
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
    users: Vec<UserIdx>,
    /// Where the next user goes once the ring is full.
    next: u32,
}

impl Postings {
    /// Notes that a user came to an item, for the first time as far as is known.
    pub(crate) fn add(&mut self, item: ItemIdx, user: UserIdx) {
        if self.rows.len() <= item.at() {
            let more = item.at() + 1 - self.rows.len();
            memory::extend(&mut self.rows, more, Posting::default);
        }
        let posting = &mut self.rows[item.at()];
        if posting.users.len() < POSTING_MAX {
            posting.users.push(user);
        } else {
            posting.users[posting.next as usize] = user;
            posting.next = (posting.next + 1) % POSTING_MAX as u32;
        }
    }

    /// Removes a user from an item's posting.
    pub(crate) fn remove(&mut self, item: ItemIdx, user: UserIdx) {
        if let Some(posting) = self.rows.get_mut(item.at()) {
            posting.edit(|other| (other != user).then_some(other));
        }
    }

    /// Gives items their new indexes and drops the others.
    pub(crate) fn renumber_items(&mut self, renumbering: &Renumbering) {
        renumbering.compact(&mut self.rows);
    }

    /// Gives users their new indexes and drops the others.
    pub(crate) fn renumber_users(&mut self, renumbering: &Renumbering) {
        for posting in &mut self.rows {
            posting.edit(|user| renumbering.index(user.0).map(UserIdx));
        }
    }

    /// The last users of an item, in no particular order.
    pub(crate) fn users(&self, item: ItemIdx) -> &[UserIdx] {
        self.rows.get(item.at()).map_or(&[], |posting| &posting.users)
    }

    /// Most bytes that so many users of so many items may take.
    pub(crate) fn size_bound(&self) -> usize {
        let users: usize = self.rows.iter().map(|posting| doubling::<UserIdx>(posting.users.len())).sum();
        steady::<Posting>(self.rows.len()) + users
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let users: usize = self.rows.iter().map(|posting| posting.users.capacity() * 4).sum();
        self.rows.capacity() * size_of::<Posting>() + users
    }
}

impl Posting {
    /// Replaces each user or drops it, the longest there still first to go.
    fn edit(&mut self, change: impl Fn(UserIdx) -> Option<UserIdx>) {
        self.users.rotate_left(self.next as usize);
        self.next = 0;
        self.users.retain_mut(|user| match change(*user) {
            Some(new) => {
                *user = new;
                true
            }
            None => false,
        });
        self.users.shrink_to(2 * self.users.len());
    }
}

impl Snapshot for Postings {
    fn save(&self, out: &mut Writer) {
        out.u32(self.rows.len() as u32);
        for posting in &self.rows {
            out.u32(posting.users.len() as u32);
            posting.users.iter().for_each(|user| out.u32(user.0));
            out.u32(posting.next);
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut postings = Self::default();
        for _ in 0..input.count(8)? {
            let count = input.count(4)?;
            let mut posting = Posting { users: Vec::with_capacity(count), next: 0 };
            for _ in 0..count {
                posting.users.push(UserIdx(input.u32()?));
            }
            posting.next = input.u32()?;
            if count > POSTING_MAX || posting.next as usize >= POSTING_MAX {
                return Err(SnapshotError::Malformed("posting"));
            }
            postings.rows.push(posting);
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
            postings.add(ItemIdx(2), UserIdx(user));
        }
        let users = postings.users(ItemIdx(2));
        assert_eq!(users.len(), POSTING_MAX);
        assert!(!users.contains(&UserIdx(2)) && users.contains(&UserIdx(3)));
        assert!(postings.users(ItemIdx(0)).is_empty() && postings.users(ItemIdx(9)).is_empty());
    }
}
