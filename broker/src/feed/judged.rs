//! What answers were worth, as metrics.

use std::sync::Arc;

use parking_lot::RwLock;
use recommender::Processor;
use recommender::judging::{Row, Wanted};

use crate::metrics::Metrics;

/// Registers the figures of all time, read whenever a scrape asks; of each tenant those of all together.
pub(super) fn watch(metrics: &Metrics, processor: &Arc<RwLock<Processor>>) {
    let labels = ["tenant", "metric", "currency", "model", "scenario", "experiment", "arm"];
    let read = |of: fn(&Row) -> f64| {
        let processor = Arc::clone(processor);
        move || {
            let processor = processor.read();
            let tenants = processor.recommender().tenants();
            let of_tenant = |name: &str| Wanted {
                tenant: Some(name.into()),
                model: Some("*".into()),
                ..Wanted::default()
            };
            let wanted = std::iter::once(Wanted::default()).chain(tenants.map(of_tenant));
            let row = |row: Row| {
                let (value, metric) = (of(&row), row.metric.to_owned());
                let of = [row.tenant.unwrap_or_default(), metric, row.currency.unwrap_or_default()];
                let by = [row.model, row.scenario, row.experiment, row.arm];
                (of.into_iter().chain(by).collect(), value)
            };
            wanted.flat_map(|wanted| processor.evaluation(&wanted).figures).map(row).collect()
        }
    };
    let help = "What answers were worth since the log began: click-through rate and the like.";
    metrics.watch_by("kindred_evaluation", help, &labels, read(|row| row.value));
    let help = "From how many impressions, clicks, orders, answers of users or trials that is.";
    metrics.watch_by("kindred_evaluation_count", help, &labels, read(|row| row.count as f64));
}
