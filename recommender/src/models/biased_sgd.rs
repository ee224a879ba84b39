//! Ratings by biased matrix factorisation, learnt online.
//!
//! ```text
//! r̂_ui = μ + b_u + b_i + p_u·q_i            e = r_ui − r̂_ui
//! b ← b + γ·(e − λ·b)      p_u ← p_u + γ·(e·q_i − λ·p_u)      q_i ← q_i + γ·(e·p_u − λ·q_i)
//! ```
//!
//! μ is the mean of all ratings. Each rating makes one step, and [`REPLAYS`] more on ratings kept before: half on the
//! same user's, half on the same item's, drawn at random. Predictions stay within the ratings seen.
//!
//! # Bounds
//! 4·(k + 1) bytes a user and an item, and the ratings of every user's history. Forgetting erases the user's row and
//! ratings; what it taught the items fades.
//!
//! # Source
//! Koren, Bell, Volinsky: Matrix Factorization Techniques for Recommender Systems, Computer 42(8), 2009, equations 4
//! and 5.

use super::bpr::keep_rows;
use super::random::Random;
use super::ratings::Ratings;
use super::{Lesson, Model, Question, Scored};
use crate::config::Config;
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::state::State;
use crate::state::snapshot::{Reader, SnapshotError, Writer};

pub(crate) const NAME: &str = "biased-sgd";

/// Steps on earlier ratings for each new one.
const REPLAYS: usize = 8;

/// Passes over all kept ratings that settle everything.
const PASSES: usize = 20;

const SEED: u64 = 0x7367_6431;

/// The model.
#[derive(Debug)]
pub(crate) struct BiasedSgd {
    factors: usize,
    rate: f32,
    lambda: f32,
    history_max: usize,
    /// Vectors, the bias after each.
    users: Vec<f32>,
    items: Vec<f32>,
    ratings: Ratings,
    sum: f64,
    count: u64,
    least: f32,
    most: f32,
    random: Random,
}

impl BiasedSgd {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            factors: config.sgd_factors,
            rate: config.sgd_rate as f32,
            lambda: config.sgd_lambda as f32,
            history_max: config.history_max,
            users: Vec::new(),
            items: Vec::new(),
            ratings: Ratings::default(),
            sum: 0.0,
            count: 0,
            least: f32::MAX,
            most: f32::MIN,
            random: Random(SEED),
        }
    }

    fn mean(&self) -> f32 {
        (self.sum / self.count.max(1) as f64) as f32
    }

    fn make_room(&mut self, user: UserIdx, item: ItemIdx) {
        let (k, size) = (self.factors, 0.1 / (self.factors as f64).sqrt());
        for (rows, row) in [(&mut self.users, user.at()), (&mut self.items, item.at())] {
            while rows.len() < (row + 1) * (k + 1) {
                let bias = rows.len() % (k + 1) == k;
                rows.push(if bias { 0.0 } else { (self.random.normal() * size) as f32 });
            }
        }
    }

    /// r̂, as far as user and item are known.
    fn estimate(&self, user: Option<UserIdx>, item: ItemIdx) -> f32 {
        let k = self.factors;
        let row = |rows: &[f32], at: usize| rows.get(at * (k + 1)..(at + 1) * (k + 1)).map(<[f32]>::to_vec);
        let own = user.and_then(|user| row(&self.users, user.at()));
        let (own, item) = (own.unwrap_or_default(), row(&self.items, item.at()).unwrap_or_default());
        let product: f32 = own.iter().zip(&item).take(k).map(|(p, q)| p * q).sum();
        self.mean() + own.last().unwrap_or(&0.0) + item.last().unwrap_or(&0.0) + product
    }

    fn step(&mut self, user: UserIdx, item: ItemIdx, rating: f32) {
        let (k, rate, lambda) = (self.factors, self.rate, self.lambda);
        let mean = self.mean();
        let own = &mut self.users[user.at() * (k + 1)..(user.at() + 1) * (k + 1)];
        let other = &mut self.items[item.at() * (k + 1)..(item.at() + 1) * (k + 1)];
        let product: f32 = own[..k].iter().zip(&other[..k]).map(|(p, q)| p * q).sum();
        let error = rating - (mean + own[k] + other[k] + product);
        own[k] += rate * (error - lambda * own[k]);
        other[k] += rate * (error - lambda * other[k]);
        for (own, other) in own[..k].iter_mut().zip(&mut other[..k]) {
            let (p, q) = (*own, *other);
            *own += rate * (error * q - lambda * p);
            *other += rate * (error * p - lambda * q);
        }
    }
}

impl Model for BiasedSgd {
    fn learn(&mut self, lesson: &Lesson<'_>) {
        let Some(rating) = lesson.rating.map(|rating| rating as f32) else { return };
        let (user, item) = (lesson.user, lesson.item);
        self.sum += f64::from(rating);
        self.count += 1;
        (self.least, self.most) = (self.least.min(rating), self.most.max(rating));
        self.make_room(user, item);
        self.ratings.set(user, item, rating, self.history_max);
        self.step(user, item, rating);
        for replay in 0..REPLAYS {
            let (user, item, rating) = if replay % 2 == 0 {
                let given = self.ratings.of_user(user);
                let (item, rating) = given[self.random.below(given.len())];
                (user, item, rating)
            } else {
                let given = self.ratings.of_item(item);
                let (user, rating) = given[self.random.below(given.len())];
                (user, item, rating)
            };
            self.step(user, item, rating);
        }
    }

    fn settle(&mut self, _state: &State) {
        let users = (0..self.ratings.users() as u32).map(UserIdx);
        let of = |user| self.ratings.of_user(user).iter().map(move |&(item, value)| (user, item, value));
        let all: Vec<(UserIdx, ItemIdx, f32)> = users.flat_map(of).collect();
        for _ in 0..all.len() * PASSES {
            let (user, item, rating) = all[self.random.below(all.len())];
            self.step(user, item, rating);
        }
    }

    fn forget(&mut self, _state: &State, user: UserIdx, _liked: &[ItemIdx]) {
        for (_, rating) in self.ratings.forget(user) {
            self.sum -= f64::from(rating);
            self.count = self.count.saturating_sub(1);
        }
        let width = self.factors + 1;
        if let Some(own) = self.users.get_mut(user.at() * width..(user.at() + 1) * width) {
            own.fill(0.0);
        }
    }

    fn fades(&self) -> bool {
        true
    }

    fn renumber_items(&mut self, _state: &State, renumbering: &Renumbering) {
        self.ratings.renumber_items(renumbering);
        keep_rows(&mut self.items, self.factors + 1, renumbering);
    }

    fn renumber_users(&mut self, renumbering: &Renumbering) {
        self.ratings.renumber_users(renumbering);
        keep_rows(&mut self.users, self.factors + 1, renumbering);
    }

    fn score(&self, question: &Question<'_>, scored: &mut Scored) {
        let Some(user) = question.user.filter(|&user| !self.ratings.of_user(user).is_empty()) else { return };
        let rated = (0..self.ratings.items() as u32).map(ItemIdx);
        let rated = rated.filter(|&item| !self.ratings.of_item(item).is_empty());
        scored.extend(rated.map(|item| (item, self.estimate(Some(user), item))));
    }

    fn predict(&self, question: &Question<'_>, item: ItemIdx) -> Option<f64> {
        let estimate = || self.estimate(question.user, item).max(self.least).min(self.most);
        (self.count > 0).then(|| f64::from(estimate()))
    }

    fn size_bytes(&self) -> usize {
        (self.users.capacity() + self.items.capacity()) * 4 + self.ratings.size_bytes()
    }

    fn save(&self, out: &mut Writer) {
        out.u32(self.factors as u32);
        for values in [&self.users, &self.items] {
            out.u32(values.len() as u32);
            values.iter().for_each(|&value| out.f32(value));
        }
        self.ratings.save(out);
        out.f64(self.sum);
        out.u64(self.count);
        out.f32(self.least);
        out.f32(self.most);
        out.u64(self.random.0);
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        if input.u32()? as usize != self.factors {
            return Err(SnapshotError::Settings("recommender.sgd.factors"));
        }
        for values in [&mut self.users, &mut self.items] {
            for _ in 0..input.count(4)? {
                values.push(input.f32()?);
            }
        }
        self.ratings = Ratings::load(input)?;
        (self.sum, self.count) = (input.f64()?, input.u64()?);
        (self.least, self.most) = (input.f32()?, input.f32()?);
        self.random = Random(input.u64()?);
        let rows = |values: &[f32]| values.len() / (self.factors + 1);
        if rows(&self.users) < self.ratings.users() || rows(&self.items) < self.ratings.items() {
            return Err(SnapshotError::Malformed("vectors of biased-sgd"));
        }
        Ok(())
    }
}
