//! One batch, compacted: as it is, smaller, empty, or gone.

use protocol::records::TimestampType;
use protocol::records::batch::{Batch, BatchBuilder, BatchError, Record};
use protocol::types::{Offset, ProducerEpoch, ProducerId, TimestampMs};
use rustc_hash::FxHashMap;

use super::keys::KeyMap;
use super::transactions::{MarkerFate, Transactions};
use crate::config::DECOMPRESSED_BYTES_MAX;
use crate::producers::Producers;
use crate::segment::aborted_index::AbortedTransaction;
use crate::segment::head::set_end;

/// What stays of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rewritten {
    /// All of it, as it is.
    Whole,
    /// This batch in its place.
    Replaced(Vec<u8>),
    /// Nothing.
    Gone,
}

/// The last thing a producer wrote: the batch that tells its sequence or, if only a marker is known, its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastOfProducer {
    Data(Offset),
    Marker(ProducerEpoch),
}

/// A batch with the records that stay.
struct Filtered {
    builder: BatchBuilder,
    kept: i32,
    tombstones: bool,
}

/// Decides about batches in the order of the log.
pub(crate) struct Rewriter<'a> {
    keys: &'a KeyMap,
    transactions: Transactions,
    last_of_producers: FxHashMap<ProducerId, LastOfProducer>,
    delete_retention_ms: i64,
    now: TimestampMs,
    scratch: Vec<u8>,
}

impl<'a> Rewriter<'a> {
    /// For one compaction of a log.
    pub(crate) fn new(
        keys: &'a KeyMap,
        aborted: Vec<AbortedTransaction>,
        producers: &Producers,
        delete_retention_ms: i64,
        now: TimestampMs,
    ) -> Self {
        let last = |entry: &crate::producers::ProducerEntry| {
            let data = entry.window.last().map(|batch| LastOfProducer::Data(batch.last_offset));
            data.unwrap_or(LastOfProducer::Marker(entry.epoch))
        };
        Self {
            keys,
            transactions: Transactions::new(aborted),
            last_of_producers: producers.iter().map(|(id, entry)| (id, last(entry))).collect(),
            delete_retention_ms,
            now,
            scratch: Vec::new(),
        }
    }

    /// What stays of `batch`, and the aborted transaction whose marker it is, if that stays.
    ///
    /// `ends_segment`: the last batch of a new segment, which stays if only as an empty one.
    ///
    /// # Errors
    /// Its records cannot be read.
    pub(crate) fn rewrite(
        &mut self,
        batch: &Batch<'_>,
        ends_segment: bool,
    ) -> Result<(Rewritten, Option<AbortedTransaction>), BatchError> {
        let horizon = batch.has_delete_horizon().then(|| batch.base_timestamp());
        let mut kept_abort = None;
        let mut emptied_transaction = false;
        let discard = if batch.is_control() {
            match self.transactions.meet_control(batch) {
                MarkerFate::Keep => false,
                MarkerFate::KeepAborted(transaction) => {
                    kept_abort = Some(transaction);
                    false
                }
                MarkerFate::MayGo => {
                    emptied_transaction = true;
                    horizon.is_some_and(|horizon| horizon <= self.now)
                }
            }
        } else {
            self.transactions.meet_data(batch)
        };
        let needed = ends_segment || self.is_last_of_producer(batch);
        if discard && !needed {
            return Ok((Rewritten::Gone, None));
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let filtered = self.filter(batch, discard, horizon, horizon, &mut scratch)?;
        let needs_horizon =
            horizon.is_none() && (filtered.tombstones || (emptied_transaction && filtered.kept > 0));
        let rewritten = if filtered.kept == 0 && !needed {
            Rewritten::Gone
        } else if needs_horizon {
            // It takes the place of the base timestamp, from which the times of the records count: they are written anew.
            let new = TimestampMs(self.now.0.saturating_add(self.delete_retention_ms));
            let filtered = self.filter(batch, discard, horizon, Some(new), &mut scratch)?;
            Rewritten::Replaced(finish(filtered.builder, batch))
        } else if filtered.kept == batch.record_count() {
            Rewritten::Whole
        } else {
            Rewritten::Replaced(finish(filtered.builder, batch))
        };
        self.scratch = scratch;
        Ok((rewritten, kept_abort))
    }

    /// The records of `batch` that stay, none of them if `discard`, in a batch with the horizon `new`.
    fn filter(
        &self,
        batch: &Batch<'_>,
        discard: bool,
        horizon: Option<TimestampMs>,
        new: Option<TimestampMs>,
        scratch: &mut Vec<u8>,
    ) -> Result<Filtered, BatchError> {
        let mut filtered = Filtered { builder: like(batch, new), kept: 0, tombstones: false };
        if discard {
            return Ok(filtered);
        }
        for record in batch.decompressed(DECOMPRESSED_BYTES_MAX, scratch)? {
            let record = record?;
            if batch.is_control() || self.keeps(&record, horizon) {
                let headers: Vec<_> = record.headers().collect();
                filtered.builder.append_at(
                    record.offset,
                    record.timestamp,
                    record.key,
                    record.value,
                    &headers,
                );
                filtered.kept += 1;
                filtered.tombstones |= record.value.is_none() && !batch.is_control();
            }
        }
        Ok(filtered)
    }

    fn keeps(&self, record: &Record<'_>, horizon: Option<TimestampMs>) -> bool {
        if record.offset > self.keys.latest() {
            return true;
        }
        // Without a key there is nothing to keep the last of; such records came before the topic was compacted.
        let Some(key) = record.key else { return false };
        let expired = record.value.is_none() && horizon.is_some_and(|horizon| horizon <= self.now);
        !expired && !self.keys.supersedes(key, record.offset)
    }

    fn is_last_of_producer(&self, batch: &Batch<'_>) -> bool {
        match self.last_of_producers.get(&batch.producer_id()) {
            Some(LastOfProducer::Data(offset)) => batch.last_offset() == *offset,
            Some(LastOfProducer::Marker(epoch)) => batch.is_control() && batch.producer_epoch() == *epoch,
            None => false,
        }
    }
}

/// A builder for records of `batch` at their offsets.
fn like(batch: &Batch<'_>, horizon: Option<TimestampMs>) -> BatchBuilder {
    let mut builder = BatchBuilder::new()
        .base_offset(batch.base_offset())
        .leader_epoch(batch.leader_epoch())
        .compression(batch.compression())
        .producer(batch.producer_id(), batch.producer_epoch(), batch.base_sequence());
    if batch.is_transactional() {
        builder = builder.transactional();
    }
    if batch.is_control() {
        builder = builder.control();
    }
    if batch.timestamp_type() == TimestampType::LogAppendTime {
        builder = builder.log_append_time(batch.max_timestamp());
    }
    match horizon {
        Some(horizon) => builder.delete_horizon(horizon),
        None => builder,
    }
}

/// The built batch, with the offsets of the original: its last offset tells the producer's last sequence.
fn finish(builder: BatchBuilder, original: &Batch<'_>) -> Vec<u8> {
    // An emptied batch keeps the time it stood for, but nothing that could be decompressed.
    let empty = builder.record_count() == 0;
    let builder = if empty { builder.compression(protocol::records::Compression::None) } else { builder };
    let mut batch = builder.build();
    let max_timestamp = empty.then(|| original.max_timestamp());
    set_end(&mut batch, original.last_offset_delta(), max_timestamp);
    batch
}
