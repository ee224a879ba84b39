//! What the recommender reads: committed records of every topic it is interested in, in one order.
//!
//! Partitions are merged batch by batch, the oldest timestamp first, so a rebuild from the log learns
//! in about the order in which things happened, and two rebuilds of the same log in exactly the same
//! one. Within a partition the order is the log's.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use protocol::records::{Batch, Record};
use protocol::types::{Offset, TopicId};
use storage::{AbortedTransaction, ReadError};
use tracing::warn;

use super::journal;
use super::member::Reading;
use super::step::InputId;
use crate::catalog::Catalog;
use crate::partitions::{DataWaiter, Partition};

/// Read of one partition at once.
const READ_BYTES: usize = 1 << 20;
/// The most that a compressed batch may grow to.
const UNPACKED_BYTES_MAX: usize = 256 << 20;

/// One partition that is read.
struct Input {
    id: InputId,
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
    /// Damage was found; nothing more is read until a restart.
    halted: bool,
}

/// A batch handed out by [`Inputs::next`].
pub(super) struct InputBatch {
    bytes: Bytes,
    /// The first offset that is not taken yet.
    pub(super) from: Offset,
    /// Records from here on are left for the next time.
    until: Option<Offset>,
    /// Which input it is of.
    pub(super) input: usize,
    /// It is of a transaction that was aborted.
    aborted: bool,
}

/// Everything that is read.
#[derive(Default)]
pub(super) struct Inputs {
    list: Vec<Input>,
}

impl Inputs {
    /// Adds partitions of the topics `is_read` that appeared, from the log's start on, and drops those that went.
    /// Returns whether there were any.
    pub(super) fn refresh(&mut self, catalog: &Catalog, is_read: impl Fn(&str) -> bool) -> bool {
        let topics: Vec<_> = catalog.topics().into_iter().filter(|topic| is_read(&topic.name)).collect();
        let is_there = |id: TopicId| topics.iter().any(|topic| topic.id == id);
        let before = self.list.len();
        self.list.retain(|input| is_there(input.partition.topic_id));
        let mut changed = self.list.len() != before;
        for partition in topics.iter().flat_map(|topic| topic.partitions()) {
            let known = |input: &Input| {
                input.partition.topic_id == partition.topic_id && input.partition.index == partition.index
            };
            if !self.list.iter().any(known) {
                self.list.push(Input::new(partition));
                changed = true;
            }
        }
        // One order, whatever order topics were made in.
        self.list.sort_by(|a, b| a.name.cmp(&b.name));
        changed
    }

    /// What is read, by topic.
    pub(super) fn reading(&self) -> Reading {
        let mut reading = Reading::new();
        for input in &self.list {
            let (topic, partition) = (&*input.id.topic, input.id.partition.0);
            match reading.iter_mut().find(|(known, _)| known == topic) {
                Some((_, partitions)) => partitions.push(partition),
                None => reading.push((topic.to_owned(), vec![partition])),
            }
        }
        reading.iter_mut().for_each(|(_, partitions)| partitions.sort_unstable());
        reading
    }

    /// Lets every partition that is read wake `waiter`.
    pub(super) fn register(&self, waiter: &Arc<DataWaiter>) {
        for input in &self.list {
            input.partition.register(waiter);
        }
    }

    /// The next batch in order; `None` when everything committed has been handed out.
    pub(super) fn next(&mut self) -> Option<InputBatch> {
        self.next_before(&[])
    }

    /// The next batch in order of those that begin before the end of their partition, where `ends` has one for it:
    /// they are in the order of [`Self::positions`].
    pub(super) fn next_before(&mut self, ends: &[Option<Offset>]) -> Option<InputBatch> {
        let end = |at: usize| ends.get(at).copied().flatten();
        let mut oldest: Option<(i64, usize)> = None;
        for (at, input) in self.list.iter_mut().enumerate() {
            if end(at).is_some_and(|end| input.next >= end) {
                continue;
            }
            if let Some(timestamp) = input.peek()
                && oldest.is_none_or(|(other, _)| timestamp < other)
            {
                oldest = Some((timestamp, at));
            }
        }
        let (_, input) = oldest?;
        self.list[input].take(input, end(input))
    }

    /// The next batch of one partition if it begins before `end`.
    pub(super) fn next_of(&mut self, id: &InputId, end: Offset) -> Option<InputBatch> {
        let at = self.list.iter().position(|input| input.id == *id)?;
        let input = &mut self.list[at];
        // To look may move it on.
        let found = input.peek();
        found.filter(|_| input.next < end)?;
        input.take(at, Some(end))
    }

    /// Goes on in a partition at `next`, or at its end if that is before: a power loss may have taken the rest.
    pub(super) fn seek(&mut self, id: &InputId, next: Offset) {
        if let Some(input) = self.list.iter_mut().find(|input| input.id == *id) {
            let next = next.min(input.partition.log().marks().end());
            input.chunk = Bytes::new();
            input.chunk_end = next;
            input.next = next;
        }
    }

    /// `topic-partition` of an input.
    pub(super) fn name(&self, input: usize) -> &str {
        &self.list[input].name
    }

    /// Which partition an input is, and how far it has been read.
    pub(super) fn place(&self, input: usize) -> (&InputId, Offset) {
        (&self.list[input].id, self.list[input].next)
    }

    /// Records that were committed to the log and not handed out yet.
    pub(super) fn lag(&self) -> i64 {
        let lag = |input: &Input| (input.partition.log().marks().stable() - input.next).max(0);
        self.list.iter().map(lag).sum()
    }

    /// Whether there is anything to hand out.
    pub(super) fn have_more(&self) -> bool {
        let more = |input: &Input| !input.halted && input.partition.log().marks().stable() > input.next;
        self.list.iter().any(more)
    }

    /// How far every partition has been read.
    pub(super) fn positions(&self) -> impl Iterator<Item = (&InputId, Offset)> {
        self.list.iter().map(|input| (&input.id, input.next))
    }
}

impl Input {
    fn new(partition: &Arc<Partition>) -> Self {
        let next = partition.log().marks().start();
        Self {
            id: InputId {
                topic: Arc::clone(&partition.topic),
                topic_id: partition.topic_id,
                partition: partition.index,
            },
            name: format!("{}-{}", partition.topic, partition.index),
            partition: Arc::clone(partition),
            chunk: Bytes::new(),
            aborted: Vec::new(),
            chunk_end: next,
            next,
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

    /// Hands out the batch that [`Self::peek`] found, its records before `end` only.
    fn take(&mut self, input: usize, end: Option<Offset>) -> Option<InputBatch> {
        let (size, next, aborted) = match Batch::parse(&self.chunk) {
            Ok((batch, _)) => {
                (batch.size_bytes(), batch.next_offset(), journal::is_aborted(&batch, &self.aborted))
            }
            Err(_) => return None,
        };
        let bytes = self.chunk.slice(..size);
        let from = self.next;
        let until = end.filter(|end| *end < next);
        match until {
            // The rest of the batch stays for the next time.
            Some(until) => self.next = until,
            None => {
                self.chunk.advance(size);
                // Behind the chunk's last batch there may be a hole that compaction left.
                self.next = if self.chunk.is_empty() { self.chunk_end.max(next) } else { next };
            }
        }
        Some(InputBatch { bytes, from, until, input, aborted })
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
    /// Hands the batch's records to `visit`, those before where reading began or behind where it is to end left out; control
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
            if record.offset >= self.from && self.until.is_none_or(|until| record.offset < until) {
                visit(&record);
            }
        }
        Ok(())
    }
}
