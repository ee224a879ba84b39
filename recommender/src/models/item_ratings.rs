//! Item-item on ratings: a rating is predicted from those the user gave to similar items.
//!
//! ```text
//! cosine      s(i, j) = Σ_{u ∈ U_i ∩ U_j} r_ui·r_uj / (√Σ_{u ∈ U_i} r_ui² · √Σ_{u ∈ U_j} r_uj²)
//! adjusted    s(i, j) = Σ_{u ∈ U_i ∩ U_j} (r_ui − r̄_u)(r_uj − r̄_u) / (√Σ (r_ui − r̄_u)² · √Σ (r_uj − r̄_u)²)
//!             all three sums over the users who rated both
//! r̂_ui = Σ_j s(i, j)·r_uj / Σ_j s(i, j)    over the items j the user rated with s(i, j) > 0
//! ```
//!
//! Nothing but the ratings is kept; similarities are computed when they are asked for, through the users who rated what
//! the user rated. So they are exact over the kept ratings, and an answer costs more than a model of counts.
//!
//! # Source
//! Sarwar, Karypis, Konstan, Riedl: Item-Based Collaborative Filtering, WWW 2001, sections 3.1.1, 3.1.3 and 3.2.1.

use super::ratings::{Ratings, norm};
use super::{Lesson, Model, Question, Scored};
use crate::config::Config;
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::state::State;
use crate::state::snapshot::{Reader, SnapshotError, Writer};

/// The model by cosine.
pub(crate) const COSINE: &str = "item-ratings";
/// The model by adjusted cosine.
pub(crate) const ADJUSTED: &str = "item-ratings-adjusted";

/// The model.
#[derive(Debug)]
pub(crate) struct ItemRatings {
    history_max: usize,
    adjusted: bool,
    ratings: Ratings,
}

/// Sums over the users who rated a pair of items.
#[derive(Clone, Copy, Default)]
struct Shared {
    product: f64,
    first: f64,
    second: f64,
}

impl ItemRatings {
    pub(crate) fn new(config: &Config, adjusted: bool) -> Self {
        Self { history_max: config.history_max, adjusted, ratings: Ratings::default() }
    }

    fn mean(&self, user: UserIdx) -> f64 {
        let given = self.ratings.of_user(user);
        given.iter().map(|&(_, value)| f64::from(value)).sum::<f64>() / given.len().max(1) as f64
    }

    /// Adds what every user who rated `item` gave each other item to `shared`, by item.
    fn meet(&self, item: ItemIdx, shared: &mut [Shared]) {
        for &(user, value) in self.ratings.of_item(item) {
            let mean = if self.adjusted { self.mean(user) } else { 0.0 };
            let own = f64::from(value) - mean;
            for &(other, value) in self.ratings.of_user(user) {
                let value = f64::from(value) - mean;
                let sums = &mut shared[other.at()];
                sums.product += own * value;
                sums.first += own * own;
                sums.second += value * value;
            }
        }
    }

    /// s(i, j) of what they share, or 0.
    fn similarity(&self, sums: Shared, norms: impl FnOnce() -> f64) -> f64 {
        // What rounding leaves of deviations that cancel out is nothing.
        if sums.product <= 1e-9 {
            return 0.0;
        }
        sums.product / if self.adjusted { (sums.first * sums.second).sqrt() } else { norms() }
    }

    /// Predictions for every item that is similar to one `given`, by item; `None` where there is nothing to go by.
    fn predictions(&self, given: &[(ItemIdx, f32)], only: Option<ItemIdx>) -> Vec<Option<f64>> {
        let count = self.ratings.items();
        let norms: Vec<f64> =
            (0..count as u32).map(|item| norm(self.ratings.of_item(ItemIdx(item)))).collect();
        let mut sums = vec![(0.0, 0.0); count];
        let mut shared = vec![Shared::default(); count];
        for &(own, value) in given {
            shared.fill(Shared::default());
            self.meet(own, &mut shared);
            for (item, &sums_shared) in shared.iter().enumerate() {
                if item != own.at() && only.is_none_or(|only| only.at() == item) {
                    let similarity = self.similarity(sums_shared, || norms[own.at()] * norms[item]);
                    sums[item].0 += similarity * f64::from(value);
                    sums[item].1 += similarity;
                }
            }
        }
        sums.into_iter().map(|(sum, weight)| (weight > 0.0).then(|| sum / weight)).collect()
    }
}

impl Model for ItemRatings {
    fn learn(&mut self, lesson: &Lesson<'_>) {
        if let Some(rating) = lesson.rating {
            self.ratings.set(lesson.user, lesson.item, rating as f32, self.history_max);
        }
    }

    fn forget(&mut self, _state: &State, user: UserIdx, _liked: &[ItemIdx]) {
        self.ratings.forget(user);
    }

    fn renumber_items(&mut self, _state: &State, renumbering: &Renumbering) {
        self.ratings.renumber_items(renumbering);
    }

    fn renumber_users(&mut self, renumbering: &Renumbering) {
        self.ratings.renumber_users(renumbering);
    }

    fn score(&self, question: &Question<'_>, scored: &mut Scored) {
        let Some(user) = question.user else { return };
        let predictions = self.predictions(self.ratings.of_user(user), None);
        let known = (0..).map(ItemIdx).zip(predictions);
        scored.extend(known.filter_map(|(item, prediction)| Some((item, prediction? as f32))));
    }

    fn predict(&self, question: &Question<'_>, item: ItemIdx) -> Option<f64> {
        let user = question.user?;
        if item.at() >= self.ratings.items() {
            return None;
        }
        self.predictions(self.ratings.of_user(user), Some(item))[item.at()]
    }

    fn size_bytes(&self) -> usize {
        self.ratings.size_bytes()
    }

    fn save(&self, out: &mut Writer) {
        self.ratings.save(out);
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.ratings = Ratings::load(input)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Items a, b, c. u0: a 5, b 3. u1: a 4, b 4, c 1. u2: a 2, c 5.
        let given =
            [(0, 0, 5.0), (0, 1, 3.0), (1, 0, 4.0), (1, 1, 4.0), (1, 2, 1.0), (2, 0, 2.0), (2, 2, 5.0)];
        let model = |adjusted| {
            let mut model = ItemRatings::new(&Config::default(), adjusted);
            for (user, item, value) in given {
                model.ratings.set(UserIdx(user), ItemIdx(item), value, 100);
            }
            model
        };
        // c for u0: s(a,c) = (4 + 10)/(√45·√26), s(b,c) = 4/(5·√26).
        let (a, b) = (14.0 / (45f64 * 26.0).sqrt(), 4.0 / (5.0 * 26f64.sqrt()));
        let cosine = model(false);
        let predicted = cosine.predictions(cosine.ratings.of_user(UserIdx(0)), None)[2].unwrap();
        assert!((predicted - (a * 5.0 + b * 3.0) / (a + b)).abs() < 1e-12);
        // Means 4, 3, 3.5. s(a,c): u1 (1)(−2), u2 (−1.5)(1.5): negative, and s(b,c) = (1)(−2) as well: nothing.
        let adjusted = model(true);
        assert_eq!(adjusted.predictions(adjusted.ratings.of_user(UserIdx(0)), None)[2], None);
        // b for u2: s(a,b) = ((1)(−1) + (1)(1)) = 0 and s(c,b) < 0: nothing; a for u1 from c is negative, from b 0.
        assert_eq!(adjusted.predictions(adjusted.ratings.of_user(UserIdx(2)), None)[1], None);
    }
}
