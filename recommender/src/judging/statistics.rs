//! How sure a figure is: intervals, and tests of one figure against another.
//!
//! | of | is |
//! |---|---|
//! | a rate k/n | Wilson's interval: (k + z²/2 ± z·√(k·(n−k)/n + z²/4)) / (n + z²), z = 1.96 |
//! | a mean of n values | mean ± t₍.975, n−1₎·s/√n |
//! | two rates | z = (p₂ − p₁)/√(p·(1−p)·(1/n₁ + 1/n₂)), p = (k₁+k₂)/(n₁+n₂); the chance of a \|z\| as great |
//! | two means | Welch's t = (m₂ − m₁)/√(s₁²/n₁ + s₂²/n₂), degrees of freedom after Satterthwaite; the chance of a \|t\| as great |
//!
//! All are for a look that was planned. Who looks every hour and stops at the first p < .05 finds a difference where there
//! is none far more often than one time in twenty: fix the number of users first, or divide .05 by the number of looks.
//!
//! # Source
//! Wilson, Probable inference, the law of succession, and statistical inference, JASA 1927. Welch, The generalization of
//! "Student's" problem when several different population variances are involved, Biometrika 1947. Abramowitz and Stegun,
//! Handbook of Mathematical Functions: 26.7.5 (quantiles of t), 7.1.6 and 7.1.14 (error function), 26.5.8 (continued
//! fraction of the incomplete beta function).

/// The .975 quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The .975 quantile of Student's t, by degrees of freedom from 1.
const T: [f64; 30] = [
    12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004, 2.262_157,
    2.228_139, 2.200_985, 2.178_813, 2.160_369, 2.144_787, 2.131_450, 2.119_905, 2.109_816, 2.100_922,
    2.093_024, 2.085_963, 2.079_614, 2.073_873, 2.068_658, 2.063_899, 2.059_539, 2.055_529, 2.051_831,
    2.048_407, 2.045_230, 2.042_272,
];

/// What is kept of numbers to tell their mean and how far they lie apart.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
}

/// A difference, and how likely one as great is where there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// The second less the first.
    pub difference: f64,
    /// z or t.
    pub statistic: f64,
    /// The chance of a statistic at least as far from 0, on either side.
    pub p_value: f64,
}

impl Moments {
    /// Takes in a number.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.squares += value * value;
    }

    /// Replaces a number that was taken in.
    pub fn replace(&mut self, old: f64, new: f64) {
        self.sum += new - old;
        self.squares += new * new - old * old;
    }

    /// Lessens the sum by what cannot be told which number it was part of.
    pub fn lower(&mut self, amount: f64) {
        self.sum -= amount;
    }

    /// The mean; `None` of nothing.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// s², over n − 1; `None` of fewer than two.
    pub fn variance(&self) -> Option<f64> {
        let n = self.count as f64;
        (self.count > 1).then(|| ((self.squares - self.sum * self.sum / n) / (n - 1.0)).max(0.0))
    }

    /// The 95 % interval of the mean; `None` of fewer than two.
    pub fn interval(&self) -> Option<(f64, f64)> {
        let (mean, variance) = (self.mean()?, self.variance()?);
        let reach = t_975(self.count - 1) * (variance / self.count as f64).sqrt();
        Some((mean - reach, mean + reach))
    }
}

/// The 95 % interval of a rate of `hits` in `trials`; `None` without trials, or where there are more hits than those.
pub fn wilson(hits: u64, trials: u64) -> Option<(f64, f64)> {
    if trials == 0 || hits > trials {
        return None;
    }
    let (k, n) = (hits as f64, trials as f64);
    let middle = k + Z * Z / 2.0;
    let reach = Z * (k * (n - k) / n + Z * Z / 4.0).sqrt();
    // What rounding leaves beyond the ends is none.
    Some((((middle - reach) / (n + Z * Z)).max(0.0), ((middle + reach) / (n + Z * Z)).min(1.0)))
}

/// Tests two rates, each of hits and trials; `None` if that cannot be told.
pub fn two_proportions(first: (u64, u64), second: (u64, u64)) -> Option<Test> {
    if [first, second].iter().any(|(hits, trials)| *trials == 0 || hits > trials) {
        return None;
    }
    let rate = |(hits, trials): (u64, u64)| hits as f64 / trials as f64;
    let pooled = rate((first.0 + second.0, first.1 + second.1));
    let error = (pooled * (1.0 - pooled) * (1.0 / first.1 as f64 + 1.0 / second.1 as f64)).sqrt();
    let difference = rate(second) - rate(first);
    let statistic = difference / error;
    statistic.is_finite().then(|| Test { difference, statistic, p_value: normal_tails(statistic) })
}

/// Tests two means; `None` if that cannot be told.
pub fn welch(first: &Moments, second: &Moments) -> Option<Test> {
    let part = |moments: &Moments| Some(moments.variance()? / moments.count as f64);
    let (a, b) = (part(first)?, part(second)?);
    let difference = second.mean()? - first.mean()?;
    let statistic = difference / (a + b).sqrt();
    let freedom = (a + b) * (a + b) / (a * a / (first.count - 1) as f64 + b * b / (second.count - 1) as f64);
    (statistic.is_finite() && freedom.is_finite()).then(|| Test {
        difference,
        statistic,
        p_value: t_tails(statistic, freedom),
    })
}

/// The .975 quantile of t.
fn t_975(freedom: u64) -> f64 {
    if let Some(quantile) = freedom.checked_sub(1).and_then(|at| T.get(at as usize)) {
        return *quantile;
    }
    let n = freedom as f64;
    let (z2, z) = (Z * Z, Z);
    let first = z * (z2 + 1.0) / 4.0;
    let second = z * ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0;
    let third = z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0;
    z + first / n + second / (n * n) + third / (n * n * n)
}

/// The chance that a normal number lies at least as far from 0 as `z`.
fn normal_tails(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let scale = (-x * x).exp() / std::f64::consts::PI.sqrt();
    if x < 2.0 {
        // erf(x) = 2·e^{−x²}/√π · Σ 2ⁿ·x^{2n+1}/(1·3·…·(2n+1))
        let (mut term, mut sum) = (x, x);
        for n in 1..100 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        return (1.0 - 2.0 * scale * sum).max(0.0);
    }
    // erfc(x) = e^{−x²}/√π · 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …))))
    let fraction = (1..100).rev().fold(x, |below, k| x + f64::from(k) / 2.0 / below);
    scale / fraction
}

/// The chance that a number of Student's distribution lies at least as far from 0 as `t`.
fn t_tails(t: f64, freedom: f64) -> f64 {
    beta(freedom / (freedom + t * t), freedom / 2.0, 0.5)
}

/// The regularised incomplete beta function.
fn beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        // Where the fraction converges fast.
        return 1.0 - beta(1.0 - x, b, a);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp() / a;
    // 1/(1 + d₁/(1 + d₂/(1 + …))), from far below upwards.
    let step = |m: f64, odd: bool| match odd {
        true => -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        false => m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
    };
    let depth = 400;
    let fraction = (1..depth).rev().fold(1.0, |below, k| 1.0 + step(f64::from(k / 2), k % 2 == 1) / below);
    (front / fraction).clamp(0.0, 1.0)
}

/// ln Γ(x) for x > 0: Stirling's series, from where it is good to 12 digits.
fn ln_gamma(x: f64) -> f64 {
    let mut shift = 0.0;
    let mut x = x;
    while x < 10.0 {
        shift += x.ln();
        x += 1.0;
    }
    let x2 = x * x;
    let series = 1.0 / (12.0 * x) * (1.0 - 1.0 / (30.0 * x2) * (1.0 - 2.0 / (7.0 * x2)));
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() <= within, "{found} is not {expected}");
    }

    fn moments(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|&value| moments.add(value));
        moments
    }

    #[test]
    fn rates_by_hand() {
        // (10 + 1.9207 ± 1.96·√(9 + .9604)) / 103.8415
        let (low, high) = wilson(10, 100).expect("an interval");
        near(low, 0.055_229, 1e-6);
        near(high, 0.174_366, 1e-6);
        let (low, high) = wilson(0, 10).expect("an interval");
        near(low, 0.0, 1e-12);
        near(high, 0.277_533, 1e-6);
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(2, 1), None);
    }

    #[test]
    fn means_by_hand() {
        // Mean 5, s² = 20/3, t = 3.182446: 5 ± 3.182446·√(5/3).
        let four = moments(&[2.0, 4.0, 6.0, 8.0]);
        let (low, high) = four.interval().expect("an interval");
        let reach = 3.182_446 * (5.0f64 / 3.0).sqrt();
        near(low, 5.0 - reach, 1e-9);
        near(high, 5.0 + reach, 1e-9);
        assert_eq!(moments(&[1.0]).interval(), None);
        let mut replaced = moments(&[2.0, 4.0, 5.0, 8.0]);
        replaced.replace(5.0, 6.0);
        assert_eq!(replaced, four);
    }

    #[test]
    fn quantiles_of_t_meet_the_table() {
        near(t_975(30), 2.042_272, 1e-6);
        near(t_975(31), 2.039_513, 2e-5);
        near(t_975(100), 1.983_972, 1e-5);
        near(t_975(1_000_000), 1.959_966, 1e-6);
    }

    #[test]
    fn tails_are_those_of_tables() {
        for (z, p) in [(0.0, 1.0), (1.0, 0.317_310_507_9), (1.959_963_984_5, 0.05), (3.0, 0.002_699_796_1)] {
            near(normal_tails(z), p, 1e-9);
            near(normal_tails(-z), p, 1e-9);
        }
        near(normal_tails(5.0), 5.733_031_4e-7, 1e-13);
        for (t, freedom, p) in [
            (2.228_138_852, 10.0, 0.05),
            (2.0, 10.0, 0.073_388_035),
            (12.706_204_74, 1.0, 0.05),
            (0.0, 3.0, 1.0),
        ] {
            near(t_tails(t, freedom), p, 1e-7);
        }
        near(t_tails(1.959_963_985, 1e6), 0.05, 1e-5);
    }

    #[test]
    fn two_rates() {
        // p₁ = .1, p₂ = .15, p = .125: z = .05/√(.125·.875·(1/1000 + 1/1000)).
        let test = two_proportions((100, 1000), (150, 1000)).expect("a test");
        near(test.difference, 0.05, 1e-12);
        near(test.statistic, 0.05 / (0.125f64 * 0.875 / 500.0).sqrt(), 1e-12);
        near(test.p_value, 0.000_723_232_7, 1e-9);
        assert_eq!(two_proportions((0, 10), (0, 10)), None, "no spread, no test");
        assert_eq!(two_proportions((0, 0), (1, 10)), None);
    }

    #[test]
    fn two_means() {
        // Means 3 and 5, s² 2.5 and 10, n 5 each: t = 2/√2.5, freedom 2.5²/(.25/4 + 4/4).
        let test = welch(&moments(&[1.0, 2.0, 3.0, 4.0, 5.0]), &moments(&[1.0, 3.0, 5.0, 7.0, 9.0]));
        let test = test.expect("a test");
        near(test.statistic, 2.0 / 2.5f64.sqrt(), 1e-12);
        near(t_tails(test.statistic, 6.25 / 1.0625), test.p_value, 1e-12);
        near(test.p_value, 0.253_702_4, 1e-6);
        assert_eq!(welch(&moments(&[1.0]), &moments(&[1.0, 2.0])), None);
    }
}
