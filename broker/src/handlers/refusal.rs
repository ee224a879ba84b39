//! Storage's refusals as Kafka's error codes: one exhaustive match.

use protocol::error_code::ErrorCode;
use storage::AppendError;

use super::produce::Refused;

/// What a producer is told when its append was refused.
pub(super) fn of_append(error: AppendError) -> Refused {
    let code = match &error {
        AppendError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        AppendError::SetTooLarge { .. } => ErrorCode::RecordListTooLarge,
        AppendError::Corrupt { .. } => ErrorCode::CorruptMessage,
        AppendError::InvalidRecord { .. } => ErrorCode::InvalidRecord,
        AppendError::InvalidTimestamp { .. } => ErrorCode::InvalidTimestamp,
        AppendError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        AppendError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        AppendError::UnknownProducer { .. } => ErrorCode::UnknownProducerId,
        AppendError::InvalidTxnState { .. } => ErrorCode::InvalidTxnState,
        AppendError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        AppendError::OffsetsOutOfOrder { .. } => ErrorCode::InvalidRecord,
        AppendError::DiskFull { .. } | AppendError::Failed(_) => ErrorCode::KafkaStorageError,
        AppendError::Closed => ErrorCode::UnknownTopicOrPartition,
    };
    Refused::new(code, error.to_string())
}
