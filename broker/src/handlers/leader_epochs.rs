//! OffsetForLeaderEpoch (23): where an epoch ended, so that a client can tell whether its position
//! still exists after a leader came back (KIP-101, KIP-320).

use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
};
use protocol::types::{Epoch, Offset, PartitionIndex};

use super::handler::{Call, Handler, Reply};
use super::{Cx, check_leader_epoch};
use crate::partitions::Partition;

/// Versions 0-4: 1 answers the epoch that was found; 2 adds throttling and the epoch that the client
/// believes current (KIP-320); 3 the replica id; 4 is flexible.
pub(super) struct OffsetForLeaderEpoch;

impl Handler for OffsetForLeaderEpoch {
    type Request<'a> = OffsetForLeaderEpochRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=4;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: OffsetForLeaderEpochRequest<'a>,
    ) -> Reply<OffsetForLeaderEpochResponse<'a>> {
        let topics = request.topics.into_iter().map(|topic| {
            let known = cx.catalog.topic(&topic.topic);
            let partitions = topic.partitions.iter().map(|asked| {
                let partition =
                    known.as_ref().and_then(|known| known.partition(PartitionIndex(asked.partition)));
                let found = partition
                    .ok_or(ErrorCode::UnknownTopicOrPartition)
                    .and_then(|found| end_of(found, asked));
                found.unwrap_or_else(|code| EpochEndOffset {
                    error_code: code.code(),
                    partition: asked.partition,
                    ..EpochEndOffset::default()
                })
            });
            OffsetForLeaderTopicResult { partitions: partitions.collect(), topic: topic.topic }
        });
        Reply::Answer(OffsetForLeaderEpochResponse {
            topics: topics.collect(),
            ..OffsetForLeaderEpochResponse::default()
        })
    }
}

fn end_of(partition: &Partition, asked: &OffsetForLeaderPartition) -> Result<EpochEndOffset, ErrorCode> {
    check_leader_epoch(Epoch(asked.current_leader_epoch), partition.epoch)?;
    let (leader_epoch, end_offset) = match end_of_epoch(partition, Epoch(asked.leader_epoch)) {
        Some((epoch, end)) => (epoch.0, end.0),
        None => return Ok(EpochEndOffset { partition: asked.partition, ..EpochEndOffset::default() }),
    };
    Ok(EpochEndOffset { error_code: 0, partition: asked.partition, leader_epoch, end_offset })
}

/// The largest epoch not above `epoch`, and where it ended; `None` if that is not known. The current one ends at the
/// log's end, whether or not anything was written in it.
pub(super) fn end_of_epoch(partition: &Partition, epoch: Epoch) -> Option<(Epoch, Offset)> {
    if epoch == partition.epoch {
        return Some((epoch, partition.log().marks().end()));
    }
    partition.log().end_of_epoch(epoch)
}
