//! End-to-end latency at a fixed rate: from the moment a record was due to be sent until a consumer on a long poll
//! holds it, so a stall shows in every record that it delayed.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use protocol::frame::decode_response;
use protocol::messages::fetch::FetchResponse;
use protocol::records::{BatchBuilder, Batches};

use crate::connection::{Connection, fetch_frame, now, produce_error, produce_frame, receive};

pub(crate) const VALUE_BYTES: usize = 100;
/// Connections warm up, files grow, the allocator settles.
const WARM_UP: Duration = Duration::from_secs(1);

/// Requests sent before the answer of the first has come; a Java producer's default.
const IN_FLIGHT: usize = 5;
/// Records of a request when the sender is behind: 64 KB.
const BATCH_RECORDS: u64 = 500;
/// How far behind the broker may be at the end. Records that have not come by then count as come then: the rate was
/// too high for it, and the figures say so.
const PATIENCE: Duration = Duration::from_secs(10);

/// When each record is due.
#[derive(Clone)]
pub(crate) struct Schedule {
    began: Instant,
    interval_nanos: u64,
    records: u64,
    /// Records of the warm-up, which do not count.
    ignored: u64,
}

impl Schedule {
    /// `rate` records a second for `seconds`, from now on, and a warm-up before.
    pub(crate) fn new(rate: u64, seconds: u64) -> Schedule {
        let ignored = (rate as f64 * WARM_UP.as_secs_f64()) as u64;
        let interval_nanos = 1_000_000_000 / rate;
        Schedule { began: Instant::now(), interval_nanos, records: ignored + rate * seconds, ignored }
    }

    fn due(&self, record: u64) -> Instant {
        self.began + Duration::from_nanos(self.interval_nanos * record)
    }

    /// When measuring ends, whatever is missing.
    fn end(&self) -> Instant {
        self.due(self.records) + PATIENCE
    }

    /// How many records are due by now.
    fn due_by_now(&self) -> u64 {
        let elapsed = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        (elapsed / self.interval_nanos + 1).min(self.records)
    }
}

/// Sends by the schedule from one thread and receives on two others, through partition 0; gives nanoseconds.
pub(crate) fn end_to_end(
    address: SocketAddr,
    topic: &str,
    acks: i16,
    rate: u64,
    seconds: u64,
) -> Histogram<u64> {
    let producer = Connection::open(address);
    let consumer = Connection::open(address);
    let schedule = &Schedule::new(rate, seconds);
    thread::scope(|scope| {
        let Connection { sending, mut receiving } = producer;
        let (sent, requests) = sync_channel(IN_FLIGHT - 1);
        scope.spawn(move || send(sending, topic, acks, schedule, &sent));
        scope.spawn(move || {
            let mut answer = Vec::new();
            while requests.recv().is_ok() {
                receive(&mut receiving, &mut answer);
                assert_eq!(produce_error(topic, &answer), 0);
            }
        });
        let consumed = scope.spawn(move || consume(consumer, topic, schedule));
        consumed.join().expect("the consumer finished")
    })
}

/// All that is due goes in one request, as from a producer without linger: what comes while five requests wait for
/// their answers goes together, up to a batch's usual size.
fn send(mut socket: TcpStream, topic: &str, acks: i16, schedule: &Schedule, sent: &SyncSender<()>) {
    // Sleep to the microsecond: the default slack of 50 us would be most of what is measured.
    rustix::thread::set_current_timer_slack(Some(std::num::NonZero::<u64>::MIN)).ok();
    let single = frame(topic, acks, 1);
    let mut next = 0;
    while next < schedule.records && Instant::now() < schedule.end() {
        thread::sleep(schedule.due(next).saturating_duration_since(Instant::now()));
        if sent.send(()).is_err() {
            return; // The receiver failed and says why.
        }
        let due = (schedule.due_by_now().max(next + 1) - next).min(BATCH_RECORDS);
        if due == 1 {
            socket.write_all(&single).expect("the broker reads");
        } else {
            socket.write_all(&frame(topic, acks, due)).expect("the broker reads");
        }
        next += due;
    }
}

fn frame(topic: &str, acks: i16, records: u64) -> Vec<u8> {
    let mut batch = BatchBuilder::new();
    for _ in 0..records {
        batch.append(now(), None, Some(&[b'x'; VALUE_BYTES]), &[]);
    }
    produce_frame(topic, 0, acks, &batch.build())
}

fn consume(mut connection: Connection, topic: &str, schedule: &Schedule) -> Histogram<u64> {
    let mut histogram = Histogram::new(3).expect("three digits");
    let mut answer = Vec::new();
    let mut next = 0;
    while next < schedule.records {
        connection.send(&fetch_frame(topic, 0, next as i64));
        receive(&mut connection.receiving, &mut answer);
        let now = Instant::now();
        let frame = Bytes::from(std::mem::take(&mut answer));
        let (_, response) = decode_response::<FetchResponse<'_>>(&frame, 4).expect("an answer");
        let pieces = &response.responses[0].partitions[0].records.0;
        for batch in pieces.iter().flat_map(|piece| Batches::new(piece)).map_while(Result::ok) {
            batch.verify_crc().expect("a good checksum");
            // One topic, one producer: the offset is the record's number.
            let upto = batch.next_offset().0 as u64;
            record(&mut histogram, schedule, next..upto, now);
            next = upto;
        }
        drop(response);
        answer = Vec::from(frame); // The same memory again.
        if now > schedule.end() {
            record(&mut histogram, schedule, next..schedule.records, now);
            break;
        }
    }
    histogram
}

fn record(histogram: &mut Histogram<u64>, schedule: &Schedule, records: Range<u64>, came: Instant) {
    for record in records.start.max(schedule.ignored)..records.end {
        let nanos = came.saturating_duration_since(schedule.due(record)).as_nanos() as u64;
        histogram.record(nanos).expect("it grows as needed");
    }
}
