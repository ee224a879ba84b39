//! A step: what one transaction holds of results, and of what they came from.
//!
//! ```text
//! step   = slice, slice, …                 what the journal keeps of it: an Entry
//! slice  = runs of input, then a take      "of input 0 up to 120, of input 1 up to 7, of input 0 up to 256; take 64"
//! ```
//! In which order partitions were read, and after which record keys were taken off the queue of changes, decides what
//! the lists say. Wall-clock time has a part in both, so both are written down, in the transaction that holds the
//! lists: following the journal gives the state that was, to the bit.

use std::sync::Arc;

use protocol::types::{Offset, PartitionIndex, TopicId};
use serde::{Deserialize, Serialize};

use super::outgoing::Outgoing;

/// A partition that is read, by what does not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InputId {
    pub(super) topic: Arc<str>,
    pub(super) topic_id: TopicId,
    pub(super) partition: PartitionIndex,
}

/// What the journal keeps of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Counts steps, from 1.
    pub(super) sequence: u64,
    /// The partitions of which something was read.
    pub(super) inputs: Vec<Span>,
    /// In the order in which it happened.
    pub(super) slices: Vec<Slice>,
}

/// A partition as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Named {
    topic: String,
    /// The topic's id, which tells a topic from one of the same name.
    id: String,
    partition: i32,
}

impl Named {
    /// Whether it is this partition.
    pub(super) fn is(&self, input: &InputId) -> bool {
        self.partition == input.partition.0
            && self.topic == *input.topic
            && self.id == input.topic_id.to_string()
    }
}

impl From<&InputId> for Named {
    fn from(input: &InputId) -> Self {
        Self { topic: input.topic.to_string(), id: input.topic_id.to_string(), partition: input.partition.0 }
    }
}

/// How far a step read in a partition: offsets from `from` up to but not including `to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    #[serde(flatten)]
    pub(super) input: Named,
    pub(super) from: i64,
    pub(super) to: i64,
}

/// What was learnt, then what was emitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slice {
    /// Place in [`Entry::inputs`], and the offset up to which it was read.
    pub(super) runs: Vec<(usize, i64)>,
    /// Keys taken off the queue of changes behind that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) taken: Option<Taken>,
}

/// Changed keys that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Taken {
    /// Users at most, and as many items.
    pub(super) limit: usize,
    /// Whether hot lists were written.
    pub(super) hot: bool,
}

/// A step that is being made, or stands and waits to be committed.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// What the journal will say.
    pub(super) entry: Entry,
    /// The partitions of `entry.inputs`, in the same order.
    pub(super) inputs: Vec<InputId>,
    /// Records for the output topics, in order.
    pub(super) records: Vec<Outgoing>,
    /// About what the records take in memory.
    pub(super) size_bytes: usize,
    /// Runs in all slices.
    pub(super) runs: usize,
}

impl Step {
    /// Whether nothing happened.
    pub(super) fn is_empty(&self) -> bool {
        self.entry.slices.is_empty()
    }

    /// Notes that a partition was read from `from` up to `to`.
    pub(super) fn read(&mut self, input: &InputId, from: Offset, to: Offset) {
        let place = match self.inputs.iter().position(|known| known == input) {
            Some(place) => place,
            None => {
                self.inputs.push(input.clone());
                self.entry.inputs.push(Span { input: input.into(), from: from.0, to: to.0 });
                self.inputs.len() - 1
            }
        };
        self.entry.inputs[place].to = to.0;
        let slices = &mut self.entry.slices;
        if slices.last().is_none_or(|slice| slice.taken.is_some()) {
            slices.push(Slice::default());
        }
        let Some(slice) = slices.last_mut() else { return };
        match slice.runs.last_mut().filter(|(last, _)| *last == place) {
            Some((_, end)) => *end = to.0,
            None => {
                slice.runs.push((place, to.0));
                self.runs += 1;
            }
        }
    }

    /// Notes that keys were taken.
    pub(super) fn take(&mut self, taken: Taken) {
        match self.entry.slices.last_mut().filter(|slice| slice.taken.is_none()) {
            Some(slice) => slice.taken = Some(taken),
            None => self.entry.slices.push(Slice { runs: Vec::new(), taken: Some(taken) }),
        }
    }

    /// Adds a record to be written.
    pub(super) fn write(&mut self, record: Outgoing) {
        self.size_bytes += record.size_bytes();
        self.records.push(record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(topic: &str) -> InputId {
        InputId { topic: topic.into(), topic_id: TopicId([7; 16]), partition: PartitionIndex(0) }
    }

    #[test]
    fn runs_of_one_partition_are_joined_and_takes_end_slices() {
        let (a, b, mut step) = (input("a"), input("b"), Step::default());
        assert!(step.is_empty());
        step.read(&a, Offset(5), Offset(7));
        step.read(&a, Offset(7), Offset(9));
        step.read(&b, Offset(0), Offset(1));
        step.read(&a, Offset(9), Offset(10));
        let (first, second) = (Taken { limit: 64, hot: true }, Taken { limit: 64, hot: false });
        step.take(first);
        step.take(second);
        step.read(&b, Offset(1), Offset(4));
        let slices = [
            Slice { runs: vec![(0, 9), (1, 1), (0, 10)], taken: Some(first) },
            Slice { runs: vec![], taken: Some(second) },
            Slice { runs: vec![(1, 4)], taken: None },
        ];
        assert_eq!(step.entry.slices, slices);
        let spans: Vec<_> = step.entry.inputs.iter().map(|span| (span.from, span.to)).collect();
        assert_eq!(spans, [(5, 10), (0, 4)]);
        assert!(step.entry.inputs[1].input.is(&b) && !step.entry.inputs[1].input.is(&a));
        let text = serde_json::to_vec(&step.entry).expect("an entry is JSON");
        assert_eq!(serde_json::from_slice::<Entry>(&text).expect("read back"), step.entry);
    }
}
