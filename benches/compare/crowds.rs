//! Many connections, many partitions: what they cost, and what the others feel of it.

use std::time::Instant;

use hdrhistogram::Histogram;

use crate::connection::Connection;
use crate::contenders::Contender;
use crate::options::Options;
use crate::pace::end_to_end;
use crate::report::Report;

const RATE: u64 = 1000;

pub(crate) fn connections(contender: &Contender, options: &Options, report: &mut Report) {
    let before = contender.resident_bytes();
    let began = Instant::now();
    let idle: Vec<Connection> = (0..options.connections)
        .map(|_| {
            let mut one = contender.connect();
            one.api_versions();
            one
        })
        .collect();
    let row = |what: &str| format!("{} idle connections: {what}", options.connections);
    report.add(contender.name, &row("to open"), "ms", began.elapsed().as_secs_f64() * 1e3);
    let grown = contender.resident_bytes().saturating_sub(before);
    report.add(contender.name, &row("memory each"), "KB", grown as f64 / 1e3 / options.connections as f64);
    let histogram = paced(contender, "crowded", options);
    report.add(contender.name, &row("end to end p99, 1,000 msg/s"), "us", micros(&histogram, 0.99));
    drop(idle);
}

/// Of a broker that is new: Apache Kafka holds the files of deleted topics for another minute.
pub(crate) fn partitions(contender: &mut Contender, options: &Options, report: &mut Report) {
    let before = contender.resident_bytes();
    let began = Instant::now();
    contender.new_topic("wide", options.partitions, &[]);
    let row = |what: &str| format!("{} partitions: {what}", options.partitions);
    report.add(contender.name, &row("to create"), "s", began.elapsed().as_secs_f64());
    let grown = contender.resident_bytes().saturating_sub(before);
    report.add(contender.name, &row("memory each"), "KB", grown as f64 / 1e3 / f64::from(options.partitions));
    let histogram = paced(contender, "beside-many", options);
    report.add(contender.name, &row("end to end p99, 1,000 msg/s"), "us", micros(&histogram, 0.99));
    contender.stop();
    report.add(contender.name, &row("start again"), "s", contender.start().as_secs_f64());
}

fn paced(contender: &Contender, what: &str, options: &Options) -> Histogram<u64> {
    let topic = contender.new_topic(what, 1, &[]);
    let histogram = end_to_end(contender.address(), &topic, 1, RATE, options.seconds);
    contender.connect().delete_topic(&topic);
    histogram
}

pub(crate) fn micros(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1e3
}
