//! Records for the recommender's own topics, and the batches they are written in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::records::{BatchBuilder, Header, Record};
use protocol::types::{PartitionIndex, Sequence, TimestampMs};

use recommender::processor::topics;
use recommender::{Body, Emission};
use tracing::warn;

use super::fit;
use crate::catalog::{Catalog, CatalogError, NewTopic, STEPS_TOPIC, Topic};
use crate::coordinator::transaction::state::Producer;
use crate::partitioner::partition_of;

/// A batch that another record would take beyond this is closed, or beyond its topic's `max.message.bytes`.
const BATCH_BYTES: usize = 256 << 10;
/// The largest step that the journal takes.
const STEP_BYTES_MAX: usize = 16 << 20;
/// After so many bytes steps that nobody needs any more can be removed from the disk.
const STEPS_SEGMENT_BYTES: usize = 32 << 20;

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

/// The topic `name`, which is made if it is not there. Blocks on the disk then.
///
/// # Errors
/// It cannot be made.
pub(super) fn topic(catalog: &Catalog, name: &str) -> Result<Arc<Topic>, CatalogError> {
    if let Some(topic) = catalog.topic(name) {
        return Ok(topic);
    }
    match catalog.create(new_topic(name)) {
        Err(CatalogError::Exists(_)) => {
            catalog.topic(name).ok_or_else(|| CatalogError::Unknown(name.to_owned()))
        }
        made => made,
    }
}

fn new_topic(name: &str) -> NewTopic {
    let mut new = NewTopic::with_defaults(name);
    if name == STEPS_TOPIC {
        new.partitions = Some(1);
        let settings = [
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", "-1".to_owned()),
            ("retention.bytes", "-1".to_owned()),
            ("max.message.bytes", STEP_BYTES_MAX.to_string()),
            ("segment.bytes", STEPS_SEGMENT_BYTES.to_string()),
        ];
        new.configs = settings.map(|(key, value)| (key.to_owned(), value)).into();
    }
    new
}

/// Batches by topic and partition, in the order of their records.
pub(super) type Batches<'r> = BTreeMap<(&'r str, PartitionIndex), Vec<Vec<u8>>>;

/// How many partitions a topic has, and the most bytes of a batch.
#[derive(Clone, Copy)]
struct Room {
    partitions: usize,
    batch_bytes: usize,
}

/// Room of the topics that records are written to.
struct Rooms<'r> {
    catalog: &'r Catalog,
    known: BTreeMap<&'r str, Option<Room>>,
}

impl<'r> Rooms<'r> {
    /// That of a topic. `None` if there never can be such a topic, which must not stop all others.
    ///
    /// # Errors
    /// It is missing and cannot be made.
    fn of(&mut self, name: &'r str) -> Result<Option<Room>, CatalogError> {
        if let Some(known) = self.known.get(name) {
            return Ok(*known);
        }
        let room = match topic(self.catalog, name) {
            Ok(topic) => {
                let (partitions, config) = (topic.partitions().len(), topic.config());
                let segment_bytes = usize::try_from(config.segment_bytes).unwrap_or(usize::MAX);
                Some(Room { partitions, batch_bytes: config.max_message_bytes.min(segment_bytes) })
            }
            Err(error @ CatalogError::Name(_)) => {
                warn!(topic = name, %error, "results not written");
                None
            }
            Err(error) => return Err(error),
        };
        self.known.insert(name, room);
        Ok(room)
    }

    /// A record as its topic takes it, that topic, and its room: a dead letter cut to fit, and in the place of what another
    /// topic would not take a dead letter that says so. `None` if it can be nowhere.
    ///
    /// # Errors
    /// A topic is missing and cannot be made.
    fn fit(&mut self, record: &'r Outgoing, now: TimestampMs) -> Result<Option<Fitting<'r>>, CatalogError> {
        let Some(room) = self.of(&record.topic)? else { return Ok(None) };
        let cut = |letter: &Outgoing, room: Room| fit::cut(letter, room.batch_bytes);
        if record.topic == topics::DEAD_LETTER {
            let record = cut(record, room).map_or(Cow::Borrowed(record), Cow::Owned);
            return Ok(Some((topics::DEAD_LETTER, record, room)));
        }
        let Some(letter) = fit::letter(record, room.batch_bytes, now) else {
            return Ok(Some((&record.topic, Cow::Borrowed(record), room)));
        };
        let Some(room) = self.of(topics::DEAD_LETTER)? else { return Ok(None) };
        Ok(Some((topics::DEAD_LETTER, Cow::Owned(cut(&letter, room).unwrap_or(letter)), room)))
    }
}

/// Topic, record and room.
type Fitting<'r> = (&'r str, Cow<'r, Outgoing>, Room);

/// Lays records out as batches of a transaction in which the producer has written nothing yet.
///
/// # Errors
/// A topic that is missing cannot be made.
pub(super) fn lay_out<'r>(
    catalog: &'r Catalog,
    producer: &Producer,
    records: &'r [Outgoing],
    now: TimestampMs,
) -> Result<Batches<'r>, CatalogError> {
    let mut rooms = Rooms { catalog, known: BTreeMap::new() };
    let mut open: BTreeMap<(&'r str, PartitionIndex), (BatchBuilder, i32)> = BTreeMap::new();
    let mut done = Batches::new();
    let begin = |sequence: i32| {
        BatchBuilder::new().producer(producer.id, producer.epoch, Sequence(sequence)).transactional()
    };
    for record in records {
        let Some((topic, record, room)) = rooms.fit(record, now)? else { continue };
        let batch_bytes = BATCH_BYTES.min(room.batch_bytes);
        let at = (topic, partition_of(record.key.as_deref().unwrap_or_default(), room.partitions));
        let (batch, sequence) = open.entry(at).or_insert_with(|| (begin(0), 0));
        if batch.record_count() > 0 && batch.size_bytes() + record.size_bytes() > batch_bytes {
            let full = std::mem::replace(batch, begin(*sequence));
            done.entry(at).or_default().push(full.build());
        }
        record.append_to(batch);
        *sequence += 1;
    }
    for (at, (batch, _)) in open {
        if batch.record_count() > 0 {
            done.entry(at).or_default().push(batch.build());
        }
    }
    Ok(done)
}
