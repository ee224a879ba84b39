//! What another way of answering would have brought, from a log of how users were answered.
//!
//! Each line of the log is a round: an answer's item on a place, the chance that it stood there (`propensity`), and what came
//! of it (the reward r). With w = π(a|x)/p(a|x), the chance of the same item under the way to be judged by the chance that it
//! had, q̂ a guess of the reward, and q̂(π) = Σ_a π(a|x)·q̂(x, a):
//!
//! ```text
//! IPS    V = 1/n Σ w·r                         unbiased; a rare item that was taken counts a lot
//! SNIPS  V = Σ w·r / Σ w                       a little biased, and far steadier
//! DR     V = 1/n Σ (q̂(π) + w·(r − q̂(x, a)))    unbiased if either p or q̂ is right
//! ```
//! Errors are those of a mean of n independent rounds: s/√n of IPS's and DR's terms, and by the delta method
//! √(Σ w²·(r − V)²)/Σ w of SNIPS.
//!
//! # Source
//! Horvitz and Thompson, A generalization of sampling without replacement from a finite universe, JASA 1952. Swaminathan and
//! Joachims, The self-normalized estimator for counterfactual learning, NIPS 2015. Dudík, Langford, Li, Doubly robust policy
//! evaluation and learning, ICML 2011.

use std::io::BufRead;

use serde::Serialize;
use thiserror::Error;

/// The columns of a log, in any order; the last two may be left out together.
const COLUMNS: [&str; 5] = ["reward", "propensity", "probability", "guess", "guess_judged"];

/// What is wrong with a log.
#[derive(Debug, Error)]
pub enum OffPolicyError {
    /// It could not be read.
    #[error("cannot read: {0}")]
    Io(#[from] std::io::Error),
    /// Its first line does not name the columns.
    #[error(
        "the first line must name the columns reward,propensity,probability[,guess,guess_judged], not `{0}`"
    )]
    Columns(String),
    /// A line that is no round.
    #[error("line {line}: {what}")]
    BadLine {
        /// From 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// Reads a log: a CSV whose first line names its columns, `reward`, `propensity` (the chance that the item had),
/// `probability` (that it has under the way to be judged) and, for DR, `guess` (of the reward of the item shown) and
/// `guess_judged` (of what the way to be judged brings).
///
/// # Errors
/// [`OffPolicyError`], naming the line.
pub fn read(input: impl BufRead) -> Result<OffPolicy, OffPolicyError> {
    let mut lines = input.lines();
    let header = lines.next().transpose()?.unwrap_or_default();
    let names: Vec<&str> = header.trim().split(',').map(str::trim).collect();
    let places = COLUMNS.map(|column| names.iter().position(|name| *name == column));
    let [Some(_), Some(_), Some(_), shown, judged] = places else {
        return Err(OffPolicyError::Columns(header));
    };
    if shown.is_some() != judged.is_some() {
        return Err(OffPolicyError::Columns(header));
    }
    let mut sums = OffPolicy::default();
    for (line, text) in (2..).zip(lines) {
        let text = text?;
        if text.trim().is_empty() {
            continue;
        }
        let fields: Vec<&str> = text.split(',').map(str::trim).collect();
        let bad = |what| OffPolicyError::BadLine { line, what };
        let number = |place: Option<usize>| match place {
            None => Ok(0.0),
            Some(place) => {
                let field = fields.get(place).ok_or(bad("a field is missing"))?;
                field.parse::<f64>().map_err(|_| bad("a field is no number"))
            }
        };
        let guess = Guess { shown: number(places[3])?, judged: number(places[4])? };
        let (reward, logged, judged) = (number(places[0])?, number(places[1])?, number(places[2])?);
        if !sums.add(&Round { reward, logged, judged, guess }) {
            return Err(bad("chances are from 0 to 1, and what was shown had one"));
        }
    }
    Ok(sums)
}

/// One round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    /// What came of it.
    pub reward: f64,
    /// The chance that its item had.
    pub logged: f64,
    /// The chance that it has under the way to be judged.
    pub judged: f64,
    /// The guess of its reward, and of what the way to be judged brings here; both 0 where there is none.
    pub guess: Guess,
}

/// A guess of rewards.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Guess {
    /// Of the item that was shown.
    pub shown: f64,
    /// Over all items, by their chances under the way to be judged.
    pub judged: f64,
}

/// An estimate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean reward of a round.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

/// Estimates by every estimator.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimates {
    /// Inverse propensity scoring.
    pub ips: Estimate,
    /// The same, normalised by the weights.
    pub snips: Estimate,
    /// Doubly robust.
    pub dr: Estimate,
    /// (Σ w)² / Σ w²: as many rounds of the way to be judged as these are worth.
    pub effective_rounds: f64,
    /// Rounds that could be used.
    pub rounds: u64,
}

/// Sums that estimates are made of, round by round.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OffPolicy {
    rounds: u64,
    weights: f64,
    weights2: f64,
    weighted: f64,
    weighted2: f64,
    /// Σ w²·r and Σ w²·r².
    cross: f64,
    robust: f64,
    robust2: f64,
}

impl OffPolicy {
    /// Takes in a round. False if it cannot be used: a chance that is none, or 0 where the item was shown.
    pub fn add(&mut self, round: &Round) -> bool {
        let is_chance = |chance: f64| (0.0..=1.0).contains(&chance);
        let numbers = [round.reward, round.guess.shown, round.guess.judged];
        if round.logged == 0.0
            || !is_chance(round.logged)
            || !is_chance(round.judged)
            || numbers.iter().any(|number| !number.is_finite())
        {
            return false;
        }
        let weight = round.judged / round.logged;
        let (term, robust) =
            (weight * round.reward, round.guess.judged + weight * (round.reward - round.guess.shown));
        self.rounds += 1;
        self.weights += weight;
        self.weights2 += weight * weight;
        self.weighted += term;
        self.weighted2 += term * term;
        self.cross += weight * term;
        self.robust += robust;
        self.robust2 += robust * robust;
        true
    }

    /// What follows; `None` without a round that the way to be judged might have had.
    pub fn estimates(&self) -> Option<Estimates> {
        let n = self.rounds as f64;
        if self.weights <= 0.0 {
            return None;
        }
        let mean = |sum: f64, squares: f64| {
            let variance = if n > 1.0 { ((squares - sum * sum / n) / (n - 1.0)).max(0.0) } else { 0.0 };
            Estimate { value: sum / n, error: (variance / n).sqrt() }
        };
        let value = self.weighted / self.weights;
        let spread = (self.weighted2 - 2.0 * value * self.cross + value * value * self.weights2).max(0.0);
        Some(Estimates {
            ips: mean(self.weighted, self.weighted2),
            snips: Estimate { value, error: spread.sqrt() / self.weights },
            dr: mean(self.robust, self.robust2),
            effective_rounds: self.weights * self.weights / self.weights2,
            rounds: self.rounds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rounds: &[Round]) -> Estimates {
        let mut sums = OffPolicy::default();
        assert!(rounds.iter().all(|round| sums.add(round)));
        sums.estimates().expect("estimates")
    }

    fn round(reward: f64, logged: f64, judged: f64) -> Round {
        Round { reward, logged, judged, guess: Guess::default() }
    }

    #[test]
    fn by_hand() {
        let guess = Guess { shown: 0.5, judged: 0.4 };
        let rounds = [
            Round { guess, ..round(1.0, 0.5, 1.0) },
            Round { guess, ..round(0.0, 0.5, 0.0) },
            Round { guess, ..round(0.0, 0.25, 0.25) },
            Round { guess, ..round(1.0, 0.8, 0.4) },
        ];
        // Weights 2, 0, 1, .5: Σ w = 3.5, Σ w·r = 2.5, Σ w² = 5.25.
        let told = of(&rounds);
        assert_eq!((told.ips.value, told.snips.value), (2.5 / 4.0, 2.5 / 3.5));
        assert!((told.effective_rounds - 3.5 * 3.5 / 5.25).abs() < 1e-12);
        // .4 + 2·.5, .4, .4 − .5, .4 + .5·.5
        assert!((told.dr.value - (1.4 + 0.4 - 0.1 + 0.65) / 4.0).abs() < 1e-12);
        // Terms 2, 0, 0, .5 about .625: Σ d² = 2.6875.
        assert!((told.ips.error - (2.6875f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
        let v: f64 = 2.5 / 3.5;
        let spread = 4.0 * (1.0 - v).powi(2) + v * v + 0.25 * (1.0 - v).powi(2);
        assert!((told.snips.error - spread.sqrt() / 3.5).abs() < 1e-12);
    }

    #[test]
    fn judging_what_was_done_gives_the_mean() {
        let told = of(&[round(1.0, 0.3, 0.3), round(0.0, 0.7, 0.7), round(1.0, 0.1, 0.1)]);
        for estimate in [told.ips, told.snips, told.dr] {
            assert!((estimate.value - 2.0 / 3.0).abs() < 1e-12);
        }
        assert!((told.effective_rounds - 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_log_is_read() {
        let log = "probability,reward,propensity\n1.0,1,0.5\n\n0.0,0,0.5\n";
        let told = read(log.as_bytes()).expect("a log").estimates().expect("estimates");
        assert_eq!((told.ips.value, told.snips.value, told.rounds), (1.0, 1.0, 2));
        for (log, said) in [
            ("reward,propensity\n", "the first line must name"),
            ("reward,propensity,probability,guess\n", "the first line must name"),
            ("reward,propensity,probability\n1,0.5\n", "line 2: a field is missing"),
            ("reward,propensity,probability\n1,0.5,x\n", "line 2: a field is no number"),
            ("reward,propensity,probability\n1,0.5,1\n1,0,1\n", "line 3: chances are"),
        ] {
            let error = read(log.as_bytes()).expect_err(log).to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let mut sums = OffPolicy::default();
        for wrong in
            [round(1.0, 0.0, 0.5), round(1.0, 0.5, 1.5), round(1.0, -0.5, 0.5), round(f64::NAN, 0.5, 0.5)]
        {
            assert!(!sums.add(&wrong), "{wrong:?}");
        }
        assert_eq!(sums.estimates(), None);
        assert!(sums.add(&round(1.0, 0.5, 0.0)));
        assert_eq!(sums.estimates(), None, "nothing that it might have done");
    }

    /// A made-up log: two items, the second better for half of the users; the truth is known.
    #[test]
    fn estimates_come_to_the_truth() {
        let mut seed = 7u64;
        let mut unit = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut sums = OffPolicy::default();
        for _ in 0..200_000 {
            let kind = usize::from(unit() < 0.5);
            let chance_of_second = [0.2, 0.6][kind];
            let item = usize::from(unit() < chance_of_second);
            let logged = if item == 1 { chance_of_second } else { 1.0 - chance_of_second };
            // The way to be judged gives each half what is better for it: .3 and .5, .4 together.
            let judged = if item == kind { 1.0 } else { 0.0 };
            let rate = [[0.3, 0.1], [0.2, 0.5]][kind][item];
            let reward = f64::from(u8::from(unit() < rate));
            let guess = Guess { shown: 0.25, judged: 0.25 };
            assert!(sums.add(&Round { reward, logged, judged, guess }));
        }
        let told = sums.estimates().expect("estimates");
        for estimate in [told.ips, told.snips, told.dr] {
            assert!((estimate.value - 0.4).abs() < 5.0 * estimate.error && estimate.error < 0.01, "{told:?}");
        }
    }
}
