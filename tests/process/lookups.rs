//! What clients look up before they read or write: null, empty and unknown, epochs and offsets that are no times.

use protocol::ErrorCode;
use protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use protocol::messages::fetch::FetchResponse;
use protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use protocol::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::types::TopicId;
use rustix::process::Signal;

use crate::support::Broker;
use crate::support::client::{Client, NO_PRODUCER, batch, fetch_request};

fn names(client: &mut Client, topics: Option<Vec<MetadataRequestTopic<'_>>>, version: i16) -> Vec<String> {
    let answer = client.call(&MetadataRequest { topics, ..Default::default() }, version);
    let response: MetadataResponse<'_> = answer.decode();
    response.topics.iter().filter_map(|topic| Some(topic.name.as_deref()?.to_owned())).collect()
}

#[test]
fn all_topics_are_an_empty_list_in_version_0_and_null_later() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("a", 1);
    client.create_topic("b", 1);
    assert_eq!(names(&mut client, Some(vec![]), 0), ["a", "b"]);
    for version in 1..=13 {
        assert_eq!(names(&mut client, None, version), ["a", "b"], "v{version}");
        assert!(names(&mut client, Some(vec![]), version).is_empty(), "v{version}");
    }
}

#[test]
fn metadata_says_who_the_cluster_is_and_nothing_that_was_not_asked() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("a", 1);
    for version in 0..=13 {
        let answer = client.call(&MetadataRequest { topics: None, ..Default::default() }, version.max(1));
        let response: MetadataResponse<'_> = answer.decode();
        let version = version.max(1);
        assert_eq!(response.controller_id, response.brokers[0].node_id, "v{version}");
        assert_eq!(response.cluster_id.is_some(), version >= 2, "v{version}");
        assert_eq!(response.cluster_authorized_operations, i32::MIN, "v{version}");
        let topic = &response.topics[0];
        assert_eq!(topic.topic_authorized_operations, i32::MIN, "v{version}");
        assert_eq!(topic.topic_id.is_zero(), version < 10, "v{version}");
        let partition = &topic.partitions[0];
        assert_eq!(partition.leader_epoch >= 0, version >= 7, "v{version}");
        assert!(partition.offline_replicas.is_empty(), "v{version}");
    }
    for version in 8..=10 {
        let request = MetadataRequest {
            topics: None,
            include_topic_authorized_operations: true,
            include_cluster_authorized_operations: true,
            ..Default::default()
        };
        let answer = client.call(&request, version);
        let response: MetadataResponse<'_> = answer.decode();
        assert!(response.cluster_authorized_operations > 0, "v{version}");
        assert!(response.topics[0].topic_authorized_operations > 0, "v{version}");
    }
}

#[test]
fn topics_are_found_by_id_and_unknown_ids_are_an_error() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("a", 1);
    let answer = client.call(&MetadataRequest { topics: None, ..Default::default() }, 12);
    let id = answer.decode::<MetadataResponse<'_>>().topics[0].topic_id;
    for version in [12, 13] {
        let unknown = TopicId([7; 16]);
        let by_id = |topic_id| MetadataRequestTopic { topic_id, name: None };
        let request = MetadataRequest { topics: Some(vec![by_id(id), by_id(unknown)]), ..Default::default() };
        let answer = client.call(&request, version);
        let response: MetadataResponse<'_> = answer.decode();
        let found: Vec<_> = response
            .topics
            .iter()
            .map(|topic| (topic.error_code, topic.name.as_deref(), topic.topic_id))
            .collect();
        let error = ErrorCode::UnknownTopicId.code();
        assert_eq!(found, [(0, Some("a"), id), (error, None, unknown)], "v{version}");
    }
    let request = protocol::messages::fetch::FetchRequest {
        topics: vec![protocol::messages::fetch::FetchTopic {
            topic_id: TopicId([7; 16]),
            partitions: vec![Default::default()],
            ..Default::default()
        }],
        ..Default::default()
    };
    for version in 13..=18 {
        let answer = client.call(&request, version);
        let response: FetchResponse<'_> = answer.decode();
        let error = response.responses[0].partitions[0].error_code;
        assert_eq!(error, ErrorCode::UnknownTopicId.code(), "v{version}");
    }
}

/// KIP-1242: a client that means another cluster or node must look for it again. Ids outlive restarts.
#[test]
fn who_means_another_node_is_told_to_rebootstrap() {
    let mut broker = Broker::start();
    let answer = broker.connect().call(&MetadataRequest { topics: None, ..Default::default() }, 12);
    let response: MetadataResponse<'_> = answer.decode();
    let (cluster, node) =
        (response.cluster_id.clone().expect("a cluster id").into_owned(), response.controller_id);
    for _ in 0..2 {
        let mut client = broker.connect();
        for (cluster_id, node_id, error) in [
            (Some(&*cluster), node, ErrorCode::None),
            (None, -1, ErrorCode::None),
            (Some("another"), node, ErrorCode::RebootstrapRequired),
            (Some(&*cluster), node + 1, ErrorCode::RebootstrapRequired),
        ] {
            let request = ApiVersionsRequest {
                client_software_name: "test".into(),
                client_software_version: "1".into(),
                cluster_id: cluster_id.map(Into::into),
                node_id,
            };
            let answer = client.call(&request, 5);
            let response: ApiVersionsResponse<'_> = answer.decode();
            assert_eq!(ErrorCode::from_code(response.error_code), Some(error), "{cluster_id:?} {node_id}");
        }
        broker.stop(Signal::TERM);
        broker.start_again();
    }
}

fn list_offset(client: &mut Client, partition: ListOffsetsPartition, version: i16) -> (i16, i64, i32) {
    let topic = ListOffsetsTopic { name: "t".into(), partitions: vec![partition] };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
    let answer = client.call(&request, version);
    let response: ListOffsetsResponse<'_> = answer.decode();
    let found = &response.topics[0].partitions[0];
    (found.error_code, found.offset, found.leader_epoch)
}

#[test]
fn offsets_that_are_no_times_come_with_the_versions_that_have_them() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    client.produce("t", 0, -1, &batch(NO_PRODUCER, 0, &[b"a", b"b", b"c"])).expect("an answer");
    let unsupported = ErrorCode::UnsupportedVersion.code();
    for version in 1..=11 {
        for (timestamp, since, offset) in
            [(-1, 0, 3), (-2, 0, 0), (-3, 7, 0), (-4, 8, 0), (-5, 9, -1), (-6, 11, 0), (-7, i16::MAX, -1)]
        {
            let partition = ListOffsetsPartition { timestamp, ..Default::default() };
            let (error, found, epoch) = list_offset(&mut client, partition, version);
            let context = format!("v{version} of {timestamp}");
            if version < since {
                assert_eq!((error, found), (unsupported, -1), "{context}");
            } else {
                assert_eq!(error, 0, "{context}");
                // Records of one millisecond: which of them is the latest is any of them.
                assert!(found == offset || timestamp == -3 && (0..3).contains(&found), "{context}: {found}");
                assert_eq!(epoch >= 0, version >= 4 && found >= 0, "{context}: epoch {epoch}");
            }
        }
    }
}

#[test]
fn leader_epochs_are_checked_and_their_ends_are_known() {
    let mut broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    let epoch_now = |client: &mut Client| {
        let answer = client.call(&MetadataRequest { topics: None, ..Default::default() }, 12);
        answer.decode::<MetadataResponse<'_>>().topics[0].partitions[0].leader_epoch
    };
    let first = epoch_now(&mut client);
    client.produce("t", 0, -1, &batch(NO_PRODUCER, 0, &[b"a", b"b"])).expect("an answer");
    broker.stop(Signal::TERM);
    broker.start_again();
    let mut client = broker.connect();
    let now = epoch_now(&mut client);
    assert!(now >= first, "epochs never go back");
    client.produce("t", 0, -1, &batch(NO_PRODUCER, 0, &[b"c"])).expect("an answer");

    let mut claims =
        vec![(-1, ErrorCode::None), (now, ErrorCode::None), (now + 1, ErrorCode::UnknownLeaderEpoch)];
    if now > 0 {
        claims.push((now - 1, ErrorCode::FencedLeaderEpoch));
    }
    for (claimed, error) in claims {
        let partition =
            ListOffsetsPartition { timestamp: -1, current_leader_epoch: claimed, ..Default::default() };
        let found = list_offset(&mut client, partition, 4).0;
        assert_eq!(ErrorCode::from_code(found), Some(error), "ListOffsets, epoch {claimed} of {now}");
        let mut request = fetch_request("t", 0, 0, 0);
        request.topics[0].partitions[0].current_leader_epoch = claimed;
        let answer = client.call(&request, 9);
        let found = answer.decode::<FetchResponse<'_>>().responses[0].partitions[0].error_code;
        assert_eq!(ErrorCode::from_code(found), Some(error), "Fetch, epoch {claimed} of {now}");
    }

    let mut ends = vec![(now, (now, 3)), (now + 5, (-1, -1))];
    if now > first {
        ends.push((first, (first, 2)));
    }
    for version in 0..=4 {
        for &(asked, end) in &ends {
            let partition = OffsetForLeaderPartition { leader_epoch: asked, ..Default::default() };
            let topic = OffsetForLeaderTopic { topic: "t".into(), partitions: vec![partition] };
            let request = OffsetForLeaderEpochRequest { topics: vec![topic], ..Default::default() };
            let answer = client.call(&request, version);
            let response: OffsetForLeaderEpochResponse<'_> = answer.decode();
            let found = &response.topics[0].partitions[0];
            let epoch = if version == 0 { end.0 } else { found.leader_epoch };
            assert_eq!(
                (found.error_code, epoch, found.end_offset),
                (0, end.0, end.1),
                "v{version} of {asked}"
            );
        }
    }
}

#[test]
fn a_fetch_at_the_end_is_empty_and_one_beyond_it_is_out_of_range() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    client.produce("t", 0, -1, &batch(NO_PRODUCER, 0, &[b"a", b"b"])).expect("an answer");
    for version in 0..=12 {
        for (offset, error) in
            [(2, ErrorCode::None), (3, ErrorCode::OffsetOutOfRange), (-1, ErrorCode::OffsetOutOfRange)]
        {
            let answer = client.call(&fetch_request("t", 0, offset, 0), version);
            let response: FetchResponse<'_> = answer.decode();
            let found = &response.responses[0].partitions[0];
            assert_eq!(ErrorCode::from_code(found.error_code), Some(error), "v{version} from {offset}");
            assert!(found.records.is_empty(), "v{version} from {offset}");
            if error == ErrorCode::None {
                assert_eq!(found.high_watermark, 2, "v{version}");
                let aborted = found.aborted_transactions.as_ref();
                assert!(version < 4 || aborted.is_none(), "v{version}: null for read_uncommitted");
            }
        }
    }
}
