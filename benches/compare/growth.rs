//! Does a message cost the same over 10,000 partitions, or from 5,000 connections, as over one?

use std::time::Duration;

use protocol::records::BatchBuilder;

use crate::connection::{Connection, now, produce_error, produce_frame, receive};
use crate::contenders::Contender;
use crate::options::Options;
use crate::report::Report;
use crate::traffic::{Load, Shape};

const VALUE_BYTES: usize = 1000;
/// Requests for one figure: a kernel counts CPU time in hundredths of a second.
const REQUESTS: usize = 60_000;
const IN_FLIGHT: usize = 5;

/// A contender's figures, by how much there was.
pub(crate) type Curve = Vec<(f64, f64)>;

/// One record of 1 KB a request, to each partition in turn, from one connection: CPU microseconds a request.
pub(crate) fn partitions(contender: &Contender, options: &Options, report: &mut Report) -> Curve {
    steps(options.partitions as usize)
        .map(|partitions| {
            let count = i32::try_from(partitions).expect("the option's own range");
            let topic = contender.new_topic("growth", count, &[]);
            let shape = Shape { batch_bytes: 0, partitions: count, ..Shape::plain(VALUE_BYTES, 1) };
            // Files are opened and their first pages mapped outside the measurement.
            Load::new(&topic, &shape, 1).send(contender.address());
            let megabytes = (REQUESTS * VALUE_BYTES / 1_000_000) as u64;
            let mut load = Load::new(&topic, &shape, megabytes);
            let requests = load.records();
            let cost = cost(contender, requests, || load.send(contender.address()));
            contender.connect().delete_topic(&topic);
            report.add(
                contender.name,
                &format!("one record a request, over {partitions} partitions: broker CPU"),
                "us",
                cost,
            );
            (partitions as f64, cost)
        })
        .collect()
}

/// The same to one partition, from each of many connections in turn.
pub(crate) fn connections(contender: &Contender, options: &Options, report: &mut Report) -> Curve {
    let topic = contender.new_topic("growth", 1, &[]);
    let mut batch = BatchBuilder::new();
    batch.append(now(), None, Some(&[b'x'; VALUE_BYTES]), &[]);
    let frame = produce_frame(&topic, 0, 1, &batch.build());
    let curve = steps(options.connections)
        .map(|count| {
            let mut connections: Vec<Connection> = (0..count).map(|_| contender.connect()).collect();
            rounds(&mut connections, count, &topic, &frame);
            let requests = REQUESTS as u64;
            let cost = cost(contender, requests, || rounds(&mut connections, REQUESTS, &topic, &frame));
            report.add(
                contender.name,
                &format!("one record a request, from {count} connections: broker CPU"),
                "us",
                cost,
            );
            (count as f64, cost)
        })
        .collect();
    contender.connect().delete_topic(&topic);
    curve
}

/// Sends `requests` requests, one on each connection in turn, a few at a time.
fn rounds(connections: &mut [Connection], requests: usize, topic: &str, frame: &[u8]) {
    let mut answer = Vec::new();
    let count = connections.len();
    for first in (0..requests).step_by(IN_FLIGHT) {
        let some = first..requests.min(first + IN_FLIGHT);
        some.clone().for_each(|request| connections[request % count].send(frame));
        for request in some {
            receive(&mut connections[request % count].receiving, &mut answer);
            assert_eq!(produce_error(topic, &answer), 0);
        }
    }
}

/// 1, 10, 100 and so on, and `most`.
fn steps(most: usize) -> impl Iterator<Item = usize> {
    let powers = std::iter::successors(Some(1_usize), |step| step.checked_mul(10));
    powers.take_while(move |&step| step < most).chain([most])
}

/// The broker's CPU microseconds for each of `requests`.
fn cost(contender: &Contender, requests: u64, work: impl FnOnce()) -> f64 {
    let before = contender.cpu_time();
    work();
    // What it does behind the answers belongs to them.
    std::thread::sleep(Duration::from_millis(200));
    (contender.cpu_time() - before).as_secs_f64() * 1e6 / requests as f64
}
