//! What the machine itself can do, measured in the same run: no broker can be faster.

use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::report::Report;

pub(crate) const MACHINE: &str = "machine";
const CHUNK_BYTES: usize = 64 << 10;
const BYTES: usize = 2 << 30;

pub(crate) fn measure(report: &mut Report) {
    let mut add = |row: &str, unit, value| report.add(MACHINE, row, unit, value);
    add("limit: memcpy", "MB/s", memcpy());
    add("limit: CRC-32C of 64 KiB", "MB/s", crc());
    add("limit: loopback TCP, 1 stream", "MB/s", loopback(1));
    add("limit: loopback TCP, 2 streams", "MB/s", loopback(2));
    let histogram = fdatasync();
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
        let micros = histogram.value_at_quantile(quantile) as f64 / 1e3;
        add(&format!("limit: write of 4 KiB and fdatasync, {name}"), "us", micros);
    }
}

fn megabytes_a_second(bytes: usize, began: Instant) -> f64 {
    bytes as f64 / 1e6 / began.elapsed().as_secs_f64()
}

/// Between buffers larger than any cache.
fn memcpy() -> f64 {
    const BUFFER_BYTES: usize = 256 << 20;
    let from = vec![1_u8; BUFFER_BYTES];
    let mut to = vec![2_u8; BUFFER_BYTES];
    let began = Instant::now();
    for _ in 0..BYTES / BUFFER_BYTES {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
    }
    megabytes_a_second(BYTES, began)
}

fn crc() -> f64 {
    let chunk = vec![7_u8; CHUNK_BYTES];
    let began = Instant::now();
    for _ in 0..BYTES / CHUNK_BYTES {
        black_box(crc_fast::crc32_iscsi(black_box(&chunk)));
    }
    megabytes_a_second(BYTES, began)
}

fn loopback(streams: usize) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..streams {
            scope.spawn(move || {
                let mut socket = TcpStream::connect(address).expect("we listen");
                let chunk = vec![1; CHUNK_BYTES];
                for _ in 0..BYTES / CHUNK_BYTES / streams {
                    socket.write_all(&chunk).expect("somebody reads");
                }
            });
            let (mut socket, _) = listener.accept().expect("somebody connects");
            scope.spawn(move || {
                let mut chunk = vec![0; CHUNK_BYTES * 4];
                while socket.read(&mut chunk).expect("somebody writes") > 0 {}
            });
        }
    });
    megabytes_a_second(BYTES, began)
}

/// Nanoseconds of appending a page to a file and syncing it, where the brokers have their data.
fn fdatasync() -> Histogram<u64> {
    const WRITES: usize = 300;
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let mut file = File::create(directory.path().join("file")).expect("a directory of our own");
    let mut histogram = Histogram::new(3).expect("three digits");
    for _ in 0..WRITES {
        let began = Instant::now();
        file.write_all(&[1; 4096]).and_then(|()| file.sync_data()).expect("the disk takes it");
        histogram.record(began.elapsed().as_nanos() as u64).expect("it grows as needed");
    }
    histogram
}
