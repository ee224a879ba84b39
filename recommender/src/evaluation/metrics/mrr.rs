//! Mean reciprocal rank.
//!
//! RR@n = 1 / rank of the first relevant item if that rank is at most n, else 0, ranks from 1. Averaged over
//! questions.

/// Reciprocal rank@n of one list.
pub fn reciprocal_rank<T: PartialEq>(ranked: &[T], relevant: &[T], n: usize) -> f64 {
    let first = ranked.iter().take(n).position(|item| relevant.contains(item));
    first.map_or(0.0, |place| 1.0 / (place as f64 + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!(reciprocal_rank(&[1, 2, 3, 4], &[2, 4], 4), 0.5);
        assert_eq!(reciprocal_rank(&[1, 2, 3, 4], &[4], 3), 0.0);
        assert_eq!(reciprocal_rank(&[1, 2, 3, 4], &[4], 4), 0.25);
    }
}
