//! The advertised range is what works: every key at every advertised version gets an answer that decodes to the last
//! byte, and records go in and out through every version of Produce and Fetch.

use protocol::messages::Request;
use protocol::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use protocol::messages::add_partitions_to_txn::AddPartitionsToTxnRequest;
use protocol::messages::alter_client_quotas::AlterClientQuotasRequest;
use protocol::messages::alter_configs::AlterConfigsRequest;
use protocol::messages::alter_partition_reassignments::AlterPartitionReassignmentsRequest;
use protocol::messages::alter_replica_log_dirs::AlterReplicaLogDirsRequest;
use protocol::messages::alter_user_scram_credentials::AlterUserScramCredentialsRequest;
use protocol::messages::api_versions::ApiVersionsRequest;
use protocol::messages::consumer_group_describe::ConsumerGroupDescribeRequest;
use protocol::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use protocol::messages::create_acls::CreateAclsRequest;
use protocol::messages::create_delegation_token::CreateDelegationTokenRequest;
use protocol::messages::create_partitions::CreatePartitionsRequest;
use protocol::messages::create_topics::CreateTopicsRequest;
use protocol::messages::delete_acls::DeleteAclsRequest;
use protocol::messages::delete_groups::DeleteGroupsRequest;
use protocol::messages::delete_records::DeleteRecordsRequest;
use protocol::messages::delete_topics::DeleteTopicsRequest;
use protocol::messages::describe_acls::DescribeAclsRequest;
use protocol::messages::describe_client_quotas::DescribeClientQuotasRequest;
use protocol::messages::describe_cluster::DescribeClusterRequest;
use protocol::messages::describe_configs::DescribeConfigsRequest;
use protocol::messages::describe_delegation_token::DescribeDelegationTokenRequest;
use protocol::messages::describe_groups::DescribeGroupsRequest;
use protocol::messages::describe_log_dirs::DescribeLogDirsRequest;
use protocol::messages::describe_producers::DescribeProducersRequest;
use protocol::messages::describe_quorum::DescribeQuorumRequest;
use protocol::messages::describe_topic_partitions::DescribeTopicPartitionsRequest;
use protocol::messages::describe_transactions::DescribeTransactionsRequest;
use protocol::messages::describe_user_scram_credentials::DescribeUserScramCredentialsRequest;
use protocol::messages::elect_leaders::ElectLeadersRequest;
use protocol::messages::end_txn::EndTxnRequest;
use protocol::messages::expire_delegation_token::ExpireDelegationTokenRequest;
use protocol::messages::fetch::FetchRequest;
use protocol::messages::find_coordinator::FindCoordinatorRequest;
use protocol::messages::heartbeat::HeartbeatRequest;
use protocol::messages::incremental_alter_configs::IncrementalAlterConfigsRequest;
use protocol::messages::init_producer_id::InitProducerIdRequest;
use protocol::messages::join_group::JoinGroupRequest;
use protocol::messages::leave_group::LeaveGroupRequest;
use protocol::messages::list_config_resources::ListConfigResourcesRequest;
use protocol::messages::list_groups::ListGroupsRequest;
use protocol::messages::list_offsets::ListOffsetsRequest;
use protocol::messages::list_partition_reassignments::ListPartitionReassignmentsRequest;
use protocol::messages::list_transactions::ListTransactionsRequest;
use protocol::messages::metadata::MetadataRequest;
use protocol::messages::offset_commit::OffsetCommitRequest;
use protocol::messages::offset_delete::OffsetDeleteRequest;
use protocol::messages::offset_fetch::OffsetFetchRequest;
use protocol::messages::offset_for_leader_epoch::OffsetForLeaderEpochRequest;
use protocol::messages::produce::ProduceRequest;
use protocol::messages::renew_delegation_token::RenewDelegationTokenRequest;
use protocol::messages::sync_group::SyncGroupRequest;
use protocol::messages::txn_offset_commit::TxnOffsetCommitRequest;
use protocol::messages::update_features::UpdateFeaturesRequest;
use protocol::messages::write_txn_markers::WriteTxnMarkersRequest;

use crate::support::Broker;
use crate::support::client::{Answer, Client};

/// Sends an almost empty request of one key in the given version.
type Ask = fn(&mut Client, i16);

/// How to ask for one key. `None` where the broker serves a key that this table lacks: add a row.
fn ask(key: i16) -> Option<Ask> {
    Some(match key {
        // acks=0, the default of the schema, is not answered at all.
        0 => |client, version| ask_with(client, version, &ProduceRequest { acks: 1, ..Default::default() }),
        1 => empty::<FetchRequest<'_>>,
        2 => empty::<ListOffsetsRequest<'_>>,
        3 => empty::<MetadataRequest<'_>>,
        8 => empty::<OffsetCommitRequest<'_>>,
        9 => empty::<OffsetFetchRequest<'_>>,
        10 => empty::<FindCoordinatorRequest<'_>>,
        11 => empty::<JoinGroupRequest<'_>>,
        12 => empty::<HeartbeatRequest<'_>>,
        13 => empty::<LeaveGroupRequest<'_>>,
        14 => empty::<SyncGroupRequest<'_>>,
        15 => empty::<DescribeGroupsRequest<'_>>,
        16 => empty::<ListGroupsRequest<'_>>,
        18 => empty::<ApiVersionsRequest<'_>>,
        19 => empty::<CreateTopicsRequest<'_>>,
        20 => empty::<DeleteTopicsRequest<'_>>,
        21 => empty::<DeleteRecordsRequest<'_>>,
        22 => empty::<InitProducerIdRequest<'_>>,
        23 => empty::<OffsetForLeaderEpochRequest<'_>>,
        24 => empty::<AddPartitionsToTxnRequest<'_>>,
        25 => empty::<AddOffsetsToTxnRequest<'_>>,
        26 => empty::<EndTxnRequest<'_>>,
        27 => empty::<WriteTxnMarkersRequest<'_>>,
        28 => empty::<TxnOffsetCommitRequest<'_>>,
        29 => empty::<DescribeAclsRequest<'_>>,
        30 => empty::<CreateAclsRequest<'_>>,
        31 => empty::<DeleteAclsRequest<'_>>,
        32 => empty::<DescribeConfigsRequest<'_>>,
        33 => empty::<AlterConfigsRequest<'_>>,
        34 => empty::<AlterReplicaLogDirsRequest<'_>>,
        35 => empty::<DescribeLogDirsRequest<'_>>,
        37 => empty::<CreatePartitionsRequest<'_>>,
        38 => empty::<CreateDelegationTokenRequest<'_>>,
        39 => empty::<RenewDelegationTokenRequest<'_>>,
        40 => empty::<ExpireDelegationTokenRequest<'_>>,
        41 => empty::<DescribeDelegationTokenRequest<'_>>,
        42 => empty::<DeleteGroupsRequest<'_>>,
        43 => empty::<ElectLeadersRequest<'_>>,
        44 => empty::<IncrementalAlterConfigsRequest<'_>>,
        45 => empty::<AlterPartitionReassignmentsRequest<'_>>,
        46 => empty::<ListPartitionReassignmentsRequest<'_>>,
        47 => empty::<OffsetDeleteRequest<'_>>,
        48 => empty::<DescribeClientQuotasRequest<'_>>,
        49 => empty::<AlterClientQuotasRequest<'_>>,
        50 => empty::<DescribeUserScramCredentialsRequest<'_>>,
        51 => empty::<AlterUserScramCredentialsRequest<'_>>,
        55 => empty::<DescribeQuorumRequest<'_>>,
        57 => empty::<UpdateFeaturesRequest<'_>>,
        60 => empty::<DescribeClusterRequest>,
        61 => empty::<DescribeProducersRequest<'_>>,
        65 => empty::<DescribeTransactionsRequest<'_>>,
        66 => empty::<ListTransactionsRequest<'_>>,
        68 => empty::<ConsumerGroupHeartbeatRequest<'_>>,
        69 => empty::<ConsumerGroupDescribeRequest<'_>>,
        74 => empty::<ListConfigResourcesRequest>,
        75 => empty::<DescribeTopicPartitionsRequest<'_>>,
        _ => return None,
    })
}

fn empty<Q: Request<'static> + Default>(client: &mut Client, version: i16) {
    ask_with(client, version, &Q::default());
}

/// The answer is leaked: request and response share a lifetime, and a few hundred small frames do no harm.
fn ask_with<Q: Request<'static>>(client: &mut Client, version: i16, request: &Q) {
    let answer: &'static Answer = Box::leak(Box::new(client.call(request, version)));
    let _: Q::Response = answer.decode();
}

#[test]
fn every_advertised_version_of_every_key_is_answered() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let advertised = client.api_versions();
    assert!(advertised.len() >= 21, "{advertised:?}");
    for &(key, min, max) in &advertised {
        let ask = ask(key).unwrap_or_else(|| panic!("key {key} is advertised and not asked here"));
        for version in min..=max {
            println!("key {key} version {version}");
            ask(&mut client, version);
        }
    }
    assert_eq!(client.api_versions(), advertised, "the connection survived them all");
}

#[test]
fn the_ranges_are_those_of_the_table() {
    // From Kafka 3.9's lowest to 4.4's highest.
    const PROMISED: &[(i16, i16, i16)] = &[
        (0, 0, 13),
        (1, 0, 18),
        (2, 0, 11),
        (3, 0, 13),
        (8, 0, 10),
        (9, 0, 10),
        (10, 0, 6),
        (11, 0, 9),
        (12, 0, 4),
        (13, 0, 5),
        (14, 0, 5),
        (15, 0, 6),
        (16, 0, 5),
        (18, 0, 5),
        (19, 0, 7),
        (20, 0, 6),
        (21, 0, 2),
        (22, 0, 6),
        (23, 0, 4),
        (24, 0, 5),
        (25, 0, 4),
        (26, 0, 5),
        (27, 0, 2),
        (28, 0, 6),
        (29, 0, 3),
        (30, 0, 3),
        (31, 0, 3),
        (32, 0, 4),
        (33, 0, 2),
        (34, 0, 2),
        (35, 0, 5),
        (37, 0, 3),
        (38, 0, 3),
        (39, 0, 2),
        (40, 0, 2),
        (41, 0, 3),
        (42, 0, 3),
        (43, 0, 2),
        (44, 0, 1),
        (45, 0, 1),
        (46, 0, 0),
        (47, 0, 0),
        (48, 0, 1),
        (49, 0, 1),
        (50, 0, 0),
        (51, 0, 0),
        (55, 0, 2),
        (57, 0, 2),
        (60, 0, 2),
        (61, 0, 0),
        (65, 0, 0),
        (66, 0, 2),
        (68, 0, 1),
        (69, 0, 1),
        (74, 0, 1),
        (75, 0, 0),
    ];
    let advertised = Broker::start().connect().api_versions();
    for promised in PROMISED {
        assert!(advertised.contains(promised), "{promised:?} is not in {advertised:?}");
    }
    assert!(advertised.is_sorted(), "in order of their keys: {advertised:?}");
    // Telemetry (71, 72): a client that finds it uses it. What is between brokers, or for other kinds of groups.
    let others = |key: &i16| matches!(key, 4..=7 | 52..=54 | 56 | 58 | 59 | 62..=64 | 67 | 70..=73 | 76..);
    let keys: Vec<i16> = advertised.iter().map(|(key, ..)| *key).collect();
    assert!(!keys.iter().any(others), "{keys:?}");
    // The features of librdkafka hang on these together.
    assert!([68, 69].iter().all(|key| keys.contains(key)));
}
