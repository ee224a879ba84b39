//! How long does a start take that finds a million offset commits, or a hundred thousand changed settings?
//!
//! `cargo bench -p kindred-broker --bench start`, on the disk of `TMPDIR`. The broker runs in this process, without
//! recommender and HTTP, and is told everything through its front door, one commit or change a batch; then it is
//! stopped and started again. What is timed is [`Broker::start`]: the data directory opened, both coordinators and
//! the catalogue replayed, the port open. Files are in the page cache; the fastest of five starts is shown.
//!
//! | row | what the start finds |
//! |---|---|
//! | nothing | a directory that was used by nobody |
//! | commits | 1,000 groups committed 10 partitions each, 100 times |
//! | commits, compacted | the same, once compaction has left the last commit of each |
//! | changes | the settings of 1,000 groups were changed 100 times each; the metadata log was rewritten on the way |
//! | settings | 100,000 groups have a setting of their own, and each is in force; a thousand a batch |

#![expect(clippy::unwrap_used, reason = "a failed call is a failed measurement")]
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::io::{BufReader, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use broker::config::ServerConfig;
use broker::{Broker, Handle};
use bytes::Bytes;
use protocol::frame::{decode_response, encode_request};
use protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse};
use protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use protocol::records::Batches;
use protocol::types::Epoch;
use storage::{AppendOptions, CleanupPolicy, Env, LogConfig, PartitionLog, Store, StoreConfig};
use tokio::runtime::Runtime;

const STARTS: usize = 5;
const GROUPS: usize = 1_000;
const PARTITIONS: i32 = 10;
/// How often each group commits all partitions, or each group's setting is changed.
const ROUNDS: usize = 100;
const GROUPS_WITH_SETTINGS: usize = 100_000;
const CHANGES_PER_REQUEST: usize = 1_000;
const TOPIC: &str = "orders";
const OFFSETS: &str = "__consumer_offsets";
const METADATA: &str = "__cluster_metadata";
/// A type of resource in IncrementalAlterConfigs.
const GROUP: i8 = 32;

/// A broker's directory, and what it takes to run one on it.
struct Site {
    dir: tempfile::TempDir,
    runtime: Runtime,
}

impl Site {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), runtime: Runtime::new().unwrap() }
    }

    /// Starts a broker, stops it, and says how long the start took.
    fn start(&self) -> Duration {
        let (handle, took) = self.started();
        self.runtime.block_on(handle.stop()).unwrap();
        took
    }

    fn started(&self) -> (Handle, Duration) {
        let arguments = [
            &format!("log.dir={}", self.dir.path().display()),
            "listeners=PLAINTEXT://127.0.0.1:0",
            "http.listen=",
            "recommender.enable=false",
            // What is written here need not survive power loss.
            "log.acks.all.sync=false",
        ];
        let config = ServerConfig::load(None, [], &arguments.map(str::to_owned)).unwrap();
        let began = Instant::now();
        let handle = self.runtime.block_on(Broker::start(config)).unwrap();
        (handle, began.elapsed())
    }

    /// Lets a client say something to a broker that runs meanwhile.
    fn tell(&self, talk: impl FnOnce(&mut Client)) {
        let (handle, _) = self.started();
        talk(&mut Client::connect(handle.kafka_address()));
        self.runtime.block_on(handle.stop()).unwrap();
    }

    /// Prints a row.
    fn measure(&self, what: &str, topic: &str) {
        let (records, bytes) = held(self.dir.path(), topic);
        let fastest = (0..STARTS).map(|_| self.start()).min().unwrap();
        println!("| {what} | {records} | {:.1} | {:.3} |", bytes as f64 / 1e6, fastest.as_secs_f64());
    }
}

/// A client that sends without waiting for answers.
struct Client {
    sending: TcpStream,
    receiving: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let sending = TcpStream::connect(address).unwrap();
        sending.set_nodelay(true).unwrap();
        sending.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let receiving = BufReader::new(sending.try_clone().unwrap());
        Self { sending, receiving }
    }

    /// Sends all requests and hands each answer to `check`.
    fn ask(&mut self, requests: impl Iterator<Item = Bytes> + Send, count: usize, check: impl Fn(&Bytes)) {
        let Self { sending, receiving } = self;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut sending = BufWriter::new(sending);
                requests.for_each(|request| sending.write_all(&request).unwrap());
                sending.flush().unwrap();
            });
            for _ in 0..count {
                let mut size = [0; 4];
                receiving.read_exact(&mut size).unwrap();
                let mut answer = vec![0; u32::from_be_bytes(size) as usize];
                receiving.read_exact(&mut answer).unwrap();
                check(&answer.into());
            }
        });
    }

    fn create_topic(&mut self) {
        let topic = CreatableTopic {
            name: TOPIC.into(),
            num_partitions: PARTITIONS,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
        self.ask([encode_request(&request, 4, 1, None).unwrap()].into_iter(), 1, |answer| {
            let (_, response) = decode_response::<CreateTopicsResponse<'_>>(answer, 4).unwrap();
            assert_eq!(response.topics[0].error_code, 0);
        });
    }

    fn commit_offsets(&mut self) {
        let each = |round: usize| {
            let partitions = move |group| (0..PARTITIONS).map(move |partition| (group, partition));
            (0..GROUPS).flat_map(partitions).map(move |(group, partition)| commit(group, partition, round))
        };
        let count = ROUNDS * GROUPS * PARTITIONS as usize;
        self.ask((0..ROUNDS).flat_map(each), count, |answer| {
            let (_, response) = decode_response::<OffsetCommitResponse<'_>>(answer, 2).unwrap();
            assert_eq!(response.topics[0].partitions[0].error_code, 0);
        });
    }

    /// Changes settings of groups, given by number, so many in a request.
    fn change_settings(&mut self, changes: &[(usize, usize)], per_request: usize) {
        let requests = changes.chunks(per_request).map(|changes| {
            let resources = changes.iter().map(|&(group, round)| AlterConfigsResource {
                resource_type: GROUP,
                resource_name: format!("group-{group}").into(),
                configs: vec![AlterableConfig {
                    name: "consumer.session.timeout.ms".into(),
                    config_operation: 0,
                    value: Some((45_001 + round).to_string().into()),
                }],
            });
            let request =
                IncrementalAlterConfigsRequest { resources: resources.collect(), validate_only: false };
            encode_request(&request, 0, 1, None).unwrap()
        });
        self.ask(requests, changes.len().div_ceil(per_request), |answer| {
            let (_, response) = decode_response::<IncrementalAlterConfigsResponse<'_>>(answer, 0).unwrap();
            assert!(response.responses.iter().all(|response| response.error_code == 0));
        });
    }
}

fn commit(group: usize, partition: i32, offset: usize) -> Bytes {
    let partition = OffsetCommitRequestPartition {
        partition_index: partition,
        committed_offset: offset as i64,
        ..OffsetCommitRequestPartition::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: TOPIC.into(),
        partitions: vec![partition],
        ..OffsetCommitRequestTopic::default()
    };
    let request = OffsetCommitRequest {
        group_id: format!("group-{group}").into(),
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    encode_request(&request, 2, 1, None).unwrap()
}

fn open(dir: &Path) -> Store {
    Store::open(dir, StoreConfig::default(), Env::real()).unwrap().0
}

/// The records and bytes that a topic has.
fn held(dir: &Path, topic: &str) -> (i64, usize) {
    let store = open(dir);
    let mut held = (0, 0);
    for log in store.logs().iter().filter(|log| &**log.topic() == topic) {
        each_batch(log, |records, batch| {
            held.0 += records;
            held.1 += batch.len();
        });
    }
    store.close().unwrap();
    held
}

/// Hands the record count and the bytes of every batch to `visit`.
fn each_batch(log: &PartitionLog, mut visit: impl FnMut(i64, &[u8])) {
    let marks = log.marks();
    let mut next = marks.start();
    while next < marks.end() {
        let read = log.read(next, 1 << 20, true, marks.end()).unwrap();
        for batch in Batches::new(&read.records).map(Result::unwrap) {
            visit(batch.record_count().into(), batch.as_bytes());
        }
        next = read.next_offset;
    }
}

/// Compacts the groups' topic, all but the last commit of each partition.
fn compact(dir: &Path) {
    let store = open(dir);
    let now = Env::real().clock.now();
    for log in store.logs().iter().filter(|log| &**log.topic() == OFFSETS) {
        let mut last = Vec::new();
        each_batch(log, |_, batch| last = batch.to_vec());
        if last.is_empty() {
            continue;
        }
        let config = LogConfig {
            cleanup_policy: CleanupPolicy::COMPACT,
            segment_bytes: last.len() as u64,
            ..LogConfig::default()
        };
        log.set_config(config);
        // Begins a segment, and with that seals what is to be compacted.
        log.append(&last, Epoch(0), &AppendOptions::internal(now)).unwrap();
    }
    let report = store.maintain(now);
    assert!(report.logs_compacted > 0 && report.failed.is_empty());
    store.close().unwrap();
}

fn main() {
    println!("| start that finds | records | MB | seconds |\n|---|---|---|---|");
    let site = Site::new();
    site.start();
    site.measure("nothing", METADATA);

    site.tell(|client| {
        client.create_topic();
        client.commit_offsets();
    });
    site.measure("commits", OFFSETS);
    compact(site.dir.path());
    site.measure("commits, compacted", OFFSETS);

    let site = Site::new();
    let changes = (0..ROUNDS).flat_map(|round| (0..GROUPS).map(move |group| (group, round)));
    let changes: Vec<_> = changes.collect();
    site.tell(|client| client.change_settings(&changes, 1));
    site.measure("changes", METADATA);

    let site = Site::new();
    let settings: Vec<_> = (0..GROUPS_WITH_SETTINGS).map(|group| (group, 0)).collect();
    site.tell(|client| client.change_settings(&settings, CHANGES_PER_REQUEST));
    site.measure("settings", METADATA);
}
