//! Records in a form that owns its bytes, and the ways from there to the wire and back.

use protocol::records::convert::Magic;
use protocol::records::message_set::{MessageSetBuilder, Messages};
use protocol::records::{BatchBuilder, Batches, Compression, Header};
use protocol::types::{Offset, TimestampMs};

/// More than any test decompresses on purpose.
pub(crate) const LIMIT_BYTES: usize = 8 << 20;

/// Codecs that message sets have.
pub(crate) const OLD_CODECS: [Compression; 4] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4];

pub(crate) const MAGICS: [Magic; 2] = [Magic::V0, Magic::V1];

type Bytes = Vec<u8>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Vec<(Bytes, Option<Bytes>)>,
}

impl Owned {
    /// What a message set keeps of it.
    pub(crate) fn in_message_set(&self, magic: Magic) -> Owned {
        let timestamp = if magic == Magic::V0 { -1 } else { self.timestamp };
        Owned { timestamp, headers: Vec::new(), ..self.clone() }
    }
}

pub(crate) fn write_batch(records: &[Owned], codec: Compression) -> Bytes {
    let base = records.first().map_or(0, |record| record.offset);
    let mut batch = BatchBuilder::new().base_offset(Offset(base)).compression(codec);
    for record in records {
        let headers: Vec<Header<'_>> = record.headers.iter().map(|(n, v)| (&n[..], v.as_deref())).collect();
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        batch.append_at(Offset(record.offset), TimestampMs(record.timestamp), key, value, &headers);
    }
    batch.build()
}

pub(crate) fn read_batches(bytes: &[u8]) -> Vec<Owned> {
    let mut scratch = Vec::new();
    let mut all = Vec::new();
    for batch in Batches::new(bytes) {
        let batch = batch.unwrap();
        assert_eq!(batch.verify_crc(), Ok(()));
        let records = batch.decompressed(LIMIT_BYTES, &mut scratch).unwrap();
        all.extend(records.map(Result::unwrap).map(|record| Owned {
            offset: record.offset.0,
            timestamp: record.timestamp.0,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers().map(|(n, v)| (n.to_vec(), v.map(<[u8]>::to_vec))).collect(),
        }));
    }
    all
}

pub(crate) fn write_set(records: &[Owned], magic: Magic, codec: Compression) -> Bytes {
    let mut out = Vec::new();
    let mut set = MessageSetBuilder::new(&mut out, magic, codec, None);
    for record in records {
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        set.append(Offset(record.offset), TimestampMs(record.timestamp), key, value);
    }
    set.finish();
    out
}

pub(crate) fn read_set(bytes: &[u8]) -> Vec<Owned> {
    let mut scratch = Vec::new();
    let mut all = Vec::new();
    let mut push = |message: protocol::records::message_set::Message<'_>| {
        assert_eq!(message.verify_crc(), Ok(()));
        all.push(Owned {
            offset: message.offset().0,
            timestamp: message.timestamp().0,
            key: message.key().map(<[u8]>::to_vec),
            value: message.value().map(<[u8]>::to_vec),
            headers: Vec::new(),
        });
    };
    let mut messages = Messages::new(bytes);
    for message in messages.by_ref().map(Result::unwrap) {
        if message.compression() == Compression::None {
            push(message);
        } else {
            assert_eq!(message.verify_crc(), Ok(()));
            message.inner(LIMIT_BYTES, &mut scratch).unwrap().map(Result::unwrap).for_each(&mut push);
        }
    }
    assert!(messages.remainder().is_empty());
    all
}
