//! Start-up: to the state that the results in the output topics came from, and on from there.
//!
//! ```text
//! newest snapshot that can be used ─▶ journal: the steps behind it, silently ─▶ live
//! without one: the log up to the first step that is kept, silently ─▶ journal ─▶ live
//! ```
//! A snapshot goes on under the settings it was taken under; if those in force are others, or the program's models are, the
//! log is learnt anew beside it (`rebuild`).
//!
//! The group's offsets say up to where results stand. If they are not those of the last step, somebody has changed them
//! while the recommender was off: then the whole log is learnt anew, silently up to those offsets, and results are
//! written from there on, as a consumer would read on from them. No event counts twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::types::Offset;
use recommender::Processor;
use tokio::time::Instant;
use tracing::{info, warn};

use super::commit::Committed;
use super::input::Inputs;
use super::learner::{Course, Unfinished};
use super::snapshot::{self, Loaded};
use super::step::InputId;
use super::{GROUP, Worker, journal};
use crate::coordinator::group::requests::FetchOffsetsRequest;

/// Committed offsets by topic and partition.
type Offsets = HashMap<(String, i32), Offset>;

impl Worker {
    /// Comes to the state behind the last step. Nothing of an earlier life may be writing any more.
    ///
    /// `None` if stopped before.
    pub(super) async fn resume(&mut self) -> Option<Committed> {
        let began = Instant::now();
        let offsets = self.fetch_committed().await;
        let loaded = self.load_snapshot();
        let resumed = self.resume_behind(loaded, &offsets);
        let last = match resumed {
            Ok(last) => last,
            Err(Unfinished::Stopped) => return None,
            Err(error) => {
                // Results would be written twice, or never: better none at all.
                tracing::error!(%error, "the recommender stays off");
                return None;
            }
        };
        let events = self.learner.model.read().recommender().counters().events;
        if events > 0 {
            let (elapsed_ms, snapshot) = (began.elapsed().as_millis() as u64, loaded.is_some());
            info!(events, elapsed_ms, snapshot, steps = last.sequence, "recommender rebuilt");
        }
        Some(last)
    }

    fn resume_behind(
        &mut self,
        loaded: Option<Committed>,
        offsets: &Offsets,
    ) -> Result<Committed, Unfinished> {
        let from = loaded.unwrap_or_default();
        let course = Course::behind(from, &self.cx)?;
        let committed = |input: &InputId| offsets.get(&(input.topic.to_string(), input.partition.0)).copied();
        let feed = Arc::clone(&self.feed);
        let progress = |inputs: &Inputs| feed.lag.store(inputs.lag(), Ordering::Relaxed);
        if self.was_reset(&course, offsets) {
            warn!(group = GROUP, "the group's offsets were changed: the log is learnt anew up to them");
            self.start_over(&course);
            self.learner.catch_up(committed, &feed.stop, progress)?;
            return Ok(course.last);
        }
        let stood: Vec<InputId> = self.learner.stands.iter().map(|(input, _)| input.clone()).collect();
        let end = |input: &InputId| match course.of(input) {
            Some(span) => Some(Offset(span.from)),
            // A snapshot has what was read by then; without one the offsets are all there is to go by.
            None if loaded.is_some() && stood.contains(input) => None,
            None => committed(input),
        };
        self.learner.catch_up(end, &feed.stop, progress)?;
        self.learner.follow(from, &feed.stop)
    }

    /// Takes over the newest snapshot, under the settings it was taken under. Returns the last step in it.
    fn load_snapshot(&mut self) -> Option<Committed> {
        let Loaded { description, processor, size_bytes } = snapshot::newest(&self.snapshots.files)?;
        let learner = &mut self.learner;
        *learner.model.write() = processor;
        learner.model_version = description.model_version;
        learner.refresh();
        self.metrics.snapshot(description.taken_ms, size_bytes, Duration::ZERO, Duration::ZERO);
        learner.since_take = description.since_take;
        learner.since_hot = description.since_hot;
        let inputs: Vec<InputId> = learner.inputs.positions().map(|(input, _)| input.clone()).collect();
        for input in inputs {
            if let Some(position) = description.inputs.iter().find(|position| position.input.is(&input)) {
                learner.inputs.seek(&input, Offset(position.next));
                learner.note_stands(input, Offset(position.next));
            }
        }
        let last = Committed { sequence: description.sequence, journal_end: Offset(description.journal_end) };
        self.snapshots.note(&description);
        Some(last)
    }

    /// Whether the group's offsets are not those that the last step committed.
    fn was_reset(&self, course: &Course, offsets: &Offsets) -> bool {
        self.learner.inputs.positions().any(|(input, _)| {
            let stood = self.learner.stands_at(input);
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
        let config = self.cx.catalog.config().recommender().clone();
        self.learner.start_over(Processor::new(config));
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
