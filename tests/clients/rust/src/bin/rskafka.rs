//! rskafka: a client in Rust alone, without groups. Usage: rskafka BOOTSTRAP

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use client_check::*;
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;

const TIMEOUT_MS: i32 = 10_000;

#[tokio::main]
async fn main() {
    let client = Arc::new(ClientBuilder::new(vec![bootstrap()]).build().await.expect("a connection"));
    println!("  client rskafka {}", version("rskafka"));
    scenario("topics", "", async || topics(&client).await).await;
    scenario("codecs", "", async || codecs(&client).await).await;
    scenario("keys", "", async || pairs(&client, "keys", &KEYS).await).await;
    scenario("headers", "one value for each name", async || headers(&client).await).await;
    scenario("nulls", "", async || pairs(&client, "nulls", &ODD).await).await;
    scenario("large", "", async || large_value(&client).await).await;
    scenario("times", "", async || times(&client).await).await;
    scenario("delete_records", "", async || delete_records(&client).await).await;
    without(
        "it has no call for it",
        &[
            "resume",
            "rebalance",
            "consumer_protocol",
            "admin",
            "idempotence",
            "transactions",
            "transactional_offsets",
        ],
    );
}

async fn created(client: &Client, topic: &str, partitions: i32) -> PartitionClient {
    let controller = client.controller_client().expect("a controller");
    controller.create_topic(topic, partitions, 1, TIMEOUT_MS).await.expect("a new topic");
    client.partition_client(topic, 0, UnknownTopicHandling::Retry).await.expect("its partition")
}

fn record(value: Option<Vec<u8>>) -> Record {
    Record { key: None, value, headers: BTreeMap::new(), timestamp: Utc::now() }
}

async fn send(partition: &PartitionClient, records: Vec<Record>, compression: Compression) -> Vec<i64> {
    partition.produce(records, compression).await.expect("offsets")
}

async fn read(partition: &PartitionClient, from: i64, count: usize) -> Vec<(i64, Record)> {
    let mut got = Vec::new();
    let mut next = from;
    while got.len() < count {
        let fetched = partition.fetch_records(next, 1..2_000_000, 1_000).await.expect("records");
        got.extend(fetched.0.into_iter().map(|one| (one.offset, one.record)));
        next = got.last().map_or(from, |(offset, _)| offset + 1);
    }
    got
}

async fn topics(client: &Client) {
    let topic = name("topics");
    created(client, &topic, 3).await;
    let listed =
        async || client.list_topics().await.expect("topics").into_iter().find(|one| one.name == topic);
    assert_eq!(listed().await.expect("it is listed").partitions.len(), 3);
    let controller = client.controller_client().expect("a controller");
    controller.delete_topic(&topic, TIMEOUT_MS).await.expect("deleted");
    eventually(async || listed().await.is_none()).await;
}

async fn codecs(client: &Client) {
    let all = [
        ("none", Compression::NoCompression),
        ("gzip", Compression::Gzip),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ];
    for (codec, compression) in all {
        let partition = created(client, &name(codec), 1).await;
        let sent = values(codec, 100);
        let records = sent.iter().map(|value| record(Some(value.clone()))).collect();
        assert_eq!(send(&partition, records, compression).await, (0..100).collect::<Vec<i64>>());
        let got: Vec<Vec<u8>> =
            read(&partition, 0, 100).await.into_iter().filter_map(|(_, record)| record.value).collect();
        assert_eq!(got, sent);
    }
}

async fn pairs(client: &Client, stem: &str, sent: &[Pair]) {
    let partition = created(client, &name(stem), 1).await;
    let records =
        sent.iter().map(|(key, value)| Record { key: key.map(Vec::from), ..record(value.map(Vec::from)) });
    send(&partition, records.collect(), Compression::NoCompression).await;
    for ((_, got), (key, value)) in read(&partition, 0, sent.len()).await.into_iter().zip(sent) {
        assert_eq!((got.key.as_deref(), got.value.as_deref()), (*key, *value));
    }
}

async fn headers(client: &Client) {
    let partition = created(client, &name("headers"), 1).await;
    let headers = BTreeMap::from([("h".to_owned(), b"1".to_vec()), ("empty".to_owned(), Vec::new())]);
    let records = vec![Record { headers: headers.clone(), ..record(None) }, record(None)];
    send(&partition, records, Compression::NoCompression).await;
    let got = read(&partition, 0, 2).await;
    assert_eq!(got[0].1.headers, headers);
    assert!(got[1].1.headers.is_empty());
}

async fn large_value(client: &Client) {
    let partition = created(client, &name("large"), 1).await;
    send(&partition, vec![record(Some(large()))], Compression::NoCompression).await;
    assert!(read(&partition, 0, 1).await[0].1.value.as_deref() == Some(&large()[..]), "the large value");
}

async fn times(client: &Client) {
    let partition = created(client, &name("times"), 1).await;
    let base = base_ms();
    let at = |ms| DateTime::<Utc>::from_timestamp_millis(ms).expect("a time");
    let records = (0..5).map(|i| Record { timestamp: at(base + i), ..record(None) }).collect();
    send(&partition, records, Compression::NoCompression).await;
    for (asked, offset) in
        [(OffsetAt::Timestamp(at(base + 3)), 3), (OffsetAt::Earliest, 0), (OffsetAt::Latest, 5)]
    {
        assert_eq!(partition.get_offset(asked).await.expect("an offset"), offset);
    }
}

async fn delete_records(client: &Client) {
    let partition = created(client, &name("delete"), 1).await;
    send(&partition, (0..10).map(|_| record(None)).collect(), Compression::NoCompression).await;
    partition.delete_records(4, TIMEOUT_MS).await.expect("deleted");
    assert_eq!(partition.get_offset(OffsetAt::Earliest).await.expect("an offset"), 4);
    let offsets: Vec<i64> = read(&partition, 4, 6).await.into_iter().map(|(offset, _)| offset).collect();
    assert_eq!(offsets, (4..10).collect::<Vec<i64>>());
}
