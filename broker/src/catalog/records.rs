//! The catalogue's records, in the formats of Kafka's own cluster metadata log.
//!
//! ```text
//! value = frame version (uvarint, 1) | record type (uvarint) | version (uvarint) | fields | tags
//! ```
//!
//! Every record is flexible and its key is null, so Apache Kafka's `kafka-dump-log
//! --cluster-metadata-decoder` reads the log. Kafka's types that mean nothing on one node (leader
//! changes, registrations, features) are never written, and skipped when read.
//!
//! # Source
//! `metadata/src/main/resources/common/metadata/*.json` and `MetadataRecordSerde` in Apache Kafka.

use protocol::codec::{DecodeError, EncodeError, Reader, Writer};
use protocol::types::{PartitionIndex, ProducerId, TopicId};

const FRAME_VERSION: u32 = 1;
const TOPIC: u32 = 2;
const PARTITION: u32 = 3;
const CONFIG: u32 = 4;
const REMOVE_TOPIC: u32 = 9;
const PRODUCER_IDS: u32 = 15;
/// `ConfigResource.Type.TOPIC`.
const TOPIC_RESOURCE: i8 = 2;

/// One change to the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// A topic exists.
    Topic { name: String, id: TopicId },
    /// One of its partitions exists.
    Partition { topic_id: TopicId, index: PartitionIndex },
    /// A setting of a topic; `None` goes back to the default.
    TopicConfig { topic: String, key: String, value: Option<String> },
    /// A topic and all its partitions are gone.
    RemoveTopic { id: TopicId },
    /// Producer ids below `next` were handed out.
    ProducerIds { next: ProducerId },
}

/// A record's value that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error("frame version {0} is unknown")]
    FrameVersion(u32),
    #[error("{0}")]
    Decode(#[from] DecodeError),
}

impl Record {
    /// The record's value. `node` is the one replica of every partition.
    pub(super) fn encode(&self, node: i32) -> Result<Vec<u8>, EncodeError> {
        let mut out = Writer::new();
        let head = |out: &mut Writer, kind| {
            for part in [FRAME_VERSION, kind, 0] {
                out.uvarint(part);
            }
        };
        match self {
            Self::Topic { name, id } => {
                head(&mut out, TOPIC);
                out.string(Some(name), true)?;
                out.uuid(*id);
            }
            Self::Partition { topic_id, index } => {
                head(&mut out, PARTITION);
                out.i32(index.0);
                out.uuid(*topic_id);
                for replicas in [&[node][..], &[node], &[], &[]] {
                    out.length(Some(replicas.len()), true)?;
                    replicas.iter().for_each(|replica| out.i32(*replica));
                }
                // Leader, leader epoch, partition epoch: epochs are counted by the log itself.
                for value in [node, 0, 0] {
                    out.i32(value);
                }
            }
            Self::TopicConfig { topic, key, value } => {
                head(&mut out, CONFIG);
                out.i8(TOPIC_RESOURCE);
                out.string(Some(topic), true)?;
                out.string(Some(key), true)?;
                out.string(value.as_deref(), true)?;
            }
            Self::RemoveTopic { id } => {
                head(&mut out, REMOVE_TOPIC);
                out.uuid(*id);
            }
            Self::ProducerIds { next } => {
                head(&mut out, PRODUCER_IDS);
                out.i32(node);
                out.i64(-1);
                out.i64(next.0);
            }
        }
        out.uvarint(0);
        Ok(out.into_bytes().to_vec())
    }

    /// Reads a record's value; `None` for types that mean nothing here.
    pub(super) fn decode(value: &[u8]) -> Result<Option<Self>, RecordError> {
        let mut reader = Reader::new(value);
        match reader.uvarint()? {
            FRAME_VERSION => {}
            other => return Err(RecordError::FrameVersion(other)),
        }
        let kind = reader.uvarint()?;
        let _version = reader.uvarint()?;
        let record = match kind {
            TOPIC => Self::Topic { name: required(&mut reader)?, id: reader.uuid()? },
            PARTITION => {
                let index = PartitionIndex(reader.i32()?);
                Self::Partition { index, topic_id: reader.uuid()? }
            }
            CONFIG => match reader.i8()? {
                TOPIC_RESOURCE => Self::TopicConfig {
                    topic: required(&mut reader)?,
                    key: required(&mut reader)?,
                    value: reader.string(true)?.map(str::to_owned),
                },
                _ => return Ok(None),
            },
            REMOVE_TOPIC => Self::RemoveTopic { id: reader.uuid()? },
            PRODUCER_IDS => {
                reader.i32()?;
                reader.i64()?;
                Self::ProducerIds { next: ProducerId(reader.i64()?) }
            }
            _ => return Ok(None),
        };
        // Later fields and tags of newer versions are left unread.
        Ok(Some(record))
    }
}

fn required(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let text = reader.string(true)?;
    text.map(str::to_owned).ok_or(DecodeError::UnexpectedNull { at: reader.position() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Record> {
        let id = TopicId([5; 16]);
        vec![
            Record::Topic { name: "orders".into(), id },
            Record::Partition { topic_id: id, index: PartitionIndex(3) },
            Record::TopicConfig {
                topic: "orders".into(),
                key: "retention.ms".into(),
                value: Some("1".into()),
            },
            Record::TopicConfig { topic: "orders".into(), key: "retention.ms".into(), value: None },
            Record::RemoveTopic { id },
            Record::ProducerIds { next: ProducerId(2000) },
        ]
    }

    #[test]
    fn records_survive_the_round_trip() {
        for record in samples() {
            let bytes = record.encode(1).unwrap();
            assert_eq!(Record::decode(&bytes).unwrap(), Some(record));
        }
    }

    /// Bytes worked out by hand from TopicRecord.json: name compact, id, empty tags.
    #[test]
    fn a_topic_record_has_kafkas_bytes() {
        let bytes = Record::Topic { name: "ab".into(), id: TopicId([9; 16]) }.encode(1).unwrap();
        let mut expected = vec![1, 2, 0, 3, b'a', b'b'];
        expected.extend([9; 16]);
        expected.push(0);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn truncated_records_are_errors_not_panics() {
        for record in samples() {
            let bytes = record.encode(1).unwrap();
            for cut in 0..bytes.len() {
                let _ = Record::decode(&bytes[..cut]);
            }
        }
        assert!(Record::decode(&[]).is_err() && Record::decode(&[2, 2, 0]).is_err());
        assert_eq!(Record::decode(&[1, 99, 0]).unwrap(), None, "an unknown type is skipped");
    }
}
