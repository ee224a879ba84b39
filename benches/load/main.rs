//! How fast is the whole program, as a client sees it?
//!
//! Starts the release binary on an empty directory and measures, one after another, from this process over loopback:
//! producing (records of 100 B and 1 KB, acks 1 and all), consuming, end-to-end latency at a fixed rate, time to the
//! first answer, memory when idle, recommendations over HTTP, and the broker's CPU time per GB moved.
//!
//! # What is and what is not measured
//! Batches are encoded beforehand and sent with several requests in flight, so that the client costs as little as a
//! client can; it still shares the machine with the broker, and both are in the figures. Latency is from the moment a
//! record was *due* to be sent, not from when it was: a stalled broker shows in every record that it delayed (no
//! coordinated omission).
//!
//! # Running
//! ```text
//! cargo bench --bench load                               everything, a minute or two
//! cargo bench --bench load -- --only produce,latency     some of it
//! cargo bench --bench load -- --megabytes 4096           more data for each throughput figure (default 1024)
//! cargo bench --bench load -- --rate 50000 --seconds 30  another rate for latency
//! cargo bench --bench load -- --only http --http-rate 5000
//! cargo bench --bench load -- --bootstrap 127.0.0.1:9092 against a broker that already runs (Apache Kafka, say)
//! cargo bench --bench load -- --set log.acks.all.sync=false
//! ```
//! Prints a table in Markdown, then the same figures as one line of JSON. To profile, attach `perf record -p PID`
//! while it runs; the PID is printed. Use a machine that does nothing else and say which one it was.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's output is its job")]

#[path = "../../tests/process/support/child.rs"]
mod child;
mod connection;
mod http;
mod latency;
mod options;
mod pace;
mod process;
mod report;
mod throughput;
mod traffic;

use std::path::Path;
use std::time::{Duration, Instant};

use child::Child;
use connection::Connection;
use options::Options;
use report::Report;
use rustix::process::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_kindred");

fn main() {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            println!("{problem}");
            std::process::exit(2);
        }
    };
    let mut report = Report::default();
    if options.bootstrap.is_none() {
        if options.wants("start") {
            start_up(&options, &mut report);
        }
        if options.wants("idle") {
            idle(&options, &mut report);
        }
    }
    let broker = Broker::new(&options);
    if options.wants("produce") || options.wants("consume") {
        throughput::measure(&options, &broker, &mut report);
    }
    if options.wants("latency") {
        latency::measure(&options, &broker, &mut report);
    }
    if options.wants("http") {
        http::measure(&options, &broker, &mut report);
    }
    broker.finish();
    report.print();
}

/// The broker that is measured: ours, or one that already runs.
enum Broker {
    Ours(Box<Child>, tempfile::TempDir),
    Elsewhere(std::net::SocketAddr),
}

impl Broker {
    fn new(options: &Options) -> Broker {
        if let Some(address) = options.bootstrap {
            return Broker::Elsewhere(address);
        }
        let (child, directory) = start(options);
        eprintln!("the broker's PID is {}", child.id());
        Broker::Ours(Box::new(child), directory)
    }

    fn address(&self) -> std::net::SocketAddr {
        match self {
            Broker::Ours(child, _) => child.kafka,
            Broker::Elsewhere(address) => *address,
        }
    }

    fn connect(&self) -> Connection {
        Connection::open(self.address())
    }

    /// User and system time so far; nothing is known of a broker elsewhere.
    fn cpu_time(&self) -> Option<Duration> {
        match self {
            Broker::Ours(child, _) => Some(process::cpu_time(child.id())),
            Broker::Elsewhere(_) => None,
        }
    }

    /// Stops ours; figures of a broker that cannot stop cleanly are worth nothing.
    fn finish(self) {
        if let Broker::Ours(child, _directory) = self {
            stop(*child);
        }
    }
}

fn start(options: &Options) -> (Child, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let log = directory.path().join("log");
    let child = Child::start(Path::new(BINARY), &directory.path().join("data"), log, &options.settings);
    (child, directory)
}

fn stop(mut child: Child) {
    child.signal(Signal::TERM);
    let status = child.wait(Duration::from_secs(20));
    assert!(status.is_some_and(|status| status.success()), "ended with {status:?}:\n{}", child.log());
}

/// From the start of the process on an empty directory to its first answer on the Kafka port.
fn start_up(options: &Options, report: &mut Report) {
    const STARTS: usize = 21;
    let (mut ready, mut answered): (Vec<Duration>, Vec<Duration>) = (0..STARTS)
        .map(|_| {
            let began = Instant::now();
            let (child, _directory) = start(options);
            Connection::open(child.kafka).api_versions();
            let answered = began.elapsed();
            let ready = child.ready_after;
            stop(child);
            (ready, answered)
        })
        .unzip();
    ready.sort();
    answered.sort();
    report.add("start to ready line, median of 21", "ms", millis(ready[STARTS / 2]));
    report.add("start to first answer, median of 21", "ms", millis(answered[STARTS / 2]));
    report.add("start to first answer, slowest of 21", "ms", millis(answered[STARTS - 1]));
}

/// Memory and threads' appetite of a broker that nobody talks to.
fn idle(options: &Options, report: &mut Report) {
    let (child, _directory) = start(options);
    std::thread::sleep(Duration::from_secs(1));
    let before = process::cpu_time(child.id());
    std::thread::sleep(Duration::from_secs(2));
    let (resident_bytes, private_bytes) = process::memory_bytes(child.id());
    report.add("idle: resident memory", "MB", resident_bytes as f64 / 1e6);
    report.add("idle: private memory", "MB", private_bytes as f64 / 1e6);
    report.add("idle: CPU", "ms/s", millis(process::cpu_time(child.id()) - before) / 2.0);
    stop(child);
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
