//! The list of APIs.

use std::fmt;
use std::ops::RangeInclusive;

use super::Request;
use crate::codec::Schema;

/// Calls the macro named with a row for every API, in key order:
/// `$key:literal $name:ident $module:ident $request:ident $response:ident;`.
///
/// This is the list itself. It is a macro so that whatever must cover every API (tests above all) can go
/// over the types too, which no array can hold.
#[macro_export]
macro_rules! for_each_api {
    ($do:ident) => {
        $do! {
            0 Produce produce ProduceRequest ProduceResponse;
            1 Fetch fetch FetchRequest FetchResponse;
            2 ListOffsets list_offsets ListOffsetsRequest ListOffsetsResponse;
            3 Metadata metadata MetadataRequest MetadataResponse;
            8 OffsetCommit offset_commit OffsetCommitRequest OffsetCommitResponse;
            9 OffsetFetch offset_fetch OffsetFetchRequest OffsetFetchResponse;
            10 FindCoordinator find_coordinator FindCoordinatorRequest FindCoordinatorResponse;
            11 JoinGroup join_group JoinGroupRequest JoinGroupResponse;
            12 Heartbeat heartbeat HeartbeatRequest HeartbeatResponse;
            13 LeaveGroup leave_group LeaveGroupRequest LeaveGroupResponse;
            14 SyncGroup sync_group SyncGroupRequest SyncGroupResponse;
            15 DescribeGroups describe_groups DescribeGroupsRequest DescribeGroupsResponse;
            16 ListGroups list_groups ListGroupsRequest ListGroupsResponse;
            17 SaslHandshake sasl_handshake SaslHandshakeRequest SaslHandshakeResponse;
            18 ApiVersions api_versions ApiVersionsRequest ApiVersionsResponse;
            19 CreateTopics create_topics CreateTopicsRequest CreateTopicsResponse;
            20 DeleteTopics delete_topics DeleteTopicsRequest DeleteTopicsResponse;
            21 DeleteRecords delete_records DeleteRecordsRequest DeleteRecordsResponse;
            22 InitProducerId init_producer_id InitProducerIdRequest InitProducerIdResponse;
            23 OffsetForLeaderEpoch offset_for_leader_epoch OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse;
            24 AddPartitionsToTxn add_partitions_to_txn AddPartitionsToTxnRequest AddPartitionsToTxnResponse;
            25 AddOffsetsToTxn add_offsets_to_txn AddOffsetsToTxnRequest AddOffsetsToTxnResponse;
            26 EndTxn end_txn EndTxnRequest EndTxnResponse;
            27 WriteTxnMarkers write_txn_markers WriteTxnMarkersRequest WriteTxnMarkersResponse;
            28 TxnOffsetCommit txn_offset_commit TxnOffsetCommitRequest TxnOffsetCommitResponse;
            29 DescribeAcls describe_acls DescribeAclsRequest DescribeAclsResponse;
            30 CreateAcls create_acls CreateAclsRequest CreateAclsResponse;
            31 DeleteAcls delete_acls DeleteAclsRequest DeleteAclsResponse;
            32 DescribeConfigs describe_configs DescribeConfigsRequest DescribeConfigsResponse;
            33 AlterConfigs alter_configs AlterConfigsRequest AlterConfigsResponse;
            34 AlterReplicaLogDirs alter_replica_log_dirs AlterReplicaLogDirsRequest AlterReplicaLogDirsResponse;
            35 DescribeLogDirs describe_log_dirs DescribeLogDirsRequest DescribeLogDirsResponse;
            36 SaslAuthenticate sasl_authenticate SaslAuthenticateRequest SaslAuthenticateResponse;
            37 CreatePartitions create_partitions CreatePartitionsRequest CreatePartitionsResponse;
            38 CreateDelegationToken create_delegation_token CreateDelegationTokenRequest CreateDelegationTokenResponse;
            39 RenewDelegationToken renew_delegation_token RenewDelegationTokenRequest RenewDelegationTokenResponse;
            40 ExpireDelegationToken expire_delegation_token ExpireDelegationTokenRequest ExpireDelegationTokenResponse;
            41 DescribeDelegationToken describe_delegation_token DescribeDelegationTokenRequest DescribeDelegationTokenResponse;
            42 DeleteGroups delete_groups DeleteGroupsRequest DeleteGroupsResponse;
            43 ElectLeaders elect_leaders ElectLeadersRequest ElectLeadersResponse;
            44 IncrementalAlterConfigs incremental_alter_configs IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse;
            45 AlterPartitionReassignments alter_partition_reassignments AlterPartitionReassignmentsRequest AlterPartitionReassignmentsResponse;
            46 ListPartitionReassignments list_partition_reassignments ListPartitionReassignmentsRequest ListPartitionReassignmentsResponse;
            47 OffsetDelete offset_delete OffsetDeleteRequest OffsetDeleteResponse;
            48 DescribeClientQuotas describe_client_quotas DescribeClientQuotasRequest DescribeClientQuotasResponse;
            49 AlterClientQuotas alter_client_quotas AlterClientQuotasRequest AlterClientQuotasResponse;
            50 DescribeUserScramCredentials describe_user_scram_credentials DescribeUserScramCredentialsRequest DescribeUserScramCredentialsResponse;
            51 AlterUserScramCredentials alter_user_scram_credentials AlterUserScramCredentialsRequest AlterUserScramCredentialsResponse;
            55 DescribeQuorum describe_quorum DescribeQuorumRequest DescribeQuorumResponse;
            57 UpdateFeatures update_features UpdateFeaturesRequest UpdateFeaturesResponse;
            60 DescribeCluster describe_cluster DescribeClusterRequest DescribeClusterResponse;
            61 DescribeProducers describe_producers DescribeProducersRequest DescribeProducersResponse;
            65 DescribeTransactions describe_transactions DescribeTransactionsRequest DescribeTransactionsResponse;
            66 ListTransactions list_transactions ListTransactionsRequest ListTransactionsResponse;
            68 ConsumerGroupHeartbeat consumer_group_heartbeat ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeatResponse;
            69 ConsumerGroupDescribe consumer_group_describe ConsumerGroupDescribeRequest ConsumerGroupDescribeResponse;
            71 GetTelemetrySubscriptions get_telemetry_subscriptions GetTelemetrySubscriptionsRequest GetTelemetrySubscriptionsResponse;
            72 PushTelemetry push_telemetry PushTelemetryRequest PushTelemetryResponse;
            74 ListConfigResources list_config_resources ListConfigResourcesRequest ListConfigResourcesResponse;
            75 DescribeTopicPartitions describe_topic_partitions DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse;
            76 ShareGroupHeartbeat share_group_heartbeat ShareGroupHeartbeatRequest ShareGroupHeartbeatResponse;
            77 ShareGroupDescribe share_group_describe ShareGroupDescribeRequest ShareGroupDescribeResponse;
            78 ShareFetch share_fetch ShareFetchRequest ShareFetchResponse;
            79 ShareAcknowledge share_acknowledge ShareAcknowledgeRequest ShareAcknowledgeResponse;
            88 StreamsGroupHeartbeat streams_group_heartbeat StreamsGroupHeartbeatRequest StreamsGroupHeartbeatResponse;
            89 StreamsGroupDescribe streams_group_describe StreamsGroupDescribeRequest StreamsGroupDescribeResponse;
            90 DescribeShareGroupOffsets describe_share_group_offsets DescribeShareGroupOffsetsRequest DescribeShareGroupOffsetsResponse;
            91 AlterShareGroupOffsets alter_share_group_offsets AlterShareGroupOffsetsRequest AlterShareGroupOffsetsResponse;
            92 DeleteShareGroupOffsets delete_share_group_offsets DeleteShareGroupOffsetsRequest DeleteShareGroupOffsetsResponse;
            93 StreamsGroupTopologyDescriptionUpdate streams_group_topology_description_update StreamsGroupTopologyDescriptionUpdateRequest StreamsGroupTopologyDescriptionUpdateResponse;
        }
    };
}

macro_rules! api_keys {
    ($($key:literal $name:ident $module:ident $request:ident $response:ident;)*) => {
        /// An API that there is a table for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {
            $(
                #[doc = concat!("[`", stringify!($request), "`](super::", stringify!($module), ")")]
                $name = $key,
            )*
        }

        impl ApiKey {
            /// The API of this key, if there is a table for it.
            #[must_use]
            pub const fn from_code(key: i16) -> Option<ApiKey> {
                match key {
                    $($key => Some(ApiKey::$name),)*
                    _ => None,
                }
            }

            /// Kafka's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(ApiKey::$name => stringify!($name),)*
                }
            }

            /// The versions there are.
            #[must_use]
            pub const fn versions(self) -> RangeInclusive<i16> {
                match self {
                    $(ApiKey::$name => <super::$module::$request as Request<'_>>::VERSIONS,)*
                }
            }

            /// The first flexible version, if any is.
            #[must_use]
            pub const fn flexible_from(self) -> Option<i16> {
                match self {
                    $(ApiKey::$name => <super::$module::$request as Request<'_>>::FLEXIBLE_FROM,)*
                }
            }
        }

        impl Api {
            /// Every API, in key order.
            pub const ALL: &'static [Api] = &[$(Api {
                key: ApiKey::$name,
                versions: ApiKey::$name.versions(),
                flexible_from: ApiKey::$name.flexible_from(),
                request: Schema::of::<super::$module::$request>(),
                response: Schema::of::<super::$module::$response>(),
            },)*];
        }
    };
}

for_each_api!(api_keys);

impl ApiKey {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Whether this version writes compact lengths and tagged fields.
    #[must_use]
    pub const fn is_flexible(self, version: i16) -> bool {
        match self.flexible_from() {
            Some(first) => version >= first,
            None => false,
        }
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Api {
    /// The API of this key.
    #[must_use]
    pub fn of(key: ApiKey) -> &'static Api {
        let at = Api::ALL.binary_search_by_key(&key, |api| api.key);
        &Api::ALL[at.expect("every key has its entry, in order")]
    }
}

/// An API as data.
#[derive(Clone, Debug)]
pub struct Api {
    /// Which.
    pub key: ApiKey,
    /// The versions there are.
    pub versions: RangeInclusive<i16>,
    /// The first flexible version, if any is.
    pub flexible_from: Option<i16>,
    /// The request's table.
    pub request: &'static Schema,
    /// The response's table.
    pub response: &'static Schema,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_ascend_and_come_back() {
        assert!(Api::ALL.is_sorted_by_key(|api| api.key.code()));
        for api in Api::ALL {
            assert_eq!(ApiKey::from_code(api.key.code()), Some(api.key));
            assert_eq!(api.request.name, format!("{}Request", api.key));
            assert_eq!(api.response.name, format!("{}Response", api.key));
        }
        assert_eq!(ApiKey::from_code(-1), None);
    }
}
