//! What is counted of the feed.

use crate::metrics::{Counter, Metrics};

/// The feed's metrics.
pub(super) struct FeedMetrics {
    records: Counter,
    dead_letters: Counter,
    lists: Counter,
}

impl FeedMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let counter = |name: &str, help: &str| metrics.counter(name, help, &[]);
        Self {
            records: counter("kindred_recommender_records_total", "Records read by the recommender."),
            dead_letters: counter(
                "kindred_recommender_rejected_total",
                "Records that the recommender refused.",
            ),
            lists: counter("kindred_recommender_lists_total", "Lists written to the output topics."),
        }
    }

    /// Notes records that were read, and how many of them were refused.
    pub(super) fn learnt(&self, records: usize, refused: usize) {
        self.records.inc_by(records as u64);
        self.dead_letters.inc_by(refused as u64);
    }

    /// Notes lists that were written.
    pub(super) fn emitted(&self, lists: usize) {
        self.lists.inc_by(lists as u64);
    }
}
