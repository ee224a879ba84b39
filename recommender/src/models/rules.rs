//! Directed rules: what comes after what, Σ_k 0.3^k · f(h_k, x) / n_h, with f = Σ 1/d over the times x came after.
//!
//! Sequential rules as in Ludewig & Jannach, Evaluation of Session-based Recommendation Algorithms, UMUAI 2018,
//! with the history's items weighted by recency instead of the last one alone.

use crate::cooccurrence::Pair;
use crate::cooccurrence::counts::UNIT;

pub(crate) const NAME: &str = "rules";
pub(crate) const DECAY: f32 = 0.3;

/// The factor of an item of the history that `users` came to.
pub(crate) fn factor(users: u32) -> f32 {
    1.0 / users.max(1) as f32
}

/// What the pair says.
pub(crate) fn value(pair: &Pair) -> f32 {
    pair.forward as f32 / UNIT
}
