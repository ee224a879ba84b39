//! DescribeQuorum (55), KIP-595: who keeps the metadata log. The one node does.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, Listener, Node, PartitionData, ReplicaState, TopicData,
};

use super::Cx;
use super::handler::{Call, Handler, Reply};
use crate::catalog::METADATA_TOPIC;

/// The name of the listener that is told; there is one for everything.
const LISTENER: &str = "PLAINTEXT";

/// Versions 0-2: 1 tells when a replica last fetched (KIP-836); 2 directories and listeners (KIP-853). All are
/// flexible.
pub(super) struct DescribeQuorum;

impl Handler for DescribeQuorum {
    type Request<'a> = DescribeQuorumRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: DescribeQuorumRequest<'a>,
    ) -> Reply<DescribeQuorumResponse<'a>> {
        let topics = request.topics.into_iter().map(|topic| {
            let known = topic.topic_name == METADATA_TOPIC;
            let partition = |index: i32| match known && index == 0 {
                true => metadata_log(cx, call.version),
                false => PartitionData {
                    partition_index: index,
                    error_code: ErrorCode::UnknownTopicOrPartition.code(),
                    error_message: None,
                    ..PartitionData::default()
                },
            };
            let partitions = topic.partitions.iter().map(|asked| partition(asked.partition_index)).collect();
            TopicData { topic_name: topic.topic_name, partitions }
        });
        let topics = topics.collect();
        Reply::Answer(DescribeQuorumResponse {
            error_message: None,
            topics,
            nodes: if call.version >= 2 { vec![node(cx, call)] } else { Vec::new() },
            ..DescribeQuorumResponse::default()
        })
    }
}

/// This node leads and votes; it is always caught up with itself.
fn metadata_log<'a>(cx: &Cx, version: i16) -> PartitionData<'a> {
    let (epoch, end) = cx.catalog.metadata_marks();
    let now = cx.env.clock.now().0;
    let voter = ReplicaState {
        replica_id: cx.node.id,
        replica_directory_id: if version >= 2 {
            cx.catalog.store().directory_id()
        } else {
            Default::default()
        },
        log_end_offset: end.0,
        last_fetch_timestamp: now,
        last_caught_up_timestamp: now,
    };
    PartitionData {
        partition_index: 0,
        error_message: None,
        leader_id: cx.node.id,
        leader_epoch: epoch.0,
        high_watermark: end.0,
        current_voters: vec![voter],
        ..PartitionData::default()
    }
}

fn node<'a>(cx: &Cx, call: &Call) -> Node<'a> {
    let (host, port) = cx.advertised(&call.connection);
    let listener = Listener { name: Cow::Borrowed(LISTENER), host: Cow::Owned(host), port };
    Node { node_id: cx.node.id, listeners: vec![listener] }
}
