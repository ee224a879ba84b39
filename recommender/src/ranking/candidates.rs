//! Candidates for a history, with every model's score of each.
//!
//! One walk over the rows of the history's items feeds all pair models; the nearest users' items, what is two steps
//! away and the hottest items of each half-life join them. The table is dense over items and reused between requests:
//! nothing is cleared but what was touched.

use std::{array, hint};

use super::strongest::Strongest;
use crate::cooccurrence::Columns;
use crate::hot::{LIVES, Logs};
use crate::ids::{ItemIdx, UserIdx};
use crate::models::set::{Models, Off};
use crate::models::user_knn::{self, Nearby};
use crate::models::{COOCCURRENCE, COSINE, LLR, PERSONAL, Question, RULES, Scored, USER_KNN, WALK};
use crate::models::{cooccurrence, item_cosine, llr, rules, walk};
use crate::state::State;
use crate::state::items::Reach;

/// How far back the history is asked.
pub(crate) const HISTORY_ASKED: usize = 50;

/// How many of the hottest items of each half-life become candidates.
const HOT_ASKED: usize = 40;

/// How many of the best items of a model with memory of its own become candidates.
const OPTIONAL_ASKED: usize = 50;

/// ln of the share below which candidates are alike: a ten-thousandth of the greatest.
pub(crate) const LOG_MIN: f32 = -9.2;

/// Places in a row: one for each model that goes by the history, and some that stay 0, so that a row is half a line
/// of cache and its sums are taken several at a time.
pub(crate) const LANES: usize = 8;

/// One number for each model that goes by the history, in the order of the columns.
pub(crate) type Lanes = [f32; LANES];

/// Scores of one candidate by the models that go by the history.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(32))]
pub(crate) struct Row(pub(crate) Lanes);

/// Reusable memory of one request.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The items to go by, newest first.
    pub(crate) history: Vec<ItemIdx>,
    /// The candidates.
    pub(crate) items: Vec<ItemIdx>,
    /// Their scores by model, in the order of `items`; behind those, zeros.
    pub(crate) rows: Vec<Row>,
    /// What the fusion makes of the scores: feature by feature, each in the order of `items`.
    pub(crate) features: Vec<f32>,
    /// The final score of each candidate, in the order of `items`.
    pub(crate) scores: Vec<f32>,
    /// Scores and items packed for ranking.
    pub(crate) keys: Vec<u64>,
    /// Position in `items` plus one, by item; 0 for those that are no candidates.
    pub(super) places: Vec<u32>,
    /// What the models with memory of their own say, each sorted best first; by column of the fusion.
    scored: Vec<Scored>,
    /// The same as shares of each one's greatest: column by column, each in the order of `items`.
    pub(crate) optional: Vec<f32>,
    pub(crate) nearby: Nearby,
    /// What the first step found, with its strength: where the second starts.
    first: Vec<(f32, ItemIdx)>,
    neighbours: Neighbours,
    pub(super) strongest: Strongest,
    /// By model, 1 over its greatest score among all candidates, before any were dropped; 0 for those that are off.
    pub(crate) scale: Lanes,
    /// The models that are off.
    pub(crate) off: Off,
}

/// What scores come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) state: &'a State,
    pub(crate) models: &'a Models,
}

/// The weights of the fusion, in short: what is needed to tell which candidates can matter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sketch {
    /// Of the shares.
    pub(crate) shares: Lanes,
    /// Of the logarithm of the sum of shares.
    pub(crate) log: f32,
    /// Of the logarithms of popularity.
    pub(crate) popular: Logs,
}

/// Which items become candidates.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Breadth<'a> {
    /// Those the history speaks for most, and the hottest.
    Strongest,
    /// All that the history speaks for, the hottest, and these.
    With(&'a [ItemIdx]),
    /// Every item.
    Every,
}

impl Scratch {
    /// The position of a candidate in `items`, `rows` and `scores`.
    pub(crate) fn find(&self, item: ItemIdx) -> Option<usize> {
        let place = *self.places.get(item.at())?;
        (place as usize).checked_sub(1)
    }

    fn clear(&mut self, items: usize) {
        self.rows[..self.items.len()].fill(Row::default());
        for item in self.items.drain(..) {
            self.places[item.at()] = 0;
        }
        if self.places.len() < items {
            self.places.resize(items, 0);
        }
    }

    /// Adds what is said of each item to its scores by `N` models, from the column `FIRST` on.
    fn add<const FIRST: usize, const N: usize>(&mut self, items: &[ItemIdx], said: &[[f32; N]]) {
        // Room for all to be new, given back below, so that none needs a branch that nobody could predict.
        let mut next = self.items.len();
        let most = next + items.len();
        self.items.resize(most, ItemIdx::default());
        if self.rows.len() < most {
            self.rows.resize(most, Row::default());
        }
        let (places, all, rows) = (&mut self.places[..], &mut self.items[..], &mut self.rows[..]);
        for (&item, said) in items.iter().zip(said) {
            let place = &mut places[item.at()];
            all[next] = item;
            next += usize::from(*place == 0);
            let own = if *place == 0 { next as u32 } else { *place };
            *place = own;
            let row = &mut rows[own as usize - 1].0[FIRST..FIRST + N];
            // All read before any is written: they are added at once.
            let sums: [f32; N] = array::from_fn(|column| row[column] + said[column]);
            row.copy_from_slice(&sums);
        }
        self.items.truncate(next);
    }

    fn row(&mut self, item: ItemIdx) -> &mut Lanes {
        let place = &mut self.places[item.at()];
        if *place == 0 {
            self.items.push(item);
            if self.rows.len() < self.items.len() {
                self.rows.push(Row::default());
            }
            *place = self.items.len() as u32;
        }
        &mut self.rows[*place as usize - 1].0
    }
}

/// Fills `scratch` with what one model with memory of its own has to say, and its scores. False if the model is off.
pub(crate) fn gather_by(
    sources: Sources<'_>,
    place: usize,
    question: &Question<'_>,
    scratch: &mut Scratch,
) -> bool {
    scratch.clear(sources.state.items.len());
    scratch.scores.clear();
    let mut scored = scratch.scored.pop().unwrap_or_default();
    let known = sources.models.score(place, question, &mut scored);
    for &(item, score) in &scored {
        scratch.row(item);
        scratch.scores.push(score);
    }
    scratch.scored.push(scored);
    known
}

/// Fills `scratch` with the candidates for its `history`, which is `own`'s if it is anyone's.
pub(crate) fn gather(
    sources: Sources<'_>,
    own: Option<UserIdx>,
    breadth: Breadth<'_>,
    sketch: &Sketch,
    scratch: &mut Scratch,
) {
    let state = sources.state;
    scratch.clear(state.items.len());
    let history = std::mem::take(&mut scratch.history);
    scratch.off = *sources.models.off();
    walk_rows(state, &history, scratch);
    if !scratch.off[USER_KNN] {
        ask_users(state, &history, own, scratch);
    }
    if !scratch.off[WALK] {
        walk_on(state, &history, scratch);
    }
    scratch.finish(state);
    if matches!(breadth, Breadth::Strongest) {
        scratch.keep_strongest(state, sketch);
    }
    for &item in &history {
        scratch.row(item);
    }
    ask_models(sources.models, &Question { state, user: own, history: &history }, scratch);
    scratch.history = history;
    match breadth {
        Breadth::Strongest => {}
        Breadth::With(items) => items.iter().for_each(|&item| _ = scratch.row(item)),
        Breadth::Every => (0..state.items.len() as u32).for_each(|item| _ = scratch.row(ItemIdx(item))),
    }
    add_hottest(state, scratch);
    share_scores(sources.models.fused(), scratch);
}

/// Asks the models of the fusion that have memory of their own; their best become candidates.
fn ask_models(models: &Models, question: &Question<'_>, scratch: &mut Scratch) {
    let fused = models.fused();
    if scratch.scored.len() < fused {
        scratch.scored.resize_with(fused, Vec::new);
    }
    for column in 0..fused {
        let mut scored = std::mem::take(&mut scratch.scored[column]);
        scored.clear();
        models.column(column).score(question, &mut scored);
        scored.retain(|&(_, score)| score > 0.0);
        let best_first = |a: &(ItemIdx, f32), b: &(ItemIdx, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if scored.len() > OPTIONAL_ASKED {
            scored.select_nth_unstable_by(OPTIONAL_ASKED, best_first);
        }
        scored.iter().take(OPTIONAL_ASKED).for_each(|&(item, _)| _ = scratch.row(item));
        scratch.scored[column] = scored;
    }
}

/// Turns what those models said into shares of each one's greatest score, once every candidate is known.
fn share_scores(fused: usize, scratch: &mut Scratch) {
    let count = scratch.items.len();
    scratch.optional.clear();
    scratch.optional.resize(fused * count, 0.0);
    for column in 0..fused {
        let greatest = scratch.scored[column].iter().fold(0.0f32, |most, &(_, score)| most.max(score));
        for &(item, score) in &scratch.scored[column] {
            if let Some(place) = (scratch.places[item.at()] as usize).checked_sub(1) {
                scratch.optional[column * count + place] = score / greatest;
            }
        }
    }
}

/// Adds the hottest items that are no candidates yet: what the history has does not use up the places.
fn add_hottest(state: &State, scratch: &mut Scratch) {
    for life in 0..LIVES {
        let mut left = if scratch.off[PERSONAL + life] { 0 } else { HOT_ASKED };
        for &item in state.hot.top(life) {
            if left > 0 && scratch.find(item).is_none() {
                scratch.row(item);
                left -= 1;
            }
        }
    }
}

/// The neighbours of one item of the history, and what is said of them.
#[derive(Debug, Default)]
struct Neighbours {
    columns: Columns,
    /// How many users came to each.
    users: Vec<f32>,
    /// The logarithm of that.
    logs: Vec<f32>,
    /// By the models of the first columns.
    said: Vec<[f32; 4]>,
}

/// What an item of the history and its place there have to do with what is said of a neighbour: by model, a factor.
struct Factors {
    said: [f32; 4],
    /// Of all users, those who came to the item.
    share: f32,
    log_share: f32,
}

impl Neighbours {
    /// Looks up how many users came to each.
    fn look_up(&mut self, reach: &[Reach]) {
        self.users.resize(self.columns.items.len(), 0.0);
        self.logs.resize(self.columns.items.len(), 0.0);
        for ((item, users), log) in self.columns.items.iter().zip(&mut self.users).zip(&mut self.logs) {
            let own = &reach[item.at()];
            (*users, *log) = (own.users, own.log);
        }
    }

    /// Says it of all, number by number: a processor does several at a time.
    fn say(&mut self, factors: &Factors) {
        let count = self.columns.items.len();
        let [counts, weights, forwards, users, logs] =
            [&self.columns.counts, &self.columns.weights, &self.columns.forwards, &self.users, &self.logs]
                .map(|column| &column[..count]);
        let Factors { said, share, log_share } = *factors;
        self.said.clear();
        self.said.extend((0..count).map(|at| {
            let mut own = [0.0; 4];
            own[COSINE] = said[COSINE] * item_cosine::value(counts[at]);
            own[LLR] = said[LLR] * llr::value(counts[at], share * users[at], log_share + logs[at]);
            own[COOCCURRENCE] = said[COOCCURRENCE] * cooccurrence::value(weights[at]);
            own[RULES] = said[RULES] * rules::value(forwards[at]);
            own
        }));
    }
}

fn walk_rows(state: &State, history: &[ItemIdx], scratch: &mut Scratch) {
    let total = state.users.with_likes().max(1);
    let (log_total, total) = (llr::log_of(total), total as f32);
    let mut decays = [1.0f32; 4];
    let asked = || history.iter().take(HISTORY_ASKED);
    // Rows lie all over memory: asking for all of them first lets the processor wait for all at once.
    hint::black_box(asked().fold(0, |sum, &own| sum ^ state.pairs.touch(own)));
    let mut neighbours = std::mem::take(&mut scratch.neighbours);
    for &own in asked() {
        let reach = &state.items.reach()[own.at()];
        let mut factors =
            Factors { said: decays, share: reach.users / total, log_share: reach.log - log_total };
        factors.said[COSINE] *= item_cosine::factor(reach.users);
        factors.said[COOCCURRENCE] *= item_cosine::factor(reach.users);
        factors.said[RULES] *= rules::factor(reach.users);
        state.pairs.columns(own, &mut neighbours.columns);
        neighbours.look_up(state.items.reach());
        neighbours.say(&factors);
        scratch.add::<0, 4>(&neighbours.columns.items, &neighbours.said);
        decays[COSINE] *= item_cosine::DECAY;
        decays[LLR] *= llr::DECAY;
        decays[COOCCURRENCE] *= cooccurrence::DECAY;
        decays[RULES] *= rules::DECAY;
    }
    scratch.neighbours = neighbours;
}

fn ask_users(state: &State, history: &[ItemIdx], own: Option<UserIdx>, scratch: &mut Scratch) {
    let mut nearby = std::mem::take(&mut scratch.nearby);
    let nearest = nearby.find(state, history, own);
    // Their histories too.
    hint::black_box(nearest.iter().fold(0, |sum, &(_, user)| sum ^ state.users.ring(user).touch()));
    for &(similarity, user) in nearest {
        state
            .users
            .ring(user)
            .liked()
            .take(user_knn::VISITS_ASKED)
            .for_each(|item| scratch.row(item)[USER_KNN] += similarity);
    }
    scratch.nearby = nearby;
}

/// Takes the second step where the first found little, to items that it did not find.
fn walk_on(state: &State, history: &[ItemIdx], scratch: &mut Scratch) {
    let reached = scratch.items.len();
    if reached > walk::FIRST_MAX {
        return;
    }
    let mut first = std::mem::take(&mut scratch.first);
    first.clear();
    for (&item, row) in scratch.items.iter().zip(&scratch.rows) {
        let rarity = item_cosine::factor(state.items.reach()[item.at()].users);
        first.push((row.0[COOCCURRENCE] * rarity * rarity, item));
    }
    first.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut neighbours = std::mem::take(&mut scratch.neighbours);
    let mut left = walk::PAIRS_MAX;
    for &(strength, item) in first.iter().take_while(|&&(strength, _)| strength > 0.0) {
        let Some(rest) = left.checked_sub(state.pairs.degree(item)) else { break };
        left = rest;
        state.pairs.columns(item, &mut neighbours.columns);
        let weights = &mut neighbours.columns.weights;
        weights.iter_mut().for_each(|weight| *weight = strength * cooccurrence::value(*weight));
        scratch.add::<WALK, 1>(&neighbours.columns.items, weights.as_chunks().0);
    }
    scratch.neighbours = neighbours;
    scratch.first = first;
    scratch.rows[..reached].iter_mut().for_each(|row| row.0[WALK] = 0.0);
    for &item in history {
        if let Some(place) = scratch.find(item) {
            scratch.rows[place].0[WALK] = 0.0;
        }
    }
}
