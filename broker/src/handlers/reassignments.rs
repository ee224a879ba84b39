//! Who leads and who holds what: ElectLeaders (43), AlterPartitionReassignments (45),
//! ListPartitionReassignments (46).
//!
//! One node leads and holds everything, so there is never anything to elect or to move: each request is checked
//! as Apache Kafka would and told so.
//!
//! Source: `ReplicationControlManager` in Apache Kafka.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};
use protocol::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};
use protocol::types::PartitionIndex;

use super::Cx;
use super::handler::{Call, Handler, Reply};
use crate::catalog::{ApiError, Topic};

/// Of the preferred replica, or of any that is left.
const ELECTION_TYPES: RangeInclusive<i8> = 0..=1;

/// Versions 0-2: 1 adds the kind of election (KIP-460); 2 is flexible.
pub(super) struct ElectLeaders;

impl Handler for ElectLeaders {
    type Request<'a> = ElectLeadersRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: ElectLeadersRequest<'a>,
    ) -> Reply<ElectLeadersResponse<'a>> {
        if !ELECTION_TYPES.contains(&request.election_type) {
            return Reply::Answer(ElectLeadersResponse {
                error_code: ErrorCode::InvalidRequest.code(),
                ..ElectLeadersResponse::default()
            });
        }
        // Null asks for every partition; those that need no election are left out of that answer.
        let asked = request.topic_partitions.unwrap_or_default();
        let results = asked.into_iter().map(|asked| {
            let topic = cx.catalog.topic(&asked.topic);
            let partition_result = asked
                .partitions
                .iter()
                .map(|index| not_elected(topic.as_deref(), &asked.topic, *index))
                .collect();
            ReplicaElectionResult { topic: asked.topic, partition_result }
        });
        Reply::Answer(ElectLeadersResponse {
            replica_election_results: results.collect(),
            ..ElectLeadersResponse::default()
        })
    }
}

fn not_elected<'a>(topic: Option<&Topic>, name: &str, index: i32) -> PartitionResult<'a> {
    let (code, message) = match topic.map(|topic| topic.partition(PartitionIndex(index)).is_some()) {
        None => (ErrorCode::UnknownTopicOrPartition, format!("No such topic as {name}")),
        Some(false) => (ErrorCode::UnknownTopicOrPartition, format!("No such partition as {name}-{index}")),
        Some(true) => {
            (ErrorCode::ElectionNotNeeded, "Leader election not needed for topic partition.".to_owned())
        }
    };
    PartitionResult { partition_id: index, error_code: code.code(), error_message: Some(Cow::Owned(message)) }
}

/// Versions 0-1: 1 may forbid that the number of replicas changes. Both are flexible.
pub(super) struct AlterPartitionReassignments;

impl Handler for AlterPartitionReassignments {
    type Request<'a> = AlterPartitionReassignmentsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: AlterPartitionReassignmentsRequest<'a>,
    ) -> Reply<AlterPartitionReassignmentsResponse<'a>> {
        let responses = request.topics.into_iter().map(|asked| {
            let topic = cx.catalog.topic(&asked.name);
            let partitions = asked.partitions.iter().map(|partition| {
                let (code, message) = match reassigned(cx, topic.as_deref(), &asked.name, partition) {
                    Ok(()) => (ErrorCode::None, None),
                    Err(error) => (error.code, Some(Cow::Owned(error.message))),
                };
                ReassignablePartitionResponse {
                    partition_index: partition.partition_index,
                    error_code: code.code(),
                    error_message: message,
                }
            });
            let partitions = partitions.collect();
            ReassignableTopicResponse { name: asked.name, partitions }
        });
        Reply::Answer(AlterPartitionReassignmentsResponse {
            allow_replication_factor_change: request.allow_replication_factor_change,
            error_message: None,
            responses: responses.collect(),
            ..AlterPartitionReassignmentsResponse::default()
        })
    }
}

/// A partition may be moved to where it is. Null replicas would cancel a move.
fn reassigned(
    cx: &Cx,
    topic: Option<&Topic>,
    name: &str,
    asked: &ReassignablePartition,
) -> Result<(), ApiError> {
    let index = asked.partition_index;
    let unknown = |message| Err(ApiError::new(ErrorCode::UnknownTopicOrPartition, message));
    match topic.map(|topic| topic.partition(PartitionIndex(index)).is_some()) {
        None => return unknown(format!("Unable to find a topic named {name}.")),
        Some(false) => return unknown(format!("Unable to find partition {name}:{index}.")),
        Some(true) => {}
    }
    match &asked.replicas {
        Some(replicas) => check_replicas(replicas, cx.node.id),
        None => Err(ApiError::new(
            ErrorCode::NoReassignmentInProgress,
            ErrorCode::NoReassignmentInProgress.message(),
        )),
    }
}

/// Checks that a partition is put on the one broker, once.
pub(super) fn check_replicas(replicas: &[i32], node: i32) -> Result<(), ApiError> {
    let invalid = |message: String| Err(ApiError::new(ErrorCode::InvalidReplicaAssignment, message));
    if replicas.is_empty() {
        return invalid("The manual partition assignment includes an empty replica list.".into());
    }
    if let Some(other) = replicas.iter().find(|replica| **replica != node) {
        return invalid(format!(
            "The manual partition assignment includes broker {other}, but no such broker is registered."
        ));
    }
    match replicas {
        [_] => Ok(()),
        _ => invalid(format!("The manual partition assignment includes the broker {node} more than once.")),
    }
}

/// Version 0, flexible.
pub(super) struct ListPartitionReassignments;

impl Handler for ListPartitionReassignments {
    type Request<'a> = ListPartitionReassignmentsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle<'a>(
        _: &'a Arc<Cx>,
        _: &'a Call,
        _: ListPartitionReassignmentsRequest<'a>,
    ) -> Reply<ListPartitionReassignmentsResponse<'a>> {
        Reply::Answer(ListPartitionReassignmentsResponse {
            error_message: None,
            ..ListPartitionReassignmentsResponse::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_on_the_one_broker_once() {
        assert_eq!(check_replicas(&[1], 1), Ok(()));
        for (replicas, expected) in [
            (&[][..], "includes an empty replica list"),
            (&[2], "includes broker 2, but no such broker is registered"),
            (&[1, 2], "includes broker 2, but no such broker is registered"),
            (&[1, 1], "includes the broker 1 more than once"),
        ] {
            let error = check_replicas(replicas, 1).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidReplicaAssignment);
            assert!(error.message.contains(expected), "{}", error.message);
        }
    }
}
