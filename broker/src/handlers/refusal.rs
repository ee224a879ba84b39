//! Storage's refusals as Kafka's error codes: one exhaustive match.

use protocol::error_code::ErrorCode;
use storage::{AppendError, RecordFault, RejectedRecord};

use super::produce::Refused;

/// What a producer is told when its append was refused.
pub(super) fn of_append(error: AppendError) -> Refused {
    let code = match &error {
        AppendError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        AppendError::SetTooLarge { .. } => ErrorCode::RecordListTooLarge,
        AppendError::Corrupt { .. } => ErrorCode::CorruptMessage,
        AppendError::InvalidRecord { .. } => ErrorCode::InvalidRecord,
        AppendError::RejectedRecords { rejected } => of_records(rejected),
        AppendError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        AppendError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        AppendError::UnknownProducer { .. } => ErrorCode::UnknownProducerId,
        AppendError::InvalidTxnState { .. } => ErrorCode::InvalidTxnState,
        AppendError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        AppendError::OffsetsOutOfOrder { .. } => ErrorCode::InvalidRecord,
        AppendError::DiskFull { .. } | AppendError::Failed(_) => ErrorCode::KafkaStorageError,
        AppendError::Closed => ErrorCode::UnknownTopicOrPartition,
    };
    let message = error.to_string();
    let records = match error {
        AppendError::RejectedRecords { rejected } => {
            rejected.iter().map(|record| (record.index, record.fault.to_string())).collect()
        }
        _ => Vec::new(),
    };
    Refused { code, message, records }
}

/// As in Kafka, a wrong time outweighs a missing key.
fn of_records(rejected: &[RejectedRecord]) -> ErrorCode {
    match rejected.iter().any(|record| record.fault != RecordFault::NoKey) {
        true => ErrorCode::InvalidTimestamp,
        false => ErrorCode::InvalidRecord,
    }
}
