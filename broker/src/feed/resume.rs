//! Start-up: to the state that the results in the output topics came from, and on from there.
//!
//! ```text
//! newest snapshot that can be used ─▶ journal: the steps behind it, silently ─▶ live
//! without one: the log up to the first step that is kept, silently ─▶ journal ─▶ live
//! ```
//! A snapshot of other settings answers questions until the log has been learnt under the present ones.
//!
//! The group's offsets say up to where results stand. If they are not those of the last step, somebody has changed them
//! while the recommender was off: then the whole log is learnt anew, silently up to those offsets, and results are
//! written from there on, as a consumer would read on from them. No event counts twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::RwLock;
use protocol::types::Offset;
use recommender::Processor;
use tokio::time::Instant;
use tracing::{info, warn};

use super::commit::Committed;
use super::snapshot::{self, Loaded};
use super::step::{Entry, InputId, Span};
use super::{GROUP, Worker, journal};
use crate::coordinator::group::requests::FetchOffsetsRequest;

/// Committed offsets by topic and partition.
type Offsets = HashMap<(String, i32), Offset>;

/// What the journal says as a whole.
#[derive(Default)]
struct Course {
    /// The last step.
    last: Committed,
    /// Where the steps that are to be followed begin in each partition, and where they end.
    spans: Vec<Span>,
}

impl Course {
    fn note(&mut self, entry: Entry, end: Offset) {
        self.last = Committed { sequence: entry.sequence, journal_end: end };
        for span in entry.inputs {
            match self.spans.iter_mut().find(|known| known.input == span.input) {
                Some(known) => known.to = span.to,
                None => self.spans.push(span),
            }
        }
    }

    fn of(&self, input: &InputId) -> Option<&Span> {
        self.spans.iter().find(|span| span.input.is(input))
    }
}

impl Worker {
    /// Comes to the state behind the last step. Nothing of an earlier life may be writing any more.
    ///
    /// `None` if stopped before.
    pub(super) async fn resume(&mut self) -> Option<Committed> {
        let began = Instant::now();
        let offsets = self.fetch_committed().await;
        let loaded = self.load_snapshot();
        let from = loaded.unwrap_or_default();
        let course = self.course(from)?;
        if self.was_reset(&course, &offsets) {
            warn!(group = GROUP, "the group's offsets were changed: the log is learnt anew up to them");
            self.start_over(&course);
            self.catch_up(|input| offsets.get(&(input.topic.to_string(), input.partition.0)).copied())?;
        } else {
            let is_loaded = loaded.is_some();
            let stands: Vec<InputId> = self.stands.iter().map(|(input, _)| input.clone()).collect();
            self.catch_up(|input| match course.of(input) {
                Some(span) => Some(Offset(span.from)),
                // A snapshot has what was read by then; without one the offsets are all there is to go by.
                None if is_loaded && stands.contains(input) => None,
                None => offsets.get(&(input.topic.to_string(), input.partition.0)).copied(),
            })?;
            self.follow(from)?;
        }
        self.put_in_place();
        let events = self.model.read().recommender().counters().events;
        if events > 0 {
            let (elapsed_ms, snapshot) = (began.elapsed().as_millis() as u64, loaded.is_some());
            info!(events, elapsed_ms, snapshot, steps = course.last.sequence, "recommender rebuilt");
        }
        Some(course.last)
    }

    /// Takes over the newest snapshot. Returns the last step in it. One of other settings is put in place to be asked, until
    /// the log has been learnt under the present ones.
    fn load_snapshot(&mut self) -> Option<Committed> {
        let Loaded { description, processor, size_bytes } = snapshot::newest(&self.snapshots.files)?;
        *self.model.write() = processor;
        if description.settings != snapshot::settings(self.cx.config.recommender()) {
            info!("other settings than before: the log is learnt anew, and what was learnt serves meanwhile");
            self.model = Arc::new(RwLock::new(Processor::new(self.cx.config.recommender().clone())));
            self.feed.rebuilt.store(true, Ordering::Release);
            return None;
        }
        self.metrics.snapshot(description.taken_ms, size_bytes, Duration::ZERO, Duration::ZERO);
        self.since_take = description.since_take;
        self.since_hot = description.since_hot;
        let inputs: Vec<InputId> = self.inputs.positions().map(|(input, _)| input.clone()).collect();
        for input in inputs {
            if let Some(position) = description.inputs.iter().find(|position| position.input.is(&input)) {
                self.inputs.seek(&input, Offset(position.next));
                self.stands.push((input, Offset(position.next)));
            }
        }
        let last = Committed { sequence: description.sequence, journal_end: Offset(description.journal_end) };
        self.snapshots.note(&description);
        Some(last)
    }

    /// Lets what was learnt be asked, if something else was until now.
    fn put_in_place(&mut self) {
        let asked = Arc::clone(&self.feed.processor);
        if Arc::ptr_eq(&self.model, &asked) {
            return;
        }
        std::mem::swap(&mut *asked.write(), &mut *self.model.write());
        self.model = asked;
    }

    /// Reads through the steps behind `from`.
    fn course(&self, from: Committed) -> Option<Course> {
        let mut course = Course { last: from, spans: Vec::new() };
        let read = journal::read(&self.cx.catalog, from.journal_end, |entry, end| course.note(entry, end));
        match read {
            Ok(_) => Some(course),
            Err(error) => {
                // Results would be written twice, or never: better none at all.
                tracing::error!(%error, "the recommender's steps cannot be read: it stays off");
                None
            }
        }
    }

    /// Whether the group's offsets are not those that the last step committed.
    fn was_reset(&self, course: &Course, offsets: &Offsets) -> bool {
        self.inputs.positions().any(|(input, _)| {
            let stood = self.stands.iter().find(|(known, _)| known == input).map(|(_, next)| *next);
            let expected = course.of(input).map(|span| Offset(span.to)).or(stood);
            let committed = offsets.get(&(input.topic.to_string(), input.partition.0)).copied();
            expected.is_some_and(|expected| committed != Some(expected))
        })
    }

    /// Forgets everything that stands for other offsets.
    fn start_over(&mut self, course: &Course) {
        snapshot::forget(&self.snapshots.files);
        self.snapshots.clear();
        journal::forget_before(&self.cx.catalog, course.last.journal_end, 0);
        if let Err(error) = self.cx.catalog.flush_start_offsets() {
            warn!(%error, "where the steps begin is not on the disk yet");
        }
        *self.model.write() = Processor::new(self.cx.config.recommender().clone());
        self.stands.clear();
        (self.since_take, self.since_hot) = (0, 0);
        let inputs: Vec<InputId> = self.inputs.positions().map(|(input, _)| input.clone()).collect();
        inputs.iter().for_each(|input| self.inputs.seek(input, Offset(0)));
    }

    /// Learns, silently, what lies before the offset that `end` gives for a partition. What that changes was emitted.
    fn catch_up(&mut self, end: impl Fn(&InputId) -> Option<Offset>) -> Option<()> {
        let ends = self.inputs.positions().map(|(input, _)| (input.clone(), end(input)));
        let ends: Vec<(InputId, Option<Offset>)> = ends.collect();
        // Of the others, nothing.
        let bounds: Vec<Option<Offset>> = ends.iter().map(|(_, end)| end.or(Some(Offset(0)))).collect();
        let mut any = false;
        while let Some(batch) = self.inputs.next_before(&bounds) {
            self.learn_again(&batch);
            any = true;
            self.feed.lag.store(self.inputs.lag(), Ordering::Relaxed);
            if self.feed.stop.is_cancelled() {
                return None;
            }
        }
        for (input, end) in ends {
            if let Some(end) = end {
                self.note_stands(input, end);
            }
        }
        if any {
            let mut processor = self.model.write();
            drop(processor.take_changes(usize::MAX));
            processor.take_summaries(&mut Vec::new());
            (self.since_take, self.since_hot) = (0, 0);
        }
        Some(())
    }

    /// Learns the steps behind `from` again, in the very order in which they were learnt.
    fn follow(&mut self, from: Committed) -> Option<()> {
        let cx = Arc::clone(&self.cx);
        let read = journal::read(&cx.catalog, from.journal_end, |entry, _| self.follow_step(&entry));
        if let Err(error) = read {
            tracing::error!(%error, "the recommender's steps cannot be read: it stays off");
            return None;
        }
        (!self.feed.stop.is_cancelled()).then_some(())
    }

    fn follow_step(&mut self, entry: &Entry) {
        let inputs: Vec<Option<InputId>> = entry
            .inputs
            .iter()
            .map(|span| {
                self.inputs.positions().map(|(input, _)| input).find(|input| span.input.is(input)).cloned()
            })
            .collect();
        for slice in &entry.slices {
            for (place, to) in &slice.runs {
                // Of topics that are gone, what was learnt of them is, too.
                let Some(Some(input)) = inputs.get(*place) else { continue };
                while let Some(batch) = self.inputs.next_of(input, Offset(*to)) {
                    self.learn_again(&batch);
                    if self.feed.stop.is_cancelled() {
                        return;
                    }
                }
                self.note_stands(input.clone(), Offset(*to));
            }
            if let Some(taken) = slice.taken {
                let mut processor = self.model.write();
                drop(processor.take_changes(taken.limit));
                self.since_take = 0;
                if taken.hot {
                    processor.take_summaries(&mut Vec::new());
                    self.since_hot = 0;
                }
            }
        }
    }

    /// Notes up to where results of a partition stand.
    pub(super) fn note_stands(&mut self, input: InputId, next: Offset) {
        match self.stands.iter_mut().find(|(known, _)| *known == input) {
            Some((_, known)) => *known = next,
            None => self.stands.push((input, next)),
        }
    }

    async fn fetch_committed(&self) -> Offsets {
        let request = FetchOffsetsRequest { group_id: GROUP.to_owned(), ..FetchOffsetsRequest::default() };
        let fetched = self.cx.groups.fetch_offsets(request).await;
        let topics = fetched.topics.into_iter();
        topics
            .flat_map(|topic| {
                topic
                    .partitions
                    .into_iter()
                    .map(move |one| ((topic.topic.clone(), one.partition.0), one.offset))
            })
            .filter(|(_, offset)| *offset != Offset::NONE)
            .collect()
    }
}
