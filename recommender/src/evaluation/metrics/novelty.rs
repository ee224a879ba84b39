//! Novelty: how little known the shown items are.
//!
//! Mean self-information of the shown items, −log2(n_i / N), with n_i the users who had come to item i and N all
//! users, at the time of showing (Zhou et al., PNAS 2010). An item nobody has come to counts as one that a single
//! user has. 0 bits: everyone knows it; 10 bits: one in a thousand does.

/// Collects the self-information of what was shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Novelty {
    bits: f64,
    shown: u64,
}

impl Novelty {
    /// Adds one shown item that `users` of `total` users had come to.
    pub fn add(&mut self, users: u32, total: u32) {
        self.bits -= (f64::from(users.max(1)) / f64::from(total.max(1))).log2();
        self.shown += 1;
    }

    /// The mean, in bits.
    pub fn value(&self) -> f64 {
        if self.shown == 0 { 0.0 } else { self.bits / self.shown as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mut novelty = Novelty::default();
        novelty.add(8, 8);
        novelty.add(2, 8);
        novelty.add(0, 8);
        assert_eq!(novelty.value(), (0.0 + 2.0 + 3.0) / 3.0);
    }
}
