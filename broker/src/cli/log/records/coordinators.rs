//! The records of `__consumer_offsets` and `__transaction_state`: keys by type, values by version.
//!
//! Source: `group-coordinator/…/*.json` and `transaction-coordinator/…/*.json` in Apache Kafka 4.1.

use super::schema::{NEVER, Schema, fields};

/// A record type: its key's fields, and its value's.
#[derive(Debug)]
pub(super) struct RecordType {
    pub(super) id: i16,
    pub(super) key: Schema,
    pub(super) value: Schema,
}

macro_rules! record_types {
    ($($id:literal $name:ident { $($key:tt)* } ..= $latest:literal flexible $flexible:tt { $($value:tt)* };)*) => {
        &[$(RecordType {
            id: $id,
            key: Schema { latest: i16::MAX, flexible_from: NEVER, fields: fields! { $($key)* } },
            value: Schema { latest: $latest, flexible_from: $flexible, fields: fields! { $($value)* } },
        }),*]
    };
}

/// Everything in `__consumer_offsets`.
pub(super) const GROUPS: &[RecordType] = record_types! {
0 LegacyOffsetCommit { group: Text, topic: Text, partition: I32 } ..=0 flexible NEVER { offset: I64,
    metadata: Text, commitTimestamp: I64 };
1 OffsetCommit { group: Text, topic: Text, partition: I32 } ..=4 flexible 4 { offset: I64,
    leaderEpoch: I32 +3, metadata: Text, commitTimestamp: I64, expireTimestamp: I64 =1, topicId:
    Uuid #0 };
2 GroupMetadata { group: Text } ..=4 flexible 4 { protocolType: Text, generation: I32, protocol:
    Text, leader: Text, currentStateTimestamp: I64 +2, members: [{ memberId: Text, groupInstanceId:
    Text +3, clientId: Text, clientHost: Text, rebalanceTimeout: I32 +1, sessionTimeout: I32,
    subscription: Subscription, assignment: Assignment }] };
3 ConsumerGroupMetadata { groupId: Text } ..=0 flexible 0 { epoch: I32, metadataHash: I64 #0 };
4 ConsumerGroupPartitionMetadata { groupId: Text } ..=0 flexible 0 { topics: [{ topicId: Uuid,
    topicName: Text, numPartitions: I32, partitionMetadata: [{ partition: I32, racks: [Text] }] }]
    };
5 ConsumerGroupMemberMetadata { groupId: Text, memberId: Text } ..=0 flexible 0 { instanceId: Text,
    rackId: Text, clientId: Text, clientHost: Text, subscribedTopicNames: [Text],
    subscribedTopicRegex: Text, rebalanceTimeoutMs: I32, serverAssignor: Text,
    classicMemberMetadata: (maybe { sessionTimeoutMs: I32, supportedProtocols: [{ name: Text,
    metadata: Bytes }] }) #0 };
6 ConsumerGroupTargetAssignmentMetadata { groupId: Text } ..=0 flexible 0 { assignmentEpoch: I32 };
7 ConsumerGroupTargetAssignmentMember { groupId: Text, memberId: Text } ..=0 flexible 0 {
    topicPartitions: [{ topicId: Uuid, partitions: [I32] }] };
8 ConsumerGroupCurrentMemberAssignment { groupId: Text, memberId: Text } ..=0 flexible 0 {
    memberEpoch: I32, previousMemberEpoch: I32, state: I8, assignedPartitions: [{ topicId: Uuid,
    partitions: [I32] }], partitionsPendingRevocation: [{ topicId: Uuid, partitions: [I32] }] };
10 ShareGroupMemberMetadata { groupId: Text, memberId: Text } ..=0 flexible 0 { rackId: Text,
    clientId: Text, clientHost: Text, subscribedTopicNames: [Text] };
11 ShareGroupMetadata { groupId: Text } ..=0 flexible 0 { epoch: I32, metadataHash: I64 };
12 ShareGroupTargetAssignmentMetadata { groupId: Text } ..=0 flexible 0 { assignmentEpoch: I32 };
13 ShareGroupTargetAssignmentMember { groupId: Text, memberId: Text } ..=0 flexible 0 {
    topicPartitions: [{ topicId: Uuid, partitions: [I32] }] };
14 ShareGroupCurrentMemberAssignment { groupId: Text, memberId: Text } ..=0 flexible 0 {
    memberEpoch: I32, previousMemberEpoch: I32, state: I8, assignedPartitions: [{ topicId: Uuid,
    partitions: [I32] }] };
15 ShareGroupStatePartitionMetadata { groupId: Text } ..=0 flexible 0 { initializingTopics: [{
    topicId: Uuid, topicName: Text, partitions: [I32] }], initializedTopics: [{ topicId: Uuid,
    topicName: Text, partitions: [I32] }], deletingTopics: [{ topicId: Uuid, topicName: Text }] };
16 ConsumerGroupRegularExpression { groupId: Text, regularExpression: Text } ..=0 flexible 0 {
    topics: [Text], version: I64, timestamp: I64 };
17 StreamsGroupMetadata { groupId: Text } ..=0 flexible 0 { epoch: I32, metadataHash: I64 };
19 StreamsGroupMemberMetadata { groupId: Text, memberId: Text } ..=0 flexible 0 { instanceId: Text,
    rackId: Text, clientId: Text, clientHost: Text, rebalanceTimeoutMs: I32, topologyEpoch: I32,
    processId: Text, userEndpoint: (maybe { host: Text, port: U16 }), clientTags: [{ key: Text,
    value: Text }] };
20 StreamsGroupTargetAssignmentMetadata { groupId: Text } ..=0 flexible 0 { assignmentEpoch: I32 };
21 StreamsGroupTargetAssignmentMember { groupId: Text, memberId: Text } ..=0 flexible 0 {
    activeTasks: [{ subtopologyId: Text, partitions: [I32] }], standbyTasks: [{ subtopologyId: Text,
    partitions: [I32] }], warmupTasks: [{ subtopologyId: Text, partitions: [I32] }] };
22 StreamsGroupCurrentMemberAssignment { groupId: Text, memberId: Text } ..=0 flexible 0 {
    memberEpoch: I32, previousMemberEpoch: I32, state: I8, activeTasks: [{ subtopologyId: Text,
    partitions: [I32] }], standbyTasks: [{ subtopologyId: Text, partitions: [I32] }], warmupTasks:
    [{ subtopologyId: Text, partitions: [I32] }], activeTasksPendingRevocation: [{ subtopologyId:
    Text, partitions: [I32] }], standbyTasksPendingRevocation: [{ subtopologyId: Text, partitions:
    [I32] }], warmupTasksPendingRevocation: [{ subtopologyId: Text, partitions: [I32] }] };
23 StreamsGroupTopology { groupId: Text } ..=0 flexible 0 { epoch: I32, subtopologies: [{
    subtopologyId: Text, sourceTopics: [Text], sourceTopicRegex: [Text], stateChangelogTopics: [{
    name: Text, partitions: I32, replicationFactor: I16, topicConfigs: [{ key: Text, value: Text }]
    }], repartitionSinkTopics: [Text], repartitionSourceTopics: [{ name: Text, partitions: I32,
    replicationFactor: I16, topicConfigs: [{ key: Text, value: Text }] }], copartitionGroups: [{
    sourceTopics: [I16], sourceTopicRegex: [I16], repartitionSourceTopics: [I16] }] }] };};

/// Everything in `__transaction_state`.
pub(super) const TRANSACTIONS: &[RecordType] = record_types! {
0 TransactionLog { transactionalId: Text } ..=1 flexible 1 { producerId: I64, previousProducerId:
    I64 #0, nextProducerId: I64 #1, producerEpoch: I16, nextProducerEpoch: I16 #3,
    transactionTimeoutMs: I32, transactionStatus: I8, transactionPartitions: [{ topic: Text,
    partitionIds: [I32] }], transactionLastUpdateTimestampMs: I64, transactionStartTimestampMs: I64,
    clientTransactionVersion: I16 #2 };};
