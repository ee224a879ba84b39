//! What users gave items, from both sides: the sparse matrix that the neighbourhood models of ratings read.
//!
//! A user keeps the last `user_max` items it gave something to, an item the last [`RATERS_MAX`] users. What leaves one
//! side leaves the other, so both are the same matrix at any time.

use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::state::snapshot::{Reader, SnapshotError, Writer};

/// How many users an item keeps, the latest.
const RATERS_MAX: usize = 1024;

/// The matrix.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Ratings {
    /// By user, oldest first.
    users: Vec<Vec<(ItemIdx, f32)>>,
    /// By item, oldest first.
    items: Vec<Vec<(UserIdx, f32)>>,
}

/// √Σ r² of what a user gave, or an item was given.
pub(super) fn norm<Other>(given: &[(Other, f32)]) -> f64 {
    given.iter().map(|&(_, value)| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

impl Ratings {
    /// What a user gave, oldest first.
    pub(super) fn of_user(&self, user: UserIdx) -> &[(ItemIdx, f32)] {
        self.users.get(user.at()).map_or(&[], Vec::as_slice)
    }

    /// What an item was given, oldest first.
    pub(super) fn of_item(&self, item: ItemIdx) -> &[(UserIdx, f32)] {
        self.items.get(item.at()).map_or(&[], Vec::as_slice)
    }

    /// How many users there are rows for.
    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    /// How many items there are columns for.
    pub(super) fn items(&self) -> usize {
        self.items.len()
    }

    /// What a user gave an item.
    pub(super) fn get(&self, user: UserIdx, item: ItemIdx) -> Option<f32> {
        self.of_user(user).iter().find(|given| given.0 == item).map(|given| given.1)
    }

    /// Notes what a user gave an item, in place of what it gave it before.
    pub(super) fn set(&mut self, user: UserIdx, item: ItemIdx, value: f32, user_max: usize) {
        self.remove(user, item);
        self.users.resize_with(self.users.len().max(user.at() + 1), Vec::new);
        self.items.resize_with(self.items.len().max(item.at() + 1), Vec::new);
        if self.users[user.at()].len() >= user_max {
            let oldest = self.users[user.at()][0].0;
            self.remove(user, oldest);
        }
        if self.items[item.at()].len() >= RATERS_MAX {
            let oldest = self.items[item.at()][0].0;
            self.remove(oldest, item);
        }
        self.users[user.at()].push((item, value));
        self.items[item.at()].push((user, value));
    }

    fn remove(&mut self, user: UserIdx, item: ItemIdx) {
        let Some(own) = self.users.get_mut(user.at()) else { return };
        let Some(place) = own.iter().position(|given| given.0 == item) else { return };
        own.remove(place);
        self.items[item.at()].retain(|given| given.0 != user);
    }

    /// Removes a user. What it had given.
    pub(super) fn forget(&mut self, user: UserIdx) -> Vec<(ItemIdx, f32)> {
        let given = self.users.get_mut(user.at()).map(std::mem::take).unwrap_or_default();
        given.iter().for_each(|&(item, _)| self.items[item.at()].retain(|own| own.0 != user));
        given
    }

    pub(super) fn renumber_items(&mut self, renumbering: &Renumbering) {
        renumbering.compact(&mut self.items);
        for given in &mut self.users {
            *given = given.iter().filter_map(|&(item, v)| Some((renumbering.item(item)?, v))).collect();
        }
    }

    pub(super) fn renumber_users(&mut self, renumbering: &Renumbering) {
        renumbering.compact(&mut self.users);
        let new = |user: UserIdx| renumbering.index(user.0).map(UserIdx);
        for given in &mut self.items {
            *given = given.iter().filter_map(|&(user, v)| Some((new(user)?, v))).collect();
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        let rows = (self.users.capacity() + self.items.capacity()) * size_of::<Vec<(ItemIdx, f32)>>();
        let users: usize = self.users.iter().map(|given| given.capacity() * 8).sum();
        rows + users + self.items.iter().map(|given| given.capacity() * 8).sum::<usize>()
    }

    pub(super) fn save(&self, out: &mut Writer) {
        out.u32(self.users.len() as u32);
        for given in &self.users {
            out.u32(given.len() as u32);
            for (item, value) in given {
                out.u32(item.0);
                out.f32(*value);
            }
        }
        // The items' side again, for its order.
        out.u32(self.items.len() as u32);
        for given in &self.items {
            out.u32(given.len() as u32);
            given.iter().for_each(|(user, _)| out.u32(user.0));
        }
    }

    pub(super) fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let malformed = SnapshotError::Malformed("ratings");
        let mut ratings = Self::default();
        for _ in 0..input.count(4)? {
            let mut given = Vec::new();
            for _ in 0..input.count(8)? {
                given.push((ItemIdx(input.u32()?), input.f32()?));
            }
            ratings.users.push(given);
        }
        for item in 0..input.count(4)? {
            let mut given = Vec::new();
            for _ in 0..input.count(4)? {
                let user = UserIdx(input.u32()?);
                let value = ratings.get(user, ItemIdx(item as u32));
                given.push((user, value.ok_or(SnapshotError::Malformed("ratings"))?));
            }
            ratings.items.push(given);
        }
        let (users, items): (usize, usize) =
            (ratings.users.iter().map(Vec::len).sum(), ratings.items.iter().map(Vec::len).sum());
        let known = |given: &Vec<(ItemIdx, f32)>| given.iter().all(|g| g.0.at() < ratings.items.len());
        if users != items || !ratings.users.iter().all(known) {
            return Err(malformed);
        }
        Ok(ratings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_one_matrix() {
        let mut ratings = Ratings::default();
        for n in 0..5000u32 {
            ratings.set(UserIdx(n * 7 % 1500), ItemIdx(n * 3 % 11), n as f32, 5);
        }
        let by_user: usize = (0..1500).map(|u| ratings.of_user(UserIdx(u)).len()).sum();
        let by_item: usize = (0..11).map(|i| ratings.of_item(ItemIdx(i)).len()).sum();
        assert_eq!(by_user, by_item);
        assert!((0..1500).all(|u| ratings.of_user(UserIdx(u)).len() <= 5));
        assert!((0..11).all(|i| ratings.of_item(ItemIdx(i)).len() <= RATERS_MAX));
        let (user, value) = ratings.of_item(ItemIdx(3))[0];
        assert_eq!(ratings.get(user, ItemIdx(3)), Some(value));
        let mut out = Writer::default();
        ratings.save(&mut out);
        let bytes = out.into_bytes();
        assert_eq!(Ratings::load(&mut Reader::new(&bytes)).unwrap(), ratings);
    }
}
