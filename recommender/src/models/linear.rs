//! Dense linear algebra for the models that solve equations: rows of `f64`, no library.
//!
//! | operation | cost | used by |
//! |---|---|---|
//! | [`invert`] | n³/2 multiply-adds | EASE, when too much has changed to update |
//! | [`solve_rows`] | m³/3 + m²·n | EASE, to update an inverse |
//! | [`Spd::solve`] | k³/6 + k² | ALS, one user or item |
//!
//! Only additions, multiplications, divisions and square roots, which IEEE 754 fixes, in a fixed order: the same
//! numbers on every machine. Inner loops run along rows, so the compiler can use vector instructions.

/// Columns eliminated at once: a panel of this many rows of 2,048 stays in the second-level cache.
const BLOCK: usize = 32;

/// Σ a·b, summed in eight strands.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut strands = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        strands.iter_mut().zip(x.iter().zip(y)).for_each(|(sum, (x, y))| *sum += x * y);
    }
    strands.iter().sum::<f64>() + rest
}

/// `row −= Σ_t factors[t] · rows[t]`, over the length of `row`. `rows` has `stride` numbers to a row.
fn subtract_rows(row: &mut [f64], factors: &[f64], rows: &[f64], stride: usize) {
    let width = row.len();
    let row_of = |t: usize| &rows[t * stride..t * stride + width];
    let mut t = 0;
    while t + 4 <= factors.len() {
        let [f0, f1, f2, f3] = [factors[t], factors[t + 1], factors[t + 2], factors[t + 3]];
        let (r0, r1, r2, r3) = (row_of(t), row_of(t + 1), row_of(t + 2), row_of(t + 3));
        for (at, value) in row.iter_mut().enumerate() {
            *value -= f0 * r0[at] + f1 * r1[at] + f2 * r2[at] + f3 * r3[at];
        }
        t += 4;
    }
    for (t, &factor) in factors.iter().enumerate().skip(t) {
        for (value, other) in row.iter_mut().zip(row_of(t)) {
            *value -= factor * other;
        }
    }
}

/// Replaces a symmetric positive definite n×n matrix by its inverse. Only the lower triangle is read; both are
/// written.
///
/// The sweep operator (Beaton 1964) over blocks of columns: sweeping block K turns A into
/// A_KK ← −A_KK⁻¹, A_iK ← A_iK·A_KK⁻¹, A_ij ← A_ij − A_iK·A_KK⁻¹·A_Kj, and after every block A is −A⁻¹.
pub(crate) fn invert(matrix: &mut [f64], n: usize) {
    for from in (0..n).step_by(BLOCK) {
        sweep(matrix, n, from, (from + BLOCK).min(n));
    }
    for i in 0..n {
        for j in 0..=i {
            matrix[i * n + j] = -matrix[i * n + j];
        }
    }
    mirror(matrix, n);
}

/// Copies the lower triangle into the upper.
fn mirror(matrix: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..i {
            matrix[j * n + i] = matrix[i * n + j];
        }
    }
}

fn sweep(matrix: &mut [f64], n: usize, from: usize, to: usize) {
    let block = to - from;
    // The rows of the block in full, and the block itself.
    let mut panel = vec![0.0; block * n];
    let mut own = vec![0.0; block * block];
    for t in 0..block {
        let row = &matrix[(from + t) * n..];
        panel[t * n..t * n + from + t + 1].copy_from_slice(&row[..from + t + 1]);
        for j in from + t + 1..n {
            panel[t * n + j] = matrix[j * n + from + t];
        }
        own[t * block..(t + 1) * block].copy_from_slice(&panel[t * n + from..t * n + to]);
    }
    // A_KK⁻¹·A_K, and A_KK⁻¹ from the columns of the block, where A_K holds A_KK: solve for the identity instead.
    let mut solved = panel.clone();
    let mut inverse = vec![0.0; block * block];
    (0..block).for_each(|t| inverse[t * block + t] = 1.0);
    let factor = Spd::of(own, block);
    factor.solve_rows(&mut solved, n);
    factor.solve_rows(&mut inverse, block);
    let mut factors = vec![0.0; block];
    for i in (0..n).filter(|i| !(from..to).contains(i)) {
        (0..block).for_each(|t| factors[t] = panel[t * n + i]);
        let row = &mut matrix[i * n..i * n + i + 1];
        subtract_rows(row, &factors, &solved, n);
        if i >= to {
            (0..block).for_each(|t| row[from + t] = solved[t * n + i]);
        }
    }
    for t in 0..block {
        let row = &mut matrix[(from + t) * n..(from + t) * n + to];
        row[..from].copy_from_slice(&solved[t * n..t * n + from]);
        (0..block).for_each(|s| row[from + s] = -inverse[t * block + s]);
    }
}

/// Replaces the rows of `right` (m rows of `width`) by `matrix`⁻¹·`right`. False if the m×m matrix is singular.
///
/// Gaussian elimination with partial pivoting; `matrix` is used up.
pub(crate) fn solve_rows(matrix: &mut [f64], m: usize, right: &mut [f64], width: usize) -> bool {
    for k in 0..m {
        let size = |row: usize| matrix[row * m + k].abs();
        let pivot = (k..m).fold(k, |best, row| if size(row) > size(best) { row } else { best });
        if size(pivot) == 0.0 {
            return false;
        }
        swap_rows(matrix, m, k, pivot);
        swap_rows(right, width, k, pivot);
        for row in k + 1..m {
            let factor = [matrix[row * m + k] / matrix[k * m + k]];
            if factor[0] != 0.0 {
                let (head, tail) = matrix.split_at_mut(row * m);
                subtract_rows(&mut tail[..m], &factor, &head[k * m..], m);
                let (head, tail) = right.split_at_mut(row * width);
                subtract_rows(&mut tail[..width], &factor, &head[k * width..], width);
            }
        }
    }
    for k in (0..m).rev() {
        let (head, tail) = right.split_at_mut((k + 1) * width);
        let row = &mut head[k * width..];
        subtract_rows(row, &matrix[k * m + k + 1..(k + 1) * m], tail, width);
        row.iter_mut().for_each(|value| *value /= matrix[k * m + k]);
    }
    true
}

/// inverse −= left·right, where left·right is symmetric: `left` has n columns and m rows (so transposed), `right`
/// has m rows of n.
pub(crate) fn subtract_symmetric(inverse: &mut [f64], n: usize, left: &[f64], right: &[f64]) {
    let m = left.len() / n.max(1);
    let mut factors = vec![0.0; m];
    for i in 0..n {
        (0..m).for_each(|t| factors[t] = left[t * n + i]);
        subtract_rows(&mut inverse[i * n..i * n + i + 1], &factors, right, n);
    }
    mirror(inverse, n);
}

fn swap_rows(matrix: &mut [f64], width: usize, a: usize, b: usize) {
    if a != b {
        let (low, high) = (a.min(b), a.max(b));
        let (head, tail) = matrix.split_at_mut(high * width);
        head[low * width..(low + 1) * width].swap_with_slice(&mut tail[..width]);
    }
}

/// A symmetric positive definite matrix A as L·Lᵀ (Cholesky).
pub(crate) struct Spd {
    lower: Vec<f64>,
    n: usize,
}

impl Spd {
    /// Factors `matrix`, of which only the lower triangle is read.
    pub(crate) fn of(mut matrix: Vec<f64>, n: usize) -> Self {
        for i in 0..n {
            let (head, tail) = matrix.split_at_mut(i * n);
            let row = &mut tail[..n];
            for j in 0..i {
                let other = &head[j * n..j * n + j + 1];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            // Rounding may take a diagonal that is next to nothing below it.
            row[i] = (row[i] - dot(&row[..i], &row[..i])).max(f64::MIN_POSITIVE).sqrt();
        }
        Self { lower: matrix, n }
    }

    /// Replaces `right` by A⁻¹·`right`.
    pub(crate) fn solve(&self, right: &mut [f64]) {
        let n = self.n;
        for i in 0..n {
            let row = &self.lower[i * n..i * n + i + 1];
            right[i] = (right[i] - dot(&row[..i], &right[..i])) / row[i];
        }
        for i in (0..n).rev() {
            right[i] /= self.lower[i * n + i];
            let (above, own) = right.split_at_mut(i);
            let row = &self.lower[i * n..i * n + i];
            above.iter_mut().zip(row).for_each(|(value, factor)| *value -= factor * own[0]);
        }
    }

    /// Replaces n rows of `width` by A⁻¹·rows.
    fn solve_rows(&self, rows: &mut [f64], width: usize) {
        let n = self.n;
        for i in 0..n {
            let (head, tail) = rows.split_at_mut(i * width);
            let row = &mut tail[..width];
            subtract_rows(row, &self.lower[i * n..i * n + i], head, width);
            row.iter_mut().for_each(|value| *value /= self.lower[i * n + i]);
        }
        for i in (0..n).rev() {
            let factors: Vec<f64> = (i + 1..n).map(|j| self.lower[j * n + i]).collect();
            let (head, tail) = rows.split_at_mut((i + 1) * width);
            let row = &mut head[i * width..];
            subtract_rows(row, &factors, tail, width);
            row.iter_mut().for_each(|value| *value /= self.lower[i * n + i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A symmetric matrix with a heavy diagonal, from a fixed seed.
    fn spd(n: usize) -> Vec<f64> {
        let mut seed = 7u64;
        let mut matrix = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let value = (seed >> 40) as f64 / (1u64 << 24) as f64;
                (matrix[i * n + j], matrix[j * n + i]) = (value, value);
            }
            matrix[i * n + i] += n as f64;
        }
        matrix
    }

    /// The greatest distance of a·b from the identity.
    fn off_identity(a: &[f64], b: &[f64], n: usize) -> f64 {
        let cell = |i: usize, j: usize| (0..n).map(|k| a[i * n + k] * b[k * n + j]).sum::<f64>();
        let off = |i: usize, j: usize| (cell(i, j) - if i == j { 1.0 } else { 0.0 }).abs();
        (0..n * n).map(|at| off(at / n, at % n)).fold(0.0, f64::max)
    }

    #[test]
    fn an_inverse_times_its_matrix_is_the_identity() {
        for n in [1, 2, 7, 32, 33, 100] {
            let matrix = spd(n);
            let mut inverse = matrix.clone();
            invert(&mut inverse, n);
            assert!(off_identity(&matrix, &inverse, n) < 1e-12, "n = {n}");
        }
    }

    #[test]
    fn equations_are_solved_both_ways() {
        let n = 20;
        let matrix = spd(n);
        let right: Vec<f64> = (0..n).map(|i| i as f64).collect();
        let mut once = right.clone();
        Spd::of(matrix.clone(), n).solve(&mut once);
        let mut pivoted = right.clone();
        assert!(solve_rows(&mut matrix.clone(), n, &mut pivoted, 1));
        for i in 0..n {
            assert!((dot(&matrix[i * n..(i + 1) * n], &once) - right[i]).abs() < 1e-10);
            assert!((once[i] - pivoted[i]).abs() < 1e-12);
        }
        // A row of zeros on the diagonal needs pivoting; a singular matrix has no solution.
        let mut swapped = [1.0, 2.0];
        assert!(solve_rows(&mut [0.0, 1.0, 1.0, 0.0], 2, &mut swapped, 1));
        assert_eq!(swapped, [2.0, 1.0]);
        assert!(!solve_rows(&mut [1.0, 1.0, 1.0, 1.0], 2, &mut [1.0, 2.0], 1));
    }
}
