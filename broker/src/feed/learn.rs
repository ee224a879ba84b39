//! Learning: batches of the inputs into the recommender, what it refuses into dead letters.

use std::sync::Arc;

use protocol::records::Record;
use protocol::types::Offset;
use recommender::{Incoming, Position, Recommender, Rejection};
use tokio::time::Instant;
use tracing::warn;

use super::input::InputBatch;
use super::output::Outgoing;
use super::{LEARN_AT_ONCE, LEARN_SLICE, TAKE_EVERY, Worker, topics};

/// A message that could not be used.
struct DeadLetter {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    offset: Offset,
    rejection: Rejection,
}

impl Worker {
    /// Learns for a while of what is there, at most until keys are to be taken. Returns whether there is no more.
    pub(super) fn learn(&mut self) -> bool {
        let until = Instant::now() + LEARN_SLICE;
        while self.since_take < TAKE_EVERY {
            let Some(batch) = self.inputs.next() else { return true };
            if self.step.is_empty() {
                // The lists that this changes are to come into the same transaction.
                self.commit_due = Instant::now() + self.cx.config.recommender_emit_interval;
            }
            let dead = self.learn_batch(&batch);
            self.bury(&batch, dead);
            let (id, to) = self.inputs.place(batch.input);
            self.step.read(id, batch.from, to);
            if Instant::now() >= until {
                break;
            }
        }
        false
    }

    /// Learns a batch whose results stand already.
    pub(super) fn learn_again(&mut self, batch: &InputBatch) {
        drop(self.learn_batch(batch));
    }

    fn learn_batch(&mut self, batch: &InputBatch) -> Vec<DeadLetter> {
        let topic = Arc::clone(&self.inputs.place(batch.input).0.topic);
        let source = self.inputs.name(batch.input);
        let mut dead = Vec::new();
        let mut records = 0;
        let model = Arc::clone(&self.model);
        let mut recommender = model.write();
        let visited = batch.visit(&mut self.scratch, |record| {
            records += 1;
            if records % LEARN_AT_ONCE == 0 {
                parking_lot::RwLockWriteGuard::bump(&mut recommender);
            }
            let message = Incoming {
                topic: &topic,
                position: Position { source, offset: record.offset.0 },
                key: record.key,
                value: record.value,
                time_ms: time_of(record, &recommender),
            };
            if let Err(rejection) = recommender.ingest(&message) {
                dead.push(DeadLetter::of(record, rejection));
            }
        });
        drop(recommender);
        if let Err(error) = visited {
            warn!(input = source, from = %batch.from, %error, "rest of a batch not learnt");
        }
        self.metrics.learnt(records, dead.len());
        self.since_take += records;
        self.since_hot += records;
        if records > 0 && !self.untaken {
            self.untaken = true;
            self.take_due = Instant::now() + self.cx.config.recommender_emit_interval;
        }
        dead
    }

    /// Puts messages that could not be used into the step, as received and with the reason.
    fn bury(&mut self, batch: &InputBatch, dead: Vec<DeadLetter>) {
        let now = self.cx.env.clock.now();
        let (input, _) = self.inputs.place(batch.input);
        for letter in dead {
            let told = letter.told(&input.topic, input.partition.0);
            self.step.write(Outgoing {
                topic: topics::DEAD_LETTER,
                // The topic's retention goes by this: what went wrong with an old event is news all the same.
                timestamp: now,
                key: letter.key,
                value: letter.value,
                headers: letter.headers.into_iter().chain(told).collect(),
            });
        }
    }
}

/// A record's time. Messages of the oldest format have none: they count as being as new as the newest.
fn time_of(record: &Record<'_>, recommender: &Recommender) -> i64 {
    if record.timestamp.0 < 0 { recommender.newest_ms() } else { record.timestamp.0 }
}

impl DeadLetter {
    fn of(record: &Record<'_>, rejection: Rejection) -> Self {
        let headers = record.headers().map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)));
        Self {
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: headers.collect(),
            offset: record.offset,
            rejection,
        }
    }

    /// The headers that say where it stood and what is wrong with it.
    fn told(&self, topic: &str, partition: i32) -> [(Vec<u8>, Option<Vec<u8>>); 5] {
        [
            ("kindred.topic", topic.to_owned()),
            ("kindred.partition", partition.to_string()),
            ("kindred.offset", self.offset.to_string()),
            ("kindred.reason", self.rejection.code().to_owned()),
            ("kindred.message", self.rejection.to_string()),
        ]
        .map(|(name, value)| (name.as_bytes().to_vec(), Some(value.into_bytes())))
    }
}
