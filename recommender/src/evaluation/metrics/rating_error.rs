//! Errors of predicted ratings.
//!
//! RMSE = √(Σ (p − r)² / m) and MAE = Σ |p − r| / m over m ratings r with predictions p made before the rating
//! was learnt.

/// Collects prediction errors.
#[derive(Debug, Clone, Copy, Default)]
pub struct RatingError {
    squares: f64,
    absolutes: f64,
    count: u64,
}

impl RatingError {
    /// Adds one rating and what was predicted for it.
    pub fn add(&mut self, predicted: f64, actual: f64) {
        let error = predicted - actual;
        self.squares += error * error;
        self.absolutes += error.abs();
        self.count += 1;
    }

    /// How many ratings were predicted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Root of the mean squared error.
    pub fn rmse(&self) -> f64 {
        if self.count == 0 { 0.0 } else { (self.squares / self.count as f64).sqrt() }
    }

    /// Mean absolute error.
    pub fn mae(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.absolutes / self.count as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mut error = RatingError::default();
        error.add(3.0, 5.0);
        error.add(4.0, 4.0);
        error.add(4.0, 3.0);
        assert!((error.rmse() - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!((error.mae(), error.count()), (1.0, 3));
    }
}
