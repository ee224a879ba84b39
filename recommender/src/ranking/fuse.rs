//! Many scores of a candidate into one, by weights learnt online.
//!
//! The fusion is a conditional logit: the chance that the user takes candidate x out of the candidates is
//!
//! ```text
//! P(x) = e^{s(x)} / Σ_y e^{s(y)}        s(x) = Σ_f θ_f · φ_f(x)
//! ```
//!
//! | features φ | made of |
//! |---|---|
//! | share | a personal model's score, divided by its greatest among the candidates |
//! | log share | 1 + ln(share) / 9.2, at least 0 |
//! | popularity, log popularity | the same of each half-life's decayed sum, relative to the hottest item |
//! | share, log share | the same of each model with memory of its own that is on |
//! | seen, recent, last | whether the history has the item, 0.8^k if it stands k places back, and whether it is the latest |
//!
//! A like is a lesson (every one at first, fewer later): before it is learnt, the candidates for that user are ranked, and θ moves along the
//! gradient φ(taken) − Σ_x P(x)·φ(x), by steps that shrink per feature (AdaGrad). So what counts is which sources'
//! items are taken, on this very log; half-lives need no choosing, because each is a feature of its own. Weights
//! are the sum of a common set and one by length of history, so that a new user's may differ.
//!
//! Items the user acted on at the very same time are left out of the lesson: lines of one invoice give each other
//! away.
//!
//! # Source
//! McFadden, Conditional logit analysis of qualitative choice behavior, 1974. Duchi, Hazan, Singer, Adaptive
//! subgradient methods, JMLR 2011, figure 1.

use super::candidates::{LOG_MIN, Lanes, Scratch, Sketch};
use super::trial::{self, Trial};
use crate::hot::LIVES;
use crate::ids::ItemIdx;
use crate::math::{self, exp, greater, ln};
use crate::models::set::Models;
use crate::models::{COLUMNS, OPTIONAL, OPTIONALS, PERSONAL, column_name, column_of, optional_of};
use crate::state::State;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// By what candidates are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModelChoice {
    /// By one model.
    Column(usize),
    /// By one model with memory of its own, by place among them.
    Optional(usize),
    /// By all.
    Fused,
}

impl ModelChoice {
    /// The choice of a name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        if name == "fused" {
            return Some(Self::Fused);
        }
        column_of(name).map(Self::Column).or_else(|| optional_of(name).map(Self::Optional))
    }
}

const LOGS: usize = PERSONAL;
const POPULAR: usize = LOGS + PERSONAL;
const POPULAR_SHARE: usize = POPULAR + LIVES;
const SEEN: usize = POPULAR_SHARE + LIVES;
const RECENT: usize = SEEN + 1;
const LAST: usize = RECENT + 1;
/// The first of the models with memory of their own: share and log share of each column of the fusion.
const OWN: usize = LAST + 1;
const FEATURES: usize = OWN + 2 * OPTIONALS;

/// The part that each model has in a score: models of counts, popularity, those with memory of their own.
pub(crate) type Parts = [f32; COLUMNS + OPTIONALS];

/// Sets of weights beside the common one, by length of history.
const CONTEXTS: usize = 5;

/// How far the history's own items are told apart by recency.
const RECENT_DECAY: f32 = 0.8;

/// The first step of a weight.
const RATE: f32 = 0.2;

/// After this many likes, lessons become rarer: see [`lesson_every`].
const LESSONS_DENSE: u64 = 16_384;

/// In the long run one like in this many is a lesson.
const LESSON_EVERY_MAX: u64 = 256;

type Weights = [f32; FEATURES];

/// The learnt weights.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fusion {
    /// Common weights, then those of each context.
    weights: [Weights; 1 + CONTEXTS],
    /// Sums of squared gradients.
    squares: [Weights; 1 + CONTEXTS],
    /// Likes seen.
    likes: u64,
    /// The like that is the next lesson.
    next_lesson: u64,
}

impl Default for Fusion {
    fn default() -> Self {
        let mut weights = [[0.0; FEATURES]; 1 + CONTEXTS];
        weights[0][LOGS..POPULAR].fill(2.0);
        weights[0][POPULAR + 4] = 1.0;
        weights[0][POPULAR + 7] = 1.0;
        (0..OPTIONALS).for_each(|column| weights[0][OWN + 2 * column + 1] = 2.0);
        Self { weights, squares: [[1e-2; FEATURES]; 1 + CONTEXTS], likes: 0, next_lesson: 0 }
    }
}

impl Fusion {
    /// Counts a like, and says whether to learn from it.
    pub(crate) fn is_lesson(&mut self) -> bool {
        let like = self.likes;
        self.likes += 1;
        if like < self.next_lesson {
            return false;
        }
        self.next_lesson = like + lesson_every(like);
        true
    }

    /// The weights in short, for a history of this length.
    pub(crate) fn sketch(&self, history: usize) -> Sketch {
        let weights = self.total(history);
        Sketch {
            shares: lanes(&weights[..LOGS]),
            log: -weights[LOGS..POPULAR].iter().sum::<f32>() / LOG_MIN,
            popular: std::array::from_fn(|life| -weights[POPULAR + life] / LOG_MIN),
        }
    }

    /// Turns the gathered scores into features.
    fn prepare(state: &State, scratch: &mut Scratch) {
        let count = scratch.items.len();
        let own = scratch.optional.len() / count.max(1);
        scratch.features.resize((OWN + 2 * own) * count, 0.0);
        for column in 0..own {
            let said = &scratch.optional[column * count..(column + 1) * count];
            let (shares, logs) = two(&mut scratch.features, count, OWN + 2 * column, OWN + 2 * column + 1);
            shares.copy_from_slice(said);
            for (log, share) in logs.iter_mut().zip(said) {
                *log = log_feature(ln(greater(*share, f32::MIN_POSITIVE)));
            }
        }
        for column in 0..PERSONAL {
            let (shares, logs) = two(&mut scratch.features, count, column, LOGS + column);
            let scale = scratch.scale[column];
            if scale == 0.0 {
                shares.fill(0.0);
                logs.fill(log_feature(LOG_MIN));
                continue;
            }
            shares.iter_mut().zip(&scratch.rows).for_each(|(share, row)| *share = row.0[column] * scale);
            for (log, share) in logs.iter_mut().zip(shares) {
                *log = log_feature(ln(greater(*share, f32::MIN_POSITIVE)));
            }
        }
        let greatest = state.hot.greatest_logs();
        for (place, &item) in scratch.items.iter().enumerate() {
            let logs = state.hot.logs(item);
            for life in 0..LIVES {
                scratch.features[(POPULAR + life) * count + place] = logs[life] - greatest[life];
            }
        }
        for life in 0..LIVES {
            let (logs, shares) = two(&mut scratch.features, count, POPULAR + life, POPULAR_SHARE + life);
            for (share, log) in shares.iter_mut().zip(&mut *logs) {
                *share = exp(*log);
                *log = log_feature(*log);
            }
            if scratch.off[PERSONAL + life] {
                shares.fill(0.0);
                logs.fill(0.0);
            }
        }
        scratch.features[SEEN * count..(LAST + 1) * count].fill(0.0);
        let mut recency = 1.0;
        for back in 0..scratch.history.len() {
            if let Some(place) = scratch.find(scratch.history[back]) {
                scratch.features[SEEN * count + place] = 1.0;
                scratch.features[RECENT * count + place] = recency;
                scratch.features[LAST * count + place] = f32::from(u8::from(back == 0));
            }
            recency *= RECENT_DECAY;
        }
    }

    /// Fills the scores of gathered candidates by one model or by all.
    pub(crate) fn score(&self, state: &State, choice: ModelChoice, scratch: &mut Scratch) {
        if !matches!(choice, ModelChoice::Optional(_)) {
            scratch.scores.clear();
        }
        match choice {
            ModelChoice::Column(column) if column < PERSONAL => {
                let rows = scratch.items.iter().zip(&scratch.rows);
                scratch.scores.extend(rows.map(|(_, row)| row.0[column]));
            }
            ModelChoice::Column(column) => {
                let life = column - PERSONAL;
                let greatest = state.hot.greatest_logs()[life];
                let share = |&item: &ItemIdx| exp(state.hot.logs(item)[life] - greatest);
                scratch.scores.extend(scratch.items.iter().map(share));
            }
            // What was gathered are scores already.
            ModelChoice::Optional(_) => {}
            ModelChoice::Fused => {
                Self::prepare(state, scratch);
                self.score_prepared(scratch);
            }
        }
    }

    fn score_prepared(&self, scratch: &mut Scratch) {
        let count = scratch.items.len();
        scratch.scores.clear();
        scratch.scores.resize(count, 0.0);
        let weights = self.total(scratch.history.len());
        for (weight, feature) in weights.iter().zip(scratch.features.chunks_exact(count.max(1))) {
            for (score, value) in scratch.scores.iter_mut().zip(feature) {
                *score += weight * value;
            }
        }
        to_chances(&mut scratch.scores);
    }

    /// Learns that `taken` was taken out of the gathered candidates, of which those `passed` do not count. Returns whose
    /// lists had it.
    pub(crate) fn learn(
        &mut self,
        state: &State,
        models: &Models,
        scratch: &mut Scratch,
        taken: ItemIdx,
        passed: &[ItemIdx],
    ) -> Trial {
        let Some(taken) = scratch.find(taken) else { return Self::trial(models, |_| false) };
        let count = scratch.items.len();
        self.score(state, ModelChoice::Fused, scratch);
        for &item in passed {
            if let Some(place) = scratch.find(item).filter(|&place| place != taken) {
                scratch.scores[place] = 0.0;
            }
        }
        let trial = Self::trial(models, |feature| {
            let column = feature.map(|feature| &scratch.features[feature * count..(feature + 1) * count]);
            trial::is_listed(column.unwrap_or(&scratch.scores), &scratch.scores, &scratch.items, taken)
        });
        let kept: f32 = scratch.scores.iter().sum();
        let context = 1 + context(scratch.history.len());
        for f in 0..scratch.features.len() / count {
            let feature = &scratch.features[f * count..(f + 1) * count];
            let gradient = feature[taken] - math::dot_all(feature, &scratch.scores) / kept;
            for set in [0, context] {
                self.squares[set][f] += gradient * gradient;
                self.weights[set][f] += RATE * gradient / self.squares[set][f].sqrt();
            }
        }
        trial
    }

    /// Asks of each model that is part of this whether its list had the item, by the feature that ranks as it does; of all
    /// together by none.
    fn trial(models: &Models, is_listed: impl Fn(Option<usize>) -> bool) -> Trial {
        let mut trial = Trial::default();
        for column in 0..COLUMNS {
            let feature = column.checked_sub(PERSONAL).map_or(column, |life| POPULAR_SHARE + life);
            trial.note(column, is_listed(Some(feature)));
        }
        for column in 0..models.fused() {
            trial.note(COLUMNS + models.place_of(column), is_listed(Some(OWN + 2 * column)));
        }
        trial.note_fused(is_listed(None));
        trial
    }

    /// The part each model has in the score of a scored candidate.
    pub(crate) fn parts(
        &self,
        choice: ModelChoice,
        models: &Models,
        scratch: &Scratch,
        place: usize,
    ) -> Parts {
        let count = scratch.items.len();
        let weights = self.total(scratch.history.len());
        let part = |feature: usize| weights[feature] * scratch.features[feature * count + place];
        let mut parts = [0.0; COLUMNS + OPTIONALS];
        match choice {
            ModelChoice::Column(only) => parts[only] = scratch.scores[place],
            ModelChoice::Optional(only) => parts[COLUMNS + only] = scratch.scores[place],
            ModelChoice::Fused => {
                for (column, sum) in parts[..COLUMNS].iter_mut().enumerate() {
                    *sum = match column.checked_sub(PERSONAL) {
                        Some(life) => part(POPULAR + life) + part(POPULAR_SHARE + life),
                        None => part(column) + part(LOGS + column),
                    };
                }
                for column in 0..models.fused() {
                    parts[COLUMNS + models.place_of(column)] =
                        part(OWN + 2 * column) + part(OWN + 2 * column + 1);
                }
            }
        }
        parts
    }

    /// The weight of each model for a user with some history.
    pub(crate) fn report(&self, models: &Models) -> Vec<(&'static str, f64)> {
        let weights = self.total(usize::MAX);
        let weight = |column: usize| match column.checked_sub(PERSONAL) {
            Some(life) => weights[POPULAR + life] + weights[POPULAR_SHARE + life],
            None => weights[column] + weights[LOGS + column],
        };
        let own = |column: usize| {
            let weight = weights[OWN + 2 * column] + weights[OWN + 2 * column + 1];
            (OPTIONAL[models.place_of(column)].name, f64::from(weight))
        };
        let on = (0..COLUMNS).filter(|&column| !models.off()[column]);
        let counted = on.map(|column| (column_name(column), f64::from(weight(column))));
        counted.chain((0..models.fused()).map(own)).collect()
    }

    /// The half-life that predicts best what users without a history take.
    pub(crate) fn best_life(&self) -> usize {
        let weights = self.total(0);
        let weight = |life: usize| weights[POPULAR + life] + weights[POPULAR_SHARE + life];
        (0..LIVES).fold(0, |best, life| if weight(life) > weight(best) { life } else { best })
    }

    fn total(&self, history: usize) -> Weights {
        let own = &self.weights[1 + context(history)];
        std::array::from_fn(|feature| self.weights[0][feature] + own[feature])
    }
}

/// One in how many likes is a lesson, after so many.
///
/// A lesson costs as much as an answer, some forty times what counting costs. So while little is known every like is
/// one, then one in 1 + n with n = likes/[`LESSONS_DENSE`]; from a quarter of a million likes on, when a hundredth more
/// lessons change little, one in n²/16, until at a million it is one in [`LESSON_EVERY_MAX`] and lessons take about a
/// sixth of the time.
fn lesson_every(likes: u64) -> u64 {
    let n = (likes / LESSONS_DENSE).min(LESSON_EVERY_MAX);
    (1 + n).max(n * n / 16).min(LESSON_EVERY_MAX)
}

fn context(history: usize) -> usize {
    match history {
        0 => 0,
        1 => 1,
        2..=4 => 2,
        5..=14 => 3,
        _ => 4,
    }
}

/// The weights of the models that go by the history, one to a lane.
fn lanes(weights: &[f32]) -> Lanes {
    std::array::from_fn(|lane| weights.get(lane).copied().unwrap_or(0.0))
}

fn log_feature(log: f32) -> f32 {
    1.0 - greater(log, LOG_MIN) / LOG_MIN
}

/// Two features at once, the first standing before the second.
fn two(features: &mut [f32], count: usize, first: usize, second: usize) -> (&mut [f32], &mut [f32]) {
    let (head, tail) = features.split_at_mut(second * count);
    (&mut head[first * count..(first + 1) * count], &mut tail[..count])
}

/// Turns scores into chances relative to the likeliest candidate, which gets 1.
fn to_chances(scores: &mut [f32]) {
    let most = scores.iter().fold(f32::MIN, |most, &score| most.max(score));
    scores.iter_mut().for_each(|score| *score = exp(*score - most));
}

impl Snapshot for Fusion {
    fn save(&self, out: &mut Writer) {
        self.weights.iter().chain(&self.squares).flatten().for_each(|&value| out.f32(value));
        out.u64(self.likes);
        out.u64(self.next_lesson);
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut fusion = Self::default();
        for value in fusion.weights.iter_mut().chain(&mut fusion.squares).flatten() {
            *value = input.f32()?;
        }
        fusion.likes = input.u64()?;
        fusion.next_lesson = input.u64()?;
        Ok(fusion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lessons_become_rarer_and_never_denser() {
        let every = |thousands: u64| lesson_every(thousands * 1024);
        assert_eq!([0, 15, 16, 32, 256, 512, 1024, 4096].map(every), [1, 1, 2, 3, 17, 64, 256, 256]);
        assert!((0..2000).all(|n| every(n) <= every(n + 1)));
        assert_eq!(lesson_every(u64::MAX), LESSON_EVERY_MAX);
    }
}
