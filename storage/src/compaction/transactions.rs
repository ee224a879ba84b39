//! Which transactions' records and markers compaction may drop.

use std::collections::VecDeque;

use protocol::records::batch::Batch;
use protocol::records::control::{Marker, Outcome};
use protocol::types::{Offset, ProducerId};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::segment::aborted_index::AbortedTransaction;

/// What a walk through the log, batch by batch, knows of transactions.
pub(crate) struct Transactions {
    /// Aborted transactions that begin further on, by their first offset.
    ahead: VecDeque<AbortedTransaction>,
    /// Aborted ones whose marker lies further on, and whether a batch of theirs was met.
    aborted: FxHashMap<ProducerId, (AbortedTransaction, bool)>,
    /// Producers with a committed transaction of which a batch was met, and whose marker lies further on.
    committed: FxHashSet<ProducerId>,
}

/// What may become of a control batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MarkerFate {
    /// Records of its transaction are still there.
    Keep,
    /// As before, and the transaction was aborted: it stays in the index.
    KeepAborted(AbortedTransaction),
    /// None of its transaction's records are left: it may go once its horizon has passed.
    MayGo,
}

impl Transactions {
    /// For a walk that meets these aborted transactions.
    pub(crate) fn new(mut aborted: Vec<AbortedTransaction>) -> Self {
        aborted.sort_by_key(|transaction| transaction.first_offset);
        Self { ahead: aborted.into(), aborted: FxHashMap::default(), committed: FxHashSet::default() }
    }

    /// Takes a data batch into account; true if its transaction was aborted, so that no one needs its records.
    pub(crate) fn meet_data(&mut self, batch: &Batch<'_>) -> bool {
        self.begin_up_to(batch.last_offset());
        if !batch.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&batch.producer_id()) {
            Some((_, met)) => {
                *met = true;
                true
            }
            None => {
                self.committed.insert(batch.producer_id());
                false
            }
        }
    }

    /// Takes a control batch into account.
    pub(crate) fn meet_control(&mut self, batch: &Batch<'_>) -> MarkerFate {
        self.begin_up_to(batch.last_offset());
        let marker = batch.records().next().and_then(Result::ok).and_then(|record| Marker::parse(&record));
        match marker.map(|marker| marker.outcome) {
            Some(Outcome::Abort) => match self.aborted.remove(&batch.producer_id()) {
                Some((transaction, true)) => MarkerFate::KeepAborted(transaction),
                _ => MarkerFate::MayGo,
            },
            Some(Outcome::Commit) if !self.committed.remove(&batch.producer_id()) => MarkerFate::MayGo,
            Some(Outcome::Commit) => MarkerFate::Keep,
            // Emptied before, or of a kind we do not know.
            None if batch.record_count() == 0 => MarkerFate::MayGo,
            None => MarkerFate::Keep,
        }
    }

    fn begin_up_to(&mut self, offset: Offset) {
        while let Some(transaction) = self.ahead.pop_front_if(|next| next.first_offset <= offset) {
            self.aborted.entry(transaction.producer_id).or_insert((transaction, false));
        }
    }
}
