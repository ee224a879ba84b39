//! Exactly once across kill -9: a worker reads numbers, writes each to an output topic and commits how far it has read,
//! all in one transaction, while the broker is killed and started again. Whatever happens it starts over as a client
//! does: a new connection, a new epoch, and on from the committed offset. At the end a reader of committed records must
//! find every number exactly once, in order. Some transactions are aborted on purpose.
//!
//! The worker speaks the protocol of KIP-890: partitions and group join the transaction by being written to.
//! `KINDRED_KILLS` and `KINDRED_SEED` are those of the ledger.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use protocol::messages::fetch::{FetchRequest, FetchResponse};
use protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
};
use protocol::messages::produce::{ProduceRequest, ProduceResponse};
use protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
};
use protocol::records::control::{Marker, Outcome};
use protocol::records::{BatchBuilder, Batches, Record};
use protocol::types::{ProducerEpoch, ProducerId, Sequence};
use rustix::process::Signal;

use crate::support::client::{Client, UNPACKED_BYTES_MAX, fetch_request, now, produce_request};
use crate::support::{Broker, eventually, number_from_environment};

const INPUT: &str = "numbers";
const OUTPUT: &str = "squares";
const GROUP: &str = "squarers";
const TRANSACTIONAL_ID: &str = "squarer";
const PARTITIONS: i64 = 2;
/// Numbers of one transaction.
const STEP: i64 = 7;
/// Every so many transactions one is aborted on purpose.
const ABORTED_EACH: u64 = 5;

#[test]
fn numbers_are_squared_exactly_once_across_kill_9() {
    let kills = number_from_environment("KINDRED_KILLS").unwrap_or(15);
    let mut random = number_from_environment("KINDRED_SEED").unwrap_or(1);
    println!("KINDRED_KILLS={kills} KINDRED_SEED={random}");
    let mut broker = Broker::start();
    broker.announce("aborting a transaction that its coordinator does not know");
    broker.connect().create_topic(INPUT, 1);
    broker.connect().create_topic(OUTPUT, PARTITIONS as i32);
    let (done, reached) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
    let worker = {
        let (done, reached, address) = (Arc::clone(&done), Arc::clone(&reached), broker.child().kafka);
        thread::spawn(move || work(address, &done, &reached))
    };
    for _ in 0..kills {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        thread::sleep(Duration::from_millis(20 + (random >> 33) % 180));
        broker.stop(Signal::KILL);
        broker.start_again();
    }
    // The last start must be seen to work, too.
    let before = reached.load(Ordering::SeqCst);
    eventually("progress after the last kill", || {
        (reached.load(Ordering::SeqCst) > before + STEP).then_some(())
    });
    done.store(true, Ordering::SeqCst);
    worker.join().expect("the worker finished");

    let count = committed_offset(&mut broker.connect()).expect("the broker answers");
    assert!(count >= reached.load(Ordering::SeqCst), "a commit was answered and is gone");
    for partition in 0..PARTITIONS {
        let expected: Vec<i64> = (0..count).filter(|n| n % PARTITIONS == partition).map(|n| n * n).collect();
        let read = read_committed(&mut broker.connect(), OUTPUT, partition as i32);
        let numbers = read.iter().map(|value| str::from_utf8(value).expect("numbers"));
        let read: Vec<i64> = numbers.map(|number| number.parse().expect("numbers")).collect();
        assert_eq!(read, expected, "partition {partition}: lost, doubled or out of order");
    }
    println!("{count} numbers, {kills} kills");
    assert!(count > 10 * STEP, "hardly anything was done");
}

/// Squares numbers until `done`; `reached` is the offset that the last answered commit made.
fn work(address: SocketAddr, done: &AtomicBool, reached: &AtomicI64) {
    let mut transactions = 0;
    while !done.load(Ordering::SeqCst) {
        let Some(mut worker) = Worker::start(address) else { continue };
        while !done.load(Ordering::SeqCst) {
            transactions += 1;
            let commit = transactions % ABORTED_EACH != 0;
            let Some(next) = worker.transaction(commit) else { break };
            reached.fetch_max(next, Ordering::SeqCst);
        }
    }
}

/// One life of the worker: a connection, a producer id with its epoch, and how far it has read.
struct Worker {
    client: Client,
    id: i64,
    epoch: i16,
    sequences: [i32; PARTITIONS as usize],
    next: i64,
}

impl Worker {
    /// `None` if the broker went away meanwhile.
    fn start(address: SocketAddr) -> Option<Worker> {
        let mut client = eventually("the broker to accept connections", || Client::try_connect(address));
        let request = InitProducerIdRequest {
            transactional_id: Some(TRANSACTIONAL_ID.into()),
            transaction_timeout_ms: 60_000,
            ..Default::default()
        };
        let answer = client.try_call(&request, 4)?;
        let response: InitProducerIdResponse = answer.decode();
        // CONCURRENT_TRANSACTIONS: what the last life left is being completed.
        if response.error_code == 51 {
            return None;
        }
        assert_eq!(response.error_code, 0, "InitProducerId");
        let next = committed_offset(&mut client)?;
        let (id, epoch) = (response.producer_id, response.producer_epoch);
        Some(Worker { client, id, epoch, sequences: [0; PARTITIONS as usize], next })
    }

    /// Squares the next numbers in one transaction; the offset it committed, or the one before if it was aborted.
    fn transaction(&mut self, commit: bool) -> Option<i64> {
        let numbers = self.next..self.next + STEP;
        for partition in 0..PARTITIONS {
            let squares: Vec<i64> =
                numbers.clone().filter(|n| n % PARTITIONS == partition).map(|n| n * n).collect();
            self.produce(partition, &squares)?;
        }
        self.commit_offset(numbers.end)?;
        self.end(commit)?;
        if commit {
            self.next = numbers.end;
        }
        Some(self.next)
    }

    fn produce(&mut self, partition: i64, values: &[i64]) -> Option<()> {
        let sequence = &mut self.sequences[partition as usize];
        let (id, epoch) = (ProducerId(self.id), ProducerEpoch(self.epoch));
        let mut batch = BatchBuilder::new().producer(id, epoch, Sequence(*sequence)).transactional();
        for value in values {
            batch.append(now(), None, Some(value.to_string().as_bytes()), &[]);
        }
        *sequence += values.len() as i32;
        let batch = batch.build();
        let request = ProduceRequest {
            transactional_id: Some(TRANSACTIONAL_ID.into()),
            ..produce_request(OUTPUT, partition as i32, -1, &batch)
        };
        let answer = self.client.try_call(&request, 12)?;
        let response: ProduceResponse<'_> = answer.decode();
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, 0, "Produce: {:?}", partition.error_message);
        Some(())
    }

    fn commit_offset(&mut self, offset: i64) -> Option<()> {
        let partition = TxnOffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
        let topic = TxnOffsetCommitRequestTopic {
            name: INPUT.into(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = TxnOffsetCommitRequest {
            transactional_id: TRANSACTIONAL_ID.into(),
            group_id: GROUP.into(),
            producer_id: self.id,
            producer_epoch: self.epoch,
            topics: vec![topic],
            ..Default::default()
        };
        let answer = self.client.try_call(&request, 5)?;
        let response: TxnOffsetCommitResponse<'_> = answer.decode();
        assert_eq!(response.topics[0].partitions[0].error_code, 0, "TxnOffsetCommit");
        Some(())
    }

    fn end(&mut self, committed: bool) -> Option<()> {
        let request = EndTxnRequest {
            transactional_id: TRANSACTIONAL_ID.into(),
            producer_id: self.id,
            producer_epoch: self.epoch,
            committed,
        };
        let answer = self.client.try_call(&request, 5)?;
        let response: EndTxnResponse = answer.decode();
        assert_eq!(response.error_code, 0, "EndTxn");
        assert_eq!(response.producer_id, self.id);
        assert!(response.producer_epoch > self.epoch, "every end raises the epoch");
        self.epoch = response.producer_epoch;
        // A new epoch counts from 0.
        self.sequences = [0; PARTITIONS as usize];
        Some(())
    }
}

/// How far the group has read, 0 at first; `None` if the broker went away.
fn committed_offset(client: &mut Client) -> Option<i64> {
    let topic =
        OffsetFetchRequestTopics { name: INPUT.into(), partition_indexes: vec![0], ..Default::default() };
    let group =
        OffsetFetchRequestGroup { group_id: GROUP.into(), topics: Some(vec![topic]), ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![group], require_stable: true, ..Default::default() };
    let answer = client.try_call(&request, 8)?;
    let response: OffsetFetchResponse<'_> = answer.decode();
    let partition = &response.groups[0].topics[0].partitions[0];
    assert_eq!(partition.error_code, 0, "OffsetFetch");
    Some(partition.committed_offset.max(0))
}

/// Every committed value of a partition.
pub(crate) fn read_committed(client: &mut Client, topic: &str, partition: i32) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    each_committed(client, topic, partition, |record| {
        values.push(record.value.expect("tests send values").to_vec());
    });
    values
}

/// Shows every committed record of a partition, as a client filters them: by the aborted transactions that a fetch
/// names, each of which ends with its marker.
pub(crate) fn each_committed(
    client: &mut Client,
    topic: &str,
    partition: i32,
    mut visit: impl FnMut(&Record<'_>),
) {
    let mut next = 0;
    loop {
        let request = FetchRequest { isolation_level: 1, ..fetch_request(topic, partition, next, 0) };
        let answer = client.call(&request, 4);
        let response: FetchResponse<'_> = answer.decode();
        let fetched = &response.responses[0].partitions[0];
        assert_eq!(fetched.error_code, 0, "fetching {next}");
        let aborted =
            fetched.aborted_transactions.as_deref().expect("a list for a reader of committed records");
        let mut begun: Vec<_> = aborted.iter().map(|one| (one.first_offset, one.producer_id)).collect();
        begun.sort_unstable();
        let mut begun = begun.into_iter().peekable();
        let mut open: HashSet<i64> = HashSet::new();
        let before = next;
        for batch in fetched.records.0.iter().flat_map(|piece| Batches::new(piece)) {
            let batch = batch.expect("whole batches");
            while let Some((_, id)) = begun.next_if(|(first, _)| *first <= batch.last_offset().0) {
                open.insert(id);
            }
            next = batch.next_offset().0;
            if batch.is_control() {
                let marker = batch.records().next().and_then(Result::ok).as_ref().and_then(Marker::parse);
                if marker.expect("a marker").outcome == Outcome::Abort {
                    open.remove(&batch.producer_id().0);
                }
                continue;
            }
            if batch.is_transactional() && open.contains(&batch.producer_id().0) {
                continue;
            }
            let mut unpacked = Vec::new();
            for record in batch.decompressed(UNPACKED_BYTES_MAX, &mut unpacked).expect("a sound batch") {
                visit(&record.expect("whole records"));
            }
        }
        if next == before {
            return;
        }
    }
}
