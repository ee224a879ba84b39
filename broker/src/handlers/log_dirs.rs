//! The data directory: DescribeLogDirs (35), AlterReplicaLogDirs (34), KIP-113.
//!
//! There is one directory, so a replica can be told to be where it is, and nowhere else.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
};
use protocol::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
    DescribeLogDirsTopic,
};
use protocol::types::PartitionIndex;

use super::Cx;
use super::handler::{Call, Handler, Reply};
use crate::catalog::Topic;
use crate::partitions::Partition;

/// Versions 0-5: 2 is flexible; 3 has an error for the whole answer; 4 tells the volume's size (KIP-827);
/// 5 whether the directory takes new partitions.
pub(super) struct DescribeLogDirs;

impl Handler for DescribeLogDirs {
    type Request<'a> = DescribeLogDirsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: DescribeLogDirsRequest<'a>,
    ) -> Reply<DescribeLogDirsResponse<'a>> {
        let topics = match request.topics {
            None => cx.catalog.topics().iter().map(|topic| described(topic, topic.partitions())).collect(),
            Some(asked) => asked
                .iter()
                .filter_map(|asked| {
                    let topic = cx.catalog.topic(&asked.topic)?;
                    let indexes: BTreeSet<i32> = asked.partitions.iter().copied().collect();
                    let partitions: Vec<Arc<Partition>> = indexes
                        .into_iter()
                        .filter_map(|index| topic.partition(PartitionIndex(index)).cloned())
                        .collect();
                    (!partitions.is_empty()).then(|| described(&topic, &partitions))
                })
                .collect(),
        };
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let space = cx.catalog.store().space().ok();
        let result = DescribeLogDirsResult {
            log_dir: Cow::Owned(log_dir(cx)),
            topics,
            total_bytes: space.map_or(-1, |space| bytes(space.total_bytes)),
            usable_bytes: space.map_or(-1, |space| bytes(space.free_bytes)),
            ..DescribeLogDirsResult::default()
        };
        Reply::Answer(DescribeLogDirsResponse { results: vec![result], ..DescribeLogDirsResponse::default() })
    }
}

/// The directory as clients are told it: absolute where the system knows.
fn log_dir(cx: &Cx) -> String {
    let dir = cx.catalog.store().dir();
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()).display().to_string()
}

fn described<'a>(topic: &Topic, partitions: &[Arc<Partition>]) -> DescribeLogDirsTopic<'a> {
    let partition = |partition: &Arc<Partition>| DescribeLogDirsPartition {
        partition_index: partition.index.0,
        partition_size: i64::try_from(partition.log().size_bytes()).unwrap_or(i64::MAX),
        // The one replica is never behind.
        offset_lag: 0,
        is_future_key: false,
    };
    DescribeLogDirsTopic {
        name: Cow::Owned(topic.name.to_string()),
        partitions: partitions.iter().map(partition).collect(),
    }
}

/// Versions 0-2: 2 is flexible.
pub(super) struct AlterReplicaLogDirs;

impl Handler for AlterReplicaLogDirs {
    type Request<'a> = AlterReplicaLogDirsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: AlterReplicaLogDirsRequest<'a>,
    ) -> Reply<AlterReplicaLogDirsResponse<'a>> {
        let here = log_dir(cx);
        let mut results: Vec<AlterReplicaLogDirTopicResult<'a>> = Vec::new();
        for dir in request.dirs {
            for topic in dir.topics {
                let known = cx.catalog.topic(&topic.name);
                let answer = |index: i32| {
                    let exists =
                        known.as_ref().is_some_and(|known| known.partition(PartitionIndex(index)).is_some());
                    let code = match (dir.path == here, exists) {
                        (false, _) => ErrorCode::LogDirNotFound,
                        (true, false) => ErrorCode::UnknownTopicOrPartition,
                        (true, true) => ErrorCode::None,
                    };
                    AlterReplicaLogDirPartitionResult { partition_index: index, error_code: code.code() }
                };
                let partitions: Vec<_> = topic.partitions.iter().map(|index| answer(*index)).collect();
                match results.iter_mut().find(|result| result.topic_name == topic.name) {
                    Some(result) => result.partitions.extend(partitions),
                    None => {
                        results.push(AlterReplicaLogDirTopicResult { topic_name: topic.name, partitions });
                    }
                }
            }
        }
        Reply::Answer(AlterReplicaLogDirsResponse { results, ..AlterReplicaLogDirsResponse::default() })
    }
}
