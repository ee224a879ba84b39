//! Logarithm and exponential of single floats, to about 1 part in 10⁵: fast, and the same on every machine.
//!
//! The standard library's call the platform's C library, whose last bits differ between systems. These use only
//! additions, multiplications and shifts of bits, which IEEE 754 fixes.

/// Natural logarithm of a positive, normal number.
pub(crate) const fn ln(x: f32) -> f32 {
    let bits = x.to_bits();
    // x = m·2^e with m in [√½, √2), where the series is best.
    let shifted = bits.wrapping_sub(0x3f35_04f3);
    let exponent = (shifted as i32 >> 23) as f32;
    let mantissa = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    // ln(m) = 2·artanh(t), t = (m − 1)/(m + 1), |t| < 0.172.
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let t2 = t * t;
    exponent * std::f32::consts::LN_2 + 2.0 * t * (1.0 + t2 * (1.0 / 3.0 + t2 * (0.2 + t2 * (1.0 / 7.0))))
}

/// e^x, 0 below -87 and bounded above 88.
pub(crate) fn exp(x: f32) -> f32 {
    let scaled = greater(if x < 88.0 { x } else { 88.0 }, -87.0) * std::f32::consts::LOG2_E;
    // Adding 1.5·2²³ leaves no room for a fraction: rounding without a call, to bits that count from there.
    let rounded = scaled + ROUNDING;
    let rest = (scaled - (rounded - ROUNDING)) * std::f32::consts::LN_2;
    let series = 1.0 + rest * (1.0 + rest * (0.5 + rest * (1.0 / 6.0 + rest * (1.0 / 24.0 + rest / 120.0))));
    let whole = rounded.to_bits().wrapping_sub(ROUNDING.to_bits());
    let power = f32::from_bits(whole.wrapping_add(127) << 23);
    // Not an early return: without branches, neighbours in a slice are computed several at a time.
    if x < -87.0 { 0.0 } else { series * power }
}

/// The greater of two numbers: one instruction, where the standard library's looks for what is no number.
pub(crate) fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Σ a·b, in an order of its own: four sums side by side, then those.
pub(crate) fn dot(a: &[f32; 8], b: &[f32; 8]) -> f32 {
    sum(&dot_in_four(a, b))
}

/// The four sums that [`dot`] is the [`sum`] of.
pub(crate) fn dot_in_four(a: &[f32; 8], b: &[f32; 8]) -> [f32; 4] {
    std::array::from_fn(|lane| a[lane] * b[lane] + a[lane + 4] * b[lane + 4])
}

/// The sum of four numbers, in an order of its own.
pub(crate) fn sum(four: &[f32; 4]) -> f32 {
    (four[0] + four[2]) + (four[1] + four[3])
}

/// Σ a·b over two slices of one length, in an order of its own: eight sums side by side, then those.
pub(crate) fn dot_all(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        (0..8).for_each(|lane| sums[lane] += a[lane] * b[lane]);
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    dot(&sums, &[1.0; 8]) + rest
}

/// The least and the greatest of some numbers; of none, the greatest and the least there are.
pub(crate) fn bounds(values: &[f32]) -> (f32, f32) {
    let (chunks, rest) = values.as_chunks::<8>();
    let (mut least, mut most) = ([f32::MAX; 8], [f32::MIN; 8]);
    let mut see = |lane: usize, value: f32| {
        least[lane] = if value < least[lane] { value } else { least[lane] };
        most[lane] = if value > most[lane] { value } else { most[lane] };
    };
    chunks.iter().for_each(|chunk| (0..8).for_each(|lane| see(lane, chunk[lane])));
    rest.iter().enumerate().for_each(|(lane, &value)| see(lane, value));
    (least.into_iter().fold(f32::MAX, f32::min), most.into_iter().fold(f32::MIN, f32::max))
}

const ROUNDING: f32 = 12_582_912.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_bounds_of_any_length() {
        for length in [0u8, 1, 7, 8, 9, 30] {
            let values: Vec<f32> = (0..length).map(|n| f32::from(n * 7 % 13) - 3.0).collect();
            let ones = vec![1.0; values.len()];
            assert_eq!(dot_all(&values, &ones), values.iter().sum::<f32>(), "{length}");
            let sorted = |a: &f32, b: &f32| a.total_cmp(b);
            let least = values.iter().copied().min_by(sorted).unwrap_or(f32::MAX);
            let most = values.iter().copied().max_by(sorted).unwrap_or(f32::MIN);
            assert_eq!(bounds(&values), (least, most), "{length}");
        }
    }

    #[test]
    fn near_the_exact_values() {
        for step in 1..4000 {
            let x = 1.02f32.powi(step - 2000);
            if x.is_normal() {
                let exact = f64::from(x).ln() as f32;
                assert!((ln(x) - exact).abs() <= 1e-5 * exact.abs().max(1.0), "ln {x}: {} {exact}", ln(x));
            }
        }
        for step in -8600..8800 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp() as f32;
            assert!((exp(x) - exact).abs() <= 2e-5 * exact, "exp {x}: {} {exact}", exp(x));
        }
        assert_eq!(exp(-1e9), 0.0);
        assert_eq!(exp(f32::MIN), 0.0);
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(exp(0.0), 1.0);
    }
}
