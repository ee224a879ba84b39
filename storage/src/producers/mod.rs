//! Idempotent and transactional producers, as one log sees them.
//!
//! ```text
//!  batch ──▶ duplicate? ──▶ Update: checks epoch, sequence, transaction against
//!               │            what is known, and collects what would change
//!               ▼                      │ written to the log
//!        the first answer again        ▼
//!                               apply: what is known changes
//! ```
//! Nothing is known before it is in the log, so the state is always what replaying the log gives: recovery feeds
//! the same [`Update`] from the batches it reads. A snapshot (`snapshot.rs`) saves most of that reading.
//!
//! # Source
//! KIP-98 (idempotence, transactions), KIP-360 (unknown producers), `ProducerAppendInfo` and
//! `ProducerStateManager` in Apache Kafka 4.x.

pub(crate) mod snapshot;
mod window;

use std::collections::BTreeMap;

use protocol::types::{Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use rustc_hash::FxHashMap;

use crate::error::AppendError;
use crate::segment::aborted_index::AbortedTransaction;
pub use window::{BatchRange, ProducerEntry, Window};

/// Who made a batch, which decides how much of it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client: everything is checked.
    Client,
    /// A coordinator of this broker, on a client's behalf: epochs are checked, sequences are not kept.
    Internal,
    /// Another log, or this one read again: it was checked when it was first appended.
    Replicated,
}

/// The end of a transaction, as its control batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndMarker {
    /// Committed, or aborted.
    pub(crate) commit: bool,
    /// The coordinator's epoch.
    pub(crate) coordinator_epoch: i32,
}

/// What producers' state needs to know of a batch that has its place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerBatch {
    pub(crate) producer_id: ProducerId,
    pub(crate) epoch: ProducerEpoch,
    pub(crate) first_sequence: Sequence,
    pub(crate) last_sequence: Sequence,
    pub(crate) first_offset: Offset,
    pub(crate) last_offset: Offset,
    pub(crate) timestamp: TimestampMs,
    pub(crate) transactional: bool,
    /// Set on control batches that end a transaction; `Some(None)` on others.
    pub(crate) control: Option<Option<EndMarker>>,
}

/// A transaction that a marker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Completed {
    producer_id: ProducerId,
    first_offset: Offset,
    marker_offset: Offset,
    commit: bool,
}

/// Every producer a log knows.
///
/// Invariant: `open` holds exactly the open transactions of `entries`.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    entries: FxHashMap<ProducerId, ProducerEntry>,
    /// Open transactions by their first offset.
    open: BTreeMap<Offset, ProducerId>,
}

/// Changes of one append, collected while its batches are checked.
#[derive(Debug, Default)]
pub(crate) struct Update {
    entries: Vec<(ProducerId, ProducerEntry)>,
    completed: Vec<Completed>,
}

impl Update {
    /// Forgets everything, keeping the memory.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.completed.clear();
    }

    /// Whether nothing would change.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Producers {
    /// The remembered batch with the producer, epoch and sequences of a batch about to be appended.
    pub(crate) fn duplicate_of(
        &self,
        producer_id: ProducerId,
        epoch: ProducerEpoch,
        first: Sequence,
        last: Sequence,
    ) -> Option<&BatchRange> {
        let entry = self.entries.get(&producer_id).filter(|entry| entry.epoch == epoch)?;
        entry.window.find(first, last)
    }

    /// Whether the producer has a transaction open in this epoch.
    pub(crate) fn has_open(&self, producer_id: ProducerId, epoch: ProducerEpoch) -> bool {
        let entry = self.entries.get(&producer_id);
        entry.is_some_and(|entry| entry.open_transaction.is_some() && entry.epoch == epoch)
    }

    /// Checks one batch and adds what it changes to `update`.
    ///
    /// # Errors
    /// The producer is fenced, skipped a sequence, is unknown, or mixes transactions up; see [`AppendError`].
    pub(crate) fn check(
        &self,
        update: &mut Update,
        batch: &ProducerBatch,
        origin: Origin,
        transaction_version: i16,
        now: TimestampMs,
    ) -> Result<(), AppendError> {
        let place = match update.entries.iter().position(|(id, _)| *id == batch.producer_id) {
            Some(place) => place,
            None => {
                let known = self.entries.get(&batch.producer_id).cloned();
                update.entries.push((batch.producer_id, known.unwrap_or_else(|| ProducerEntry::new(now))));
                update.entries.len() - 1
            }
        };
        let entry = &mut update.entries[place].1;
        entry.last_seen = now;
        match batch.control {
            None => check_data(entry, batch, origin),
            // Compaction has removed the marker's record: the transaction is gone as a whole.
            Some(None) => Ok(()),
            Some(Some(marker)) => {
                let completed = check_marker(entry, batch, marker, origin, transaction_version)?;
                update.completed.extend(completed);
                Ok(())
            }
        }
    }

    /// Makes the changes of an append that is now in the log; returns the transactions it aborted.
    pub(crate) fn apply(&mut self, update: &mut Update) -> Vec<AbortedTransaction> {
        for (id, entry) in update.entries.drain(..) {
            if let Some(first) = entry.open_transaction {
                self.open.insert(first, id);
            }
            self.entries.insert(id, entry);
        }
        let mut aborted = Vec::new();
        for completed in update.completed.drain(..) {
            if !completed.commit {
                aborted.push(AbortedTransaction {
                    producer_id: completed.producer_id,
                    first_offset: completed.first_offset,
                    last_offset: completed.marker_offset,
                    last_stable_offset: self.stable_after(&completed),
                });
            }
            self.open.remove(&completed.first_offset);
        }
        aborted
    }

    /// The last stable offset once `completed` is over.
    fn stable_after(&self, completed: &Completed) -> Offset {
        let other = self.open.keys().find(|first| **first != completed.first_offset);
        other.copied().unwrap_or_else(|| completed.marker_offset.next())
    }

    /// The first record of the oldest open transaction.
    pub(crate) fn first_open(&self) -> Option<Offset> {
        self.open.first_key_value().map(|(first, _)| *first)
    }

    /// Forgets producers without an open transaction that have been silent for `expiration_ms`.
    pub(crate) fn expire(&mut self, now: TimestampMs, expiration_ms: i64) {
        self.entries.retain(|_, entry| {
            entry.open_transaction.is_some() || now.0.saturating_sub(entry.last_seen.0) < expiration_ms
        });
    }

    /// Every producer known.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ProducerId, &ProducerEntry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// How many producers are known.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A producer as read from a snapshot.
    pub(crate) fn restore(&mut self, id: ProducerId, entry: ProducerEntry) {
        if let Some(first) = entry.open_transaction {
            self.open.insert(first, id);
        }
        self.entries.insert(id, entry);
    }
}

fn check_data(entry: &mut ProducerEntry, batch: &ProducerBatch, origin: Origin) -> Result<(), AppendError> {
    if origin != Origin::Replicated && batch.epoch < entry.epoch {
        return Err(fenced(entry, batch));
    }
    if origin == Origin::Client {
        check_sequence(entry, batch)?;
    }
    match (entry.open_transaction, batch.transactional) {
        (Some(_), false) if origin != Origin::Replicated => {
            return Err(AppendError::InvalidTxnState { producer_id: batch.producer_id });
        }
        (None, true) => entry.open_transaction = Some(batch.first_offset),
        _ => {}
    }
    entry.enter(batch.epoch);
    entry.window.push(BatchRange {
        last_sequence: batch.last_sequence,
        last_offset: batch.last_offset,
        offset_delta: (batch.last_offset - batch.first_offset) as i32,
        timestamp: batch.timestamp,
    });
    entry.last_timestamp = batch.timestamp;
    Ok(())
}

/// The next batch of an epoch must follow the last; a new epoch must start at 0.
///
/// Of a producer it knows nothing about, Apache Kafka takes any sequence. We take only 0: a first batch that was
/// refused (a full disk, say) must not let the second overtake it. Clients answer UNKNOWN_PRODUCER_ID by
/// starting again at 0 in a new epoch (KIP-360).
fn check_sequence(entry: &ProducerEntry, batch: &ProducerBatch) -> Result<(), AppendError> {
    let got = batch.first_sequence;
    let out_of_order =
        |expected| AppendError::OutOfOrderSequence { producer_id: batch.producer_id, expected, got };
    if entry.epoch == ProducerEpoch::NONE {
        return match got {
            Sequence(0) => Ok(()),
            got => Err(AppendError::UnknownProducer { producer_id: batch.producer_id, got }),
        };
    }
    let expected = match entry.window.last() {
        Some(last) if entry.epoch == batch.epoch => last.last_sequence.advance(1),
        // A new epoch, or one of which only a marker is known.
        _ => Sequence(0),
    };
    if got == expected { Ok(()) } else { Err(out_of_order(expected)) }
}

fn check_marker(
    entry: &mut ProducerEntry,
    batch: &ProducerBatch,
    marker: EndMarker,
    origin: Origin,
    transaction_version: i16,
) -> Result<Option<Completed>, AppendError> {
    if origin != Origin::Replicated {
        // From transaction version 2 on (KIP-890) the coordinator bumps the epoch before it writes the marker, so an
        // equal epoch is a late marker of an earlier transaction, unless it only repeats the last one.
        let late = if transaction_version >= 2 {
            batch.epoch < entry.epoch || (batch.epoch == entry.epoch && entry.open_transaction.is_some())
        } else {
            batch.epoch < entry.epoch
        };
        if late {
            return Err(fenced(entry, batch));
        }
        if marker.coordinator_epoch < entry.coordinator_epoch {
            return Err(AppendError::CoordinatorFenced {
                producer_id: batch.producer_id,
                current: entry.coordinator_epoch,
                got: marker.coordinator_epoch,
            });
        }
    }
    entry.enter(batch.epoch);
    entry.coordinator_epoch = marker.coordinator_epoch;
    entry.last_timestamp = batch.timestamp;
    Ok(entry.open_transaction.take().map(|first_offset| Completed {
        producer_id: batch.producer_id,
        first_offset,
        marker_offset: batch.first_offset,
        commit: marker.commit,
    }))
}

fn fenced(entry: &ProducerEntry, batch: &ProducerBatch) -> AppendError {
    AppendError::InvalidProducerEpoch {
        producer_id: batch.producer_id,
        current: entry.epoch,
        got: batch.epoch,
    }
}
