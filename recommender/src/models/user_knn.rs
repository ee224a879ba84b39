//! People with like tastes: what the nearest users, found through the postings of the history's items, liked.
//!
//! sim(u, v) = Σ_k 0.9^k · idf(h_k) · [v came to h_k] / √|v|, over the user's last [`HISTORY_ASKED`] items, with
//! idf(h) = ln(N / n_h) and |v| the items v came to; score(x) = Σ sim(u, v) over the [`NEIGHBOURS`] nearest v that
//! came to x lately.
//!
//! The weighting is that of session kNN (V-SkNN: Ludewig & Jannach, UMUAI 2018), applied to users; a visit without
//! a user is a user of one visit, so it is session kNN there.

use crate::ids::{ItemIdx, UserIdx};
use crate::math::{greater, ln};
use crate::state::State;
use crate::state::postings::POSTING_MAX;

pub(crate) const NAME: &str = "user-knn";
pub(crate) const DECAY: f32 = 0.9;

/// How many items of the history are asked for their users.
pub(crate) const HISTORY_ASKED: usize = 15;

/// How many nearest users count.
pub(crate) const NEIGHBOURS: usize = 80;

/// How many of a neighbour's latest events are looked at.
pub(crate) const VISITS_ASKED: usize = 50;

/// Slots of the table that users are found in: under half of them filled, and small enough to stay in cache where
/// one place for every user would not.
const SLOTS: usize = (HISTORY_ASKED * POSTING_MAX * 2).next_power_of_two();

/// So many users are looked up together.
const TOUCHED: usize = 64;

/// Reusable memory.
#[derive(Debug, Default)]
pub(crate) struct Nearby {
    /// Position in `users` plus one, in the slot of the user's hash or the next free one behind it.
    places: Vec<u16>,
    users: Vec<UserIdx>,
    /// How like each is, in the order of `users`.
    likeness: Vec<f32>,
    /// Both as one number, the nearest least.
    keys: Vec<u64>,
    nearest: Vec<(f32, UserIdx)>,
}

impl Nearby {
    /// The nearest users to a history, newest first, other than `own`.
    pub(crate) fn find(
        &mut self,
        state: &State,
        history: &[ItemIdx],
        own: Option<UserIdx>,
    ) -> &[(f32, UserIdx)] {
        self.places.clear();
        self.places.resize(SLOTS, 0);
        self.users.clear();
        self.likeness.clear();
        let total = state.users.with_likes().max(1) as f32;
        let mut decay = 1.0;
        for &item in history.iter().take(HISTORY_ASKED) {
            let idf = ln(total / state.items.users(item).max(1) as f32).max(0.0) + 0.1;
            // Not a loop: what is flattened is faster walked from within.
            state.postings.users(item).for_each(|user| self.add(user, decay * idf));
            decay *= DECAY;
        }
        self.keep_nearest(state, own);
        &self.nearest
    }

    fn add(&mut self, user: UserIdx, amount: f32) {
        let mut slot = (user.0.wrapping_mul(0x9E37_79B1) >> 16) as usize % SLOTS;
        loop {
            match usize::from(self.places[slot]) {
                0 => {
                    self.users.push(user);
                    self.likeness.push(amount);
                    self.places[slot] = self.users.len() as u16;
                    return;
                }
                place if self.users[place - 1] == user => {
                    self.likeness[place - 1] += amount;
                    return;
                }
                _ => slot = (slot + 1) % SLOTS,
            }
        }
    }

    fn keep_nearest(&mut self, state: &State, own: Option<UserIdx>) {
        let mut likes = [0.0; TOUCHED];
        for (likeness, users) in self.likeness.chunks_mut(TOUCHED).zip(self.users.chunks(TOUCHED)) {
            // Looked up first, so that the processor waits for all at once, and divides by several at a time.
            likes.iter_mut().zip(users).for_each(|(likes, &user)| *likes = state.users.likes(user) as f32);
            likeness.iter_mut().zip(&likes).for_each(|(sum, &likes)| *sum /= greater(likes, 1.0).sqrt());
        }
        // Likeness is above 0, so its bits are in its order; numbers are sorted faster than pairs.
        let key =
            |(likeness, user): (&f32, &UserIdx)| u64::from(!likeness.to_bits()) << 32 | u64::from(user.0);
        let others = self.likeness.iter().zip(&self.users).filter(|&(_, &user)| Some(user) != own);
        self.keys.clear();
        self.keys.extend(others.map(key));
        if self.keys.len() > NEIGHBOURS {
            self.keys.select_nth_unstable(NEIGHBOURS - 1);
            self.keys.truncate(NEIGHBOURS);
        }
        // In a fixed order, so that sums of floats come out the same wherever the users stood in the postings.
        self.keys.sort_unstable();
        self.nearest.clear();
        let near = |&key: &u64| (f32::from_bits(!(key >> 32) as u32), UserIdx(key as u32));
        self.nearest.extend(self.keys.iter().map(near));
    }
}
