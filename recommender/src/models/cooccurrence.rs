//! Closeness in histories: Σ_k 0.7^k · w(h_k, x) / √(n_h·n_x), with w = Σ 1/√d.

use crate::cooccurrence::counts::UNIT;

pub(crate) const NAME: &str = "co-occurrence";
pub(crate) const DECAY: f32 = 0.7;

/// What a pair of this weight, in units, says.
pub(crate) fn value(weight: f32) -> f32 {
    weight / UNIT
}
