//! `leader-epoch-checkpoint`: at which offset each leader epoch began.
//!
//! ```text
//! 0            version
//! 2            entries
//! 0 0          epoch, its first offset
//! 3 81231
//! ```
//! A consumer that saw epoch 0 up to some offset asks where epoch 0 ended, and learns whether the log was cut off and
//! rewritten behind its back (KIP-101, KIP-320). Batches carry their epoch, so recovery makes lost entries again.

use protocol::types::{Epoch, Offset};

use crate::checkpoint;

/// An epoch and the offset of its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: Epoch,
    /// The first offset written in it.
    pub start: Offset,
}

/// The epochs of one log.
///
/// Invariant: epochs and offsets both rise strictly from entry to entry.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Epochs {
    entries: Vec<EpochStart>,
    /// Whether the file lacks something.
    changed: bool,
}

impl Epochs {
    /// Reads the file; `None` if it cannot be right.
    pub(crate) fn decode(content: &[u8]) -> Option<Self> {
        let mut entries: Vec<EpochStart> = Vec::new();
        for line in checkpoint::lines(content)? {
            let (epoch, start) = line.split_once(' ')?;
            let entry = EpochStart { epoch: Epoch(epoch.parse().ok()?), start: Offset(start.parse().ok()?) };
            let rises =
                entries.last().is_none_or(|last| last.epoch < entry.epoch && last.start <= entry.start);
            if !rises || entry.epoch.0 < 0 || entry.start.0 < 0 {
                return None;
            }
            entries.push(entry);
        }
        Some(Self { entries, changed: false })
    }

    /// The content of the file.
    pub(crate) fn encode(&self) -> String {
        checkpoint::text(self.entries.iter().map(|entry| format!("{} {}", entry.epoch, entry.start)))
    }

    /// Notes that records from `start` on are of `epoch`, if it is newer than all before.
    pub(crate) fn assign(&mut self, epoch: Epoch, start: Offset) {
        if epoch.0 < 0 || self.latest().is_some_and(|latest| latest.epoch >= epoch) {
            return;
        }
        // An epoch in which nothing was written leaves no trace.
        while self.entries.last().is_some_and(|last| last.start >= start) {
            self.entries.pop();
        }
        self.entries.push(EpochStart { epoch, start });
        self.changed = true;
    }

    /// The newest epoch.
    pub(crate) fn latest(&self) -> Option<EpochStart> {
        self.entries.last().copied()
    }

    /// The epoch of the record at `offset`.
    pub(crate) fn at(&self, offset: Offset) -> Option<Epoch> {
        let behind = self.entries.partition_point(|entry| entry.start <= offset);
        behind.checked_sub(1).map(|i| self.entries[i].epoch)
    }

    /// Where `epoch` ends, as OffsetForLeaderEpoch answers it: the largest epoch not above the one asked for, and
    /// the offset behind its last record. `None` if the log knows nothing that old, or nothing that new.
    pub(crate) fn end_of(&self, epoch: Epoch, end: Offset) -> Option<(Epoch, Offset)> {
        let latest = self.latest()?;
        if epoch > latest.epoch || epoch.0 < 0 {
            return None;
        }
        if epoch == latest.epoch {
            return Some((epoch, end));
        }
        let behind = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let next = self.entries[behind];
        // Older than the first epoch known: the log begins behind it.
        let found = behind.checked_sub(1).map_or(epoch, |i| self.entries[i].epoch);
        Some((found, next.start))
    }

    /// Forgets what lies before `start`, the first offset kept; its epoch stays known.
    pub(crate) fn forget_before(&mut self, start: Offset) {
        let behind = self.entries.partition_point(|entry| entry.start <= start);
        let Some(current) = behind.checked_sub(1).filter(|i| *i > 0 || self.entries[*i].start < start) else {
            return;
        };
        self.entries.drain(..current);
        self.entries[0].start = start;
        self.changed = true;
    }

    /// Forgets what lies at or behind `end`: the log was cut off there.
    pub(crate) fn forget_from(&mut self, end: Offset) {
        let kept = self.entries.partition_point(|entry| entry.start < end);
        self.changed |= kept < self.entries.len();
        self.entries.truncate(kept);
    }

    /// The file may lack something: writing it did not come to an end.
    pub(crate) fn set_changed(&mut self) {
        self.changed = true;
    }

    /// Whether the file lacks something; it is taken to have it from now on.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> Epochs {
        let mut epochs = Epochs::default();
        entries.iter().for_each(|(epoch, start)| epochs.assign(Epoch(*epoch), Offset(*start)));
        epochs
    }

    #[test]
    fn end_of_an_epoch_is_the_start_of_the_next() {
        let epochs = epochs(&[(2, 10), (4, 20), (7, 50)]);
        let cases = [
            (8, None),
            (7, Some((7, 99))),
            (6, Some((4, 50))),
            (4, Some((4, 50))),
            (3, Some((2, 20))),
            (1, Some((1, 10))),
            (-1, None),
        ];
        for (asked, answer) in cases {
            let expected = answer.map(|(epoch, end)| (Epoch(epoch), Offset(end)));
            assert_eq!(epochs.end_of(Epoch(asked), Offset(99)), expected, "epoch {asked}");
        }
        assert_eq!(Epochs::default().end_of(Epoch(0), Offset(5)), None);
    }

    #[test]
    fn only_newer_epochs_are_assigned_and_empty_ones_vanish() {
        let mut epochs = epochs(&[(1, 0), (1, 5), (0, 6), (3, 8)]);
        assert_eq!(epochs.encode(), "0\n2\n1 0\n3 8\n");
        epochs.assign(Epoch(4), Offset(8));
        assert_eq!(epochs.encode(), "0\n2\n1 0\n4 8\n");
        assert_eq!(epochs.at(Offset(7)), Some(Epoch(1)));
    }

    #[test]
    fn trimming_keeps_the_epoch_of_what_is_kept() {
        let mut front = epochs(&[(1, 0), (2, 10), (3, 20)]);
        front.forget_before(Offset(15));
        assert_eq!(front.encode(), "0\n2\n2 15\n3 20\n");
        front.forget_from(Offset(20));
        assert_eq!(front.encode(), "0\n1\n2 15\n");
    }

    #[test]
    fn damaged_files_are_refused() {
        assert_eq!(Epochs::decode(b"0\n1\n1 0\n").unwrap().encode(), "0\n1\n1 0\n");
        for content in
            ["", "1\n0\n", "0\n2\n1 0\n", "0\n1\n1 x\n", "0\n2\n2 0\n1 5\n", "0\n1\n-1 0\n", "0\nx\n"]
        {
            assert!(Epochs::decode(content.as_bytes()).is_none(), "{content:?}");
        }
    }
}
