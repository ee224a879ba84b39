//! What a request allocates, and that it is no more because a batch has more records.
//!
//! A broker runs in this process and is spoken to over loopback, with requests that were encoded beforehand and into
//! buffers that are there: what is allocated between a request and its answer is the broker's. Housekeeping wakes up
//! now and then, so of several rounds the cheapest counts.
//!
//! `cargo test -p kindred-broker --test allocations -- --nocapture` prints what was counted. The only test of its
//! program, since the allocator counts for the whole of it.

#![expect(clippy::unwrap_used, reason = "a test")]
#![expect(clippy::print_stdout, reason = "what was counted is printed")]

use std::alloc::System;
use std::borrow::Cow;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use broker::Broker;
use broker::config::ServerConfig;
use bytes::Bytes;
use protocol::frame::{decode_response, encode_request};
use protocol::messages::api_versions::ApiVersionsRequest;
use protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use protocol::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use protocol::messages::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use protocol::records::{BatchBuilder, Compression};
use protocol::types::TimestampMs;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const TOPIC: &str = "events";
const PARTITIONS: i32 = 12;
/// Partitions of requests that name many.
const MANY: std::ops::Range<i32> = 0..10;
/// The partition that is read.
const READ: i32 = 10;
/// The partition that a fetch waits for.
const WAITED_FOR: i32 = 11;
const PRODUCE_VERSION: i16 = 9;
const FETCH_VERSION: i16 = 12;
const METADATA_VERSION: i16 = 12;
const API_VERSIONS_VERSION: i16 = 3;
const CREATE_TOPICS_VERSION: i16 = 4;
const LEADER: i16 = 1;
const ALL: i16 = -1;
const ANSWER_BYTES_MAX: usize = 2 << 20;
/// Requests before any is counted: buffers, connections and indexes have grown then.
const WARM_UP: usize = 100;
const ROUNDS: usize = 10;
const REQUESTS: usize = 20;
/// How long a fetch is given to begin its wait; if that is too short, it costs less.
const BEFORE_THE_WAKE: Duration = Duration::from_millis(5);

/// What a request allocates.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Calls to allocate or to grow.
    calls: f64,
    bytes: f64,
}

/// Measures something that is done again and again; it is told how often it was done before.
fn cost(mut request: impl FnMut(usize)) -> Cost {
    (0..WARM_UP).for_each(&mut request);
    let mut cheapest = Cost { calls: f64::INFINITY, bytes: f64::INFINITY };
    for round in 0..ROUNDS {
        let region = Region::new(ALLOCATOR);
        (0..REQUESTS).for_each(|n| request(WARM_UP + round * REQUESTS + n));
        let change = region.change();
        let calls = (change.allocations + change.reallocations) as f64 / REQUESTS as f64;
        let grown = change.bytes_reallocated.max(0) as f64;
        let bytes = (change.bytes_allocated as f64 + grown) / REQUESTS as f64;
        cheapest = Cost { calls: calls.min(cheapest.calls), bytes: bytes.min(cheapest.bytes) };
    }
    cheapest
}

/// A connection that allocates only when it is made.
struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream, answer: vec![0; ANSWER_BYTES_MAX] }
    }

    fn send(&mut self, request: &Bytes) {
        self.stream.write_all(request).unwrap();
    }

    fn receive(&mut self) -> &[u8] {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).unwrap();
        let answer = &mut self.answer[..u32::from_be_bytes(length) as usize];
        self.stream.read_exact(answer).unwrap();
        answer
    }

    fn ask(&mut self, request: &Bytes) -> &[u8] {
        self.send(request);
        self.receive()
    }

    fn measure(&mut self, request: &Bytes) -> Cost {
        cost(|_| {
            self.ask(request);
        })
    }
}

/// A batch of records that are `bytes` together, a little more as they are stored.
fn batch(records: usize, bytes: usize, codec: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new().compression(codec);
    for i in 0..records as u64 {
        // Hardly compressible.
        let next = |j: u64| (i << 20 | j).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0];
        let value: Vec<u8> = (0..(bytes / records) as u64).map(next).collect();
        builder.append(TimestampMs(1_700_000_000_000), None, Some(&value), &[]);
    }
    builder.build()
}

fn produce(partitions: impl Iterator<Item = i32>, batch: &[u8], acks: i16) -> Bytes {
    let partition = |index| PartitionProduceData { index, records: Some(batch) };
    let topic = TopicProduceData {
        name: Cow::Borrowed(TOPIC),
        partition_data: partitions.map(partition).collect(),
        ..TopicProduceData::default()
    };
    let request =
        ProduceRequest { acks, timeout_ms: 60_000, topic_data: vec![topic], ..ProduceRequest::default() };
    encode_request(&request, PRODUCE_VERSION, 1, Some("client")).unwrap()
}

fn fetch(partitions: impl Iterator<Item = i32>, offset: i64, bytes: i32, wait: i32) -> Bytes {
    let partition = |partition| FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: bytes,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic: Cow::Borrowed(TOPIC),
        partitions: partitions.map(partition).collect(),
        ..FetchTopic::default()
    };
    let request =
        FetchRequest { max_wait_ms: wait, min_bytes: 1, topics: vec![topic], ..FetchRequest::default() };
    encode_request(&request, FETCH_VERSION, 1, Some("client")).unwrap()
}

fn metadata() -> Bytes {
    let topic = MetadataRequestTopic { name: Some(Cow::Borrowed(TOPIC)), ..MetadataRequestTopic::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..MetadataRequest::default() };
    encode_request(&request, METADATA_VERSION, 1, Some("client")).unwrap()
}

fn create_topic() -> Bytes {
    let topic = CreatableTopic {
        name: Cow::Borrowed(TOPIC),
        num_partitions: PARTITIONS,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    encode_request(&request, CREATE_TOPICS_VERSION, 1, Some("client")).unwrap()
}

/// Where a batch is once it was produced; nothing is measured of a request that is refused.
fn offset_of(answer: &[u8]) -> i64 {
    let answer = Bytes::copy_from_slice(answer);
    let (_, response) = decode_response::<ProduceResponse<'_>>(&answer, PRODUCE_VERSION).unwrap();
    let mut partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    assert!(partitions.clone().all(|partition| partition.error_code == 0), "{response:?}");
    partitions.next().unwrap().base_offset
}

/// Bytes of records in an answer without errors.
fn bytes_of(answer: &[u8]) -> usize {
    let answer = Bytes::copy_from_slice(answer);
    let (_, response) = decode_response::<FetchResponse<'_>>(&answer, FETCH_VERSION).unwrap();
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    assert!(partitions.clone().all(|partition| partition.error_code == 0), "{response:?}");
    partitions.map(|partition| partition.records.len()).sum()
}

/// What was measured so far. What a row may cost is two more than it did when this was written.
struct Table {
    client: Client,
    rows: Vec<(&'static str, Cost)>,
}

impl Table {
    /// Adds a row; it fails if the request allocates more often than it may.
    fn row(&mut self, name: &'static str, calls_max: f64, cost: Cost) {
        println!("| {name} | {:.1} | {:.0} |", cost.calls, cost.bytes);
        assert!(cost.calls <= calls_max, "{name} allocates {} times, {calls_max} are allowed", cost.calls);
        self.rows.push((name, cost));
    }

    fn produced(&mut self, name: &'static str, calls_max: f64, request: &Bytes) {
        offset_of(self.client.ask(request));
        let cost = self.client.measure(request);
        self.row(name, calls_max, cost);
    }

    fn fetched(&mut self, name: &'static str, calls_max: f64, request: &Bytes, bytes_min: usize) {
        assert!(bytes_of(self.client.ask(request)) >= bytes_min, "{name} finds records");
        let cost = self.client.measure(request);
        self.row(name, calls_max, cost);
    }

    fn cost(&self, name: &str) -> Cost {
        self.rows.iter().find(|row| row.0 == name).unwrap().1
    }

    /// Two requests of one size cost the same, whatever is in their batches.
    fn same(&self, left: &str, right: &str) {
        let (left_cost, right_cost) = (self.cost(left), self.cost(right));
        assert!(
            (left_cost.calls - right_cost.calls).abs() <= 1.0,
            "{left}: {left_cost:?}, {right}: {right_cost:?}"
        );
        assert!(
            (left_cost.bytes - right_cost.bytes).abs() <= 8_192.0,
            "{left}: {left_cost:?}, {right}: {right_cost:?}"
        );
    }
}

/// A fetch that waits at the end of a partition, and the produce that wakes it.
fn long_poll(address: SocketAddr) -> Cost {
    let (mut consumer, mut producer) = (Client::connect(address), Client::connect(address));
    let one = produce([WAITED_FOR].into_iter(), &batch(1, 100, Compression::None), LEADER);
    let total = WARM_UP + ROUNDS * REQUESTS;
    let fetches: Vec<_> =
        (0..total as i64).map(|n| fetch([WAITED_FOR].into_iter(), n, 1 << 20, 60_000)).collect();
    cost(|n| {
        consumer.send(&fetches[n]);
        std::thread::sleep(BEFORE_THE_WAKE);
        producer.ask(&one);
        consumer.receive();
    })
}

/// Measures every kind of request.
fn measure(address: SocketAddr) -> Table {
    let mut table = Table { client: Client::connect(address), rows: Vec::new() };
    table.client.ask(&create_topic());
    println!("| request | allocations | bytes |\n|---|---|---|");

    let hello = encode_request(&ApiVersionsRequest::default(), API_VERSIONS_VERSION, 1, None).unwrap();
    let cost = table.client.measure(&hello);
    table.row("ApiVersions", 6.0, cost);
    let cost = table.client.measure(&metadata());
    table.row("Metadata, 1 topic of 12 partitions", 37.0, cost);

    let small = batch(1, 100, Compression::None);
    let large = batch(1, 64_000, Compression::None);
    let thousand = batch(1_000, 57_000, Compression::None);
    let packed = batch(1_000, 57_000, Compression::Lz4);
    let first = || [0].into_iter();
    table.produced("Produce, 1 record of 100 B, acks 1", 11.0, &produce(first(), &small, LEADER));
    table.produced("Produce, 1 record of 100 B, acks all", 12.0, &produce(first(), &small, ALL));
    table.produced("Produce, 1 record of 64 KB, acks 1", 11.0, &produce(first(), &large, LEADER));
    table.produced("Produce, 1,000 records, 64 KB, acks 1", 11.0, &produce(first(), &thousand, LEADER));
    table.produced("Produce, 1,000 records, 64 KB, acks all", 12.0, &produce(first(), &thousand, ALL));
    table.produced("Produce, 1,000 records, 64 KB of lz4, acks 1", 13.0, &produce(first(), &packed, LEADER));
    table.produced("Produce, 10 partitions, 1 record each, acks 1", 11.0, &produce(MANY, &small, LEADER));

    let at_large = offset_of(table.client.ask(&produce([READ].into_iter(), &large, LEADER)));
    let at_thousand = offset_of(table.client.ask(&produce([READ].into_iter(), &thousand, LEADER)));
    let read = |offset| fetch([READ].into_iter(), offset, 1, 0);
    table.fetched("Fetch, 1 record of 64 KB", 15.0, &read(at_large), 64_000);
    table.fetched("Fetch, 1,000 records, 64 KB", 15.0, &read(at_thousand), 57_000);
    table.fetched("Fetch, 10 partitions, 1 record each", 34.0, &fetch(MANY, 0, 300, 0), 1_000);
    table.fetched("Fetch, 1 partition, at its end", 15.0, &read(at_thousand + 1_000), 0);
    table.row("Fetch that waits, and the Produce that wakes it", 28.0, long_poll(address));
    table
}

#[test]
fn allocations_do_not_grow_with_records() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = [
        &format!("log.dir={}", dir.path().display()),
        "listeners=PLAINTEXT://127.0.0.1:0",
        "http.listen=",
        "recommender.enable=false",
    ];
    let config = ServerConfig::load(None, [], &arguments.map(str::to_owned)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let handle = runtime.block_on(Broker::start(config)).unwrap();
    let table = measure(handle.kafka_address());
    table.same("Produce, 1 record of 64 KB, acks 1", "Produce, 1,000 records, 64 KB, acks 1");
    table.same("Fetch, 1 record of 64 KB", "Fetch, 1,000 records, 64 KB");
    runtime.block_on(handle.stop()).unwrap();
}
