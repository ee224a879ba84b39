//! A record that the recommender writes.

use std::borrow::Cow;

use protocol::records::{BatchBuilder, Header, Record};
use protocol::types::TimestampMs;
use recommender::processor::topics;
use recommender::{Body, Emission};

/// A record to be written.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) topic: Cow<'static, str>,
    pub(super) timestamp: TimestampMs,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Outgoing {
    /// A list under its key; a tombstone without value.
    pub(super) fn list(topic: &'static str, timestamp_ms: i64, key: Vec<u8>, value: Option<Vec<u8>>) -> Self {
        let timestamp = TimestampMs(timestamp_ms);
        Self { topic: topic.into(), timestamp, key: Some(key), value, headers: Vec::new() }
    }

    /// What is to be written because of `record`.
    pub(super) fn because_of(record: &Record<'_>, emission: Emission, now: TimestampMs) -> Self {
        let Emission { topic, body, headers } = emission;
        let own =
            headers.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), Some(value.into_bytes())));
        let (key, value, time, headers) = match body {
            Body::Own { key, value, time_ms } => (key, value, TimestampMs(time_ms), own.collect()),
            Body::AsReceived => {
                let received = record.headers();
                let received = received.map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)));
                let copy = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                (copy(record.key), copy(record.value), record.timestamp, received.chain(own).collect())
            }
        };
        // Retention goes by the time: what went wrong with an old event is news all the same.
        let timestamp = if topic == topics::DEAD_LETTER { now } else { time };
        Self { topic, timestamp, key, value, headers }
    }

    /// A summary, which is because of no record.
    pub(super) fn summary(emission: Emission) -> Option<Self> {
        let Body::Own { key, value, time_ms } = emission.body else { return None };
        let headers = emission.headers.into_iter();
        let headers = headers.map(|(name, value)| (name.as_bytes().to_vec(), Some(value.into_bytes())));
        let (topic, timestamp) = (emission.topic, TimestampMs(time_ms));
        Some(Self { topic, timestamp, key, value, headers: headers.collect() })
    }

    /// Appends it to a batch.
    pub(super) fn append_to(&self, batch: &mut BatchBuilder) {
        let headers = self.headers.iter();
        let headers: Vec<Header<'_>> = headers.map(|(name, value)| (&name[..], value.as_deref())).collect();
        batch.append(self.timestamp, self.key.as_deref(), self.value.as_deref(), &headers);
    }

    /// About what it takes in memory.
    pub(super) fn size_bytes(&self) -> usize {
        let bytes = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter().map(|(name, value)| name.len() + bytes(value));
        bytes(&self.key) + bytes(&self.value) + headers.sum::<usize>() + size_of::<Self>()
    }
}
