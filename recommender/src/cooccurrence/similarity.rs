//! The similarities that counts of pairs give, each with its formula.
//!
//! With k = `both`, the users who came to i and j, n_i and n_j those who came to each, N all users:
//!
//! | metric | formula | says |
//! |---|---|---|
//! | count | k | how much evidence there is |
//! | cosine | k / √(n_i·n_j) | likeness, mildly favouring the popular |
//! | Jaccard | k / (n_i + n_j − k) | likeness, favouring items of like size |
//! | confidence | k / n_i | of those who came to i, how many came to j |
//! | lift | k·N / (n_i·n_j) | how many times more often than by chance |
//! | LLR | 2·Σ k_rc·ln(k_rc·N / (row_r·column_c)) over the 2×2 table | how surely it is not chance |
//!
//! LLR is Dunning's G² with its sign: negative where the pair is rarer than chance.
//!
//! # Source
//! Sarwar et al., Item-Based Collaborative Filtering, WWW 2001 (cosine). Dunning, Accurate Methods for the
//! Statistics of Surprise and Coincidence, Computational Linguistics 19(1), 1993 (G²).

/// What a pair's likeness is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Margins {
    /// Users who came to both.
    pub both: u32,
    /// Users who came to the first item.
    pub first: u32,
    /// Users who came to the second.
    pub second: u32,
    /// All users.
    pub total: u32,
}

/// How items are ranked as neighbours of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Users who came to both.
    Count,
    /// Closeness in histories, Σ 1/√d.
    Weight,
    /// k / √(n_i·n_j).
    Cosine,
    /// k / (n_i + n_j − k).
    Jaccard,
    /// k / n_i.
    Confidence,
    /// k·N / (n_i·n_j).
    Lift,
    /// Signed G².
    Llr,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 7] =
        [Self::Count, Self::Weight, Self::Cosine, Self::Jaccard, Self::Confidence, Self::Lift, Self::Llr];

    /// The name in URLs and output topics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Weight => "weight",
            Self::Cosine => "cosine",
            Self::Jaccard => "jaccard",
            Self::Confidence => "confidence",
            Self::Lift => "lift",
            Self::Llr => "llr",
        }
    }

    /// The metric of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }
}

impl Margins {
    /// k / √(n_i·n_j).
    pub fn cosine(self) -> f64 {
        ratio(f64::from(self.both), (f64::from(self.first) * f64::from(self.second)).sqrt())
    }

    /// k / (n_i + n_j − k).
    pub fn jaccard(self) -> f64 {
        ratio(f64::from(self.both), f64::from(self.first) + f64::from(self.second) - f64::from(self.both))
    }

    /// k / n_i.
    pub fn confidence(self) -> f64 {
        ratio(f64::from(self.both), f64::from(self.first))
    }

    /// k·N / (n_i·n_j).
    pub fn lift(self) -> f64 {
        ratio(f64::from(self.both) * f64::from(self.total), f64::from(self.first) * f64::from(self.second))
    }

    /// Signed G² of the 2×2 table.
    pub fn llr(self) -> f64 {
        let (both, first, second, total) =
            (f64::from(self.both), f64::from(self.first), f64::from(self.second), f64::from(self.total));
        let only_first = (first - both).max(0.0);
        let only_second = (second - both).max(0.0);
        let neither = (total - first - second + both).max(0.0);
        let entropy =
            |parts: &[f64]| x_ln_x(parts.iter().sum()) - parts.iter().copied().map(x_ln_x).sum::<f64>();
        let rows = entropy(&[both + only_first, only_second + neither]);
        let columns = entropy(&[both + only_second, only_first + neither]);
        let cells = entropy(&[both, only_first, only_second, neither]);
        // Rounding may leave a tiny negative value where the table is independent.
        let g2 = (2.0 * (rows + columns - cells)).max(0.0);
        if both * total < first * second { -g2 } else { g2 }
    }
}

fn x_ln_x(x: f64) -> f64 {
    if x > 0.0 { x * x.ln() } else { 0.0 }
}

fn ratio(above: f64, below: f64) -> f64 {
    if below > 0.0 { above / below } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-9 * expected.abs().max(1.0), "{value} is not {expected}");
    }

    #[test]
    fn by_hand() {
        // 3 users came to both, 4 to the first, 9 to the second, 20 in all.
        let margins = Margins { both: 3, first: 4, second: 9, total: 20 };
        near(margins.cosine(), 3.0 / 6.0);
        near(margins.jaccard(), 3.0 / 10.0);
        near(margins.confidence(), 3.0 / 4.0);
        near(margins.lift(), 60.0 / 36.0);
        // Cells 3, 1, 6, 10 against 1.8, 2.2, 7.2, 8.8 expected:
        // 2·(3·ln(3/1.8) + ln(1/2.2) + 6·ln(6/7.2) + 10·ln(10/8.8)).
        let g2 = 2.0
            * (3.0 * (3.0f64 / 1.8).ln()
                + (1.0f64 / 2.2).ln()
                + 6.0 * (6.0f64 / 7.2).ln()
                + 10.0 * (10.0f64 / 8.8).ln());
        near(margins.llr(), g2);
    }

    /// Dunning 1993, table 2, first row: "the swiss" in a text of 31,777 bigrams.
    #[test]
    fn llr_of_a_published_example() {
        let margins =
            Margins { both: 110, first: 110 + 2442, second: 110 + 111, total: 110 + 2442 + 111 + 29_114 };
        assert!((margins.llr() - 270.72).abs() < 0.01, "{}", margins.llr());
    }

    #[test]
    fn rarer_than_chance_is_negative_and_independence_is_zero() {
        assert!(Margins { both: 1, first: 50, second: 50, total: 100 }.llr() < -50.0);
        near(Margins { both: 25, first: 50, second: 50, total: 100 }.llr(), 0.0);
    }

    #[test]
    fn nothing_divides_by_zero() {
        let none = Margins { both: 0, first: 0, second: 0, total: 0 };
        for value in [none.cosine(), none.jaccard(), none.confidence(), none.lift(), none.llr()] {
            assert_eq!(value, 0.0);
        }
    }
}
