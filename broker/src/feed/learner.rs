//! Learning: inputs into a processor, live or again.
//!
//! Live, what is to be written goes into a step. Again, nothing is written: the journal and the group's offsets say what
//! stands already, and the state that comes of it is the one that was.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use protocol::records::Record;
use protocol::types::Offset;
use recommender::processor::topics;
use recommender::{Changes, Emission, Incoming, MODEL_VERSION, Position, Processor};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::commit::Committed;
use super::input::{InputBatch, Inputs};
use super::journal;
use super::metrics::FeedMetrics;
use super::outgoing::Outgoing;
use super::step::{Entry, InputId, Slice, Span, Step};
use super::{LEARN_AT_ONCE, TAKE_EVERY};
use crate::handlers::Cx;

/// Why learning again did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfinished {
    #[error("stopped")]
    Stopped,
    #[error("the recommender's steps cannot be read: {0}")]
    Journal(#[from] storage::ReadError),
}

/// What is to be written now.
pub(super) struct Due {
    /// Keys whose lists have changed.
    pub(super) changes: Changes,
    /// Features of users and items.
    pub(super) features: Vec<Emission>,
    /// Summaries of operators, if hot lists may have changed.
    pub(super) summaries: Option<Vec<Emission>>,
}

/// A processor, and how far it has read.
pub(super) struct Learner {
    cx: Arc<Cx>,
    /// What learns.
    pub(super) model: Arc<RwLock<Processor>>,
    /// The [`MODEL_VERSION`] that all of it was learnt by.
    pub(super) model_version: u32,
    pub(super) inputs: Inputs,
    /// Records learnt since keys were last taken.
    pub(super) since_take: usize,
    /// Records learnt since hot lists were last written.
    pub(super) since_hot: usize,
    /// Up to where results stand, handed over included.
    pub(super) stands: Vec<(InputId, Offset)>,
    /// Memory for what is unpacked.
    pub(super) scratch: Vec<u8>,
    /// What is to be written because of the record at hand.
    emissions: Vec<Emission>,
}

/// What the journal says as a whole.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// The last step.
    pub(super) last: Committed,
    /// Where the steps that are to be followed begin in each partition, and where they end.
    spans: Vec<Span>,
}

impl Course {
    /// Reads through the steps behind `from`.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub(super) fn behind(from: Committed, cx: &Cx) -> Result<Self, Unfinished> {
        let mut course = Self { last: from, spans: Vec::new() };
        journal::read(&cx.catalog, from.journal_end, |entry, end| course.note(entry, end))?;
        Ok(course)
    }

    fn note(&mut self, entry: Entry, end: Offset) {
        self.last = Committed { sequence: entry.sequence, journal_end: end };
        for span in entry.inputs {
            match self.spans.iter_mut().find(|known| known.input == span.input) {
                Some(known) => known.to = span.to,
                None => self.spans.push(span),
            }
        }
    }

    /// Of one partition.
    pub(super) fn of(&self, input: &InputId) -> Option<&Span> {
        self.spans.iter().find(|span| span.input.is(input))
    }
}

impl Learner {
    /// One that has read nothing.
    pub(super) fn new(cx: Arc<Cx>, model: Arc<RwLock<Processor>>) -> Self {
        Self {
            cx,
            model,
            model_version: MODEL_VERSION,
            inputs: Inputs::default(),
            since_take: 0,
            since_hot: 0,
            stands: Vec::new(),
            scratch: Vec::new(),
            emissions: Vec::new(),
        }
    }

    /// Looks for topics that came or went. Returns whether there were any.
    pub(super) fn refresh(&mut self) -> bool {
        let model = Arc::clone(&self.model);
        self.inputs.refresh(&self.cx.catalog, |topic| model.read().reads(topic))
    }

    /// Whether so much was learnt that keys are to be taken.
    pub(super) fn has_its_fill(&self) -> bool {
        self.since_take >= TAKE_EVERY
    }

    /// Whether a batch holds questions, from which there is nothing to be learnt.
    pub(super) fn is_of_questions(&self, batch: &InputBatch) -> bool {
        *self.inputs.place(batch.input).0.topic == *topics::REQUESTS
    }

    /// Learns a batch again.
    fn learn_again(&mut self, batch: &InputBatch) {
        // Questions were answered.
        if !self.is_of_questions(batch) {
            self.learn(batch, None);
        }
    }

    /// Learns a batch. What is to be written because of it goes into `live`'s step. Returns how many records there were.
    pub(super) fn learn(
        &mut self,
        batch: &InputBatch,
        mut live: Option<(&mut Step, &mut FeedMetrics)>,
    ) -> usize {
        let topic = Arc::clone(&self.inputs.place(batch.input).0.topic);
        let source = self.inputs.name(batch.input);
        let now = self.cx.env.clock.now();
        let mut records = 0;
        // By reason. Counted once the processor is let go of: what serves metrics holds them while it asks the processor.
        let mut refused: BTreeMap<String, u64> = BTreeMap::new();
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
            // What was refused is among the emissions.
            drop(processor.process(&message, &mut self.emissions));
            let Some((step, _)) = &mut live else { return self.emissions.clear() };
            for emission in self.emissions.drain(..) {
                if let Some(reason) = emission.refused_because() {
                    *refused.entry(reason.to_owned()).or_default() += 1;
                }
                step.write(Outgoing::because_of(record, emission, now));
            }
        });
        drop(processor);
        if let Some((_, metrics)) = &mut live {
            refused.iter().for_each(|(reason, &count)| metrics.refused(reason, count));
        }
        if let Err(error) = visited {
            warn!(input = source, from = %batch.from, %error, "rest of a batch not learnt");
        }
        self.since_take += records;
        self.since_hot += records;
        records
    }

    /// Takes changed keys, at most `limit` users and as many items, and with `hot` the summaries.
    pub(super) fn take(&mut self, limit: usize, hot: bool) -> Due {
        let mut processor = self.model.write();
        let mut changes = processor.take_changes(limit);
        let mut features = Vec::new();
        changes.more |= processor.take_features(limit, &mut features);
        let mut summaries = Vec::new();
        let hot = hot && processor.take_summaries(&mut summaries);
        self.since_take = 0;
        if hot {
            self.since_hot = 0;
        }
        Due { changes, features, summaries: hot.then_some(summaries) }
    }

    /// Learns, silently, what lies before the offset that `end` gives for a partition. What that changes was emitted.
    ///
    /// # Errors
    /// `stop` was cancelled.
    pub(super) fn catch_up(
        &mut self,
        end: impl Fn(&InputId) -> Option<Offset>,
        stop: &CancellationToken,
        progress: impl Fn(&Inputs),
    ) -> Result<(), Unfinished> {
        let ends = self.inputs.positions().map(|(input, _)| (input.clone(), end(input)));
        let ends: Vec<(InputId, Option<Offset>)> = ends.collect();
        // Of the others, nothing.
        let bounds: Vec<Option<Offset>> = ends.iter().map(|(_, end)| end.or(Some(Offset(0)))).collect();
        let mut any = false;
        while let Some(batch) = self.inputs.next_before(&bounds) {
            self.learn_again(&batch);
            any = true;
            progress(&self.inputs);
            if stop.is_cancelled() {
                return Err(Unfinished::Stopped);
            }
        }
        for (input, end) in ends {
            if let Some(end) = end {
                self.note_stands(input, end);
            }
        }
        if any {
            self.take(usize::MAX, true);
            self.since_hot = 0;
        }
        Ok(())
    }

    /// Learns the steps behind `from` again, in the very order in which they were learnt. Returns the last.
    ///
    /// # Errors
    /// `stop` was cancelled, or the journal cannot be read.
    pub(super) fn follow(
        &mut self,
        from: Committed,
        stop: &CancellationToken,
    ) -> Result<Committed, Unfinished> {
        let cx = Arc::clone(&self.cx);
        let mut last = from;
        journal::read(&cx.catalog, from.journal_end, |entry, end| {
            last = Committed { sequence: entry.sequence, journal_end: end };
            let inputs: Vec<Option<InputId>> = entry.inputs.iter().map(|span| self.find(span)).collect();
            entry.slices.iter().for_each(|slice| self.follow_slice(slice, &inputs, stop));
        })?;
        if stop.is_cancelled() { Err(Unfinished::Stopped) } else { Ok(last) }
    }

    fn find(&self, span: &Span) -> Option<InputId> {
        self.inputs.positions().map(|(input, _)| input).find(|input| span.input.is(input)).cloned()
    }

    fn follow_slice(&mut self, slice: &Slice, inputs: &[Option<InputId>], stop: &CancellationToken) {
        for (place, to) in &slice.runs {
            // Of topics that are gone, what was learnt of them is, too.
            let Some(Some(input)) = inputs.get(*place) else { continue };
            while let Some(batch) = self.inputs.next_of(input, Offset(*to)) {
                if stop.is_cancelled() {
                    return;
                }
                self.learn_again(&batch);
            }
            self.note_stands(input.clone(), Offset(*to));
        }
        if let Some(taken) = slice.taken {
            self.take(taken.limit, taken.hot);
        }
    }

    /// Notes up to where results of a partition stand.
    pub(super) fn note_stands(&mut self, input: InputId, next: Offset) {
        match self.stands.iter_mut().find(|(known, _)| *known == input) {
            Some((_, known)) => *known = next,
            None => self.stands.push((input, next)),
        }
    }

    /// Up to where results of a partition stand.
    pub(super) fn stands_at(&self, input: &InputId) -> Option<Offset> {
        self.stands.iter().find(|(known, _)| known == input).map(|(_, next)| *next)
    }

    /// Goes back to the beginning of every partition, with a processor that has read nothing.
    pub(super) fn start_over(&mut self, processor: Processor) {
        *self.model.write() = processor;
        self.model_version = MODEL_VERSION;
        self.stands.clear();
        (self.since_take, self.since_hot) = (0, 0);
        let inputs: Vec<InputId> = self.inputs.positions().map(|(input, _)| input.clone()).collect();
        inputs.iter().for_each(|input| self.inputs.seek(input, Offset(0)));
    }
}

/// A record's time. Messages of the oldest format have none: they count as being as new as the newest.
fn time_of(record: &Record<'_>, processor: &Processor) -> i64 {
    if record.timestamp.0 < 0 { processor.recommender().newest_of_all_ms() } else { record.timestamp.0 }
}
