//! The four offsets that bound what readers see, in their one possible order.

use std::fmt;

use protocol::types::Offset;

/// Where a log begins, what is stable, what is committed, where it ends.
///
/// ```text
///  start <= stable <= high <= end
/// ```
/// - `start`: the first offset kept; everything before was removed by retention or DeleteRecords.
/// - `stable`: no transaction that began before it is still open (Kafka's last stable offset).
/// - `high`: everything before it is committed (Kafka's high watermark); with one node, `end`.
/// - `end`: the offset the next record will get (Kafka's log end offset).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    start: Offset,
    stable: Offset,
    high: Offset,
    end: Offset,
}

impl Marks {
    /// The marks, if they are in order.
    pub fn new(start: Offset, stable: Offset, high: Offset, end: Offset) -> Option<Self> {
        (start <= stable && stable <= high && high <= end).then_some(Self { start, stable, high, end })
    }

    /// The marks of a log on the only node: everything written is committed, and stable up to `first_open`, the
    /// first record of the oldest open transaction.
    pub(crate) fn of_single_node(start: Offset, first_open: Option<Offset>, end: Offset) -> Self {
        let start = start.min(end);
        let stable = first_open.map_or(end, |open| open.clamp(start, end));
        Self::new(start, stable, end, end).expect("clamped into order")
    }

    /// The first offset kept.
    pub fn start(self) -> Offset {
        self.start
    }

    /// No transaction that began before this is still open.
    pub fn stable(self) -> Offset {
        self.stable
    }

    /// Everything before this is committed.
    pub fn high(self) -> Offset {
        self.high
    }

    /// The offset the next record will get.
    pub fn end(self) -> Offset {
        self.end
    }
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "start={} stable={} high={} end={}", self.start, self.stable, self.high, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marks_in_order_exist() {
        let marks =
            |start, stable, high, end| Marks::new(Offset(start), Offset(stable), Offset(high), Offset(end));
        assert!(marks(1, 2, 3, 4).is_some());
        assert!(marks(5, 5, 5, 5).is_some());
        assert!(marks(3, 2, 3, 4).is_none());
        assert!(marks(1, 4, 3, 4).is_none());
        assert!(marks(1, 2, 5, 4).is_none());
    }

    #[test]
    fn an_open_transaction_holds_the_stable_mark_back() {
        let stable =
            |open: Option<i64>| Marks::of_single_node(Offset(5), open.map(Offset), Offset(10)).stable();
        assert_eq!(stable(None), Offset(10));
        assert_eq!(stable(Some(7)), Offset(7));
        assert_eq!(stable(Some(2)), Offset(5));
    }
}
