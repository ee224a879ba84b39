//! Bayesian personalised ranking, online: a liked item should score above one that is not.
//!
//! ```text
//! x_ui = p_u·q_i + b_i        maximise Σ ln σ(x_ui − x_uj) − λ/2·(‖p_u‖² + ‖q_i‖² + ‖q_j‖² + b_i² + b_j²)
//! ```
//!
//! over likes i of users u and items j drawn at random that u has not liked. Each new like makes one step on itself and
//! [`REPLAYS`] on earlier likes of the same user, drawn at random, so that histories are not forgotten.
//!
//! # Bounds
//! 4·k bytes a user, 4·(k + 1) an item. Forgetting erases the user's vector; what it taught the items fades as they go
//! on learning, and cannot be subtracted.
//!
//! # Source
//! Rendle, Freudenthaler, Gantner, Schmidt-Thieme: BPR, UAI 2009, section 4.3.1. The replay is that of Vinagre, Jorge,
//! Gama, Fast incremental matrix factorization, UMAP 2014, in spirit.

use super::random::Random;
use super::{Lesson, Model, Question, Scored};
use crate::config::Config;
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::math::exp;
use crate::state::State;
use crate::state::snapshot::{Reader, SnapshotError, Writer};

pub(crate) const NAME: &str = "bpr";

/// Steps on earlier likes of the same user, for each new one.
const REPLAYS: usize = 4;

/// Passes over all kept likes that settle everything.
const PASSES: usize = 100;

/// How often an item is drawn before a user who likes nearly all is given up on.
const DRAWS: usize = 8;

const SEED: u64 = 0x6270_7231;

/// The model.
#[derive(Debug)]
pub(crate) struct Bpr {
    factors: usize,
    rate: f32,
    lambda: f32,
    users: Vec<f32>,
    /// Vectors of items, the bias after each.
    items: Vec<f32>,
    random: Random,
}

impl Bpr {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            factors: config.bpr_factors,
            rate: config.bpr_rate as f32,
            lambda: config.bpr_lambda as f32,
            users: Vec::new(),
            items: Vec::new(),
            random: Random(SEED),
        }
    }

    fn make_room(&mut self, user: UserIdx, items: usize) {
        let (k, size) = (self.factors, 0.1 / (self.factors as f64).sqrt());
        let draw = |random: &mut Random| (random.normal() * size) as f32;
        while self.users.len() < (user.at() + 1) * k {
            self.users.push(draw(&mut self.random));
        }
        while self.items.len() < items * (k + 1) {
            let bias = self.items.len() % (k + 1) == k;
            self.items.push(if bias { 0.0 } else { draw(&mut self.random) });
        }
    }

    /// One step: `user` likes `item`, and not one drawn among those it has not `liked` (in order of index).
    fn step(&mut self, user: UserIdx, item: ItemIdx, liked: &[ItemIdx]) {
        let (k, count) = (self.factors, self.items.len() / (self.factors + 1));
        let mut draws = (0..DRAWS).map(|_| ItemIdx(self.random.below(count) as u32));
        let Some(other) = draws.find(|other| liked.binary_search(other).is_err()) else { return };
        let (wanted, passed) = two(&mut self.items, k + 1, item.at(), other.at());
        let own = &mut self.users[user.at() * k..(user.at() + 1) * k];
        let gap: f32 = own.iter().zip(wanted.iter().zip(&*passed)).map(|(p, (i, j))| p * (i - j)).sum();
        let gap = gap + wanted[k] - passed[k];
        let pull = 1.0 / (1.0 + exp(gap));
        let (rate, lambda) = (self.rate, self.lambda);
        for (own, (wanted, passed)) in own.iter_mut().zip(wanted.iter_mut().zip(passed.iter_mut())) {
            let (p, i, j) = (*own, *wanted, *passed);
            *own += rate * (pull * (i - j) - lambda * p);
            *wanted += rate * (pull * p - lambda * i);
            *passed += rate * (-pull * p - lambda * j);
        }
        wanted[k] += rate * (pull - lambda * wanted[k]);
        passed[k] += rate * (-pull - lambda * passed[k]);
    }
}

/// Two different rows of `width`.
fn two(rows: &mut [f32], width: usize, first: usize, second: usize) -> (&mut [f32], &mut [f32]) {
    let (head, tail) = rows.split_at_mut(first.max(second) * width);
    let (low, high) = (&mut head[first.min(second) * width..][..width], &mut tail[..width]);
    if first < second { (low, high) } else { (high, low) }
}

impl Model for Bpr {
    fn learn(&mut self, lesson: &Lesson<'_>) {
        if !lesson.first_like {
            return;
        }
        self.make_room(lesson.user, lesson.state.items.len());
        let mut liked = lesson.state.users.liked(lesson.user);
        liked.sort_unstable();
        self.step(lesson.user, lesson.item, &liked);
        for _ in 0..REPLAYS.min(liked.len() - 1) {
            let again = liked[self.random.below(liked.len())];
            self.step(lesson.user, again, &liked);
        }
    }

    fn settle(&mut self, state: &State) {
        let users = (0..state.users.len() as u32).map(UserIdx);
        let mut liked: Vec<Vec<ItemIdx>> = users.map(|user| state.users.liked(user)).collect();
        liked.iter_mut().for_each(|liked| liked.sort_unstable());
        let of = |(user, liked): (u32, &Vec<ItemIdx>)| {
            liked.iter().map(|&item| (UserIdx(user), item)).collect::<Vec<_>>()
        };
        let likes: Vec<(UserIdx, ItemIdx)> = (0..).zip(&liked).flat_map(of).collect();
        if let Some(&(last, _)) = likes.last() {
            self.make_room(last, state.items.len());
            for _ in 0..likes.len() * PASSES {
                let (user, item) = likes[self.random.below(likes.len())];
                self.step(user, item, &liked[user.at()]);
            }
        }
    }

    fn forget(&mut self, _state: &State, user: UserIdx, _liked: &[ItemIdx]) {
        let k = self.factors;
        if let Some(own) = self.users.get_mut(user.at() * k..(user.at() + 1) * k) {
            own.fill(0.0);
        }
    }

    fn fades(&self) -> bool {
        true
    }

    fn renumber_items(&mut self, _state: &State, renumbering: &Renumbering) {
        keep_rows(&mut self.items, self.factors + 1, renumbering);
    }

    fn renumber_users(&mut self, renumbering: &Renumbering) {
        keep_rows(&mut self.users, self.factors, renumbering);
    }

    fn score(&self, question: &Question<'_>, scored: &mut Scored) {
        let k = self.factors;
        let Some(user) = question.user.filter(|_| !question.history.is_empty()) else { return };
        let Some(own) = self.users.get(user.at() * k..(user.at() + 1) * k) else { return };
        for (item, row) in (0..).map(ItemIdx).zip(self.items.chunks_exact(k + 1)) {
            let product: f32 = own.iter().zip(row).map(|(p, q)| p * q).sum();
            // A probability keeps the order and is above 0.
            scored.push((item, 1.0 / (1.0 + exp(-(product + row[k])))));
        }
    }

    fn size_bytes(&self) -> usize {
        (self.users.capacity() + self.items.capacity()) * 4
    }

    fn save(&self, out: &mut Writer) {
        out.u32(self.factors as u32);
        for values in [&self.users, &self.items] {
            out.u32(values.len() as u32);
            values.iter().for_each(|&value| out.f32(value));
        }
        out.u64(self.random.0);
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        if input.u32()? as usize != self.factors {
            return Err(SnapshotError::Settings("recommender.bpr.factors"));
        }
        for values in [&mut self.users, &mut self.items] {
            for _ in 0..input.count(4)? {
                values.push(input.f32()?);
            }
        }
        self.random = Random(input.u64()?);
        if !self.users.len().is_multiple_of(self.factors)
            || !self.items.len().is_multiple_of(self.factors + 1)
        {
            return Err(SnapshotError::Malformed("vectors of bpr"));
        }
        Ok(())
    }
}

/// Moves the rows of kept indexes together.
pub(super) fn keep_rows(rows: &mut Vec<f32>, width: usize, renumbering: &Renumbering) {
    let mut at = 0;
    rows.retain(|_| {
        at += 1;
        renumbering.index(((at - 1) / width) as u32).is_some()
    });
}
