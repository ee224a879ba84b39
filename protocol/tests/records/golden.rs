//! What real clients wrote: `testdata/records`, made by the script beside the files.

use std::path::{Path, PathBuf};

use protocol::records::batch::set_leader_epoch;
use protocol::records::convert::{Magic, up_convert};
use protocol::records::message_set::Messages;
use protocol::records::{Batch, BatchBuilder, Compression};
use protocol::types::{Epoch, ProducerEpoch, ProducerId, Sequence, TimestampMs};

use super::common::{Owned, read_batches, read_set, write_batch, write_set};

/// One file, taken apart by its name: client and version, magic, codec.
pub(crate) struct Golden {
    pub(crate) name: String,
    pub(crate) client: String,
    pub(crate) magic: i8,
    pub(crate) codec: String,
    pub(crate) bytes: Vec<u8>,
}

impl Golden {
    fn read(path: &Path) -> Option<Golden> {
        let name = path.file_stem()?.to_str()?.to_owned();
        let (client, format) = name.split_once("-magic")?;
        let (magic, codec) = format.split_once('-')?;
        let (client, codec, magic) = (client.to_owned(), codec.to_owned(), magic.parse().ok()?);
        Some(Golden { name, client, magic, codec, bytes: std::fs::read(path).unwrap() })
    }

    /// A codec by name; a plain batch may be named after something else.
    fn compression(&self) -> Compression {
        Compression::ALL.into_iter().find(|codec| codec.name() == self.codec).unwrap_or_default()
    }

    /// Offsets in a produced set are the client's own affair.
    fn offset(&self, index: usize) -> i64 {
        match (self.client.as_str(), self.magic) {
            ("kafka-python-0.9.5", _) => 0,
            ("pykafka-2.8.0", _) => -1,
            _ => index as i64,
        }
    }

    fn expected(&self) -> Vec<Owned> {
        let mut records = records();
        for (index, record) in records.iter_mut().enumerate() {
            record.offset = self.offset(index);
            match self.magic {
                0 => *record = record.in_message_set(Magic::V0),
                1 => *record = record.in_message_set(Magic::V1),
                _ => {}
            }
        }
        records
    }
}

pub(crate) fn goldens() -> Vec<Golden> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/records");
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| Golden::read(path)).collect()
}

/// RECORDS of the generator.
fn records() -> Vec<Owned> {
    let some = |bytes: &[u8]| Some(bytes.to_vec());
    let record = |timestamp, key, value, headers| Owned { offset: 0, timestamp, key, value, headers };
    let headers = vec![(b"h1".to_vec(), some(b"x")), (b"h1".to_vec(), None), (vec![], some(b""))];
    vec![
        record(1_500_000_000_000, some(b"k1"), some(b"hello"), headers),
        record(1_500_000_000_001, None, some(b""), vec![]),
        record(1_499_999_999_000, some(b""), None, vec![]),
        record(
            1_500_000_000_500,
            some("ключ".as_bytes()),
            some(&b"abcdefghij".repeat(30)),
            vec![(b"long".to_vec(), some(&[b'y'; 100]))],
        ),
    ]
}

#[test]
fn every_client_s_records_are_read() {
    let goldens = goldens();
    assert_eq!(goldens.len(), 39, "files in testdata/records");
    for golden in goldens {
        let read = if golden.magic == 2 { read_batches(&golden.bytes) } else { read_set(&golden.bytes) };
        assert_eq!(read, golden.expected(), "{}", golden.name);
    }
}

#[test]
fn the_codec_is_what_the_name_says() {
    for golden in goldens() {
        let codec = if golden.magic == 2 {
            Batch::parse(&golden.bytes).unwrap().0.compression()
        } else {
            Messages::new(&golden.bytes).next().unwrap().unwrap().compression()
        };
        assert_eq!(codec, golden.compression(), "{}", golden.name);
    }
}

#[test]
fn every_client_s_batch_is_one_a_producer_may_send() {
    for golden in goldens().iter().filter(|golden| golden.magic == 2) {
        let (batch, rest) = Batch::parse(&golden.bytes).unwrap();
        assert!(rest.is_empty());
        assert_eq!(batch.validate(), Ok(()), "{}", golden.name);
        let summary = batch.check_records(1 << 20, &mut Vec::new()).unwrap();
        assert_eq!(summary.max_timestamp, batch.max_timestamp(), "{}", golden.name);
        assert_eq!(summary.keyless, Some(1), "{}", golden.name);
    }
}

/// kafka-python writes leader epoch 0, where we and Java write -1; the leader overwrites it.
fn in_epoch_0(mut batch: Vec<u8>) -> Vec<u8> {
    set_leader_epoch(&mut batch, Epoch(0));
    batch
}

#[test]
fn uncompressed_we_write_the_same_bytes() {
    let plain = |golden: &Golden| golden.codec == "none";
    for golden in goldens().into_iter().filter(plain) {
        let records = golden.expected();
        let written = match golden.magic {
            0 => write_set(&records, Magic::V0, Compression::None),
            1 => write_set(&records, Magic::V1, Compression::None),
            _ => in_epoch_0(write_batch(&records, Compression::None)),
        };
        assert!(written == golden.bytes, "{}", golden.name);
    }
}

#[test]
fn a_transactional_batch_is_written_byte_for_byte() {
    for golden in goldens().into_iter().filter(|golden| golden.codec == "transactional") {
        let mut batch = BatchBuilder::new()
            .producer(ProducerId(4711), ProducerEpoch(3), Sequence(2_147_483_646))
            .transactional();
        for record in records() {
            let headers: Vec<_> = record.headers.iter().map(|(n, v)| (&n[..], v.as_deref())).collect();
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            batch.append(TimestampMs(record.timestamp), key, value, &headers);
        }
        assert!(in_epoch_0(batch.build()) == golden.bytes, "{}", golden.name);
        let (batch, _) = Batch::parse(&golden.bytes).unwrap();
        assert_eq!(batch.last_sequence(), Sequence(1), "the sequence wraps");
    }
}

#[test]
fn every_client_s_message_set_converts_to_one_batch() {
    for golden in goldens().into_iter().filter(|golden| golden.magic < 2) {
        let converted = up_convert(&golden.bytes).unwrap();
        let (batch, rest) = Batch::parse(&converted).unwrap();
        assert!(rest.is_empty(), "{}", golden.name);
        assert_eq!(batch.validate(), Ok(()), "{}", golden.name);
        assert_eq!(batch.compression(), golden.compression(), "{}", golden.name);
        let mut expected = golden.expected();
        for (index, record) in expected.iter_mut().enumerate() {
            record.offset = index as i64;
        }
        assert_eq!(read_batches(&converted), expected, "{}", golden.name);
    }
}
