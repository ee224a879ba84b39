//! What the broker's clients feel while the recommender learns. Apache Kafka has none, so this is kindred alone.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use protocol::records::BatchBuilder;

use crate::connection::{Connection, now, produce_error, produce_frame, receive};
use crate::contenders::Contender;
use crate::crowds::micros;
use crate::options::Options;
use crate::pace::end_to_end;
use crate::report::Report;

/// A topic that the recommender reads by default.
const EVENTS: &str = "user_behavior";
const EVENTS_PER_REQUEST: u64 = 100;
const EVENTS_PER_SECOND: u64 = 10_000;
const RATE: u64 = 10_000;

/// End-to-end latency of another topic, without and with 10,000 events a second to learn from.
pub(crate) fn measure(contender: &Contender, options: &Options, report: &mut Report) {
    contender.connect().create_topic(EVENTS, 1, &[]);
    for learns in [false, true] {
        let topic = contender.new_topic("beside-learning", 1, &[]);
        let stop = AtomicBool::new(!learns);
        let cpu = contender.cpu_time();
        let began = Instant::now();
        let histogram = thread::scope(|scope| {
            scope.spawn(|| behave(contender, &stop));
            let histogram = end_to_end(contender.address(), &topic, 1, RATE, options.seconds);
            stop.store(true, Relaxed);
            histogram
        });
        let busy = (contender.cpu_time() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
        let beside = if learns { "while it learns 10,000 events/s" } else { "with nothing to learn" };
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
            let row = format!("end to end, {RATE} msg/s, acks=1, {beside}: {name}");
            report.add(contender.name, &row, "us", micros(&histogram, quantile));
        }
        report.add(contender.name, &format!("cores busy, {beside}"), "cores", busy);
    }
}

/// Views of 20,000 items by 50,000 users at an even pace, until told to stop.
fn behave(contender: &Contender, stop: &AtomicBool) {
    let mut connection = contender.connect();
    let interval = Duration::from_nanos(1_000_000_000 * EVENTS_PER_REQUEST / EVENTS_PER_SECOND);
    let (began, mut sent) = (Instant::now(), 0);
    while !stop.load(Relaxed) {
        thread::sleep((began + interval * sent).saturating_duration_since(Instant::now()));
        produce(&mut connection, u64::from(sent));
        sent += 1;
    }
}

fn produce(connection: &mut Connection, request: u64) {
    let mut batch = BatchBuilder::new();
    let (time, mut value) = (now(), String::new());
    for event in request * EVENTS_PER_REQUEST..(request + 1) * EVENTS_PER_REQUEST {
        let noise = event.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
        value.clear();
        write!(
            value,
            r#"{{"user_id":"{}","item_id":"{}","action":"view","ts":{}}}"#,
            noise % 50_000,
            // Squaring makes a few of them popular.
            (noise / 50_000 % 141).pow(2),
            time.0
        )
        .expect("a string takes all");
        batch.append(time, None, Some(value.as_bytes()), &[]);
    }
    let mut answer = Vec::new();
    connection.send(&produce_frame(EVENTS, 0, 1, &batch.build()));
    receive(&mut connection.receiving, &mut answer);
    assert_eq!(produce_error(EVENTS, &answer), 0);
}
