//! TxnOffsetCommit (28): how far a group has read, from the moment a transaction commits.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestTopic, TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use protocol::types::TopicId;

use super::Cx;
use super::handler::{Call, Handler, Reply};
use super::offsets::{Looked, NAMES_VERSION, TOPIC_IDS_SINCE, look_up};
use crate::catalog::OFFSETS_TOPIC;
use crate::coordinator::group::requests::{CommitRequest, CommitResponse};
use crate::coordinator::transaction::Enlist;
use crate::coordinator::transaction::state::{EPOCH_BUMPS_SINCE, Producer};

/// First version that may answer TRANSACTION_ABORTABLE.
const ABORTABLE_SINCE: i16 = 4;
/// First version that makes the group's offsets part of the transaction by itself (KIP-890).
const ADDS_GROUP_SINCE: i16 = 5;
/// First version that names topics by id (KIP-1319).
const IDS_SINCE: i16 = 6;

/// Versions 0-6: 2 adds leader epochs; 3 is flexible and adds the member and its generation (KIP-447); 4 may answer
/// TRANSACTION_ABORTABLE; 5 adds the group to the transaction by itself (KIP-890); 6 names topics by id.
///
/// The answer does not wait for the disk: the commit of the transaction does.
pub(super) struct TxnOffsetCommit;

impl Handler for TxnOffsetCommit {
    type Request<'a> = TxnOffsetCommitRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=6;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: TxnOffsetCommitRequest<'a>,
    ) -> Reply<TxnOffsetCommitResponse<'a>> {
        let producer = Producer::new(request.transactional_id, request.producer_id, request.producer_epoch);
        let by = if call.version >= IDS_SINCE { TOPIC_IDS_SINCE } else { NAMES_VERSION };
        let looked: Vec<_> = request.topics.into_iter().map(|topic| look_up(cx, by, plain(topic))).collect();
        let wanted = looked.iter().filter_map(|topic| match topic {
            Looked::Commit { wanted, .. } => Some(wanted.clone()),
            Looked::Refused { .. } => None,
        });
        let commit = CommitRequest {
            group_id: request.group_id.into_owned(),
            generation: request.generation_id_or_member_epoch,
            member_id: request.member_id.into_owned(),
            group_instance_id: request.group_instance_id.map(Cow::into_owned),
            transactional: true,
            topics: wanted.collect(),
            ..CommitRequest::default()
        };
        let mut committed = store(cx, call.version, &producer, &commit).topics.into_iter();
        let topics = looked.into_iter().map(|topic| match topic {
            Looked::Refused { name, id, partitions, code } => {
                answer(name, id, partitions.into_iter().map(|index| (index, code)))
            }
            Looked::Commit { name, id, refused, .. } => {
                let committed = committed.next().map(|topic| topic.partitions).unwrap_or_default();
                let committed = committed.into_iter().map(|(index, code)| (index.0, code));
                answer(name, id, committed.chain(refused))
            }
        });
        Reply::Answer(TxnOffsetCommitResponse {
            topics: topics.collect(),
            ..TxnOffsetCommitResponse::default()
        })
    }
}

/// Appends the offsets while the transaction cannot end.
fn store(cx: &Cx, version: i16, producer: &Producer, commit: &CommitRequest) -> CommitResponse {
    let partitions = [(OFFSETS_TOPIC, cx.groups.partition_for(&commit.group_id))];
    let how = if version >= ADDS_GROUP_SINCE { Enlist::Add } else { Enlist::Verify };
    let append = || cx.groups.commit_in_transaction(commit, (producer.id, producer.epoch));
    match cx.transactions.enlist(producer, &partitions, how, EPOCH_BUMPS_SINCE, append) {
        Ok(response) => response,
        Err(code) => commit.refused(for_version(code, version)),
    }
}

/// The refusal in words that a client of this version can act on.
fn for_version(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        ErrorCode::TransactionAbortable if version < ABORTABLE_SINCE => ErrorCode::InvalidTxnState,
        // Older clients give up on this one, but try again after the other.
        ErrorCode::ConcurrentTransactions if version < ADDS_GROUP_SINCE => {
            ErrorCode::CoordinatorLoadInProgress
        }
        code => code,
    }
}

/// The topic as OffsetCommit has it.
fn plain(topic: TxnOffsetCommitRequestTopic<'_>) -> OffsetCommitRequestTopic<'_> {
    let partitions = topic.partitions.into_iter().map(|partition| OffsetCommitRequestPartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        committed_metadata: partition.committed_metadata,
        ..OffsetCommitRequestPartition::default()
    });
    OffsetCommitRequestTopic { name: topic.name, topic_id: topic.topic_id, partitions: partitions.collect() }
}

fn answer<'a>(
    name: Cow<'a, str>,
    topic_id: TopicId,
    partitions: impl Iterator<Item = (i32, ErrorCode)>,
) -> TxnOffsetCommitResponseTopic<'a> {
    let partitions = partitions.map(|(partition_index, code)| TxnOffsetCommitResponsePartition {
        partition_index,
        error_code: code.code(),
    });
    TxnOffsetCommitResponseTopic { name, topic_id, partitions: partitions.collect() }
}
