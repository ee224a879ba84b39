//! DeleteRecords (21): lets a partition begin later.

use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::delete_records::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use protocol::types::{Offset, PartitionIndex};
use storage::ReadError;

use super::Cx;
use super::handler::{Call, Handler, Reply};
use crate::catalog::Topic;

/// Asks for everything to be deleted.
const TO_THE_END: i64 = -1;

/// Versions 0-2: 2 is flexible.
pub(super) struct DeleteRecords;

impl Handler for DeleteRecords {
    type Request<'a> = DeleteRecordsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: DeleteRecordsRequest<'a>,
    ) -> Reply<DeleteRecordsResponse<'a>> {
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let known = cx.catalog.topic(&topic.name).ok_or(ErrorCode::UnknownTopicOrPartition);
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let deleted = match &known {
                    Ok(known) => delete(cx, known, PartitionIndex(asked.partition_index), asked.offset).await,
                    Err(code) => Err(*code),
                };
                let (code, low_watermark) =
                    deleted.map_or_else(|code| (code, -1), |start| (ErrorCode::None, start.0));
                partitions.push(DeleteRecordsPartitionResult {
                    partition_index: asked.partition_index,
                    low_watermark,
                    error_code: code.code(),
                });
            }
            topics.push(DeleteRecordsTopicResult { name: topic.name, partitions });
        }
        remember(cx, &mut topics).await;
        Reply::Answer(DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() })
    }
}

/// Makes the new starts durable, all at once; without that a crash would bring the records back.
async fn remember(cx: &Arc<Cx>, topics: &mut [DeleteRecordsTopicResult<'_>]) {
    let mut deleted: Vec<_> = topics
        .iter_mut()
        .flat_map(|topic| &mut topic.partitions)
        .filter(|partition| partition.error_code == ErrorCode::None.code())
        .collect();
    if deleted.is_empty() {
        return;
    }
    let keeper = Arc::clone(cx);
    match cx.tasks.blocking(move || keeper.catalog.flush_start_offsets()).await {
        Some(Ok(())) => return,
        Some(Err(error)) => tracing::error!(%error, "start offsets not written after DeleteRecords"),
        None => {}
    }
    for partition in &mut deleted {
        partition.error_code = ErrorCode::KafkaStorageError.code();
        partition.low_watermark = -1;
    }
}

/// As in Apache Kafka, only topics of clients, and only those whose policy deletes: compaction alone promises to
/// keep each key.
async fn delete(cx: &Cx, topic: &Topic, index: PartitionIndex, before: i64) -> Result<Offset, ErrorCode> {
    if topic.is_internal() {
        return Err(ErrorCode::InvalidTopicException);
    }
    if !topic.config().log_config().cleanup_policy.delete {
        return Err(ErrorCode::PolicyViolation);
    }
    let partition = topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let before = if before == TO_THE_END { partition.log().marks().high() } else { Offset(before) };
    let deleting = Arc::clone(partition);
    match cx.tasks.blocking(move || deleting.log().delete_records(before)).await {
        Some(Ok(start)) => {
            partition.wake_if_start_moved();
            Ok(start)
        }
        Some(Err(ReadError::OutOfRange { .. })) => Err(ErrorCode::OffsetOutOfRange),
        Some(Err(_)) | None => Err(ErrorCode::KafkaStorageError),
    }
}
