//! Candidates for a history, with every model's score of each.
//!
//! One walk over the rows of the history's items feeds all pair models; the nearest users' items and the hottest
//! items of each half-life join them. The table is dense over items and reused between requests: nothing is
//! cleared but what was touched.

use crate::hot::LIVES;
use crate::ids::{ItemIdx, UserIdx};
use crate::models::user_knn::{self, Nearby};
use crate::models::{COOCCURRENCE, COSINE, LLR, PERSONAL, RULES, USER_KNN};
use crate::models::{cooccurrence, item_cosine, llr, rules};
use crate::state::State;

/// How far back the history is asked.
pub(crate) const HISTORY_ASKED: usize = 50;

/// How many of the hottest items of each half-life become candidates.
const HOT_ASKED: usize = 100;

/// Scores of one candidate by the models that go by the history.
pub(crate) type Row = [f32; PERSONAL];

/// Reusable memory of one request.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The items to go by, newest first.
    pub(crate) history: Vec<ItemIdx>,
    /// The candidates.
    pub(crate) items: Vec<ItemIdx>,
    /// Their scores by model, in the order of `items`.
    pub(crate) rows: Vec<Row>,
    /// What the fusion makes of the scores: feature by feature, each in the order of `items`.
    pub(crate) features: Vec<f32>,
    /// The final score of each candidate, in the order of `items`.
    pub(crate) scores: Vec<f32>,
    /// Position in `items` plus one, by item; 0 for those that are no candidates.
    places: Vec<u32>,
    nearby: Nearby,
}

impl Scratch {
    /// The position of a candidate in `items`, `rows` and `scores`.
    pub(crate) fn find(&self, item: ItemIdx) -> Option<usize> {
        let place = *self.places.get(item.at())?;
        (place as usize).checked_sub(1)
    }

    fn clear(&mut self, items: usize) {
        for item in self.items.drain(..) {
            self.places[item.at()] = 0;
        }
        self.rows.clear();
        if self.places.len() < items {
            self.places.resize(items, 0);
        }
    }

    fn row(&mut self, item: ItemIdx) -> &mut Row {
        let place = &mut self.places[item.at()];
        if *place == 0 {
            self.items.push(item);
            self.rows.push([0.0; PERSONAL]);
            *place = self.items.len() as u32;
        }
        &mut self.rows[*place as usize - 1]
    }
}

/// Fills `scratch` with the candidates for its `history`, which is `own`'s if it is anyone's.
pub(crate) fn gather(state: &State, own: Option<UserIdx>, scratch: &mut Scratch) {
    scratch.clear(state.items.len());
    let history = std::mem::take(&mut scratch.history);
    walk_rows(state, &history, scratch);
    ask_users(state, &history, own, scratch);
    for &item in &history {
        scratch.row(item);
    }
    scratch.history = history;
    for life in 0..LIVES {
        for &item in state.hot.top(life).iter().take(HOT_ASKED) {
            scratch.row(item);
        }
    }
    for (&item, row) in scratch.items.iter().zip(&mut scratch.rows) {
        let factor = item_cosine::factor(state.items.users(item));
        row[COSINE] *= factor;
        row[COOCCURRENCE] *= factor;
    }
}

fn walk_rows(state: &State, history: &[ItemIdx], scratch: &mut Scratch) {
    let total = state.users.with_likes().max(1) as f32;
    let mut decays = [1.0f32; PERSONAL];
    for &own in history.iter().take(HISTORY_ASKED) {
        let users = state.items.users(own);
        let cosine = decays[COSINE] * item_cosine::factor(users);
        let closeness = decays[COOCCURRENCE] * item_cosine::factor(users);
        let following = decays[RULES] * rules::factor(users);
        let share = users as f32 / total;
        for pair in state.pairs.neighbours(own) {
            let expected = share * state.items.users(pair.item) as f32;
            let row = scratch.row(pair.item);
            row[COSINE] += cosine * item_cosine::value(pair);
            row[LLR] += decays[LLR] * llr::value(pair.count, expected);
            row[COOCCURRENCE] += closeness * cooccurrence::value(pair);
            row[RULES] += following * rules::value(pair);
        }
        decays[COSINE] *= item_cosine::DECAY;
        decays[LLR] *= llr::DECAY;
        decays[COOCCURRENCE] *= cooccurrence::DECAY;
        decays[RULES] *= rules::DECAY;
    }
}

fn ask_users(state: &State, history: &[ItemIdx], own: Option<UserIdx>, scratch: &mut Scratch) {
    let mut nearby = std::mem::take(&mut scratch.nearby);
    for &(similarity, user) in nearby.find(state, history, own) {
        let visits = state.users.ring(user).newest_first().filter(|visit| visit.is_liked());
        for visit in visits.take(user_knn::VISITS_ASKED) {
            scratch.row(visit.item)[USER_KNN] += similarity;
        }
    }
    scratch.nearby = nearby;
}
