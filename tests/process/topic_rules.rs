//! What is answered about topics and settings where the question is empty, null, or asks for too much.

use protocol::ErrorCode;
use protocol::messages::create_delegation_token::{
    CreateDelegationTokenRequest, CreateDelegationTokenResponse,
};
use protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
};
use protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest, CreateTopicsResponse,
};
use protocol::messages::delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
use protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse,
};
use protocol::messages::describe_delegation_token::{
    DescribeDelegationTokenRequest, DescribeDelegationTokenResponse,
};
use protocol::messages::expire_delegation_token::{
    ExpireDelegationTokenRequest, ExpireDelegationTokenResponse,
};
use protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use protocol::messages::renew_delegation_token::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};
use protocol::types::TopicId;

use crate::support::Broker;
use crate::support::client::Client;

/// Error, and the ids of the partitions' leaders.
fn ask(client: &mut Client, version: i16, name: &str, may_create: bool) -> (ErrorCode, Vec<i32>) {
    let wanted = MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
    let request = MetadataRequest {
        topics: Some(vec![wanted]),
        allow_auto_topic_creation: may_create,
        ..Default::default()
    };
    let answer = client.call(&request, version);
    let response: MetadataResponse<'_> = answer.decode();
    let topic = &response.topics[0];
    assert_eq!(topic.name.as_deref(), Some(name), "v{version}");
    let error = ErrorCode::from_code(topic.error_code).expect("a code of Kafka's");
    (error, topic.partitions.iter().map(|partition| partition.leader_id).collect())
}

/// Versions before 4 cannot forbid it. A topic that is made is there, with its leader, in the very answer.
#[test]
fn a_topic_that_is_asked_for_is_made_unless_client_or_broker_forbid_it() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let forbidding = Broker::with(&[("auto.create.topics.enable", "false")]);
    let mut forbidden = forbidding.connect();
    for version in 0..=13 {
        let name = format!("made-{version}");
        if version >= 4 {
            let unknown = (ErrorCode::UnknownTopicOrPartition, vec![]);
            assert_eq!(ask(&mut client, version, &name, false), unknown, "v{version}");
        }
        assert_eq!(ask(&mut client, version, &name, true), (ErrorCode::None, vec![1]), "v{version}");
        assert_eq!(ask(&mut client, version, "no such", true), (ErrorCode::InvalidTopicException, vec![]));
        let unknown = (ErrorCode::UnknownTopicOrPartition, vec![]);
        assert_eq!(ask(&mut forbidden, version, &name, true), unknown, "v{version}");
    }
}

/// Versions 10 and 11 have ids in their tables, but only from 12 on are they names (KAFKA-14208).
#[test]
fn ids_and_null_names_are_for_the_versions_that_have_them() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    let id = client.topic_id("t");
    for (version, topic_id, name, expected) in [
        (10, id, None, ErrorCode::InvalidRequest),
        (11, TopicId::ZERO, None, ErrorCode::InvalidRequest),
        (11, id, Some("t"), ErrorCode::InvalidRequest),
        (11, TopicId::ZERO, Some("t"), ErrorCode::None),
        (12, id, None, ErrorCode::None),
        (12, TopicId([9; 16]), None, ErrorCode::UnknownTopicId),
    ] {
        let wanted = MetadataRequestTopic { topic_id, name: name.map(Into::into) };
        let request = MetadataRequest { topics: Some(vec![wanted]), ..Default::default() };
        let answer = client.call(&request, version);
        let error = answer.decode::<MetadataResponse<'_>>().topics[0].error_code;
        assert_eq!(ErrorCode::from_code(error), Some(expected), "v{version} {topic_id} {name:?}");
    }
}

#[test]
fn every_topic_of_a_request_has_an_entry_in_the_answer() {
    let broker = Broker::with(&[("num.partitions", "3")]);
    let mut client = broker.connect();
    let topic = |name: &'static str, num_partitions: i32, replication_factor: i16| CreatableTopic {
        name: name.into(),
        num_partitions,
        replication_factor,
        ..Default::default()
    };
    for version in 0..=7 {
        for validate_only in [true, false] {
            if version == 0 && validate_only {
                continue; // It could not ask.
            }
            let mut assigned = topic("assigned", -1, -1);
            assigned.assignments = (0..2)
                .map(|partition_index| CreatableReplicaAssignment { partition_index, broker_ids: vec![1] })
                .collect();
            let topics = vec![
                topic("good", 2, 1),
                topic("no such", 1, 1),
                topic("too-many-copies", 1, 3),
                topic("no-partitions", 0, 1),
                topic("defaults", -1, -1),
                assigned,
                topic("twice", 1, 1),
                topic("twice", 1, 1),
            ];
            let answer =
                client.call(&CreateTopicsRequest { topics, validate_only, ..Default::default() }, version);
            let response: CreateTopicsResponse<'_> = answer.decode();
            assert_eq!(response.throttle_time_ms, 0);
            let found: Vec<_> = response
                .topics
                .iter()
                .map(|made| (&*made.name, ErrorCode::from_code(made.error_code).expect("a code of Kafka's")))
                .collect();
            for expected in [
                ("good", ErrorCode::None),
                ("no such", ErrorCode::InvalidTopicException),
                ("too-many-copies", ErrorCode::InvalidReplicationFactor),
                ("no-partitions", ErrorCode::InvalidPartitions),
                // -1 is what only versions from 4 on should send (KIP-464); Kafka takes it in all of them.
                ("defaults", ErrorCode::None),
                ("assigned", ErrorCode::None),
                ("twice", ErrorCode::InvalidRequest),
            ] {
                assert!(found.contains(&expected), "v{version}: no {expected:?} in {found:?}");
            }
            for made in response.topics.iter().filter(|made| made.error_code == 0 && version >= 5) {
                let partitions = if made.name == "defaults" { 3 } else { 2 };
                assert_eq!((made.num_partitions, made.replication_factor), (partitions, 1), "v{version}");
                let configs = made.configs.as_ref().expect("from version 5 on");
                assert!(configs.iter().any(|entry| entry.name == "retention.ms"), "v{version}");
                assert_eq!(made.topic_id.is_zero(), version < 7 || validate_only, "v{version}");
            }
        }
        let all = client.call(&MetadataRequest { topics: None, ..Default::default() }, 1);
        let all: Vec<_> =
            all.decode::<MetadataResponse<'_>>().topics.iter().map(|topic| topic.name.clone()).collect();
        assert_eq!(all.len(), 3, "v{version}: what was only validated was not made");
        grow_and_delete(&mut client, version);
    }
}

fn grow_and_delete(client: &mut Client, version: i16) {
    let grow =
        |name: &'static str, count| CreatePartitionsTopic { name: name.into(), count, assignments: None };
    for validate_only in [true, false] {
        let topics = vec![grow("good", 4), grow("defaults", 1), grow("never", 2)];
        let request = CreatePartitionsRequest { topics, validate_only, timeout_ms: 10_000 };
        let answer = client.call(&request, version.min(3));
        let response: CreatePartitionsResponse<'_> = answer.decode();
        let mut found: Vec<_> =
            response.results.iter().map(|grown| (grown.name.to_string(), grown.error_code)).collect();
        found.sort();
        let (wrong, unknown) = (ErrorCode::InvalidPartitions, ErrorCode::UnknownTopicOrPartition);
        let expected = [("defaults", wrong), ("good", ErrorCode::None), ("never", unknown)];
        assert_eq!(found, expected.map(|(name, error)| (name.to_owned(), error.code())), "v{version}");
    }
    let names = ["good", "defaults", "assigned", "never"];
    let topic_names = names.map(Into::into).to_vec();
    let request = DeleteTopicsRequest { topic_names, timeout_ms: 10_000, ..Default::default() };
    let answer = client.call(&request, version.min(5));
    let response: DeleteTopicsResponse<'_> = answer.decode();
    let errors = response.responses.iter().map(|gone| gone.error_code).collect::<Vec<_>>();
    assert_eq!(errors, [0, 0, 0, ErrorCode::UnknownTopicOrPartition.code()], "v{version}");
}

/// Consoles show where a value comes from, and what else it could be.
#[test]
fn settings_are_told_with_their_source_their_default_and_their_synonyms() {
    const TOPIC: i8 = 2;
    const OF_TOPIC: i8 = 1;
    const DEFAULT: i8 = 5;
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic_with("t", 1, &[("retention.ms", "1234")]);
    for version in 0..=4 {
        for include in [false, true] {
            let resource = |keys: Option<Vec<&'static str>>| DescribeConfigsResource {
                resource_type: TOPIC,
                resource_name: "t".into(),
                configuration_keys: keys.map(|keys| keys.into_iter().map(Into::into).collect()),
            };
            let request = DescribeConfigsRequest {
                resources: vec![resource(None), resource(Some(vec!["segment.bytes"]))],
                include_synonyms: include && version >= 1,
                include_documentation: include && version >= 3,
            };
            let answer = client.call(&request, version);
            let response: DescribeConfigsResponse<'_> = answer.decode();
            let all = &response.results[0].configs;
            let entry = |name: &str| all.iter().find(|entry| entry.name == name).expect("every key is there");
            let (set, unset) = (entry("retention.ms"), entry("segment.bytes"));
            assert_eq!(set.value.as_deref(), Some("1234"), "v{version}");
            assert_eq!(unset.value.as_deref(), Some("1073741824"), "v{version}");
            if version == 0 {
                assert!(!set.is_default && unset.is_default);
            } else {
                assert_eq!((set.config_source, unset.config_source), (OF_TOPIC, DEFAULT), "v{version}");
                let sources: Vec<i8> = set.synonyms.iter().map(|synonym| synonym.source).collect();
                let expected = if include { vec![OF_TOPIC, DEFAULT] } else { vec![] };
                assert_eq!(sources, expected, "v{version}");
            }
            if version >= 3 {
                let documented = set.documentation.as_deref().is_some_and(|text| !text.is_empty());
                assert_eq!(documented, include, "v{version}");
                assert!(all.iter().all(|entry| entry.config_type > 0), "v{version}");
            }
            let named: Vec<_> = response.results[1].configs.iter().map(|entry| &*entry.name).collect();
            assert_eq!(named, ["segment.bytes"], "v{version}");
        }
    }
}

/// As in a Kafka without a secret for them: they are off, which is more than not to be there.
#[test]
fn delegation_tokens_are_disabled() {
    let disabled = ErrorCode::DelegationTokenAuthDisabled.code();
    let broker = Broker::start();
    let mut client = broker.connect();
    for version in 0..=3 {
        let answer = client.call(&CreateDelegationTokenRequest::default(), version);
        assert_eq!(answer.decode::<CreateDelegationTokenResponse<'_>>().error_code, disabled, "v{version}");
        let answer = client.call(&DescribeDelegationTokenRequest::default(), version);
        assert_eq!(answer.decode::<DescribeDelegationTokenResponse<'_>>().error_code, disabled, "v{version}");
        let answer = client.call(&RenewDelegationTokenRequest::default(), version.min(2));
        assert_eq!(answer.decode::<RenewDelegationTokenResponse>().error_code, disabled, "v{version}");
        let answer = client.call(&ExpireDelegationTokenRequest::default(), version.min(2));
        assert_eq!(answer.decode::<ExpireDelegationTokenResponse>().error_code, disabled, "v{version}");
    }
}
