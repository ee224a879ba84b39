//! How surely items go together: Σ_k 0.98^k · √G²(h_k, x), the root keeping one overwhelming pair from outvoting
//! the whole history.
//!
//! Dunning 1993. In the inner loop G² is taken to first order in margins over all users, as for Poisson counts:
//! G² ≈ 2·(k·ln(k/e) − (k − e)) with e = n_h·n_x/N, and 0 where k ≤ e. [`crate::cooccurrence::Margins::llr`] is the
//! exact value, which answers show.

use crate::math::ln;

pub(crate) const NAME: &str = "llr";
pub(crate) const DECAY: f32 = 0.98;

/// What `both` users out of `expected` say.
pub(crate) fn value(both: u32, expected: f32) -> f32 {
    let both = both as f32;
    if both <= expected {
        return 0.0;
    }
    2.0 * (both * ln(both / expected) - (both - expected)).max(0.0)
}
