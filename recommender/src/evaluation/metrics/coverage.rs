//! Catalogue coverage: how much of what there is ever gets shown.
//!
//! Coverage@n = |union of all lists cut at n| / |items known at the end|.

use std::collections::HashSet;
use std::hash::Hash;

/// Collects the items shown.
#[derive(Debug, Clone)]
pub struct Coverage<T> {
    shown: HashSet<T>,
}

impl<T> Default for Coverage<T> {
    fn default() -> Self {
        Self { shown: HashSet::new() }
    }
}

impl<T: Eq + Hash + Copy> Coverage<T> {
    /// Adds a list, already cut at n.
    pub fn add(&mut self, ranked: &[T]) {
        self.shown.extend(ranked);
    }

    /// The share of `items` that was shown.
    pub fn value(&self, items: usize) -> f64 {
        if items == 0 { 0.0 } else { self.shown.len() as f64 / items as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mut coverage = Coverage::default();
        coverage.add(&[1, 2]);
        coverage.add(&[2, 3]);
        assert_eq!(coverage.value(12), 0.25);
        assert_eq!(coverage.value(0), 0.0);
    }
}
