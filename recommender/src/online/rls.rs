//! Recursive least squares: the line of best fit after every example, without keeping any.
//!
//! ```text
//! K = P·x / (λ + xᵀ·P·x)        θ ← θ + K·(y − θᵀ·x)        P ← (P − K·(P·x)ᵀ) / λ
//! ```
//!
//! from θ = 0 and P = I/ridge. With λ = 1 the result is the solution of the regularised normal equations
//! (XᵀX + ridge·I)·θ = Xᵀy, whatever the order; with λ < 1 an example weighs λ^age, and so does the ridge.
//!
//! # Bounds
//! d² + d numbers, d at most [`DIMENSIONS_MAX`]. Where λ < 1 and nothing new comes in some direction, P grows in it
//! without end; once its trace has reached a million times the first, P is no longer divided by λ until it shrinks.
//!
//! # Source
//! Haykin, Adaptive Filter Theory, chapter "Recursive least squares", table of the algorithm.

use crate::models::linear::dot;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// Most features.
pub const DIMENSIONS_MAX: usize = 512;

/// How many times the first trace P may grow to, where there is nothing to learn from.
const TRACE_MAX: f64 = 1e6;

/// The learner.
#[derive(Debug, Clone, PartialEq)]
pub struct Rls {
    /// λ, above 0 and at most 1.
    forgetting: f64,
    ridge: f64,
    theta: Vec<f64>,
    /// d×d, symmetric.
    p: Vec<f64>,
    examples: u64,
}

impl Rls {
    /// A learner of so many features, 1 to [`DIMENSIONS_MAX`]. `forgetting`: λ, above 0 and at most 1. `ridge`: above 0;
    /// the less, the sooner it believes. `None` if one is out of range.
    pub fn new(dimensions: usize, forgetting: f64, ridge: f64) -> Option<Self> {
        let fits = (1..=DIMENSIONS_MAX).contains(&dimensions)
            && forgetting > 0.0
            && forgetting <= 1.0
            && ridge > 0.0
            && ridge.is_finite();
        fits.then(|| {
            let (theta, p) = (vec![0.0; dimensions], vec![0.0; dimensions * dimensions]);
            let mut learner = Self { forgetting, ridge, theta, p, examples: 0 };
            learner.reset();
            learner
        })
    }

    /// How many features an example has.
    pub fn dimensions(&self) -> usize {
        self.theta.len()
    }

    /// How many examples were learnt.
    pub fn examples(&self) -> u64 {
        self.examples
    }

    /// θ: what one unit of each feature adds.
    pub fn coefficients(&self) -> &[f64] {
        &self.theta
    }

    /// What is to be expected of an example, or `None` if it has not as many features.
    pub fn predict(&self, features: &[f64]) -> Option<f64> {
        (features.len() == self.theta.len()).then(|| dot(&self.theta, features))
    }

    /// Learns one example, and says what was predicted before. `None`, and nothing is learnt, if it has not as many
    /// features or is not finite, or so large that it could not be weighed.
    pub fn learn(&mut self, features: &[f64], target: f64) -> Option<f64> {
        let predicted = self.predict(features)?;
        let d = self.theta.len();
        let px: Vec<f64> = self.p.chunks_exact(d).map(|row| dot(row, features)).collect();
        let spread = self.forgetting + dot(features, &px);
        let error = target - predicted;
        if !(spread > 0.0 && spread.is_finite() && error.is_finite()) {
            return None;
        }
        for (theta, px) in self.theta.iter_mut().zip(&px) {
            *theta += px / spread * error;
        }
        let scale =
            if self.trace() < TRACE_MAX * d as f64 / self.ridge { 1.0 / self.forgetting } else { 1.0 };
        for i in 0..d {
            for j in 0..=i {
                // One of the two is copied, so that rounding cannot make P lopsided.
                let value = (self.p[i * d + j] - px[i] * px[j] / spread) * scale;
                self.p[i * d + j] = value;
                self.p[j * d + i] = value;
            }
        }
        self.examples += 1;
        Some(predicted)
    }

    /// Whether rounding has left it usable: everything finite, and P positive on its diagonal.
    pub fn is_sound(&self) -> bool {
        let mut diagonal = self.p.iter().step_by(self.theta.len() + 1);
        diagonal.all(|&own| own > 0.0) && self.theta.iter().chain(&self.p).all(|value| value.is_finite())
    }

    /// Forgets every example.
    pub fn reset(&mut self) {
        let d = self.theta.len();
        self.theta.fill(0.0);
        self.p.fill(0.0);
        self.p.iter_mut().step_by(d + 1).for_each(|own| *own = 1.0 / self.ridge);
        self.examples = 0;
    }

    /// Bytes held.
    pub fn size_bytes(&self) -> usize {
        (self.theta.capacity() + self.p.capacity()) * 8
    }

    fn trace(&self) -> f64 {
        self.p.iter().step_by(self.theta.len() + 1).sum()
    }
}

impl Snapshot for Rls {
    fn save(&self, out: &mut Writer) {
        out.u32(self.theta.len() as u32);
        out.f64(self.forgetting);
        out.f64(self.ridge);
        out.u64(self.examples);
        self.theta.iter().chain(&self.p).for_each(|&value| out.f64(value));
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let dimensions = input.u32()? as usize;
        let (forgetting, ridge) = (input.f64()?, input.f64()?);
        let mut learner =
            Self::new(dimensions, forgetting, ridge).ok_or(SnapshotError::Malformed("regression"))?;
        learner.examples = input.u64()?;
        for value in learner.theta.iter_mut().chain(&mut learner.p) {
            *value = input.f64()?;
        }
        Ok(learner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::linear::invert;
    use crate::models::random::Random;

    /// 300 examples of 6 features, the last of them 1, with some noise.
    fn examples() -> Vec<(Vec<f64>, f64)> {
        let mut random = Random(11);
        let made = [1.5, -2.0, 0.25, 0.0, 3.0, 10.0];
        let example = |_| {
            let mut x: Vec<f64> = (0..5).map(|_| random.normal()).collect();
            x.push(1.0);
            let y = dot(&x, &made) + 0.3 * random.normal();
            (x, y)
        };
        (0..300).map(example).collect()
    }

    /// (Σ w·x·xᵀ + λ^n·ridge·I)⁻¹·Σ w·x·y with w = λ^age.
    fn normal_equations(examples: &[(Vec<f64>, f64)], lambda: f64, ridge: f64) -> Vec<f64> {
        let d = examples[0].0.len();
        let mut matrix = vec![0.0; d * d];
        let mut right = vec![0.0; d];
        for (age, (x, y)) in examples.iter().rev().enumerate() {
            let weight = lambda.powi(age as i32);
            for i in 0..d {
                right[i] += weight * x[i] * y;
                (0..d).for_each(|j| matrix[i * d + j] += weight * x[i] * x[j]);
            }
        }
        (0..d).for_each(|i| matrix[i * d + i] += ridge * lambda.powi(examples.len() as i32));
        invert(&mut matrix, d);
        (0..d).map(|i| dot(&matrix[i * d..(i + 1) * d], &right)).collect()
    }

    #[test]
    fn equals_the_normal_equations_after_every_example() {
        let examples = examples();
        for (lambda, ridge) in [(1.0, 1e-3), (1.0, 1.0), (0.99, 0.5)] {
            let mut rls = Rls::new(6, lambda, ridge).unwrap();
            for (count, (x, y)) in (1..).zip(&examples) {
                rls.learn(x, *y).unwrap();
                if count % 50 == 0 || count == 3 {
                    let batch = normal_equations(&examples[..count], lambda, ridge);
                    for (found, exact) in rls.coefficients().iter().zip(&batch) {
                        assert!(
                            (found - exact).abs() <= 1e-9 * exact.abs().max(1.0),
                            "λ {lambda}, ridge {ridge}, after {count}: {found} is not {exact}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn one_step_by_hand() {
        let mut rls = Rls::new(2, 1.0, 0.5).unwrap();
        // P = 2I, x = (1, 2): P·x = (2, 4), xᵀPx = 10, K = (2, 4)/11; y = 11 gives θ = (2, 4).
        assert_eq!(rls.learn(&[1.0, 2.0], 11.0), Some(0.0));
        assert_eq!(rls.coefficients(), [2.0, 4.0]);
        assert_eq!(rls.predict(&[1.0, -1.0]), Some(-2.0));
        assert_eq!(rls.predict(&[1.0]), None);
        assert_eq!((rls.learn(&[1.0], 1.0), rls.learn(&[f64::NAN, 1.0], 1.0)), (None, None));
        assert_eq!((rls.learn(&[1e300, 1e300], 1.0), rls.examples()), (None, 1));
        for (d, lambda, ridge) in
            [(0, 1.0, 1.0), (513, 1.0, 1.0), (2, 0.0, 1.0), (2, 1.1, 1.0), (2, 1.0, 0.0)]
        {
            assert!(Rls::new(d, lambda, ridge).is_none());
        }
    }

    #[test]
    fn unsound_is_noticed_and_a_reset_begins_anew() {
        let mut rls = Rls::new(2, 1.0, 0.5).unwrap();
        let fresh = rls.clone();
        rls.learn(&[1.0, 2.0], 11.0);
        assert!(rls.is_sound());
        for (at, value) in [(0, -1e-9), (3, 0.0), (1, f64::NAN)] {
            let mut damaged = rls.clone();
            damaged.p[at] = value;
            assert!(!damaged.is_sound(), "{at} {value}");
            damaged.reset();
            assert_eq!(damaged, fresh);
        }
    }

    #[test]
    fn a_line_that_moves_is_followed_and_silence_does_not_blow_up() {
        let mut rls = Rls::new(2, 0.95, 1.0).unwrap();
        for n in 0..2000 {
            let x = [f64::from(n % 7), 1.0];
            rls.learn(&x, if n < 1000 { x[0] } else { 5.0 - 2.0 * x[0] }).unwrap();
        }
        assert!((rls.coefficients()[0] + 2.0).abs() < 1e-6 && (rls.coefficients()[1] - 5.0).abs() < 1e-6);
        // Nothing at all in the first direction.
        for _ in 0..100_000 {
            rls.learn(&[0.0, 1.0], 5.0).unwrap();
        }
        assert!(rls.trace() < 1e8 && rls.coefficients().iter().all(|value| value.is_finite()));
        let mut out = Writer::default();
        rls.save(&mut out);
        let saved = out.into_bytes();
        assert_eq!(Rls::load(&mut Reader::new(&saved)), Ok(rls));
        assert!((0..saved.len()).all(|cut| Rls::load(&mut Reader::new(&saved[..cut])).is_err()));
    }
}
