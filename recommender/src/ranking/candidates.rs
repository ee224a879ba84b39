//! Candidates for a history, with every model's score of each.
//!
//! One walk over the rows of the history's items feeds all pair models; the nearest users' items, what is two steps
//! away and the hottest items of each half-life join them. The table is dense over items and reused between requests:
//! nothing is cleared but what was touched.

use std::hint;

use crate::cooccurrence::{Pair, Pairs};
use crate::hot::{LIVES, Logs};
use crate::ids::{ItemIdx, UserIdx};
use crate::math;
use crate::models::set::{Models, Off};
use crate::models::user_knn::{self, Nearby};
use crate::models::{COOCCURRENCE, COSINE, LLR, PERSONAL, Question, RULES, Scored, USER_KNN, WALK};
use crate::models::{cooccurrence, item_cosine, llr, rules, walk};
use crate::state::State;

/// How far back the history is asked.
pub(crate) const HISTORY_ASKED: usize = 50;

/// How many of the hottest items of each half-life become candidates.
const HOT_ASKED: usize = 40;

/// How many of those that the history speaks for become candidates: the strongest.
const PERSONAL_MAX: usize = 400;

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
    /// Their scores by model, in the order of `items`.
    pub(crate) rows: Vec<Row>,
    /// What the fusion makes of the scores: feature by feature, each in the order of `items`.
    pub(crate) features: Vec<f32>,
    /// The final score of each candidate, in the order of `items`.
    pub(crate) scores: Vec<f32>,
    /// Scores and items packed for ranking.
    pub(crate) keys: Vec<u64>,
    /// Position in `items` plus one, by item; 0 for those that are no candidates.
    places: Vec<u32>,
    /// What the models with memory of their own say, each sorted best first; by column of the fusion.
    scored: Vec<Scored>,
    /// The same as shares of each one's greatest: column by column, each in the order of `items`.
    pub(crate) optional: Vec<f32>,
    pub(crate) nearby: Nearby,
    /// What the first step found, with its strength: where the second starts.
    first: Vec<(f32, ItemIdx)>,
    /// The sum of each candidate's shares.
    together: Vec<f32>,
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
        for item in self.items.drain(..) {
            self.places[item.at()] = 0;
        }
        self.rows.clear();
        if self.places.len() < items {
            self.places.resize(items, 0);
        }
    }

    /// Completes the scores of pairs by what depends on the candidate alone, and finds each model's greatest.
    fn finish(&mut self, state: &State) {
        let mut greatest = Lanes::default();
        for (&item, row) in self.items.iter().zip(&mut self.rows) {
            let rarity = state.items.reach(item).rarity;
            row.0[COSINE] *= rarity;
            row.0[COOCCURRENCE] *= rarity;
            row.0[WALK] *= rarity;
            for (most, &value) in greatest.iter_mut().zip(&row.0) {
                *most = if value > *most { value } else { *most };
            }
        }
        self.scale = greatest.map(|most| if most > 0.0 { 1.0 / most } else { 0.0 });
        self.scale.iter_mut().zip(&self.off).filter(|(_, off)| **off).for_each(|(scale, _)| *scale = 0.0);
    }

    /// Keeps the [`PERSONAL_MAX`] strongest candidates: all that follows costs a fraction, and what is worth showing
    /// is far within them.
    fn keep_strongest(&mut self, state: &State, sketch: &Sketch) {
        if self.items.len() <= PERSONAL_MAX {
            return;
        }
        let log_greatest = state.hot.greatest_logs();
        let scale = self.scale;
        let weights: Lanes = std::array::from_fn(|lane| scale[lane] * sketch.shares[lane]);
        let is_off = |life: usize| self.off[PERSONAL + life];
        let popular: Logs = std::array::from_fn(|life| if is_off(life) { 0.0 } else { sketch.popular[life] });
        self.scores.resize(self.rows.len(), 0.0);
        self.together.resize(self.rows.len(), 0.0);
        for ((row, score), together) in self.rows.iter().zip(&mut self.scores).zip(&mut self.together) {
            *score = math::dot(&row.0, &weights);
            *together = math::dot(&row.0, &scale).max(f32::MIN_POSITIVE);
        }
        // In passes, because logarithms side by side are taken several at a time.
        for (score, &together) in self.scores.iter_mut().zip(&self.together) {
            *score += sketch.log * math::ln(together);
        }
        for (score, &item) in self.scores.iter_mut().zip(&self.items) {
            let logs = state.hot.logs(item);
            let shares: Logs = std::array::from_fn(|life| (logs[life] - log_greatest[life]).max(LOG_MIN));
            *score += math::dot(&shares, &popular);
        }
        let best = Best::of(&self.scores, PERSONAL_MAX);
        let mut kept = 0;
        for place in 0..self.items.len() {
            // Written whether it is kept or not: which one it is nobody could predict.
            let (item, keep) = (self.items[place], best.has(self.scores[place]));
            self.items[kept] = item;
            self.rows[kept] = self.rows[place];
            kept += usize::from(keep);
            self.places[item.at()] = if keep { kept as u32 } else { 0 };
        }
        self.items.truncate(kept);
        self.rows.truncate(kept);
    }

    /// Adds what is said of each neighbour to its scores.
    fn add_rows(&mut self, pairs: &Pairs, own: ItemIdx, said: impl Fn(&Pair) -> Lanes) {
        // Room for all to be new, given back below, so that none needs a branch that nobody could predict.
        let mut next = self.items.len();
        let neighbours = pairs.degree(own);
        self.items.resize(next + neighbours, ItemIdx::default());
        self.rows.resize(next + neighbours, Row::default());
        pairs.each_neighbour(own, |pair| {
            let place = &mut self.places[pair.item.at()];
            self.items[next] = pair.item;
            next += usize::from(*place == 0);
            *place = if *place == 0 { next as u32 } else { *place };
            let row = &mut self.rows[*place as usize - 1].0;
            row.iter_mut().zip(said(&pair)).for_each(|(sum, value)| *sum += value);
        });
        self.items.truncate(next);
        self.rows.truncate(next);
    }

    fn row(&mut self, item: ItemIdx) -> &mut Lanes {
        let place = &mut self.places[item.at()];
        if *place == 0 {
            self.items.push(item);
            self.rows.push(Row::default());
            *place = self.items.len() as u32;
        }
        &mut self.rows[*place as usize - 1].0
    }
}

/// Which scores are among the best: all from a bound on that so many reach, to within a thousandth of the scores'
/// spread. Counting by buckets is several times as fast as finding the bound exactly.
struct Best {
    least: f32,
    /// Buckets to one unit of score.
    scale: f32,
    from: usize,
}

impl Best {
    const BUCKETS: usize = 1024;

    /// The best of `scores`, `count` or a few more.
    fn of(scores: &[f32], count: usize) -> Self {
        let (least, most) = math::bounds(scores);
        let scale = if most > least { Self::BUCKETS as f32 / (most - least) } else { 0.0 };
        let mut best = Self { least, scale, from: 0 };
        let mut counts = [0u32; Self::BUCKETS];
        scores.iter().for_each(|&score| counts[best.bucket(score)] += 1);
        let mut found = 0;
        let enough = counts.iter().rposition(|&here| {
            found += here as usize;
            found >= count
        });
        best.from = enough.unwrap_or(0);
        best
    }

    fn has(&self, score: f32) -> bool {
        self.bucket(score) >= self.from
    }

    fn bucket(&self, score: f32) -> usize {
        (((score - self.least) * self.scale) as i32 as usize).min(Self::BUCKETS - 1)
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

fn walk_rows(state: &State, history: &[ItemIdx], scratch: &mut Scratch) {
    let total = state.users.with_likes().max(1);
    let (log_total, total) = (llr::log_of(total), total as f32);
    let mut decays = [1.0f32; PERSONAL];
    let asked = || history.iter().take(HISTORY_ASKED);
    // Rows lie all over memory: asking for all of them first lets the processor wait for all at once.
    hint::black_box(asked().fold(0, |sum, &own| sum ^ state.pairs.touch(own)));
    for &own in asked() {
        let reach = state.items.reach(own);
        let cosine = decays[COSINE] * reach.rarity;
        let closeness = decays[COOCCURRENCE] * reach.rarity;
        let following = decays[RULES] * rules::factor(reach.users);
        let share = reach.users as f32 / total;
        let log_share = reach.log - log_total;
        scratch.add_rows(&state.pairs, own, |pair| {
            let other = state.items.reach(pair.item);
            let mut said = Lanes::default();
            said[COSINE] = cosine * item_cosine::value(pair);
            said[LLR] =
                decays[LLR] * llr::value(pair.count, share * other.users as f32, log_share + other.log);
            said[COOCCURRENCE] = closeness * cooccurrence::value(pair);
            said[RULES] = following * rules::value(pair);
            said
        });
        decays[COSINE] *= item_cosine::DECAY;
        decays[LLR] *= llr::DECAY;
        decays[COOCCURRENCE] *= cooccurrence::DECAY;
        decays[RULES] *= rules::DECAY;
    }
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
        let rarity = state.items.reach(item).rarity;
        first.push((row.0[COOCCURRENCE] * rarity * rarity, item));
    }
    first.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut left = walk::PAIRS_MAX;
    for &(strength, item) in first.iter().take_while(|&&(strength, _)| strength > 0.0) {
        let Some(rest) = left.checked_sub(state.pairs.degree(item)) else { break };
        left = rest;
        scratch.add_rows(&state.pairs, item, |pair| {
            let mut said = Lanes::default();
            said[WALK] = strength * cooccurrence::value(pair);
            said
        });
    }
    scratch.first = first;
    scratch.rows[..reached].iter_mut().for_each(|row| row.0[WALK] = 0.0);
    for &item in history {
        if let Some(place) = scratch.find(item) {
            scratch.rows[place].0[WALK] = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_those_of_a_sort_and_few_more() {
        for (spread, count) in [(1.0, 1), (1.0, 400), (1e-20, 37), (3e20, 999), (0.0, 5)] {
            let scores: Vec<f32> =
                (0..1000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 8) as f32 * spread - 7.0).collect();
            let best = Best::of(&scores, count);
            let mut sorted = scores.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            assert!(sorted[..count].iter().all(|&score| best.has(score)), "{spread} {count}");
            let kept = scores.iter().filter(|&&score| best.has(score)).count();
            let alike = sorted[0] == sorted[999];
            assert!(alike || kept < count + 20, "{spread} {count}: {kept}");
        }
    }
}
