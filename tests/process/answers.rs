//! One question, asked in every version that can carry it, has one answer. An empty request in every version
//! (`contract.rs`) does not show fields that only a real answer sets and only some versions have.

use std::borrow::Cow;

use protocol::ErrorCode;
use protocol::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};
use protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
};
use protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse};
use protocol::messages::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use protocol::messages::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse,
};
use protocol::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
use protocol::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity};
use protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};
use protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic, OffsetDeleteResponse,
};
use protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponse,
};
use protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse};
use protocol::types::TopicId;

use crate::support::Broker;
use crate::support::client::{Client, NO_PRODUCER, batch};

/// From this version on OffsetCommit and OffsetFetch name topics by id.
const OFFSETS_BY_ID: i16 = 10;

#[test]
fn metadata() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("there", 3);
    for version in 0..=13 {
        let wanted = MetadataRequestTopic { name: Some("there".into()), ..Default::default() };
        let answer =
            client.call(&MetadataRequest { topics: Some(vec![wanted]), ..Default::default() }, version);
        let response: MetadataResponse<'_> = answer.decode();
        let (brokers, topic) = (&response.brokers, &response.topics[0]);
        assert_eq!(
            (brokers.len(), brokers[0].port),
            (1, i32::from(broker.child().kafka.port())),
            "v{version}"
        );
        assert_eq!((topic.error_code, topic.name.as_deref()), (0, Some("there")), "v{version}");
        assert_eq!(topic.partitions.len(), 3, "v{version}");
        assert!(
            topic.partitions.iter().all(|partition| partition.leader_id == brokers[0].node_id),
            "v{version}"
        );
        // An unknown topic that is not to be made; versions before 4 cannot say that and make it.
        let wanted = MetadataRequestTopic { name: Some("unknown".into()), ..Default::default() };
        if version >= 4 {
            let request = MetadataRequest {
                topics: Some(vec![wanted]),
                allow_auto_topic_creation: false,
                ..Default::default()
            };
            let answer = client.call(&request, version);
            let error = answer.decode::<MetadataResponse<'_>>().topics[0].error_code;
            assert_eq!(error, ErrorCode::UnknownTopicOrPartition.code(), "v{version}");
        }
    }
}

#[test]
fn list_offsets() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("three", 1);
    client.produce("three", 0, -1, &batch(NO_PRODUCER, 0, &[b"a", b"b", b"c"])).expect("an answer");
    for version in 0..=11 {
        // The end, the beginning, and the first record from 1970 on; version 0 knows no times of records.
        for (timestamp, expected) in [(-1, 3), (-2, 0), (0, 0)] {
            if version == 0 && timestamp == 0 {
                continue;
            }
            let partition = ListOffsetsPartition { timestamp, ..Default::default() };
            let topic = ListOffsetsTopic { name: "three".into(), partitions: vec![partition] };
            let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
            let answer = client.call(&request, version);
            let response: ListOffsetsResponse<'_> = answer.decode();
            let found = &response.topics[0].partitions[0];
            assert_eq!(found.error_code, 0, "v{version} of {timestamp}");
            let offset = if version == 0 { found.old_style_offsets[0] } else { found.offset };
            assert_eq!(offset, expected, "v{version} of {timestamp}");
        }
    }
}

#[test]
fn offsets_committed_in_any_version_are_fetched_in_any_other() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("topic", 2);
    let id = client.topic_id("topic");
    for commit_version in 0..=10 {
        let offset = 100 + i64::from(commit_version);
        let metadata = format!("by version {commit_version}");
        let partition = OffsetCommitRequestPartition {
            partition_index: 1,
            committed_offset: offset,
            committed_metadata: Some(metadata.as_str().into()),
            ..Default::default()
        };
        let topic =
            OffsetCommitRequestTopic { name: "topic".into(), topic_id: id, partitions: vec![partition] };
        let request =
            OffsetCommitRequest { group_id: "group".into(), topics: vec![topic], ..Default::default() };
        let answer = client.call(&request, commit_version);
        let response: OffsetCommitResponse<'_> = answer.decode();
        assert_eq!(response.topics[0].partitions[0].error_code, 0, "commit v{commit_version}");
        for version in 0..=10 {
            let found = fetch_offset(&mut client, version, id);
            assert_eq!(
                found,
                (offset, metadata.clone()),
                "committed by v{commit_version}, fetched by v{version}"
            );
        }
    }
}

fn fetch_offset(client: &mut Client, version: i16, id: TopicId) -> (i64, String) {
    let request = if version < 8 {
        let topic = OffsetFetchRequestTopic { name: "topic".into(), partition_indexes: vec![0, 1] };
        OffsetFetchRequest { group_id: "group".into(), topics: Some(vec![topic]), ..Default::default() }
    } else {
        let name = if version < OFFSETS_BY_ID { "topic".into() } else { Cow::default() };
        let topic_id = if version < OFFSETS_BY_ID { TopicId::default() } else { id };
        let topic = OffsetFetchRequestTopics { name, topic_id, partition_indexes: vec![0, 1] };
        let group = OffsetFetchRequestGroup {
            group_id: "group".into(),
            topics: Some(vec![topic]),
            ..Default::default()
        };
        OffsetFetchRequest { groups: vec![group], ..Default::default() }
    };
    let answer = client.call(&request, version);
    let response: OffsetFetchResponse<'_> = answer.decode();
    let found: Vec<(i64, Option<&str>, i16)> = if version < 8 {
        let partitions = &response.topics[0].partitions;
        partitions.iter().map(|p| (p.committed_offset, p.metadata.as_deref(), p.error_code)).collect()
    } else {
        let group = &response.groups[0];
        assert_eq!(group.error_code, 0);
        let partitions = &group.topics[0].partitions;
        partitions.iter().map(|p| (p.committed_offset, p.metadata.as_deref(), p.error_code)).collect()
    };
    assert_eq!(found[0], (-1, Some(""), 0), "v{version}: nothing is committed for partition 0");
    (found[1].0, found[1].1.unwrap_or_default().to_owned())
}

#[test]
fn find_coordinator() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let answer = client.call(&MetadataRequest::default(), 1);
    let node = answer.decode::<MetadataResponse<'_>>().brokers[0].node_id;
    // Another node id, host or port than in Metadata would have clients open a second connection.
    let expected = (0, node, "127.0.0.1".to_owned(), i32::from(broker.child().kafka.port()));
    for version in 0..=6 {
        let found = if version < 4 {
            let answer =
                client.call(&FindCoordinatorRequest { key: "g".into(), ..Default::default() }, version);
            let response: FindCoordinatorResponse<'_> = answer.decode();
            (response.error_code, response.node_id, response.host.into_owned(), response.port)
        } else {
            let coordinator_keys = vec!["g".into(), "h".into()];
            let answer =
                client.call(&FindCoordinatorRequest { coordinator_keys, ..Default::default() }, version);
            let response: FindCoordinatorResponse<'_> = answer.decode();
            assert_eq!(response.coordinators.len(), 2);
            let first = &response.coordinators[0];
            (first.error_code, first.node_id, first.host.clone().into_owned(), first.port)
        };
        assert_eq!(found, expected, "v{version}");
    }
}

#[test]
fn topics_are_made_grown_and_deleted() {
    let broker = Broker::start();
    let mut client = broker.connect();
    for version in 0..=7 {
        let name = format!("topic-{version}");
        let topic = CreatableTopic {
            name: name.as_str().into(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        let answer = client.call(&CreateTopicsRequest { topics: vec![topic], ..Default::default() }, version);
        let made = &answer.decode::<CreateTopicsResponse<'_>>().topics[0];
        assert_eq!(made.error_code, 0, "create v{version}");
        let id = client.topic_id(&name);
        assert!(version < 7 || made.topic_id == id, "v7 gives the id");

        let topic = CreatePartitionsTopic { name: name.as_str().into(), count: 3, assignments: None };
        let request =
            CreatePartitionsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
        let answer = client.call(&request, version.min(3));
        assert_eq!(
            answer.decode::<CreatePartitionsResponse<'_>>().results[0].error_code,
            0,
            "grow v{version}"
        );

        let version = version.min(6);
        let request = if version < 6 {
            DeleteTopicsRequest { topic_names: vec![name.as_str().into()], ..Default::default() }
        } else {
            let by_id = DeleteTopicState { name: None, topic_id: id };
            DeleteTopicsRequest { topics: vec![by_id], ..Default::default() }
        };
        let answer = client.call(&request, version);
        assert_eq!(
            answer.decode::<DeleteTopicsResponse<'_>>().responses[0].error_code,
            0,
            "delete v{version}"
        );
        let answer = client.call(&request, version);
        let again = answer.decode::<DeleteTopicsResponse<'_>>().responses[0].error_code;
        let expected =
            if version < 6 { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::UnknownTopicId };
        assert_eq!(ErrorCode::from_code(again), Some(expected), "delete again v{version}");
    }
}

#[test]
fn describe_configs_and_cluster() {
    const TOPIC: i8 = 2;
    const BROKER: i8 = 4;
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("there", 1);
    let mut node = 0;
    for version in 0..=2 {
        let answer = client.call(&DescribeClusterRequest::default(), version);
        let response: DescribeClusterResponse<'_> = answer.decode();
        assert_eq!((response.error_code, response.brokers.len()), (0, 1), "v{version}");
        assert_eq!(response.controller_id, response.brokers[0].broker_id, "v{version}");
        node = response.controller_id;
    }
    let node = node.to_string();
    for version in 0..=4 {
        let ask = |resource_type, name: &'static str| DescribeConfigsResource {
            resource_type,
            resource_name: name.into(),
            configuration_keys: None,
        };
        let of_broker = DescribeConfigsResource {
            resource_type: BROKER,
            resource_name: node.as_str().into(),
            configuration_keys: None,
        };
        let resources = vec![ask(TOPIC, "there"), of_broker, ask(TOPIC, "not-there")];
        let answer = client.call(&DescribeConfigsRequest { resources, ..Default::default() }, version);
        let results = answer.decode::<DescribeConfigsResponse<'_>>().results;
        let errors: Vec<i16> = results.iter().map(|result| result.error_code).collect();
        assert_eq!(errors, [0, 0, ErrorCode::UnknownTopicOrPartition.code()], "v{version}");
        assert!(results[..2].iter().all(|result| result.configs.len() > 10), "v{version}");
    }
}

#[test]
fn init_producer_id() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let mut ids = Vec::new();
    for version in 0..=6 {
        let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
        let answer = client.call(&request, version);
        let response: InitProducerIdResponse = answer.decode();
        assert_eq!((response.error_code, response.producer_epoch), (0, 0), "v{version}");
        ids.push(response.producer_id);
    }
    assert!(ids.is_sorted_by(|a, b| a < b), "each id once: {ids:?}");
}

/// A group of one goes its whole way in every version of the five APIs of members, and of those that look at it.
#[test]
fn a_group_lives_and_dies() {
    let broker = Broker::start();
    let mut client = broker.connect();
    for version in 0..=9 {
        let group = format!("group-{version}");
        let (member_id, generation_id) = join(&mut client, version, &group);

        let assignment = SyncGroupRequestAssignment {
            member_id: member_id.as_str().into(),
            assignment: Cow::Borrowed(b"the assignment"),
        };
        let request = SyncGroupRequest {
            group_id: group.as_str().into(),
            generation_id,
            member_id: member_id.as_str().into(),
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            assignments: vec![assignment],
            ..Default::default()
        };
        let answer = client.call(&request, version.min(5));
        let response: SyncGroupResponse<'_> = answer.decode();
        assert_eq!(
            (response.error_code, &*response.assignment),
            (0, &b"the assignment"[..]),
            "sync v{version}"
        );

        let request = HeartbeatRequest {
            group_id: group.as_str().into(),
            generation_id,
            member_id: member_id.as_str().into(),
            ..Default::default()
        };
        let answer = client.call(&request, version.min(4));
        assert_eq!(answer.decode::<HeartbeatResponse>().error_code, 0, "heartbeat v{version}");

        look_at(&mut client, version, &group, &member_id);
        leave(&mut client, version.min(5), &group, &member_id);

        // Named twice, it is deleted and answered once.
        let groups_names = vec![group.as_str().into(), "never".into(), group.as_str().into()];
        let request = DeleteGroupsRequest { groups_names };
        let answer = client.call(&request, version.min(3));
        let results = answer.decode::<DeleteGroupsResponse<'_>>().results;
        let errors: Vec<i16> = results.iter().map(|result| result.error_code).collect();
        assert_eq!(errors, [0, ErrorCode::GroupIdNotFound.code()], "delete v{version}");
    }
}

/// What is wrong with one partition, and what with the group as a whole.
#[test]
fn offsets_of_a_group_that_reads() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("read", 1);
    let request = ConsumerGroupHeartbeatRequest {
        group_id: "readers".into(),
        member_id: "reader".into(),
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(vec!["read".into()]),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    };
    let answer = client.call(&request, 1);
    let joined: ConsumerGroupHeartbeatResponse<'_> = answer.decode();
    assert_eq!((joined.error_code, joined.member_epoch), (0, 1));

    let partitions = [0, 7].map(|partition_index| OffsetDeleteRequestPartition { partition_index });
    let topics = vec![OffsetDeleteRequestTopic { name: "read".into(), partitions: partitions.into() }];
    let answer = client.call(&OffsetDeleteRequest { group_id: "readers".into(), topics }, 0);
    let response: OffsetDeleteResponse<'_> = answer.decode();
    let errors = response.topics[0].partitions.iter().map(|partition| partition.error_code);
    let expected = [ErrorCode::GroupSubscribedToTopic, ErrorCode::UnknownTopicOrPartition];
    assert_eq!(errors.collect::<Vec<_>>(), expected.map(ErrorCode::code));

    // A member in another epoch: the group says so, and no topic.
    let topics = vec![OffsetFetchRequestTopics {
        name: "read".into(),
        partition_indexes: vec![0],
        ..Default::default()
    }];
    let group = OffsetFetchRequestGroup {
        group_id: "readers".into(),
        member_id: Some("reader".into()),
        member_epoch: 9,
        topics: Some(topics),
    };
    let answer = client.call(&OffsetFetchRequest { groups: vec![group], ..Default::default() }, 9);
    let response: OffsetFetchResponse<'_> = answer.decode();
    let group = &response.groups[0];
    assert_eq!((group.error_code, group.topics.len()), (ErrorCode::StaleMemberEpoch.code(), 0));
}

fn join(client: &mut Client, version: i16, group: &str) -> (String, i32) {
    let mut request = JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Cow::Borrowed(b"subscription"),
        }],
        ..Default::default()
    };
    if version >= 4 {
        // KIP-394: the first answer only gives an id to come back with.
        let answer = client.call(&request, version);
        let response: JoinGroupResponse<'_> = answer.decode();
        assert_eq!(response.error_code, ErrorCode::MemberIdRequired.code(), "join v{version}");
        request.member_id = response.member_id.clone().into_owned().into();
    }
    let answer = client.call(&request, version);
    let response: JoinGroupResponse<'_> = answer.decode();
    assert_eq!(
        (response.error_code, response.protocol_name.as_deref()),
        (0, Some("range")),
        "join v{version}"
    );
    assert_eq!(response.leader, response.member_id, "join v{version}");
    assert_eq!(&*response.members[0].metadata, b"subscription", "join v{version}");
    (response.member_id.into_owned(), response.generation_id)
}

fn look_at(client: &mut Client, version: i16, group: &str, member_id: &str) {
    let request = DescribeGroupsRequest { groups: vec![group.into(), "never".into()], ..Default::default() };
    let answer = client.call(&request, version.min(6));
    let response: DescribeGroupsResponse<'_> = answer.decode();
    let described = &response.groups[0];
    assert_eq!((described.error_code, &*described.group_state), (0, "Stable"), "describe v{version}");
    assert_eq!(described.members[0].member_id, member_id, "describe v{version}");
    // KIP-1043: version 6 tells a group that is not there from one that is dead.
    let expected = if version < 6 { 0 } else { ErrorCode::GroupIdNotFound.code() };
    assert_eq!((response.groups[1].error_code, &*response.groups[1].group_state), (expected, "Dead"));

    let answer = client.call(&ListGroupsRequest::default(), version.min(5));
    let response: ListGroupsResponse<'_> = answer.decode();
    assert!(response.groups.iter().any(|listed| listed.group_id == group), "list v{version}");
}

fn leave(client: &mut Client, version: i16, group: &str, member_id: &str) {
    let mut request = LeaveGroupRequest { group_id: group.into(), ..Default::default() };
    if version < 3 {
        request.member_id = member_id.into();
    } else {
        request.members = vec![MemberIdentity { member_id: member_id.into(), ..Default::default() }];
    }
    let answer = client.call(&request, version);
    let response: LeaveGroupResponse<'_> = answer.decode();
    let of_member = response.members.first().map_or(0, |member| member.error_code);
    assert_eq!((response.error_code, of_member), (0, 0), "leave v{version}");
}
