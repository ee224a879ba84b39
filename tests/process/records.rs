//! Records go in through every version of Produce and come out of every version of Fetch, with every compression: the
//! formats of 0.8 and 0.10 are converted on the way in and on the way out.

use protocol::ErrorCode;
use protocol::messages::fetch::{FetchRequest, FetchResponse};
use protocol::messages::produce::{ProduceRequest, ProduceResponse};
use protocol::records::message_set::{Magic, Message, MessageSetBuilder, Messages};
use protocol::records::{BatchBuilder, Batches, Compression, magic};
use protocol::types::{Offset, TopicId};

use crate::support::Broker;
use crate::support::client::{Client, fetch_request, now, produce_request};

/// More than any test writes.
const UNPACKED_BYTES_MAX: usize = 1 << 20;
/// The first versions that name topics by id.
const PRODUCE_BY_ID: i16 = 13;
const FETCH_BY_ID: i16 = 13;
/// The first version that may send zstd (KIP-110).
const PRODUCE_ZSTD: i16 = 7;
/// The first version that takes batches as they are stored, whatever their codec. Apache Kafka too hands zstd to
/// versions 4 to 9; message sets have no zstd.
const FETCH_ZSTD: i16 = 4;

type KeyValue = (Option<Vec<u8>>, Option<Vec<u8>>);

#[test]
fn every_produce_version_is_read_by_every_fetch_version() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let codecs =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for codec in codecs {
        let topic = format!("{codec:?}").to_lowercase();
        client.create_topic(&topic, 1);
        let id = client.topic_id(&topic);
        let mut sent = Vec::new();
        for version in 0..=13 {
            let records = records_of(version);
            let bytes = encode(version, codec, &records);
            let (error, base_offset) = produce(&mut client, version, &topic, id, &bytes);
            let is_refused = codec == Compression::Zstd && version < PRODUCE_ZSTD;
            let expected = if is_refused { ErrorCode::UnsupportedCompressionType } else { ErrorCode::None };
            assert_eq!(ErrorCode::from_code(error), Some(expected), "produce v{version} of {topic}");
            if !is_refused {
                assert_eq!(base_offset, sent.len() as i64, "produce v{version} of {topic}");
                sent.extend(records);
            }
        }
        for version in 0..=18 {
            if codec == Compression::Zstd && version < FETCH_ZSTD {
                let error = fetch(&mut client, version, &topic, id, 0).expect_err("an old client and zstd");
                assert_eq!(error, ErrorCode::UnsupportedCompressionType, "fetch v{version} of {topic}");
                continue;
            }
            assert_eq!(
                fetch_all(&mut client, version, &topic, id, sent.len()),
                sent,
                "fetch v{version} of {topic}"
            );
        }
    }
}

/// Keys and values that say where they came from, null and empty ones among them.
fn records_of(version: i16) -> Vec<KeyValue> {
    let text = |name: &str| Some(format!("{name} of version {version}").into_bytes());
    vec![
        (text("key"), text("value")),
        (None, text("keyless")),
        (text("deleted"), None),
        (Some(Vec::new()), Some(Vec::new())),
    ]
}

/// `records` as a client that speaks this version of Produce writes them.
fn encode(version: i16, codec: Compression, records: &[KeyValue]) -> Vec<u8> {
    let magic = match version {
        // Message sets have no zstd; a client that tried it anyway would put it into a batch.
        0..=2 if codec == Compression::Zstd => None,
        0 | 1 => Some(Magic::V0),
        2 => Some(Magic::V1),
        _ => None,
    };
    let Some(magic) = magic else {
        let mut batch = BatchBuilder::new().compression(codec);
        for (key, value) in records {
            batch.append(now(), key.as_deref(), value.as_deref(), &[]);
        }
        return batch.build();
    };
    let mut bytes = Vec::new();
    let mut set = MessageSetBuilder::new(&mut bytes, magic, codec, None);
    for (offset, (key, value)) in (0..).zip(records) {
        set.append(Offset(offset), now(), key.as_deref(), value.as_deref());
    }
    set.finish();
    bytes
}

fn produce(client: &mut Client, version: i16, topic: &str, id: TopicId, records: &[u8]) -> (i16, i64) {
    let mut request: ProduceRequest<'_> = produce_request(topic, 0, -1, records);
    if version >= PRODUCE_BY_ID {
        request.topic_data[0].topic_id = id;
    }
    let answer = client.call(&request, version);
    let response: ProduceResponse<'_> = answer.decode();
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

/// Reads from the beginning as a consumer does, asking again behind the last record that came.
fn fetch_all(client: &mut Client, version: i16, topic: &str, id: TopicId, count: usize) -> Vec<KeyValue> {
    let mut records = Vec::new();
    while records.len() < count {
        let before = records.len();
        let bytes = fetch(client, version, topic, id, before as i64).expect("no error");
        for (offset, record) in decode(version, &bytes) {
            // A fetch may begin in the middle of a batch, whose earlier records come too.
            if offset >= records.len() as i64 {
                assert_eq!(offset, records.len() as i64, "fetch v{version}: offsets are dense");
                records.push(record);
            }
        }
        assert!(
            records.len() > before,
            "fetch v{version} from {before}: no progress in {} bytes",
            bytes.len()
        );
    }
    records
}

fn fetch(
    client: &mut Client,
    version: i16,
    topic: &str,
    id: TopicId,
    offset: i64,
) -> Result<Vec<u8>, ErrorCode> {
    let mut request: FetchRequest<'_> = fetch_request(topic, 0, offset, 0);
    if version >= FETCH_BY_ID {
        request.topics[0].topic_id = id;
    }
    let answer = client.call(&request, version);
    let response: FetchResponse<'_> = answer.decode();
    assert_eq!((response.error_code, response.session_id), (0, 0));
    let partition = &response.responses[0].partitions[0];
    match ErrorCode::from_code(partition.error_code) {
        Some(ErrorCode::None) => Ok(partition.records.0.concat()),
        error => Err(error.expect("a known error code")),
    }
}

/// Offsets, keys and values, from the format that this version of Fetch may carry and no other.
fn decode(version: i16, bytes: &[u8]) -> Vec<(i64, KeyValue)> {
    let expected = match version {
        0 | 1 => 0,
        2 | 3 => 1,
        _ => 2,
    };
    assert_eq!(magic(bytes), Some(expected), "fetch v{version}");
    let mut records = Vec::new();
    let mut scratch = Vec::new();
    if expected < 2 {
        for message in Messages::new(bytes) {
            let message = message.expect("whole messages");
            message.verify_crc().expect("a good checksum");
            if message.compression() == Compression::None {
                records.push(key_value(&message));
            } else {
                let inner = message.inner(UNPACKED_BYTES_MAX, &mut scratch).expect("a good wrapper");
                records.extend(inner.map(|message| key_value(&message.expect("whole messages"))));
            }
        }
        return records;
    }
    for batch in Batches::new(bytes) {
        let batch = batch.expect("whole batches");
        batch.verify_crc().expect("a good checksum");
        for record in batch.decompressed(UNPACKED_BYTES_MAX, &mut scratch).expect("a good codec") {
            let record = record.expect("whole records");
            records
                .push((record.offset.0, (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec))));
        }
    }
    records
}

fn key_value(message: &Message<'_>) -> (i64, KeyValue) {
    (message.offset().0, (message.key().map(<[u8]>::to_vec), message.value().map(<[u8]>::to_vec)))
}
