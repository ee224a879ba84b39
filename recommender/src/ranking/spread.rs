//! Lists with more than one kind of thing: at most so many of a category, and maximal marginal relevance.
//!
//! Both choose greedily from the best on, so a longer list begins with the shorter one.
//!
//! ```text
//! MMR: the next item is the one of greatest (1 − d)·score(x)/score(best) − d·max_{y chosen} cosine(x, y)
//! ```
//!
//! over the [`POOL`] best, cosine being that of the users who came to both; what comes behind them keeps its order. An
//! item of several categories counts in each, and is passed over once any of them is full.
//!
//! # Source
//! Carbonell & Goldstein, The use of MMR, diversity-based reranking for reordering documents and producing summaries,
//! SIGIR 1998.

use crate::cooccurrence::Margins;
use crate::ids::ItemIdx;
use crate::state::State;

/// How many of the best may change places.
const POOL: usize = 200;

/// Passes over items of categories that have `max` items in the list already. `ranked`: best first.
pub(crate) fn cap_categories(state: &State, ranked: &mut Vec<(f32, ItemIdx)>, max: usize) {
    let mut counts: Vec<(u32, usize)> = Vec::new();
    ranked.retain(|&(_, item)| {
        let own = state.items.attributes(item).map_or(&[][..], |attributes| &attributes.categories);
        let count = |number: &u32| counts.iter().find(|count| count.0 == *number).map_or(0, |count| count.1);
        if own.iter().any(|number| count(number) >= max) {
            return false;
        }
        for &number in own {
            match counts.iter_mut().find(|count| count.0 == number) {
                Some(count) => count.1 += 1,
                None => counts.push((number, 1)),
            }
        }
        true
    });
}

/// Reorders the first of `ranked`, best first, by MMR. `diversity`: d, 0 leaves all as it is, 1 looks at nothing but
/// difference. `needed`: how many places are asked for; those behind them may be left in any order.
pub(crate) fn diversify(state: &State, ranked: &mut [(f32, ItemIdx)], diversity: f32, needed: usize) {
    let count = ranked.len().min(POOL);
    let pool = &mut ranked[..count];
    let best = pool.first().map_or(1.0, |first| first.0);
    // The greatest likeness to anything chosen so far.
    let mut nearest = vec![0.0f32; count];
    for next in 0..count.min(needed) {
        let value = |place: usize| (1.0 - diversity) * pool[place].0 / best - diversity * nearest[place];
        let chosen = (next..count).fold(next, |chosen, place| {
            let better = value(place) > value(chosen);
            // Among equals the one ranked higher, which the rotation below keeps in front.
            if better { place } else { chosen }
        });
        pool[next..=chosen].rotate_right(1);
        nearest[next..=chosen].rotate_right(1);
        let item = pool[next].1;
        for place in next + 1..count {
            nearest[place] = nearest[place].max(cosine(state, item, pool[place].1));
        }
    }
}

fn cosine(state: &State, item: ItemIdx, other: ItemIdx) -> f32 {
    state.pairs.pair(item, other).map_or(0.0, |pair| {
        let (first, second) = (state.items.users(item), state.items.users(other));
        let margins = Margins { both: pair.count, first, second, total: state.users.with_likes() };
        margins.cosine() as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::entity::ItemEntity;

    /// Items 0 and 1 always come together, 2 alone; 0 and 1 are of one category, 2 of another and of the same.
    fn state() -> State {
        let mut state = State::default();
        for (id, categories) in [("a", vec!["x"]), ("b", vec!["x"]), ("c", vec!["y"]), ("d", vec!["x", "y"])]
        {
            let item = state.items.intern(id).unwrap();
            let categories = categories.into_iter().map(Into::into).collect();
            state.items.describe(item, &ItemEntity { categories, ..ItemEntity::default() }, 100);
            state.items.count_user(item);
        }
        state.pairs.learn(ItemIdx(1), &[ItemIdx(0)], true, 100);
        state
    }

    fn order(ranked: &[(f32, ItemIdx)]) -> Vec<u32> {
        ranked.iter().map(|place| place.1.0).collect()
    }

    #[test]
    fn the_like_of_what_is_chosen_waits() {
        let state = state();
        let ranked = [(1.0, ItemIdx(0)), (0.9, ItemIdx(1)), (0.3, ItemIdx(2))];
        let spread = |diversity, needed| {
            let mut ranked = ranked;
            diversify(&state, &mut ranked, diversity, needed);
            order(&ranked[..needed])
        };
        assert_eq!(spread(0.0, 3), [0, 1, 2]);
        // Item 1: .5·.9 − .5·1 = −.05, item 2: .5·.3 − 0 = .15.
        assert_eq!(spread(0.5, 3), [0, 2, 1]);
        assert_eq!(spread(0.5, 2), [0, 2], "a shorter list is the beginning of a longer one");
        diversify(&state, &mut [], 0.5, 3);
    }

    #[test]
    fn a_category_that_is_full_takes_no_more() {
        let state = state();
        let mut ranked: Vec<(f32, ItemIdx)> = (0..4).map(|n| (1.0, ItemIdx(n))).collect();
        cap_categories(&state, &mut ranked, 1);
        assert_eq!(order(&ranked), [0, 2]);
    }
}
