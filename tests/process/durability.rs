//! The ledger: what was acknowledged is there after kill -9, once, in order, with the offset it was given.
//!
//! Producers with idempotence write unique numbers to a partition each, without pause, while the broker is killed and
//! started again. After each kill a producer does what clients do: it sends again what was not answered, with the same
//! sequence numbers. At the end the log must hold every number exactly once, in order, where the answers said. A
//! further thread commits offsets of a group; the last one that was acknowledged must be there after each kill.
//!
//! `KINDRED_KILLS=200 cargo test durability` runs longer; the moments of the kills follow from `KINDRED_SEED`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use protocol::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic, OffsetFetchResponse};
use rustix::process::Signal;

use crate::support::client::{Client, Producer, batch};
use crate::support::{Broker, eventually, number_from_environment};

const TOPIC: &str = "ledger";
const GROUP: &str = "ledger-readers";
const PARTITIONS: i32 = 4;
/// Records of one batch: more than one, so that a torn batch would show.
const BATCH_RECORDS: i64 = 10;

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kill_9() {
    let kills = number_from_environment("KINDRED_KILLS").unwrap_or(20);
    let seed = number_from_environment("KINDRED_SEED").unwrap_or(1);
    println!("KINDRED_KILLS={kills} KINDRED_SEED={seed}");
    let mut broker = Broker::start();
    broker.connect().create_topic(TOPIC, PARTITIONS);
    let address = broker.child().kafka;
    let done = Arc::new(AtomicBool::new(false));
    let committed = Arc::new(AtomicI64::new(-1));
    let producers: Vec<_> =
        (0..PARTITIONS).map(|partition| start_producer(address, partition, &done)).collect();
    let committer = start_committer(address, &committed, &done);

    let mut random = seed;
    for kill in 0..kills {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        thread::sleep(Duration::from_millis(20 + (random >> 33) % 180));
        // Read before the kill: later commits may or may not have made it.
        let acknowledged = committed.load(Ordering::SeqCst);
        broker.stop(Signal::KILL);
        broker.start_again();
        let stored = committed_offset(&mut broker.connect());
        assert!(
            stored >= acknowledged,
            "kill {kill}: offset {acknowledged} was acknowledged, {stored} is stored"
        );
    }
    done.store(true, Ordering::SeqCst);
    committer.join().expect("the committer finished");

    let mut total = 0;
    for (partition, producer) in (0..).zip(producers) {
        let acknowledged = producer.join().expect("the producer finished");
        let stored = broker.connect().fetch_all(TOPIC, partition);
        check_ledger(partition, &acknowledged, &stored);
        total += stored.len();
    }
    println!("{total} records, {kills} kills, commits up to {}", committed.load(Ordering::SeqCst));
    assert!(total > 100, "hardly anything was produced");
}

/// `acknowledged`: first number of each batch -> the base offset that was answered.
fn check_ledger(partition: i32, acknowledged: &BTreeMap<i64, i64>, stored: &[(i64, Vec<u8>)]) {
    for (expected, (offset, value)) in (0_i64..).zip(stored) {
        let value: i64 = str::from_utf8(value).expect("numbers").parse().expect("numbers");
        assert_eq!(
            (*offset, value),
            (expected, expected),
            "partition {partition}: lost, doubled or out of order"
        );
    }
    for (&first, &base_offset) in acknowledged {
        // Numbers start at 0 and nothing else is written, so the number is the offset.
        assert_eq!(first, base_offset, "partition {partition}: acknowledged elsewhere than it is");
        assert!(
            first + BATCH_RECORDS <= stored.len() as i64,
            "partition {partition}: {first} was acknowledged and is gone"
        );
    }
}

/// Produces until `done` and the last batch is answered.
fn start_producer(
    address: SocketAddr,
    partition: i32,
    done: &Arc<AtomicBool>,
) -> JoinHandle<BTreeMap<i64, i64>> {
    let done = Arc::clone(done);
    thread::spawn(move || {
        let mut client = reconnect(address);
        let producer = new_producer(&mut client, address);
        let mut acknowledged = BTreeMap::new();
        let mut first = 0;
        while !done.load(Ordering::SeqCst) {
            let numbers: Vec<String> =
                (first..first + BATCH_RECORDS).map(|number| number.to_string()).collect();
            let values: Vec<&[u8]> = numbers.iter().map(|number| number.as_bytes()).collect();
            let bytes = batch(producer, i32::try_from(first).expect("a short test"), &values);
            let base_offset = loop {
                match client.produce(TOPIC, partition, -1, &bytes) {
                    Some((0, base_offset)) => break base_offset,
                    Some((error, _)) => panic!("partition {partition}: error {error} for number {first}"),
                    None => client = reconnect(address),
                }
            };
            acknowledged.insert(first, base_offset);
            first += BATCH_RECORDS;
        }
        acknowledged
    })
}

fn new_producer(client: &mut Client, address: SocketAddr) -> Producer {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: 60_000,
        ..Default::default()
    };
    // The first kill may come before the answer does.
    let answer = loop {
        match client.try_call(&request, 1) {
            Some(answer) => break answer,
            None => *client = reconnect(address),
        }
    };
    let response: InitProducerIdResponse = answer.decode();
    assert_eq!(response.error_code, 0);
    Producer { id: response.producer_id, epoch: response.producer_epoch }
}

/// Commits 0, 1, 2, … for one partition; `committed` is the last one that was answered.
fn start_committer(
    address: SocketAddr,
    committed: &Arc<AtomicI64>,
    done: &Arc<AtomicBool>,
) -> JoinHandle<()> {
    let (committed, done) = (Arc::clone(committed), Arc::clone(done));
    thread::spawn(move || {
        let mut client = reconnect(address);
        let mut offset = 0;
        while !done.load(Ordering::SeqCst) {
            match commit(&mut client, offset) {
                Some(0) => {
                    committed.store(offset, Ordering::SeqCst);
                    offset += 1;
                }
                Some(error) => panic!("error {error} for the commit of {offset}"),
                None => client = reconnect(address),
            }
        }
    })
}

/// A commit outside any generation, as a consumer that assigns its partitions itself sends it.
fn commit(client: &mut Client, offset: i64) -> Option<i16> {
    let partition =
        OffsetCommitRequestPartition { partition_index: 0, committed_offset: offset, ..Default::default() };
    let topic =
        OffsetCommitRequestTopic { name: TOPIC.into(), partitions: vec![partition], ..Default::default() };
    let request = OffsetCommitRequest {
        group_id: GROUP.into(),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    let answer = client.try_call(&request, 5)?;
    let response: OffsetCommitResponse<'_> = answer.decode();
    Some(response.topics[0].partitions[0].error_code)
}

fn committed_offset(client: &mut Client) -> i64 {
    let topic = OffsetFetchRequestTopic { name: TOPIC.into(), partition_indexes: vec![0] };
    let request =
        OffsetFetchRequest { group_id: GROUP.into(), topics: Some(vec![topic]), ..Default::default() };
    let answer = client.call(&request, 5);
    let response: OffsetFetchResponse<'_> = answer.decode();
    assert_eq!(response.error_code, 0);
    response.topics[0].partitions[0].committed_offset
}

fn reconnect(address: SocketAddr) -> Client {
    eventually("the broker to accept connections again", || Client::try_connect(address))
}
