//! The protocol's quantities as types, so that an offset cannot be passed for an epoch.
//!
//! The wire structs in `messages` keep Kafka's raw integers; a handler wraps them here at the door.
//! A bare integer in a signature is a count.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

/// Declares a number with a meaning of its own: transparent, ordered, printed as the bare number.
macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

quantity! {
    /// A record's position in its partition, dense from 0.
    Offset(i64)
}
quantity! {
    /// A leader epoch: raised when a partition's leadership is taken anew, never lowered.
    Epoch(i32)
}
quantity! {
    /// Names one idempotent or transactional producer.
    ProducerId(i64)
}
quantity! {
    /// Raised when a producer resumes or is fenced; the highest one seen may write.
    ProducerEpoch(i16)
}
quantity! {
    /// Number of an idempotent producer's record in one partition; wraps from 2^31-1 to 0.
    Sequence(i32)
}
quantity! {
    /// Milliseconds since 1970, UTC.
    TimestampMs(i64)
}
quantity! {
    /// A partition's number within its topic.
    PartitionIndex(i32)
}

impl Offset {
    /// "No offset" on the wire.
    pub const NONE: Offset = Offset(-1);

    /// The offset after this one.
    #[must_use]
    pub const fn next(self) -> Offset {
        Offset(self.0 + 1)
    }
}

impl Add<i64> for Offset {
    type Output = Offset;

    fn add(self, count: i64) -> Offset {
        Offset(self.0 + count)
    }
}

/// How many offsets lie between two.
impl Sub for Offset {
    type Output = i64;

    fn sub(self, earlier: Offset) -> i64 {
        self.0 - earlier.0
    }
}

impl Epoch {
    /// "No epoch" on the wire: the sender does not know or does not care.
    pub const NONE: Epoch = Epoch(-1);
}

impl ProducerId {
    /// "No producer id": a plain producer.
    pub const NONE: ProducerId = ProducerId(-1);
}

impl ProducerEpoch {
    /// "No producer epoch": a plain producer.
    pub const NONE: ProducerEpoch = ProducerEpoch(-1);
}

impl Sequence {
    /// "No sequence": a plain producer.
    pub const NONE: Sequence = Sequence(-1);

    /// The sequence `count` records later, wrapping from 2^31-1 to 0; `count` must not be negative.
    #[must_use]
    pub const fn advance(self, count: i32) -> Sequence {
        let next = (self.0 as i64 + count as i64) % (i32::MAX as i64 + 1);
        Sequence(next as i32)
    }
}

impl TimestampMs {
    /// "No timestamp" on the wire.
    pub const NONE: TimestampMs = TimestampMs(-1);
}

/// A topic's identity, which a topic deleted and created again does not keep. Kafka's `uuid`.
///
/// Printed as Kafka prints it: 22 characters of URL-safe base64 without padding.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// "No id" on the wire.
    pub const ZERO: TopicId = TopicId([0; 16]);

    /// Whether this is [`TopicId::ZERO`].
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters of a printed id: 21 of six bits and one of two.
const TOPIC_ID_CHARS: usize = 22;

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; TOPIC_ID_CHARS];
        // Four zero bits behind the 128 make the last character whole.
        let bits = u128::from_be_bytes(self.0);
        for (i, char) in text.iter_mut().enumerate() {
            let from_top = 128 - 6 * (i as i32 + 1);
            let six = if from_top >= 0 { bits >> from_top } else { bits << -from_top };
            *char = BASE64_URL[(six & 63) as usize];
        }
        f.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no [`TopicId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a topic id is 22 characters of URL-safe base64")]
pub struct InvalidTopicId;

impl FromStr for TopicId {
    type Err = InvalidTopicId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let chars = text.as_bytes();
        if chars.len() != TOPIC_ID_CHARS {
            return Err(InvalidTopicId);
        }
        let mut bits = 0u128;
        for (i, char) in chars.iter().enumerate() {
            let six = BASE64_URL.iter().position(|c| c == char).ok_or(InvalidTopicId)? as u128;
            let from_top = 128 - 6 * (i as i32 + 1);
            // Bits of the last character that no byte holds must be zero, or two texts name one id.
            if from_top < 0 && six & 0b1111 != 0 {
                return Err(InvalidTopicId);
            }
            bits |= if from_top >= 0 { six << from_top } else { six >> -from_top };
        }
        Ok(TopicId(bits.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_ids_print_and_parse_as_in_kafka() {
        // From Kafka's Uuid: ZERO_UUID, ONE_UUID, and all bits set.
        let mut one = [0; 16];
        one[15] = 1;
        let cases = [
            ([0; 16], "AAAAAAAAAAAAAAAAAAAAAA"),
            (one, "AAAAAAAAAAAAAAAAAAAAAQ"),
            ([0xff; 16], "_____________________w"),
        ];
        for (bytes, text) in cases {
            assert_eq!(TopicId(bytes).to_string(), text);
            assert_eq!(text.parse(), Ok(TopicId(bytes)));
        }
    }

    #[test]
    fn what_is_no_topic_id_is_refused() {
        for text in ["", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAA+A"] {
            assert_eq!(text.parse::<TopicId>(), Err(InvalidTopicId), "{text}");
        }
    }

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(Sequence(i32::MAX).advance(1), Sequence(0));
        assert_eq!(Sequence(i32::MAX - 1).advance(5), Sequence(3));
        assert_eq!(Sequence(7).advance(0), Sequence(7));
    }
}
