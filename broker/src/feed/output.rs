//! The topics that the recommender writes, and the batches of their records.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::records::BatchBuilder;
use protocol::types::{PartitionIndex, Sequence, TimestampMs};
use recommender::processor::topics;
use tracing::warn;

use super::fit;
use super::outgoing::Outgoing;
use crate::catalog::{Catalog, CatalogError, NewTopic, STEPS_TOPIC, Topic};
use crate::coordinator::transaction::state::Producer;
use crate::partitioner::partition_of;

/// A batch that another record would take beyond this is closed, or beyond its topic's `max.message.bytes`.
const BATCH_BYTES: usize = 256 << 10;
/// The largest step that the journal takes.
const STEP_BYTES_MAX: usize = 16 << 20;
/// After so many bytes steps that nobody needs any more can be removed from the disk.
const STEPS_SEGMENT_BYTES: usize = 32 << 20;

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
