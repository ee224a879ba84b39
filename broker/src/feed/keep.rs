//! Keeping snapshots: when, and how learning hardly notices.
//!
//! ```text
//! commit what is learnt ─▶ encode, under the read lock ─▶ write, sync, rename on another thread ─▶ shorten the journal
//!                          (learning waits, questions do not)
//! ```
//! Encoding is done by the feed itself. A thread beside it would hold the read lock, the feed would wait for the write
//! lock, and questions would queue behind the feed; a copy to encode from would cost the memory once more and take no
//! less time to make. So learning waits, about 2 ms a megabyte, and never more than a hundredth of the time.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use protocol::types::Offset;
use storage::SideFiles;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::snapshot::{self, Description, Position};
use super::step::Step;
use super::{Worker, journal};

/// Time between two snapshots, as a multiple of how long learning waits for one.
const PAUSE_SHARE: u32 = 100;
/// Snapshots that are kept.
const KEPT: usize = 2;
/// How long learning waits for commits before a snapshot is put off.
const COMMIT_PATIENCE: Duration = Duration::from_secs(1);
/// The journal is shortened by at least so many offsets: a step takes two.
const SHORTEN_BY: i64 = 256;

/// The snapshots kept, and the one being written.
pub(super) struct Snapshots {
    pub(super) files: SideFiles,
    due: Instant,
    /// The last step in the newest.
    sequence: u64,
    /// Where the journal of each begins, the oldest first.
    journal_ends: VecDeque<Offset>,
    writing: Option<JoinHandle<Written>>,
}

/// A snapshot that was written, or not.
struct Written {
    description: Description,
    result: io::Result<usize>,
    pause: Duration,
    write: Duration,
}

impl Snapshots {
    /// No snapshots; the first is due after `interval`.
    pub(super) fn new(files: SideFiles, interval: Duration) -> Self {
        Self {
            files,
            due: Instant::now() + interval,
            sequence: 0,
            journal_ends: VecDeque::new(),
            writing: None,
        }
    }

    /// Notes a snapshot that is on the disk.
    pub(super) fn note(&mut self, description: &Description) {
        self.sequence = description.sequence;
        self.journal_ends.push_back(Offset(description.journal_end));
        while self.journal_ends.len() > KEPT {
            self.journal_ends.pop_front();
        }
    }

    /// Has the next one taken at once.
    pub(super) fn take_soon(&mut self) {
        self.due = Instant::now();
    }

    /// Notes that none is left.
    pub(super) fn clear(&mut self) {
        self.journal_ends.clear();
    }
}

impl Worker {
    /// Takes a snapshot if it is time and something was learnt since the last.
    pub(super) async fn snapshot_if_due(&mut self, steps: &mpsc::Sender<Step>) {
        if self.snapshots.writing.as_ref().is_some_and(|writing| writing.is_finished()) {
            self.finish_snapshot().await;
        }
        let unchanged = self.sequence == self.snapshots.sequence && self.step.is_empty();
        if Instant::now() < self.snapshots.due || unchanged || self.snapshots.writing.is_some() {
            return;
        }
        // Only what is committed may be in it.
        let committed = tokio::time::timeout(COMMIT_PATIENCE, async {
            self.await_committed().await;
            self.hand_over(steps);
            self.await_committed().await;
        });
        if committed.await.is_ok() && !self.is_committing() {
            self.begin_snapshot();
        } else {
            // A disk that takes nothing must not hold up learning each time round.
            self.snapshots.due = Instant::now() + self.cx.catalog.config().recommender_snapshot_interval;
        }
    }

    /// Takes a snapshot of everything that is committed, at the end.
    pub(super) async fn snapshot_at_stop(&mut self) {
        self.finish_snapshot().await;
        if self.sequence > self.snapshots.sequence {
            self.begin_snapshot();
            self.finish_snapshot().await;
        }
    }

    /// Encodes a snapshot and hands it to a thread that writes it. Everything learnt must be committed.
    fn begin_snapshot(&mut self) {
        let interval = self.cx.catalog.config().recommender_snapshot_interval;
        let began = Instant::now();
        let position = |(input, next): &(_, Offset)| Position { input: Into::into(input), next: next.0 };
        let description = Description {
            sequence: self.sequence,
            journal_end: self.committed.borrow().journal_end.0,
            inputs: self.learner.stands.iter().map(position).collect(),
            since_take: self.learner.since_take,
            since_hot: self.learner.since_hot,
            settings: snapshot::settings(self.learner.model.read().recommender().config()),
            model_version: self.learner.model_version,
            taken_ms: self.cx.env.clock.now().0,
        };
        let encoded = snapshot::encode(&description, &self.learner.model.read());
        let pause = began.elapsed();
        self.snapshots.due = Instant::now() + interval.max(pause * PAUSE_SHARE);
        let bytes = match encoded {
            Ok(bytes) => bytes,
            Err(error) => return warn!(%error, "snapshot not taken"),
        };
        let files = self.snapshots.files.clone();
        self.snapshots.writing = Some(tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let result = snapshot::write(&files, description.sequence, bytes, KEPT);
            Written { description, result, pause, write: began.elapsed() }
        }));
    }

    /// Waits for the snapshot that is being written, and removes what it makes superfluous.
    async fn finish_snapshot(&mut self) {
        let Some(writing) = self.snapshots.writing.take() else { return };
        let Ok(Written { description, result, pause, write }) = writing.await else { return };
        match result {
            Ok(size_bytes) => {
                debug!(size_bytes, ?pause, ?write, step = description.sequence, "snapshot written");
                self.metrics.snapshot(description.taken_ms, size_bytes, pause, write);
                self.snapshots.note(&description);
                if let Some(oldest) = self.snapshots.journal_ends.front()
                    && self.snapshots.journal_ends.len() == KEPT
                    // Who learns anew follows it from its beginning.
                    && self.rebuild.is_none()
                {
                    journal::forget_before(&self.cx.catalog, *oldest, SHORTEN_BY);
                }
            }
            Err(error) => warn!(%error, "snapshot not written, trying later"),
        }
    }
}
