//! Exploration: now and then a place goes to a candidate that is not the best, and every place says how likely what
//! stands on it was.
//!
//! For each place k in turn, with M the candidates left, at most [`POOL`] of the best:
//!
//! ```text
//! with chance 1 − ε: the best of those left        with chance ε: any of the M alike
//! propensity = 1 − ε + ε/M for the best, ε/M for any other
//! ```
//!
//! That is the chance of the item on its place given the places before it: what inverse propensity scoring divides by.
//!
//! Chance comes from a seed, the answer's id if there is one, and from nothing else: the same answer asked for again,
//! or page by page, is the same; who is drawn does not depend on the order of the candidates, only on who they are.
//!
//! # Source
//! ε-greedy; logged propensities as in Bottou et al., Counterfactual reasoning and learning systems, JMLR 2013,
//! section 4.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::ids::ItemIdx;
use crate::models::random::{Random, mix};
use crate::state::items::Items;

/// How many of the best candidates a place may be given to.
pub(crate) const POOL: usize = 100;

/// How to explore.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Exploration {
    /// ε, above 0 and at most 1.
    pub(crate) share: f64,
    seed: u64,
}

impl Exploration {
    /// Exploration of an answer with this id. `None` if there is none.
    pub(crate) fn of(share: f64, id: &str) -> Option<Self> {
        (share > 0.0).then(|| Self { share: share.min(1.0), seed: xxh3_64(id.as_bytes()) })
    }

    /// Gives the first `count` places of `ranked`, best first, and says the propensity of each.
    ///
    /// `ranked` must go [`POOL`] places beyond those asked for, or be all there is.
    pub(crate) fn place(self, items: &Items, ranked: &mut [(f32, ItemIdx)], count: usize) -> Vec<f64> {
        let count = count.min(ranked.len());
        (0..count).map(|place| self.fill(items, &mut ranked[place..], place)).collect()
    }

    /// Gives one place to one of those `left`, moves it to the front and says its propensity.
    fn fill(self, items: &Items, left: &mut [(f32, ItemIdx)], place: usize) -> f64 {
        let pool = left.len().min(POOL);
        let mut chance = Random(self.seed ^ mix(place as u64 + 1));
        let explored = chance.unit() < self.share;
        let draw = chance.next();
        let drawn = |&(at, &(_, item)): &(usize, &(f32, ItemIdx))| {
            (xxh3_64_with_seed(items.id(item).as_bytes(), draw), at)
        };
        let any = || left[..pool].iter().enumerate().min_by_key(drawn).map_or(0, |(at, _)| at);
        let chosen = if explored { any() } else { 0 };
        left[..=chosen].rotate_right(1);
        let at_random = self.share / pool as f64;
        if chosen == 0 { 1.0 - self.share + at_random } else { at_random }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(count: u32) -> (Items, Vec<(f32, ItemIdx)>) {
        let mut items = Items::default();
        let place = |n: u32| (1.0 / (n + 1) as f32, items.intern(&format!("item-{n}")).unwrap());
        let ranked = (0..count).map(place).collect();
        (items, ranked)
    }

    #[test]
    fn what_is_shown_is_shown_as_often_as_its_propensity_says() {
        let (items, best) = items(5);
        let draws = 40_000;
        let mut shown = [[0u32; 5]; 2];
        // Σ of 1/propensity where an item is shown first: an estimate of the number of answers, for each item.
        let mut weighed = [0.0; 5];
        for answer in 0..draws {
            let mut ranked = best.clone();
            let exploration = Exploration::of(0.2, &format!("answer-{answer}")).unwrap();
            let propensities = exploration.place(&items, &mut ranked, 2);
            for (place, &(_, item)) in ranked[..2].iter().enumerate() {
                shown[place][item.at()] += 1;
            }
            weighed[ranked[0].1.at()] += 1.0 / propensities[0];
            let expected = if ranked[0].1.0 == 0 { 1.0 - 0.2 + 0.04 } else { 0.04 };
            assert!((propensities[0] - expected).abs() < 1e-12);
        }
        for (item, (&shown, weighed)) in shown[0].iter().zip(weighed).enumerate() {
            let expected = if item == 0 { 0.84 } else { 0.04 };
            let share = f64::from(shown) / f64::from(draws);
            assert!((share - expected).abs() < 0.01, "item {item} is first in {share} of the answers");
            assert!((weighed / f64::from(draws) - 1.0).abs() < 0.1, "item {item}: {weighed}");
        }
        // Second is the best left: 1 after 0 (.84 · .85 + …), or 0 after another.
        let second = f64::from(shown[1][1]) / f64::from(draws);
        assert!((second - (0.84 * (0.8 + 0.05) + 0.12 * 0.05)).abs() < 0.01, "{second}");
    }

    #[test]
    fn the_same_answer_is_the_same_and_a_longer_one_begins_like_it() {
        let (items, best) = items(300);
        let exploration = Exploration::of(0.5, "r1").unwrap();
        let mut long = best.clone();
        let propensities = exploration.place(&items, &mut long, 40);
        assert!(propensities.iter().any(|&p| p < 0.1), "something was explored");
        for count in [1, 10, 40] {
            let mut short = best[..(count + POOL).min(300)].to_vec();
            assert_eq!(exploration.place(&items, &mut short, count), propensities[..count]);
            assert_eq!(short[..count], long[..count]);
        }
        let mut other = best.clone();
        Exploration::of(0.5, "r2").unwrap().place(&items, &mut other, 40);
        assert_ne!(other[..40], long[..40]);
        assert_eq!(Exploration::of(0.0, "r1"), None);
        let mut few = best[..2].to_vec();
        assert_eq!(exploration.place(&items, &mut few, 9).len(), 2);
        assert_eq!(exploration.place(&items, &mut [], 9), [0.0; 0]);
    }
}
