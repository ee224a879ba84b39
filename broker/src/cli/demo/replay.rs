//! Produces the sample through the Kafka port.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use indicatif::ProgressBar;
use protocol::error_code::ErrorCode;
use protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use protocol::messages::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use protocol::records::BatchBuilder;
use protocol::types::TimestampMs;
use serde::Serialize;

use super::data::Sample;
use crate::client::{Client, ClientError, check, decode};

const EVENTS_TOPIC: &str = "user_behavior";
const ITEMS_TOPIC: &str = "items";
/// Versions this client speaks, each served by Kafka since 2.4.
const CREATE_TOPICS_VERSION: i16 = 5;
const LIST_OFFSETS_VERSION: i16 = 5;
const PRODUCE_VERSION: i16 = 8;
/// Events in one batch.
const BATCH_EVENTS: usize = 500;
/// Batches sent and not yet answered.
const IN_FLIGHT: usize = 5;
/// How long one request may take.
const TIMEOUT_MS: i32 = 30_000;

/// Whether the sample had to be produced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replayed {
    Now,
    Before,
}

#[derive(Serialize)]
struct Item<'a> {
    item_id: &'a str,
    title: &'a str,
}

/// Makes the topics and produces items and events, unless they are there already.
pub(super) async fn run(
    client: &mut Client,
    sample: &Sample,
    bar: &ProgressBar,
) -> Result<Replayed, ClientError> {
    create_topics(client).await?;
    if end_of(client, EVENTS_TOPIC).await? >= sample.events.len() as i64 {
        return Ok(Replayed::Before);
    }
    let items =
        sample.items.iter().map(|(item_id, title)| (item_id.as_str(), json(&Item { item_id, title })));
    produce(client, ITEMS_TOPIC, items, &ProgressBar::hidden()).await?;
    let events = sample.events.iter().map(|event| (event.user_id.as_str(), json(event)));
    produce(client, EVENTS_TOPIC, events, bar).await?;
    Ok(Replayed::Now)
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("text and numbers always serialise")
}

async fn create_topics(client: &mut Client) -> Result<(), ClientError> {
    let topic = |name: &'static str, config: (&'static str, &'static str)| CreatableTopic {
        name: Cow::Borrowed(name),
        num_partitions: 1,
        replication_factor: 1,
        configs: vec![CreatableTopicConfig {
            name: Cow::Borrowed(config.0),
            value: Some(Cow::Borrowed(config.1)),
        }],
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![
            topic(EVENTS_TOPIC, ("retention.ms", "-1")),
            topic(ITEMS_TOPIC, ("cleanup.policy", "compact")),
        ],
        timeout_ms: TIMEOUT_MS,
        ..CreateTopicsRequest::default()
    };
    let frame = client.call(&request, CREATE_TOPICS_VERSION).await?;
    let response: CreateTopicsResponse<'_> = decode(&frame, CREATE_TOPICS_VERSION)?;
    let is_made = |code: i16| code == ErrorCode::TopicAlreadyExists.code();
    response
        .topics
        .iter()
        .filter(|topic| !is_made(topic.error_code))
        .try_for_each(|topic| check(topic.error_code))
}

/// The offset at which the topic's only partition ends.
async fn end_of(client: &mut Client, topic: &str) -> Result<i64, ClientError> {
    let partition = ListOffsetsPartition { timestamp: -1, ..ListOffsetsPartition::default() };
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic { name: Cow::Borrowed(topic), partitions: vec![partition] }],
        ..ListOffsetsRequest::default()
    };
    let frame = client.call(&request, LIST_OFFSETS_VERSION).await?;
    let response: ListOffsetsResponse<'_> = decode(&frame, LIST_OFFSETS_VERSION)?;
    let partition = response.topics.first().and_then(|topic| topic.partitions.first());
    let partition = partition.ok_or(ClientError::Refused(ErrorCode::UnknownTopicOrPartition))?;
    check(partition.error_code)?;
    Ok(partition.offset)
}

/// Produces keyed records with acks=1, several batches in flight.
async fn produce<'a>(
    client: &mut Client,
    topic: &str,
    records: impl Iterator<Item = (&'a str, Vec<u8>)>,
    bar: &ProgressBar,
) -> Result<(), ClientError> {
    let mut in_flight = VecDeque::new();
    let mut records = records.peekable();
    while records.peek().is_some() {
        let mut batch = BatchBuilder::new();
        for (key, value) in records.by_ref().take(BATCH_EVENTS) {
            batch.append(now(), Some(key.as_bytes()), Some(&value), &[]);
        }
        in_flight.push_back(batch.record_count());
        let batch = batch.build();
        client.send(&produce_request(topic, &batch), PRODUCE_VERSION).await?;
        if in_flight.len() >= IN_FLIGHT {
            acknowledged(client).await?;
            bar.inc(in_flight.pop_front().unwrap_or_default() as u64);
        }
    }
    for count in in_flight {
        acknowledged(client).await?;
        bar.inc(count as u64);
    }
    Ok(())
}

fn produce_request<'a>(topic: &'a str, batch: &'a [u8]) -> ProduceRequest<'a> {
    let partition = PartitionProduceData { index: 0, records: Some(batch) };
    ProduceRequest {
        acks: 1,
        timeout_ms: TIMEOUT_MS,
        topic_data: vec![TopicProduceData {
            name: Cow::Borrowed(topic),
            partition_data: vec![partition],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    }
}

async fn acknowledged(client: &mut Client) -> Result<(), ClientError> {
    let frame = client.receive().await?;
    let response: ProduceResponse<'_> = decode(&frame, PRODUCE_VERSION)?;
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    partitions.into_iter().try_for_each(|partition| check(partition.error_code))
}

fn now() -> TimestampMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
