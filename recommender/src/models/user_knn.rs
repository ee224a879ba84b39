//! People with like tastes: what the nearest users, found through the postings of the history's items, liked.
//!
//! sim(u, v) = Σ_k 0.9^k · idf(h_k) · [v came to h_k] / √|v|, over the user's last [`HISTORY_ASKED`] items, with
//! idf(h) = ln(N / n_h) and |v| the items v came to; score(x) = Σ sim(u, v) over the [`NEIGHBOURS`] nearest v that
//! came to x lately.
//!
//! The weighting is that of session kNN (V-SkNN: Ludewig & Jannach, UMUAI 2018), applied to users; a visit without
//! a user is a user of one visit, so it is session kNN there.

use crate::ids::{ItemIdx, UserIdx};
use crate::math::ln;
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

/// Reusable memory.
#[derive(Debug, Default)]
pub(crate) struct Nearby {
    /// Position in `found` plus one, in the slot of the user's hash or the next free one behind it.
    places: Vec<u16>,
    found: Vec<(f32, UserIdx)>,
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
        self.found.clear();
        let total = state.users.with_likes().max(1) as f32;
        let mut decay = 1.0;
        for &item in history.iter().take(HISTORY_ASKED) {
            let idf = ln(total / state.items.users(item).max(1) as f32).max(0.0) + 0.1;
            for &user in state.postings.users(item) {
                self.add(user, decay * idf);
            }
            decay *= DECAY;
        }
        self.keep_nearest(state, own);
        &self.found
    }

    fn add(&mut self, user: UserIdx, amount: f32) {
        let mut slot = (user.0.wrapping_mul(0x9E37_79B1) >> 16) as usize % SLOTS;
        loop {
            match usize::from(self.places[slot]) {
                0 => {
                    self.found.push((amount, user));
                    self.places[slot] = self.found.len() as u16;
                    return;
                }
                place if self.found[place - 1].1 == user => {
                    self.found[place - 1].0 += amount;
                    return;
                }
                _ => slot = (slot + 1) % SLOTS,
            }
        }
    }

    fn keep_nearest(&mut self, state: &State, own: Option<UserIdx>) {
        self.found.retain(|&(_, user)| Some(user) != own);
        for (similarity, user) in &mut self.found {
            *similarity /= (state.users.likes(*user).max(1) as f32).sqrt();
        }
        let nearest_first = |a: &(f32, UserIdx), b: &(f32, UserIdx)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if self.found.len() > NEIGHBOURS {
            self.found.select_nth_unstable_by(NEIGHBOURS - 1, nearest_first);
            self.found.truncate(NEIGHBOURS);
        }
        // In a fixed order, so that sums of floats come out the same wherever the users stood in the postings.
        self.found.sort_unstable_by(nearest_first);
    }
}
