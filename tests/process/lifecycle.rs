//! Starting, stopping, starting again: quick, with exit codes to trust and identities that stay.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use rustix::process::Signal;

use crate::support::client::{Client, NO_PRODUCER, batch, fetch_request};
use crate::support::{Broker, binary};

/// A graceful stop waits for nobody: not for idle clients, not for long polls.
const STOP_MAX: Duration = Duration::from_secs(3);

#[test]
fn sigterm_and_sigint_stop_at_once_with_exit_code_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut broker = Broker::start();
        let mut idle = broker.connect();
        idle.api_versions();
        let mut polling = broker.connect();
        polling.create_topic("quiet", 1);
        polling.send(&fetch_request("quiet", 0, 0, 30_000), 4);
        thread::sleep(Duration::from_millis(50));
        let (status, took) = broker.stop(signal);
        assert_eq!(status.code(), Some(0), "{signal:?}");
        assert!(took < STOP_MAX, "{signal:?} took {took:?}");
        assert_eq!(idle.read_frame(), None, "the connection is closed");
    }
}

#[test]
fn a_signal_right_after_the_ready_line_still_stops_gracefully() {
    for _ in 0..5 {
        let (status, _) = Broker::start().stop(Signal::TERM);
        assert_eq!(status.code(), Some(0));
    }
}

#[test]
fn a_second_signal_does_no_harm() {
    let mut broker = Broker::start();
    broker.child().signal(Signal::INT);
    let (status, _) = broker.stop(Signal::INT);
    assert_eq!(status.code(), Some(0));
}

#[test]
fn identities_and_records_survive_stops_and_kills() {
    let mut broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("kept", 3);
    let record = batch(NO_PRODUCER, 0, &[b"value"]);
    assert_eq!(client.produce("kept", 2, -1, &record), Some((0, 0)));
    let before = identity(&broker);
    for signal in [Signal::TERM, Signal::KILL, Signal::INT, Signal::KILL] {
        broker.stop(signal);
        broker.start_again();
        assert_eq!(identity(&broker), before, "after {signal:?}");
        assert_eq!(broker.connect().fetch_values("kept", 2), [b"value"], "after {signal:?}");
    }
}

/// Cluster id, node id, and the topic's id and partitions.
fn identity(broker: &Broker) -> (String, i32, [u8; 16], usize) {
    let topic = MetadataRequestTopic { name: Some("kept".into()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    let answer = broker.connect().call(&request, 12);
    let response: MetadataResponse<'_> = answer.decode();
    let topic = &response.topics[0];
    assert_eq!((response.brokers.len(), topic.error_code), (1, 0));
    assert_eq!(response.brokers[0].node_id, response.controller_id);
    let cluster_id = response.cluster_id.as_deref().expect("a cluster id").to_owned();
    (cluster_id, response.controller_id, topic.topic_id.0, topic.partitions.len())
}

/// The promise is 50 ms on an empty directory; an unoptimised build on a busy machine gets some slack, and the best
/// of several starts is what the program itself takes.
#[test]
fn ready_quickly_on_an_empty_directory() {
    const READY_MAX: Duration = Duration::from_millis(if cfg!(debug_assertions) { 250 } else { 50 });
    let best = (0..7).map(|_| Broker::start().child().ready_after).min().expect("seven starts");
    println!("ready after {best:?}");
    assert!(best < READY_MAX, "ready after {best:?} at best");
}

#[test]
fn the_address_handed_out_is_the_one_connected_to() {
    let broker = Broker::with(&[("listeners", "PLAINTEXT://0.0.0.0:0")]);
    let port = broker.child().kafka.port();
    for host in ["127.0.0.1", "127.0.0.2"] {
        let address = format!("{host}:{port}").parse().expect("an address");
        assert_eq!(told_address(&mut Client::connect(address)), (host.to_owned(), i32::from(port)));
    }
}

#[test]
fn advertised_listeners_win_over_the_address_connected_to() {
    let broker = Broker::with(&[("advertised.listeners", "PLAINTEXT://kafka.example.org:19092")]);
    assert_eq!(told_address(&mut broker.connect()), ("kafka.example.org".to_owned(), 19092));
}

/// Where Metadata says that the broker is.
fn told_address(client: &mut Client) -> (String, i32) {
    let request = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
    let answer = client.call(&request, 1);
    let response: MetadataResponse<'_> = answer.decode();
    (response.brokers[0].host.clone().into_owned(), response.brokers[0].port)
}

#[test]
fn localhost_is_served_on_both_loopbacks() {
    let broker = Broker::with(&[("listeners", "PLAINTEXT://localhost:0")]);
    let port = broker.child().kafka.port();
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    for host in ["127.0.0.1", "[::1]"].into_iter().take(if has_ipv6 { 2 } else { 1 }) {
        let address = format!("{host}:{port}").parse().expect("an address");
        Client::connect(address).api_versions();
    }
}

#[test]
fn help_and_version_go_to_stdout_with_exit_code_0() {
    for (argument, expected) in [("--help", "demo"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let began = Instant::now();
        let output = Command::new(binary()).arg(argument).output().expect("the binary starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{argument}");
        assert!(said.contains(expected), "{argument} said {said:?}");
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
