//! Round trips of one GET after another over one kept-alive connection.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::report::Report;

const REQUESTS: usize = 5_000;

pub(crate) fn measure(address: SocketAddr, report: &mut Report) {
    for path in ["/healthz", "/api/v1/hot"] {
        let histogram = round_trips(address, path);
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
            report.add(
                format!("GET {path}: {name}"),
                "us",
                histogram.value_at_quantile(quantile) as f64 / 1e3,
            );
        }
    }
}

fn round_trips(address: SocketAddr, path: &str) -> Histogram<u64> {
    let mut sending = TcpStream::connect(address).expect("the broker serves HTTP");
    sending.set_nodelay(true).expect("a TCP socket");
    let mut receiving = BufReader::new(sending.try_clone().expect("a socket can be doubled"));
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let mut histogram = Histogram::new(3).expect("three digits");
    for _ in 0..REQUESTS {
        let began = Instant::now();
        sending.write_all(request.as_bytes()).expect("the broker reads");
        read_answer(&mut receiving);
        histogram.record(began.elapsed().as_nanos() as u64).expect("it grows as needed");
    }
    histogram
}

/// Reads one answer with a `content-length`, and that it is 200.
fn read_answer(from: &mut impl BufRead) {
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
    from.read_exact(&mut vec![0; body_bytes]).expect("a body");
}
