//! Megabytes and messages a second, in and out, over one connection.

use std::time::Instant;

use crate::Broker;
use crate::options::Options;
use crate::report::Report;
use crate::traffic::{Load, Shape, consume};

pub(crate) fn measure(options: &Options, broker: &Broker, report: &mut Report) {
    for value_bytes in [100, 1000] {
        for (acks, acks_name) in [(1, "1"), (-1, "all")] {
            let topic = format!("throughput-{value_bytes}-{acks_name}");
            let mut admin = broker.connect();
            admin.create_topic(&topic, 1, &[]);
            let label = format!("produce, {value_bytes} B, acks={acks_name}");
            let shape = Shape::plain(value_bytes, acks);
            let mut load = Load::new(&topic, &shape, options.megabytes);
            let (bytes, records) = (load.bytes(), load.records());
            timed(broker, report, &label, bytes, records, || load.send(broker.address()));
            if options.wants("consume") && acks == 1 {
                let label = format!("consume, {value_bytes} B");
                let drain = || consume(broker.address(), &topic, 0, load.records_per_partition());
                timed(broker, report, &label, bytes, records, drain);
            }
            admin.delete_topic(&topic);
        }
    }
}

/// Runs `work` and reports what it did a second, and the broker's CPU time for each GB of values.
fn timed(broker: &Broker, report: &mut Report, label: &str, bytes: u64, records: u64, work: impl FnOnce()) {
    let cpu_before = broker.cpu_time();
    let began = Instant::now();
    work();
    let seconds = began.elapsed().as_secs_f64();
    report.add(label, "MB/s", bytes as f64 / 1e6 / seconds);
    report.add(label, "messages/s", records as f64 / seconds);
    if let (Some(before), Some(after)) = (cpu_before, broker.cpu_time()) {
        report.add(
            format!("{label}: broker CPU"),
            "s/GB",
            (after - before).as_secs_f64() / (bytes as f64 / 1e9),
        );
    }
}
