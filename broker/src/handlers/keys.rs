//! A compacted topic keeps the last record of each key, so a record without one is refused.

use protocol::error_code::ErrorCode;
use protocol::records::{BatchError, Batches};

use super::produce::Refused;

/// The most that a batch may grow to when it is unpacked to look at its keys.
const UNPACKED_BYTES_MAX: usize = 256 << 20;

/// Checks that every record of `batches` has a key; the whole set is refused otherwise, as in Kafka.
///
/// # Errors
/// INVALID_RECORD naming the records, CORRUPT_MESSAGE if they cannot be walked.
pub(super) fn check(batches: &[u8]) -> Result<(), Refused> {
    let corrupt = |error: BatchError| Refused::new(ErrorCode::CorruptMessage, error.to_string());
    let mut unpacked = Vec::new();
    let mut keyless = Vec::new();
    for batch in Batches::new(batches) {
        let batch = batch.map_err(corrupt)?;
        for (index, record) in
            batch.decompressed(UNPACKED_BYTES_MAX, &mut unpacked).map_err(corrupt)?.enumerate()
        {
            if record.map_err(corrupt)?.key.is_none() {
                keyless.push(i32::try_from(index).unwrap_or(i32::MAX));
            }
        }
    }
    match keyless.is_empty() {
        true => Ok(()),
        false => Err(Refused {
            code: ErrorCode::InvalidRecord,
            message: "One or more records have been rejected: a compacted topic needs a key in every record"
                .into(),
            records: keyless,
        }),
    }
}
