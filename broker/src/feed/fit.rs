//! Records that their topic would not take, so that none vanishes: dead letters are cut to fit, others become dead letters.
//!
//! A message may be as large as its own topic allows, or larger by far where it came compressed; as a dead letter it has more
//! headers, and its topic may take less. Then the value is cut at its end; if that is not enough the headers it came with
//! are left out, and its key. The header `kindred.truncated` says what there was. The message itself stays where the other
//! headers say, as long as its topic keeps it.
//!
//! A record of another topic, a copy of a message to the topic of its segment say, becomes a dead letter that says which topic
//! would not take it. Not so lists: the topic goes without, until there is a shorter one.

use protocol::records::BatchBuilder;
use protocol::types::TimestampMs;
use recommender::processor::topics;

use super::outgoing::Outgoing;
use crate::catalog::STEPS_TOPIC;

/// What is said of what was cut.
const TRUNCATED: &str = "kindred.truncated";
/// Headers whose names begin so are those of the dead letter itself.
const OWN: &[u8] = b"kindred.";
/// Bytes of a batch around its only record, and of the record around key, value and headers, at most.
const AROUND: usize = 128;
/// Bytes of a header around its name and value, at most.
const AROUND_HEADER: usize = 10;

/// The dead letter in the place of a record for which a batch may have `batch_bytes`; nothing if it fits, or is of a topic that
/// keeps the latest of each key.
pub(super) fn letter(record: &Outgoing, batch_bytes: usize, now: TimestampMs) -> Option<Outgoing> {
    let topic = &*record.topic;
    // What it takes at most is told without making a batch of it.
    if size_bytes(record) <= batch_bytes || topics::COMPACTED.contains(&topic) || topic == STEPS_TOPIC {
        return None;
    }
    let mut batch = BatchBuilder::new();
    record.append_to(&mut batch);
    let size = batch.build().len();
    if size <= batch_bytes {
        return None;
    }
    let said = format!("{topic} takes batches of {batch_bytes} bytes, not of {size}");
    let own = [
        ("kindred.topic", topic),
        ("kindred.reason", "too-large"),
        ("kindred.rule", "max.message.bytes"),
        ("kindred.message", &said),
    ];
    let own = own.map(|(name, value)| (name.as_bytes().to_vec(), Some(value.as_bytes().to_vec())));
    let headers = record.headers.iter().cloned().chain(own).collect();
    Some(Outgoing { topic: topics::DEAD_LETTER.into(), timestamp: now, headers, ..record.clone() })
}

/// What is left of a record for which a batch may have `batch_bytes`; nothing if it fits as it is.
pub(super) fn cut(record: &Outgoing, batch_bytes: usize) -> Option<Outgoing> {
    if size_bytes(record) <= batch_bytes {
        return None;
    }
    let (value, key) = (length(&record.value), length(&record.key));
    let (own, received): (Vec<_>, Vec<_>) =
        record.headers.iter().cloned().partition(|(name, _)| name.starts_with(OWN));
    let said = format!("{value} bytes of value, {key} of key, {} headers", received.len());
    let said = (TRUNCATED.as_bytes().to_vec(), Some(said.into_bytes()));
    let with = |key: bool, received: &[Header]| Outgoing {
        topic: record.topic.clone(),
        timestamp: record.timestamp,
        key: record.key.clone().filter(|_| key),
        value: None,
        headers: received.iter().chain(&own).chain([&said]).cloned().collect(),
    };
    let ways = [with(true, &received), with(true, &[]), with(false, &[])];
    let room = |way: &Outgoing| batch_bytes.checked_sub(size_bytes(way));
    let mut cut = ways.into_iter().find(|way| room(way).is_some())?;
    let kept = room(&cut).unwrap_or(0);
    cut.value = record.value.as_ref().map(|value| value[..kept.min(value.len())].to_vec());
    Some(cut)
}

type Header = (Vec<u8>, Option<Vec<u8>>);

/// Most bytes that a batch of this record alone takes.
fn size_bytes(record: &Outgoing) -> usize {
    let headers = record.headers.iter().map(|(name, value)| name.len() + length(value) + AROUND_HEADER);
    AROUND + length(&record.key) + length(&record.value) + headers.sum::<usize>()
}

fn length(bytes: &Option<Vec<u8>>) -> usize {
    bytes.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(key: usize, value: usize, trace: usize) -> Outgoing {
        let header = |name: &str, length| (name.as_bytes().to_vec(), Some(vec![b'h'; length]));
        Outgoing {
            topic: "kindred.events.dead-letter".into(),
            timestamp: TimestampMs(1_700_000_000_000),
            key: Some(vec![b'k'; key]),
            value: Some(vec![b'v'; value]),
            headers: vec![header("trace", trace), header("kindred.reason", 5)],
        }
    }

    fn batch_bytes(record: &Outgoing) -> usize {
        let mut batch = BatchBuilder::new();
        record.append_to(&mut batch);
        batch.build().len()
    }

    #[test]
    fn what_another_topic_would_not_take_is_a_dead_letter() {
        let now = TimestampMs(9);
        let routed = Outgoing { topic: "user_behavior.25-34.F".into(), ..letter(10, 700, 10) };
        let size = batch_bytes(&routed);
        assert!(super::letter(&routed, size, now).is_none(), "it fits to the byte");
        let dead = super::letter(&routed, size - 1, now).expect("too large");
        assert_eq!((&*dead.topic, dead.timestamp), (topics::DEAD_LETTER, now));
        assert_eq!((&dead.key, &dead.value), (&routed.key, &routed.value));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = dead.headers[2..].iter();
        let told: Vec<_> =
            headers.map(|(name, value)| (text(name), text(value.as_deref().unwrap()))).collect();
        let said = format!("user_behavior.25-34.F takes batches of {} bytes, not of {size}", size - 1);
        let expected = [
            ("kindred.topic", "user_behavior.25-34.F"),
            ("kindred.reason", "too-large"),
            ("kindred.rule", "max.message.bytes"),
            ("kindred.message", &said),
        ];
        assert_eq!(told, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let list = Outgoing { topic: topics::HOT.into(), ..routed };
        assert!(super::letter(&list, 100, now).is_none());
    }

    #[test]
    fn what_is_too_large_is_cut_and_says_so() {
        assert_eq!(cut(&letter(10, 700, 10), 1000).map(|_| ()), None);
        for (key, value, trace, has_key, has_trace, has_value) in [
            (10, 5000, 10, true, true, true),
            (10, 1000, 10, true, true, true),
            (10, 5000, 900, true, false, true),
            (2000, 5000, 10, false, false, true),
            (2000, 0, 2000, false, false, false),
        ] {
            let record = letter(key, value, trace);
            let cut = cut(&record, 1000).expect("too large");
            let size = batch_bytes(&cut);
            assert!(size <= 1000 && (!has_value || size > 850), "{size} bytes of {key} {value} {trace}");
            let header = |name: &str| {
                let found = cut.headers.iter().find(|(known, _)| known == name.as_bytes());
                found.map(|(_, value)| String::from_utf8(value.clone().unwrap()).unwrap())
            };
            assert_eq!(
                (cut.key.is_some(), header("trace").is_some(), !cut.value.unwrap().is_empty()),
                (has_key, has_trace, has_value)
            );
            assert!(header("kindred.reason").is_some());
            let said = format!("{value} bytes of value, {key} of key, 1 headers");
            assert_eq!(header(TRUNCATED), Some(said));
        }
        assert!(cut(&letter(10, 5000, 10), 100).is_none(), "nothing fits there");
    }
}
