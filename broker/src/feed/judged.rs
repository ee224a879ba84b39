//! What answers were worth, as metrics.

use std::sync::Arc;

use parking_lot::RwLock;
use recommender::Processor;
use recommender::judging::{Row, Wanted};

use crate::metrics::Metrics;

/// Registers the figures of all time, read whenever a scrape asks.
pub(super) fn watch(metrics: &Metrics, processor: &Arc<RwLock<Processor>>) {
    let labels = ["metric", "model", "scenario", "experiment", "arm"];
    let read = |of: fn(&Row) -> f64| {
        let processor = Arc::clone(processor);
        move || {
            let told = processor.read().evaluation(&Wanted::default());
            let row = |row: Row| {
                let value = of(&row);
                (vec![row.metric.to_owned(), row.model, row.scenario, row.experiment, row.arm], value)
            };
            told.figures.into_iter().map(row).collect()
        }
    };
    let help = "What answers were worth since the log began: click-through rate and the like.";
    metrics.watch_by("kindred_evaluation", help, &labels, read(|row| row.value));
    let help = "From how many impressions, clicks, orders, answers of users or trials that is.";
    metrics.watch_by("kindred_evaluation_count", help, &labels, read(|row| row.count as f64));
}
