//! The records of consumer groups (KIP-848): every value is version 0 and flexible.
//!
//! | key type | key fields besides the group | value |
//! |---|---|---|
//! | 3 | | the group's epoch, and a hash of the topics it reads |
//! | 4 | | partition counts of those topics, from Kafka 4.0 and older: read to be removed |
//! | 5 | member | what the member told of itself |
//! | 6 | | the epoch of the target assignment |
//! | 7 | member | what the member is to have |
//! | 8 | member | what the member has, and how far it has come |
//! | 16 | regular expression | the topics it stands for |
//!
//! Left out: the epoch of each assigned partition (KIP-1251), a tagged field that is passed over.
//!
//! Source: `ConsumerGroup*Key.json` and `ConsumerGroup*Value.json` in Apache Kafka's group-coordinator.

use std::collections::{BTreeMap, BTreeSet};

use protocol::types::{TimestampMs, TopicId};

use super::{Fields, RecordError, put_i16, put_i32, put_i64, put_string};
use crate::coordinator::group::requests::JoinProtocol;

pub(super) const EPOCH_KEY: i16 = 3;
pub(super) const PARTITION_METADATA_KEY: i16 = 4;
pub(super) const MEMBER_KEY: i16 = 5;
pub(super) const TARGET_EPOCH_KEY: i16 = 6;
pub(super) const TARGET_KEY: i16 = 7;
pub(super) const CURRENT_KEY: i16 = 8;
pub(super) const REGEX_KEY: i16 = 16;
const VALUE_VERSION: i16 = 0;
/// Tag of the hash of topics, and of the classic protocol's part of a member.
const TAG: u32 = 0;

/// Partitions by topic. No topic has an empty set.
pub type Partitions = BTreeMap<TopicId, BTreeSet<i32>>;

/// One part of a consumer group. `None` removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsumerPart {
    /// The group itself.
    Epoch(Option<GroupEpoch>),
    /// That older Kafkas left partition counts in the log.
    PartitionMetadata(Option<()>),
    /// What a member told of itself.
    Member(String, Option<MemberInfo>),
    /// The epoch of the target assignment.
    TargetEpoch(Option<i32>),
    /// What a member is to have.
    Target(String, Option<Partitions>),
    /// What a member has.
    Current(String, Option<CurrentAssignment>),
    /// What a regular expression stands for.
    Regex(String, Option<ResolvedRegex>),
}

/// A group's epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupEpoch {
    /// Raised by every change of members, subscriptions and topics.
    pub epoch: i32,
    /// Of names, ids and partition counts of the topics the group reads; another one means they changed.
    pub topics_hash: i64,
}

/// What a member told of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberInfo {
    /// The static member's name.
    pub instance_id: Option<String>,
    /// The member's rack.
    pub rack_id: Option<String>,
    /// The client's own name.
    pub client_id: String,
    /// The client's address.
    pub client_host: String,
    /// The topics subscribed to by name.
    pub topics: BTreeSet<String>,
    /// The regular expression subscribed to.
    pub regex: Option<String>,
    /// How long the member may take to give partitions back, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// The assignor that the member wants.
    pub assignor: Option<String>,
    /// For a member that speaks the classic protocol, what that needs.
    pub classic: Option<ClassicInfo>,
}

/// The classic protocol's part of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassicInfo {
    /// How long the member may stay silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// The assignors the member knows, most wanted first.
    pub protocols: Vec<JoinProtocol>,
}

/// How far a member has come on its way to the target assignment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemberState {
    /// It has all that its epoch gives it.
    #[default]
    Stable,
    /// It has to give partitions back before it may move on.
    UnrevokedPartitions,
    /// It has moved on, but others have not given back all that it is to have.
    UnreleasedPartitions,
    /// A state that a newer Kafka wrote.
    Unknown,
}

impl MemberState {
    const fn code(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::UnrevokedPartitions => 1,
            Self::UnreleasedPartitions => 2,
            Self::Unknown => 127,
        }
    }

    const fn from_code(code: i8) -> Self {
        match code {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            2 => Self::UnreleasedPartitions,
            _ => Self::Unknown,
        }
    }
}

/// What a member has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurrentAssignment {
    /// The epoch that the member is to name.
    pub epoch: i32,
    /// The epoch before: the member may not have heard of the new one yet.
    pub previous_epoch: i32,
    /// How far the member has come.
    pub state: MemberState,
    /// What the member may read.
    pub assigned: Partitions,
    /// What the member must stop reading.
    pub revoking: Partitions,
}

/// The topics of a regular expression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedRegex {
    /// The topics that matched.
    pub topics: BTreeSet<String>,
    /// Which state of the cluster's topics was looked at.
    pub version: i64,
    /// When.
    pub at: TimestampMs,
}

impl ConsumerPart {
    /// Whether the part is removed.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        match self {
            Self::Epoch(value) => value.is_none(),
            Self::PartitionMetadata(value) => value.is_none(),
            Self::Member(_, value) => value.is_none(),
            Self::TargetEpoch(value) => value.is_none(),
            Self::Target(_, value) => value.is_none(),
            Self::Current(_, value) => value.is_none(),
            Self::Regex(_, value) => value.is_none(),
        }
    }

    /// Reads the rest of a key of type `kind`, and its value.
    pub(super) fn decode(kind: i16, key: &mut Fields<'_>, value: Option<&[u8]>) -> Result<Self, RecordError> {
        Ok(match kind {
            EPOCH_KEY => Self::Epoch(read(value, GroupEpoch::read)?),
            PARTITION_METADATA_KEY => Self::PartitionMetadata(value.map(drop)),
            MEMBER_KEY => Self::Member(key.string()?, read(value, MemberInfo::read)?),
            TARGET_EPOCH_KEY => Self::TargetEpoch(read(value, Fields::i32)?),
            TARGET_KEY => Self::Target(key.string()?, read(value, partitions)?),
            CURRENT_KEY => Self::Current(key.string()?, read(value, CurrentAssignment::read)?),
            _ => Self::Regex(key.string()?, read(value, ResolvedRegex::read)?),
        })
    }

    /// The type of the part's key, and what the key has besides the group.
    pub(super) fn key(&self) -> (i16, Option<&str>) {
        match self {
            Self::Epoch(_) => (EPOCH_KEY, None),
            Self::PartitionMetadata(_) => (PARTITION_METADATA_KEY, None),
            Self::Member(id, _) => (MEMBER_KEY, Some(id)),
            Self::TargetEpoch(_) => (TARGET_EPOCH_KEY, None),
            Self::Target(id, _) => (TARGET_KEY, Some(id)),
            Self::Current(id, _) => (CURRENT_KEY, Some(id)),
            Self::Regex(regex, _) => (REGEX_KEY, Some(regex)),
        }
    }

    /// Writes the value.
    pub(super) fn encode_value(&self) -> Result<Option<Vec<u8>>, RecordError> {
        let mut out = Vec::with_capacity(64);
        put_i16(&mut out, VALUE_VERSION);
        match self {
            Self::Epoch(Some(value)) => value.write(&mut out),
            Self::Member(_, Some(value)) => value.write(&mut out)?,
            Self::TargetEpoch(Some(epoch)) => put_i32(&mut out, *epoch),
            Self::Target(_, Some(value)) => put_partitions(&mut out, value),
            Self::Current(_, Some(value)) => value.write(&mut out),
            Self::Regex(_, Some(value)) => value.write(&mut out),
            // Never written, and so without its fields: an empty list of topics.
            Self::PartitionMetadata(Some(())) => put_varint(&mut out, 1),
            _ => return Ok(None),
        }
        if !matches!(self, Self::Epoch(_) | Self::Member(..)) {
            put_varint(&mut out, 0);
        }
        Ok(Some(out))
    }
}

fn read<'a, T>(
    value: Option<&'a [u8]>,
    read: impl FnOnce(&mut Fields<'a>) -> Result<T, RecordError>,
) -> Result<Option<T>, RecordError> {
    let Some(value) = value else { return Ok(None) };
    let mut fields = Fields { rest: value, flexible: true };
    match fields.i16()? {
        VALUE_VERSION => read(&mut fields).map(Some),
        version => Err(RecordError::UnknownVersion(version)),
    }
}

impl GroupEpoch {
    fn read(fields: &mut Fields<'_>) -> Result<Self, RecordError> {
        let epoch = fields.i32()?;
        let mut topics_hash = 0;
        fields.tags(|tag, value| {
            if tag == TAG {
                topics_hash = value.i64()?;
            }
            Ok(())
        })?;
        Ok(Self { epoch, topics_hash })
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_i32(out, self.epoch);
        match self.topics_hash {
            0 => put_varint(out, 0),
            hash => {
                put_varint(out, 1);
                put_varint(out, TAG);
                put_varint(out, 8);
                put_i64(out, hash);
            }
        }
    }
}

impl MemberInfo {
    fn read(fields: &mut Fields<'_>) -> Result<Self, RecordError> {
        let mut info = Self {
            instance_id: fields.nullable_string()?,
            rack_id: fields.nullable_string()?,
            client_id: fields.string()?,
            client_host: fields.string()?,
            topics: fields.list(Fields::string)?.into_iter().collect(),
            regex: fields.nullable_string()?.filter(|regex| !regex.is_empty()),
            rebalance_timeout_ms: fields.i32()?,
            assignor: fields.nullable_string()?,
            classic: None,
        };
        fields.tags(|tag, value| {
            // A nullable structure begins with a byte: 1, or -1 for null.
            if tag == TAG && value.array::<1>()? == [1] {
                info.classic = Some(ClassicInfo::read(value)?);
            }
            Ok(())
        })?;
        Ok(info)
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), RecordError> {
        put_compact(out, self.instance_id.as_deref());
        put_compact(out, self.rack_id.as_deref());
        put_compact(out, Some(&self.client_id));
        put_compact(out, Some(&self.client_host));
        put_strings(out, &self.topics);
        put_compact(out, self.regex.as_deref());
        put_i32(out, self.rebalance_timeout_ms);
        put_compact(out, self.assignor.as_deref());
        let Some(classic) = &self.classic else {
            put_varint(out, 0);
            return Ok(());
        };
        let mut tagged = vec![1];
        classic.write(&mut tagged);
        put_varint(out, 1);
        put_varint(out, TAG);
        put_varint(out, u32::try_from(tagged.len()).map_err(|_| RecordError::StringTooLong(tagged.len()))?);
        out.extend_from_slice(&tagged);
        Ok(())
    }
}

impl ClassicInfo {
    fn read(fields: &mut Fields<'_>) -> Result<Self, RecordError> {
        let session_timeout_ms = fields.i32()?;
        let protocols = fields.list(|fields| {
            let protocol = JoinProtocol { name: fields.string()?, metadata: fields.bytes()? };
            fields.skip_tags()?;
            Ok(protocol)
        })?;
        fields.skip_tags()?;
        Ok(Self { session_timeout_ms, protocols })
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_i32(out, self.session_timeout_ms);
        put_len(out, self.protocols.len());
        for protocol in &self.protocols {
            put_compact(out, Some(&protocol.name));
            put_compact_bytes(out, &protocol.metadata);
            put_varint(out, 0);
        }
        put_varint(out, 0);
    }
}

impl CurrentAssignment {
    fn read(fields: &mut Fields<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            epoch: fields.i32()?,
            previous_epoch: fields.i32()?,
            state: MemberState::from_code(i8::from_be_bytes(fields.array()?)),
            assigned: partitions(fields)?,
            revoking: partitions(fields)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_i32(out, self.epoch);
        put_i32(out, self.previous_epoch);
        out.extend(self.state.code().to_be_bytes());
        put_partitions(out, &self.assigned);
        put_partitions(out, &self.revoking);
    }
}

impl ResolvedRegex {
    fn read(fields: &mut Fields<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            topics: fields.list(Fields::string)?.into_iter().collect(),
            version: fields.i64()?,
            at: TimestampMs(fields.i64()?),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_strings(out, &self.topics);
        put_i64(out, self.version);
        put_i64(out, self.at.0);
    }
}

fn partitions(fields: &mut Fields<'_>) -> Result<Partitions, RecordError> {
    let mut partitions = Partitions::new();
    let topics = fields.list(|fields| {
        let topic = TopicId(fields.array()?);
        let indexes = fields.list(Fields::i32)?;
        fields.skip_tags()?;
        Ok((topic, indexes))
    })?;
    for (topic, indexes) in topics.into_iter().filter(|(_, indexes)| !indexes.is_empty()) {
        partitions.entry(topic).or_default().extend(indexes);
    }
    Ok(partitions)
}

fn put_partitions(out: &mut Vec<u8>, partitions: &Partitions) {
    put_len(out, partitions.len());
    for (topic, indexes) in partitions {
        out.extend_from_slice(&topic.0);
        put_len(out, indexes.len());
        indexes.iter().for_each(|index| put_i32(out, *index));
        put_varint(out, 0);
    }
}

fn put_strings(out: &mut Vec<u8>, strings: &BTreeSet<String>) {
    put_len(out, strings.len());
    strings.iter().for_each(|string| put_compact(out, Some(string)));
}

fn put_compact(out: &mut Vec<u8>, string: Option<&str>) {
    match string {
        Some(string) => put_compact_bytes(out, string.as_bytes()),
        None => put_varint(out, 0),
    }
}

fn put_compact_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// A length as compact types have it: one more than it is. Requests are bounded far below 32 bits.
fn put_len(out: &mut Vec<u8>, len: usize) {
    put_varint(out, len as u32 + 1);
}

fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a key: type, group, and what else names the part.
pub(super) fn encode_key(group_id: &str, part: &ConsumerPart) -> Result<Vec<u8>, RecordError> {
    let (kind, rest) = part.key();
    let mut out = Vec::with_capacity(8 + group_id.len() + rest.map_or(0, str::len));
    put_i16(&mut out, kind);
    put_string(&mut out, group_id)?;
    if let Some(rest) = rest {
        put_string(&mut out, rest)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::coordinator::group::records::GroupRecord;

    const TOPIC: TopicId = TopicId([0x11; 16]);

    fn of(part: ConsumerPart) -> GroupRecord {
        GroupRecord::Consumer { group_id: "g".to_owned(), part }
    }

    fn two() -> Partitions {
        Partitions::from([(TOPIC, BTreeSet::from([1, 2]))])
    }

    fn member(classic: Option<ClassicInfo>) -> MemberInfo {
        MemberInfo {
            instance_id: None,
            rack_id: Some("r".to_owned()),
            client_id: "c".to_owned(),
            client_host: "/h".to_owned(),
            topics: BTreeSet::from(["t".to_owned()]),
            regex: None,
            rebalance_timeout_ms: 0x0a0b,
            assignor: Some("range".to_owned()),
            classic,
        }
    }

    fn classic() -> ClassicInfo {
        let protocol = JoinProtocol { name: "p".to_owned(), metadata: Bytes::from_static(b"md") };
        ClassicInfo { session_timeout_ms: 0x0c0d, protocols: vec![protocol] }
    }

    /// Written out by the schemas, field by field.
    fn golden() -> Vec<(ConsumerPart, Vec<u8>, Vec<u8>)> {
        let topic = [0x11; 16];
        let two = [&b"\x02"[..], &topic, b"\x03\0\0\0\x01\0\0\0\x02\0"].concat();
        let told = b"\0\0\0\x02r\x02c\x03/h\x02\x02t\0\0\0\x0a\x0b\x06range";
        let current = CurrentAssignment {
            epoch: 3,
            previous_epoch: 2,
            state: MemberState::UnrevokedPartitions,
            assigned: Partitions::new(),
            revoking: self::two(),
        };
        let regex =
            ResolvedRegex { topics: BTreeSet::from(["t".to_owned()]), version: 4, at: TimestampMs(5) };
        let id = || "m".to_owned();
        let epoch = |topics_hash| Some(GroupEpoch { epoch: 7, topics_hash });
        vec![
            (ConsumerPart::Epoch(epoch(0)), b"\0\x03\0\x01g".to_vec(), b"\0\0\0\0\0\x07\0".to_vec()),
            (
                ConsumerPart::Epoch(epoch(9)),
                b"\0\x03\0\x01g".to_vec(),
                b"\0\0\0\0\0\x07\x01\0\x08\0\0\0\0\0\0\0\x09".to_vec(),
            ),
            (
                ConsumerPart::Member(id(), Some(member(None))),
                b"\0\x05\0\x01g\0\x01m".to_vec(),
                [&told[..], b"\0"].concat(),
            ),
            (
                ConsumerPart::Member(id(), Some(member(Some(classic())))),
                b"\0\x05\0\x01g\0\x01m".to_vec(),
                [&told[..], b"\x01\0\x0d\x01\0\0\x0c\x0d\x02\x02p\x03md\0\0"].concat(),
            ),
            (ConsumerPart::TargetEpoch(Some(7)), b"\0\x06\0\x01g".to_vec(), b"\0\0\0\0\0\x07\0".to_vec()),
            (
                ConsumerPart::Target(id(), Some(self::two())),
                b"\0\x07\0\x01g\0\x01m".to_vec(),
                [&b"\0\0"[..], &two, b"\0"].concat(),
            ),
            (
                ConsumerPart::Current(id(), Some(current)),
                b"\0\x08\0\x01g\0\x01m".to_vec(),
                [&b"\0\0\0\0\0\x03\0\0\0\x02\x01\x01"[..], &two, b"\0"].concat(),
            ),
            (
                ConsumerPart::Regex("t.*".to_owned(), Some(regex)),
                b"\0\x10\0\x01g\0\x03t.*".to_vec(),
                b"\0\0\x02\x02t\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x05\0".to_vec(),
            ),
            (ConsumerPart::PartitionMetadata(Some(())), b"\0\x04\0\x01g".to_vec(), b"\0\0\x01\0".to_vec()),
        ]
    }

    #[test]
    fn parts_are_written_and_read_as_kafka_does() {
        for (part, key, value) in golden() {
            let record = of(part);
            assert_eq!(record.encode().unwrap(), (key.clone(), Some(value.clone())), "{record:?}");
            assert_eq!(GroupRecord::decode(&key, Some(&value)), Ok(Some(record)));
        }
    }

    #[test]
    fn tombstones_are_written_and_read() {
        let id = || "m".to_owned();
        for part in [
            ConsumerPart::Epoch(None),
            ConsumerPart::PartitionMetadata(None),
            ConsumerPart::Member(id(), None),
            ConsumerPart::TargetEpoch(None),
            ConsumerPart::Target(id(), None),
            ConsumerPart::Current(id(), None),
            ConsumerPart::Regex(id(), None),
        ] {
            let record = of(part);
            let (key, value) = record.encode().unwrap();
            assert_eq!(value, None);
            assert_eq!(GroupRecord::decode(&key, None), Ok(Some(record)));
        }
    }

    #[test]
    fn the_epochs_of_partitions_that_newer_kafkas_write_are_passed_over() {
        // Tag 0, nine bytes: two epochs.
        let value = [
            b"\0\0\0\0\0\x03\0\0\0\x02\0\x02",
            &[0x11; 16][..],
            b"\x02\0\0\0\x01\x01\0\x05\x02\0\0\0\x09\x01\0",
        ];
        let record = GroupRecord::decode(b"\0\x08\0\x01g\0\x01m", Some(&value.concat())).unwrap();
        let Some(GroupRecord::Consumer { part: ConsumerPart::Current(_, Some(current)), .. }) = record else {
            panic!("{record:?}")
        };
        assert_eq!(current.assigned, Partitions::from([(TOPIC, BTreeSet::from([1]))]));
    }

    #[test]
    fn damage_is_an_error() {
        for (_, key, value) in golden() {
            // Tagged fields after the last field of some are not needed.
            for cut in 0..value.len() - 1 {
                if key[1] != PARTITION_METADATA_KEY as u8 {
                    assert!(GroupRecord::decode(&key, Some(&value[..cut])).is_err(), "{key:?} cut at {cut}");
                }
            }
            for cut in 0..key.len() {
                assert!(GroupRecord::decode(&key[..cut], None).is_err(), "{key:?} cut at {cut}");
            }
        }
        let newer = GroupRecord::decode(b"\0\x03\0\x01g", Some(b"\0\x01\0\0\0\x07\0"));
        assert_eq!(newer, Err(RecordError::UnknownVersion(1)));
    }
}
