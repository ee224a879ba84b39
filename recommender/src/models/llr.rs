//! Log-likelihood ratio: how surely two items go together, Σ_j 0.98^k · √G²(j, candidate).
//!
//! Dunning 1993. The root keeps one overwhelming pair from outvoting the whole history.

use super::{PairModel, Seen};

pub(crate) struct Llr;

impl PairModel for Llr {
    fn name(&self) -> &'static str {
        "llr"
    }

    fn value(&self, seen: Seen<'_>) -> f32 {
        let both = seen.pair.count;
        let margins = crate::cooccurrence::Margins {
            both,
            first: seen.first as u32,
            second: seen.second as u32,
            total: seen.total as u32,
        };
        margins.llr().max(0.0) as f32
    }

    fn decay(&self, back: usize) -> f32 {
        0.98f32.powi(back as i32)
    }

    fn reason(&self) -> &'static str {
        "goes together more often than chance"
    }
}
