//! Forward decay: sums whose past fades, exact for late events, at the cost of one addition.
//!
//! A sum decayed with half-life h is S(now) = Σ w·2^{−(now−t)/h}. Written forward from a landmark L it becomes
//! 2^{−(now−L)/h} · Σ w·2^{(t−L)/h}: the inner sum never changes as time passes, so an event costs one addition,
//! an event that arrives late adds exactly what it would have added in time, and two items compare without
//! touching either. The inner sum would overflow after about a thousand half-lives; long before that the
//! landmark moves and every sum is scaled once.
//!
//! # Source
//! Cormode, Shkapenyuk, Srivastava, Xu: Forward Decay, ICDE 2009, section III (exponential decay, moving the
//! landmark in section VI-A).

use super::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// The landmark moves once the newest event is this many half-lives after it. 2^512 times any count that a
/// log can hold is far from the largest `f64`, 2^1024.
const HALF_LIVES_MAX: f64 = 512.0;

/// The clock of decayed sums that share a half-life.
#[derive(Debug, Clone, PartialEq)]
pub struct Decay {
    half_life_ms: f64,
    landmark_ms: Option<i64>,
}

impl Decay {
    /// Sums that lose half their value every `half_life_ms`. Infinity: they lose nothing.
    pub fn new(half_life_ms: f64) -> Self {
        Self { half_life_ms, landmark_ms: None }
    }

    /// The half-life.
    pub fn half_life_ms(&self) -> f64 {
        self.half_life_ms
    }

    /// Prepares for an event at `time_ms`. `Some(factor)`: the landmark has moved, and the owner must multiply
    /// every sum by the factor.
    pub fn advance(&mut self, time_ms: i64) -> Option<f64> {
        let Some(landmark_ms) = self.landmark_ms else {
            self.landmark_ms = Some(time_ms);
            return None;
        };
        if self.half_lives(landmark_ms, time_ms) <= HALF_LIVES_MAX {
            return None;
        }
        self.landmark_ms = Some(time_ms);
        Some((-self.half_lives(landmark_ms, time_ms)).exp2())
    }

    /// What an event of weight 1 at `time_ms` adds to a sum.
    pub fn gain(&self, time_ms: i64) -> f64 {
        self.half_lives(self.landmark_ms.unwrap_or(time_ms), time_ms).exp2()
    }

    /// By what a sum is multiplied to be read at `now_ms`.
    pub fn fade(&self, now_ms: i64) -> f64 {
        (-self.half_lives(self.landmark_ms.unwrap_or(now_ms), now_ms)).exp2()
    }

    fn half_lives(&self, from_ms: i64, to_ms: i64) -> f64 {
        (to_ms - from_ms) as f64 / self.half_life_ms
    }
}

impl Snapshot for Decay {
    fn save(&self, out: &mut Writer) {
        out.f64(self.half_life_ms);
        out.u8(u8::from(self.landmark_ms.is_some()));
        out.i64(self.landmark_ms.unwrap_or(0));
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let half_life_ms = input.f64()?;
        let known = input.u8()? != 0;
        let landmark_ms = input.i64()?;
        Ok(Self { half_life_ms, landmark_ms: known.then_some(landmark_ms) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_half_life_halves() {
        let mut decay = Decay::new(1000.0);
        decay.advance(5000);
        let sum = 4.0 * decay.gain(5000);
        assert_eq!(sum * decay.fade(5000), 4.0);
        assert_eq!(sum * decay.fade(6000), 2.0);
        assert_eq!(sum * decay.fade(8000), 0.5);
    }

    #[test]
    fn nothing_fades_with_an_infinite_half_life() {
        let mut decay = Decay::new(f64::INFINITY);
        decay.advance(0);
        assert_eq!(decay.gain(1 << 50) * decay.fade(1 << 52), 1.0);
        assert_eq!(decay.advance(1 << 52), None);
    }

    proptest! {
        /// Whatever the order of arrival and however often the landmark moves, the sum is the exact one.
        #[test]
        fn equals_the_exact_sum(events in prop::collection::vec((0i64..10_000_000, 0.1f64..10.0), 1..60),
                                half_life in 10.0f64..1e7) {
            let mut decay = Decay::new(half_life);
            let mut sum = 0.0;
            for &(time_ms, weight) in &events {
                if let Some(factor) = decay.advance(time_ms) {
                    sum *= factor;
                }
                sum += weight * decay.gain(time_ms);
            }
            let now = events.iter().map(|event| event.0).max().unwrap();
            let exact: f64 = events.iter().map(|&(t, w)| w * (-((now - t) as f64) / half_life).exp2()).sum();
            let read = sum * decay.fade(now);
            prop_assert!((read - exact).abs() <= 1e-9 * exact, "{read} is not {exact}");
        }
    }
}
