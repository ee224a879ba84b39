//! Follow the regularised leader, proximal, over hashed features: logistic or linear regression, one pass.
//!
//! For an example of features x with target y, per feature i that is present:
//!
//! ```text
//! w_i = 0                                                    if |z_i| ≤ λ1
//!     = −(z_i − sgn(z_i)·λ1) / ((β + √n_i)/α + λ2)           otherwise
//! p   = link(Σ w_i·x_i)            link: σ(s) = 1/(1 + e^−s), or s itself
//! g_i = (p − y)·x_i
//! z_i += g_i − (√(n_i + g_i²) − √n_i)/α · w_i
//! n_i += g_i²
//! ```
//!
//! So each weight has a rate of its own, which shrinks by what that feature has taught already, and a weight that does
//! not earn λ1 is exactly 0.
//!
//! # Bounds
//! Features are named by 64 bits, of which the low ones choose a cell: 2^bits cells of 16 bytes, however many names
//! there are. Two names in one cell share a weight; with twice as many cells as names that is one in some three.
//! What one example taught cannot be subtracted: it fades as the cell learns on.
//!
//! # Source
//! McMahan et al., Ad click prediction: a view from the trenches, KDD 2013, algorithm 1. The linear link: the same
//! gradient step for squared error.

use crate::math::exp;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// Beyond this a chance is as good as 0 or 1: its logarithm of odds goes no further.
const SCORE_MAX: f64 = 35.0;

/// Most bits that choose a cell.
pub const BITS_MAX: u32 = 24;

/// One feature that an example has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feature {
    /// Its name, hashed: all 64 bits alike good.
    pub name: u64,
    /// How much of it there is; 1 for what is merely present.
    pub value: f64,
}

impl Feature {
    /// What is merely present.
    pub const fn present(name: u64) -> Self {
        Self { name, value: 1.0 }
    }
}

/// What a sum of weights is turned into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// A chance: targets are 0 and 1, the loss is −ln of the chance given to what happened.
    Logistic,
    /// The sum itself: targets are any numbers, the loss is half the squared error.
    Identity,
}

/// How fast and how sparsely to learn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FtrlSettings {
    /// The first step of a weight is about this. Above 0.
    pub alpha: f64,
    /// How long steps stay large. At least 0.
    pub beta: f64,
    /// What a weight must earn before it is other than 0.
    pub l1: f64,
    /// How strongly weights are drawn towards 0.
    pub l2: f64,
    /// 2^bits cells; 1 to [`BITS_MAX`].
    pub bits: u32,
}

impl Default for FtrlSettings {
    fn default() -> Self {
        Self { alpha: 0.1, beta: 1.0, l1: 0.0, l2: 1.0, bits: 16 }
    }
}

/// The learner.
#[derive(Debug, Clone, PartialEq)]
pub struct Ftrl {
    settings: FtrlSettings,
    link: Link,
    cells: Vec<Cell>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Cell {
    z: f64,
    n: f64,
}

impl Ftrl {
    /// A learner that knows nothing: it predicts a chance of one half, or 0.
    pub fn new(link: Link, settings: FtrlSettings) -> Self {
        let bits = settings.bits.clamp(1, BITS_MAX);
        let settings = FtrlSettings { bits, ..settings };
        Self { settings, link, cells: vec![Cell::default(); 1 << bits] }
    }

    /// What is to be expected of an example: a chance, or a number.
    pub fn predict(&self, features: &[Feature]) -> f64 {
        self.linked(self.score(features))
    }

    /// The sum of weights that [`Ftrl::predict`] turns into a chance: its logarithm of odds.
    pub fn score(&self, features: &[Feature]) -> f64 {
        features.iter().map(|feature| self.weight(feature.name) * feature.value).sum()
    }

    /// The weight of a feature.
    pub fn weight(&self, name: u64) -> f64 {
        let Cell { z, n } = self.cells[self.place(name)];
        let FtrlSettings { alpha, beta, l1, l2, .. } = self.settings;
        if z.abs() <= l1 { 0.0 } else { -(z - z.signum() * l1) / ((beta + n.sqrt()) / alpha + l2) }
    }

    /// Learns one example, and says what was predicted before. An example that is not finite teaches nothing.
    pub fn learn(&mut self, features: &[Feature], target: f64) -> f64 {
        let predicted = self.predict(features);
        let error = predicted - target;
        if !error.is_finite() || features.iter().any(|feature| !feature.value.is_finite()) {
            return predicted;
        }
        for feature in features {
            let weight = self.weight(feature.name);
            let gradient = error * feature.value;
            let place = self.place(feature.name);
            let cell = &mut self.cells[place];
            let n = cell.n + gradient * gradient;
            cell.z += gradient - (n.sqrt() - cell.n.sqrt()) / self.settings.alpha * weight;
            cell.n = n;
        }
        predicted
    }

    /// How many cells have learnt anything.
    pub fn used(&self) -> usize {
        self.cells.iter().filter(|cell| cell.n > 0.0).count()
    }

    /// Bytes held.
    pub fn size_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
    }

    fn linked(&self, score: f64) -> f64 {
        match self.link {
            Link::Logistic => 1.0 / (1.0 + f64::from(exp(-score.clamp(-SCORE_MAX, SCORE_MAX) as f32))),
            Link::Identity => score,
        }
    }

    fn place(&self, name: u64) -> usize {
        name as usize & (self.cells.len() - 1)
    }
}

impl Snapshot for Ftrl {
    fn save(&self, out: &mut Writer) {
        let FtrlSettings { alpha, beta, l1, l2, bits } = self.settings;
        [alpha, beta, l1, l2].iter().for_each(|&value| out.f64(value));
        out.u32(bits);
        out.u8(u8::from(self.link == Link::Identity));
        out.u32(self.used() as u32);
        for (place, cell) in (0u32..).zip(&self.cells).filter(|(_, cell)| cell.n > 0.0) {
            out.u32(place);
            out.f64(cell.z);
            out.f64(cell.n);
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let (alpha, beta, l1, l2) = (input.f64()?, input.f64()?, input.f64()?, input.f64()?);
        let bits = input.u32()?;
        if !(1..=BITS_MAX).contains(&bits) {
            return Err(SnapshotError::Malformed("cells of a click model"));
        }
        let link = if input.u8()? == 0 { Link::Logistic } else { Link::Identity };
        let mut learner = Self::new(link, FtrlSettings { alpha, beta, l1, l2, bits });
        for _ in 0..input.count(20)? {
            let place = input.u32()? as usize;
            let cell = Cell { z: input.f64()?, n: input.f64()? };
            *learner.cells.get_mut(place).ok_or(SnapshotError::Malformed("cell of a click model"))? = cell;
        }
        Ok(learner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::random::{Random, mix};

    fn learner(link: Link, l1: f64, l2: f64) -> Ftrl {
        Ftrl::new(link, FtrlSettings { alpha: 0.5, beta: 1.0, l1, l2, bits: 10 })
    }

    #[test]
    fn two_steps_by_hand() {
        let mut ftrl = learner(Link::Logistic, 0.0, 0.0);
        let x = [Feature::present(3)];
        // p = ½, g = ½ − 1 = −½; n = ¼, z = −½ − (½ − 0)/½·0 = −½.
        assert_eq!(ftrl.learn(&x, 1.0), 0.5);
        // w = ½ / ((1 + ½)/½) = 1/6; p = σ(1/6) = .541570.
        assert!((ftrl.weight(3) - 1.0 / 6.0).abs() < 1e-15);
        assert!((ftrl.learn(&x, 0.0) - 0.541_570).abs() < 1e-4);
        // g = .541570; n = .25 + .293298 = .543298, √n = .737088; z = −.5 + .541570 − .474176·.166667 = −.037459.
        // w = .037459 / (1.737088/.5) = .010782.
        assert!((ftrl.weight(3) - 0.010_782).abs() < 1e-4, "{}", ftrl.weight(3));
        let mut sparse = learner(Link::Logistic, 1.0, 0.0);
        sparse.learn(&x, 1.0);
        assert_eq!(sparse.weight(3), 0.0, "|z| = ½ does not earn λ1 = 1");
        assert_eq!((sparse.used(), sparse.size_bytes()), (1, 16 * 1024));
    }

    #[test]
    fn it_finds_the_odds_and_the_line_that_made_the_data() {
        let mut random = Random(7);
        let (mut chance, mut line) = (learner(Link::Logistic, 0.0, 0.0), learner(Link::Identity, 0.0, 0.0));
        for _ in 0..200_000 {
            let (a, b) = (random.below(2) as f64, random.unit());
            let x = [Feature::present(1), Feature { name: 2, value: a }, Feature { name: 3, value: b }];
            let odds: f64 = -1.0 + 1.5 * a - 0.5 * b;
            let clicked = random.unit() < 1.0 / (1.0 + (-odds).exp());
            chance.learn(&x, f64::from(u8::from(clicked)));
            line.learn(&x, 2.0 - a + 3.0 * b);
        }
        for (name, expected) in [(1, -1.0), (2, 1.5), (3, -0.5)] {
            let found = chance.weight(name);
            assert!((found - expected).abs() < 0.1, "weight {name}: {found}, made with {expected}");
        }
        for (name, expected) in [(1, 2.0), (2, -1.0), (3, 3.0)] {
            let found = line.weight(name);
            assert!((found - expected).abs() < 0.01, "weight {name}: {found}, made with {expected}");
        }
    }

    #[test]
    fn any_number_of_names_takes_no_more_room_and_comes_back_to_the_bit() {
        let mut ftrl = learner(Link::Logistic, 0.1, 0.5);
        let bytes = ftrl.size_bytes();
        for n in 0..5000u64 {
            ftrl.learn(&[Feature::present(mix(n)), Feature::present(mix(n / 7))], f64::from(n % 3 == 0));
        }
        ftrl.learn(&[Feature { name: 1, value: f64::NAN }], 1.0);
        ftrl.learn(&[Feature::present(1)], f64::INFINITY);
        assert_eq!(ftrl.size_bytes(), bytes);
        let mut out = Writer::default();
        ftrl.save(&mut out);
        let saved = out.into_bytes();
        assert_eq!(Ftrl::load(&mut Reader::new(&saved)), Ok(ftrl));
        for cut in 0..60 {
            assert!(Ftrl::load(&mut Reader::new(&saved[..cut])).is_err(), "cut at {cut}");
        }
    }
}
