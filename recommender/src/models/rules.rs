//! Directed rules: what comes after what, Σ_k 0.3^k · f(h_k, x) / n_h, with f = Σ 1/d over the times x came after.
//!
//! Sequential rules as in Ludewig & Jannach, Evaluation of Session-based Recommendation Algorithms, UMUAI 2018,
//! with the history's items weighted by recency instead of the last one alone.

use crate::cooccurrence::counts::UNIT;
use crate::math::greater;

pub(crate) const NAME: &str = "rules";
pub(crate) const DECAY: f32 = 0.3;

/// The factor of an item of the history that `users` came to.
pub(crate) fn factor(users: f32) -> f32 {
    1.0 / greater(users, 1.0)
}

/// What a pair of this weight in one direction, in units, says.
pub(crate) fn value(forward: f32) -> f32 {
    forward / UNIT
}
