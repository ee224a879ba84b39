//! The records of `__cluster_metadata`.
//!
//! Source: `metadata/…/*.json` and `clients/…/*Record.json` in Apache Kafka 4.1.

use super::schema::{Schema, fields};

macro_rules! controls {
    (..= $latest:literal $($fields:tt)*) => {
        Schema { latest: $latest, flexible_from: 0, fields: fields! { $($fields)* } }
    };
}

/// The control records of a KRaft log by type, with the name that Kafka's tools show. Each begins with its version.
pub(super) const CONTROLS: &[(i16, &str, Schema)] = &[
    (
        2,
        "LeaderChange",
        controls! {
            ..=1 version: I16, leaderId: I32, voters: [{ voterId: I32, voterDirectoryId: Uuid +1 }],
            grantingVoters: [{ voterId: I32, voterDirectoryId: Uuid +1 }]
        },
    ),
    (3, "SnapshotHeader", controls! { ..=0 version: I16, lastContainedLogTimestamp: I64 }),
    (4, "SnapshotFooter", controls! { ..=0 version: I16 }),
    (5, "KRaftVersion", controls! { ..=0 version: I16, kRaftVersion: I16 }),
    (
        6,
        "KRaftVoters",
        controls! {
            ..=0 version: I16, voters: [{
                voterId: I32, voterDirectoryId: Uuid, endpoints: [{ name: Text, host: Text, port: U16 }],
                kRaftVersionFeature: { minSupportedVersion: I16, maxSupportedVersion: I16 }
            }]
        },
    ),
];

/// A record type by number, with the name that Kafka's tools show.
#[derive(Debug)]
pub(super) struct MetadataType {
    pub(super) id: u32,
    pub(super) name: &'static str,
    pub(super) value: Schema,
}

macro_rules! metadata_types {
    ($($id:literal $name:ident ..= $latest:literal flexible $flexible:tt { $($value:tt)* };)*) => {
        &[$(MetadataType {
            id: $id,
            name: stringify!($name),
            value: Schema { latest: $latest, flexible_from: $flexible, fields: fields! { $($value)* } },
        }),*]
    };
}

/// Everything in `__cluster_metadata`.
pub(super) const METADATA: &[MetadataType] = metadata_types! {
0 REGISTER_BROKER_RECORD ..=3 flexible 0 { brokerId: I32, isMigratingZkBroker: Bool +2,
    incarnationId: Uuid, brokerEpoch: I64, endPoints: [{ name: Text, host: Text, port: U16,
    securityProtocol: I16 }], features: [{ name: Text, minSupportedVersion: I16,
    maxSupportedVersion: I16 }], rack: Text, fenced: Bool, inControlledShutdown: Bool +1, logDirs:
    [Uuid] #0 };
1 UNREGISTER_BROKER_RECORD ..=0 flexible 0 { brokerId: I32, brokerEpoch: I64 };
2 TOPIC_RECORD ..=0 flexible 0 { name: Text, topicId: Uuid };
3 PARTITION_RECORD ..=2 flexible 0 { partitionId: I32, topicId: Uuid, replicas: [I32], isr: [I32],
    removingReplicas: [I32], addingReplicas: [I32], leader: I32, leaderRecoveryState: I8 #0,
    leaderEpoch: I32, partitionEpoch: I32, directories: [Uuid] +1, eligibleLeaderReplicas: [I32] #1,
    lastKnownElr: [I32] #2 };
4 CONFIG_RECORD ..=0 flexible 0 { resourceType: I8, resourceName: Text, name: Text, value: Text };
5 PARTITION_CHANGE_RECORD ..=2 flexible 0 { partitionId: I32, topicId: Uuid, isr: [I32] #0, leader:
    I32 #1, replicas: [I32] #2, removingReplicas: [I32] #3, addingReplicas: [I32] #4,
    leaderRecoveryState: I8 #5, directories: [Uuid] #8, eligibleLeaderReplicas: [I32] #6,
    lastKnownElr: [I32] #7 };
7 FENCE_BROKER_RECORD ..=0 flexible 0 { id: I32, epoch: I64 };
8 UNFENCE_BROKER_RECORD ..=0 flexible 0 { id: I32, epoch: I64 };
9 REMOVE_TOPIC_RECORD ..=0 flexible 0 { topicId: Uuid };
10 DELEGATION_TOKEN_RECORD ..=0 flexible 0 { owner: Text, requester: Text, renewers: [Text],
    issueTimestamp: I64, maxTimestamp: I64, expirationTimestamp: I64, tokenId: Text };
11 USER_SCRAM_CREDENTIAL_RECORD ..=0 flexible 0 { name: Text, mechanism: I8, salt: Bytes, storedKey:
    Bytes, serverKey: Bytes, iterations: I32 };
12 FEATURE_LEVEL_RECORD ..=0 flexible 0 { name: Text, featureLevel: I16 };
14 CLIENT_QUOTA_RECORD ..=0 flexible 0 { entity: [{ entityType: Text, entityName: Text }], key:
    Text, value: F64, remove: Bool };
15 PRODUCER_IDS_RECORD ..=0 flexible 0 { brokerId: I32, brokerEpoch: I64, nextProducerId: I64 };
17 BROKER_REGISTRATION_CHANGE_RECORD ..=2 flexible 0 { brokerId: I32, brokerEpoch: I64, fenced: I8
    #0, inControlledShutdown: I8 #1, logDirs: [Uuid] #2 };
18 ACCESS_CONTROL_ENTRY_RECORD ..=0 flexible 0 { id: Uuid, resourceType: I8, resourceName: Text,
    patternType: I8, principal: Text, host: Text, operation: I8, permissionType: I8 };
19 REMOVE_ACCESS_CONTROL_ENTRY_RECORD ..=0 flexible 0 { id: Uuid };
20 NO_OP_RECORD ..=0 flexible 0 {  };
21 ZK_MIGRATION_STATE_RECORD ..=0 flexible 0 { zkMigrationState: I8 };
22 REMOVE_USER_SCRAM_CREDENTIAL_RECORD ..=0 flexible 0 { name: Text, mechanism: I8 };
23 BEGIN_TRANSACTION_RECORD ..=0 flexible 0 { name: Text #0 };
24 END_TRANSACTION_RECORD ..=0 flexible 0 {  };
25 ABORT_TRANSACTION_RECORD ..=0 flexible 0 { reason: Text #0 };
26 REMOVE_DELEGATION_TOKEN_RECORD ..=0 flexible 0 { tokenId: Text };
27 REGISTER_CONTROLLER_RECORD ..=0 flexible 0 { controllerId: I32, incarnationId: Uuid,
    zkMigrationReady: Bool, endPoints: [{ name: Text, host: Text, port: U16, securityProtocol: I16
    }], features: [{ name: Text, minSupportedVersion: I16, maxSupportedVersion: I16 }] };
28 CLEAR_ELR_RECORD ..=0 flexible 0 { topicName: Text };};
