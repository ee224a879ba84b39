//! What the recommender reads: committed records of every topic it is interested in, in one order.
//!
//! Partitions are merged batch by batch, the oldest timestamp first, so a rebuild from the log learns
//! in about the order in which things happened, and two rebuilds of the same log in exactly the same
//! one. Within a partition the order is the log's.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use protocol::records::{Batch, Record};
use protocol::types::{Offset, PartitionIndex, TopicId};
use storage::{AbortedTransaction, ReadError};
use tracing::warn;

use crate::catalog::Catalog;
use crate::partitions::{DataWaiter, Partition};

/// Read of one partition at once.
const READ_BYTES: usize = 1 << 20;
/// The most that a compressed batch may grow to.
const UNPACKED_BYTES_MAX: usize = 256 << 20;

/// A topic's partition and how far it has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReadUpTo {
    pub(super) topic: Arc<str>,
    pub(super) partition: PartitionIndex,
    pub(super) next: Offset,
}

/// One partition that is read.
struct Input {
    partition: Arc<Partition>,
    /// `topic-partition`, as evidence cites it.
    name: String,
    /// Whole batches that were read and not yet taken; borrowed from the log's map.
    chunk: Bytes,
    /// Aborted transactions that touch the chunk.
    aborted: Vec<AbortedTransaction>,
    /// Where the chunk ends, and the next one begins.
    chunk_end: Offset,
    /// The next record to be taken.
    next: Offset,
    /// The first offset that is new: what lies before it was learnt before the last restart.
    resumes_at: Offset,
    /// Damage was found; nothing more is read until a restart.
    halted: bool,
}

/// A batch handed out by [`Inputs::next`].
pub(super) struct InputBatch {
    bytes: Bytes,
    from: Offset,
    /// Which input it is of.
    pub(super) input: usize,
    /// The first offset after it.
    pub(super) end: Offset,
    /// It is of a transaction that was aborted.
    aborted: bool,
}

/// Everything that is read.
#[derive(Default)]
pub(super) struct Inputs {
    list: Vec<Input>,
}

impl Inputs {
    /// Adds partitions of the topics `is_read` that appeared, and drops those that went.
    ///
    /// `committed` gives the offset up to which a partition was learnt before the last restart.
    pub(super) fn refresh(
        &mut self,
        catalog: &Catalog,
        is_read: impl Fn(&str) -> bool,
        committed: impl Fn(&str, PartitionIndex) -> Option<Offset>,
    ) {
        let topics: Vec<_> = catalog.topics().into_iter().filter(|topic| is_read(&topic.name)).collect();
        let is_there = |id: TopicId| topics.iter().any(|topic| topic.id == id);
        self.list.retain(|input| is_there(input.partition.topic_id));
        for partition in topics.iter().flat_map(|topic| topic.partitions()) {
            let known = |input: &Input| {
                input.partition.topic_id == partition.topic_id && input.partition.index == partition.index
            };
            if !self.list.iter().any(known) {
                self.list.push(Input::new(partition, committed(&partition.topic, partition.index)));
            }
        }
        // One order, whatever order topics were made in.
        self.list.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// Lets every partition that is read wake `waiter`.
    pub(super) fn register(&self, waiter: &Arc<DataWaiter>) {
        for input in &self.list {
            input.partition.register(waiter);
        }
    }

    /// The next batch in order; `None` when everything committed has been handed out.
    pub(super) fn next(&mut self) -> Option<InputBatch> {
        let mut oldest: Option<(i64, usize)> = None;
        for (at, input) in self.list.iter_mut().enumerate() {
            if let Some(timestamp) = input.peek()
                && oldest.is_none_or(|(other, _)| timestamp < other)
            {
                oldest = Some((timestamp, at));
            }
        }
        let (_, input) = oldest?;
        self.list[input].take(input)
    }

    /// `topic-partition` of an input.
    pub(super) fn name(&self, input: usize) -> &str {
        &self.list[input].name
    }

    /// The topic of an input.
    pub(super) fn topic(&self, input: usize) -> &Arc<str> {
        &self.list[input].partition.topic
    }

    /// Whether what ends at `end` was learnt, and its lists written, before the last restart.
    pub(super) fn is_replay(&self, input: usize, end: Offset) -> bool {
        end <= self.list[input].resumes_at
    }

    /// Whether everything that was learnt before the last restart has been handed out again.
    pub(super) fn is_caught_up(&self) -> bool {
        self.list.iter().all(|input| input.halted || input.next >= input.resumes_at)
    }

    /// Records that were committed to the log and not handed out yet.
    pub(super) fn lag(&self) -> i64 {
        let lag = |input: &Input| (input.partition.log().marks().stable() - input.next).max(0);
        self.list.iter().map(lag).sum()
    }

    /// How far every partition has been read.
    pub(super) fn positions(&self) -> Vec<ReadUpTo> {
        let position = |input: &Input| ReadUpTo {
            topic: Arc::clone(&input.partition.topic),
            partition: input.partition.index,
            next: input.next,
        };
        self.list.iter().map(position).collect()
    }
}

impl Input {
    fn new(partition: &Arc<Partition>, committed: Option<Offset>) -> Self {
        let marks = partition.log().marks();
        let next = marks.start();
        Self {
            name: format!("{}-{}", partition.topic, partition.index),
            partition: Arc::clone(partition),
            chunk: Bytes::new(),
            aborted: Vec::new(),
            chunk_end: next,
            next,
            // A commit beyond the log's end is of records that a power loss took.
            resumes_at: committed.map_or(next, |offset| offset.min(marks.end())),
            halted: false,
        }
    }

    /// The timestamp of the next batch, reading on if need be.
    fn peek(&mut self) -> Option<i64> {
        if self.chunk.is_empty() && !self.halted {
            self.fill();
        }
        match Batch::parse(&self.chunk) {
            Ok((batch, _)) => Some(batch.base_timestamp().0),
            Err(_) if self.chunk.is_empty() => None,
            Err(error) => {
                self.halt(&error);
                None
            }
        }
    }

    fn take(&mut self, input: usize) -> Option<InputBatch> {
        let (size, next, aborted) = match Batch::parse(&self.chunk) {
            Ok((batch, _)) => (batch.size_bytes(), batch.next_offset(), self.is_aborted(&batch)),
            Err(_) => return None,
        };
        let bytes = self.chunk.slice(..size);
        self.chunk.advance(size);
        let from = self.next;
        // Behind the chunk's last batch there may be a hole that compaction left.
        self.next = if self.chunk.is_empty() { self.chunk_end.max(next) } else { next };
        Some(InputBatch { bytes, from, input, end: next, aborted })
    }

    /// Whether a batch of the chunk is of a transaction that was aborted.
    fn is_aborted(&self, batch: &Batch<'_>) -> bool {
        let within = |one: &AbortedTransaction| {
            one.producer_id == batch.producer_id()
                && (one.first_offset..=one.last_offset).contains(&batch.base_offset())
        };
        batch.is_transactional() && self.aborted.iter().any(within)
    }

    fn fill(&mut self) {
        let log = self.partition.log();
        let marks = log.marks();
        if self.next < marks.start() {
            warn!(input = self.name, from = %self.next, to = %marks.start(), "records were removed before they were read");
            self.next = marks.start();
        }
        if self.next >= marks.stable() {
            return;
        }
        match log.read(self.next, READ_BYTES, true, marks.stable()) {
            Ok(read) => {
                if read.records.is_empty() {
                    self.next = self.next.max(read.next_offset);
                }
                match log.aborted_transactions(self.next, read.next_offset) {
                    Ok(aborted) => self.aborted = aborted,
                    Err(error) => return self.halt(&error),
                }
                self.chunk = read.records;
                self.chunk_end = read.next_offset;
            }
            // Removed between the look and the read: the next round starts at the new start.
            Err(ReadError::OutOfRange { .. } | ReadError::Closed) => {}
            Err(error) => self.halt(&error),
        }
    }

    fn halt(&mut self, error: &dyn std::fmt::Display) {
        warn!(input = self.name, offset = %self.next, %error, "the recommender reads no further here");
        self.halted = true;
        self.chunk = Bytes::new();
    }
}

impl InputBatch {
    /// Hands the batch's records to `visit`, those before where reading began left out; control
    /// batches and those of aborted transactions have none.
    ///
    /// # Errors
    /// What is wrong with the batch; the records before it were visited.
    pub(super) fn visit(
        &self,
        scratch: &mut Vec<u8>,
        mut visit: impl FnMut(&Record<'_>),
    ) -> Result<(), protocol::records::BatchError> {
        let (batch, _) = Batch::parse(&self.bytes)?;
        if batch.is_control() || self.aborted {
            return Ok(());
        }
        for record in batch.decompressed(UNPACKED_BYTES_MAX, scratch)? {
            let record = record?;
            if record.offset >= self.from {
                visit(&record);
            }
        }
        Ok(())
    }
}
