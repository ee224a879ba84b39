//! The registry of what is counted, and its text for Prometheus.
//!
//! Components keep their metrics beside what they measure: they ask [`Metrics`] for a [`Counter`], [`Gauge`] or
//! [`Histogram`] once, labels fixed, and keep the handle. Counting is then an atomic add, an observation a few of
//! them; nothing looks a name up or takes a lock outside the scrape. Values that something else already holds
//! are read when a scrape asks for them ([`Metrics::watch`]).
//!
//! Names begin with `kindred_` and end with their unit, after Prometheus's naming rules; those that describe the
//! process have the names that every Prometheus client gives them.

use std::fmt;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, Opts, Registry, TextEncoder};
use protocol::messages::{Api, ApiKey};

pub(crate) use prometheus::{Histogram, IntCounter as Counter, IntGauge as Gauge};

/// Labels of a metric: name and value.
pub(crate) type Labels<'a> = &'a [(&'a str, &'a str)];

/// The registry, and the metrics of the Kafka side.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) connections: Connections,
    pub(crate) requests: Requests,
    /// Record batches that producers sent, as they came.
    pub(crate) produced: Traffic,
    /// Record batches that consumers were sent.
    pub(crate) fetched: Traffic,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let metrics = Self {
            connections: Connections::new(&registry),
            requests: Requests::new(&registry),
            produced: Traffic::new(&registry, "produced", "Record batches received from producers"),
            fetched: Traffic::new(&registry, "fetched", "Record batches sent to consumers"),
            registry,
        };
        let version = env!("CARGO_PKG_VERSION");
        metrics
            .gauge(
                "kindred_build_info",
                "Always 1; the label says which version runs.",
                &[("version", version)],
            )
            .set(1);
        if resident_bytes().is_some() {
            metrics.watch("process_resident_memory_bytes", "Resident memory size in bytes.", || {
                resident_bytes().unwrap_or_default()
            });
        }
        metrics
    }
}

impl Metrics {
    /// A new counter. One name may be registered several times with different values of the same labels.
    ///
    /// # Panics
    /// If the name or a label is no Prometheus name, or the very same metric is there already. Like the other
    /// constructors it is called at start-up, with names written in the source.
    pub(crate) fn counter(&self, name: &str, help: &str, labels: Labels<'_>) -> Counter {
        counter(&self.registry, name, help, labels)
    }

    /// A new gauge.
    pub(crate) fn gauge(&self, name: &str, help: &str, labels: Labels<'_>) -> Gauge {
        registered(&self.registry, Gauge::with_opts(opts(name, help, labels)))
    }

    /// A new histogram with buckets up to these bounds.
    pub(crate) fn histogram(&self, name: &str, help: &str, labels: Labels<'_>, bounds: &[f64]) -> Histogram {
        let opts = HistogramOpts { common_opts: opts(name, help, labels), buckets: bounds.to_vec() };
        registered(&self.registry, Histogram::with_opts(opts))
    }

    /// A gauge whose value is read from `read` at each scrape.
    pub(crate) fn watch<F>(&self, name: &str, help: &str, read: F)
    where
        F: Fn() -> f64 + Send + Sync + 'static,
    {
        let gauge = prometheus::Gauge::with_opts(opts(name, help, &[])).expect(GOOD_NAME);
        self.registry.register(Box::new(Watched { gauge, read })).expect(GOOD_NAME);
    }

    /// Gauges by labels whose values are all read from `read` at each scrape: label values in the order of `labels`, and the
    /// value.
    pub(crate) fn watch_by<F>(&self, name: &str, help: &str, labels: &[&str], read: F)
    where
        F: Fn() -> Vec<(Vec<String>, f64)> + Send + Sync + 'static,
    {
        let gauges = prometheus::GaugeVec::new(Opts::new(name, help), labels).expect(GOOD_NAME);
        self.registry.register(Box::new(WatchedBy { gauges, read })).expect(GOOD_NAME);
    }

    /// Everything registered, in Prometheus's text format, version 0.0.4.
    pub(crate) fn expose(&self) -> String {
        let mut text = String::new();
        // Writing to a string fails only for a family without metrics, which the registry never gathers.
        TextEncoder::new()
            .encode_utf8(&self.registry.gather(), &mut text)
            .expect("gathered families have metrics");
        text
    }
}

/// Connections of Kafka clients.
pub(crate) struct Connections {
    open: Gauge,
    accepted: Counter,
}

impl Connections {
    fn new(registry: &Registry) -> Self {
        let open = opts("kindred_connections_open", "Connections of Kafka clients that are open.", &[]);
        Self {
            open: registered(registry, Gauge::with_opts(open)),
            accepted: counter(
                registry,
                "kindred_connections_total",
                "Connections accepted from Kafka clients.",
                &[],
            ),
        }
    }

    /// Notes a new connection.
    pub(crate) fn opened(&self) {
        self.open.inc();
        self.accepted.inc();
    }

    /// Notes the end of a connection.
    pub(crate) fn closed(&self) {
        self.open.dec();
    }
}

/// Requests of Kafka clients, by API.
pub(crate) struct Requests {
    /// In the order of [`Api::ALL`].
    counters: Vec<Counter>,
    /// The position in `counters` of each key; keys without a table have none.
    positions: Vec<u8>,
}

impl Requests {
    fn new(registry: &Registry) -> Self {
        let count = |api: &Api| {
            let help = "Requests received from Kafka clients, by API.";
            counter(registry, "kindred_requests_total", help, &[("api", api.key.name())])
        };
        let last = Api::ALL.last().map_or(0, |api| api.key as usize);
        let mut positions = vec![0; last + 1];
        for (position, api) in Api::ALL.iter().enumerate() {
            positions[api.key as usize] = u8::try_from(position).expect("fewer than 256 APIs");
        }
        Self { counters: Api::ALL.iter().map(count).collect(), positions }
    }

    /// Notes one request.
    pub(crate) fn record(&self, key: ApiKey) {
        self.counters[usize::from(self.positions[key as usize])].inc();
    }
}

/// Bytes that come or go in pieces.
pub(crate) struct Traffic {
    bytes: Counter,
    pieces: Counter,
}

impl Traffic {
    fn new(registry: &Registry, name: &str, what: &str) -> Self {
        Self {
            bytes: counter(
                registry,
                &format!("kindred_{name}_bytes_total"),
                &format!("{what}, in bytes."),
                &[],
            ),
            pieces: counter(
                registry,
                &format!("kindred_{name}_pieces_total"),
                &format!("{what}, by how many partitions of requests they came in."),
                &[],
            ),
        }
    }

    /// Notes one piece of this size.
    pub(crate) fn record(&self, size_bytes: usize) {
        self.bytes.inc_by(size_bytes as u64);
        self.pieces.inc();
    }
}

/// A gauge that is read when it is asked for.
struct Watched<F> {
    gauge: prometheus::Gauge,
    read: F,
}

impl<F: Fn() -> f64 + Send + Sync> Collector for Watched<F> {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.gauge.set((self.read)());
        self.gauge.collect()
    }
}

/// Gauges that are read when they are asked for.
struct WatchedBy<F> {
    gauges: prometheus::GaugeVec,
    read: F,
}

impl<F: Fn() -> Vec<(Vec<String>, f64)> + Send + Sync> Collector for WatchedBy<F> {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.gauges.reset();
        for (labels, value) in (self.read)() {
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            self.gauges.with_label_values(&labels).set(value);
        }
        self.gauges.collect()
    }
}

/// Why registration cannot fail.
const GOOD_NAME: &str = "names are written in the source, each once";

fn opts(name: &str, help: &str, labels: Labels<'_>) -> Opts {
    labels.iter().fold(Opts::new(name, help), |opts, &(label, value)| opts.const_label(label, value))
}

fn counter(registry: &Registry, name: &str, help: &str, labels: Labels<'_>) -> Counter {
    registered(registry, Counter::with_opts(opts(name, help, labels)))
}

fn registered<M: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<M>) -> M {
    let metric = metric.expect(GOOD_NAME);
    registry.register(Box::new(metric.clone())).expect(GOOD_NAME);
    metric
}

/// The process's resident memory, where the system tells.
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_exposed() {
        let metrics = Metrics::default();
        metrics.connections.opened();
        metrics.connections.opened();
        metrics.connections.closed();
        metrics.requests.record(ApiKey::Produce);
        metrics.produced.record(100);
        metrics.produced.record(23);
        metrics.watch("kindred_answer", "Read late.", || 42.0);
        metrics.watch_by("kindred_share", "Read late.", &["of"], || vec![(vec!["a\"b".into()], 0.5)]);
        metrics.histogram("kindred_wait_seconds", "Waits.", &[("route", "/a")], &[0.1, 1.0]).observe(0.5);
        let text = metrics.expose();
        for line in [
            "kindred_connections_open 1",
            "kindred_connections_total 2",
            "kindred_requests_total{api=\"Produce\"} 1",
            "kindred_requests_total{api=\"ApiVersions\"} 0",
            "kindred_produced_bytes_total 123",
            "kindred_produced_pieces_total 2",
            "kindred_answer 42",
            "kindred_share{of=\"a\\\"b\"} 0.5",
            "kindred_wait_seconds_bucket{route=\"/a\",le=\"0.1\"} 0",
            "kindred_wait_seconds_bucket{route=\"/a\",le=\"1\"} 1",
            "kindred_wait_seconds_count{route=\"/a\"} 1",
            concat!("kindred_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "# TYPE kindred_requests_total counter",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line:?} in:\n{text}");
        }
    }

    #[test]
    fn every_api_has_its_own_counter() {
        let metrics = Metrics::default();
        for (times, api) in Api::ALL.iter().enumerate() {
            (0..=times).for_each(|_| metrics.requests.record(api.key));
        }
        let text = metrics.expose();
        for (times, api) in Api::ALL.iter().enumerate() {
            let line = format!("kindred_requests_total{{api=\"{}\"}} {}", api.key.name(), times + 1);
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }
}
