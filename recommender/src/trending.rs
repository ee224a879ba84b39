//! Trending items: what happens to an item now, against what used to happen to it.
//!
//! Time is cut into the buckets of a sliding window, twelve to a window (see [`crate::state::window`]). With x the
//! events of the present bucket, of which the share f has passed, and x_1, x_2, … those of the buckets before it,
//! latest first and back to the first of the window in which anything happened:
//!
//! ```text
//! μ  = Σ .8^k·x_k / Σ .8^k                        exponentially weighted mean, k = 0 for x_1
//! σ² = Σ .8^k·(x_k − μ)² / Σ .8^k                 and variance
//! z  = (x − f·μ) / √max(f·σ², f·μ, 1)
//! ```
//!
//! The deviation is at least √(f·μ), that of counts that come by chance, and at least 1, so that a single event on what
//! nobody ever touched is no sensation. Only z > 0 is trending.
//!
//! Nothing is kept for it but the window, whose counts are exact: an event costs nothing more, a late one counts in its
//! own bucket, and what is taken back when a user is forgotten is gone from here too. A hot item is trending only while
//! it grows.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use crate::ids::ItemIdx;
use crate::state::window::Window;

/// How much less a bucket counts than the one after it.
const FADE: f64 = 0.8;

/// What used to happen to an item: sums over the buckets before the present one.
#[derive(Debug, Clone, Copy, Default)]
struct Past {
    events: u32,
    /// Σ .8^k·x_k.
    sum: f64,
    /// Σ .8^k·x_k².
    squares: f64,
}

/// Every trending item of a window as of `now_ms`, in no particular order: z, and the events of the present bucket.
pub(crate) fn trends(window: &Window, now_ms: i64) -> Vec<(ItemIdx, f64, u32)> {
    let mut buckets = window.buckets(now_ms).into_iter();
    let present = buckets.next().unwrap_or_default();
    let mut pasts: HashMap<ItemIdx, Past, FxBuildHasher> = HashMap::default();
    pasts.extend(present.iter().map(|&(item, events)| (item, Past { events, ..Past::default() })));
    let (mut weight, mut weights) = (1.0, 0.0);
    for bucket in buckets {
        for (item, events) in bucket {
            if let Some(past) = pasts.get_mut(&item) {
                past.sum += weight * f64::from(events);
                past.squares += weight * f64::from(events) * f64::from(events);
            }
        }
        weights += weight;
        weight *= FADE;
    }
    let share = window.passed(now_ms);
    let z = |past: &Past| {
        let per_weight = if weights > 0.0 { 1.0 / weights } else { 0.0 };
        let mean = past.sum * per_weight;
        let variance = (past.squares * per_weight - mean * mean).max(mean).max(0.0);
        (f64::from(past.events) - share * mean) / (share * variance).max(1.0).sqrt()
    };
    let trend = |&(item, events): &(ItemIdx, u32)| pasts.get(&item).map(|past| (item, z(past), events));
    present.iter().filter_map(trend).filter(|&(_, z, _)| z > 0.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window of buckets of 100 ms in which each item had these events, oldest bucket first.
    fn window(items: &[&[u32]]) -> Window {
        let mut window = Window::new(1200);
        for bucket in 0..items[0].len() {
            for (item, events) in (0..).zip(items) {
                if events[bucket] > 0 {
                    window.add(ItemIdx(item), bucket as i64 * 100, events[bucket]);
                }
            }
        }
        window
    }

    fn z_of(window: &Window, now_ms: i64, item: u32) -> Option<f64> {
        trends(window, now_ms).into_iter().find(|trend| trend.0 == ItemIdx(item)).map(|trend| trend.1)
    }

    #[test]
    fn by_hand() {
        // Three buckets before the present one, weighing 1, .8, .64 backwards: 2.44 together.
        let window = window(&[&[5, 5, 5, 10], &[0, 0, 10, 12], &[0, 0, 0, 3], &[9, 9, 9, 9], &[1, 1, 1, 0]]);
        let near = |found: Option<f64>, expected: f64| {
            assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?} is not {expected}");
        };
        let now = 399;
        // μ = 5, σ² = 0 is less than chance's 5: (10 − 5)/√5.
        near(z_of(&window, now, 0), 5.0 / 5f64.sqrt());
        // μ = 10/2.44, σ² = 100/2.44 − μ².
        let mean: f64 = 10.0 / 2.44;
        near(z_of(&window, now, 1), (12.0 - mean) / (100.0 / 2.44 - mean * mean).sqrt());
        // Never seen: deviation 1.
        near(z_of(&window, now, 2), 3.0);
        assert_eq!(z_of(&window, now, 3), None, "hot as ever is not trending");
        assert_eq!(z_of(&window, now, 4), None);
        // Halfway through the bucket half as much was to be expected: (10 − 2.5)/√2.5.
        near(z_of(&window, 349, 0), 7.5 / 2.5f64.sqrt());
        near(z_of(&window, 349, 3), 4.5 / 4.5f64.sqrt());
    }

    #[test]
    fn a_trend_ends_by_itself_or_when_it_is_taken_back() {
        let mut window = window(&[&[1, 1, 1, 20]]);
        assert!(z_of(&window, 399, 0).unwrap() > 10.0);
        assert_eq!(trends(&window, 450), [], "nothing yet in the next bucket");
        assert_eq!(trends(&window, 1 << 40), []);
        (0..19).for_each(|_| window.remove(ItemIdx(0), 300, 1));
        assert_eq!(trends(&window, 399), []);
        assert_eq!(trends(&Window::new(1200), 0), []);
    }

    #[test]
    fn the_window_forgets_what_lies_before_it() {
        let mut window = window(&[&[1000, 1]]);
        for bucket in 2..13 {
            window.add(ItemIdx(0), bucket * 100, 1);
        }
        // Eleven buckets of 1: μ = 1, (5 − 1)/1.
        window.add(ItemIdx(0), 1200, 4);
        assert!((z_of(&window, 1299, 0).unwrap() - 4.0).abs() < 1e-9);
    }
}
