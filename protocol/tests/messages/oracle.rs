//! The tables against the crate `kafka-protocol`, which is generated from Kafka's own schemas.
//!
//! Random bytes of every message in every version that both have must be read by both, give the same names
//! the same values, and come back from both as they were. 0.18 has the newest versions, 0.15 the oldest;
//! what neither has is in `golden.rs` or `kafka.rs`, and a test here sees that nothing is in neither.
//!
//! # Defects of the oracle that are excepted
//! None in the messages of the list. (Its panics on short frames, its allocations for hostile counts and its
//! message sets are not touched by what is done here.)

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use protocol::codec::{Decode, Encode, Kind, Reader, Schema, Writer};
use protocol::messages::{Api, ApiKey};

use crate::generate::{self, Random};
use crate::{golden, kafka};

/// Fields that have another name in the oracle: ours, theirs.
const RENAMED: &[(&str, &str)] = &[
    // In TxnOffsetCommit, since Kafka 4.4.
    ("generation_id_or_member_epoch", "generation_id"),
    // `match` is a word of the language's own.
    ("match_value", "_match"),
];

/// Messages of each version of each request and response.
const ROUNDS: u64 = 100;

/// Reads `bytes` with a table, checks that they come back, and returns the message as text.
pub(crate) fn ours<'a, M: Decode<'a> + Encode + Debug>(bytes: &'a [u8], version: i16) -> String {
    let mut reader = Reader::new(bytes);
    let message = M::decode(&mut reader, version).unwrap_or_else(|error| panic!("decode: {error}"));
    assert_eq!(reader.remaining(), 0, "all is read of {message:?}");
    let mut writer = Writer::new();
    message.encode(&mut writer, version).unwrap_or_else(|error| panic!("encode: {error}"));
    assert_eq!(writer.into_bytes(), bytes, "{message:?}");
    format!("{message:?}")
}

/// `lacks` names the messages that the implementation has no type for.
macro_rules! implementation {
    ($name:ident, $crate_name:ident, lacks: $($lacking:ident)*) => {
        mod $name {
            use super::*;
            use $crate_name::protocol::buf::{ByteBuf, ByteBufMut};
            use $crate_name::protocol::{Decodable, Encodable, Message, VersionRange};

            /// Its messages, those that it lacks among them.
            pub(super) mod messages {
                pub(in super::super) use $crate_name::messages::*;
                $(pub(in super::super) type $lacking = super::Lacking;)*
            }

            /// A message that there is no version of.
            #[derive(Debug)]
            pub(super) enum Lacking {}

            impl Message for Lacking {
                const VERSIONS: VersionRange = VersionRange { min: 0, max: -1 };
                const DEPRECATED_VERSIONS: Option<VersionRange> = None;
            }

            impl Decodable for Lacking {
                fn decode<B: ByteBuf>(_: &mut B, _: i16) -> anyhow::Result<Self> {
                    unreachable!("there is no version of it")
                }
            }

            impl Encodable for Lacking {
                fn encode<B: ByteBufMut>(&self, _: &mut B, _: i16) -> anyhow::Result<()> {
                    match *self {}
                }
                fn compute_size(&self, _: i16) -> anyhow::Result<usize> {
                    match *self {}
                }
            }

            /// As [`ours`], by the other implementation.
            pub(super) fn theirs<M: Decodable + Encodable + Debug>(bytes: &[u8], version: i16) -> String {
                let mut rest = Bytes::copy_from_slice(bytes);
                let message =
                    M::decode(&mut rest, version).unwrap_or_else(|error| panic!("oracle decodes: {error}"));
                assert!(rest.is_empty(), "the oracle reads all of {message:?}");
                let mut out = BytesMut::new();
                message.encode(&mut out, version).unwrap_or_else(|error| panic!("oracle encodes: {error}"));
                assert_eq!(out, bytes, "by the oracle: {message:?}");
                format!("{message:?}")
            }

            pub(super) fn has<M: Message>(version: i16) -> bool {
                (M::VERSIONS.min..=M::VERSIONS.max).contains(&version)
            }
        }
    };
}

implementation!(newest, kafka_protocol, lacks:
    StreamsGroupDescribeRequest StreamsGroupDescribeResponse
    StreamsGroupHeartbeatRequest StreamsGroupHeartbeatResponse
    StreamsGroupTopologyDescriptionUpdateRequest StreamsGroupTopologyDescriptionUpdateResponse);
implementation!(oldest, kafka_protocol_old, lacks:
    ListConfigResourcesRequest ListConfigResourcesResponse
    ShareAcknowledgeRequest ShareAcknowledgeResponse
    ShareFetchRequest ShareFetchResponse
    ShareGroupDescribeRequest ShareGroupDescribeResponse
    ShareGroupHeartbeatRequest ShareGroupHeartbeatResponse
    AlterShareGroupOffsetsRequest AlterShareGroupOffsetsResponse
    DeleteShareGroupOffsetsRequest DeleteShareGroupOffsetsResponse
    DescribeShareGroupOffsetsRequest DescribeShareGroupOffsetsResponse
    StreamsGroupDescribeRequest StreamsGroupDescribeResponse
    StreamsGroupHeartbeatRequest StreamsGroupHeartbeatResponse
    StreamsGroupTopologyDescriptionUpdateRequest StreamsGroupTopologyDescriptionUpdateResponse);

/// The plain values in a message's debug text, by the name of their field.
///
/// A name stands for what follows it up to the next name, whatever brackets and wrappers are in between, so
/// that `group_id: Some(GroupId("a"))` is `"a"`.
fn values(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let is_word = |c: char| c.is_alphanumeric() || "_-.\"".contains(c);
    let mut name = "";
    let mut values = BTreeMap::<_, Vec<_>>::new();
    for token in text.split_inclusive(|c| !is_word(c)) {
        let (word, end) = token.split_at(token.len() - token.chars().last().map_or(0, char::len_utf8));
        if end == ":" {
            name = word;
        } else if matches!(word, "None" | "true" | "false")
            || word.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '"')
        {
            values.entry(name).or_default().push(word);
        }
    }
    values.values_mut().for_each(|values| values.sort_unstable());
    values
}

/// Names of the fields that this version has and whose values print alike: not bytes, not ids.
pub(crate) fn names(schema: &Schema, version: i16, names: &mut BTreeSet<&'static str>) {
    fn prints_alike(kind: &Kind) -> bool {
        match kind {
            Kind::Bytes | Kind::Records | Kind::Uuid | Kind::Struct(_) => false,
            Kind::Nullable(inner) | Kind::Array(inner) => prints_alike(inner),
            _ => true,
        }
    }
    for field in schema.fields.iter().filter(|field| field.spec.versions.has(version)) {
        if prints_alike(&field.kind) {
            names.insert(field.name);
        }
        if let Some(nested) = field.kind.innermost() {
            self::names(nested, version, names);
        }
    }
}

/// The two texts must give the names of this version the same values.
///
/// An older oracle lacks fields that came later. If such a field shares its name with one that it has, ours
/// has more values of that name, and they are not compared. `known` gathers the names that it has.
pub(crate) fn same_values(
    ours: &str,
    theirs: &str,
    names: &BTreeSet<&'static str>,
    known: &mut BTreeSet<&'static str>,
) {
    let (ours, theirs) = (values(ours), values(theirs));
    for &name in names {
        let renamed = RENAMED.iter().find(|(ours, _)| *ours == name).map(|(_, theirs)| theirs);
        let Some(theirs) = theirs.get(name).or_else(|| theirs.get(renamed?)) else { continue };
        known.insert(name);
        let ours = &ours[name];
        if ours.len() == theirs.len() {
            assert_eq!(ours, theirs, "{name}");
        }
    }
}

/// One implementation of one message: whether it has a version, and how it reads and writes it.
type Implementation = (fn(i16) -> bool, fn(&[u8], i16) -> String);

/// Holds one message's table against the oracles; returns the versions that neither has.
fn compare(
    schema: &Schema,
    versions: RangeInclusive<i16>,
    is_flexible: impl Fn(i16) -> bool,
    ours: fn(&[u8], i16) -> String,
    oracles: [Implementation; 2],
) -> Vec<(&'static str, i16)> {
    let mut uncovered = Vec::new();
    for version in versions {
        let oracles: Vec<_> = oracles.iter().filter(|(has, _)| has(version)).collect();
        if oracles.is_empty() {
            uncovered.push((schema.name, version));
        }
        let mut names = BTreeSet::new();
        self::names(schema, version, &mut names);
        let mut known = BTreeSet::new();
        for seed in 0..ROUNDS {
            let mut random = Random((seed << 16) | version as u64);
            let bytes = generate::message(schema, version, is_flexible(version), &mut random);
            let about = || format!("{} v{version}, seed {seed}: {bytes:?}", schema.name);
            explain(about, || {
                let text = ours(&bytes, version);
                for (_, theirs) in &oracles {
                    same_values(&text, &theirs(&bytes, version), &names, &mut known);
                }
            });
        }
        assert!(oracles.is_empty() || known == names, "names that the oracle lacks: {:?}", &names - &known);
    }
    uncovered.retain(|message| !golden::MESSAGES.contains(message) && !kafka::covers(message.0, message.1));
    uncovered
}

/// [`compare`] for one type, called alike here and in both oracles.
macro_rules! compare {
    ($schema:expr, $versions:expr, $is_flexible:expr, $ours:ty, $name:ident) => {
        compare(
            $schema,
            $versions,
            $is_flexible,
            |bytes, version| ours::<$ours>(bytes, version),
            [
                (newest::has::<newest::messages::$name>, newest::theirs::<newest::messages::$name>),
                (oldest::has::<oldest::messages::$name>, oldest::theirs::<oldest::messages::$name>),
            ],
        )
    };
}

/// Runs `check`; says what it was about if it panics, after it has said why.
pub(crate) fn explain(about: impl FnOnce() -> String, check: impl FnOnce()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err() {
        panic!("in {}", about());
    }
}

/// A test for each API.
macro_rules! tests {
    ($($key:literal $api:ident $module:ident $request:ident $response:ident;)*) => {
        $(#[test]
        fn $module() {
            use protocol::messages::$module::{$request, $response};
            let api = Api::of(ApiKey::$api);
            let is_flexible = |version| api.key.is_flexible(version);
            let request = compare!(api.request, api.versions.clone(), is_flexible, $request, $request);
            let response = compare!(api.response, api.versions.clone(), is_flexible, $response, $response);
            assert_eq!((request, response), (vec![], vec![]), "neither an oracle nor golden bytes");
        })*
    };
}

protocol::for_each_api!(tests);

#[test]
fn consumer_subscriptions_and_assignments() {
    use protocol::consumer::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
    let subscription = Schema::of::<ConsumerProtocolSubscription>();
    let assignment = Schema::of::<ConsumerProtocolAssignment>();
    compare!(subscription, 0..=3, |_| false, ConsumerProtocolSubscription, ConsumerProtocolSubscription);
    compare!(assignment, 0..=3, |_| false, ConsumerProtocolAssignment, ConsumerProtocolAssignment);
}
