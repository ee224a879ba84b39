//! Implicit matrix factorisation by alternating least squares, users folded in when they ask.
//!
//! Items and users are vectors of k numbers whose product says how much a user wants an item. Over all pairs, liked or
//! not, with weight α on every pair besides the liked ones,
//!
//! ```text
//! minimise Σ_liked (1 − p_u·q_i)² + α·Σ_all (p_u·q_i)² + λ·(Σ‖p_u‖² + Σ‖q_i‖²)
//! p_u = (α·QᵀQ + Σ_{i liked by u} q_i·q_iᵀ + λI)⁻¹ · Σ_{i liked by u} q_i        and the same for q_i
//! ```
//!
//! Only item vectors are kept. A user's is solved for when it is needed, from whatever the user has liked by then, so
//! the latest act always counts. Item vectors follow in two ways: an item with half as many users again as when it was
//! last solved is solved in the micro-batch it is in, from its latest users; and whenever the likes have grown by a
//! quarter, one full sweep (all users, then all items) goes over every kept history. A sweep does not know forgotten users.
//!
//! # Bounds
//! 4·k bytes an item, 16·k² in all. While a sweep runs, 8·k bytes a user besides.
//!
//! # Source
//! Hu, Koren, Volinsky: Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008, in the form of Rendle et al.,
//! Revisiting the Performance of iALS, RecSys 2022, equation 3. Its confidence 1 + c is our α = 1/c, up to a factor
//! common to all scores.

use super::linear::Spd;
use super::random::Random;
use super::{Lesson, Model, Question, Scored};
use crate::config::Config;
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::state::State;
use crate::state::snapshot::{Reader, SnapshotError, Writer};

pub(crate) const NAME: &str = "als";

/// Likes of a micro-batch.
const BATCH: usize = 256;

/// Likes before the first sweep.
const SWEEP_MIN: u64 = 1024;

/// Sweeps that settle everything.
const SWEEPS: usize = 15;

/// Users an item is solved from within a micro-batch, the latest.
const USERS_ASKED: usize = 32;

const SEED: u64 = 0x616c_7331;

/// The model.
#[derive(Debug)]
pub(crate) struct Als {
    factors: usize,
    alpha: f64,
    lambda: f64,
    /// Item vectors, one after the other.
    items: Vec<f32>,
    /// Users each item had when it was last solved.
    solved: Vec<u32>,
    /// α·QᵀQ + λI over items.
    gram: Vec<f64>,
    /// α·PᵀP + λI over the users of the last sweep.
    user_gram: Vec<f64>,
    /// The items of the micro-batch.
    batch: Vec<ItemIdx>,
    likes: u64,
    sweep_at: u64,
    /// Nothing is solved before [`Model::settle`] says so.
    waits: bool,
}

impl Als {
    pub(crate) fn new(config: &Config) -> Self {
        let mut als = Self {
            factors: config.als_factors,
            alpha: config.als_alpha,
            lambda: config.als_lambda,
            items: Vec::new(),
            solved: Vec::new(),
            gram: Vec::new(),
            user_gram: gram(&[], config.als_factors, 0.0, config.als_lambda),
            batch: Vec::new(),
            likes: 0,
            sweep_at: SWEEP_MIN,
            waits: false,
        };
        als.sum_up();
        als
    }

    fn vector(&self, item: ItemIdx) -> Option<&[f32]> {
        self.items.get(item.at() * self.factors..(item.at() + 1) * self.factors)
    }

    /// Vectors for items up to `items`: small and different, so that the first sweep has something to pull apart.
    fn make_room(&mut self, items: usize) {
        let size = 0.1 / (self.factors as f64).sqrt();
        for item in self.solved.len()..items {
            let mut random = Random(SEED ^ ((item as u64) << 32));
            self.items.extend((0..self.factors).map(|_| (random.normal() * size) as f32));
            self.solved.push(0);
        }
    }

    /// Sums up α·QᵀQ + λI.
    fn sum_up(&mut self) {
        let rows: Vec<f64> = self.items.iter().map(|&value| f64::from(value)).collect();
        self.gram = gram(&rows, self.factors, self.alpha, self.lambda);
    }

    /// The vector that fits these items best; `None` without any.
    fn fold_in(&self, liked: &[ItemIdx]) -> Option<Vec<f64>> {
        let vectors = liked.iter().filter_map(|&item| self.vector(item));
        let mut rows = Vec::new();
        vectors.for_each(|vector| rows.extend(vector.iter().map(|&value| f64::from(value))));
        (!rows.is_empty()).then(|| solve(&self.gram, &rows, self.factors))
    }

    fn set(&mut self, item: ItemIdx, vector: &[f64], users: u32) {
        let own = &mut self.items[item.at() * self.factors..(item.at() + 1) * self.factors];
        own.iter_mut().zip(vector).for_each(|(own, &value)| *own = value as f32);
        self.solved[item.at()] = users;
    }

    /// Solves the items of the micro-batch that have many more users than when they were last solved.
    fn catch_up(&mut self, state: &State) {
        self.batch.sort_unstable();
        self.batch.dedup();
        let batch = std::mem::take(&mut self.batch);
        for item in batch {
            let users = state.items.users(item);
            if users * 2 < self.solved[item.at()] * 3 {
                continue;
            }
            let mut rows = Vec::new();
            for user in state.postings.users(item).rev().take(USERS_ASKED) {
                rows.extend(self.fold_in(&state.users.liked(user)).unwrap_or_default());
            }
            if !rows.is_empty() {
                let vector = solve(&self.user_gram, &rows, self.factors);
                self.set(item, &vector, users);
            }
        }
        self.sum_up();
    }

    /// Solves all users, then all items from them.
    fn sweep(&mut self, state: &State) {
        let k = self.factors;
        self.make_room(state.items.len());
        let mut users = Vec::new();
        let mut came: Vec<Vec<u32>> = vec![Vec::new(); state.items.len()];
        for user in (0..state.users.len() as u32).map(UserIdx) {
            let liked = state.users.liked(user);
            if let Some(vector) = self.fold_in(&liked) {
                let number = (users.len() / k) as u32;
                users.extend(vector);
                liked.iter().for_each(|item| came[item.at()].push(number));
            }
        }
        self.user_gram = gram(&users, k, self.alpha, self.lambda);
        let mut rows = Vec::new();
        for (item, came) in came.iter().enumerate() {
            rows.clear();
            came.iter().for_each(|&user| rows.extend(&users[user as usize * k..(user as usize + 1) * k]));
            let vector = solve(&self.user_gram, &rows, k);
            let item = ItemIdx(item as u32);
            self.set(item, &vector, state.items.users(item));
        }
        self.sum_up();
        self.sweep_at = (self.likes + self.likes / 4).max(SWEEP_MIN);
    }
}

/// α·Σrrᵀ + λI over rows of `k`: the lower triangle.
fn gram(rows: &[f64], k: usize, alpha: f64, lambda: f64) -> Vec<f64> {
    let mut sums = vec![0.0; k * k];
    add_outer(&mut sums, rows, k);
    sums.iter_mut().for_each(|sum| *sum *= alpha);
    (0..k).for_each(|i| sums[i * k + i] += lambda);
    sums
}

/// sums += Σ r·rᵀ, the lower triangle; four rows at a time, so that a sum is fetched once for four of them.
fn add_outer(sums: &mut [f64], rows: &[f64], k: usize) {
    let mut fours = rows.chunks_exact(4 * k);
    for four in &mut fours {
        let (a, rest) = four.split_at(k);
        let (b, rest) = rest.split_at(k);
        let (c, d) = rest.split_at(k);
        for i in 0..k {
            let [va, vb, vc, vd] = [a[i], b[i], c[i], d[i]];
            let others = a.iter().zip(b).zip(c.iter().zip(d));
            for (sum, ((oa, ob), (oc, od))) in sums[i * k..=i * k + i].iter_mut().zip(others) {
                *sum += va * oa + vb * ob + vc * oc + vd * od;
            }
        }
    }
    for row in fours.remainder().chunks_exact(k) {
        for (i, &value) in row.iter().enumerate() {
            sums[i * k..=i * k + i].iter_mut().zip(row).for_each(|(sum, other)| *sum += value * other);
        }
    }
}

/// (sums + Σ r·rᵀ)⁻¹ · Σ r.
fn solve(sums: &[f64], rows: &[f64], k: usize) -> Vec<f64> {
    let mut matrix = sums.to_vec();
    add_outer(&mut matrix, rows, k);
    let mut vector = vec![0.0; k];
    for row in rows.chunks_exact(k) {
        vector.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    Spd::of(matrix, k).solve(&mut vector);
    vector
}

impl Model for Als {
    fn learn(&mut self, lesson: &Lesson<'_>) {
        if !lesson.first_like {
            return;
        }
        self.likes += 1;
        self.make_room(lesson.item.at() + 1);
        if self.waits {
            return;
        }
        self.batch.push(lesson.item);
        if self.likes >= self.sweep_at {
            self.batch.clear();
            self.sweep(lesson.state);
        } else if self.batch.len() >= BATCH {
            self.catch_up(lesson.state);
        }
    }

    fn put_off(&mut self) {
        self.waits = true;
    }

    fn settle(&mut self, state: &State) {
        self.waits = false;
        self.batch.clear();
        (0..SWEEPS).for_each(|_| self.sweep(state));
    }

    fn forget(&mut self, state: &State, _user: UserIdx, liked: &[ItemIdx]) {
        if !liked.is_empty() {
            self.batch.clear();
            self.sweep(state);
        }
    }

    fn renumber_items(&mut self, _state: &State, renumbering: &Renumbering) {
        let k = self.factors;
        let kept = (0..self.solved.len() as u32).filter(|&old| renumbering.index(old).is_some());
        self.items =
            kept.flat_map(|old| &self.items[old as usize * k..(old as usize + 1) * k]).copied().collect();
        renumbering.compact(&mut self.solved);
        self.batch = self.batch.iter().filter_map(|&item| renumbering.item(item)).collect();
        self.sum_up();
    }

    fn score(&self, question: &Question<'_>, scored: &mut Scored) {
        let Some(user) = self.fold_in(&question.liked()) else { return };
        let user: Vec<f32> = user.iter().map(|&value| value as f32).collect();
        for (item, vector) in (0..).map(ItemIdx).zip(self.items.chunks_exact(self.factors)) {
            let score: f32 = vector.iter().zip(&user).map(|(a, b)| a * b).sum();
            if score > 0.0 {
                scored.push((item, score));
            }
        }
    }

    fn size_bytes(&self) -> usize {
        (self.items.capacity() + self.solved.capacity() + self.batch.capacity()) * 4
            + (self.gram.capacity() + self.user_gram.capacity()) * 8
    }

    fn save(&self, out: &mut Writer) {
        out.u32(self.factors as u32);
        out.f64(self.alpha);
        out.f64(self.lambda);
        out.u32(self.solved.len() as u32);
        self.solved.iter().for_each(|&users| out.u32(users));
        self.items.iter().for_each(|&value| out.f32(value));
        self.gram.iter().chain(&self.user_gram).for_each(|&value| out.f64(value));
        out.u32(self.batch.len() as u32);
        self.batch.iter().for_each(|item| out.u32(item.0));
        out.u64(self.likes);
        out.u64(self.sweep_at);
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        if (input.u32()? as usize, input.f64()?, input.f64()?) != (self.factors, self.alpha, self.lambda) {
            return Err(SnapshotError::Settings("recommender.als.*"));
        }
        let items = input.count(4 + 4 * self.factors)?;
        for _ in 0..items {
            self.solved.push(input.u32()?);
        }
        for _ in 0..items * self.factors {
            self.items.push(input.f32()?);
        }
        for value in self.gram.iter_mut().chain(&mut self.user_gram) {
            *value = input.f64()?;
        }
        for _ in 0..input.count(4)? {
            let item = ItemIdx(input.u32()?);
            if item.at() >= items {
                return Err(SnapshotError::Malformed("item of als"));
            }
            self.batch.push(item);
        }
        (self.likes, self.sweep_at) = (input.u64()?, input.u64()?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::contract::{Act, learnt};
    use crate::models::linear::dot;

    /// The objective at the head of this file, users at their best.
    fn objective(als: &Als, state: &State) -> f64 {
        let items: Vec<Vec<f64>> =
            als.items.chunks_exact(als.factors).map(|v| v.iter().map(|&x| f64::from(x)).collect()).collect();
        let square = |v: &[f64]| dot(v, v);
        let mut sum: f64 = items.iter().map(|item| als.lambda * square(item)).sum();
        for user in (0..state.users.len() as u32).map(UserIdx) {
            let liked = state.users.liked(user);
            let Some(vector) = als.fold_in(&liked) else { continue };
            sum += als.lambda * square(&vector);
            sum += items.iter().map(|item| als.alpha * dot(item, &vector).powi(2)).sum::<f64>();
            sum += liked.iter().map(|item| (1.0 - dot(&items[item.at()], &vector)).powi(2)).sum::<f64>();
        }
        sum
    }

    #[test]
    fn every_sweep_lowers_the_objective_until_none_can() {
        let mut als = Als::new(&Config::default());
        let mut state = State::default();
        learnt(&mut state, &mut als, &(0..800).map(Act::nth).collect::<Vec<_>>());
        let mut last = f64::INFINITY;
        for _ in 0..10 {
            als.sweep(&state);
            let now = objective(&als, &state);
            assert!(now <= last * (1.0 + 1e-6), "{now} {last}");
            last = now;
        }
        let settled = last;
        (0..30).for_each(|_| als.sweep(&state));
        assert!(objective(&als, &state) > 0.97 * settled, "ten sweeps come near the end");
    }

    #[test]
    fn what_was_put_off_comes_to_the_same() {
        let acts: Vec<Act> = (0..2000).map(Act::nth).collect();
        let objective_of = |put_off: bool| {
            let (mut als, mut state) = (Als::new(&Config::default()), State::default());
            if put_off {
                als.put_off();
            }
            learnt(&mut state, &mut als, &acts);
            assert_eq!(als.solved.iter().all(|&users| users == 0), put_off);
            als.settle(&state);
            objective(&als, &state)
        };
        let (late, along) = (objective_of(true), objective_of(false));
        assert!((late / along - 1.0).abs() < 0.01, "{late} {along}");
    }

    #[test]
    fn a_fold_in_solves_its_equations() {
        let mut als = Als::new(&Config::default());
        let mut state = State::default();
        learnt(&mut state, &mut als, &(0..800).map(Act::nth).collect::<Vec<_>>());
        als.sweep(&state);
        let liked = state.users.liked(UserIdx(0));
        let vector = als.fold_in(&liked).unwrap();
        // Half the gradient of the objective by p_u: α·QᵀQ·p + Σ q·(q·p − 1) + λ·p = 0.
        let k = als.factors;
        let mut gradient: Vec<f64> = vector.iter().map(|value| als.lambda * value).collect();
        for (item, q) in (0..).map(ItemIdx).zip(als.items.chunks_exact(k)) {
            let q: Vec<f64> = q.iter().map(|&x| f64::from(x)).collect();
            let product = dot(&q, &vector);
            let pull = als.alpha * product + if liked.contains(&item) { product - 1.0 } else { 0.0 };
            gradient.iter_mut().zip(&q).for_each(|(sum, value)| *sum += pull * value);
        }
        assert!(gradient.iter().all(|value| value.abs() < 1e-9), "{gradient:?}");
    }
}
