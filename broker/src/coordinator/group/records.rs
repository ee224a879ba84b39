//! The records of `__consumer_offsets`, byte for byte as Apache Kafka writes them.
//!
//! A key begins with its type, a value with its version, both `i16`; the rest is big-endian in the order
//! of the tables below. Strings and byte strings are `i16` and `i32` length-prefixed, -1 for null, except
//! in the flexible value versions (4), where lengths are varints of length + 1 and tagged fields follow.
//!
//! | key type | key fields | value versions read | written |
//! |---|---|---|---|
//! | 0, 1 | group, topic, partition `i32` | 0 to 4 | key 1, value 3 (1 if the client set its own retention) |
//! | 2 | group | 0 to 4 | key 2, value 3 |
//! | 3 to 8, 16 | see `consumer` | 0 | value 0 |
//!
//! A record without a value (a tombstone) removes what its key names. Other key types belong to share and
//! streams groups; [`GroupRecord::decode`] passes them over, as Apache Kafka passes over types it does not
//! know.
//!
//! Source: `OffsetCommitKey.json`, `OffsetCommitValue.json`, `GroupMetadataKey.json` and
//! `GroupMetadataValue.json` in Apache Kafka's group-coordinator.

mod consumer;

use bytes::Bytes;
pub use consumer::{
    ClassicInfo, ConsumerPart, CurrentAssignment, GroupEpoch, MemberInfo, MemberState, Partitions,
    ResolvedRegex,
};
use protocol::types::{Epoch, Offset, PartitionIndex, TimestampMs};

/// Key type of a committed offset; type 0 has the same fields and is read, not written.
const OFFSET_COMMIT_KEY: i16 = 1;
/// Key type of a classic group.
const GROUP_METADATA_KEY: i16 = 2;
/// The value version that every tool since Kafka 2.1 reads.
const OFFSET_COMMIT_VALUE: i16 = 3;
/// The one value version with room for a retention that the client chose (OffsetCommit 2 to 4).
const OFFSET_COMMIT_VALUE_EXPIRING: i16 = 1;
/// The value version with static members, read by every tool since Kafka 2.3.
const GROUP_METADATA_VALUE: i16 = 3;
/// The first flexible version of both values, and the last one.
const FLEXIBLE_VALUE: i16 = 4;

/// One record of `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRecord {
    /// A group's offset in one partition, or that it has none any more.
    OffsetCommit {
        /// Whose offset of what.
        key: OffsetKey,
        /// The offset, or `None` to forget it.
        value: Option<CommittedOffset>,
    },
    /// A classic group between two rebalances, or that it is gone.
    GroupMetadata {
        /// The group.
        group_id: String,
        /// The group, or `None` to forget it.
        value: Option<GroupMetadata>,
    },
    /// One part of a consumer group (KIP-848), or that it is gone.
    Consumer {
        /// The group.
        group_id: String,
        /// The part.
        part: ConsumerPart,
    },
}

/// What a committed offset belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetKey {
    /// The group.
    pub group_id: String,
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: PartitionIndex,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: Offset,
    /// Epoch of the last record read, or [`Epoch::NONE`].
    pub leader_epoch: Epoch,
    /// The client's note.
    pub metadata: String,
    /// When it was committed.
    pub committed_at: TimestampMs,
    /// When it may be forgotten, if the client chose (OffsetCommit 2 to 4).
    pub expires_at: Option<TimestampMs>,
}

/// A classic group as it stands between two rebalances: stable with its members, or empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// `consumer`, `connect`, …; "" if the group never had a member.
    pub protocol_type: String,
    /// Raised by every rebalance.
    pub generation: i32,
    /// The assignor in use.
    pub protocol: Option<String>,
    /// The member that assigned.
    pub leader: Option<String>,
    /// When the group came to this state; unknown in value versions 0 and 1.
    pub state_since: Option<TimestampMs>,
    /// Everyone in the group.
    pub members: Vec<MemberMetadata>,
}

/// One member of [`GroupMetadata`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMetadata {
    /// The member's id.
    pub member_id: String,
    /// The static member's name (KIP-345).
    pub group_instance_id: Option<String>,
    /// The client's own name.
    pub client_id: String,
    /// The client's address.
    pub client_host: String,
    /// How long the member may take to rejoin, in milliseconds. Value version 0 lacks it: the session's.
    pub rebalance_timeout_ms: i32,
    /// How long the member may stay silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// What the member gave for the chosen assignor.
    pub subscription: Bytes,
    /// What the member was assigned.
    pub assignment: Bytes,
}

/// Why a record cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end before the record does, or a length is negative.
    #[error("the record ends before its fields do")]
    Truncated,
    /// A string is not UTF-8.
    #[error("a string of the record is not UTF-8")]
    NotUtf8,
    /// A value of a version that no Kafka has written so far.
    #[error("value version {0} is unknown")]
    UnknownVersion(i16),
    /// A string is longer than the 32,767 bytes that the format can hold.
    #[error("a string of {0} bytes does not fit the record format")]
    StringTooLong(usize),
}

/// A record as the log holds it: key, and value unless it is a tombstone.
pub(crate) type EncodedRecord = (Vec<u8>, Option<Vec<u8>>);

impl GroupRecord {
    /// The group that the record is about.
    #[must_use]
    pub fn group_id(&self) -> &str {
        match self {
            Self::OffsetCommit { key, .. } => &key.group_id,
            Self::GroupMetadata { group_id, .. } | Self::Consumer { group_id, .. } => group_id,
        }
    }

    /// Reads a record; `None` if its type is one we do not serve.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self>, RecordError> {
        let mut key = Fields { rest: key, flexible: false };
        match key.i16()? {
            0 | OFFSET_COMMIT_KEY => {
                let key = OffsetKey {
                    group_id: key.string()?,
                    topic: key.string()?,
                    partition: PartitionIndex(key.i32()?),
                };
                let value = value.map(CommittedOffset::decode).transpose()?;
                Ok(Some(Self::OffsetCommit { key, value }))
            }
            GROUP_METADATA_KEY => {
                let group_id = key.string()?;
                let value = value.map(GroupMetadata::decode).transpose()?;
                Ok(Some(Self::GroupMetadata { group_id, value }))
            }
            kind @ (consumer::EPOCH_KEY..=consumer::CURRENT_KEY | consumer::REGEX_KEY) => {
                let group_id = key.string()?;
                let part = ConsumerPart::decode(kind, &mut key, value)?;
                Ok(Some(Self::Consumer { group_id, part }))
            }
            _ => Ok(None),
        }
    }

    /// Writes the record as key and value.
    pub(crate) fn encode(&self) -> Result<EncodedRecord, RecordError> {
        let mut out = Vec::with_capacity(64);
        match self {
            Self::OffsetCommit { key, value } => {
                put_i16(&mut out, OFFSET_COMMIT_KEY);
                put_string(&mut out, &key.group_id)?;
                put_string(&mut out, &key.topic)?;
                put_i32(&mut out, key.partition.0);
                Ok((out, value.as_ref().map(CommittedOffset::encode).transpose()?))
            }
            Self::GroupMetadata { group_id, value } => {
                put_i16(&mut out, GROUP_METADATA_KEY);
                put_string(&mut out, group_id)?;
                Ok((out, value.as_ref().map(GroupMetadata::encode).transpose()?))
            }
            Self::Consumer { group_id, part } => {
                Ok((consumer::encode_key(group_id, part)?, part.encode_value()?))
            }
        }
    }
}

impl CommittedOffset {
    fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let (mut value, version) = Fields::of_value(value)?;
        let offset = Offset(value.i64()?);
        let leader_epoch = if version >= 3 { Epoch(value.i32()?) } else { Epoch::NONE };
        let metadata = value.string()?;
        let committed_at = TimestampMs(value.i64()?);
        let expires_at = if version == OFFSET_COMMIT_VALUE_EXPIRING { value.i64()? } else { -1 };
        let expires_at = (expires_at >= 0).then_some(TimestampMs(expires_at));
        Ok(Self { offset, leader_epoch, metadata, committed_at, expires_at })
    }

    fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let mut out = Vec::with_capacity(24 + self.metadata.len() + 8);
        let version =
            if self.expires_at.is_some() { OFFSET_COMMIT_VALUE_EXPIRING } else { OFFSET_COMMIT_VALUE };
        put_i16(&mut out, version);
        put_i64(&mut out, self.offset.0);
        if version >= 3 {
            put_i32(&mut out, self.leader_epoch.0);
        }
        put_string(&mut out, &self.metadata)?;
        put_i64(&mut out, self.committed_at.0);
        if let Some(expires_at) = self.expires_at {
            put_i64(&mut out, expires_at.0);
        }
        Ok(out)
    }
}

impl GroupMetadata {
    fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let (mut value, version) = Fields::of_value(value)?;
        let protocol_type = value.string()?;
        let generation = value.i32()?;
        let protocol = value.nullable_string()?;
        let leader = value.nullable_string()?;
        let state_since = if version >= 2 { value.i64()? } else { -1 };
        let state_since = (state_since >= 0).then_some(TimestampMs(state_since));
        // The count is not trusted: memory grows only as members are really read.
        let count = value.array_len()?;
        let mut members = Vec::new();
        for _ in 0..count {
            members.push(MemberMetadata::decode(&mut value, version)?);
        }
        Ok(Self { protocol_type, generation, protocol, leader, state_since, members })
    }

    fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let mut out = Vec::with_capacity(128 * (1 + self.members.len()));
        put_i16(&mut out, GROUP_METADATA_VALUE);
        put_string(&mut out, &self.protocol_type)?;
        put_i32(&mut out, self.generation);
        put_nullable_string(&mut out, self.protocol.as_deref())?;
        put_nullable_string(&mut out, self.leader.as_deref())?;
        put_i64(&mut out, self.state_since.unwrap_or(TimestampMs::NONE).0);
        put_i32(&mut out, self.members.len() as i32);
        for member in &self.members {
            put_string(&mut out, &member.member_id)?;
            put_nullable_string(&mut out, member.group_instance_id.as_deref())?;
            put_string(&mut out, &member.client_id)?;
            put_string(&mut out, &member.client_host)?;
            put_i32(&mut out, member.rebalance_timeout_ms);
            put_i32(&mut out, member.session_timeout_ms);
            put_bytes(&mut out, &member.subscription);
            put_bytes(&mut out, &member.assignment);
        }
        Ok(out)
    }
}

impl MemberMetadata {
    fn decode(value: &mut Fields<'_>, version: i16) -> Result<Self, RecordError> {
        let member_id = value.string()?;
        let group_instance_id = if version >= 3 { value.nullable_string()? } else { None };
        let client_id = value.string()?;
        let client_host = value.string()?;
        let rebalance_timeout_ms = if version >= 1 { Some(value.i32()?) } else { None };
        let session_timeout_ms = value.i32()?;
        let member = Self {
            member_id,
            group_instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms: rebalance_timeout_ms.filter(|ms| *ms >= 0).unwrap_or(session_timeout_ms),
            session_timeout_ms,
            subscription: value.bytes()?,
            assignment: value.bytes()?,
        };
        value.skip_tags()?;
        Ok(member)
    }
}

fn put_i16(out: &mut Vec<u8>, value: i16) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_i32(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_string(out: &mut Vec<u8>, value: &str) -> Result<(), RecordError> {
    let len = i16::try_from(value.len()).map_err(|_| RecordError::StringTooLong(value.len()))?;
    put_i16(out, len);
    out.extend_from_slice(value.as_bytes());
    Ok(())
}

fn put_nullable_string(out: &mut Vec<u8>, value: Option<&str>) -> Result<(), RecordError> {
    match value {
        Some(value) => put_string(out, value),
        None => {
            put_i16(out, -1);
            Ok(())
        }
    }
}

fn put_bytes(out: &mut Vec<u8>, value: &[u8]) {
    put_i32(out, value.len() as i32);
    out.extend_from_slice(value);
}

/// What is left of a key or value.
struct Fields<'a> {
    rest: &'a [u8],
    flexible: bool,
}

impl<'a> Fields<'a> {
    fn of_value(value: &'a [u8]) -> Result<(Self, i16), RecordError> {
        let mut fields = Self { rest: value, flexible: false };
        let version = fields.i16()?;
        if !(0..=FLEXIBLE_VALUE).contains(&version) {
            return Err(RecordError::UnknownVersion(version));
        }
        fields.flexible = version >= FLEXIBLE_VALUE;
        Ok((fields, version))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(RecordError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(RecordError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn i16(&mut self) -> Result<i16, RecordError> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32, RecordError> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, RecordError> {
        self.array().map(i64::from_be_bytes)
    }

    fn unsigned_varint(&mut self) -> Result<u32, RecordError> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecordError::Truncated)
    }

    /// A length: negative or compact 0 is null.
    fn len(
        &mut self,
        fixed: impl Fn(&mut Self) -> Result<i32, RecordError>,
    ) -> Result<Option<usize>, RecordError> {
        let len =
            if self.flexible { i64::from(self.unsigned_varint()?) - 1 } else { i64::from(fixed(self)?) };
        Ok(usize::try_from(len).ok())
    }

    fn nullable_string(&mut self) -> Result<Option<String>, RecordError> {
        let Some(len) = self.len(|fields| fields.i16().map(i32::from))? else { return Ok(None) };
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| RecordError::NotUtf8)?;
        Ok(Some(text.to_owned()))
    }

    fn string(&mut self) -> Result<String, RecordError> {
        self.nullable_string()?.ok_or(RecordError::Truncated)
    }

    fn bytes(&mut self) -> Result<Bytes, RecordError> {
        let len = self.len(Self::i32)?.ok_or(RecordError::Truncated)?;
        self.take(len).map(Bytes::copy_from_slice)
    }

    fn array_len(&mut self) -> Result<usize, RecordError> {
        self.len(Self::i32)?.ok_or(RecordError::Truncated)
    }

    /// An array. Its count is not trusted: memory grows only as entries are really read.
    fn list<T>(
        &mut self,
        entry: impl Fn(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        let count = self.array_len()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(entry(self)?);
        }
        Ok(entries)
    }

    /// Passes over the tagged fields of a flexible structure.
    fn skip_tags(&mut self) -> Result<(), RecordError> {
        self.tags(|_, _| Ok(()))
    }

    /// Hands over the tagged fields of a flexible structure: tag and bytes.
    fn tags(
        &mut self,
        mut read: impl FnMut(u32, &mut Fields<'a>) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let len = self.unsigned_varint()?;
            let rest = self.take(len as usize)?;
            read(tag, &mut Fields { rest, flexible: true })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offset() -> CommittedOffset {
        CommittedOffset {
            offset: Offset(0x0102),
            leader_epoch: Epoch(3),
            metadata: "né".to_owned(),
            committed_at: TimestampMs(0x0405),
            expires_at: None,
        }
    }

    fn offset_key() -> OffsetKey {
        OffsetKey { group_id: "gr".to_owned(), topic: "t".to_owned(), partition: PartitionIndex(7) }
    }

    fn member() -> MemberMetadata {
        MemberMetadata {
            member_id: "m-1".to_owned(),
            group_instance_id: Some("i".to_owned()),
            client_id: "c".to_owned(),
            client_host: "/h".to_owned(),
            rebalance_timeout_ms: 0x0a0b,
            session_timeout_ms: 0x0c0d,
            subscription: Bytes::from_static(b"sub"),
            assignment: Bytes::from_static(b"as"),
        }
    }

    fn group() -> GroupMetadata {
        GroupMetadata {
            protocol_type: "consumer".to_owned(),
            generation: 5,
            protocol: Some("range".to_owned()),
            leader: Some("m-1".to_owned()),
            state_since: Some(TimestampMs(6)),
            members: vec![member()],
        }
    }

    /// Written out by the schemas, field by field.
    fn offset_value(version: i16) -> Vec<u8> {
        let mut bytes = vec![0, version as u8];
        bytes.extend(b"\0\0\0\0\0\0\x01\x02"); // offset
        if version >= 3 {
            bytes.extend(b"\0\0\0\x03"); // leader epoch
        }
        bytes.extend(if version >= 4 { &b"\x04n\xc3\xa9"[..] } else { b"\0\x03n\xc3\xa9" }); // metadata
        bytes.extend(b"\0\0\0\0\0\0\x04\x05"); // commit timestamp
        if version == 1 {
            bytes.extend(b"\0\0\0\0\0\0\x06\x07"); // expire timestamp
        }
        if version >= 4 {
            bytes.extend(b"\x01\0\x02\xaa\xbb"); // one tagged field: tag 0, two bytes
        }
        bytes
    }

    /// Written out by the schemas, field by field.
    fn group_value(version: i16) -> Vec<u8> {
        let flexible = version >= 4;
        let mut bytes = vec![0, version as u8];
        let text = |bytes: &mut Vec<u8>, text: &str| {
            if flexible {
                bytes.push(text.len() as u8 + 1);
            } else {
                bytes.extend([0, text.len() as u8]);
            }
            bytes.extend(text.as_bytes());
        };
        let blob = |bytes: &mut Vec<u8>, blob: &[u8]| {
            if flexible {
                bytes.push(blob.len() as u8 + 1);
            } else {
                bytes.extend([0, 0, 0, blob.len() as u8]);
            }
            bytes.extend(blob);
        };
        text(&mut bytes, "consumer");
        bytes.extend(b"\0\0\0\x05");
        text(&mut bytes, "range");
        text(&mut bytes, "m-1");
        if version >= 2 {
            bytes.extend(b"\0\0\0\0\0\0\0\x06");
        }
        bytes.extend(if flexible { &b"\x02"[..] } else { b"\0\0\0\x01" });
        text(&mut bytes, "m-1");
        if version >= 3 {
            text(&mut bytes, "i");
        }
        text(&mut bytes, "c");
        text(&mut bytes, "/h");
        if version >= 1 {
            bytes.extend(b"\0\0\x0a\x0b");
        }
        bytes.extend(b"\0\0\x0c\x0d");
        blob(&mut bytes, b"sub");
        blob(&mut bytes, b"as");
        if flexible {
            bytes.extend(b"\0\0"); // no tagged fields: of the member, of the group
        }
        bytes
    }

    #[test]
    fn offsets_are_written_as_kafka_writes_them() {
        let record = GroupRecord::OffsetCommit { key: offset_key(), value: Some(offset()) };
        let (key, value) = record.encode().unwrap();
        assert_eq!(key, b"\0\x01\0\x02gr\0\x01t\0\0\0\x07");
        assert_eq!(value.unwrap(), offset_value(3));

        let expiring =
            CommittedOffset { expires_at: Some(TimestampMs(0x0607)), leader_epoch: Epoch::NONE, ..offset() };
        let record = GroupRecord::OffsetCommit { key: offset_key(), value: Some(expiring) };
        assert_eq!(record.encode().unwrap().1.unwrap(), offset_value(1));
    }

    #[test]
    fn groups_are_written_as_kafka_writes_them() {
        let record = GroupRecord::GroupMetadata { group_id: "gr".to_owned(), value: Some(group()) };
        let (key, value) = record.encode().unwrap();
        assert_eq!(key, b"\0\x02\0\x02gr");
        assert_eq!(value.unwrap(), group_value(3));

        let empty = GroupMetadata {
            protocol_type: String::new(),
            generation: 0,
            protocol: None,
            leader: None,
            state_since: None,
            members: Vec::new(),
        };
        let none = b"\0\x03\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(empty.encode().unwrap(), none);
        assert_eq!(GroupMetadata::decode(none), Ok(empty));
    }

    #[test]
    fn every_version_of_an_offset_is_read() {
        for version in 0..=4 {
            let expected = CommittedOffset {
                leader_epoch: if version >= 3 { Epoch(3) } else { Epoch::NONE },
                expires_at: (version == 1).then_some(TimestampMs(0x0607)),
                ..offset()
            };
            assert_eq!(CommittedOffset::decode(&offset_value(version)), Ok(expected), "version {version}");
        }
    }

    #[test]
    fn every_version_of_a_group_is_read() {
        for version in 0..=4 {
            let mut expected = group();
            let member = &mut expected.members[0];
            if version < 3 {
                member.group_instance_id = None;
            }
            if version < 1 {
                member.rebalance_timeout_ms = member.session_timeout_ms;
            }
            if version < 2 {
                expected.state_since = None;
            }
            assert_eq!(GroupMetadata::decode(&group_value(version)), Ok(expected), "version {version}");
        }
    }

    #[test]
    fn old_keys_tombstones_and_other_types_are_told_apart() {
        let key0 = b"\0\0\0\x02gr\0\x01t\0\0\0\x07";
        let expected = GroupRecord::OffsetCommit { key: offset_key(), value: None };
        assert_eq!(GroupRecord::decode(key0, None), Ok(Some(expected)));
        let gone = GroupRecord::GroupMetadata { group_id: "gr".to_owned(), value: None };
        assert_eq!(GroupRecord::decode(b"\0\x02\0\x02gr", None), Ok(Some(gone)));
        for other in [9i16, 15, 17, 23, 1000] {
            assert_eq!(GroupRecord::decode(&other.to_be_bytes(), Some(b"whatever")), Ok(None));
        }
    }

    #[test]
    fn damage_is_an_error_and_costs_no_memory() {
        for version in 0..=4 {
            // Tagged fields after the last field we know are not needed.
            let (offset, group) = (offset_value(version), group_value(version));
            let tags = if version == 4 { 5 } else { 0 };
            for cut in 0..offset.len() - tags {
                assert!(CommittedOffset::decode(&offset[..cut]).is_err(), "version {version} cut at {cut}");
            }
            for cut in 0..group.len() - tags.min(1) {
                assert!(GroupMetadata::decode(&group[..cut]).is_err(), "version {version} cut at {cut}");
            }
        }
        let unknown = GroupMetadata::decode(b"\0\x05rest");
        assert_eq!(unknown, Err(RecordError::UnknownVersion(5)));
        let many = b"\0\x03\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff";
        assert_eq!(GroupMetadata::decode(many), Err(RecordError::Truncated));
        assert_eq!(CommittedOffset::decode(b"\0\0\0\0\0\0\0\0\0\0\0\x01\xff"), Err(RecordError::NotUtf8));
        let long = GroupRecord::GroupMetadata { group_id: "g".repeat(40_000), value: None };
        assert_eq!(long.encode(), Err(RecordError::StringTooLong(40_000)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(kind in 0i16..17, key: Vec<u8>, version in 0i16..6, value: Vec<u8>) {
            let key = [&kind.to_be_bytes()[..], &key].concat();
            let value = [&version.to_be_bytes()[..], &value].concat();
            if let Ok(Some(record)) = GroupRecord::decode(&key, Some(&value)) {
                let (key, value) = record.encode().unwrap();
                // A leader epoch is lost beside an expiry; versions that have both do not exist.
                prop_assert_eq!(GroupRecord::decode(&key, value.as_deref()), Ok(Some(record)));
            }
        }
    }
}
