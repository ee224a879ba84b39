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
                let found = match partition {
                    None => Err(ErrorCode::UnknownTopicOrPartition),
                    Some(partition) => look_up(cx, call.version, partition, &asked, isolation).await,
                };
                partitions.push(response(call.version, &asked, partition.map(|p| p.as_ref()), found));
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
    partition: Option<&Partition>,
    found: Result<Found, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    let (error, found) = match found {
        Ok(found) => (ErrorCode::None, found),
        Err(code) => (code, Found::NONE),
    };
    let mut response = ListOffsetsPartitionResponse {
        partition_index: asked.partition_index,
        error_code: error.code(),
        ..ListOffsetsPartitionResponse::default()
    };
    if version == 0 {
        response.old_style_offsets = segment_offsets(asked, partition, found);
    } else {
        response.timestamp = found.timestamp.0;
        response.offset = found.offset.0;
        response.leader_epoch = match (partition, found.offset.0) {
            (Some(partition), 0..) if version >= LEADER_EPOCH_FROM => {
                partition.log().epoch_at(found.offset).unwrap_or(partition.epoch).0
            }
            _ => -1,
        };
    }
    response
}

/// Version 0 answers up to `max_num_offsets` offsets, newest first: the end and segment starts
/// before the asked time. One found offset serves its users, who read the first.
fn segment_offsets(asked: &ListOffsetsPartition, partition: Option<&Partition>, found: Found) -> Vec<i64> {
    let wanted = usize::try_from(asked.max_num_offsets).unwrap_or(0);
    let Some(partition) = partition.filter(|_| wanted > 0) else { return Vec::new() };
    let marks = partition.log().marks();
    match asked.timestamp {
        LATEST => {
            let mut offsets = vec![marks.end().0];
            let segments = partition.log().segment_infos();
            offsets.extend(segments.iter().rev().map(|segment| segment.base_offset.max(marks.start()).0));
            offsets.dedup();
            offsets.truncate(wanted);
            offsets
        }
        EARLIEST => vec![marks.start().0],
        _ if found.offset.0 >= 0 => vec![found.offset.0],
        _ => Vec::new(),
    }
}
