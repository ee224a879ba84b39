//! What a batch must be to be appended: the one place where it is checked.
//!
//! Headers and the checksum are looked at always. Records are walked (and decompressed) only where a setting of
//! the topic speaks of single records: a compacted topic needs keys, and a lower limit on CreateTime needs times.

use protocol::records::batch::{Batch, BatchError, Batches};
use protocol::types::{ProducerId, TimestampMs};

use super::append::AppendOptions;
use crate::config::{LogConfig, TimestampSource};
use crate::error::AppendError;
use crate::producers::Origin;

/// The most that one batch may decompress to. Larger ones are refused rather than believed.
const DECOMPRESSED_BYTES_MAX: usize = 1 << 30;

/// Checks `batches` against the format and the topic's rules.
pub(super) fn validate(
    batches: &[u8],
    config: &LogConfig,
    options: &AppendOptions,
) -> Result<(), AppendError> {
    let limit_bytes = usize::try_from(config.segment_bytes).unwrap_or(usize::MAX);
    if batches.is_empty() {
        return Err(invalid("no batch"));
    }
    if batches.len() > limit_bytes {
        return Err(AppendError::SetTooLarge { size_bytes: batches.len(), limit_bytes });
    }
    for batch in Batches::new(batches) {
        check_batch(&batch.map_err(corrupt)?, config, options)?;
    }
    Ok(())
}

/// A structural error as an error of the append.
pub(super) fn corrupt(error: impl ToString) -> AppendError {
    AppendError::Corrupt { reason: error.to_string() }
}

fn invalid(reason: &'static str) -> AppendError {
    AppendError::InvalidRecord { record_index: None, reason }
}

fn check_batch(batch: &Batch<'_>, config: &LogConfig, options: &AppendOptions) -> Result<(), AppendError> {
    if options.origin != Origin::Replicated && batch.size_bytes() > config.max_message_bytes {
        return Err(AppendError::TooLarge {
            size_bytes: batch.size_bytes(),
            limit_bytes: config.max_message_bytes,
        });
    }
    batch.verify_crc().map_err(corrupt)?;
    if options.origin == Origin::Replicated {
        return Ok(());
    }
    if options.origin == Origin::Internal {
        // Markers and offsets committed in a transaction have a producer but no sequence.
        let fits = batch.record_count() > 0 && batch.last_offset_delta() == batch.record_count() - 1;
        return fits.then_some(()).ok_or_else(|| invalid("the counts in the header do not fit together"));
    }
    batch.validate().map_err(|error| match error {
        BatchError::Invalid(reason) => invalid(reason),
        other => corrupt(other),
    })?;
    check_client_batch(batch, config, options.now)
}

fn check_client_batch(batch: &Batch<'_>, config: &LogConfig, now: TimestampMs) -> Result<(), AppendError> {
    if batch.is_control() {
        return Err(invalid("clients may not write control batches"));
    }
    if batch.producer_id() != ProducerId::NONE && batch.producer_epoch().0 < 0 {
        return Err(invalid("a producer id without an epoch"));
    }
    let create_time = config.message_timestamp_type == TimestampSource::CreateTime;
    let youngest = batch.max_timestamp();
    if create_time && is_too_young(youngest, config, now) {
        return Err(AppendError::InvalidTimestamp { record_index: None, timestamp: youngest, now });
    }
    let lower_limit = create_time && config.message_timestamp_before_max_ms < i64::MAX;
    if config.cleanup_policy.compact || lower_limit {
        check_records(batch, config, lower_limit, now)?;
    }
    Ok(())
}

fn is_too_young(timestamp: TimestampMs, config: &LogConfig, now: TimestampMs) -> bool {
    timestamp.0.saturating_sub(now.0) > config.message_timestamp_after_max_ms
}

fn check_records(
    batch: &Batch<'_>,
    config: &LogConfig,
    lower_limit: bool,
    now: TimestampMs,
) -> Result<(), AppendError> {
    let mut buffer = Vec::new();
    let records = batch.decompressed(DECOMPRESSED_BYTES_MAX, &mut buffer).map_err(corrupt)?;
    for (record_index, record) in (0..).zip(records) {
        let record = record.map_err(corrupt)?;
        if config.cleanup_policy.compact && record.key.is_none() {
            return Err(AppendError::InvalidRecord {
                record_index: Some(record_index),
                reason: "a compacted topic takes no record without a key",
            });
        }
        let age_ms = now.0.saturating_sub(record.timestamp.0);
        if lower_limit && record.timestamp.0 >= 0 && age_ms > config.message_timestamp_before_max_ms {
            return Err(AppendError::InvalidTimestamp {
                record_index: Some(record_index),
                timestamp: record.timestamp,
                now,
            });
        }
    }
    Ok(())
}
