//! What consumers say to each other through their group: the coordinator passes these bytes on without
//! reading them, except to show them.
//!
//! A *subscription* is a member's metadata in JoinGroup: what it wants and what it owns. An *assignment* is
//! its share in SyncGroup. Both begin with an `int16` version and follow the table of that version.
//!
//! Versions 0-3: 1 adds the partitions owned, for cooperative rebalances (KIP-429); 2 the generation they
//! are from (KIP-792); 3 the member's rack (KIP-881). The assignment is the same in all of them. Of a later
//! version the fields known here are read: Kafka's clients promise to add only behind them.

use std::borrow::Cow;

use bytes::Bytes;

use crate::codec::table::{table, versioned};
use crate::codec::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

/// The highest version there is.
pub const VERSION_MAX: i16 = 3;

table! {
    /// What a member wants to read.
    pub struct ConsumerProtocolSubscription<'a> {
        /// The topics.
        topics: Vec<Cow<'a, str>>;
        /// The assignor's own, or null.
        user_data: Option<Cow<'a, [u8]>>;
        /// What the member has been reading.
        owned_partitions: Vec<TopicPartition<'a>> [1.., ignorable];
        /// The generation in which it got that; -1 if none.
        generation_id: i32 [2.., ignorable] = -1;
        /// The member's rack, or null.
        rack_id: Option<Cow<'a, str>> [3.., ignorable];
    } tagged {}
}

table! {
    /// What a member is to read.
    pub struct ConsumerProtocolAssignment<'a> {
        /// The partitions.
        assigned_partitions: Vec<TopicPartition<'a>>;
        /// The assignor's own, or null.
        user_data: Option<Cow<'a, [u8]>>;
    } tagged {}
}

table! {
    /// Partitions of one topic.
    pub struct TopicPartition<'a> {
        /// The topic's name.
        topic: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<i32>;
    } tagged {}
}

versioned!([0..=3] ConsumerProtocolSubscription<'a>);
versioned!([0..=3] ConsumerProtocolAssignment<'a>);

/// Reads a [`ConsumerProtocolSubscription`] or a [`ConsumerProtocolAssignment`], and its version.
///
/// # Errors
/// Where the bytes went wrong; [`DecodeError::UnsupportedVersion`] below 0.
pub fn decode<'a, M: Decode<'a>>(bytes: &'a [u8]) -> Result<(i16, M), DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    Ok((version, M::decode(&mut reader, version.min(VERSION_MAX))?))
}

/// Writes a [`ConsumerProtocolSubscription`] or a [`ConsumerProtocolAssignment`], its version first.
///
/// # Errors
/// [`EncodeError::UnsupportedVersion`], [`EncodeError::TooLong`].
pub fn encode<M: Encode>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    writer.i16(version);
    message.encode(&mut writer, version)?;
    Ok(writer.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription() -> ConsumerProtocolSubscription<'static> {
        ConsumerProtocolSubscription {
            topics: vec![Cow::Borrowed("t")],
            generation_id: 7,
            ..Default::default()
        }
    }

    #[test]
    fn versions_write_what_they_have() {
        let v0 = b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff".as_slice();
        let v3 = b"\0\x03\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0\0\0\0\x07\xff\xff";
        assert_eq!(encode(&subscription(), 0).as_deref(), Ok(v0));
        assert_eq!(encode(&subscription(), 3).as_deref(), Ok(v3.as_slice()));
        assert_eq!(decode(v3), Ok((3, subscription())));
        assert_eq!(decode(v0), Ok((0, ConsumerProtocolSubscription { generation_id: -1, ..subscription() })));
    }

    #[test]
    fn of_later_versions_the_known_fields_are_read() {
        let mut bytes = encode(&subscription(), 3).expect("encodes").to_vec();
        bytes[1] = 9;
        bytes.extend_from_slice(b"from the future");
        assert_eq!(decode(&bytes), Ok((9, subscription())));
        bytes[0] = 0xff;
        let negative = decode::<ConsumerProtocolSubscription<'_>>(&bytes);
        assert!(matches!(negative, Err(DecodeError::UnsupportedVersion(_))));
    }
}
