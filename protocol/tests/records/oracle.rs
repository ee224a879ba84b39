//! Another implementation of the same formats: what either writes, both read alike.
//!
//! `kafka-protocol` 0.18 for batches; 0.15 for message sets, which later ones dropped. Two defects of 0.15
//! are kept out of the comparison: it numbers every message 0, and it does not open wrappers.
//! A third, in both: headers are a map, so a repeated name would be lost; names here are unique.

use bytes::{Bytes, BytesMut};
use indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records as theirs;
use kafka_protocol_old::records as old;
use protocol::records::Compression;
use protocol::records::convert::Magic;

use super::common::{MAGICS, OLD_CODECS, Owned, read_batches, read_set, write_batch, write_set};

/// A few sets of records, from one record to thousands, some of which compress well.
fn samples() -> Vec<Vec<Owned>> {
    let some = |bytes: &[u8]| Some(bytes.to_vec());
    let record = |offset, timestamp, key, value, headers| Owned { offset, timestamp, key, value, headers };
    let many = |count: i64, size: usize| {
        let noise = |i: i64| (0..size).map(|j| (i as usize * 31 + j * j / 7) as u8).collect::<Vec<_>>();
        let headers =
            |i: i64| (0..i % 3).map(|h| (format!("name{h}").into_bytes(), some(b"value"))).collect();
        (0..count)
            .map(|i| {
                record(
                    500 + i,
                    1_600_000_000_000 + i * 3,
                    some(&i.to_be_bytes()),
                    some(&noise(i)),
                    headers(i),
                )
            })
            .collect()
    };
    vec![
        vec![record(0, 1_600_000_000_000, some(b"k"), some(b"v"), vec![])],
        vec![record(1 << 40, 0, None, some(b""), vec![(b"h".to_vec(), None)])],
        vec![record(7, -1, some(b""), None, vec![(vec![], some(b"")), (b"h".to_vec(), some(&[0xff; 70]))])],
        many(50, 10),
        many(3000, 100),
    ]
}

fn headers(record: &Owned) -> IndexMap<StrBytes, Option<Bytes>> {
    let text = |name: &Vec<u8>| StrBytes::from_string(String::from_utf8(name.clone()).unwrap());
    record.headers.iter().map(|(name, value)| (text(name), value.clone().map(Bytes::from))).collect()
}

fn to_theirs(record: &Owned) -> theirs::Record {
    theirs::Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: theirs::TimestampType::Creation,
        offset: record.offset,
        // The crate wants offset less sequence to stay the same within a batch.
        sequence: record.offset as i32,
        timestamp: record.timestamp,
        key: record.key.clone().map(Bytes::from),
        value: record.value.clone().map(Bytes::from),
        headers: headers(record),
    }
}

fn from_theirs(record: &theirs::Record) -> Owned {
    Owned {
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key.as_deref().map(<[u8]>::to_vec),
        value: record.value.as_deref().map(<[u8]>::to_vec),
        headers: record
            .headers
            .iter()
            .map(|(n, v)| (n.as_bytes().to_vec(), v.as_deref().map(<[u8]>::to_vec)))
            .collect(),
    }
}

fn their_codec(codec: Compression) -> theirs::Compression {
    match codec {
        Compression::None => theirs::Compression::None,
        Compression::Gzip => theirs::Compression::Gzip,
        Compression::Snappy => theirs::Compression::Snappy,
        Compression::Lz4 => theirs::Compression::Lz4,
        Compression::Zstd => theirs::Compression::Zstd,
    }
}

#[test]
fn batches_of_theirs_are_read_with_every_codec() {
    for codec in Compression::ALL {
        for records in samples() {
            let sent: Vec<_> = records.iter().map(to_theirs).collect();
            let options = theirs::RecordEncodeOptions { version: 2, compression: their_codec(codec) };
            let mut bytes = BytesMut::new();
            theirs::RecordBatchEncoder::encode(&mut bytes, &sent, &options).unwrap();
            assert_eq!(read_batches(&bytes), records, "{codec}");
        }
    }
}

#[test]
fn batches_of_ours_are_read_by_them_with_every_codec() {
    for codec in Compression::ALL {
        for records in samples() {
            let mut bytes = Bytes::from(write_batch(&records, codec));
            let set = theirs::RecordBatchDecoder::decode(&mut bytes).unwrap();
            assert_eq!(set.compression, their_codec(codec));
            assert_eq!(set.records.iter().map(from_theirs).collect::<Vec<_>>(), records, "{codec}");
        }
    }
}

fn version(magic: Magic) -> i8 {
    match magic {
        Magic::V0 => 0,
        Magic::V1 => 1,
    }
}

fn to_old(record: &Owned) -> old::Record {
    old::Record {
        transactional: false,
        control: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: old::TimestampType::Creation,
        offset: record.offset,
        sequence: -1,
        timestamp: record.timestamp,
        key: record.key.clone().map(Bytes::from),
        value: record.value.clone().map(Bytes::from),
        headers: IndexMap::new(),
    }
}

fn old_codec(codec: Compression) -> old::Compression {
    match codec {
        Compression::None => old::Compression::None,
        Compression::Gzip => old::Compression::Gzip,
        Compression::Snappy => old::Compression::Snappy,
        Compression::Lz4 => old::Compression::Lz4,
        Compression::Zstd => old::Compression::Zstd,
    }
}

/// What a message set of theirs can tell: no offsets, no headers.
fn without_offsets(records: &[Owned], magic: Magic) -> Vec<Owned> {
    records.iter().map(|record| Owned { offset: 0, ..record.in_message_set(magic) }).collect()
}

#[test]
fn message_sets_of_theirs_are_read() {
    for magic in MAGICS {
        for codec in OLD_CODECS {
            // It does not write lz4 into magic 0.
            if (magic, codec) == (Magic::V0, Compression::Lz4) {
                continue;
            }
            for records in samples() {
                let sent: Vec<_> = records.iter().map(to_old).collect();
                let options =
                    old::RecordEncodeOptions { version: version(magic), compression: old_codec(codec) };
                let mut bytes = BytesMut::new();
                old::RecordBatchEncoder::encode(&mut bytes, &sent, &options).unwrap();
                assert_eq!(read_set(&bytes), without_offsets(&records, magic), "{magic:?} {codec}");
            }
        }
    }
}

#[test]
fn message_sets_of_ours_are_read_by_them() {
    for magic in MAGICS {
        for records in samples() {
            let mut bytes = Bytes::from(write_set(&records, magic, Compression::None));
            let sets = old::RecordBatchDecoder::decode_all(&mut bytes).unwrap();
            let read = sets.iter().flat_map(|set| &set.records).map(|record| Owned {
                offset: 0,
                timestamp: record.timestamp,
                key: record.key.as_deref().map(<[u8]>::to_vec),
                value: record.value.as_deref().map(<[u8]>::to_vec),
                headers: Vec::new(),
            });
            assert_eq!(read.collect::<Vec<_>>(), without_offsets(&records, magic), "{magic:?}");
        }
    }
}
