//! rdkafka: librdkafka through Rust. Usage: rdkafka BOOTSTRAP

use client_check::*;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, FromClientConfig};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

const RETENTION: &str = "retention.ms";

#[tokio::main]
async fn main() {
    println!(
        "  client rdkafka {} (librdkafka {})",
        version("rdkafka"),
        rdkafka::util::get_rdkafka_version().1
    );
    scenario("topics", "", async || topics().await).await;
    scenario("codecs", "", async || codecs().await).await;
    scenario("keys", "", async || pairs("keys", &KEYS).await).await;
    scenario("headers", "", async || headers().await).await;
    scenario("nulls", "", async || pairs("nulls", &ODD).await).await;
    scenario("large", "", async || large_value().await).await;
    scenario("resume", "", async || resumes(&name("resume"), &[]).await).await;
    scenario("rebalance", "", async || {
        for strategy in ["range", "cooperative-sticky"] {
            let more = [("partition.assignment.strategy", strategy), ("heartbeat.interval.ms", "500")];
            rebalances(&name(strategy), &more).await;
        }
    })
    .await;
    scenario("consumer_protocol", "", async || {
        resumes(&name("848-resume"), &[("group.protocol", "consumer")]).await;
        rebalances(&name("848-rebalance"), &[("group.protocol", "consumer")]).await;
    })
    .await;
    scenario("admin", "", async || administration().await).await;
    scenario("idempotence", "", async || idempotence().await).await;
    scenario("transactions", "", async || transactions().await).await;
    scenario("transactional_offsets", "", async || transactional_offsets().await).await;
    scenario("times", "", async || times().await).await;
    scenario("delete_records", "", async || delete_records().await).await;
}

fn client<C: FromClientConfig>(settings: &[(&str, &str)]) -> C {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap());
    settings.iter().for_each(|(key, value)| {
        config.set(*key, *value);
    });
    config.create().expect("a client")
}

fn admin() -> AdminClient<DefaultClientContext> {
    client(&[])
}

fn consumer(group: &str, more: &[(&str, &str)]) -> BaseConsumer {
    let settings = [("group.id", group), ("auto.offset.reset", "earliest"), ("enable.auto.commit", "false")];
    client(&[&settings, more].concat())
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE))
}

async fn create(topic: &str, partitions: i32, configs: &[(&str, &str)]) {
    let wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let wanted = configs.iter().fold(wanted, |topic, (key, value)| topic.set(key, value));
    admin().create_topics([&wanted], &options()).await.expect("an answer")[0].as_ref().expect("a new topic");
}

/// What is sent: a key, a value, headers and a time.
#[derive(Default)]
struct Sent<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Option<OwnedHeaders>,
    timestamp: Option<i64>,
}

fn plain(values: &[Vec<u8>]) -> Vec<Sent<'_>> {
    values.iter().map(|value| Sent { value: Some(value), ..Sent::default() }).collect()
}

async fn send(topic: &str, records: Vec<Sent<'_>>, more: &[(&str, &str)]) -> Vec<i64> {
    let producer: FutureProducer =
        client(&[&[("message.max.bytes", "2000000"), ("linger.ms", "10")], more].concat());
    let mut deliveries = Vec::new();
    for sent in records {
        let record = FutureRecord {
            topic,
            partition: Some(0),
            payload: sent.value,
            key: sent.key,
            timestamp: sent.timestamp,
            headers: sent.headers,
        };
        deliveries
            .push(producer.send_result::<[u8], [u8]>(record).map_err(|(error, _)| error).expect("room"));
    }
    let mut offsets = Vec::new();
    for delivery in deliveries {
        offsets
            .push(delivery.await.expect("a delivery").map_err(|(error, _)| error).expect("an offset").offset);
    }
    offsets
}

async fn read(consumer: &BaseConsumer, count: usize) -> Vec<OwnedMessage> {
    let mut got = Vec::new();
    eventually(async || {
        while let Some(message) = consumer.poll(std::time::Duration::from_millis(100)) {
            got.push(message.expect("a message").detach());
            if got.len() >= count {
                return true;
            }
        }
        false
    })
    .await;
    got
}

async fn read_topic(topic: &str, count: usize, more: &[(&str, &str)]) -> Vec<OwnedMessage> {
    let reader = consumer("unused", more);
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, Offset::Beginning).expect("an offset");
    reader.assign(&partitions).expect("assigned");
    read(&reader, count).await
}

fn values_of(messages: &[OwnedMessage]) -> Vec<Vec<u8>> {
    messages.iter().map(|one| one.payload().expect("a value").to_vec()).collect()
}

fn partitions_of(topic: &str) -> usize {
    let reader = consumer("unused", &[("allow.auto.create.topics", "false")]);
    let metadata = reader.fetch_metadata(Some(topic), PATIENCE).expect("metadata");
    metadata.topics()[0].partitions().len()
}

async fn topics() {
    let topic = name("topics");
    create(&topic, 3, &[]).await;
    eventually(async || partitions_of(&topic) == 3).await;
    admin().delete_topics(&[&topic], &options()).await.expect("an answer")[0].as_ref().expect("deleted");
    eventually(async || {
        let metadata = consumer("unused", &[]).fetch_metadata(None, PATIENCE).expect("metadata");
        metadata.topics().iter().all(|one| one.name() != topic)
    })
    .await;
}

async fn codecs() {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = name(codec);
        create(&topic, 1, &[]).await;
        let sent = values(codec, 100);
        let offsets = send(&topic, plain(&sent), &[("compression.type", codec)]).await;
        assert_eq!(offsets, (0..100).collect::<Vec<i64>>());
        assert_eq!(values_of(&read_topic(&topic, 100, &[]).await), sent);
    }
}

async fn pairs(stem: &str, sent: &[Pair]) {
    let topic = name(stem);
    create(&topic, 1, &[]).await;
    let records = sent.iter().map(|&(key, value)| Sent { key, value, ..Sent::default() }).collect();
    send(&topic, records, &[]).await;
    for (got, expected) in read_topic(&topic, sent.len(), &[]).await.iter().zip(sent) {
        assert_eq!((got.key(), got.payload()), *expected);
    }
}

async fn headers() {
    let topic = name("headers");
    create(&topic, 1, &[]).await;
    let some: [(&str, Option<&[u8]>); 3] = [("h", Some(b"1")), ("h", None), ("empty", Some(b""))];
    let owned =
        some.iter().fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: *value }));
    send(&topic, vec![Sent { headers: Some(owned), ..Sent::default() }, Sent::default()], &[]).await;
    let got = read_topic(&topic, 2, &[]).await;
    let first: Vec<(&str, Option<&[u8]>)> =
        got[0].headers().expect("headers").iter().map(|header| (header.key, header.value)).collect();
    assert_eq!(first, some);
    assert!(got[1].headers().is_none());
}

async fn large_value() {
    let topic = name("large");
    create(&topic, 1, &[]).await;
    send(&topic, plain(&[large()]), &[]).await;
    assert!(read_topic(&topic, 1, &[]).await[0].payload() == Some(&large()[..]), "the large value");
}

async fn resumes(topic: &str, more: &[(&str, &str)]) {
    create(topic, 1, &[]).await;
    let sent = values("resume", 10);
    send(topic, plain(&sent), &[]).await;
    let mut seen = Vec::new();
    for count in [4, 6] {
        let member = consumer(topic, more);
        member.subscribe(&[topic]).expect("subscribed");
        seen.extend(read(&member, count).await);
        let mut position = TopicPartitionList::new();
        position.add_partition_offset(topic, 0, Offset::Offset(seen.len() as i64)).expect("an offset");
        member.commit(&position, CommitMode::Sync).expect("committed");
    }
    assert_eq!(values_of(&seen), sent);
}

async fn rebalances(topic: &str, more: &[(&str, &str)]) {
    create(topic, 2, &[]).await;
    let join = || {
        let member = consumer(topic, more);
        member.subscribe(&[topic]).expect("subscribed");
        member
    };
    let owned = |member: &BaseConsumer| {
        let _ = member.poll(std::time::Duration::from_millis(20));
        member.assignment().expect("an assignment").count()
    };
    let (one, two) = (join(), join());
    // Both are polled each time: either may have to give something up first.
    eventually(async || (owned(&one), owned(&two)) == (1, 1)).await;
    drop(two);
    eventually(async || owned(&one) == 2).await;
}

async fn retention(topic: &str) -> String {
    let answer =
        admin().describe_configs(&[ResourceSpecifier::Topic(topic)], &options()).await.expect("an answer");
    let configs = answer[0].as_ref().expect("configurations");
    configs.get(RETENTION).and_then(|entry| entry.value.clone()).expect("a value")
}

async fn administration() {
    let topic = name("admin");
    create(&topic, 1, &[(RETENTION, "1000000")]).await;
    admin().create_partitions(&[NewPartitions::new(&topic, 3)], &options()).await.expect("an answer")[0]
        .as_ref()
        .expect("more partitions");
    eventually(async || partitions_of(&topic) == 3).await;
    assert_eq!(retention(&topic).await, "1000000");
    let wanted = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set(RETENTION, "2000000");
    admin().alter_configs(&[wanted], &options()).await.expect("an answer")[0].as_ref().expect("altered");
    eventually(async || retention(&topic).await == "2000000").await;
    resumes(&format!("{topic}-group"), &[]).await;
    let group = format!("{topic}-group");
    let reader = consumer("unused", &[]);
    let state = || {
        let groups = reader.fetch_group_list(None, PATIENCE).expect("groups");
        groups.groups().iter().find(|one| one.name() == group).map(|one| one.state().to_owned())
    };
    eventually(async || state().as_deref() == Some("Empty")).await;
    admin().delete_groups(&[&group], &options()).await.expect("an answer")[0].as_ref().expect("deleted");
    assert_eq!(state(), None);
    admin().delete_topics(&[&topic], &options()).await.expect("an answer")[0].as_ref().expect("deleted");
}

async fn idempotence() {
    let topic = name("idempotence");
    create(&topic, 1, &[]).await;
    let sent = values("idempotence", 100);
    let offsets = send(&topic, plain(&sent), &[("enable.idempotence", "true")]).await;
    assert_eq!(offsets, (0..100).collect::<Vec<i64>>());
    assert_eq!(values_of(&read_topic(&topic, 100, &[]).await), sent);
}

fn transactional(stem: &str) -> FutureProducer {
    let producer: FutureProducer = client(&[("transactional.id", &name(stem))]);
    producer.init_transactions(PATIENCE).expect("a producer's id");
    producer
}

fn end(producer: &FutureProducer, commit: bool) {
    if commit {
        producer.commit_transaction(PATIENCE).expect("committed");
    } else {
        producer.abort_transaction(PATIENCE).expect("aborted");
    }
}

async fn transactions() {
    let topic = name("transactions");
    create(&topic, 1, &[]).await;
    let producer = transactional("transactions");
    for value in ["a", "b", "c"] {
        producer.begin_transaction().expect("begun");
        for _ in 0..3 {
            let record = FutureRecord::<[u8], str>::to(&topic).payload(value);
            producer.send(record, PATIENCE).await.map_err(|(error, _)| error).expect("sent");
        }
        end(&producer, value != "b");
    }
    let text = |messages: Vec<OwnedMessage>| String::from_utf8(values_of(&messages).concat()).expect("text");
    assert_eq!(text(read_topic(&topic, 6, &[("isolation.level", "read_committed")]).await), "aaaccc");
    assert_eq!(text(read_topic(&topic, 9, &[("isolation.level", "read_uncommitted")]).await), "aaabbbccc");
}

async fn transactional_offsets() {
    let topic = name("offsets");
    create(&topic, 1, &[]).await;
    create(&format!("{topic}-out"), 1, &[]).await;
    send(&topic, plain(&values("offsets", 5)), &[]).await;
    let producer = transactional("offsets");
    let reader = consumer(&topic, &[]);
    reader.subscribe(&[&topic]).expect("subscribed");
    read(&reader, 5).await;
    for (offset, commit, then) in [(3, false, Offset::Invalid), (5, true, Offset::Offset(5))] {
        producer.begin_transaction().expect("begun");
        let out = format!("{topic}-out");
        let record = FutureRecord::<[u8], str>::to(&out).payload("v");
        producer.send(record, PATIENCE).await.map_err(|(error, _)| error).expect("sent");
        let mut position = TopicPartitionList::new();
        position.add_partition_offset(&topic, 0, Offset::Offset(offset)).expect("an offset");
        let member = reader.group_metadata().expect("a member");
        producer.send_offsets_to_transaction(&position, &member, PATIENCE).expect("sent");
        end(&producer, commit);
        // EndTxn is answered before the group has its markers.
        eventually(async || {
            let found = reader.committed(PATIENCE).expect("offsets");
            found.find_partition(&topic, 0).expect("the partition").offset() == then
        })
        .await;
    }
}

async fn times() {
    let topic = name("times");
    create(&topic, 1, &[]).await;
    let base = base_ms();
    let records = (0..5).map(|i| Sent { timestamp: Some(base + i), ..Sent::default() }).collect();
    send(&topic, records, &[]).await;
    let reader = consumer("unused", &[]);
    let mut asked = TopicPartitionList::new();
    asked.add_partition_offset(&topic, 0, Offset::Offset(base + 3)).expect("a time");
    let found = reader.offsets_for_times(asked, PATIENCE).expect("offsets");
    assert_eq!(found.elements()[0].offset(), Offset::Offset(3));
    assert_eq!(reader.fetch_watermarks(&topic, 0, PATIENCE).expect("watermarks"), (0, 5));
}

async fn delete_records() {
    let topic = name("delete");
    create(&topic, 1, &[]).await;
    send(&topic, plain(&values("delete", 10)), &[]).await;
    let mut to = TopicPartitionList::new();
    to.add_partition_offset(&topic, 0, Offset::Offset(4)).expect("an offset");
    admin().delete_records(&to, &options()).await.expect("deleted");
    let offsets: Vec<i64> = read_topic(&topic, 6, &[]).await.iter().map(Message::offset).collect();
    assert_eq!(offsets, (4..10).collect::<Vec<i64>>());
}
