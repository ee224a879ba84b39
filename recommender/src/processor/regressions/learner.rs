//! One model: predicts, then learns, and keeps account of how well it does.
//!
//! # Scale
//! Fields come in metres and in millions. Each feature is divided by a power of two, that of its first number that is not 0,
//! which rounds nothing, so that one `ridge` suits all. The power is kept.
//!
//! # Stability
//! Numbers are at most 10^100 in size, so sums of squares stay finite. P of [`Rls`] is kept symmetric and its growth bounded
//! there; should rounding make it unsound all the same, the model forgets every example and begins anew.

use xxhash_rust::xxh3::xxh3_64;

use super::row::Row;
use super::rule::{Features, Kind, RegressionRule};
use crate::math::ln;
use crate::online::{Feature, Ftrl, FtrlSettings, Link, Rls};
use crate::processor::document::NUMBER_MAX;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// 2^bits weights of a logistic model: 64 KiB.
const BITS: u32 = 12;

/// How a logistic model learns: faster than one of thousands of features would.
const LOGISTIC: FtrlSettings = FtrlSettings { alpha: 0.5, beta: 1.0, l1: 0.0, l2: 0.1, bits: BITS };

/// The least chance that a loss is reckoned with.
const CHANCE_MIN: f64 = 1e-6;

/// A feature of a message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Input {
    /// A number.
    Number(f64),
    /// A word, one of many; only a logistic model takes it.
    Word(String),
}

/// How well it does: over everything that was predicted before it was known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Account {
    /// How many predictions were compared with the truth.
    pub(super) compared: u64,
    /// Sum of their losses: squared errors, or −ln of the chance given to what happened.
    loss: f64,
}

impl Account {
    /// Counts a prediction that came to be compared.
    pub(super) fn note(&mut self, kind: Kind, predicted: f64, truth: f64) {
        self.compared += 1;
        self.loss += match kind {
            Kind::Linear => (predicted - truth) * (predicted - truth),
            Kind::Logistic => {
                let given = if truth > 0.5 { predicted } else { 1.0 - predicted };
                -f64::from(ln(given.max(CHANCE_MIN) as f32))
            }
        };
    }

    /// The root of the mean squared error, or the mean loss. `None` before anything was compared.
    pub(super) fn score(&self, kind: Kind) -> Option<f64> {
        let mean = (self.compared > 0).then(|| self.loss / self.compared as f64)?;
        Some(if kind == Kind::Linear { mean.sqrt() } else { mean })
    }

    pub(super) fn save(&self, out: &mut Writer) {
        out.u64(self.compared);
        out.f64(self.loss);
    }

    pub(super) fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self { compared: input.u64()?, loss: input.f64()? })
    }
}

/// The model of one key, from features to target. The constant comes on top of the features.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Learner {
    engine: Engine,
    /// What each feature is divided by, as an exponent of 2; [`UNSCALED`] before its first number that is not 0.
    scales: Vec<i16>,
}

/// A number that is larger than this beside its first does not move a logistic model more.
const SCALED_MAX: f64 = 1e3;

/// Of a feature that was always 0.
const UNSCALED: i16 = i16::MAX;

#[derive(Debug, Clone, PartialEq)]
enum Engine {
    Linear(Rls),
    Logistic(Ftrl),
}

impl Learner {
    /// One of a rule's features that knows nothing.
    pub(super) fn new(rule: &RegressionRule) -> Self {
        let features = match &rule.features {
            Features::Fields(places) => places.len(),
            Features::Row(lags) => Row::features(*lags),
        };
        Self::of(rule.kind, features, rule.forgetting, rule.ridge)
    }

    /// Whether it is of the same kind, with as many features.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(&self.engine) == std::mem::discriminant(&other.engine)
            && self.scales.len() == other.scales.len()
    }

    fn of(kind: Kind, features: usize, forgetting: f64, ridge: f64) -> Self {
        let engine = match kind {
            Kind::Logistic => Engine::Logistic(Ftrl::new(Link::Logistic, LOGISTIC)),
            Kind::Linear => {
                let rls = Rls::new(features + 1, forgetting, ridge);
                Engine::Linear(rls.expect("rules are checked for what it takes"))
            }
        };
        Self { engine, scales: vec![UNSCALED; features] }
    }

    /// What is to be expected of an example.
    pub(super) fn predict(&mut self, inputs: &[Input]) -> f64 {
        self.note_scales(inputs);
        let predicted = match &self.engine {
            Engine::Linear(rls) => rls.predict(&numbers(&self.scales, inputs)).unwrap_or_default(),
            Engine::Logistic(ftrl) => ftrl.predict(&features(&self.scales, inputs)),
        };
        if predicted.is_nan() { 0.0 } else { predicted.clamp(-NUMBER_MAX, NUMBER_MAX) }
    }

    /// Learns an example. `false` if it is too large to be weighed, and nothing was learnt.
    pub(super) fn learn(&mut self, inputs: &[Input], target: f64) -> bool {
        self.note_scales(inputs);
        match &mut self.engine {
            Engine::Linear(rls) => {
                let learnt = rls.learn(&numbers(&self.scales, inputs), target).is_some();
                if !rls.is_sound() {
                    rls.reset();
                }
                learnt
            }
            Engine::Logistic(ftrl) => {
                ftrl.learn(&features(&self.scales, inputs), target);
                true
            }
        }
    }

    /// Bytes held elsewhere.
    pub(super) fn size_bytes(&self) -> usize {
        let engine = match &self.engine {
            Engine::Linear(rls) => rls.size_bytes(),
            Engine::Logistic(ftrl) => ftrl.size_bytes(),
        };
        engine + self.scales.capacity() * 2
    }

    fn note_scales(&mut self, inputs: &[Input]) {
        for (scale, input) in self.scales.iter_mut().zip(inputs) {
            if let Input::Number(number) = input
                && *scale == UNSCALED
                && *number != 0.0
            {
                *scale = exponent(*number);
            }
        }
    }
}

/// The features of a linear model: the constant, then the numbers.
fn numbers(scales: &[i16], inputs: &[Input]) -> Vec<f64> {
    let number = |(input, &scale): (&Input, &i16)| match input {
        Input::Number(number) => scaled(*number, scale),
        Input::Word(_) => 0.0,
    };
    std::iter::once(1.0).chain(inputs.iter().zip(scales).map(number)).collect()
}

/// The features of a logistic model: the constant, the numbers by their place, the words by place and word.
fn features(scales: &[i16], inputs: &[Input]) -> Vec<Feature> {
    let feature = |(at, (input, &scale)): (u64, (&Input, &i16))| match input {
        Input::Number(number) => {
            let value = scaled(*number, scale).clamp(-SCALED_MAX, SCALED_MAX);
            Feature { name: at, value }
        }
        Input::Word(word) => Feature::present(xxh3_64(format!("{at}={word}").as_bytes())),
    };
    let constant = std::iter::once(Feature::present(0));
    constant.chain((1..).zip(inputs.iter().zip(scales)).map(feature)).collect()
}

fn scaled(number: f64, scale: i16) -> f64 {
    if scale == UNSCALED { 0.0 } else { number * power_of_two(-scale) }
}

impl Snapshot for Learner {
    fn save(&self, out: &mut Writer) {
        out.u32(self.scales.len() as u32);
        self.scales.iter().for_each(|&scale| out.u16(scale.cast_unsigned()));
        match &self.engine {
            Engine::Linear(rls) => {
                out.u8(0);
                rls.save(out);
            }
            Engine::Logistic(ftrl) => {
                out.u8(1);
                ftrl.save(out);
            }
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let count = input.count(2)?;
        let scales: Result<Vec<i16>, _> = (0..count).map(|_| input.u16().map(u16::cast_signed)).collect();
        let engine = match input.u8()? {
            0 => Engine::Linear(Rls::load(input)?),
            _ => Engine::Logistic(Ftrl::load(input)?),
        };
        if let Engine::Linear(rls) = &engine
            && rls.dimensions() != count + 1
        {
            return Err(SnapshotError::Malformed("features of a regression"));
        }
        Ok(Self { engine, scales: scales? })
    }
}

/// The exponent of the power of two below a number that is not 0.
fn exponent(number: f64) -> i16 {
    let biased = (number.to_bits() >> 52) & 0x7ff;
    biased as i16 - 1023
}

/// 2^exponent, exactly; exponents beyond those of normal numbers count as the last of them.
fn power_of_two(exponent: i16) -> f64 {
    f64::from_bits(((i64::from(exponent).clamp(-1022, 1023) + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::linear::{dot, invert};
    use crate::models::random::Random;

    fn inputs(values: &[f64]) -> Vec<Input> {
        values.iter().copied().map(Input::Number).collect()
    }

    #[test]
    fn powers_of_two() {
        for (number, power) in [(1.0, 0), (1.99, 0), (-2.0, 1), (0.75, -1), (2000.0, 10), (1e100, 332)] {
            assert_eq!(exponent(number), power, "{number}");
        }
        assert_eq!((power_of_two(3), power_of_two(-2), power_of_two(0)), (8.0, 0.25, 1.0));
        assert!(power_of_two(-2000) > 0.0 && power_of_two(2000).is_finite());
    }

    #[test]
    fn without_forgetting_it_is_the_least_squares_of_all_whatever_the_units() {
        let mut random = Random(9);
        let mut learner = Learner::of(Kind::Linear, 2, 1.0, 1e-6);
        let (mut matrix, mut right) = (vec![0.0; 9], vec![0.0; 3]);
        for _ in 0..400 {
            // Square metres, rooms, and a price.
            let (size, rooms) = (40.0 + 200.0 * random.unit(), 1.0 + random.below(6) as f64);
            let price = 50_000.0 + 3_000.0 * size - 4_000.0 * rooms + 5_000.0 * random.normal();
            assert!(learner.learn(&inputs(&[size, rooms]), price));
            let x = [1.0, size, rooms];
            for i in 0..3 {
                right[i] += x[i] * price;
                (0..3).for_each(|j| matrix[i * 3 + j] += x[i] * x[j]);
            }
        }
        invert(&mut matrix, 3);
        let theta: Vec<f64> = (0..3).map(|i| dot(&matrix[i * 3..i * 3 + 3], &right)).collect();
        for (size, rooms) in [(50.0, 2.0), (120.0, 4.0), (0.0, 0.0)] {
            let (found, exact) = (learner.predict(&inputs(&[size, rooms])), dot(&theta, &[1.0, size, rooms]));
            assert!((found - exact).abs() < 1e-3 * exact.abs() / 1e3, "{found} is not {exact}");
        }
    }

    #[test]
    fn no_numbers_however_wild_break_it() {
        let mut random = Random(4);
        for forgetting in [1.0, 0.9] {
            let mut learner = Learner::of(Kind::Linear, 3, forgetting, 1e-6);
            for n in 0..5000 {
                let wild = |random: &mut Random| match random.below(6) {
                    0 => 0.0,
                    1 => 1e100,
                    2 => -1e-300,
                    3 => random.normal(),
                    _ => random.normal() * power_of_two(random.below(600) as i16 - 300),
                };
                let x = inputs(&[wild(&mut random), 1.0, wild(&mut random)]);
                assert!(learner.predict(&x).is_finite(), "{n}");
                learner.learn(&x, wild(&mut random));
            }
            // Whatever it has come to, it learns a plain line once it begins anew or goes on.
            let mut fresh = Learner::of(Kind::Linear, 3, forgetting, 1e-6);
            for n in 0..200 {
                let x = inputs(&[f64::from(n % 13), 1.0, f64::from(n % 5)]);
                fresh.learn(&x, 2.0 * f64::from(n % 13) - f64::from(n % 5));
            }
            assert!((fresh.predict(&inputs(&[10.0, 1.0, 2.0])) - 18.0).abs() < 1e-3);
        }
    }

    #[test]
    fn a_chance_from_numbers_and_words() {
        let mut random = Random(5);
        let mut learner = Learner::of(Kind::Logistic, 2, 1.0, 1e-6);
        let mut account = Account::default();
        for _ in 0..30_000 {
            let (large, red) = (random.below(2) * 1000, random.below(2) == 1);
            let colour = if red { "red" } else { "blue" };
            let x = [Input::Number(large as f64), Input::Word(colour.to_owned())];
            let odds = -1.0 + 2.0 * f64::from(u8::from(red)) + if large > 0 { 1.0 } else { 0.0 };
            let chance = 1.0 / (1.0 + f64::exp(-odds));
            let truth = f64::from(u8::from(random.unit() < chance));
            account.note(Kind::Logistic, learner.predict(&x), truth);
            learner.learn(&x, truth);
        }
        let red = learner.predict(&[Input::Number(1000.0), Input::Word("red".to_owned())]);
        assert!((red - 0.881).abs() < 0.03, "{red}");
        // The best that could be said, σ(2), σ(1), σ(0), σ(−1) alike often, has a loss of .556 on average.
        let loss = account.score(Kind::Logistic).unwrap();
        assert!((0.54..0.58).contains(&loss), "{loss}");
        let mut by_hand = Account::default();
        assert_eq!(by_hand.score(Kind::Linear), None);
        by_hand.note(Kind::Linear, 3.0, 0.0);
        by_hand.note(Kind::Linear, 0.0, 4.0);
        assert_eq!(by_hand.score(Kind::Linear), Some(12.5f64.sqrt()));
        let mut by_hand = Account::default();
        by_hand.note(Kind::Logistic, 0.5, 1.0);
        assert!((by_hand.score(Kind::Logistic).unwrap() - 2f64.ln()).abs() < 1e-5);
    }

    #[test]
    fn what_was_saved_comes_back_to_the_bit() {
        for (kind, x) in [
            (Kind::Linear, inputs(&[3.0, 4.0])),
            (Kind::Logistic, vec![Input::Number(3.0), Input::Word("a".to_owned())]),
        ] {
            let mut learner = Learner::of(kind, 2, 0.99, 1e-3);
            assert!(learner.learn(&x, 1.0));
            let mut out = Writer::default();
            learner.save(&mut out);
            let saved = out.into_bytes();
            assert_eq!(Learner::load(&mut Reader::new(&saved)), Ok(learner));
            assert!((0..saved.len()).all(|cut| Learner::load(&mut Reader::new(&saved[..cut])).is_err()));
        }
    }
}
