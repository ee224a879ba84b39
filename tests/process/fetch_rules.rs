//! What a fetch is given: how much, in what order, when, and what it is told if its position is of another history.

use std::thread;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use protocol::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use protocol::messages::metadata::{MetadataRequest, MetadataResponse};
use protocol::messages::produce::{ProduceRequest, ProduceResponse};
use protocol::records::{BatchBuilder, Batches};
use protocol::types::{ProducerEpoch, ProducerId, Sequence};
use rustix::process::Signal;

use crate::support::Broker;
use crate::support::client::{
    Answer, Client, NO_PRODUCER, Producer, batch, fetch_request, now, produce_request,
};

/// The newest version that names topics.
const NEWEST_BY_NAME: i16 = 12;

/// Base offsets of the batches in an answer's partition.
fn bases(response: &FetchResponse<'_>, partition: usize) -> Vec<i64> {
    let bytes = response.responses[0].partitions[partition].records.0.concat();
    Batches::new(&bytes).map(|batch| batch.expect("whole batches").base_offset().0).collect()
}

#[test]
fn a_fetch_inside_a_batch_gets_all_of_it() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    for _ in 0..3 {
        client.produce("t", 0, 1, &batch(NO_PRODUCER, 0, &[b"a", b"b", b"c"])).expect("an answer");
    }
    for version in 4..=NEWEST_BY_NAME {
        for (from, expected) in [(0, &[0, 3, 6][..]), (2, &[0, 3, 6]), (4, &[3, 6]), (8, &[6]), (9, &[])] {
            let answer = client.call(&fetch_request("t", 0, from, 0), version);
            assert_eq!(bases(&answer.decode(), 0), expected, "v{version} from {from}");
        }
    }
}

/// KIP-74: whoever asks for less than the first batch gets it whole; what comes behind it must fit.
#[test]
fn the_first_batch_comes_whatever_its_size_and_the_rest_if_it_fits() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 2);
    let large = batch(NO_PRODUCER, 0, &[&[b'x'; 1000]]);
    let size = i32::try_from(large.len()).expect("small");
    for partition in [0, 0, 0, 1, 1, 1] {
        client.produce("t", partition, 1, &large).expect("an answer");
    }
    for version in 4..=NEWEST_BY_NAME {
        for (all, each, expected) in [
            (i32::MAX, i32::MAX, [3, 3]),
            // Too little for anything: one batch of the first partition that has one.
            (1, 1, [1, 0]),
            (0, 0, [1, 0]),
            (i32::MAX, 1, [1, 0]),
            (1, i32::MAX, [1, 0]),
            // In the order of the request, as long as there is room.
            (2 * size, i32::MAX, [2, 0]),
            (4 * size, i32::MAX, [3, 1]),
            (i32::MAX, 2 * size, [2, 2]),
        ] {
            for order in [[0, 1], [1, 0]] {
                let partitions = order.map(|partition| FetchPartition {
                    partition,
                    partition_max_bytes: each,
                    ..Default::default()
                });
                let topic =
                    FetchTopic { topic: "t".into(), partitions: partitions.to_vec(), ..Default::default() };
                let request = FetchRequest { max_bytes: all, topics: vec![topic], ..Default::default() };
                let answer = client.call(&request, version);
                let response: FetchResponse<'_> = answer.decode();
                let told: Vec<i32> =
                    response.responses[0].partitions.iter().map(|told| told.partition_index).collect();
                assert_eq!(told, order, "v{version}");
                let counts = [0, 1].map(|partition| bases(&response, partition).len());
                assert_eq!(counts, expected, "v{version}, {all} in all, {each} each, {order:?}");
            }
        }
    }
}

/// What there is to say where there are no records, in every version.
#[test]
fn an_answer_without_records_says_everything_else() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    client.produce("t", 0, 1, &batch(NO_PRODUCER, 0, &[b"a", b"b"])).expect("an answer");
    let id = client.topic_id("t");
    for version in 0..=18 {
        for isolation_level in [0, 1] {
            let mut request = FetchRequest { isolation_level, ..fetch_request("t", 0, 2, 0) };
            request.topics[0].topic_id = id;
            let answer = client.call(&request, version);
            let response: FetchResponse<'_> = answer.decode();
            assert_eq!((response.throttle_time_ms, response.error_code), (0, 0), "v{version}");
            let told = &response.responses[0].partitions[0];
            assert!(told.records.is_empty(), "v{version}");
            assert_eq!((told.error_code, told.high_watermark), (0, 2), "v{version}");
            assert_eq!(told.last_stable_offset, if version < 4 { -1 } else { 2 }, "v{version}");
            assert_eq!(told.log_start_offset, if version < 5 { -1 } else { 0 }, "v{version}");
            assert_eq!(told.preferred_read_replica, -1, "v{version}");
            if version >= 4 {
                // A null list is for those who did not ask.
                let asked = told.aborted_transactions.as_ref().map(Vec::len);
                assert_eq!(asked, (isolation_level == 1).then_some(0), "v{version}");
            }
        }
    }
    // Empty, not null: the bytes end with the length 0 of the records.
    client.send(&fetch_request("t", 0, 2, 0), 4);
    let answer = client.read_frame().expect("an answer");
    assert_eq!(answer[answer.len() - 4..], [0; 4]);
}

#[test]
fn a_fetch_waits_until_there_is_enough() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    let one = batch(NO_PRODUCER, 0, &[&[b'x'; 100]]);
    let min_bytes = 2 * i32::try_from(one.len()).expect("small") + 1;
    let mut waiting = broker.connect();
    waiting.send(&FetchRequest { min_bytes, ..fetch_request("t", 0, 0, 20_000) }, 11);
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(20));
        client.produce("t", 0, 1, &one).expect("an answer");
    }
    let answer = Answer::new(waiting.read_frame().expect("an answer"), 11);
    assert_eq!(bases(&answer.decode(), 0), [0, 1, 2], "two were not enough");
    // Who will not wait gets what there is.
    let answer = client.call(&FetchRequest { min_bytes: 1 << 20, ..fetch_request("t", 0, 0, 0) }, 11);
    assert_eq!(bases(&answer.decode(), 0), [0, 1, 2]);
    // An error is not waited with.
    let answer = client.call(&fetch_request("t", 0, 99, 20_000), 11);
    let error = answer.decode::<FetchResponse<'_>>().responses[0].partitions[0].error_code;
    assert_eq!(ErrorCode::from_code(error), Some(ErrorCode::OffsetOutOfRange));
}

/// One batch of a transaction, which the partition joins by being written to.
fn produce_in_transaction(client: &mut Client, id: &str, producer: Producer, sequence: i32) -> i64 {
    let mut builder = BatchBuilder::new().transactional().producer(
        ProducerId(producer.id),
        ProducerEpoch(producer.epoch),
        Sequence(sequence),
    );
    builder.append(now(), None, Some(b"in a transaction"), &[]);
    let records = builder.build();
    let request =
        ProduceRequest { transactional_id: Some(id.into()), ..produce_request("t", 0, -1, &records) };
    let answer = client.call(&request, 12);
    let response: ProduceResponse<'_> = answer.decode();
    let told = &response.responses[0].partition_responses[0];
    assert_eq!(told.error_code, 0);
    told.base_offset
}

fn end(client: &mut Client, id: &str, producer: Producer, committed: bool) -> Producer {
    let request = EndTxnRequest {
        transactional_id: id.into(),
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        committed,
    };
    let answer = client.call(&request, 5);
    let response: EndTxnResponse = answer.decode();
    assert_eq!(response.error_code, 0);
    Producer { id: response.producer_id, epoch: response.producer_epoch }
}

/// The end of a transaction appends no record that the reader waits for, and yet lets it go on.
#[test]
fn a_reader_of_committed_records_is_woken_when_a_transaction_ends() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    let mut producer = client.init_producer(Some("one"));
    let mut begins = 0;
    for committed in [true, false] {
        assert_eq!(produce_in_transaction(&mut client, "one", producer, 0), begins);
        let mut waiting = broker.connect();
        waiting.send(&FetchRequest { isolation_level: 1, ..fetch_request("t", 0, begins, 20_000) }, 11);
        thread::sleep(Duration::from_millis(20));
        producer = end(&mut client, "one", producer, committed);
        let answer = Answer::new(waiting.read_frame().expect("an answer"), 11);
        let response: FetchResponse<'_> = answer.decode();
        let told = &response.responses[0].partitions[0];
        // Record and marker: control batches have offsets of their own.
        assert_eq!((told.high_watermark, told.last_stable_offset), (begins + 2, begins + 2));
        assert_eq!(bases(&response, 0), [begins, begins + 1]);
        let aborted = told.aborted_transactions.as_deref().expect("a list for who asked");
        let aborted: Vec<_> = aborted.iter().map(|one| (one.producer_id, one.first_offset)).collect();
        let expected = if committed { vec![] } else { vec![(producer.id, begins)] };
        assert_eq!(aborted, expected, "committed: {committed}");
        begins += 2;
    }
}

#[test]
fn a_reader_of_committed_records_ends_where_the_oldest_transaction_begins() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    let stable = |client: &mut Client, isolation_level| {
        let answer = client.call(&FetchRequest { isolation_level, ..fetch_request("t", 0, 0, 0) }, 11);
        let response: FetchResponse<'_> = answer.decode();
        let told = &response.responses[0].partitions[0];
        (told.last_stable_offset, told.high_watermark, bases(&response, 0))
    };
    client.produce("t", 0, 1, &batch(NO_PRODUCER, 0, &[b"before"])).expect("an answer");
    let one = client.init_producer(Some("one"));
    let two = client.init_producer(Some("two"));
    assert_eq!(produce_in_transaction(&mut client, "one", one, 0), 1);
    assert_eq!(produce_in_transaction(&mut client, "two", two, 0), 2);
    client.produce("t", 0, 1, &batch(NO_PRODUCER, 0, &[b"after"])).expect("an answer");
    assert_eq!(stable(&mut client, 1), (1, 4, vec![0]));
    assert_eq!(stable(&mut client, 0), (1, 4, vec![0, 1, 2, 3]));
    end(&mut client, "one", one, true);
    assert_eq!(stable(&mut client, 1), (2, 5, vec![0, 1]));
    end(&mut client, "two", two, false);
    assert_eq!(stable(&mut client, 1), (6, 6, vec![0, 1, 2, 3, 4, 5]));
}

/// KIP-595: who says of which epoch the last record was that it read learns where that epoch ended here, if it read
/// beyond that end. Each start of the broker is an epoch.
#[test]
fn a_position_of_another_history_is_told_where_it_departs() {
    let mut broker = Broker::start();
    broker.connect().create_topic("t", 1);
    let epoch_of_now = |client: &mut Client| {
        let answer = client.call(&MetadataRequest { topics: None, ..Default::default() }, 12);
        answer.decode::<MetadataResponse<'_>>().topics[0].partitions[0].leader_epoch
    };
    // Offsets 0 and 1 are of the first epoch, 2 and 3 of the second; the third has none yet.
    let mut epochs = Vec::new();
    for _ in 0..2 {
        let mut client = broker.connect();
        epochs.push(epoch_of_now(&mut client));
        client.produce("t", 0, -1, &batch(NO_PRODUCER, 0, &[b"a", b"b"])).expect("an answer");
        broker.stop(Signal::TERM);
        broker.start_again();
    }
    let mut client = broker.connect();
    epochs.push(epoch_of_now(&mut client));
    let [first, second, third] = epochs[..] else { panic!("three starts") };
    assert!(first < second && second < third, "{epochs:?}");

    let none = (-1, -1);
    let id = client.topic_id("t");
    for (last, from, error, departs) in [
        (-1, 3, ErrorCode::None, none),
        (first, 1, ErrorCode::None, none),
        (first, 2, ErrorCode::None, none),
        (first, 3, ErrorCode::None, (first, 2)),
        (second, 3, ErrorCode::None, none),
        (second, 4, ErrorCode::None, none),
        // Beyond the end, but it departs before.
        (second, 9, ErrorCode::None, (second, 4)),
        (third, 4, ErrorCode::None, none),
        (third, 5, ErrorCode::None, (third, 4)),
        // An epoch that never was here.
        (third + 1, 2, ErrorCode::OffsetOutOfRange, none),
        (second, -1, ErrorCode::OffsetOutOfRange, none),
    ] {
        for version in NEWEST_BY_NAME..=18 {
            // A departure is not waited with, and neither is an error.
            let wait_ms = if departs == none && error == ErrorCode::None { 0 } else { 20_000 };
            let mut request = fetch_request("t", 0, from, wait_ms);
            request.topics[0].topic_id = id;
            request.topics[0].partitions[0].last_fetched_epoch = last;
            let answer = client.call(&request, version);
            let response: FetchResponse<'_> = answer.decode();
            let told = &response.responses[0].partitions[0];
            let context = format!("v{version}: epoch {last} up to {from}");
            assert_eq!(ErrorCode::from_code(told.error_code), Some(error), "{context}");
            let found = (told.diverging_epoch.epoch, told.diverging_epoch.end_offset);
            assert_eq!(found, departs, "{context}");
            assert!(departs == none || told.records.is_empty(), "{context}");
            assert_eq!(told.high_watermark, 4, "{context}");
        }
    }

    // A session goes on telling it until the client asks for something else.
    let mut request = fetch_request("t", 0, 3, 20_000);
    request.session_epoch = 0;
    request.topics[0].partitions[0].last_fetched_epoch = first;
    let answer = client.call(&request, NEWEST_BY_NAME);
    let session_id = answer.decode::<FetchResponse<'_>>().session_id;
    assert_ne!(session_id, 0);
    for session_epoch in 1..=2 {
        let request = FetchRequest {
            session_id,
            session_epoch,
            max_wait_ms: 20_000,
            min_bytes: 1,
            ..Default::default()
        };
        let answer = client.call(&request, NEWEST_BY_NAME);
        let response: FetchResponse<'_> = answer.decode();
        let told = &response.responses[0].partitions[0].diverging_epoch;
        assert_eq!((told.epoch, told.end_offset), (first, 2));
    }
    let mut request = fetch_request("t", 0, 2, 0);
    (request.session_id, request.session_epoch) = (session_id, 3);
    request.topics[0].partitions[0].last_fetched_epoch = first;
    let answer = client.call(&request, NEWEST_BY_NAME);
    assert_eq!(bases(&answer.decode(), 0), [2]);
}
