//! Consumer groups of KIP-848: ConsumerGroupHeartbeat (68), ConsumerGroupDescribe (69).

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::messages::consumer_group_describe::{
    ConsumerGroupDescribeAssignment, ConsumerGroupDescribeGroup, ConsumerGroupDescribeMember,
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupDescribeTopicPartitions,
};
use protocol::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatAssignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    ConsumerGroupHeartbeatTopicPartitions,
};

use super::handler::{Call, Handler, Reply};
use super::{Cx, operations};
use crate::coordinator::group::records::Partitions;
use crate::coordinator::group::requests::{
    ConsumerHeartbeatRequest, ConsumerHeartbeatResponse, DescribedConsumer, DescribedConsumerGroup,
    NamedPartitions, Refusal,
};

/// What ConsumerGroupDescribe calls members that speak the classic protocol and KIP-848's (KIP-1099).
const CLASSIC_MEMBER: i8 = 0;
const CONSUMER_MEMBER: i8 = 1;

/// Versions 0-1: 1 adds regular expressions, and members make their own ids (KIP-1082).
pub(super) struct ConsumerGroupHeartbeat;

impl Handler for ConsumerGroupHeartbeat {
    type Request<'a> = ConsumerGroupHeartbeatRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: ConsumerGroupHeartbeatRequest<'a>,
    ) -> Reply<ConsumerGroupHeartbeatResponse<'a>> {
        let topics = request.subscribed_topic_names;
        let heartbeat = ConsumerHeartbeatRequest {
            api_version: call.version,
            group_id: request.group_id.into_owned(),
            member_id: request.member_id.into_owned(),
            member_epoch: request.member_epoch,
            instance_id: request.instance_id.map(Cow::into_owned),
            rack_id: request.rack_id.map(Cow::into_owned),
            rebalance_timeout_ms: (request.rebalance_timeout_ms != -1)
                .then_some(request.rebalance_timeout_ms),
            topics: topics.map(|topics| topics.into_iter().map(Cow::into_owned).collect()),
            regex: request.subscribed_topic_regex.map(Cow::into_owned),
            assignor: request.server_assignor.map(Cow::into_owned),
            owned: request.topic_partitions.map(owned),
            client_id: call.client_id().to_owned(),
            client_host: format!("/{}", call.connection.peer.ip().to_canonical()),
        };
        Reply::Answer(match cx.groups.consumer_heartbeat(heartbeat).await {
            Ok(response) => accepted(response),
            Err(Refusal { error, message }) => ConsumerGroupHeartbeatResponse {
                error_code: error.code(),
                error_message: Some(words(message, error.message())),
                ..ConsumerGroupHeartbeatResponse::default()
            },
        })
    }
}

fn words(message: String, otherwise: &'static str) -> Cow<'static, str> {
    if message.is_empty() { Cow::Borrowed(otherwise) } else { Cow::Owned(message) }
}

fn owned(topics: Vec<ConsumerGroupHeartbeatTopicPartitions>) -> Partitions {
    let mut owned = Partitions::new();
    for topic in topics.into_iter().filter(|topic| !topic.partitions.is_empty()) {
        owned.entry(topic.topic_id).or_default().extend(topic.partitions);
    }
    owned
}

fn accepted(response: ConsumerHeartbeatResponse) -> ConsumerGroupHeartbeatResponse<'static> {
    let assignment = response.assignment.map(|assigned| {
        let topics = assigned.into_iter().map(|(topic_id, partitions)| {
            let partitions = partitions.into_iter().collect();
            ConsumerGroupHeartbeatTopicPartitions { topic_id, partitions }
        });
        ConsumerGroupHeartbeatAssignment { topic_partitions: topics.collect() }
    });
    ConsumerGroupHeartbeatResponse {
        member_id: Some(Cow::Owned(response.member_id)),
        member_epoch: response.member_epoch,
        heartbeat_interval_ms: response.heartbeat_interval_ms,
        assignment,
        ..ConsumerGroupHeartbeatResponse::default()
    }
}

/// Versions 0-1: 1 tells each member's protocol (KIP-1099).
pub(super) struct ConsumerGroupDescribe;

impl Handler for ConsumerGroupDescribe {
    type Request<'a> = ConsumerGroupDescribeRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: ConsumerGroupDescribeRequest<'a>,
    ) -> Reply<ConsumerGroupDescribeResponse<'a>> {
        let authorized =
            if request.include_authorized_operations { operations::GROUP } else { operations::NOT_ASKED };
        let groups = request.group_ids.into_iter().map(|id| match cx.groups.describe_consumer(&id) {
            Ok(group) => {
                ConsumerGroupDescribeGroup { authorized_operations: authorized, ..described(id, group) }
            }
            Err(Refusal { error, message }) => ConsumerGroupDescribeGroup {
                error_code: error.code(),
                error_message: Some(words(message, error.message())),
                group_id: id,
                ..ConsumerGroupDescribeGroup::default()
            },
        });
        Reply::Answer(ConsumerGroupDescribeResponse {
            groups: groups.collect(),
            ..ConsumerGroupDescribeResponse::default()
        })
    }
}

fn described(id: Cow<'_, str>, group: DescribedConsumerGroup) -> ConsumerGroupDescribeGroup<'_> {
    ConsumerGroupDescribeGroup {
        group_id: id,
        group_state: Cow::Borrowed(group.state.name()),
        group_epoch: group.epoch,
        assignment_epoch: group.assignment_epoch,
        assignor_name: Cow::Owned(group.assignor),
        members: group.members.into_iter().map(member).collect(),
        ..ConsumerGroupDescribeGroup::default()
    }
}

fn member(member: DescribedConsumer) -> ConsumerGroupDescribeMember<'static> {
    ConsumerGroupDescribeMember {
        member_id: Cow::Owned(member.member_id),
        instance_id: member.instance_id.map(Cow::Owned),
        rack_id: member.rack_id.map(Cow::Owned),
        member_epoch: member.epoch,
        client_id: Cow::Owned(member.client_id),
        client_host: Cow::Owned(member.client_host),
        subscribed_topic_names: member.topics.into_iter().map(Cow::Owned).collect(),
        subscribed_topic_regex: member.regex.map(Cow::Owned),
        assignment: assignment(member.assignment),
        target_assignment: assignment(member.target),
        member_type: if member.is_classic { CLASSIC_MEMBER } else { CONSUMER_MEMBER },
    }
}

fn assignment(topics: Vec<NamedPartitions>) -> ConsumerGroupDescribeAssignment<'static> {
    let topics = topics.into_iter().map(|topic| ConsumerGroupDescribeTopicPartitions {
        topic_id: topic.id,
        topic_name: Cow::Owned(topic.name),
        partitions: topic.partitions,
    });
    ConsumerGroupDescribeAssignment { topic_partitions: topics.collect() }
}
