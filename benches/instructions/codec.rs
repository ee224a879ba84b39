//! Messages and records.

use std::borrow::Cow;
use std::hint::black_box;

use bytes::Bytes;
use protocol::codec::{Decode, Reader};
use protocol::frame::{self, LENGTH_BYTES, RequestHeader};
use protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse, PartitionData, Records,
};
use protocol::messages::metadata::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
    TopicProduceResponse,
};
use protocol::records::{Batch, BatchBuilder, Compression};
use protocol::types::{TimestampMs, TopicId};

use crate::Prepared;

/// The time of the first record.
pub(crate) const TIME: TimestampMs = TimestampMs(1_700_000_000_000);
const PRODUCE_VERSION: i16 = 13;
const FETCH_VERSION: i16 = 18;
const METADATA_VERSION: i16 = 13;
const TOPIC: TopicId = TopicId([7; 16]);
const DECOMPRESSED_BYTES_MAX: usize = 16 << 20;

/// A batch of values of 100 bytes that look like events, each with a key of 8.
pub(crate) fn batch(records: u64, codec: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new().compression(codec);
    for i in 0..records {
        let number = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut value =
            format!(r#"{{"user":{},"item":"{number:016x}","action":"view","at":"#, i * 7919 % 5000);
        value.extend(std::iter::repeat_n(' ', 100 - value.len()));
        let time = TimestampMs(TIME.0 + i as i64);
        builder.append(time, Some(&i.to_be_bytes()), Some(value.as_bytes()), &[]);
    }
    builder.build()
}

/// Header and message of a Produce request with one batch of 16 KB.
pub(crate) fn decode_produce_request() -> Prepared {
    let batch = batch(145, Compression::None);
    let partition = PartitionProduceData { index: 0, records: Some(&batch) };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            topic_id: TOPIC,
            partition_data: vec![partition],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    let frame = frame::encode_request(&request, PRODUCE_VERSION, 7, Some("producer-1")).expect("it encodes");
    let frame = frame.slice(LENGTH_BYTES..);
    Box::new(move |_| {
        let mut reader = Reader::new(black_box(&frame));
        let header = RequestHeader::decode(&mut reader).expect("it was encoded above");
        let request = ProduceRequest::decode(&mut reader, header.api_version).expect("it was encoded above");
        black_box(request);
    })
}

/// The answer to that request, header and length with it.
pub(crate) fn encode_produce_response() -> Prepared {
    let partition = PartitionProduceResponse {
        base_offset: 1 << 20,
        log_start_offset: 0,
        ..PartitionProduceResponse::default()
    };
    let topic = TopicProduceResponse {
        topic_id: TOPIC,
        partition_responses: vec![partition],
        ..TopicProduceResponse::default()
    };
    let response = ProduceResponse { responses: vec![topic], ..ProduceResponse::default() };
    Box::new(move |_| {
        black_box(frame::encode_response(black_box(&response), PRODUCE_VERSION, 7).expect("it encodes"));
    })
}

/// Header and message of a full Fetch request.
pub(crate) fn decode_fetch_request() -> Prepared {
    let partition = |partition| FetchPartition {
        partition,
        fetch_offset: 1 << 20,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let request = FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        topics: vec![FetchTopic {
            topic_id: TOPIC,
            partitions: (0..100).map(partition).collect(),
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    let frame = frame::encode_request(&request, FETCH_VERSION, 7, Some("consumer-1")).expect("it encodes");
    let frame = frame.slice(LENGTH_BYTES..);
    Box::new(move |_| {
        let mut reader = Reader::new(black_box(&frame));
        let header = RequestHeader::decode(&mut reader).expect("it was encoded above");
        black_box(FetchRequest::decode(&mut reader, header.api_version).expect("it was encoded above"));
    })
}

/// An answer with 16 KB of each partition, which are spliced in and not copied.
pub(crate) fn encode_fetch_response() -> Prepared {
    let records = Bytes::from(batch(145, Compression::None));
    let partition = |partition_index| PartitionData {
        partition_index,
        high_watermark: 1 << 20,
        last_stable_offset: 1 << 20,
        log_start_offset: 0,
        aborted_transactions: None,
        records: Records::from(records.clone()),
        ..PartitionData::default()
    };
    let topic = FetchableTopicResponse {
        topic_id: TOPIC,
        partitions: (0..100).map(partition).collect(),
        ..FetchableTopicResponse::default()
    };
    let response = FetchResponse { responses: vec![topic], ..FetchResponse::default() };
    Box::new(move |_| {
        black_box(frame::encode_response(black_box(&response), FETCH_VERSION, 7).expect("it encodes"));
    })
}

/// An answer about 100 topics of 10 partitions.
pub(crate) fn encode_metadata_response() -> Prepared {
    let partition = |partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: 1,
        leader_epoch: 0,
        replica_nodes: vec![1],
        isr_nodes: vec![1],
        ..MetadataResponsePartition::default()
    };
    let topic = |number: u8| MetadataResponseTopic {
        name: Some(Cow::Owned(format!("topic-{number:03}"))),
        topic_id: TopicId([number; 16]),
        partitions: (0..10).map(partition).collect(),
        ..MetadataResponseTopic::default()
    };
    let broker = MetadataResponseBroker {
        node_id: 1,
        host: Cow::Borrowed("broker.example.com"),
        port: 9092,
        ..MetadataResponseBroker::default()
    };
    let response = MetadataResponse {
        brokers: vec![broker],
        cluster_id: Some(Cow::Borrowed("MkU3OEVBNTcwNTJENDM2Qg")),
        controller_id: 1,
        topics: (0..100).map(topic).collect(),
        ..MetadataResponse::default()
    };
    Box::new(move |_| {
        black_box(frame::encode_response(black_box(&response), METADATA_VERSION, 7).expect("it encodes"));
    })
}

/// Every record of a batch, with its key, value and headers.
pub(crate) fn walk_records() -> Prepared {
    let bytes = batch(1_000, Compression::None);
    let mut scratch = Vec::new();
    Box::new(move |_| {
        let (batch, _) = Batch::parse(black_box(&bytes)).expect("it was built above");
        let records = batch.decompressed(DECOMPRESSED_BYTES_MAX, &mut scratch).expect("it was built above");
        let bytes: usize = records
            .flatten()
            .map(|r| r.key.map_or(0, <[u8]>::len) + r.value.map_or(0, <[u8]>::len) + r.headers().len())
            .sum();
        black_box(bytes);
    })
}
