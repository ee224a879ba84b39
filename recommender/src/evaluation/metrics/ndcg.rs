//! Normalised discounted cumulative gain.
//!
//! DCG@n = Σ over ranks r = 1..n of [ranked_r is relevant] / log2(r + 1): gain 1, and the discount starts at rank
//! 1 with log2(2) = 1, so rank 2 is already discounted. (Järvelin & Kekäläinen 2002 leave ranks below the
//! logarithm's base undiscounted, which makes rank 2 as good as rank 1; most programs today do as here.)
//! NDCG@n = DCG@n / IDCG@n, where the ideal list has its min(n, |relevant|) relevant items in front.

/// NDCG@n of one list. 0 if nothing is relevant.
pub fn ndcg<T: PartialEq>(ranked: &[T], relevant: &[T], n: usize) -> f64 {
    let ideal: f64 = (1..=n.min(relevant.len())).map(discount).sum();
    if ideal == 0.0 {
        return 0.0;
    }
    let found = (1..).zip(ranked.iter().take(n)).filter(|(_, item)| relevant.contains(item));
    found.map(|(rank, _)| discount(rank)).sum::<f64>() / ideal
}

fn discount(rank: usize) -> f64 {
    1.0 / (rank as f64 + 1.0).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Relevant at ranks 2 and 4: 1/log2(3) + 1/log2(5) = 0.63093 + 0.43068 = 1.06161.
        // Ideal of three: 1 + 0.63093 + 0.5 = 2.13093.
        let value = ndcg(&[1, 2, 3, 4, 5], &[2, 4, 9], 5);
        assert!((value - 1.061_606 / 2.130_930).abs() < 1e-6, "{value}");
        assert_eq!(ndcg(&[2, 1], &[2], 2), 1.0);
        assert!((ndcg(&[1, 2], &[2], 2) - 0.630_930).abs() < 1e-6);
        assert_eq!(ndcg(&[1, 2], &[], 2), 0.0);
        // The ideal counts min(n, |relevant|) items: one of three found at rank 1, n = 1, is perfect.
        assert_eq!(ndcg(&[2], &[2, 4, 9], 1), 1.0);
    }
}
