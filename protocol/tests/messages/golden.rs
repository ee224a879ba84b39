//! Bytes written by hand from Kafka 4.4's schemas, for what no oracle has yet.
//!
//! One line a field, in the order of the wire; every message here is flexible, so a length is one more than
//! the length, and each struct ends with the number of its tagged fields.

use std::borrow::Cow;
use std::fmt::Debug;

use protocol::codec::{Decode, Encode, Reader, Writer};
use protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use protocol::messages::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};
use protocol::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic,
};
use protocol::messages::init_producer_id::InitProducerIdRequest;
use protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic, ListOffsetsTopicResponse,
};
use protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use protocol::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopic,
    WritableTxnMarkerTopicResult, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use protocol::types::TopicId;

/// A topic id of sixteen like bytes.
const ID: TopicId = TopicId([0x11; 16]);

fn check<'a, M: Decode<'a> + Encode + Debug + PartialEq>(version: i16, bytes: &'a [u8], message: M) {
    let mut reader = Reader::new(bytes);
    assert_eq!(M::decode(&mut reader, version).as_ref(), Ok(&message));
    assert_eq!(reader.remaining(), 0);
    let mut writer = Writer::new();
    message.encode(&mut writer, version).expect("encodes");
    assert_eq!(writer.into_bytes(), bytes);
}

macro_rules! golden {
    ($($test:ident: $name:ident $version:literal, $bytes:expr, $fields:tt)*) => {
        /// What is covered here, by name and version.
        pub(crate) const MESSAGES: &[(&str, i16)] = &[$((stringify!($name), $version)),*];

        $(#[test]
        fn $test() {
            let lines: &[&[u8]] = &$bytes;
            check($version, &lines.concat(), $name $fields);
        })*
    };
}

golden! {
    api_versions_request: ApiVersionsRequest 5, [
        b"\x06kafka",        // client_software_name
        b"\x064.4.0",        // client_software_version
        b"\x03id",           // cluster_id
        b"\0\0\0\x07",       // node_id
        b"\0",
    ], {
        client_software_name: Cow::Borrowed("kafka"),
        client_software_version: Cow::Borrowed("4.4.0"),
        cluster_id: Some(Cow::Borrowed("id")),
        node_id: 7,
    }

    api_versions_request_to_an_unknown_node: ApiVersionsRequest 5, [
        b"\x01",             // client_software_name
        b"\x01",             // client_software_version
        b"\0",               // cluster_id
        b"\xff\xff\xff\xff", // node_id
        b"\0",
    ], {
        ..Default::default()
    }

    api_versions_response: ApiVersionsResponse 5, [
        b"\0\x81",           // error_code: REBOOTSTRAP_REQUIRED
        b"\x02",             // api_keys
        b"\0\x12\0\0\0\x05\0",
        b"\0\0\0\x09",       // throttle_time_ms
        b"\x03",             // three tagged fields
        b"\x00\x14\x02\x0egroup.version\0\0\0\x01\0", // supported_features
        b"\x01\x08\0\0\0\0\0\0\0\x03", // finalized_features_epoch
        b"\x02\x14\x02\x0egroup.version\0\x01\0\0\0", // finalized_features
    ], {
        error_code: 129,
        api_keys: vec![ApiVersion { api_key: 18, min_version: 0, max_version: 5 }],
        throttle_time_ms: 9,
        supported_features: vec![SupportedFeatureKey {
            name: Cow::Borrowed("group.version"),
            min_version: 0,
            max_version: 1,
        }],
        finalized_features_epoch: 3,
        finalized_features: vec![FinalizedFeatureKey {
            name: Cow::Borrowed("group.version"),
            max_version_level: 1,
            min_version_level: 0,
        }],
        zk_migration_ready: false,
    }

    list_offsets_request: ListOffsetsRequest 11, [
        b"\xff\xff\xff\xff", // replica_id
        b"\x01",             // isolation_level
        b"\x02",             // topics
        b"\x02t",            //   name
        b"\x02",             //   partitions
        b"\0\0\0\x03",       //     partition_index
        b"\0\0\0\x05",       //     current_leader_epoch
        b"\xff\xff\xff\xff\xff\xff\xff\xfa", // timestamp: earliest pending upload
        b"\0\0",
        b"\0\0\x75\x30",     // timeout_ms
        b"\0",
    ], {
        replica_id: -1,
        isolation_level: 1,
        topics: vec![ListOffsetsTopic {
            name: Cow::Borrowed("t"),
            partitions: vec![ListOffsetsPartition {
                partition_index: 3,
                current_leader_epoch: 5,
                timestamp: -6,
                ..Default::default()
            }],
        }],
        timeout_ms: 30_000,
    }

    list_offsets_response: ListOffsetsResponse 11, [
        b"\0\0\0\0",         // throttle_time_ms
        b"\x02",             // topics
        b"\x02t",            //   name
        b"\x02",             //   partitions
        b"\0\0\0\x03",       //     partition_index
        b"\0\0",             //     error_code
        b"\xff\xff\xff\xff\xff\xff\xff\xff", // timestamp
        b"\0\0\0\0\0\0\0\x2a", //   offset
        b"\0\0\0\x05",       //     leader_epoch
        b"\0\0\0",
    ], {
        topics: vec![ListOffsetsTopicResponse {
            name: Cow::Borrowed("t"),
            partitions: vec![ListOffsetsPartitionResponse {
                partition_index: 3,
                offset: 42,
                leader_epoch: 5,
                ..Default::default()
            }],
        }],
        ..Default::default()
    }

    offset_commit_request: OffsetCommitRequest 10, [
        b"\x02g",            // group_id
        b"\0\0\0\x04",       // generation_id_or_member_epoch
        b"\x02m",            // member_id
        b"\0",               // group_instance_id
        b"\x02",             // topics
        &[0x11; 16],         //   topic_id
        b"\x02",             //   partitions
        b"\0\0\0\x03",       //     partition_index
        b"\0\0\0\0\0\0\0\x2a", //   committed_offset
        b"\xff\xff\xff\xff", //     committed_leader_epoch
        b"\x05note",         //     committed_metadata
        b"\0\0\0",
    ], {
        group_id: Cow::Borrowed("g"),
        generation_id_or_member_epoch: 4,
        member_id: Cow::Borrowed("m"),
        topics: vec![OffsetCommitRequestTopic {
            topic_id: ID,
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: 3,
                committed_offset: 42,
                committed_metadata: Some(Cow::Borrowed("note")),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }

    offset_fetch_request: OffsetFetchRequest 10, [
        b"\x02",             // groups
        b"\x02g",            //   group_id
        b"\x02m",            //   member_id
        b"\0\0\0\x04",       //   member_epoch
        b"\x02",             //   topics
        &[0x11; 16],         //     topic_id
        b"\x02\0\0\0\x03",   //     partition_indexes
        b"\0\0",
        b"\x01",             // require_stable
        b"\0",
    ], {
        groups: vec![OffsetFetchRequestGroup {
            group_id: Cow::Borrowed("g"),
            member_id: Some(Cow::Borrowed("m")),
            member_epoch: 4,
            topics: Some(vec![OffsetFetchRequestTopics {
                topic_id: ID,
                partition_indexes: vec![3],
                ..Default::default()
            }]),
        }],
        require_stable: true,
        ..Default::default()
    }

    delete_groups_request: DeleteGroupsRequest 3, [
        b"\x03\x02a\x02b",   // groups_names
        b"\0",
    ], {
        groups_names: vec![Cow::Borrowed("a"), Cow::Borrowed("b")],
    }

    delete_groups_response: DeleteGroupsResponse 3, [
        b"\0\0\0\0",         // throttle_time_ms
        b"\x02",             // results
        b"\x02a",            //   group_id
        b"\0\x86",           //   error_code: GROUP_DELETION_FAILED
        b"\x04why",          //   error_message
        b"\0\0",
    ], {
        results: vec![DeletableGroupResult {
            group_id: Cow::Borrowed("a"),
            error_code: 134,
            error_message: Some(Cow::Borrowed("why")),
        }],
        ..Default::default()
    }

    init_producer_id_request: InitProducerIdRequest 6, [
        b"\x02t",            // transactional_id
        b"\0\0\xea\x60",     // transaction_timeout_ms
        b"\xff\xff\xff\xff\xff\xff\xff\xff", // producer_id
        b"\xff\xff",         // producer_epoch
        b"\x01",             // enable_2_pc
        b"\0",               // keep_prepared_txn
        b"\0",
    ], {
        transactional_id: Some(Cow::Borrowed("t")),
        transaction_timeout_ms: 60_000,
        enable_2_pc: true,
        ..Default::default()
    }

    describe_log_dirs_request: DescribeLogDirsRequest 5, [
        b"\x02",             // topics
        b"\x02t",            //   topic
        b"\x02\0\0\0\x03",   //   partitions
        b"\0\0",
    ], {
        topics: Some(vec![DescribableLogDirTopic { topic: Cow::Borrowed("t"), partitions: vec![3] }]),
    }

    describe_log_dirs_response: DescribeLogDirsResponse 5, [
        b"\0\0\0\0",         // throttle_time_ms
        b"\0\0",             // error_code
        b"\x02",             // results
        b"\0\0",             //   error_code
        b"\x05/log",         //   log_dir
        b"\x02",             //   topics
        b"\x02t",            //     name
        b"\x02",             //     partitions
        b"\0\0\0\x03",       //       partition_index
        b"\0\0\0\0\0\0\x10\0", //   partition_size
        b"\0\0\0\0\0\0\0\x01", //   offset_lag
        b"\0",               //       is_future_key
        b"\0\0",
        b"\0\0\0\0\0\x10\0\0", //   total_bytes
        b"\0\0\0\0\0\x08\0\0", //   usable_bytes
        b"\x01",             //   is_cordoned
        b"\0\0",
    ], {
        results: vec![DescribeLogDirsResult {
            log_dir: Cow::Borrowed("/log"),
            topics: vec![DescribeLogDirsTopic {
                name: Cow::Borrowed("t"),
                partitions: vec![DescribeLogDirsPartition {
                    partition_index: 3,
                    partition_size: 4096,
                    offset_lag: 1,
                    is_future_key: false,
                }],
            }],
            total_bytes: 1 << 20,
            usable_bytes: 1 << 19,
            is_cordoned: true,
            ..Default::default()
        }],
        ..Default::default()
    }

    txn_offset_commit_request: TxnOffsetCommitRequest 6, [
        b"\x02x",            // transactional_id
        b"\x02g",            // group_id
        b"\0\0\0\0\0\0\0\x07", // producer_id
        b"\0\x02",           // producer_epoch
        b"\0\0\0\x04",       // generation_id_or_member_epoch
        b"\x02m",            // member_id
        b"\0",               // group_instance_id
        b"\x02",             // topics
        &[0x11; 16],         //   topic_id
        b"\x02",             //   partitions
        b"\0\0\0\x03",       //     partition_index
        b"\0\0\0\0\0\0\0\x2a", //   committed_offset
        b"\xff\xff\xff\xff", //     committed_leader_epoch
        b"\0",               //     committed_metadata
        b"\0\0\0",
    ], {
        transactional_id: Cow::Borrowed("x"),
        group_id: Cow::Borrowed("g"),
        producer_id: 7,
        producer_epoch: 2,
        generation_id_or_member_epoch: 4,
        member_id: Cow::Borrowed("m"),
        topics: vec![TxnOffsetCommitRequestTopic {
            topic_id: ID,
            partitions: vec![TxnOffsetCommitRequestPartition {
                partition_index: 3,
                committed_offset: 42,
                committed_metadata: None,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }

    txn_offset_commit_response: TxnOffsetCommitResponse 6, [
        b"\0\0\0\0",         // throttle_time_ms
        b"\x02",             // topics
        &[0x11; 16],         //   topic_id
        b"\x02",             //   partitions
        b"\0\0\0\x03",       //     partition_index
        b"\0\x71",           //     error_code: STALE_MEMBER_EPOCH
        b"\0\0\0",
    ], {
        topics: vec![TxnOffsetCommitResponseTopic {
            topic_id: ID,
            partitions: vec![TxnOffsetCommitResponsePartition { partition_index: 3, error_code: 113 }],
            ..Default::default()
        }],
        ..Default::default()
    }

    write_txn_markers_request: WriteTxnMarkersRequest 2, [
        b"\x02",             // markers
        b"\0\0\0\0\0\0\0\x07", // producer_id
        b"\0\x02",           //   producer_epoch
        b"\x01",             //   transaction_result
        b"\x02",             //   topics
        b"\x02t",            //     name
        b"\x02\0\0\0\x03",   //     partition_indexes
        b"\0",
        b"\0\0\0\x09",       //   coordinator_epoch
        b"\x02",             //   transaction_version
        b"\0\0",
    ], {
        markers: vec![WritableTxnMarker {
            producer_id: 7,
            producer_epoch: 2,
            transaction_result: true,
            topics: vec![WritableTxnMarkerTopic { name: Cow::Borrowed("t"), partition_indexes: vec![3] }],
            coordinator_epoch: 9,
            transaction_version: 2,
        }],
    }

    write_txn_markers_response: WriteTxnMarkersResponse 2, [
        b"\x02",             // markers
        b"\0\0\0\0\0\0\0\x07", // producer_id
        b"\x02",             //   topics
        b"\x02t",            //     name
        b"\x02",             //     partitions
        b"\0\0\0\x03",       //       partition_index
        b"\0\0",             //       error_code
        b"\0\0\0\0",
    ], {
        markers: vec![WritableTxnMarkerResult {
            producer_id: 7,
            topics: vec![WritableTxnMarkerTopicResult {
                name: Cow::Borrowed("t"),
                partitions: vec![WritableTxnMarkerPartitionResult { partition_index: 3, error_code: 0 }],
            }],
        }],
    }
}
