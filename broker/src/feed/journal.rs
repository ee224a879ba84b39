//! The journal: one record a step in `__kindred_steps`, written in the transaction that holds the step's results.
//!
//! A step that was not committed left nothing behind, and what is read here is exactly what readers of committed
//! records have seen the results of. Steps that no kept snapshot needs are removed.

use protocol::records::Batch;
use protocol::types::Offset;
use storage::AbortedTransaction;
use tracing::warn;

use super::step::Entry;
use crate::catalog::{Catalog, STEPS_TOPIC};

/// Read at once.
const READ_BYTES: usize = 1 << 20;

/// Hands every committed step from offset `from` on to `visit`, with the offset behind it, and returns where it ended.
///
/// # Errors
/// The log cannot be read.
pub(super) fn read(
    catalog: &Catalog,
    from: Offset,
    mut visit: impl FnMut(Entry, Offset),
) -> Result<Offset, storage::ReadError> {
    let topic = catalog.topic(STEPS_TOPIC);
    let Some(partition) = topic.as_ref().and_then(|topic| topic.partitions().first()) else {
        return Ok(Offset(0));
    };
    let log = partition.log();
    let marks = log.marks();
    let mut next = from.max(marks.start());
    while next < marks.stable() {
        let read = log.read(next, READ_BYTES, true, marks.stable())?;
        let aborted = log.aborted_transactions(next, read.next_offset)?;
        let mut rest = &read.records[..];
        while let Ok((batch, behind)) = Batch::parse(rest) {
            rest = behind;
            visit_batch(&batch, next, &aborted, &mut visit);
        }
        next = read.next_offset;
    }
    Ok(next)
}

fn visit_batch(
    batch: &Batch<'_>,
    from: Offset,
    aborted: &[AbortedTransaction],
    visit: &mut impl FnMut(Entry, Offset),
) {
    if batch.is_control() || is_aborted(batch, aborted) {
        return;
    }
    for record in batch.records().map_while(Result::ok).filter(|record| record.offset >= from) {
        match serde_json::from_slice(record.value.unwrap_or_default()) {
            Ok(entry) => visit(entry, record.offset.next()),
            Err(error) => warn!(offset = %record.offset, %error, "a step that cannot be read"),
        }
    }
}

/// Whether a batch is of a transaction that was aborted.
pub(super) fn is_aborted(batch: &Batch<'_>, aborted: &[AbortedTransaction]) -> bool {
    let within = |one: &AbortedTransaction| {
        one.producer_id == batch.producer_id()
            && (one.first_offset..=one.last_offset).contains(&batch.base_offset())
    };
    batch.is_transactional() && aborted.iter().any(within)
}

/// Removes steps before an offset, if that is at least so many offsets.
pub(super) fn forget_before(catalog: &Catalog, before: Offset, at_least: i64) {
    let topic = catalog.topic(STEPS_TOPIC);
    let Some(partition) = topic.as_ref().and_then(|topic| topic.partitions().first()) else { return };
    let marks = partition.log().marks();
    let before = before.min(marks.stable());
    if before - marks.start() < at_least {
        return;
    }
    if let Err(error) = partition.log().delete_records(before) {
        warn!(%before, %error, "steps not removed");
    }
}
