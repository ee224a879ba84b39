//! Session kNN: what the latest visits that resemble this one went on to.
//!
//! For a visit s of items at positions 1 (oldest) to |s| (latest), over the visits n in the postings of its items,
//!
//! ```text
//! r_n = Σ_{i ∈ s ∩ n} pos_s(i) / |s|                   the 100 of greatest r_n count, equals by index
//! score(x) = Σ_n [x ∈ n] · λ(n) · r_n · ln(N / n_x)     λ(n) = 1 − 0.1·(steps back of the latest shared item), at least 0
//! ```
//!
//! N all users, n_x those who came to x. A visit without a user is a user here, so on logs of sessions this is the
//! session kNN of the literature, kept up to date by the postings that learning writes anyway. It has no memory of its
//! own.
//!
//! # Source
//! Kersbergen, Sprangers, Schelter: Serenade, SIGMOD 2022, section 3 (VMIS-kNN). Ludewig & Jannach, UMUAI 2018 (VS-kNN).

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::{Lesson, Model, Question, Scored};
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::state::State;
use crate::state::snapshot::{Reader, SnapshotError, Writer};

pub(crate) const NAME: &str = "session-knn";

/// How many items of the visit count, the latest.
const ITEMS_ASKED: usize = 50;

/// How many visits like this one count.
const NEIGHBOURS: usize = 100;

/// The model.
#[derive(Debug, Default)]
pub(crate) struct SessionKnn;

/// A visit that shares items with the one asked for.
#[derive(Clone, Copy)]
struct Near {
    likeness: f32,
    /// Steps back of the latest shared item.
    back: u32,
    user: UserIdx,
}

fn nearest(question: &Question<'_>) -> Vec<Near> {
    let state = question.state;
    let asked = &question.history[..question.history.len().min(ITEMS_ASKED)];
    // Of what is known of a million visits, few thousand are looked at.
    let mut places: HashMap<UserIdx, usize, FxBuildHasher> = HashMap::default();
    let mut found: Vec<Near> = Vec::new();
    for (back, &item) in (0..).zip(asked) {
        let position = (asked.len() - back as usize) as f32 / asked.len() as f32;
        for user in state.postings.users(item) {
            let place = *places.entry(user).or_insert_with(|| {
                // Newest first: the first shared item met is the latest.
                found.push(Near { likeness: 0.0, back, user });
                found.len() - 1
            });
            found[place].likeness += position;
        }
    }
    found.retain(|near| Some(near.user) != question.user);
    let order = |a: &Near, b: &Near| b.likeness.total_cmp(&a.likeness).then(a.user.cmp(&b.user));
    if found.len() > NEIGHBOURS {
        found.select_nth_unstable_by(NEIGHBOURS, order);
        found.truncate(NEIGHBOURS);
    }
    found.sort_unstable_by(order);
    found
}

impl Model for SessionKnn {
    fn learn(&mut self, _lesson: &Lesson<'_>) {}

    fn forget(&mut self, _state: &State, _user: UserIdx, _liked: &[ItemIdx]) {}

    fn renumber_items(&mut self, _state: &State, _renumbering: &Renumbering) {}

    fn score(&self, question: &Question<'_>, scored: &mut Scored) {
        let state = question.state;
        let mut sums: Vec<(ItemIdx, f32)> = Vec::new();
        for near in nearest(question) {
            let weight = (1.0 - 0.1 * near.back as f32).max(0.0) * near.likeness;
            sums.extend(state.users.ring(near.user).liked().map(|item| (item, weight)));
        }
        // Stable, so that an item's parts are added in the order of its neighbours.
        sums.sort_by_key(|part| part.0);
        for parts in sums.chunk_by(|a, b| a.0 == b.0) {
            let item = parts[0].0;
            let users = state.items.users(item).max(1) as f32;
            let rarity = crate::math::ln(state.users.with_likes().max(1) as f32 / users).max(0.0);
            scored.push((item, rarity * parts.iter().map(|part| part.1).sum::<f32>()));
        }
    }

    fn size_bytes(&self) -> usize {
        0
    }

    fn save(&self, _out: &mut Writer) {}

    fn load(&mut self, _input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        Ok(())
    }
}
