//! End-to-end latency at the rate that was asked for.

use crate::Broker;
use crate::options::Options;
use crate::pace::{VALUE_BYTES, end_to_end};
use crate::report::Report;

pub(crate) fn measure(options: &Options, broker: &Broker, report: &mut Report) {
    for (acks, acks_name) in [(1, "1"), (-1, "all")] {
        let topic = format!("latency-{acks_name}");
        broker.connect().create_topic(&topic, 1, &[]);
        let histogram = end_to_end(broker.address(), &topic, acks, options.rate, options.seconds);
        let label = format!("end to end, {} msg/s of {VALUE_BYTES} B, acks={acks_name}", options.rate);
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            let micros = histogram.value_at_quantile(quantile) as f64 / 1e3;
            report.add(format!("{label}: {name}"), "us", micros);
        }
        broker.connect().delete_topic(&topic);
    }
}
