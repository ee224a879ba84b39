//! Item-item cosine over who came to what: Σ_j 0.9^k · c_ij / √(n_i·n_j).
//!
//! Sarwar et al., WWW 2001, on binary data; the recency weight is ours.

use super::{PairModel, Seen};

pub(crate) struct ItemCosine;

impl PairModel for ItemCosine {
    fn name(&self) -> &'static str {
        "item-cosine"
    }

    fn value(&self, seen: Seen<'_>) -> f32 {
        seen.pair.count as f32 / (seen.first * seen.second).sqrt().max(1.0)
    }

    fn decay(&self, back: usize) -> f32 {
        0.9f32.powi(back as i32)
    }

    fn reason(&self) -> &'static str {
        "liked by the same people"
    }
}
