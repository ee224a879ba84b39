//! Learning what comes in, and noting it in the step.

use tokio::time::Instant;

use super::{LEARN_SLICE, Worker};

impl Worker {
    /// Learns for a while of what is there, at most until keys are to be taken. Returns whether there is no more.
    pub(super) fn learn(&mut self) -> bool {
        let until = Instant::now() + LEARN_SLICE;
        while !self.learner.has_its_fill() {
            let Some(batch) = self.learner.inputs.next() else { return true };
            if self.step.is_empty() {
                // The lists that this changes are to come into the same transaction.
                self.commit_due = Instant::now() + self.emit_interval();
            }
            if self.learner.is_of_questions(&batch) {
                self.answer(&batch, until);
            } else {
                let records = self.learner.learn(&batch, Some((&mut self.step, &mut self.metrics)));
                self.note_learnt(records);
            }
            let (id, to) = self.learner.inputs.place(batch.input);
            self.step.read(id, batch.from, to);
            let awaited = self.urgent && !self.is_committing();
            if awaited || Instant::now() >= until {
                break;
            }
        }
        false
    }

    fn note_learnt(&mut self, records: usize) {
        self.metrics.learnt(records);
        if records > 0 && !self.untaken {
            self.untaken = true;
            self.take_due = Instant::now() + self.emit_interval();
        }
    }
}
