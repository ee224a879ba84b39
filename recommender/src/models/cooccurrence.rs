//! Closeness in histories: Σ_k 0.7^k · w(h_k, x) / √(n_h·n_x), with w = Σ 1/√d.

use crate::cooccurrence::Pair;
use crate::cooccurrence::counts::UNIT;

pub(crate) const NAME: &str = "co-occurrence";
pub(crate) const DECAY: f32 = 0.7;

/// What the pair says.
pub(crate) fn value(pair: &Pair) -> f32 {
    pair.weight as f32 / UNIT
}
