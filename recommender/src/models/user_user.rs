//! User-user cosine, exactly: who gave the same things as much.
//!
//! ```text
//! sim(u, v) = Σ_{i ∈ I_u ∩ I_v} r_ui·r_vi / (√Σ_{i ∈ I_u} r_ui² · √Σ_{i ∈ I_v} r_vi²)
//! score(u, x) = Σ sim(u, v)·r_vx over the nearest v that came to x
//! ```
//!
//! Each norm goes over all of that user's own items, not over the shared ones alone: one shared item does not make two
//! people alike. r is the last rating if there is one, else the greatest weight among the user's acts on the item.
//! `recommender.user-user.neighbours` nearest users count, equals by index; they are found through the items they share.
//!
//! [`super::user_knn`] is the quick relative that is always on; this is the textbook's.
//!
//! # Source
//! Herlocker, Konstan, Borchers, Riedl: An Algorithmic Framework for Performing Collaborative Filtering, SIGIR 1999.
//! Papagelis et al., Incremental Collaborative Filtering for Highly-Scalable Recommendation Algorithms, ISMIS 2005.

use super::ratings::{Ratings, norm};
use super::{Lesson, Model, Question, Scored};
use crate::config::Config;
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::state::State;
use crate::state::snapshot::{Reader, SnapshotError, Writer};

pub(crate) const NAME: &str = "user-user";

/// The model.
#[derive(Debug)]
pub(crate) struct UserUser {
    history_max: usize,
    neighbours: usize,
    ratings: Ratings,
}

impl UserUser {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            history_max: config.history_max,
            neighbours: config.user_user_neighbours,
            ratings: Ratings::default(),
        }
    }

    /// The nearest users to what someone gave, most alike first.
    fn nearest(&self, given: &[(ItemIdx, f32)], own: Option<UserIdx>) -> Vec<(f64, UserIdx)> {
        let mut products = vec![0.0; self.ratings.users()];
        let mut found = Vec::new();
        for &(item, value) in given {
            for &(user, other) in self.ratings.of_item(item) {
                let product = &mut products[user.at()];
                if *product == 0.0 {
                    found.push(user);
                }
                *product += f64::from(value) * f64::from(other);
            }
        }
        let own_norm = norm(given);
        found.retain(|&user| Some(user) != own && products[user.at()] > 0.0);
        let alike =
            |user: &UserIdx| (products[user.at()] / (own_norm * norm(self.ratings.of_user(*user))), *user);
        let mut nearest: Vec<(f64, UserIdx)> = found.iter().map(alike).collect();
        nearest.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        nearest.dedup_by_key(|near| near.1);
        nearest.truncate(self.neighbours);
        nearest
    }
}

impl Model for UserUser {
    fn learn(&mut self, lesson: &Lesson<'_>) {
        let before = self.ratings.get(lesson.user, lesson.item);
        let value = match lesson.rating {
            Some(rating) => rating as f32,
            None if lesson.weight > 0.0 => before.map_or(lesson.weight, |before| before.max(lesson.weight)),
            None => return,
        };
        self.ratings.set(lesson.user, lesson.item, value, self.history_max);
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
        let items: Vec<(ItemIdx, f32)>;
        let given = match question.user {
            Some(user) => self.ratings.of_user(user),
            None => {
                items = question.history.iter().map(|&item| (item, 1.0)).collect();
                &items
            }
        };
        let mut sums = vec![0.0; self.ratings.items()];
        for (similarity, user) in self.nearest(given, question.user) {
            for &(item, value) in self.ratings.of_user(user) {
                sums[item.at()] += similarity * f64::from(value);
            }
        }
        let items = (0..).map(ItemIdx).zip(sums).filter(|&(_, sum)| sum > 0.0);
        scored.extend(items.map(|(item, sum)| (item, sum as f32)));
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
    fn each_norm_is_over_the_users_own_items() {
        let mut model = UserUser::new(&Config::default());
        // u: a 3, b 4. v: a 6, c 8. They share a alone: 18 / (5·10), and not 1.
        for (user, item, value) in [(0, 0, 3.0), (0, 1, 4.0), (1, 0, 6.0), (1, 2, 8.0)] {
            model.ratings.set(UserIdx(user), ItemIdx(item), value, 100);
        }
        let nearest = model.nearest(model.ratings.of_user(UserIdx(0)), Some(UserIdx(0)));
        assert_eq!(nearest, [(0.36, UserIdx(1))]);
    }
}
