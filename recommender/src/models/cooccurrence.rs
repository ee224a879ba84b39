//! Closeness in histories: Σ_j 0.9^k · w_ij / √(n_i·n_j), with w_ij = Σ 1/√d.

use super::{PairModel, Seen};
use crate::cooccurrence::counts::UNIT;

pub(crate) struct Cooccurrence;

impl PairModel for Cooccurrence {
    fn name(&self) -> &'static str {
        "co-occurrence"
    }

    fn value(&self, seen: Seen<'_>) -> f32 {
        seen.pair.weight as f32 / UNIT / (seen.first * seen.second).sqrt().max(1.0)
    }

    fn decay(&self, back: usize) -> f32 {
        0.9f32.powi(back as i32)
    }

    fn reason(&self) -> &'static str {
        "often taken close together"
    }
}
