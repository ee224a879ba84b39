//! ListOffsets (2): where a partition begins and ends, and the offset of a time.

use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};
use protocol::types::{Epoch, Offset, PartitionIndex, TimestampMs};

use super::handler::{Call, Handler, Reply};
use super::{Cx, Isolation, check_leader_epoch};
use crate::partitions::Partition;

/// Asks for the end of the partition.
const LATEST: i64 = -1;
/// Asks for the start of the partition.
const EARLIEST: i64 = -2;
/// Asks for the record with the largest timestamp (v7, KIP-734).
const MAX_TIMESTAMP: i64 = -3;
/// Asks for the earliest offset on local disk (v8, KIP-405): here the start.
const EARLIEST_LOCAL: i64 = -4;
/// Asks for the last offset moved to tiered storage (v9, KIP-1005): here none.
const LATEST_TIERED: i64 = -5;
/// Asks for the earliest offset not yet moved to tiered storage (v11, KIP-1023): here the start.
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// The first version that may ask for each of what is not a time; before, it is an error.
const FIRST_VERSIONS: [(i64, i16); 6] = [
    (LATEST, 0),
    (EARLIEST, 0),
    (MAX_TIMESTAMP, 7),
    (EARLIEST_LOCAL, 8),
    (LATEST_TIERED, 9),
    (EARLIEST_PENDING_UPLOAD, 11),
];

/// The first version that answers leader epochs.
const LEADER_EPOCH_FROM: i16 = 4;

/// Versions 0-11: 0 answers a list of segment offsets; 1 one offset and its timestamp; 2 isolation;
/// 4 leader epochs; 6 is flexible; 7 the largest timestamp; 8 and 9 tiered-storage offsets; 10 a
/// time-out for remote look-ups; 11 the earliest pending upload.
pub(super) struct ListOffsets;

/// What was found: an offset (-1 for none), the timestamp of its record (-1 for none asked).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    offset: Offset,
    timestamp: TimestampMs,
}

impl Found {
    const NONE: Found = Found { offset: Offset(-1), timestamp: TimestampMs(-1) };

    fn at(offset: Offset) -> Self {
        Self { offset, timestamp: TimestampMs(-1) }
    }
}

impl Handler for ListOffsets {
    type Request<'a> = ListOffsetsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=11;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: ListOffsetsRequest<'a>,
    ) -> Reply<ListOffsetsResponse<'a>> {
        let isolation = Isolation::from_wire(request.isolation_level);
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let known = cx.catalog.topic(&topic.name);
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let partition =
                    known.as_ref().and_then(|known| known.partition(PartitionIndex(asked.partition_index)));
                partitions.push(match (partition, call.version) {
                    (None, _) => failed(&asked, ErrorCode::UnknownTopicOrPartition),
                    (Some(partition), 0) => segment_offsets(cx, partition, &asked).await,
                    (Some(partition), version) => {
                        let found = look_up(cx, version, partition, &asked, isolation).await;
                        response(version, &asked, partition, found)
                    }
                });
            }
            topics.push(ListOffsetsTopicResponse { name: topic.name, partitions });
        }
        Reply::Answer(ListOffsetsResponse { topics, ..ListOffsetsResponse::default() })
    }
}

async fn look_up(
    cx: &Cx,
    version: i16,
    partition: &Arc<Partition>,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<Found, ErrorCode> {
    check_leader_epoch(Epoch(asked.current_leader_epoch), partition.epoch)?;
    if !is_supported(asked.timestamp, version) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let marks = partition.log().marks();
    match asked.timestamp {
        LATEST => Ok(Found::at(isolation.end(marks))),
        EARLIEST | EARLIEST_LOCAL | EARLIEST_PENDING_UPLOAD => Ok(Found::at(marks.start())),
        LATEST_TIERED => Ok(Found::NONE),
        timestamp => {
            // Scans a stretch of the log, which may be cold: off the runtime's workers.
            let partition = Arc::clone(partition);
            let scanned = cx.tasks.blocking(move || match timestamp {
                MAX_TIMESTAMP => partition.log().max_timestamp(),
                at => partition.log().offset_for_timestamp(TimestampMs(at)),
            });
            match scanned.await {
                Some(Ok(Some((offset, timestamp)))) if offset < isolation.end(marks) => {
                    Ok(Found { offset, timestamp })
                }
                Some(Ok(_)) => Ok(Found::NONE),
                Some(Err(_)) | None => Err(ErrorCode::KafkaStorageError),
            }
        }
    }
}

/// Whether a request of `version` may ask for this.
fn is_supported(timestamp: i64, version: i16) -> bool {
    let since = FIRST_VERSIONS.iter().find(|(asked, _)| *asked == timestamp).map(|(_, since)| *since);
    timestamp >= 0 || since.is_some_and(|since| version >= since)
}

fn response(
    version: i16,
    asked: &ListOffsetsPartition,
    partition: &Partition,
    found: Result<Found, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    let found = match found {
        Ok(found) => found,
        Err(code) => return failed(asked, code),
    };
    let leader_epoch = match found.offset.0 {
        0.. if version >= LEADER_EPOCH_FROM => {
            partition.log().epoch_at(found.offset).unwrap_or(partition.epoch).0
        }
        _ => -1,
    };
    ListOffsetsPartitionResponse {
        partition_index: asked.partition_index,
        timestamp: found.timestamp.0,
        offset: found.offset.0,
        leader_epoch,
        ..ListOffsetsPartitionResponse::default()
    }
}

fn failed(asked: &ListOffsetsPartition, code: ErrorCode) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        partition_index: asked.partition_index,
        error_code: code.code(),
        ..ListOffsetsPartitionResponse::default()
    }
}

/// Version 0 answers up to `max_num_offsets` offsets, newest first: the end, and where the segments begin that were
/// last written before the asked time.
///
/// # Source
/// `UnifiedLog.legacyFetchOffsetsBefore` in Apache Kafka 3.x.
async fn segment_offsets(
    cx: &Cx,
    partition: &Arc<Partition>,
    asked: &ListOffsetsPartition,
) -> ListOffsetsPartitionResponse {
    let (partition, now) = (Arc::clone(partition), cx.env.clock.now());
    let found = match asked.timestamp {
        EARLIEST => Some(Ok(vec![partition.log().marks().start()])),
        timestamp => {
            let before = if timestamp == LATEST { now } else { TimestampMs(timestamp) };
            cx.tasks.blocking(move || partition.log().offsets_before(before, now)).await
        }
    };
    let Some(Ok(offsets)) = found else { return failed(asked, ErrorCode::KafkaStorageError) };
    let wanted = usize::try_from(asked.max_num_offsets).unwrap_or(0);
    ListOffsetsPartitionResponse {
        old_style_offsets: offsets.iter().take(wanted).map(|offset| offset.0).collect(),
        ..failed(asked, ErrorCode::None)
    }
}
