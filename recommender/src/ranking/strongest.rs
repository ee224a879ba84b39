//! Of thousands of candidates, the few hundred that the history and the times speak for most.
//!
//! All that follows costs a fraction then. How strong a candidate is, is told by a [`Sketch`] of the fusion: the shares of each
//! model, the logarithm of their sum, and popularity. What is worth showing is far within those kept.
//!
//! Everything goes in passes over all candidates, each of a few operations: a processor does several at a time then.

use std::{array, hint};

use super::candidates::{LANES, LOG_MIN, Lanes, Row, Scratch, Sketch};
use crate::hot::Logs;
use crate::ids::ItemIdx;
use crate::math::{self, greater};
use crate::models::{COOCCURRENCE, COSINE, PERSONAL, WALK, item_cosine};
use crate::state::State;

/// How many of those that the history speaks for become candidates: the strongest.
const KEPT: usize = 400;

/// So many places of memory are asked for together.
const TOUCHED: usize = 64;

/// Reusable memory, each in the order of the candidates.
#[derive(Debug, Default)]
pub(super) struct Strongest {
    /// 1/√users.
    rarities: Vec<f32>,
    /// The sums of shares.
    together: Vec<f32>,
    /// Where the scores lie between the least and the greatest.
    buckets: Vec<u32>,
    /// The places of those that are kept, and behind them room.
    kept: Vec<u32>,
}

impl Scratch {
    /// Completes the scores of pairs by what depends on the candidate alone, and finds each model's greatest.
    pub(super) fn finish(&mut self, state: &State) {
        let rarities = &mut self.strongest.rarities;
        rarities.clear();
        rarities.extend(self.items.iter().map(|item| state.items.reach()[item.at()].users));
        rarities.iter_mut().for_each(|users| *users = item_cosine::factor(*users));
        // Not told what it is, the compiler multiplies all lanes alike, which is faster than to leave some out.
        let mut factors = [hint::black_box(1.0); LANES];
        let mut greatest = Lanes::default();
        for (&rarity, row) in rarities.iter().zip(&mut self.rows) {
            [COSINE, COOCCURRENCE, WALK].into_iter().for_each(|column| factors[column] = rarity);
            row.0 = array::from_fn(|lane| row.0[lane] * factors[lane]);
            greatest = array::from_fn(|lane| greater(row.0[lane], greatest[lane]));
        }
        self.scale = greatest.map(|most| if most > 0.0 { 1.0 / most } else { 0.0 });
        self.scale.iter_mut().zip(&self.off).filter(|(_, off)| **off).for_each(|(scale, _)| *scale = 0.0);
    }

    /// Keeps the [`KEPT`] strongest candidates, or a few more.
    pub(super) fn keep_strongest(&mut self, state: &State, sketch: &Sketch) {
        let count = self.items.len();
        if count <= KEPT {
            return;
        }
        self.sketch_history(sketch);
        self.sketch_popularity(state, sketch);
        let Strongest { buckets, kept, .. } = &mut self.strongest;
        let least = least_of_best(&self.scores, KEPT, buckets);
        let kept = keep_places(buckets, least, kept);
        self.items.iter().for_each(|item| self.places[item.at()] = 0);
        for (to, &from) in kept.iter().enumerate() {
            let item = self.items[from as usize];
            self.items[to] = item;
            self.rows[to] = self.rows[from as usize];
            self.places[item.at()] = to as u32 + 1;
        }
        self.items.truncate(kept.len());
        self.rows[kept.len()..count].fill(Row::default());
    }

    /// Fills the scores with what the history says.
    fn sketch_history(&mut self, sketch: &Sketch) {
        let scale = self.scale;
        let weights: Lanes = array::from_fn(|lane| scale[lane] * sketch.shares[lane]);
        let together = &mut self.strongest.together;
        self.scores.resize(self.items.len(), 0.0);
        together.resize(self.items.len(), 0.0);
        for ((row, score), together) in self.rows.iter().zip(&mut self.scores).zip(&mut *together) {
            *score = math::dot(&row.0, &weights);
            *together = math::dot(&row.0, &scale);
        }
        for (score, &together) in self.scores.iter_mut().zip(&*together) {
            *score += sketch.log * math::ln(greater(together, f32::MIN_POSITIVE));
        }
    }

    /// Adds to the scores how popular the candidates are.
    fn sketch_popularity(&mut self, state: &State, sketch: &Sketch) {
        let greatest = state.hot.greatest_logs();
        let is_off = |life: usize| self.off[PERSONAL + life];
        let popular: Logs = array::from_fn(|life| if is_off(life) { 0.0 } else { sketch.popular[life] });
        let in_four = |item: ItemIdx| {
            let logs = state.hot.logs(item);
            let shares: Logs = array::from_fn(|life| greater(logs[life] - greatest[life], LOG_MIN));
            math::dot_in_four(&shares, &popular)
        };
        let mut parts = [[0.0; 4]; TOUCHED];
        for (scores, items) in self.scores.chunks_mut(TOUCHED).zip(self.items.chunks(TOUCHED)) {
            // They lie all over memory: asking for all first lets the processor wait for all at once.
            hint::black_box(items.iter().fold(0, |sum, &item| sum ^ state.hot.logs(item)[0].to_bits()));
            parts.iter_mut().zip(items).for_each(|(part, &item)| *part = in_four(item));
            scores.iter_mut().zip(&parts).for_each(|(score, part)| *score += math::sum(part));
        }
    }
}

/// Into how many buckets scores are sorted.
const BUCKETS: usize = 1024;

/// Which scores are among the best, `count` or a few more: those whose bucket is at least this one. `buckets`: filled with that
/// of each. All count that reach as far as the last of them, to within a thousandth of the scores' spread; counting by buckets
/// is several times as fast as finding the bound exactly.
fn least_of_best(scores: &[f32], count: usize, buckets: &mut Vec<u32>) -> u32 {
    let (least, most) = math::bounds(scores);
    let scale = if most > least { BUCKETS as f32 / (most - least) } else { 0.0 };
    buckets.clear();
    buckets.extend(scores.iter().map(|&score| bucket((score - least) * scale)));
    let mut counts = [0u32; BUCKETS];
    buckets.iter().for_each(|&bucket| counts[bucket as usize % BUCKETS] += 1);
    let mut found = 0;
    let enough = counts.iter().rposition(|&here| {
        found += here as usize;
        found >= count
    });
    enough.unwrap_or(0) as u32
}

/// The whole part of a number that is not below 0, at most that of the last bucket.
fn bucket(number: f32) -> u32 {
    /// From here on there is no room for a fraction: adding this rounds, without a call or a branch.
    const WHOLE: f32 = 8_388_608.0;
    let last = (BUCKETS - 1) as f32;
    let number = if number < last { number } else { last };
    let rounded = number + WHOLE;
    rounded.to_bits() - WHOLE.to_bits() - u32::from(rounded - WHOLE > number)
}

/// The places whose bucket is at least `least`, in the memory of `kept`.
fn keep_places<'a>(buckets: &[u32], least: u32, kept: &'a mut Vec<u32>) -> &'a [u32] {
    if kept.len() <= buckets.len() {
        kept.resize(buckets.len() + 1, 0);
    }
    let mut count = 0;
    for (place, &bucket) in (0..).zip(buckets) {
        // Written whether it is kept or not: which one it is nobody could predict.
        kept[count] = place;
        count += usize::from(bucket >= least);
    }
    &kept[..count]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_those_of_a_sort_and_few_more() {
        for (spread, count) in [(1.0, 1), (1.0, 400), (1e-20, 37), (3e20, 999), (0.0, 5)] {
            let scores: Vec<f32> =
                (0..1000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 8) as f32 * spread - 7.0).collect();
            let (mut buckets, mut kept) = (Vec::new(), Vec::new());
            let least = least_of_best(&scores, count, &mut buckets);
            let kept = keep_places(&buckets, least, &mut kept);
            let mut sorted = scores.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let is_kept = |place: usize| kept.binary_search(&(place as u32)).is_ok();
            let is_best = |place: usize| scores[place] >= sorted[count - 1];
            assert!((0..1000).all(|place| is_kept(place) || !is_best(place)), "{spread} {count}");
            let alike = sorted[0] == sorted[999];
            assert!(alike || kept.len() < count + 20, "{spread} {count}: {}", kept.len());
        }
    }

    #[test]
    fn buckets_are_whole_parts() {
        for (number, whole) in
            [(0.0, 0), (0.999, 0), (1.0, 1), (1.5, 1), (2.5, 2), (1022.999, 1022), (1e9, 1023)]
        {
            assert_eq!(bucket(number), whole, "{number}");
        }
        assert!(
            (0..10_000u16).all(|n| bucket(f32::from(n) / 7.0) == (f32::from(n) / 7.0) as u32 || n >= 7161)
        );
    }
}
