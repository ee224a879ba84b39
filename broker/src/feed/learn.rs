//! Learning: batches of the inputs into the recommender, what it refuses into dead letters.

use std::sync::Arc;

use protocol::records::Record;
use recommender::{Incoming, Position, Processor};
use tokio::time::Instant;
use tracing::warn;

use super::input::InputBatch;
use super::output::Outgoing;
use super::{LEARN_AT_ONCE, LEARN_SLICE, TAKE_EVERY, Worker};

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
            if self.is_of_questions(&batch) {
                self.answer(&batch, until);
            } else {
                let mut step = std::mem::take(&mut self.step);
                self.learn_batch(&batch, |record| step.write(record));
                self.step = step;
            }
            let (id, to) = self.inputs.place(batch.input);
            self.step.read(id, batch.from, to);
            let awaited = self.urgent && !self.is_committing();
            if awaited || Instant::now() >= until {
                break;
            }
        }
        false
    }

    /// Learns a batch whose results stand already.
    pub(super) fn learn_again(&mut self, batch: &InputBatch) {
        // Questions were answered, and there is nothing to be learnt from them.
        if !self.is_of_questions(batch) {
            self.learn_batch(batch, drop);
        }
    }

    /// Processes a batch; `wanted` is handed what is to be written because of it.
    fn learn_batch(&mut self, batch: &InputBatch, mut wanted: impl FnMut(Outgoing)) {
        let topic = Arc::clone(&self.inputs.place(batch.input).0.topic);
        let source = self.inputs.name(batch.input);
        let now = self.cx.env.clock.now();
        let mut records = 0;
        let model = Arc::clone(&self.model);
        let mut processor = model.write();
        let visited = batch.visit(&mut self.scratch, |record| {
            records += 1;
            if records % LEARN_AT_ONCE == 0 {
                parking_lot::RwLockWriteGuard::bump(&mut processor);
            }
            let headers: Vec<_> = record.headers().collect();
            let message = Incoming {
                topic: &topic,
                position: Position { source, offset: record.offset.0 },
                key: record.key,
                value: record.value,
                headers: &headers,
                time_ms: time_of(record, &processor),
            };
            match processor.process(&message, &mut self.emissions) {
                Ok(applied) => self.metrics.refused(&applied.rejected),
                Err(rejection) => self.metrics.refused(&[rejection]),
            }
            for emission in self.emissions.drain(..) {
                wanted(Outgoing::because_of(record, emission, now));
            }
        });
        drop(processor);
        if let Err(error) = visited {
            warn!(input = source, from = %batch.from, %error, "rest of a batch not learnt");
        }
        self.metrics.learnt(records);
        self.since_take += records;
        self.since_hot += records;
        if records > 0 && !self.untaken {
            self.untaken = true;
            self.take_due = Instant::now() + self.cx.config.recommender_emit_interval;
        }
    }
}

/// A record's time. Messages of the oldest format have none: they count as being as new as the newest.
fn time_of(record: &Record<'_>, processor: &Processor) -> i64 {
    if record.timestamp.0 < 0 { processor.recommender().newest_ms() } else { record.timestamp.0 }
}
