//! EASE: the linear model of items by items that fits the likes best, kept up to date exactly.
//!
//! With X the users × items matrix of likes (0 or 1), over the hottest items, and λ the regularisation,
//!
//! ```text
//! P = (XᵀX + λI)⁻¹        B_ij = −P_ij / P_jj, B_jj = 0        score(u, j) = Σ_{i liked by u} B_ij
//! ```
//!
//! which minimises ‖X − XB‖² + λ‖B‖² over B without a diagonal. A like changes XᵀX in one row and column, by a matrix
//! of rank 2; a batch of likes that touches m items by one of rank 2m, and the inverse follows (Woodbury) at a cost of
//! m·n² instead of n³/2:
//!
//! ```text
//! (G + C·Eᵀ + E·Cᵀ)⁻¹ = P − P[C E]·(I + [E C]ᵀP[C E])⁻¹·[E C]ᵀP
//! ```
//!
//! E the unit columns of the touched items, C what is added to their columns (half of it on the diagonal). Likes are
//! settled in batches of at least [`BATCH_MIN`], and of 1/32 of all likes when there are many. A batch that touches more
//! than a quarter of the items would cost as much to update as to count anew: it waits for a quarter more likes, and is.
//! Every [`UPDATES_MAX`]th batch is counted anew as well, which keeps rounding from adding up.
//!
//! # Bounds
//! At most `recommender.ease.items.max` items: every item while there is room, then the ones with most users, chosen
//! anew when the likes have doubled. n² numbers of 8 bytes: 33 MB at 2,048. Forgetting a user is exact.
//!
//! # Source
//! Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019, equations 5 to 8. Hager, Updating the inverse
//! of a matrix, SIAM Review 31(2), 1989.

use std::collections::BTreeMap;

use super::linear::{invert, solve_rows, subtract_symmetric};
use super::{Lesson, Model, Question, Scored};
use crate::config::Config;
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::state::State;
use crate::state::snapshot::{Reader, SnapshotError, Writer};

pub(crate) const NAME: &str = "ease";

/// The fewest likes that are settled together.
const BATCH_MIN: u64 = 64;

/// The most.
const BATCH_MAX: u64 = 65_536;

/// Changes to more than this part of the rows are counted and inverted anew.
const WIDE: usize = 4;

/// After this many updates the inverse is made anew.
const UPDATES_MAX: u32 = 64;

/// Of items that are in no place.
const NONE: u32 = u32::MAX;

/// The model.
#[derive(Debug)]
pub(crate) struct Ease {
    items_max: usize,
    lambda: f64,
    /// The items of the matrix, in the order of its rows.
    slots: Vec<ItemIdx>,
    /// The row of an item, or [`NONE`].
    places: Vec<u32>,
    /// P, of as many rows as had been settled.
    inverse: Vec<f64>,
    settled: usize,
    pending: Vec<Meeting>,
    likes: u64,
    settled_likes: u64,
    /// Likes at which the hottest items are chosen anew.
    choose_at: u64,
    updates: u32,
    /// What is pending changes too many rows to be worth an update, and is not noted further.
    wide: bool,
    /// Nothing is settled before [`Model::settle`] says so.
    waits: bool,
}

/// A user's act on one item, as it changes XᵀX: the item meets itself and others.
#[derive(Debug, Clone, PartialEq)]
struct Meeting {
    slot: u32,
    others: Vec<u32>,
    sign: f64,
}

impl Ease {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            items_max: config.ease_items_max,
            lambda: config.ease_lambda,
            slots: Vec::new(),
            places: Vec::new(),
            inverse: Vec::new(),
            settled: 0,
            pending: Vec::new(),
            likes: 0,
            settled_likes: 0,
            choose_at: 0,
            updates: 0,
            wide: false,
            waits: false,
        }
    }

    fn place(&self, item: ItemIdx) -> Option<u32> {
        self.places.get(item.at()).copied().filter(|&place| place != NONE)
    }

    fn slots_of(&self, items: &[ItemIdx]) -> impl Iterator<Item = u32> {
        items.iter().filter_map(|&item| self.place(item))
    }

    /// The row of an item, given to it if there is one left.
    fn take_place(&mut self, item: ItemIdx) -> Option<u32> {
        if self.places.len() <= item.at() {
            self.places.resize(item.at() + 1, NONE);
        }
        if self.places[item.at()] == NONE && self.slots.len() < self.items_max {
            self.places[item.at()] = self.slots.len() as u32;
            self.slots.push(item);
            self.choose_at = 2 * self.likes;
        }
        self.place(item)
    }

    fn note(&mut self, meeting: Meeting) {
        if !self.wide {
            self.pending.push(meeting);
        }
    }

    /// Chooses the items with most users, and inverts.
    fn choose(&mut self, state: &State) {
        let mut items: Vec<ItemIdx> = (0..state.items.len() as u32).map(ItemIdx).collect();
        items.retain(|&item| state.items.users(item) > 0);
        items.sort_by_key(|&item| (std::cmp::Reverse(state.items.users(item)), item));
        items.truncate(self.items_max);
        items.sort();
        self.set_slots(items, state.items.len());
        self.choose_at = 2 * self.likes;
        self.rebuild(state);
    }

    fn set_slots(&mut self, slots: Vec<ItemIdx>, items: usize) {
        self.places = vec![NONE; items];
        for (place, item) in (0..).zip(&slots) {
            self.places[item.at()] = place;
        }
        self.slots = slots;
    }

    /// Counts XᵀX over every kept user, and inverts.
    fn rebuild(&mut self, state: &State) {
        let n = self.slots.len();
        let mut gram = vec![0.0; n * n];
        for user in (0..state.users.len() as u32).map(UserIdx) {
            let liked: Vec<usize> =
                self.slots_of(&state.users.liked(user)).map(|slot| slot as usize).collect();
            for &i in &liked {
                liked.iter().filter(|&&j| j <= i).for_each(|&j| gram[i * n + j] += 1.0);
            }
        }
        (0..n).for_each(|i| gram[i * n + i] += self.lambda);
        invert(&mut gram, n);
        self.inverse = gram;
        self.settled = n;
        self.updates = 0;
        self.wide = false;
        self.pending.clear();
    }

    /// The rows that pending meetings change, numbered in order.
    fn touched(&self) -> BTreeMap<u32, usize> {
        let mut touched: BTreeMap<u32, usize> =
            self.pending.iter().map(|meeting| (meeting.slot, 0)).collect();
        touched.values_mut().zip(0..).for_each(|(number, next)| *number = next);
        touched
    }

    /// Brings the inverse up to every pending meeting, by whichever way is cheaper.
    fn catch_up(&mut self, state: &State) {
        self.settled_likes = self.likes;
        let touched = self.touched();
        let update = !self.wide && self.updates < UPDATES_MAX && touched.len() <= self.slots.len() / WIDE;
        if touched.is_empty() && !self.wide {
            self.grow();
        } else if !(update && self.update(&touched)) {
            self.rebuild(state);
        }
    }

    /// Brings the inverse up to the pending meetings, of which `touched` numbers the slots.
    fn update(&mut self, touched: &BTreeMap<u32, usize>) -> bool {
        let (n, m) = (self.slots.len(), touched.len());
        self.grow();
        // P·E and P·C, transposed: m rows of n.
        let mut units = vec![0.0; m * n];
        for (&slot, &t) in touched {
            let from = slot as usize * n;
            units[t * n..(t + 1) * n].copy_from_slice(&self.inverse[from..from + n]);
        }
        let mut changes: Vec<BTreeMap<u32, f64>> = vec![BTreeMap::new(); m];
        for meeting in &self.pending {
            let change = &mut changes[touched[&meeting.slot]];
            *change.entry(meeting.slot).or_default() += meeting.sign / 2.0;
            for &other in &meeting.others {
                *change.entry(other).or_default() += meeting.sign;
            }
        }
        let mut moved = vec![0.0; m * n];
        for (row, change) in moved.chunks_exact_mut(n).zip(&changes) {
            for (&slot, &amount) in change {
                let from = slot as usize * n;
                row.iter_mut().zip(&self.inverse[from..from + n]).for_each(|(sum, p)| *sum += amount * p);
            }
        }
        // I + [E C]ᵀ·P·[C E], 2m × 2m.
        let mut small = vec![0.0; 4 * m * m];
        let at_change = |row: &[f64], s: usize| -> f64 {
            changes[s].iter().map(|(&slot, &amount)| amount * row[slot as usize]).sum()
        };
        for (&slot, &t) in touched {
            for s in 0..m {
                small[t * 2 * m + s] = moved[s * n + slot as usize];
                small[t * 2 * m + m + s] = units[s * n + slot as usize];
                small[(m + t) * 2 * m + s] = at_change(&moved[s * n..(s + 1) * n], t);
                small[(m + t) * 2 * m + m + s] = at_change(&units[s * n..(s + 1) * n], t);
            }
        }
        (0..2 * m).for_each(|i| small[i * 2 * m + i] += 1.0);
        let left = [moved.as_slice(), units.as_slice()].concat();
        let mut right = [units, moved].concat();
        if !solve_rows(&mut small, 2 * m, &mut right, n) {
            return false;
        }
        subtract_symmetric(&mut self.inverse, n, &left, &right);
        self.updates += 1;
        self.pending.clear();
        true
    }

    /// Gives the slots that came since a row and column of their own: nobody has met them yet.
    fn grow(&mut self) {
        let (old, n) = (self.settled, self.slots.len());
        if old == n {
            return;
        }
        let mut inverse = vec![0.0; n * n];
        for i in 0..old {
            inverse[i * n..i * n + old].copy_from_slice(&self.inverse[i * old..(i + 1) * old]);
        }
        (old..n).for_each(|i| inverse[i * n + i] = 1.0 / self.lambda);
        self.inverse = inverse;
        self.settled = n;
    }
}

impl Model for Ease {
    fn learn(&mut self, lesson: &Lesson<'_>) {
        if !lesson.first_like {
            return;
        }
        self.likes += 1;
        if self.waits {
            self.take_place(lesson.item);
            return;
        }
        if self.slots.len() == self.items_max && self.likes >= self.choose_at {
            self.choose(lesson.state);
        } else if let Some(slot) = self.take_place(lesson.item) {
            let mut others: Vec<u32> = self.slots_of(&lesson.state.users.liked(lesson.user)).collect();
            others.retain(|&other| other != slot);
            self.note(Meeting { slot, others, sign: 1.0 });
        }
        let waiting = self.likes - self.settled_likes;
        if !self.wide && waiting >= (self.likes / 32).clamp(BATCH_MIN, BATCH_MAX) {
            self.wide = self.touched().len() > self.slots.len() / WIDE;
            if !self.wide {
                self.catch_up(lesson.state);
            }
        }
        if self.wide && waiting >= (self.likes / 4).max(BATCH_MIN) {
            self.catch_up(lesson.state);
        }
    }

    fn put_off(&mut self) {
        self.waits = true;
    }

    fn settle(&mut self, state: &State) {
        self.wide |= std::mem::take(&mut self.waits);
        if self.slots.len() == self.items_max && self.choose_at < 2 * self.likes {
            self.choose(state);
        }
        self.catch_up(state);
    }

    fn forget(&mut self, state: &State, _user: UserIdx, liked: &[ItemIdx]) {
        let slots: Vec<u32> = self.slots_of(liked).collect();
        for (at, &slot) in slots.iter().enumerate() {
            self.note(Meeting { slot, others: slots[at + 1..].to_vec(), sign: -1.0 });
        }
        self.catch_up(state);
    }

    fn renumber_items(&mut self, state: &State, renumbering: &Renumbering) {
        let slots = self.slots.iter().filter_map(|&item| renumbering.item(item)).collect();
        self.set_slots(slots, state.items.len());
        self.rebuild(state);
    }

    fn score(&self, question: &Question<'_>, scored: &mut Scored) {
        let n = self.settled;
        let mut liked: Vec<usize> = self.slots_of(&question.liked()).map(|slot| slot as usize).collect();
        liked.retain(|&slot| slot < n);
        if liked.is_empty() {
            return;
        }
        let mut sums = vec![0.0; n];
        for &i in &liked {
            sums.iter_mut().zip(&self.inverse[i * n..(i + 1) * n]).for_each(|(sum, p)| *sum -= p);
        }
        for (j, sum) in sums.iter().enumerate() {
            let own = self.inverse[j * n + j];
            // What an item says for itself is left out.
            let itself = if liked.contains(&j) { own } else { 0.0 };
            let score = ((sum + itself) / own) as f32;
            if score > 0.0 {
                scored.push((self.slots[j], score));
            }
        }
    }

    fn size_bytes(&self) -> usize {
        let pending: usize =
            self.pending.iter().map(|meeting| size_of::<Meeting>() + meeting.others.capacity() * 4).sum();
        self.inverse.capacity() * 8 + (self.slots.capacity() + self.places.capacity()) * 4 + pending
    }

    fn save(&self, out: &mut Writer) {
        out.u64(self.items_max as u64);
        out.f64(self.lambda);
        out.u32(self.slots.len() as u32);
        self.slots.iter().for_each(|item| out.u32(item.0));
        out.u32(self.settled as u32);
        for i in 0..self.settled {
            (0..=i).for_each(|j| out.f64(self.inverse[i * self.settled + j]));
        }
        out.u32(self.pending.len() as u32);
        for meeting in &self.pending {
            out.u32(meeting.slot);
            out.u8(u8::from(meeting.sign > 0.0));
            out.u32(meeting.others.len() as u32);
            meeting.others.iter().for_each(|&other| out.u32(other));
        }
        [self.likes, self.settled_likes, self.choose_at].iter().for_each(|&count| out.u64(count));
        out.u32(self.updates);
        out.u8(u8::from(self.wide));
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        if input.u64()? != self.items_max as u64 || input.f64()? != self.lambda {
            return Err(SnapshotError::Settings("recommender.ease.*"));
        }
        let mut slots = Vec::new();
        for _ in 0..input.count(4)? {
            slots.push(ItemIdx(input.u32()?));
        }
        let items = slots.iter().map(|item| item.at() + 1).max().unwrap_or(0);
        if items > 1 << 27 {
            return Err(SnapshotError::Malformed("item of ease"));
        }
        self.set_slots(slots, items);
        let n = input.u32()? as usize;
        if n > self.slots.len() {
            return Err(SnapshotError::Malformed("rows of ease"));
        }
        self.settled = n;
        self.inverse = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let value = input.f64()?;
                (self.inverse[i * n + j], self.inverse[j * n + i]) = (value, value);
            }
        }
        for _ in 0..input.count(9)? {
            let slot = input.u32()?;
            let sign = if input.u8()? != 0 { 1.0 } else { -1.0 };
            let mut others = Vec::new();
            for _ in 0..input.count(4)? {
                others.push(input.u32()?);
            }
            if others.iter().chain([&slot]).any(|&slot| slot as usize >= self.slots.len()) {
                return Err(SnapshotError::Malformed("slot of ease"));
            }
            self.pending.push(Meeting { slot, others, sign });
        }
        (self.likes, self.settled_likes, self.choose_at) = (input.u64()?, input.u64()?, input.u64()?);
        self.updates = input.u32()?;
        self.wide = input.u8()? != 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::contract::{Act, learnt};

    /// B from the definition, over the items of the model.
    fn closed_form(ease: &Ease, state: &State) -> Vec<f64> {
        let mut fresh = Ease { lambda: ease.lambda, ..Ease::new(&Config::default()) };
        fresh.set_slots(ease.slots.clone(), state.items.len());
        fresh.rebuild(state);
        fresh.inverse
    }

    #[test]
    fn updates_and_forgetting_equal_counting_anew() {
        let mut config = Config::default();
        config.set("recommender.ease.lambda", "3").unwrap();
        let mut ease = Ease::new(&config);
        let mut state = State::default();
        let acts: Vec<Act> = (0..900).map(Act::nth).collect();
        for few in acts.chunks(8) {
            learnt(&mut state, &mut ease, few);
            ease.catch_up(&state);
        }
        assert!(ease.updates > 5, "the last batches were updates");
        let far = |ease: &Ease, state: &State| {
            let exact = closed_form(ease, state);
            let gaps = ease.inverse.iter().zip(&exact).map(|(a, b)| (a - b).abs());
            gaps.fold(0.0, f64::max)
        };
        assert!(far(&ease, &state) < 1e-10, "{}", far(&ease, &state));
        let user = state.users.find("user-3").unwrap();
        crate::models::contract::forget(&mut state, &mut ease, user);
        assert!(far(&ease, &state) < 1e-10, "{}", far(&ease, &state));
    }

    #[test]
    fn what_was_put_off_comes_to_the_same() {
        let acts: Vec<Act> = (0..900).map(Act::nth).collect();
        let lived = |put_off: bool| {
            let mut config = Config::default();
            config.set("recommender.ease.items.max", "100").unwrap();
            let (mut ease, mut state) = (Ease::new(&config), State::default());
            if put_off {
                ease.put_off();
            }
            learnt(&mut state, &mut ease, &acts);
            assert_eq!(ease.settled == 0, put_off);
            ease.settle(&state);
            ease
        };
        let (late, along) = (lived(true), lived(false));
        assert_eq!(late.slots, along.slots);
        let gaps = late.inverse.iter().zip(&along.inverse).map(|(a, b)| (a - b).abs());
        assert!(gaps.fold(0.0, f64::max) < 1e-10);
    }

    #[test]
    fn only_the_hottest_items_are_kept() {
        let mut config = Config::default();
        config.set("recommender.ease.items.max", "16").unwrap();
        let mut ease = Ease::new(&config);
        let mut state = State::default();
        learnt(&mut state, &mut ease, &(0..2000).map(Act::nth).collect::<Vec<_>>());
        ease.settle(&state);
        assert_eq!(ease.slots.len(), 16);
        let least = ease.slots.iter().map(|&item| state.items.users(item)).min().unwrap();
        let better = (0..state.items.len() as u32).map(ItemIdx).filter(|&i| state.items.users(i) > least);
        assert!(better.count() <= 16);
    }
}
