//! The catalogue's records, in the formats of Kafka's own cluster metadata log.
//!
//! ```text
//! value = frame version (uvarint, 1) | record type (uvarint) | version (uvarint) | fields | tags
//! ```
//!
//! Every record is flexible and its key is null, so Apache Kafka's `kafka-dump-log
//! --cluster-metadata-decoder` reads the log. Kafka's types that mean nothing on one node (leader
//! changes, registrations) are never written, and skipped when read.
//!
//! # Source
//! `metadata/src/main/resources/common/metadata/*.json` and `MetadataRecordSerde` in Apache Kafka.

use protocol::codec::{DecodeError, EncodeError, Reader, Writer};
use protocol::types::{PartitionIndex, ProducerId, TopicId};

use super::acls::{Acl, AclOperation, PatternType, Permission, ResourcePattern, ResourceType};
use super::image::{ConfigResource, QuotaEntity, ResourceKind, ScramCredential, ScramMechanism};

const FRAME_VERSION: u32 = 1;
const TOPIC: u32 = 2;
const PARTITION: u32 = 3;
const CONFIG: u32 = 4;
const REMOVE_TOPIC: u32 = 9;
const SCRAM: u32 = 11;
const FEATURE: u32 = 12;
const QUOTA: u32 = 14;
const PRODUCER_IDS: u32 = 15;
const ACL: u32 = 18;
const REMOVE_ACL: u32 = 19;
const REMOVE_SCRAM: u32 = 22;
const BEGIN_TRANSACTION: u32 = 23;
const END_TRANSACTION: u32 = 24;
const ABORT_TRANSACTION: u32 = 25;
/// The least that one part of a quota's entity takes: type, name, tags.
const ENTITY_BYTES_MIN: usize = 3;

/// One change to the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record {
    /// A topic exists.
    Topic { name: String, id: TopicId },
    /// One of its partitions exists.
    Partition { topic_id: TopicId, index: PartitionIndex },
    /// A setting; `None` goes back to the default.
    Config { resource: ConfigResource, key: String, value: Option<String> },
    /// A topic and all its partitions are gone.
    RemoveTopic { id: TopicId },
    /// Producer ids below `next` were handed out.
    ProducerIds { next: ProducerId },
    /// An access control entry exists.
    Acl { id: TopicId, acl: Acl },
    /// It is gone.
    RemoveAcl { id: TopicId },
    /// A user's password.
    Scram { user: String, mechanism: ScramMechanism, credential: ScramCredential },
    /// It is gone.
    RemoveScram { user: String, mechanism: ScramMechanism },
    /// A quota; `None` takes it away.
    Quota { entity: QuotaEntity, key: String, value: Option<f64> },
    /// A feature is used at this level.
    Feature { name: String, level: i16 },
    /// What follows counts only once it has ended (KIP-868).
    BeginTransaction,
    /// It counts.
    EndTransaction,
    /// It does not.
    AbortTransaction,
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
            Self::Config { resource, key, value } => {
                head(&mut out, CONFIG);
                out.i8(resource.kind.code());
                out.string(Some(&resource.name), true)?;
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
            Self::Acl { id, acl } => {
                head(&mut out, ACL);
                out.uuid(*id);
                out.i8(acl.resource.kind.code());
                out.string(Some(&acl.resource.name), true)?;
                out.i8(acl.resource.pattern.code());
                out.string(Some(&acl.principal), true)?;
                out.string(Some(&acl.host), true)?;
                out.i8(acl.operation.code());
                out.i8(acl.permission.code());
            }
            Self::RemoveAcl { id } => {
                head(&mut out, REMOVE_ACL);
                out.uuid(*id);
            }
            Self::Scram { user, mechanism, credential } => {
                head(&mut out, SCRAM);
                out.string(Some(user), true)?;
                out.i8(mechanism.code());
                for bytes in [&credential.salt, &credential.stored_key, &credential.server_key] {
                    out.bytes(Some(bytes), true)?;
                }
                out.i32(credential.iterations);
            }
            Self::RemoveScram { user, mechanism } => {
                head(&mut out, REMOVE_SCRAM);
                out.string(Some(user), true)?;
                out.i8(mechanism.code());
            }
            Self::Quota { entity, key, value } => {
                head(&mut out, QUOTA);
                out.length(Some(entity.len()), true)?;
                for (kind, name) in entity {
                    out.string(Some(kind), true)?;
                    out.string(name.as_deref(), true)?;
                    out.uvarint(0);
                }
                out.string(Some(key), true)?;
                out.f64(value.unwrap_or_default());
                out.bool(value.is_none());
            }
            Self::Feature { name, level } => {
                head(&mut out, FEATURE);
                out.string(Some(name), true)?;
                out.i16(*level);
            }
            Self::BeginTransaction => head(&mut out, BEGIN_TRANSACTION),
            Self::EndTransaction => head(&mut out, END_TRANSACTION),
            Self::AbortTransaction => head(&mut out, ABORT_TRANSACTION),
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
            CONFIG => {
                let Some(kind) = ResourceKind::from_code(reader.i8()?) else { return Ok(None) };
                Self::Config {
                    resource: ConfigResource { kind, name: required(&mut reader)? },
                    key: required(&mut reader)?,
                    value: reader.string(true)?.map(str::to_owned),
                }
            }
            REMOVE_TOPIC => Self::RemoveTopic { id: reader.uuid()? },
            PRODUCER_IDS => {
                reader.i32()?;
                reader.i64()?;
                Self::ProducerIds { next: ProducerId(reader.i64()?) }
            }
            ACL => return Ok(decode_acl(&mut reader)?.map(|(id, acl)| Self::Acl { id, acl })),
            REMOVE_ACL => Self::RemoveAcl { id: reader.uuid()? },
            SCRAM => {
                let user = required(&mut reader)?;
                let Some(mechanism) = ScramMechanism::from_code(reader.i8()?) else { return Ok(None) };
                let mut secret = || reader.bytes(true).map(|bytes| bytes.unwrap_or_default().to_vec());
                let (salt, stored_key, server_key) = (secret()?, secret()?, secret()?);
                let iterations = reader.i32()?;
                let credential = ScramCredential { salt, stored_key, server_key, iterations };
                Self::Scram { user, mechanism, credential }
            }
            REMOVE_SCRAM => {
                let user = required(&mut reader)?;
                let Some(mechanism) = ScramMechanism::from_code(reader.i8()?) else { return Ok(None) };
                Self::RemoveScram { user, mechanism }
            }
            QUOTA => {
                let entity = decode_entity(&mut reader)?;
                let key = required(&mut reader)?;
                let value = reader.f64()?;
                Self::Quota { entity, key, value: (!reader.bool()?).then_some(value) }
            }
            FEATURE => Self::Feature { name: required(&mut reader)?, level: reader.i16()? },
            BEGIN_TRANSACTION => Self::BeginTransaction,
            END_TRANSACTION => Self::EndTransaction,
            ABORT_TRANSACTION => Self::AbortTransaction,
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

/// `None` if it says something that only a newer version knows.
fn decode_acl(reader: &mut Reader<'_>) -> Result<Option<(TopicId, Acl)>, DecodeError> {
    let id = reader.uuid()?;
    let (kind, name) = (ResourceType::from_code(reader.i8()?), required(reader)?);
    let pattern = PatternType::from_code(reader.i8()?);
    let (principal, host) = (required(reader)?, required(reader)?);
    let operation = AclOperation::from_code(reader.i8()?);
    let permission = Permission::from_code(reader.i8()?);
    let (Some(kind), Some(pattern), Some(operation), Some(permission)) =
        (kind, pattern, operation, permission)
    else {
        return Ok(None);
    };
    let resource = ResourcePattern { kind, name, pattern };
    Ok(Some((id, Acl { resource, principal, host, operation, permission })))
}

fn decode_entity(reader: &mut Reader<'_>) -> Result<QuotaEntity, DecodeError> {
    let mut entity = QuotaEntity::new();
    let count = reader.array_count(true, ENTITY_BYTES_MIN, 0)?;
    for _ in 0..count.unwrap_or_default() {
        let kind = required(reader)?;
        entity.insert(kind, reader.string(true)?.map(str::to_owned));
        reader.uvarint()?;
    }
    Ok(entity)
}

/// One of each, for tests.
#[cfg(test)]
pub(super) fn samples() -> Vec<Record> {
    let id = TopicId([5; 16]);
    let orders = ConfigResource::new(ResourceKind::Topic, "orders");
    let acl = Acl {
        resource: ResourcePattern {
            kind: ResourceType::Topic,
            name: "or".into(),
            pattern: PatternType::Prefixed,
        },
        principal: "User:ann".into(),
        host: "*".into(),
        operation: AclOperation::Read,
        permission: Permission::Deny,
    };
    let credential =
        ScramCredential { salt: vec![1], stored_key: vec![2; 32], server_key: vec![3; 32], iterations: 4096 };
    let entity = QuotaEntity::from([("user".into(), Some("ann".into())), ("client-id".into(), None)]);
    let (user, mechanism) = ("ann".to_owned(), ScramMechanism::Sha256);
    vec![
        Record::Topic { name: "orders".into(), id },
        Record::Partition { topic_id: id, index: PartitionIndex(3) },
        Record::Config { resource: orders.clone(), key: "segment.ms".into(), value: Some("1".into()) },
        Record::Config { resource: orders, key: "retention.ms".into(), value: None },
        Record::RemoveTopic { id: TopicId([6; 16]) },
        Record::ProducerIds { next: ProducerId(2000) },
        Record::Acl { id, acl: acl.clone() },
        Record::RemoveAcl { id: TopicId([7; 16]) },
        Record::Scram { user: user.clone(), mechanism, credential },
        Record::RemoveScram { user, mechanism: ScramMechanism::Sha512 },
        Record::Quota { entity: entity.clone(), key: "producer_byte_rate".into(), value: Some(1.5) },
        Record::Quota { entity, key: "consumer_byte_rate".into(), value: None },
        Record::Feature { name: "group.version".into(), level: 1 },
        Record::BeginTransaction,
        Record::EndTransaction,
        Record::AbortTransaction,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

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
