//! How surely items go together: Σ_k 0.98^k · G²(h_k, x).
//!
//! Dunning 1993. In the inner loop G² is taken to first order in margins over all users, as for Poisson counts:
//! G² ≈ 2·(k·ln(k/e) − (k − e)) with e = n_h·n_x/N, and 0 where k ≤ e. [`crate::cooccurrence::Margins::llr`] is the
//! exact value, which answers show.

use crate::math::{greater, ln};

pub(crate) const NAME: &str = "llr";
pub(crate) const DECAY: f32 = 0.98;

/// ln(k), k being at least 1.
pub(crate) fn log_of(count: u32) -> f32 {
    ln(count.max(1) as f32)
}

/// What `both` users say where `expected` would be chance, given the logarithm of that.
pub(crate) fn value(both: f32, expected: f32, log_expected: f32) -> f32 {
    let log = ln(greater(both, 1.0));
    let surprise = 2.0 * greater(both * (log - log_expected) - (both - expected), 0.0);
    // Without a branch, which nobody could predict, so that several pairs are done at a time.
    if both <= expected { 0.0 } else { surprise }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cooccurrence::Margins;

    #[test]
    fn near_the_exact_value_where_margins_are_small() {
        for (both, first, second, total) in
            [(3, 10, 20, 10_000), (50, 80, 70, 100_000), (700, 2000, 900, 1_000_000)]
        {
            let expected = first as f32 * second as f32 / total as f32;
            let fast = value(both as f32, expected, ln(expected));
            let exact = Margins { both, first, second, total }.llr() as f32;
            assert!((fast - exact).abs() < 0.15 * exact, "{fast} {exact}");
        }
        assert_eq!(value(1.0, 2.0, ln(2.0)), 0.0);
        assert_eq!(value(0.0, 2.0, ln(2.0)), 0.0);
    }
}
