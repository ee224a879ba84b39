//! What is counted of the feed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use storage::Clock;

use crate::metrics::{Counter, Metrics};

/// The feed's metrics.
pub(super) struct FeedMetrics {
    records: Counter,
    /// By reason, as they come up.
    refused: HashMap<String, Counter>,
    registry: Arc<Metrics>,
    lists: Counter,
    steps: Counter,
    answers: Counter,
    snapshot: Arc<LastSnapshot>,
}

/// The newest snapshot.
#[derive(Default)]
struct LastSnapshot {
    /// When it was taken, ms since 1970; 0 if there is none.
    taken_ms: AtomicI64,
    size_bytes: AtomicU64,
    /// How long learning waited for it, in microseconds.
    pause_us: AtomicU64,
    /// How long writing it took, in microseconds.
    write_us: AtomicU64,
}

impl FeedMetrics {
    pub(super) fn new(metrics: &Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        let counter = |name: &str, help: &str| metrics.counter(name, help, &[]);
        let snapshot = Arc::new(LastSnapshot::default());
        let seconds = |us: &AtomicU64| us.load(Ordering::Relaxed) as f64 / 1e6;
        let last = Arc::clone(&snapshot);
        let age = move || match last.taken_ms.load(Ordering::Relaxed) {
            0 => f64::NAN,
            taken_ms => (clock.now().0 - taken_ms) as f64 / 1e3,
        };
        let help = "Age of the newest snapshot of the recommender; NaN if there is none.";
        metrics.watch("kindred_recommender_snapshot_age_seconds", help, age);
        let last = Arc::clone(&snapshot);
        let size = move || last.size_bytes.load(Ordering::Relaxed) as f64;
        let help = "Size of the newest snapshot of the recommender.";
        metrics.watch("kindred_recommender_snapshot_bytes", help, size);
        let last = Arc::clone(&snapshot);
        let help = "How long learning waited for the newest snapshot written.";
        metrics.watch("kindred_recommender_snapshot_pause_seconds", help, move || seconds(&last.pause_us));
        let last = Arc::clone(&snapshot);
        let help = "How long the newest snapshot took to write and sync.";
        metrics.watch("kindred_recommender_snapshot_write_seconds", help, move || seconds(&last.write_us));
        Self {
            records: counter("kindred_recommender_records_total", "Records read by the recommender."),
            refused: HashMap::new(),
            registry: Arc::clone(metrics),
            lists: counter("kindred_recommender_lists_total", "Lists written to the output topics."),
            steps: counter(
                "kindred_recommender_transactions_total",
                "Transactions of results and input offsets that the recommender committed.",
            ),
            answers: counter("kindred_recommender_answers_total", "Questions of kindred.requests answered."),
            snapshot,
        }
    }

    /// Notes records that were read.
    pub(super) fn learnt(&self, records: usize) {
        self.records.inc_by(records as u64);
    }

    /// Notes questions that were answered.
    pub(super) fn answered(&self, questions: usize) {
        self.answers.inc_by(questions as u64);
    }

    /// Notes messages or events that were refused. The processor must not be held: the first of a reason waits for whoever is
    /// being shown the metrics, and that may be waiting for the processor.
    pub(super) fn refused(&mut self, reason: &str, count: u64) {
        if let Some(counter) = self.refused.get(reason) {
            return counter.inc_by(count);
        }
        let (name, help) =
            ("kindred_recommender_rejected_total", "Events that the recommender refused, by reason.");
        let counter = self.registry.counter(name, help, &[("reason", reason)]);
        counter.inc_by(count);
        self.refused.insert(reason.to_owned(), counter);
    }

    /// Notes lists that are to be written.
    pub(super) fn emitted(&self, lists: usize) {
        self.lists.inc_by(lists as u64);
    }

    /// Notes a transaction that is to be committed.
    pub(super) fn stepped(&self) {
        self.steps.inc();
    }

    /// Notes a snapshot that was read or written.
    pub(super) fn snapshot(&self, taken_ms: i64, size_bytes: usize, pause: Duration, write: Duration) {
        let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.snapshot.taken_ms.store(taken_ms, Ordering::Relaxed);
        self.snapshot.size_bytes.store(size_bytes as u64, Ordering::Relaxed);
        self.snapshot.pause_us.store(us(pause), Ordering::Relaxed);
        self.snapshot.write_us.store(us(write), Ordering::Relaxed);
    }
}
