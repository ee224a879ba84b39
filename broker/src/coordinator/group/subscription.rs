//! Which topics a consumer subscribes to, told from the metadata it joined with.
//!
//! The metadata begins with its version; whatever the version, the topics' names follow (ConsumerProtocol:
//! version 0 is a prefix of all others). The rest is between the members.

/// The topics, or `None` if the bytes are no subscription.
pub(super) fn subscribed_topics(metadata: &[u8]) -> Option<Vec<String>> {
    let (_version, rest) = metadata.split_first_chunk::<2>()?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let mut topics = Vec::new();
    for _ in 0..i32::from_be_bytes(*count) {
        let (len, after) = rest.split_first_chunk::<2>()?;
        let len = usize::try_from(i16::from_be_bytes(*len)).ok()?;
        let (name, after) = after.split_at_checked(len)?;
        topics.push(std::str::from_utf8(name).ok()?.to_owned());
        rest = after;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_whatever_follows() {
        let two = b"\0\x03\0\0\0\x02\0\x01a\0\x03bcd and user data";
        assert_eq!(subscribed_topics(two), Some(vec!["a".to_owned(), "bcd".to_owned()]));
        assert_eq!(subscribed_topics(b"\0\0\0\0\0\0\0\0\0\0"), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_subscription_says_nothing() {
        let cases: [&[u8]; 5] =
            [b"", b"\0", b"\0\0\0\0\0\x01", b"\0\0\x7f\xff\xff\xff\0\x01a", b"\0\0\0\0\0\x01\xff\xffa"];
        for bytes in cases {
            assert_eq!(subscribed_topics(bytes), None, "{bytes:?}");
        }
    }
}
