//! A data directory that a single-node Apache Kafka wrote, under the real program: its cluster, topics, ids, records,
//! groups, transactions and producers are those that Kafka left.

use std::fs;
use std::path::Path;

use protocol::messages::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use protocol::messages::list_transactions::{ListTransactionsRequest, ListTransactionsResponse};
use protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use protocol::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic, OffsetFetchResponse};
use rustix::process::Signal;

use crate::support::Broker;
use crate::support::client::{Client, NO_PRODUCER, batch};
use crate::transactions::read_committed;

const TOPIC: &str = "orders";
/// Of each partition: 60 records, 6 of them in aborted transactions, and four markers.
const RECORDS: usize = 60;
const COMMITTED: usize = 54;
const END: i64 = 64;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory of our own");
    for entry in fs::read_dir(from).expect("the test data").map_while(Result::ok) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).expect("a directory of our own");
        }
    }
}

#[test]
fn what_kafka_left_is_served() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let data = directory.path().join("data");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("storage/testdata/kafka-4.1"), &data);
    // By the records' own times all of it is long past its retention.
    let settings = [("log.retention.ms", "-1"), ("offsets.retention.minutes", "2147483647")];
    let mut broker = Broker::on(directory, data, &settings);
    check(&mut broker.connect());
    assert_eq!(init_and_abort(&mut broker.connect()), 2, "the producer id that Kafka gave");
    broker.stop(Signal::TERM);
    broker.start_again();
    let mut client = broker.connect();
    check(&mut client);
    let appended = client.produce(TOPIC, 0, -1, &batch(NO_PRODUCER, -1, &[b"one more"]));
    assert_eq!(appended, Some((0, END)));
}

fn check(client: &mut Client) {
    let answer = client.call(&DescribeClusterRequest::default(), 0);
    let cluster: DescribeClusterResponse<'_> = answer.decode();
    assert_eq!(cluster.cluster_id, "QdOTCPnKQp6o5s8jhCDaLQ");
    assert_eq!(cluster.brokers[0].broker_id, 1);

    let asked = MetadataRequestTopic { name: Some(TOPIC.into()), ..Default::default() };
    let answer = client.call(&MetadataRequest { topics: Some(vec![asked]), ..Default::default() }, 12);
    let metadata: MetadataResponse<'_> = answer.decode();
    assert_eq!(metadata.topics[0].topic_id.to_string(), "W83XLbb-T9yFUcEKlHojRg");
    assert_eq!(metadata.topics[0].partitions.len(), 2);
    for partition in 0..2 {
        assert_eq!(client.fetch_all(TOPIC, partition).len(), RECORDS);
        assert_eq!(read_committed(client, TOPIC, partition).len(), COMMITTED);
    }

    let topic = OffsetFetchRequestTopic { name: TOPIC.into(), partition_indexes: vec![0, 1] };
    let request =
        OffsetFetchRequest { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() };
    let answer = client.call(&request, 5);
    let offsets: OffsetFetchResponse<'_> = answer.decode();
    let offsets: Vec<_> = offsets.topics[0].partitions.iter().map(|one| one.committed_offset).collect();
    assert_eq!(offsets, [END, END]);

    let answer = client.call(&ListTransactionsRequest::default(), 0);
    let transactions: ListTransactionsResponse<'_> = answer.decode();
    let transactions: Vec<_> = transactions.transaction_states.iter().collect();
    assert_eq!((transactions.len(), &*transactions[0].transactional_id), (1, "tx"));
    assert_eq!((transactions[0].producer_id, &*transactions[0].transaction_state), (2, "CompleteAbort"));
}

/// The transactional producer goes on where it was: the next epoch of the same id. Aborting nothing brings it back to
/// the state it was found in.
fn init_and_abort(client: &mut Client) -> i64 {
    let request = InitProducerIdRequest {
        transactional_id: Some("tx".into()),
        transaction_timeout_ms: 60_000,
        ..Default::default()
    };
    let answer = client.call(&request, 4);
    let producer: InitProducerIdResponse = answer.decode();
    assert_eq!((producer.error_code, producer.producer_epoch), (0, 5));
    let request = EndTxnRequest {
        transactional_id: "tx".into(),
        producer_id: producer.producer_id,
        producer_epoch: producer.producer_epoch,
        committed: false,
    };
    let answer = client.call(&request, 5);
    let ended: EndTxnResponse = answer.decode();
    assert_eq!((ended.error_code, ended.producer_epoch), (0, 6));
    producer.producer_id
}
