//! Recall and hit rate.
//!
//! Recall@n = |ranked[..n] ∩ relevant| / |relevant|; hit@n = 1 if that intersection is not empty, else 0. With one
//! relevant item the two are the same. Averaged over questions.

/// Recall@n of one list. 0 if nothing is relevant.
pub fn recall<T: PartialEq>(ranked: &[T], relevant: &[T], n: usize) -> f64 {
    if relevant.is_empty() {
        return 0.0;
    }
    hits(ranked, relevant, n) as f64 / relevant.len() as f64
}

/// Whether any of the first n is relevant, as 0 or 1.
pub fn hit<T: PartialEq>(ranked: &[T], relevant: &[T], n: usize) -> f64 {
    f64::from(u8::from(hits(ranked, relevant, n) > 0))
}

fn hits<T: PartialEq>(ranked: &[T], relevant: &[T], n: usize) -> usize {
    ranked.iter().take(n).filter(|item| relevant.contains(item)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Of the relevant 2, 4, 9 the list has 2 and 4, at ranks 2 and 4.
        let (ranked, relevant) = ([1, 2, 3, 4, 5], [2, 4, 9]);
        for (n, expected_recall, expected_hit) in [(1, 0.0, 0.0), (2, 1.0 / 3.0, 1.0), (5, 2.0 / 3.0, 1.0)] {
            assert_eq!(recall(&ranked, &relevant, n), expected_recall, "@{n}");
            assert_eq!(hit(&ranked, &relevant, n), expected_hit, "@{n}");
        }
        assert_eq!(recall(&ranked, &[], 5), 0.0);
    }
}
