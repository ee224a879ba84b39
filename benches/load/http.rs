//! Questions over HTTP: how fast they are answered at a fixed rate, what the most is, and how soon an event counts.
//!
//! Requests are sent when they are due, whether or not those before them were answered (pipelined on as many
//! connections as there are lanes), and latency is from the moment a request was due: a stall shows in every request that
//! it delayed. The most is found by clients that wait for each answer.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use protocol::records::BatchBuilder;

use crate::connection::{now, produce_error, produce_frame, receive};
use crate::options::Options;
use crate::report::Report;
use crate::{Broker, child::Child, process};

const TOPIC: &str = "user_behavior";
const USERS: u64 = 20_000;
const ITEMS: u64 = 5_000;
/// Events learnt before anything is measured.
const EVENTS: u64 = 400_000;
const BATCH_EVENTS: u64 = 500;
/// Connections of the clients.
const LANES: usize = 16;
const WARM_UP: Duration = Duration::from_secs(1);
/// Round trips of one GET after another.
const ROUND_TRIPS: usize = 5_000;
/// How long the clients that wait for each answer go on.
const MOST: Duration = Duration::from_secs(5);
/// Events a second while it is measured how soon one counts, and how often that is.
const EVENTS_RATE: u64 = 20_000;
const PROBE_INTERVAL: Duration = Duration::from_millis(20);
/// How long: a broker that falls behind is asked less often, and shows in the figures.
const PROBING: Duration = Duration::from_secs(20);
/// How often a changed answer is asked for.
const LOOK_INTERVAL: Duration = Duration::from_micros(500);

pub(crate) fn measure(options: &Options, broker: &Broker, report: &mut Report) {
    let Broker::Ours(child, _) = broker else { return };
    for path in ["/healthz", "/api/v1/hot"] {
        add(report, &format!("GET {path}"), &round_trips(child.http, path), &[("p50", 0.5), ("p99", 0.99)]);
    }
    learn(broker, EVENTS, None);
    await_settled(child.http);
    at_rate(options, child, report);
    the_most(child, report);
    freshness(broker, child, report);
}

/// Answers at the rate that was asked for.
fn at_rate(options: &Options, child: &Child, report: &mut Report) {
    let (rate, seconds) = (options.http_rate, options.seconds);
    let before = process::cpu_time(child.id());
    let histogram = open_loop(child.http, rate, seconds);
    let cpu = process::cpu_time(child.id()) - before;
    let quantiles = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];
    add(report, &format!("{rate} recommendations/s"), &histogram, &quantiles);
    let requests = rate as f64 * (seconds as f64 + WARM_UP.as_secs_f64());
    report.add(
        format!("{rate} recommendations/s: broker's CPU"),
        "us each",
        cpu.as_secs_f64() * 1e6 / requests,
    );
}

/// Answers to clients that each wait for the one before.
fn the_most(child: &Child, report: &mut Report) {
    let until = Instant::now() + MOST;
    let count = |lane: u64| {
        let mut client = Client::open(child.http);
        let mut answered = 0u64;
        while Instant::now() < until {
            client.get(&recommendations(lane + LANES as u64 * answered));
            answered += 1;
        }
        answered
    };
    let answered: u64 = thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES as u64).map(|lane| scope.spawn(move || count(lane))).collect();
        lanes.into_iter().map(|lane| lane.join().expect("it counted")).sum()
    });
    report.add(
        format!("recommendations to {LANES} clients, at most"),
        "/s",
        answered as f64 / MOST.as_secs_f64(),
    );
}

/// From the acknowledgement of a new user's first event until the user is no longer unknown, while many others act.
fn freshness(broker: &Broker, child: &Child, report: &mut Report) {
    let done = AtomicBool::new(false);
    let mut histogram = Histogram::new(3).expect("three digits");
    thread::scope(|scope| {
        scope.spawn(|| learn(broker, u64::MAX, Some((EVENTS_RATE, &done))));
        let (mut producer, mut client) = (broker.connect(), Client::open(child.http));
        thread::sleep(WARM_UP);
        let began = Instant::now();
        for probe in 0.. {
            let due = began + PROBE_INTERVAL * probe as u32;
            if due.max(Instant::now()) > began + PROBING {
                break;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let user = format!("probe-{probe}");
            let mut batch = BatchBuilder::new();
            batch.append(now(), None, Some(event(&user, probe % ITEMS).as_bytes()), &[]);
            let answer = producer.ask(&produce_frame(TOPIC, 0, 1, &batch.build()));
            assert_eq!(produce_error(TOPIC, &answer), 0);
            let acknowledged = Instant::now();
            let path = format!("/api/v1/users/{user}/recommendations?n=1");
            while client.get(&path).contains("unknown-user") {
                thread::sleep(LOOK_INTERVAL);
            }
            histogram.record(acknowledged.elapsed().as_nanos() as u64).expect("it grows as needed");
        }
        done.store(true, Ordering::Relaxed);
    });
    let label = format!("event acknowledged to answer changed, {EVENTS_RATE} events/s");
    add(report, &label, &histogram, &[("p50", 0.5), ("p99", 0.99), ("worst", 1.0)]);
}

fn add(report: &mut Report, label: &str, histogram: &Histogram<u64>, quantiles: &[(&str, f64)]) {
    for (name, quantile) in quantiles {
        report.add(format!("{label}: {name}"), "us", histogram.value_at_quantile(*quantile) as f64 / 1e3);
    }
}

fn round_trips(address: SocketAddr, path: &str) -> Histogram<u64> {
    let mut client = Client::open(address);
    let mut histogram = Histogram::new(3).expect("three digits");
    for _ in 0..ROUND_TRIPS {
        let began = Instant::now();
        client.get(path);
        histogram.record(began.elapsed().as_nanos() as u64).expect("it grows as needed");
    }
    histogram
}

/// Sends requests when they are due, in turn on every lane, and receives on as many threads.
fn open_loop(address: SocketAddr, rate: u64, seconds: u64) -> Histogram<u64> {
    let interval = Duration::from_nanos(1_000_000_000 / rate);
    let requests = rate * seconds + (rate as f64 * WARM_UP.as_secs_f64()) as u64;
    let mut senders: Vec<(TcpStream, Sender<Instant>)> = Vec::new();
    let mut histogram = Histogram::new(3).expect("three digits");
    thread::scope(|scope| {
        let began = Instant::now() + Duration::from_millis(10);
        let receivers: Vec<_> = (0..LANES)
            .map(|_| {
                let Client { sending, receiving } = Client::open(address);
                let (due, dues) = channel();
                senders.push((sending, due));
                scope.spawn(move || receive_all(receiving, &dues, began + WARM_UP))
            })
            .collect();
        // Sleep to the microsecond: the default slack of 50 us would be much of what is measured.
        rustix::thread::set_current_timer_slack(Some(std::num::NonZero::<u64>::MIN)).ok();
        for request in 0..requests {
            let due = began + interval * request as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let (sending, dues) = &mut senders[request as usize % LANES];
            sending.write_all(head(address, &recommendations(request)).as_bytes()).expect("the broker reads");
            dues.send(due).expect("its receiver waits for answers");
        }
        senders.clear();
        for receiver in receivers {
            histogram += receiver.join().expect("every answer came");
        }
    });
    histogram
}

fn receive_all(
    mut from: BufReader<TcpStream>,
    dues: &Receiver<Instant>,
    from_when: Instant,
) -> Histogram<u64> {
    let mut histogram = Histogram::new(3).expect("three digits");
    let mut body = Vec::new();
    for due in dues {
        read_answer(&mut from, &mut body);
        if due >= from_when {
            histogram.record(due.elapsed().as_nanos() as u64).expect("it grows as needed");
        }
    }
    histogram
}

/// Produces events in batches: as fast as it goes, or at a rate until told to stop.
fn learn(broker: &Broker, events: u64, paced: Option<(u64, &AtomicBool)>) {
    let mut producer = broker.connect();
    if paced.is_none() {
        producer.create_topic(TOPIC, 1, &[]);
    }
    let began = Instant::now();
    let mut answer = Vec::new();
    for batch in 0..events.div_ceil(BATCH_EVENTS) {
        if let Some((rate, stop)) = paced {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            // Smaller batches at a rate: one every 5 ms.
            let due = began + Duration::from_nanos(1_000_000_000 * 100 / rate) * batch as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let count = if paced.is_some() { 100 } else { BATCH_EVENTS };
        let mut records = BatchBuilder::new();
        for number in batch * count..(batch + 1) * count {
            // Some items come up much more often than others.
            let (user, share) = (random(number) % USERS, (random(!number) % 1_000) as f64 / 1e3);
            let item = (ITEMS as f64 * share.powi(3)) as u64;
            records.append(now(), None, Some(event(&format!("u{user}"), item).as_bytes()), &[]);
        }
        producer.send(&produce_frame(TOPIC, 0, 1, &records.build()));
        receive(&mut producer.receiving, &mut answer);
        assert_eq!(produce_error(TOPIC, &answer), 0);
    }
}

fn event(user: &str, item: u64) -> String {
    format!(r#"{{"user_id":"{user}","item_id":"i{item}","action":"view"}}"#)
}

/// Waits until everything was learnt and every list written.
fn await_settled(address: SocketAddr) {
    let mut client = Client::open(address);
    let settled = |metrics: &str| metrics.lines().any(|line| line == "kindred_recommender_settled 1");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) || !settled(&client.get("/metrics")) {
        assert!(began.elapsed() < Duration::from_secs(300), "the recommender does not settle");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The list of one user or another.
fn recommendations(request: u64) -> String {
    format!("/api/v1/users/u{}/recommendations", random(request) % USERS)
}

fn head(address: SocketAddr, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n")
}

/// SplitMix64: the same on every run.
fn random(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A kept-alive connection.
struct Client {
    sending: TcpStream,
    receiving: BufReader<TcpStream>,
}

impl Client {
    fn open(address: SocketAddr) -> Client {
        let sending = TcpStream::connect(address).expect("the broker serves HTTP");
        sending.set_nodelay(true).expect("a TCP socket");
        let receiving = BufReader::new(sending.try_clone().expect("a socket can be doubled"));
        Client { sending, receiving }
    }

    /// Asks, and gives the body of the answer.
    fn get(&mut self, path: &str) -> String {
        let address = self.sending.peer_addr().expect("it is connected");
        self.sending.write_all(head(address, path).as_bytes()).expect("the broker reads");
        let mut body = Vec::new();
        read_answer(&mut self.receiving, &mut body);
        String::from_utf8(body).expect("answers are text")
    }
}

/// Reads one answer with a `content-length`, and that it is 200.
fn read_answer(from: &mut impl BufRead, body: &mut Vec<u8>) {
    let mut body_bytes = 0;
    let mut line = String::new();
    from.read_line(&mut line).expect("an answer");
    assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
    while line.trim() != "" {
        line.clear();
        from.read_line(&mut line).expect("a header");
        if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            body_bytes = length.trim().parse().expect("a number");
        }
    }
    body.resize(body_bytes, 0);
    from.read_exact(body).expect("a body");
}
