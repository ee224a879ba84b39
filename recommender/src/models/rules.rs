//! Directed rules: what comes after what, Σ_j 0.8^k · Σ 1/d.
//!
//! Sequential rules as in Ludewig & Jannach, Evaluation of Session-based Recommendation Algorithms, 2018,
//! with the history's items weighted by recency instead of the last one alone.

use super::{PairModel, Seen};
use crate::cooccurrence::counts::UNIT;

pub(crate) struct Rules;

impl PairModel for Rules {
    fn name(&self) -> &'static str {
        "rules"
    }

    fn value(&self, seen: Seen<'_>) -> f32 {
        seen.pair.forward as f32 / UNIT / seen.first.max(1.0)
    }

    fn decay(&self, back: usize) -> f32 {
        0.8f32.powi(back as i32)
    }

    fn reason(&self) -> &'static str {
        "usually comes next"
    }
}
