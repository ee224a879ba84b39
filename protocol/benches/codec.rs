//! What does a message cost to read and to write, beside the `kafka-protocol` crate?
//!
//! Messages as they are on a busy broker, each in the newest version that both crates have and in an old one. Both
//! read the same bytes: ours borrows from the frame, theirs takes counted references to it. Frame headers are left out,
//! and dropping what was read is not timed. Bytes are those of the whole message, records included, though neither
//! crate looks at those.
//!
//! ```text
//! cargo bench -p kindred-protocol --bench codec                    # all
//! cargo bench -p kindred-protocol --bench codec -- decode          # by name
//! cargo bench -p kindred-protocol --bench codec -- MetadataResponse
//! ```

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable};
use protocol::codec::{Decode, Encode, Reader, Writer};
use protocol::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse, PartitionData, Records,
};
use protocol::messages::find_coordinator::{Coordinator, FindCoordinatorResponse};
use protocol::messages::heartbeat::HeartbeatRequest;
use protocol::messages::join_group::{JoinGroupResponse, JoinGroupResponseMember};
use protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use protocol::messages::metadata::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_fetch::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
    TopicProduceResponse,
};
use protocol::records::BatchBuilder;
use protocol::types::{TimestampMs, TopicId};

const TOPIC: &str = "user_behavior";
const ID: TopicId = TopicId([7; 16]);
const GROUP: &str = "analytics";
const MEMBER: &str = "consumer-analytics-1-5f0b3c0e-8a87-4f7e-9d0c-0a2f6a3b1c4d";
const HOST: &str = "broker-1.example.com";

/// 16 KB in one record: nobody looks into it here.
static RECORDS: LazyLock<Bytes> = LazyLock::new(|| {
    let mut builder = BatchBuilder::new();
    builder.append(TimestampMs(1_700_000_000_000), None, Some(&[b'x'; 16_000]), &[]);
    builder.build().into()
});

fn main() {
    divan::main();
}

/// One way of one crate: given a message's bytes and version, it is timed.
type Side = fn(Bencher<'_, '_>, &Bytes, i16);

/// A message in one version, and how each crate reads and writes it.
struct Case {
    name: &'static str,
    version: i16,
    bytes: fn(i16) -> Bytes,
    decode: Side,
    decode_theirs: Side,
    encode: Side,
    encode_theirs: Side,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}", self.name, self.version)
    }
}

impl Case {
    fn run(&self, bencher: Bencher<'_, '_>, side: Side) {
        let bytes = (self.bytes)(self.version);
        side(bencher, &bytes, self.version);
    }
}

fn encoded<M: Encode>(message: &M, version: i16) -> Bytes {
    let mut writer = Writer::new();
    message.encode(&mut writer, version).expect("the message fits the version");
    writer.into_bytes()
}

fn decode_theirs<M: Decodable>(bencher: Bencher<'_, '_>, bytes: &Bytes, version: i16) {
    M::decode(&mut bytes.clone(), version).expect("their crate has the version");
    bencher.counter(BytesCount::new(bytes.len())).bench(|| M::decode(&mut black_box(bytes).clone(), version));
}

fn encode_theirs<M: Decodable + Encodable + Sync>(bencher: Bencher<'_, '_>, bytes: &Bytes, version: i16) {
    let message = M::decode(&mut bytes.clone(), version).expect("their crate has the version");
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        let mut buffer = BytesMut::new();
        black_box(&message).encode(&mut buffer, version).map(|()| buffer)
    });
}

/// The rows: a name, the type (both crates call it the same), versions, and what makes one of ours for a version.
macro_rules! cases {
    ($($name:literal $message:ident [$($version:literal)*] $make:expr;)*) => {
        const CASES: &[Case] = &[$($(Case {
            name: $name,
            version: $version,
            bytes: |version| encoded::<$message<'_>>(&$make(version), version),
            decode: |bencher, bytes, version| {
                bencher
                    .counter(BytesCount::new(bytes.len()))
                    .bench(|| $message::decode(&mut Reader::shared(black_box(bytes)), version));
            },
            decode_theirs: decode_theirs::<theirs::$message>,
            encode: |bencher, bytes, version| {
                let message = $message::decode(&mut Reader::shared(bytes), version).expect("it was encoded");
                bencher.counter(BytesCount::new(bytes.len())).bench(|| {
                    let mut writer = Writer::new();
                    black_box(&message).encode(&mut writer, version).map(|()| writer.finish())
                });
            },
            encode_theirs: encode_theirs::<theirs::$message>,
        },)*)*];
    };
}

cases! {
    "ApiVersionsResponse, 60 keys" ApiVersionsResponse [0 4] api_versions;
    "MetadataResponse, 1 topic" MetadataResponse [1 13] |version| metadata(version, 1);
    "MetadataResponse, 1,000 topics" MetadataResponse [1 13] |version| metadata(version, 1_000);
    "ProduceRequest, 16 KB" ProduceRequest [3 13] produce;
    "ProduceResponse" ProduceResponse [3 13] produced;
    "FetchRequest, 1 partition" FetchRequest [4 18] |_| fetch(1);
    "FetchRequest, 1,000 partitions" FetchRequest [4 18] |_| fetch(1_000);
    "FetchResponse, 1 partition of 16 KB" FetchResponse [4 18] |_| fetched(1);
    "FetchResponse, 1,000 partitions of 16 KB" FetchResponse [4 18] |_| fetched(1_000);
    "ListOffsetsRequest, 100 partitions" ListOffsetsRequest [1 10] list_offsets;
    "OffsetCommitRequest, 100 partitions" OffsetCommitRequest [2 9] offset_commit;
    "OffsetFetchResponse, 100 partitions" OffsetFetchResponse [1 9] offsets_fetched;
    "FindCoordinatorResponse" FindCoordinatorResponse [0 6] coordinators;
    "JoinGroupResponse, 50 members" JoinGroupResponse [0 9] joined;
    "HeartbeatRequest" HeartbeatRequest [0 4] heartbeat;
}

#[divan::bench(args = CASES)]
fn decode(bencher: Bencher<'_, '_>, case: &Case) {
    case.run(bencher, case.decode);
}

#[divan::bench(args = CASES)]
fn decode_kafka_protocol(bencher: Bencher<'_, '_>, case: &Case) {
    case.run(bencher, case.decode_theirs);
}

#[divan::bench(args = CASES)]
fn encode(bencher: Bencher<'_, '_>, case: &Case) {
    case.run(bencher, case.encode);
}

#[divan::bench(args = CASES)]
fn encode_kafka_protocol(bencher: Bencher<'_, '_>, case: &Case) {
    case.run(bencher, case.encode_theirs);
}

fn api_versions(_: i16) -> ApiVersionsResponse<'static> {
    let key = |api_key| ApiVersion { api_key, min_version: 0, max_version: 13 };
    ApiVersionsResponse { api_keys: (0..60).map(key).collect(), ..ApiVersionsResponse::default() }
}

/// Topics of one partition.
fn metadata(version: i16, topics: usize) -> MetadataResponse<'static> {
    let broker = MetadataResponseBroker {
        node_id: 1,
        host: Cow::Borrowed(HOST),
        port: 9092,
        ..MetadataResponseBroker::default()
    };
    let topic = |number| MetadataResponseTopic {
        name: Some(Cow::Owned(format!("{TOPIC}-{number:04}"))),
        topic_id: ID,
        partitions: vec![MetadataResponsePartition {
            leader_id: 1,
            leader_epoch: 0,
            replica_nodes: vec![1],
            isr_nodes: vec![1],
            ..MetadataResponsePartition::default()
        }],
        ..MetadataResponseTopic::default()
    };
    MetadataResponse {
        brokers: vec![broker],
        cluster_id: (version >= 2).then_some(Cow::Borrowed("MkU3OEVBNTcwNTJENDM2Qg")),
        controller_id: 1,
        topics: (0..topics).map(topic).collect(),
        ..MetadataResponse::default()
    }
}

fn produce(_: i16) -> ProduceRequest<'static> {
    let partition = PartitionProduceData { index: 3, records: Some(&RECORDS) };
    let topic =
        TopicProduceData { name: Cow::Borrowed(TOPIC), topic_id: ID, partition_data: vec![partition] };
    ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..ProduceRequest::default() }
}

fn produced(_: i16) -> ProduceResponse<'static> {
    let partition =
        PartitionProduceResponse { index: 3, base_offset: 1 << 20, ..PartitionProduceResponse::default() };
    let topic = TopicProduceResponse {
        name: Cow::Borrowed(TOPIC),
        topic_id: ID,
        partition_responses: vec![partition],
    };
    ProduceResponse { responses: vec![topic], ..ProduceResponse::default() }
}

fn fetch(partitions: i32) -> FetchRequest<'static> {
    let partition = |partition| FetchPartition {
        partition,
        fetch_offset: 1 << 20,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic: Cow::Borrowed(TOPIC),
        topic_id: ID,
        partitions: (0..partitions).map(partition).collect(),
    };
    FetchRequest { max_wait_ms: 500, min_bytes: 1, topics: vec![topic], ..FetchRequest::default() }
}

fn fetched(partitions: i32) -> FetchResponse<'static> {
    let partition = |partition_index| PartitionData {
        partition_index,
        high_watermark: 1 << 20,
        last_stable_offset: 1 << 20,
        aborted_transactions: None,
        records: Records::from(RECORDS.clone()),
        ..PartitionData::default()
    };
    let topic = FetchableTopicResponse {
        topic: Cow::Borrowed(TOPIC),
        topic_id: ID,
        partitions: (0..partitions).map(partition).collect(),
    };
    FetchResponse { responses: vec![topic], ..FetchResponse::default() }
}

fn list_offsets(_: i16) -> ListOffsetsRequest<'static> {
    let partition = |partition_index| ListOffsetsPartition {
        partition_index,
        timestamp: -1,
        ..ListOffsetsPartition::default()
    };
    let topic =
        ListOffsetsTopic { name: Cow::Borrowed(TOPIC), partitions: (0..100).map(partition).collect() };
    ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..ListOffsetsRequest::default() }
}

fn offset_commit(_: i16) -> OffsetCommitRequest<'static> {
    let partition = |partition_index| OffsetCommitRequestPartition {
        partition_index,
        committed_offset: 1 << 20,
        ..OffsetCommitRequestPartition::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: Cow::Borrowed(TOPIC),
        partitions: (0..100).map(partition).collect(),
        ..OffsetCommitRequestTopic::default()
    };
    OffsetCommitRequest {
        group_id: Cow::Borrowed(GROUP),
        generation_id_or_member_epoch: 5,
        member_id: Cow::Borrowed(MEMBER),
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    }
}

/// From version 8 on the answer has a list of groups.
fn offsets_fetched(version: i16) -> OffsetFetchResponse<'static> {
    let (mut topics, mut groups) = (Vec::new(), Vec::new());
    if version >= 8 {
        let partition = |partition_index| OffsetFetchResponsePartitions {
            partition_index,
            committed_offset: 1 << 20,
            ..OffsetFetchResponsePartitions::default()
        };
        let topic = OffsetFetchResponseTopics {
            name: Cow::Borrowed(TOPIC),
            partitions: (0..100).map(partition).collect(),
            ..OffsetFetchResponseTopics::default()
        };
        groups.push(OffsetFetchResponseGroup {
            group_id: Cow::Borrowed(GROUP),
            topics: vec![topic],
            ..OffsetFetchResponseGroup::default()
        });
    } else {
        let partition = |partition_index| OffsetFetchResponsePartition {
            partition_index,
            committed_offset: 1 << 20,
            ..OffsetFetchResponsePartition::default()
        };
        topics.push(OffsetFetchResponseTopic {
            name: Cow::Borrowed(TOPIC),
            partitions: (0..100).map(partition).collect(),
        });
    }
    OffsetFetchResponse { topics, groups, ..OffsetFetchResponse::default() }
}

/// From version 4 on the answer has a list of coordinators.
fn coordinators(version: i16) -> FindCoordinatorResponse<'static> {
    let (node_id, host, port) = (1, Cow::Borrowed(HOST), 9092);
    if version < 4 {
        return FindCoordinatorResponse { node_id, host, port, ..FindCoordinatorResponse::default() };
    }
    let coordinator =
        Coordinator { key: Cow::Borrowed(GROUP), node_id, host, port, ..Coordinator::default() };
    FindCoordinatorResponse { coordinators: vec![coordinator], ..FindCoordinatorResponse::default() }
}

/// The answer to the leader, with everybody's subscription.
fn joined(_: i16) -> JoinGroupResponse<'static> {
    let member = JoinGroupResponseMember {
        member_id: Cow::Borrowed(MEMBER),
        metadata: Cow::Borrowed(&[7; 60]),
        ..JoinGroupResponseMember::default()
    };
    JoinGroupResponse {
        generation_id: 5,
        protocol_name: Some(Cow::Borrowed("range")),
        leader: Cow::Borrowed(MEMBER),
        member_id: Cow::Borrowed(MEMBER),
        members: vec![member; 50],
        ..JoinGroupResponse::default()
    }
}

fn heartbeat(_: i16) -> HeartbeatRequest<'static> {
    HeartbeatRequest {
        group_id: Cow::Borrowed(GROUP),
        generation_id: 5,
        member_id: Cow::Borrowed(MEMBER),
        ..HeartbeatRequest::default()
    }
}
