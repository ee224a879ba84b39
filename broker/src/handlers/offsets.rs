//! How far groups have read: OffsetCommit (8), OffsetFetch (9), OffsetDelete (47).

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestTopic, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};
use protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestTopic, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};
use protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use protocol::types::{Epoch, Offset, PartitionIndex, TimestampMs, TopicId};

use super::Cx;
use super::handler::{Call, Handler, Reply};
use crate::catalog::Topic;
use crate::coordinator::group::requests::{
    AskingMember, CommitPartition, CommitRequest, CommitTopic, DeleteOffsetsRequest, FetchOffsetsRequest,
    FetchOffsetsResponse, FetchTopic, FetchedOffset, FetchedTopic, NO_GENERATION,
};

/// First version that names topics by id (KIP-848 and KIP-516).
pub(super) const TOPIC_IDS_SINCE: i16 = 10;
/// A version that names topics, without any peculiarity of its own.
pub(super) const NAMES_VERSION: i16 = TOPIC_IDS_SINCE - 1;
/// First version of OffsetFetch that has an error for the group as a whole.
const GROUP_ERROR_SINCE: i16 = 2;
/// First version of OffsetFetch that asks for several groups (KIP-709).
const GROUPS_SINCE: i16 = 8;

/// Versions 0-10: 0 was for ZooKeeper and is stored like 1; 1 adds generation, member and a time; 2
/// replaces the time by a retention, which 5 drops; 6 leader epochs; 7 static members; 8 is flexible;
/// 9 serves KIP-848 groups; 10 names topics by id.
pub(super) struct OffsetCommit;

/// A topic of the request: known and to be committed, or refused as a whole.
pub(super) enum Looked<'a> {
    Commit { name: Cow<'a, str>, id: TopicId, refused: Vec<(i32, ErrorCode)>, wanted: CommitTopic },
    Refused { name: Cow<'a, str>, id: TopicId, partitions: Vec<i32>, code: ErrorCode },
}

impl Handler for OffsetCommit {
    type Request<'a> = OffsetCommitRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=10;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: OffsetCommitRequest<'a>,
    ) -> Reply<OffsetCommitResponse<'a>> {
        let looked: Vec<_> =
            request.topics.into_iter().map(|topic| look_up(cx, call.version, topic)).collect();
        let wanted = looked.iter().filter_map(|topic| match topic {
            Looked::Commit { wanted, .. } => Some(wanted.clone()),
            Looked::Refused { .. } => None,
        });
        let commit = CommitRequest {
            api_version: call.version,
            group_id: request.group_id.into_owned(),
            generation: if call.version == 0 { NO_GENERATION } else { request.generation_id_or_member_epoch },
            member_id: request.member_id.into_owned(),
            group_instance_id: request.group_instance_id.map(Cow::into_owned),
            retention_ms: request.retention_time_ms,
            transactional: false,
            topics: wanted.collect(),
        };
        let mut committed = cx.groups.commit_offsets(commit).await.topics.into_iter();
        let topics = looked.into_iter().map(|topic| match topic {
            Looked::Refused { name, id, partitions, code } => {
                response_topic(name, id, partitions.into_iter().map(|index| (index, code)))
            }
            Looked::Commit { name, id, refused, .. } => {
                let committed = committed.next().map(|topic| topic.partitions).unwrap_or_default();
                let committed = committed.into_iter().map(|(index, code)| (index.0, code));
                response_topic(name, id, committed.chain(refused))
            }
        });
        Reply::Answer(OffsetCommitResponse { topics: topics.collect(), ..OffsetCommitResponse::default() })
    }
}

pub(super) fn response_topic<'a>(
    name: Cow<'a, str>,
    topic_id: TopicId,
    partitions: impl Iterator<Item = (i32, ErrorCode)>,
) -> OffsetCommitResponseTopic<'a> {
    let partitions = partitions.map(|(partition_index, code)| OffsetCommitResponsePartition {
        partition_index,
        error_code: code.code(),
    });
    OffsetCommitResponseTopic { name, topic_id, partitions: partitions.collect() }
}

pub(super) fn look_up<'a>(cx: &Cx, version: i16, asked: OffsetCommitRequestTopic<'a>) -> Looked<'a> {
    let found = match version >= TOPIC_IDS_SINCE {
        true => cx.catalog.topic_by_id(asked.topic_id).ok_or(ErrorCode::UnknownTopicId),
        false => cx.catalog.topic(&asked.name).ok_or(ErrorCode::UnknownTopicOrPartition),
    };
    let topic = match found {
        Ok(topic) => topic,
        Err(code) => {
            let partitions = asked.partitions.iter().map(|partition| partition.partition_index).collect();
            return Looked::Refused { name: asked.name, id: asked.topic_id, partitions, code };
        }
    };
    let exists = |index: i32| topic.partition(PartitionIndex(index)).is_some();
    let (known, unknown): (Vec<_>, Vec<_>) =
        asked.partitions.into_iter().partition(|partition| exists(partition.partition_index));
    let partitions = known.into_iter().map(|partition| CommitPartition {
        partition: PartitionIndex(partition.partition_index),
        offset: Offset(partition.committed_offset),
        leader_epoch: Epoch(partition.committed_leader_epoch),
        metadata: partition.committed_metadata.map(Cow::into_owned),
        committed_at: (version == 1 && partition.commit_timestamp >= 0)
            .then_some(TimestampMs(partition.commit_timestamp)),
    });
    Looked::Commit {
        wanted: CommitTopic { topic: topic.name.to_string(), partitions: partitions.collect() },
        refused: unknown
            .into_iter()
            .map(|partition| (partition.partition_index, ErrorCode::UnknownTopicOrPartition))
            .collect(),
        name: asked.name,
        id: asked.topic_id,
    }
}

/// Versions 0-10: 2 lets null ask for all topics and adds a top-level error; 5 leader epochs; 6 is
/// flexible; 7 may insist on stable offsets (KIP-447); 8 asks for several groups (KIP-709); 9 checks
/// a KIP-848 member; 10 names topics by id.
pub(super) struct OffsetFetch;

impl Handler for OffsetFetch {
    type Request<'a> = OffsetFetchRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=10;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: OffsetFetchRequest<'a>,
    ) -> Reply<OffsetFetchResponse<'a>> {
        if call.version >= GROUPS_SINCE {
            let mut groups = Vec::with_capacity(request.groups.len());
            for group in request.groups {
                groups.push(fetch_group(cx, call.version, group, request.require_stable).await);
            }
            return Reply::Answer(OffsetFetchResponse { groups, ..OffsetFetchResponse::default() });
        }
        let topics = request.topics.map(|topics| {
            let topics = topics.into_iter().map(|topic| FetchTopic {
                topic: topic.name.into_owned(),
                partitions: topic.partition_indexes.into_iter().map(PartitionIndex).collect(),
            });
            topics.collect()
        });
        let group_id = request.group_id.into_owned();
        let fetched = cx
            .groups
            .fetch_offsets(FetchOffsetsRequest {
                group_id,
                topics,
                require_stable: request.require_stable,
                member: None,
            })
            .await;
        // Versions 0 and 1 have no error of their own: each partition carries it.
        let error = fetched.error;
        let topics = topics_of(call.version, fetched).into_iter().map(|topic| OffsetFetchResponseTopic {
            name: Cow::Owned(topic.topic),
            partitions: topic.partitions.into_iter().map(|offset| single_partition(offset, error)).collect(),
        });
        Reply::Answer(OffsetFetchResponse {
            topics: topics.collect(),
            error_code: error.code(),
            ..OffsetFetchResponse::default()
        })
    }
}

/// The topics to answer: none if the group was refused as a whole and the version has room for saying so.
fn topics_of(version: i16, fetched: FetchOffsetsResponse) -> Vec<FetchedTopic> {
    match fetched.error.is_ok() || version < GROUP_ERROR_SINCE {
        true => fetched.topics,
        false => Vec::new(),
    }
}

fn single_partition(offset: FetchedOffset, whole: ErrorCode) -> OffsetFetchResponsePartition<'static> {
    let error = if whole == ErrorCode::None { offset.error } else { whole };
    OffsetFetchResponsePartition {
        partition_index: offset.partition.0,
        committed_offset: offset.offset.0,
        committed_leader_epoch: offset.leader_epoch.0,
        metadata: Some(Cow::Owned(offset.metadata)),
        error_code: error.code(),
    }
}

async fn fetch_group<'a>(
    cx: &Cx,
    version: i16,
    group: protocol::messages::offset_fetch::OffsetFetchRequestGroup<'a>,
    require_stable: bool,
) -> OffsetFetchResponseGroup<'a> {
    let by_id = version >= TOPIC_IDS_SINCE;
    // Topics named by an id that is unknown are answered here; the rest keep their order.
    let mut unknown = Vec::new();
    let topics = group.topics.map(|topics| {
        let mut known = Vec::with_capacity(topics.len());
        for topic in topics {
            let found = if by_id { cx.catalog.topic_by_id(topic.topic_id) } else { None };
            if by_id && found.is_none() {
                unknown.push((topic.topic_id, topic.partition_indexes));
                continue;
            }
            known.push(FetchTopic {
                topic: found
                    .map_or_else(|| topic.name.to_string(), |found: Arc<Topic>| found.name.to_string()),
                partitions: topic.partition_indexes.into_iter().map(PartitionIndex).collect(),
            });
        }
        known
    });
    let group_id = group.group_id.to_string();
    let member = AskingMember { id: group.member_id.map(Cow::into_owned), epoch: group.member_epoch };
    let request = FetchOffsetsRequest { group_id, topics, require_stable, member: Some(member) };
    let fetched = cx.groups.fetch_offsets(request).await;
    let error = fetched.error;
    if !error.is_ok() {
        unknown.clear();
    }
    let known = topics_of(version, fetched).into_iter().map(|topic| {
        let topic_id = cx.catalog.topic(&topic.topic).map_or(TopicId::ZERO, |known| known.id);
        (Cow::Owned(topic.topic), topic_id, topic.partitions)
    });
    let unknown = unknown.into_iter().map(|(id, partitions)| {
        let missing = |index| FetchedOffset::missing(PartitionIndex(index), ErrorCode::UnknownTopicId);
        (Cow::Borrowed(""), id, partitions.into_iter().map(missing).collect())
    });
    let topics = known
        // A committed topic that was deleted has no id to be named by.
        .filter(|(_, id, _)| !by_id || *id != TopicId::ZERO)
        .chain(unknown)
        .map(|(name, topic_id, partitions)| OffsetFetchResponseTopics {
            name: if by_id { Cow::Borrowed("") } else { name },
            topic_id: if by_id { topic_id } else { TopicId::ZERO },
            partitions: partitions.into_iter().map(group_partition).collect(),
        });
    OffsetFetchResponseGroup { topics: topics.collect(), group_id: group.group_id, error_code: error.code() }
}

fn group_partition(offset: FetchedOffset) -> OffsetFetchResponsePartitions<'static> {
    OffsetFetchResponsePartitions {
        partition_index: offset.partition.0,
        committed_offset: offset.offset.0,
        committed_leader_epoch: offset.leader_epoch.0,
        metadata: Some(Cow::Owned(offset.metadata)),
        error_code: offset.error.code(),
    }
}

/// A topic's partitions that there are, under its name, and those that there are not.
fn known_and_unknown(cx: &Cx, asked: &OffsetDeleteRequestTopic<'_>) -> (FetchTopic, Vec<PartitionIndex>) {
    let topic = cx.catalog.topic(&asked.name);
    let exists =
        |index: &PartitionIndex| topic.as_ref().is_some_and(|topic| topic.partition(*index).is_some());
    let indexes = asked.partitions.iter().map(|partition| PartitionIndex(partition.partition_index));
    let (partitions, unknown) = indexes.partition(exists);
    (FetchTopic { topic: asked.name.to_string(), partitions }, unknown)
}

/// Version 0: administrators delete offsets of topics that a group does not read (KIP-496).
pub(super) struct OffsetDelete;

impl Handler for OffsetDelete {
    type Request<'a> = OffsetDeleteRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: OffsetDeleteRequest<'a>,
    ) -> Reply<OffsetDeleteResponse<'a>> {
        let (known, unknown): (Vec<_>, Vec<_>) =
            request.topics.iter().map(|topic| known_and_unknown(cx, topic)).unzip();
        let delete = DeleteOffsetsRequest { group_id: request.group_id.into_owned(), topics: known };
        let mut deleted = cx.groups.delete_offsets(delete).await;
        for (topic, unknown) in deleted.topics.iter_mut().zip(unknown) {
            let refused = |partition| (partition, ErrorCode::UnknownTopicOrPartition);
            topic.partitions.extend(unknown.into_iter().map(refused));
        }
        let topics = deleted.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.into_iter().map(|(partition, error)| {
                OffsetDeleteResponsePartition { partition_index: partition.0, error_code: error.code() }
            });
            OffsetDeleteResponseTopic { partitions: partitions.collect(), name: Cow::Owned(topic.topic) }
        });
        Reply::Answer(OffsetDeleteResponse {
            error_code: deleted.error.code(),
            topics: topics.collect(),
            ..OffsetDeleteResponse::default()
        })
    }
}
