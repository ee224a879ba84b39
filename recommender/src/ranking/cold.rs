//! Items nobody has come to yet: found by what they are, and let in among the others.
//!
//! Counts say nothing of a new item, and never will if nobody is shown it. If `content` is on, an item without users is
//! scored by its likeness to the history:
//!
//! ```text
//! s'(x) = max(s(x), share(x)·s_10)        share: its TF-IDF cosine, over the greatest of any item's
//! ```
//!
//! with s_10 the score of the tenth best candidate: what is most like the history comes in there, the rest below. So a
//! list of ten is not made of things unproven, and the first user who takes one ends its being new.

use super::candidates::Scratch;
use crate::models::content;
use crate::models::optional_of;
use crate::models::set::Models;
use crate::state::State;

/// Which of the best an unproven item may come up to.
const PLACE: usize = 10;

/// Lifts the scores of candidates nobody has come to.
pub(crate) fn lift(state: &State, models: &Models, scratch: &mut Scratch) {
    let content = optional_of(content::NAME);
    let Some(column) = (0..models.fused()).find(|&column| Some(models.place_of(column)) == content) else {
        return;
    };
    let count = scratch.items.len();
    if count < PLACE {
        return;
    }
    let mut best = scratch.scores.clone();
    let (_, &mut bar, _) = best.select_nth_unstable_by(PLACE - 1, |a, b| b.total_cmp(a));
    let shares = &scratch.optional[column * count..(column + 1) * count];
    for ((score, &item), share) in scratch.scores.iter_mut().zip(&scratch.items).zip(shares) {
        if state.items.users(item) == 0 {
            *score = score.max(share * bar);
        }
    }
}
