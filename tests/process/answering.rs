//! Questions: what is too much is refused and holds nobody else up, and replies over topics wait for nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::client::{NO_PRODUCER, batch};
use crate::support::{Broker, eventually};

/// How long one answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Clients that ask without waiting for each other, and how many of their questions are served at a time.
const CLIENTS: usize = 24;
const SERVED: &str = "4";
/// Produced while they ask.
const BATCHES: usize = 200;

/// Puts a question and gives the answer's status and head.
fn ask(connection: &mut BufReader<TcpStream>, path: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request =
        format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}");
    connection.get_mut().write_all(request.as_bytes()).expect("HTTP reads");
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(connection.read_line(&mut head).expect("HTTP answers"), 0, "closed after {head}");
    }
    let field = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse::<usize>().ok())
    };
    let mut answer = vec![0; field("content-length:").expect("a length")];
    connection.read_exact(&mut answer).expect("a whole answer");
    serde_json::from_slice::<Value>(&answer).expect("JSON");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head)
}

fn connect(http: SocketAddr) -> BufReader<TcpStream> {
    let socket = TcpStream::connect(http).expect("HTTP is served");
    socket.set_read_timeout(Some(PATIENCE)).expect("a TCP socket");
    BufReader::new(socket)
}

/// Asks until told to stop; how many questions were answered and refused.
fn ask_on_and_on(http: SocketAddr, question: &str, stop: &AtomicBool) -> (usize, usize) {
    let mut connection = connect(http);
    let (mut answered, mut refused) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        match ask(&mut connection, "/api/v1/recommend/batch", question) {
            (200, _) => answered += 1,
            (503, head) => {
                assert!(head.contains("retry-after: 1\r\n"), "{head}");
                refused += 1;
            }
            (_, head) => panic!("{head}"),
        }
    }
    (answered, refused)
}

#[test]
fn questions_that_are_too_many_are_refused_and_kafka_clients_do_not_notice() {
    let broker = Broker::with(&[("http.requests.max", SERVED), ("http.threads", "1")]);
    let mut client = broker.connect();
    client.create_topic("user_behavior", 1);
    let event = |n: usize| format!(r#"{{"user_id":{},"item_id":{},"action":"view"}}"#, n % 50, n % 23);
    let values: Vec<String> = (0..500).map(event).collect();
    let values: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
    client.produce("user_behavior", 0, 1, &batch(NO_PRODUCER, 0, &values)).expect("an answer");
    client.create_topic("others", 1);
    let users: Vec<String> = (0..100).map(|user| user.to_string()).collect();
    let question = format!(r#"{{"users":[{}]}}"#, users.join(","));
    let (http, stop) = (broker.child().http, AtomicBool::new(false));
    let (answered, refused) = thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| scope.spawn(|| ask_on_and_on(http, &question, &stop))).collect();
        for number in 0..BATCHES {
            let value = number.to_string();
            let produced = client.produce("others", 0, 1, &batch(NO_PRODUCER, 0, &[value.as_bytes()]));
            assert_eq!(produced.expect("an answer"), (0, number as i64));
        }
        assert!(broker.http_get("/healthz").starts_with("HTTP/1.1 200 "));
        stop.store(true, Ordering::Relaxed);
        let counts = clients.into_iter().map(|client| client.join().expect("it was answered"));
        counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    });
    assert!(answered > 0 && refused > 0, "{answered} answered, {refused} refused");
    assert_eq!(client.fetch_values("others", 0).len(), BATCHES);
    assert_eq!(ask(&mut connect(http), "/api/v1/recommend/batch", &question).0, 200);
}

#[test]
fn a_reply_waits_for_no_interval() {
    let broker = Broker::with(&[("recommender.emit.interval.ms", "3600000")]);
    let mut client = broker.connect();
    client.create_topic("kindred.requests", 1);
    client.create_topic("kindred.responses", 1);
    for number in 1..=3 {
        let question = br#"{"ask": "hot"}"#;
        client.produce("kindred.requests", 0, 1, &batch(NO_PRODUCER, 0, &[question])).expect("an answer");
        eventually("the reply", || {
            (client.fetch_values("kindred.responses", 0).len() == number).then_some(())
        });
    }
}
