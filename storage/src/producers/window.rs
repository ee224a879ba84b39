//! What a log remembers of one producer: its epoch, its last five batches, its open transaction.

use protocol::types::{Offset, ProducerEpoch, Sequence, TimestampMs};

/// How many batches of a producer are remembered: as many as a client may have in flight (KIP-98).
const WINDOW_BATCHES: usize = 5;

/// A batch of an idempotent producer, as far as telling a duplicate needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRange {
    /// The sequence of its last record.
    pub last_sequence: Sequence,
    /// The offset of its last record.
    pub last_offset: Offset,
    /// Its last offset less its first.
    pub offset_delta: i32,
    /// Its largest timestamp.
    pub timestamp: TimestampMs,
}

impl BatchRange {
    /// The sequence of its first record: sequences wrap from 2^31-1 to 0.
    pub fn first_sequence(&self) -> Sequence {
        let first = i64::from(self.last_sequence.0) - i64::from(self.offset_delta);
        let wrapped = if first < 0 { first + i64::from(i32::MAX) + 1 } else { first };
        Sequence(wrapped as i32)
    }

    /// The offset of its first record.
    pub fn first_offset(&self) -> Offset {
        Offset(self.last_offset.0 - i64::from(self.offset_delta))
    }
}

/// The last batches of a producer in its current epoch, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    batches: [Option<BatchRange>; WINDOW_BATCHES],
}

impl Window {
    /// Remembers `batch`, forgetting the oldest if there is no room.
    pub(crate) fn push(&mut self, batch: BatchRange) {
        let free = self.batches.iter().position(Option::is_none).unwrap_or_else(|| {
            self.batches.rotate_left(1);
            WINDOW_BATCHES - 1
        });
        self.batches[free] = Some(batch);
    }

    /// The newest batch.
    pub fn last(&self) -> Option<&BatchRange> {
        self.batches.iter().rev().flatten().next()
    }

    /// The remembered batch with these sequences.
    pub(crate) fn find(&self, first: Sequence, last: Sequence) -> Option<&BatchRange> {
        self.batches
            .iter()
            .flatten()
            .find(|batch| batch.first_sequence() == first && batch.last_sequence == last)
    }
}

/// What a log knows of a producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerEntry {
    /// The newest epoch seen.
    pub epoch: ProducerEpoch,
    /// The newest epoch of a transaction coordinator seen in a marker; -1 if none.
    pub coordinator_epoch: i32,
    /// The largest timestamp of its last batch, or that of its last marker.
    pub last_timestamp: TimestampMs,
    /// The first record of its open transaction.
    pub open_transaction: Option<Offset>,
    /// Its last batches in this epoch.
    pub window: Window,
    /// When it last wrote, by the broker's clock; what expiry counts from.
    ///
    /// Apache Kafka counts from `last_timestamp`, so a producer that replays old events is forgotten at once.
    pub(crate) last_seen: TimestampMs,
}

impl ProducerEntry {
    /// A producer never seen before.
    pub(crate) fn new(now: TimestampMs) -> Self {
        Self {
            epoch: ProducerEpoch::NONE,
            coordinator_epoch: -1,
            last_timestamp: TimestampMs::NONE,
            open_transaction: None,
            window: Window::default(),
            last_seen: now,
        }
    }

    /// Moves to `epoch`; batches of an older epoch are no longer duplicates.
    pub(crate) fn enter(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.window = Window::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(last_sequence: i32, count: i32) -> BatchRange {
        BatchRange {
            last_sequence: Sequence(last_sequence),
            last_offset: Offset(1_000 + i64::from(last_sequence)),
            offset_delta: count - 1,
            timestamp: TimestampMs(0),
        }
    }

    #[test]
    fn keeps_the_last_five() {
        let mut window = Window::default();
        for last in 0..8 {
            window.push(batch(last, 1));
        }
        assert_eq!(window.last(), Some(&batch(7, 1)));
        for (sequence, found) in [(2, false), (3, true), (7, true), (8, false)] {
            assert_eq!(window.find(Sequence(sequence), Sequence(sequence)).is_some(), found, "{sequence}");
        }
    }

    #[test]
    fn first_sequence_wraps_back() {
        assert_eq!(batch(9, 10).first_sequence(), Sequence(0));
        assert_eq!(batch(1, 4).first_sequence(), Sequence(i32::MAX - 1));
    }

    #[test]
    fn a_new_epoch_forgets_the_batches_of_the_old() {
        let mut entry = ProducerEntry::new(TimestampMs(0));
        entry.enter(ProducerEpoch(3));
        entry.window.push(batch(4, 5));
        entry.enter(ProducerEpoch(3));
        assert!(entry.window.last().is_some());
        entry.enter(ProducerEpoch(4));
        assert!(entry.window.last().is_none());
    }
}
