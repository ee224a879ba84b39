//! The requests of a transactional producer one by one: what each is answered, in the versions before and after KIP-890.

use protocol::ErrorCode;
use protocol::messages::add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
};
use protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use protocol::messages::produce::{ProduceRequest, ProduceResponse};
use protocol::records::BatchBuilder;
use protocol::types::{ProducerEpoch, ProducerId, Sequence};

use crate::support::Broker;
use crate::support::client::{Client, Producer, now, produce_request};

/// Features say which protocol a producer may speak. Clients of version 3 cannot read one whose minimum is 0.
#[test]
fn features_are_told_to_those_who_can_read_them() {
    let broker = Broker::start();
    let mut client = broker.connect();
    for version in 0..=5 {
        let request = ApiVersionsRequest {
            client_software_name: "test".into(),
            client_software_version: "1".into(),
            ..Default::default()
        };
        let answer = client.call(&request, version);
        let response: ApiVersionsResponse<'_> = answer.decode();
        assert_eq!((response.error_code, response.throttle_time_ms), (0, 0), "v{version}");
        let supported: Vec<_> = response
            .supported_features
            .iter()
            .map(|one| (&*one.name, one.min_version, one.max_version))
            .collect();
        let in_force: Vec<_> =
            response.finalized_features.iter().map(|one| (&*one.name, one.max_version_level)).collect();
        let has = |name| supported.iter().any(|(known, ..)| *known == name);
        assert_eq!(has("transaction.version") && has("group.version"), version >= 4, "v{version}");
        assert!(version != 3 || supported.iter().all(|(_, min, _)| *min > 0), "v3: {supported:?}");
        assert_eq!(in_force.contains(&("transaction.version", 2)), version >= 3, "v{version}");
        assert_eq!(in_force.contains(&("group.version", 1)), version >= 3, "v{version}");
        assert_eq!(response.finalized_features_epoch >= 0, version >= 3, "v{version}");
    }
}

fn init(client: &mut Client, version: i16, request: &InitProducerIdRequest<'_>) -> (ErrorCode, Producer) {
    let answer = client.call(request, version);
    let response: InitProducerIdResponse = answer.decode();
    let error = ErrorCode::from_code(response.error_code).expect("a code of Kafka's");
    (error, Producer { id: response.producer_id, epoch: response.producer_epoch })
}

#[test]
fn producer_ids_are_given_within_limits_and_epochs_rise() {
    let broker = Broker::start();
    let mut client = broker.connect();
    for version in 0..=6 {
        let id = format!("id-{version}");
        let request = |transaction_timeout_ms| InitProducerIdRequest {
            transactional_id: Some(id.as_str().into()),
            transaction_timeout_ms,
            ..Default::default()
        };
        for timeout_ms in [0, -1, 900_001] {
            let (error, _) = init(&mut client, version, &request(timeout_ms));
            assert_eq!(error, ErrorCode::InvalidTransactionTimeout, "v{version}, {timeout_ms} ms");
        }
        let empty = InitProducerIdRequest { transactional_id: Some("".into()), ..request(1000) };
        assert_eq!(init(&mut client, version, &empty).0, ErrorCode::InvalidRequest, "v{version}");

        let (error, first) = init(&mut client, version, &request(900_000));
        assert_eq!((error, first.epoch), (ErrorCode::None, 0), "v{version}");
        let (error, second) = init(&mut client, version, &request(900_000));
        assert_eq!(
            (error, second.id, second.epoch),
            (ErrorCode::None, first.id, 1),
            "v{version}: the same, fenced"
        );
        if version < 3 {
            continue;
        }
        // KIP-360: who says what it has goes on with it, if it is still its own.
        let having = |producer: Producer| InitProducerIdRequest {
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            ..request(900_000)
        };
        let (error, third) = init(&mut client, version, &having(second));
        assert_eq!((error, third.id, third.epoch), (ErrorCode::None, first.id, 2), "v{version}");
        let (error, _) = init(&mut client, version, &having(first));
        let fenced = if version < 4 { ErrorCode::InvalidProducerEpoch } else { ErrorCode::ProducerFenced };
        assert_eq!(error, fenced, "v{version}");
        let half = InitProducerIdRequest { producer_id: first.id, ..request(900_000) };
        assert_eq!(
            init(&mut client, version, &half).0,
            ErrorCode::InvalidRequest,
            "v{version}: an id, no epoch"
        );
    }
}

fn add_partition(
    client: &mut Client,
    version: i16,
    id: &str,
    producer: Producer,
    partition: i32,
) -> ErrorCode {
    let topics = vec![AddPartitionsToTxnTopic { name: "t".into(), partitions: vec![partition] }];
    let request = if version < 4 {
        AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: id.into(),
            v3_and_below_producer_id: producer.id,
            v3_and_below_producer_epoch: producer.epoch,
            v3_and_below_topics: topics,
            ..Default::default()
        }
    } else {
        let transaction = AddPartitionsToTxnTransaction {
            transactional_id: id.into(),
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            verify_only: false,
            topics,
        };
        AddPartitionsToTxnRequest { transactions: vec![transaction], ..Default::default() }
    };
    let answer = client.call(&request, version);
    let response: AddPartitionsToTxnResponse<'_> = answer.decode();
    let results = if version < 4 {
        &response.results_by_topic_v3_and_below
    } else {
        &response.results_by_transaction[0].topic_results
    };
    let code = results[0].results_by_partition[0].partition_error_code;
    ErrorCode::from_code(code).expect("a code of Kafka's")
}

fn produce(client: &mut Client, version: i16, id: &str, producer: Producer, sequence: i32) -> ErrorCode {
    let mut builder = BatchBuilder::new().transactional().producer(
        ProducerId(producer.id),
        ProducerEpoch(producer.epoch),
        Sequence(sequence),
    );
    builder.append(now(), None, Some(b"v"), &[]);
    let records = builder.build();
    let request =
        ProduceRequest { transactional_id: Some(id.into()), ..produce_request("t", 0, -1, &records) };
    let answer = client.call(&request, version);
    let code = answer.decode::<ProduceResponse<'_>>().responses[0].partition_responses[0].error_code;
    ErrorCode::from_code(code).expect("a code of Kafka's")
}

fn end(client: &mut Client, version: i16, id: &str, producer: Producer) -> (ErrorCode, Producer) {
    let request = EndTxnRequest {
        transactional_id: id.into(),
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        committed: true,
    };
    let answer = client.call(&request, version);
    let response: EndTxnResponse = answer.decode();
    let error = ErrorCode::from_code(response.error_code).expect("a code of Kafka's");
    (error, Producer { id: response.producer_id, epoch: response.producer_epoch })
}

/// Before KIP-890 a partition has to be added first; since, it joins by being written to, and every end is a new epoch.
#[test]
fn partitions_join_a_transaction_as_the_version_says() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    for version in 0..=5 {
        let id = format!("first-{version}");
        let producer = client.init_producer(Some(&id));
        let unknown = ErrorCode::UnknownTopicOrPartition;
        assert_eq!(add_partition(&mut client, version, &id, producer, 9), unknown, "v{version}");
        let early = produce(&mut client, 11, &id, producer, 0);
        assert_eq!(early, ErrorCode::TransactionAbortable, "v{version}: the partition was not added");
        assert_eq!(produce(&mut client, 10, &id, producer, 0), ErrorCode::InvalidTxnState, "v{version}");
        assert_eq!(add_partition(&mut client, version, &id, producer, 0), ErrorCode::None, "v{version}");
        assert_eq!(produce(&mut client, 11, &id, producer, 0), ErrorCode::None, "v{version}");
        let request = AddOffsetsToTxnRequest {
            transactional_id: id.as_str().into(),
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            group_id: "g".into(),
        };
        let answer = client.call(&request, version.min(4));
        assert_eq!(answer.decode::<AddOffsetsToTxnResponse>().error_code, 0, "v{version}");
        let old = version.min(4);
        assert_eq!(end(&mut client, old, &id, producer).0, ErrorCode::None, "v{version}");
        // The same answer to the same request: the first may have been lost.
        assert_eq!(end(&mut client, old, &id, producer).0, ErrorCode::None, "v{version}");

        let stale = Producer { epoch: producer.epoch - 1, ..producer };
        let fenced = if version < 2 { ErrorCode::InvalidProducerEpoch } else { ErrorCode::ProducerFenced };
        assert_eq!(add_partition(&mut client, version, &id, stale, 0), fenced, "v{version}");
        let nobody = ErrorCode::InvalidProducerIdMapping;
        assert_eq!(add_partition(&mut client, version, "nobody", producer, 0), nobody, "v{version}");
    }
    let mut producer = client.init_producer(Some("second"));
    for _ in 0..3 {
        assert_eq!(produce(&mut client, 12, "second", producer, 0), ErrorCode::None);
        assert_eq!(produce(&mut client, 12, "second", producer, 1), ErrorCode::None);
        let (error, next) = end(&mut client, 5, "second", producer);
        assert_eq!((error, next.id, next.epoch), (ErrorCode::None, producer.id, producer.epoch + 1));
        assert_eq!(produce(&mut client, 12, "second", producer, 2), ErrorCode::InvalidProducerEpoch);
        producer = next;
    }
    assert_eq!(client.fetch_values("t", 0).len(), 12);
}
