//! What a produce must be to be stored, what it is told if it is not, and what a topic's settings make of it.

use protocol::ErrorCode;
use protocol::messages::fetch::FetchResponse;
use protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use protocol::messages::produce::{
    LeaderIdAndEpoch, PartitionProduceResponse, ProduceRequest, ProduceResponse,
};
use protocol::records::message_set::{Magic, MessageSetBuilder};
use protocol::records::{Batch, BatchBuilder, Compression, TimestampType};
use protocol::types::{Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use rustix::process::Signal;

use crate::support::Broker;
use crate::support::client::{
    Client, NO_PRODUCER, Producer, UNPACKED_BYTES_MAX, batch, fetch_request, now, patched, produce_request,
};

/// Where fields lie in a batch.
const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const PRODUCER_ID_AT: usize = 43;
const BASE_SEQUENCE_AT: usize = 53;
const COUNT_AT: usize = 57;

/// The newest version that names topics.
const NEWEST_BY_NAME: i16 = 12;

/// Hands the answer for one partition to `look`.
fn produce<T>(
    client: &mut Client,
    version: i16,
    topic: &str,
    records: &[u8],
    look: impl FnOnce(&PartitionProduceResponse<'_>) -> T,
) -> T {
    let answer = client.call(&produce_request(topic, 0, -1, records), version);
    let response: ProduceResponse<'_> = answer.decode();
    assert_eq!(response.throttle_time_ms, 0, "v{version}");
    look(&response.responses[0].partition_responses[0])
}

fn code(response: &PartitionProduceResponse<'_>) -> ErrorCode {
    ErrorCode::from_code(response.error_code).expect("a code of Kafka's")
}

/// The first batch of a topic as it is stored.
fn stored(client: &mut Client, topic: &str) -> Vec<u8> {
    let answer = client.call(&fetch_request(topic, 0, 0, 0), 11);
    let response: FetchResponse<'_> = answer.decode();
    let bytes = response.responses[0].partitions[0].records.0.concat();
    let (batch, _) = Batch::parse(&bytes).expect("a whole batch");
    batch.verify_crc().expect("a good checksum");
    batch.as_bytes().to_vec()
}

/// The checksum is right, and still the batch is none that a producer may send.
#[test]
fn batches_that_contradict_themselves_are_refused() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    let good = batch(NO_PRODUCER, 0, &[b"one", b"two", b"three"]);
    let mut control = BatchBuilder::new().control().producer(ProducerId(1), ProducerEpoch(0), Sequence::NONE);
    control.append(now(), Some(&[0; 4]), Some(&[0; 6]), &[]);
    let mut transactional =
        BatchBuilder::new().transactional().producer(ProducerId(1), ProducerEpoch(0), Sequence(0));
    transactional.append(now(), None, Some(b"v"), &[]);
    let transactional = transactional.build();
    let invalid = ErrorCode::InvalidRecord;
    let cases = [
        (
            "a last offset beyond the count",
            patched(&good, LAST_OFFSET_DELTA_AT, &3_i32.to_be_bytes()),
            invalid,
        ),
        (
            "a last offset below the count",
            patched(&good, LAST_OFFSET_DELTA_AT, &1_i32.to_be_bytes()),
            invalid,
        ),
        ("more records than there are", patched(&good, COUNT_AT, &4_i32.to_be_bytes()), invalid),
        ("no records", patched(&good, COUNT_AT, &0_i32.to_be_bytes()), invalid),
        ("a negative count", patched(&good, COUNT_AT, &(-1_i32).to_be_bytes()), invalid),
        ("a producer without a sequence", patched(&good, PRODUCER_ID_AT, &[0; 10]), invalid),
        (
            "a negative sequence of a producer",
            patched(&patched(&good, PRODUCER_ID_AT, &[0; 10]), BASE_SEQUENCE_AT, &(-5_i32).to_be_bytes()),
            invalid,
        ),
        ("a control batch", control.build(), invalid),
        ("a codec that does not exist", patched(&good, ATTRIBUTES_AT, &[0, 7]), ErrorCode::CorruptMessage),
        (
            "a transaction without a transactional id",
            transactional,
            ErrorCode::TransactionalIdAuthorizationFailed,
        ),
        ("an older format", message_set(Magic::V1), invalid),
        ("nothing", Vec::new(), invalid),
    ];
    for version in 3..=NEWEST_BY_NAME {
        for (name, bytes, expected) in &cases {
            produce(&mut client, version, "t", bytes, |response| {
                assert_eq!((code(response), response.base_offset), (*expected, -1), "{name}, v{version}");
                assert_eq!(response.error_message.is_some(), version >= 8, "{name}, v{version}");
            });
        }
    }
    produce(&mut client, 9, "t", &good, |response| {
        assert_eq!((response.error_code, response.base_offset), (0, 0), "nothing of all that was stored");
    });
}

fn message_set(magic: Magic) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut set = MessageSetBuilder::new(&mut bytes, magic, Compression::None, None);
    set.append(Offset(0), now(), Some(b"key"), Some(b"value"));
    set.finish();
    bytes
}

/// pykafka, told that the broker is new, says version 0 and sends messages of magic 1 all the same.
#[test]
fn either_message_format_is_taken_by_the_versions_that_have_message_sets() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("old", 1);
    let mut expected = 0;
    for version in 0..=2 {
        for magic in [Magic::V0, Magic::V1] {
            produce(&mut client, version, "old", &message_set(magic), |response| {
                assert_eq!(
                    (response.error_code, response.base_offset),
                    (0, expected),
                    "v{version} {magic:?}"
                );
            });
            expected += 1;
        }
    }
    assert_eq!(client.fetch_values("old", 0), vec![b"value".to_vec(); 6]);
}

#[test]
fn records_without_a_key_are_named_where_a_topic_is_compacted() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic_with("compacted", 1, &[("cleanup.policy", "compact")]);
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new().compression(codec);
        for key in [Some(&b"a"[..]), None, Some(b""), None] {
            builder.append(now(), key, Some(b"value"), &[]);
        }
        let bytes = builder.build();
        for version in 7..=NEWEST_BY_NAME {
            produce(&mut client, version, "compacted", &bytes, |response| {
                assert_eq!(code(response), ErrorCode::InvalidRecord, "v{version} {codec}");
                let at_fault: Vec<i32> =
                    response.record_errors.iter().map(|record| record.batch_index).collect();
                let expected = if version < 8 { vec![] } else { vec![1, 3] };
                assert_eq!(at_fault, expected, "v{version} {codec}");
                let why = response.record_errors.iter().all(|r| r.batch_index_error_message.is_some());
                assert!(why, "v{version} {codec}");
            });
        }
    }
    // The whole batch was refused each time.
    let mut keyed = BatchBuilder::new();
    keyed.append(now(), Some(b""), Some(b"an empty key is a key"), &[]);
    produce(&mut client, 9, "compacted", &keyed.build(), |response| {
        assert_eq!((response.error_code, response.base_offset), (0, 0));
    });
    // In an old format, too.
    let mut bytes = Vec::new();
    let mut set = MessageSetBuilder::new(&mut bytes, Magic::V1, Compression::None, None);
    set.append(Offset(0), now(), None, Some(b"value"));
    set.finish();
    produce(&mut client, 2, "compacted", &bytes, |response| {
        assert_eq!(code(response), ErrorCode::InvalidRecord);
    });
}

#[test]
fn batches_too_large_for_the_topic_or_its_segments_are_refused() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let settings = [("max.message.bytes", "3000000"), ("segment.bytes", "1048576")];
    client.create_topic_with("t", 1, &settings);
    for (size, expected) in [
        (1_000_000, ErrorCode::None),
        // Kafka looks at the batch first: a producer splits a batch that is too large, and tries again.
        (2_000_000, ErrorCode::RecordListTooLarge),
        (4_000_000, ErrorCode::MessageTooLarge),
    ] {
        let bytes = batch(NO_PRODUCER, 0, &[&vec![b'x'; size]]);
        produce(&mut client, 9, "t", &bytes, |response| assert_eq!(code(response), expected, "{size}"));
    }
    // What counts is the batch as it is sent, not what it unpacks to.
    let mut packed = BatchBuilder::new().compression(Compression::Zstd);
    packed.append(now(), None, Some(&vec![b'x'; 5_000_000]), &[]);
    produce(&mut client, 9, "t", &packed.build(), |response| assert_eq!(code(response), ErrorCode::None));
}

#[test]
fn times_out_of_bounds_are_refused_record_by_record() {
    const HOUR_MS: i64 = 3_600_000;
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("default", 1);
    client.create_topic_with("strict", 1, &[("message.timestamp.before.max.ms", "60000")]);
    let send = |client: &mut Client, topic: &str, ages_ms: &[i64]| {
        let mut builder = BatchBuilder::new();
        for age_ms in ages_ms {
            builder.append(TimestampMs(now().0 - age_ms), None, Some(b"v"), &[]);
        }
        produce(client, 9, topic, &builder.build(), |response| {
            let at_fault = response.record_errors.iter().map(|record| record.batch_index).collect::<Vec<_>>();
            (code(response), at_fault)
        })
    };
    for (topic, ages_ms, error, at_fault) in [
        ("default", &[10 * 365 * 24 * HOUR_MS, 0, -HOUR_MS / 2][..], ErrorCode::None, vec![]),
        ("default", &[0, -2 * HOUR_MS, 0], ErrorCode::InvalidTimestamp, vec![1]),
        ("strict", &[HOUR_MS, 0, 2 * HOUR_MS], ErrorCode::InvalidTimestamp, vec![0, 2]),
        ("strict", &[0], ErrorCode::None, vec![]),
    ] {
        assert_eq!(send(&mut client, topic, ages_ms), (error, at_fault), "{topic} {ages_ms:?}");
    }
}

/// `message.timestamp.type=LogAppendTime`: the answer tells the time, the batch bears it, and by it records are found.
#[test]
fn with_the_brokers_time_batch_and_answer_say_it() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let by_broker = ("message.timestamp.type", "LogAppendTime");
    for codec in Compression::ALL {
        for packing in ["producer", "gzip"] {
            let topic = format!("{codec}-{packing}");
            client.create_topic_with(&topic, 1, &[by_broker, ("compression.type", packing)]);
            let mut builder = BatchBuilder::new().compression(codec);
            builder.append(TimestampMs(1), None, Some(b"a"), &[]);
            builder.append(TimestampMs(2), None, Some(b"b"), &[]);
            let before = now().0;
            let time = produce(&mut client, 7, &topic, &builder.build(), |response| {
                assert_eq!((response.error_code, response.base_offset), (0, 0), "{topic}");
                response.log_append_time_ms
            });
            assert!((before..=now().0).contains(&time), "{topic}: {time}");
            let bytes = stored(&mut client, &topic);
            let (batch, _) = Batch::parse(&bytes).expect("a whole batch");
            assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime, "{topic}");
            assert_eq!(batch.max_timestamp(), TimestampMs(time), "{topic}");
            let mut unpacked = Vec::new();
            for record in batch.decompressed(UNPACKED_BYTES_MAX, &mut unpacked).expect("sound records") {
                assert_eq!(record.expect("a whole record").timestamp, TimestampMs(time), "{topic}");
            }
            for (wanted, offset) in [(time, 0), (time + 1, -1)] {
                assert_eq!(offset_at(&mut client, &topic, wanted), offset, "{topic}");
            }
        }
    }
    // Other topics leave the time to the producer, and say so.
    client.create_topic("by-producer", 1);
    for version in 2..=NEWEST_BY_NAME {
        let bytes = if version < 3 { message_set(Magic::V1) } else { batch(NO_PRODUCER, 0, &[b"v"]) };
        produce(&mut client, version, "by-producer", &bytes, |response| {
            assert_eq!((response.error_code, response.log_append_time_ms), (0, -1), "v{version}");
        });
    }
}

fn offset_at(client: &mut Client, topic: &str, timestamp: i64) -> i64 {
    let partition = ListOffsetsPartition { timestamp, ..Default::default() };
    let topic = ListOffsetsTopic { name: topic.into(), partitions: vec![partition] };
    let answer = client.call(&ListOffsetsRequest { topics: vec![topic], ..Default::default() }, 5);
    answer.decode::<ListOffsetsResponse<'_>>().topics[0].partitions[0].offset
}

/// `compression.type=producer` keeps every byte but the place (offset and leader epoch, outside the checksum); any
/// other value stores its codec.
#[test]
fn batches_are_stored_as_they_came_or_in_the_topics_codec() {
    const CHECKSUM_ON: usize = 16;
    let broker = Broker::start();
    let mut client = broker.connect();
    for (setting, wanted) in [
        ("producer", None),
        ("uncompressed", Some(Compression::None)),
        ("gzip", Some(Compression::Gzip)),
        ("snappy", Some(Compression::Snappy)),
        ("lz4", Some(Compression::Lz4)),
        ("zstd", Some(Compression::Zstd)),
    ] {
        for codec in Compression::ALL {
            let topic = format!("{setting}-{codec}");
            client.create_topic_with(&topic, 1, &[("compression.type", setting)]);
            let mut builder = BatchBuilder::new().compression(codec);
            builder.append(now(), Some(b"key"), Some(&[b'x'; 1000]), &[(b"name", Some(b"value"))]);
            builder.append(now(), None, None, &[(b"name", None)]);
            let sent = builder.build();
            produce(&mut client, 7, &topic, &sent, |response| assert_eq!(response.error_code, 0, "{topic}"));
            let kept = stored(&mut client, &topic);
            let (batch, _) = Batch::parse(&kept).expect("a whole batch");
            if wanted.is_none_or(|wanted| wanted == codec) {
                assert_eq!(kept[CHECKSUM_ON..], sent[CHECKSUM_ON..], "{topic}: the bytes that came");
            } else {
                assert_eq!(Some(batch.compression()), wanted, "{topic}");
            }
            let (original, _) = Batch::parse(&sent).expect("a whole batch");
            let (mut one, mut other) = (Vec::new(), Vec::new());
            let records = |batch: &Batch<'_>, scratch: &mut Vec<u8>| {
                let records = batch.decompressed(UNPACKED_BYTES_MAX, scratch).expect("sound records");
                records.map(|record| format!("{:?}", record.expect("a whole record"))).collect::<Vec<_>>()
            };
            assert_eq!(records(&batch, &mut one), records(&original, &mut other), "{topic}");
        }
    }
}

/// One producer's batches: sequence, how many records, what is expected.
#[test]
fn an_idempotent_producer_is_answered_the_same_twice_and_never_out_of_order() {
    let mut broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    let producer = client.init_producer(None);
    let send = |client: &mut Client, producer: Producer, sequence: i32, count: usize| {
        let (error, offset) = client
            .produce("t", 0, -1, &batch(producer, sequence, &vec![&b"v"[..]; count]))
            .expect("an answer");
        (ErrorCode::from_code(error).expect("a code of Kafka's"), offset)
    };
    let gap = (ErrorCode::OutOfOrderSequenceNumber, -1);
    for (sequence, count, expected) in [
        (0, 2, (ErrorCode::None, 0)),
        (2, 1, (ErrorCode::None, 2)),
        (4, 1, gap),
        (3, 1, (ErrorCode::None, 3)),
        (4, 1, (ErrorCode::None, 4)),
        (5, 1, (ErrorCode::None, 5)),
        // The last five again, in any order, have the offsets of the first time.
        (5, 1, (ErrorCode::None, 5)),
        (0, 2, (ErrorCode::None, 0)),
        (3, 1, (ErrorCode::None, 3)),
        (6, 1, (ErrorCode::None, 6)),
        // The first batch is no longer among them.
        (0, 2, gap),
        (8, 1, gap),
    ] {
        assert_eq!(send(&mut client, producer, sequence, count), expected, "sequence {sequence}");
    }

    // What is known of a producer outlives the process, however it ends.
    for signal in [Signal::TERM, Signal::KILL] {
        broker.stop(signal);
        broker.start_again();
        client = broker.connect();
        assert_eq!(send(&mut client, producer, 6, 1), (ErrorCode::None, 6), "again after {signal:?}");
        assert_eq!(send(&mut client, producer, 8, 1), gap, "after {signal:?}");
    }
    assert_eq!(send(&mut client, producer, 7, 1), (ErrorCode::None, 7));

    // A new epoch begins at 0 and fences the old.
    let bumped = Producer { epoch: producer.epoch + 1, ..producer };
    assert_eq!(send(&mut client, bumped, 8, 1), gap);
    assert_eq!(send(&mut client, bumped, 0, 1), (ErrorCode::None, 8));
    assert_eq!(send(&mut client, producer, 8, 1), (ErrorCode::InvalidProducerEpoch, -1));

    // Of a producer that nothing is known of, only a first batch is taken.
    let other = client.init_producer(None);
    assert_eq!(send(&mut client, other, 5, 1), (ErrorCode::UnknownProducerId, -1));
    assert_eq!(send(&mut client, other, 0, 1), (ErrorCode::None, 9));
}

/// KIP-951: leader hints are for those who asked the wrong broker, and there is only one.
#[test]
fn no_answer_hints_at_another_leader() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    let id = client.topic_id("t");
    let good = batch(NO_PRODUCER, 0, &[b"v"]);
    let damaged = [&good[..good.len() - 1], &[0xff]].concat();
    for version in 10..=13 {
        for (partition, records) in [(0, &good), (0, &damaged), (9, &good)] {
            let mut request: ProduceRequest<'_> = produce_request("t", partition, 1, records);
            request.topic_data[0].topic_id = id;
            let answer = client.call(&request, version);
            let response: ProduceResponse<'_> = answer.decode();
            let told = &response.responses[0].partition_responses[0];
            assert_eq!(told.current_leader, LeaderIdAndEpoch::default(), "v{version}");
            assert!(response.node_endpoints.is_empty(), "v{version}");
        }
    }
    for version in 12..=18 {
        for (partition, offset) in [(0, 0), (0, 99), (9, 0)] {
            let mut request = fetch_request("t", partition, offset, 0);
            request.topics[0].topic_id = id;
            let answer = client.call(&request, version);
            let response: FetchResponse<'_> = answer.decode();
            let told = &response.responses[0].partitions[0];
            assert_eq!(
                (told.current_leader.leader_id, told.current_leader.leader_epoch),
                (-1, -1),
                "v{version}"
            );
            assert!(response.node_endpoints.is_empty(), "v{version}");
        }
    }
}
