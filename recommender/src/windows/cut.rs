//! How time is cut into windows.

/// A way of cutting. Lengths are in ms, and above 0; only a sliding one may be 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// One after the other.
    Tumbling {
        /// The length of each.
        size_ms: i64,
    },
    /// One beginning every `advance_ms`, so that they overlap.
    Hopping {
        /// The length of each.
        size_ms: i64,
        /// From one beginning to the next, at most the length.
        advance_ms: i64,
    },
    /// One that ends with each number, reaching back `size_ms`, both ends included.
    Sliding {
        /// How far back.
        size_ms: i64,
    },
    /// As long as numbers follow each other.
    Session {
        /// The silence that ends one.
        gap_ms: i64,
    },
}

impl Cut {
    /// The windows, as start and end, that a number at `time_ms` is in by its time alone; of sliding and session cuts the
    /// one that the number would have if it were alone.
    pub fn windows_of(self, time_ms: i64) -> impl Iterator<Item = (i64, i64)> {
        let (first, size_ms, advance_ms) = match self {
            Self::Tumbling { size_ms } => (floor(time_ms, size_ms), size_ms, size_ms),
            Self::Hopping { size_ms, advance_ms } => {
                let after = floor(time_ms.saturating_sub(size_ms), advance_ms);
                (after.saturating_add(advance_ms), size_ms, advance_ms)
            }
            Self::Sliding { size_ms } => {
                (time_ms.saturating_sub(size_ms), size_ms.saturating_add(1), i64::MAX)
            }
            Self::Session { gap_ms } => (time_ms, gap_ms, i64::MAX),
        };
        let starts = std::iter::successors(Some(first), move |start| start.checked_add(advance_ms));
        starts
            .take_while(move |start| *start <= time_ms)
            .map(move |start| (start, start.saturating_add(size_ms)))
    }
}

fn floor(time_ms: i64, step_ms: i64) -> i64 {
    time_ms.div_euclid(step_ms).saturating_mul(step_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(cut: Cut, time_ms: i64) -> Vec<(i64, i64)> {
        cut.windows_of(time_ms).collect()
    }

    #[test]
    fn by_hand() {
        let tumbling = Cut::Tumbling { size_ms: 10 };
        assert_eq!(windows(tumbling, 0), [(0, 10)]);
        assert_eq!(windows(tumbling, 9), [(0, 10)]);
        assert_eq!(windows(tumbling, -1), [(-10, 0)]);
        let hopping = Cut::Hopping { size_ms: 10, advance_ms: 4 };
        assert_eq!(windows(hopping, 9), [(0, 10), (4, 14), (8, 18)]);
        assert_eq!(windows(hopping, 10), [(4, 14), (8, 18)]);
        assert_eq!(windows(hopping, -1), [(-8, 2), (-4, 6)]);
        assert_eq!(windows(Cut::Hopping { size_ms: 10, advance_ms: 10 }, 10), [(10, 20)]);
        assert_eq!(windows(Cut::Sliding { size_ms: 10 }, 3), [(-7, 4)]);
        assert_eq!(windows(Cut::Session { gap_ms: 10 }, 3), [(3, 13)]);
        assert_eq!(windows(tumbling, i64::MAX).len(), 1);
    }
}
