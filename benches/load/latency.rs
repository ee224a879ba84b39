//! End-to-end latency: from the moment a record was due to be sent until a consumer on a long poll holds it.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use protocol::frame::decode_response;
use protocol::messages::fetch::FetchResponse;
use protocol::records::{BatchBuilder, Batches};

use crate::Broker;
use crate::connection::{Connection, fetch_frame, now, produce_error, produce_frame, receive};
use crate::options::Options;
use crate::report::Report;

const VALUE_BYTES: usize = 100;
/// Connections warm up, files grow, the allocator settles.
const WARM_UP: Duration = Duration::from_secs(1);

pub(crate) fn measure(options: &Options, broker: &Broker, report: &mut Report) {
    for (acks, acks_name) in [(1, "1"), (-1, "all")] {
        let topic = format!("latency-{acks_name}");
        broker.connect().create_topic(&topic);
        let schedule = Schedule::new(options.rate, options.seconds);
        let histogram = run(broker, &topic, acks, &schedule);
        let label = format!("end to end, {} msg/s of {VALUE_BYTES} B, acks={acks_name}", options.rate);
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            let micros = histogram.value_at_quantile(quantile) as f64 / 1e3;
            report.add(format!("{label}: {name}"), "us", micros);
        }
        broker.connect().delete_topic(&topic);
    }
}

/// When each record is due.
struct Schedule {
    began: Instant,
    interval: Duration,
    records: u64,
    /// Records of the warm-up, which do not count.
    ignored: u64,
}

impl Schedule {
    fn new(rate: u64, seconds: u64) -> Schedule {
        let ignored = (rate as f64 * WARM_UP.as_secs_f64()) as u64;
        let interval = Duration::from_secs(1) / u32::try_from(rate).expect("a rate below 2^32");
        Schedule { began: Instant::now(), interval, records: ignored + rate * seconds, ignored }
    }

    fn due(&self, record: u64) -> Instant {
        self.began + Duration::from_nanos(self.interval.as_nanos() as u64 * record)
    }
}

/// Sends by the schedule from one thread and receives on two others; gives nanoseconds.
fn run(broker: &Broker, topic: &str, acks: i16, schedule: &Schedule) -> Histogram<u64> {
    thread::scope(|scope| {
        let producer = broker.connect();
        let consumer = broker.connect();
        let Connection { sending, mut receiving } = producer;
        scope.spawn(move || send(sending, topic, acks, schedule));
        scope.spawn(move || {
            let mut answer = Vec::new();
            for _ in 0..schedule.records {
                receive(&mut receiving, &mut answer);
                assert_eq!(produce_error(topic, &answer), 0);
            }
        });
        let consumed = scope.spawn(move || consume(consumer, topic, schedule));
        consumed.join().expect("the consumer finished")
    })
}

/// A request for each record, as a producer without linger sends them.
fn send(mut socket: std::net::TcpStream, topic: &str, acks: i16, schedule: &Schedule) {
    // Sleep to the microsecond: the default slack of 50 us would be most of what is measured.
    rustix::thread::set_current_timer_slack(Some(std::num::NonZero::<u64>::MIN)).ok();
    let mut batch = BatchBuilder::new();
    batch.append(now(), None, Some(&[b'x'; VALUE_BYTES]), &[]);
    let frame = produce_frame(topic, acks, &batch.build());
    for record in 0..schedule.records {
        thread::sleep(schedule.due(record).saturating_duration_since(Instant::now()));
        socket.write_all(&frame).expect("the broker reads");
    }
}

fn consume(mut connection: Connection, topic: &str, schedule: &Schedule) -> Histogram<u64> {
    let mut histogram = Histogram::new(3).expect("three digits");
    let mut answer = Vec::new();
    let mut next = 0;
    while next < schedule.records {
        connection.send(&fetch_frame(topic, next as i64));
        receive(&mut connection.receiving, &mut answer);
        let now = Instant::now();
        let frame = Bytes::from(std::mem::take(&mut answer));
        let (_, response) = decode_response::<FetchResponse<'_>>(&frame, 4).expect("an answer");
        let pieces = &response.responses[0].partitions[0].records.0;
        for batch in pieces.iter().flat_map(|piece| Batches::new(piece)).map_while(Result::ok) {
            batch.verify_crc().expect("a good checksum");
            // One record a batch, one topic, one producer: the offset is the record's number.
            while next < batch.next_offset().0 as u64 {
                if next >= schedule.ignored {
                    histogram
                        .record((now - schedule.due(next)).as_nanos() as u64)
                        .expect("it grows as needed");
                }
                next += 1;
            }
        }
    }
    histogram
}
