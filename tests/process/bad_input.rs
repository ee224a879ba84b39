//! Bytes that no client should send, and disks and settings that no broker should be given.
//!
//! A bad frame closes its own connection with a reason in the log and costs no memory; everything sent before it is
//! answered; nobody else notices. A bad batch, or a full disk, is an error in that produce's answer.

use std::io::Read;
use std::net::{Shutdown, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use protocol::ErrorCode;
use protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};

use crate::support::child::{command, without_colours};
use crate::support::client::{Answer, Client, NO_PRODUCER, batch, produce_request};
use crate::support::{Broker, binary};

/// `socket.request.max.bytes` by default.
const FRAME_BYTES_MAX: i32 = 100 << 20;
const API_VERSIONS: i16 = 18;
const METADATA: i16 = 3;

/// A way to break the stream of requests.
struct Broken {
    name: &'static str,
    bytes: Vec<u8>,
    /// What the log says of it.
    reason: &'static str,
}

fn broken(name: &'static str, bytes: impl Into<Vec<u8>>, reason: &'static str) -> Broken {
    Broken { name, bytes: bytes.into(), reason }
}

/// A whole frame: length prefix, request header v1 without client id, `body`.
fn frame(api_key: i16, api_version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame =
        [&api_key.to_be_bytes()[..], &api_version.to_be_bytes(), &7_i32.to_be_bytes(), &[0xff, 0xff]]
            .concat();
    frame.extend_from_slice(body);
    sized(&frame)
}

fn sized(content: &[u8]) -> Vec<u8> {
    [&i32::try_from(content.len()).expect("a short frame").to_be_bytes()[..], content].concat()
}

fn everything_broken() -> Vec<Broken> {
    const BAD_FRAME: &str = "bad frame";
    const BAD_REQUEST: &str = "bad request";
    const CUT_SHORT: &str = "in the middle of a request";
    // Reproducible noise: a linear congruential generator is all it takes.
    let noise: Vec<u8> = (0_u32..512)
        .scan(12_345_u32, |state, _| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some((*state >> 24) as u8)
        })
        .collect();
    let huge_count = 0x7fff_fff0_i32.to_be_bytes();
    vec![
        broken("HTTP on the Kafka port", &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], BAD_FRAME),
        broken("TLS on the plain port", &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], BAD_FRAME),
        broken("a frame of no bytes", 0_i32.to_be_bytes(), BAD_FRAME),
        broken("a negative length", (-1_i32).to_be_bytes(), BAD_FRAME),
        broken("the most negative length", i32::MIN.to_be_bytes(), BAD_FRAME),
        broken("one byte over the limit", (FRAME_BYTES_MAX + 1).to_be_bytes(), BAD_FRAME),
        broken("the largest length", i32::MAX.to_be_bytes(), BAD_FRAME),
        broken("a frame shorter than its header", sized(&[0, 3]), BAD_REQUEST),
        broken("a header without its client id", sized(&[0, 3, 0, 0, 0, 0, 0, 7]), BAD_REQUEST),
        broken(
            "a client id longer than the frame",
            sized(&[0, 3, 0, 0, 0, 0, 0, 7, 0x7f, 0xff, b'x']),
            BAD_REQUEST,
        ),
        broken("a client id of length -2", sized(&[0, 3, 0, 0, 0, 0, 0, 7, 0xff, 0xfe]), BAD_REQUEST),
        broken("noise in a frame", sized(&noise), BAD_REQUEST),
        broken("an unknown key", frame(999, 0, &[]), BAD_REQUEST),
        broken("a negative key", frame(-1, 0, &[]), BAD_REQUEST),
        broken("a broker-to-broker key", frame(4, 0, &[]), BAD_REQUEST),
        broken("a version above ours", frame(METADATA, 99, &[0, 0, 0, 0]), BAD_REQUEST),
        broken("a negative version", frame(METADATA, -1, &[0, 0, 0, 0]), BAD_REQUEST),
        broken("a body that is missing", frame(METADATA, 0, &[]), BAD_REQUEST),
        broken("two thousand million topics in four bytes", frame(METADATA, 0, &huge_count), BAD_REQUEST),
        broken("a count of -2", frame(METADATA, 1, &(-2_i32).to_be_bytes()), BAD_REQUEST),
        broken(
            "two thousand million produced topics",
            frame(0, 0, &[&[0, 1, 0, 0, 0, 10][..], &huge_count].concat()),
            BAD_REQUEST,
        ),
        broken(
            "a varint without end",
            frame(METADATA, 9, &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            BAD_REQUEST,
        ),
        broken("text that is no UTF-8", frame(METADATA, 0, &[0, 0, 0, 1, 0, 2, 0xff, 0xfe]), BAD_REQUEST),
        broken("the first half of a frame", frame(METADATA, 0, &[0, 0, 0, 0])[..9].to_vec(), CUT_SHORT),
        broken("half a length prefix", [0, 0], CUT_SHORT),
    ]
}

/// Sends `bytes`, ends our side, and expects the broker to end its own without a word.
fn expect_closed(broker: &Broker, name: &str, bytes: &[u8]) {
    let mut client = broker.connect();
    client.send_bytes(bytes);
    client.socket().shutdown(Shutdown::Write).ok();
    assert_eq!(client.read_frame(), None, "{name}: expected the connection to be closed without an answer");
}

#[test]
fn a_broken_frame_closes_its_connection_and_says_why() {
    let broker = Broker::start();
    let mut bystander = broker.connect();
    for Broken { name, bytes, reason } in everything_broken() {
        let known = broker.log().len();
        expect_closed(&broker, name, &bytes);
        let said = || {
            broker.log()[known..]
                .lines()
                .any(|line| line.contains("connection closed") && line.contains(reason))
        };
        let began = Instant::now();
        while !said() {
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "{name}: no {reason:?} in {:?}",
                &broker.log()[known..]
            );
            thread::sleep(Duration::from_millis(2));
        }
        bystander.api_versions();
    }
}

#[test]
fn a_broken_frame_closes_even_when_the_peer_waits() {
    let broker = Broker::start();
    for Broken { name, bytes, reason } in everything_broken() {
        if reason == "in the middle of a request" {
            continue; // Nothing is wrong yet: more may come.
        }
        let mut client = broker.connect();
        client.send_bytes(&bytes);
        assert_eq!(client.read_frame(), None, "{name}: the broker should not wait for more");
    }
}

#[test]
fn what_came_before_a_broken_frame_is_answered_first() {
    let broker = Broker::start();
    for Broken { name, bytes, .. } in everything_broken() {
        let mut client = broker.connect();
        let good =
            [frame(API_VERSIONS, 0, &[]), frame(METADATA, 0, &[0, 0, 0, 0]), frame(API_VERSIONS, 0, &[])]
                .concat();
        client.send_bytes(&[good, bytes].concat());
        client.socket().shutdown(Shutdown::Write).ok();
        for answer in 1..=3 {
            assert!(client.read_frame().is_some(), "{name}: answer {answer} of 3 is missing");
        }
        assert_eq!(client.read_frame(), None, "{name}");
    }
}

#[test]
fn broken_frames_cost_no_memory() {
    const ROUNDS: usize = 40;
    const GROWTH_BYTES_MAX: u64 = 32 << 20;
    let broker = Broker::start();
    let all = everything_broken();
    let round = || all.iter().for_each(|broken| expect_closed(&broker, broken.name, &broken.bytes));
    round();
    let before = private_bytes(&broker);
    (0..ROUNDS).for_each(|_| round());

    // A hundred peers promise the largest frame there is, send a little of it, and stay.
    let promise = [&FRAME_BYTES_MAX.to_be_bytes()[..], &[0; 1000]].concat();
    let waiting: Vec<Client> = (0..100)
        .map(|_| {
            let mut client = broker.connect();
            client.send_bytes(&promise);
            client
        })
        .collect();
    thread::sleep(Duration::from_millis(300));
    let after = private_bytes(&broker);
    drop(waiting);
    let growth = after.saturating_sub(before);
    println!("{before} bytes before, {after} after");
    assert!(growth < GROWTH_BYTES_MAX, "grew by {growth} bytes");
    broker.connect().api_versions();
}

/// Memory of the process alone: resident pages less those shared with files. Pages of mapped log files come and go
/// with the page cache and are not the program's to account for.
fn private_bytes(broker: &Broker) -> u64 {
    let statm =
        std::fs::read_to_string(format!("/proc/{}/statm", broker.child().id())).expect("the broker runs");
    let pages: Vec<u64> =
        statm.split_whitespace().map(|pages| pages.parse().expect("statm is numbers")).collect();
    (pages[1] - pages[2]) * rustix::param::page_size() as u64
}

#[test]
fn a_frame_that_trickles_in_is_served() {
    let broker = Broker::start();
    let mut client = broker.connect();
    for byte in frame(API_VERSIONS, 0, &[]) {
        client.send_bytes(&[byte]);
        thread::sleep(Duration::from_millis(2));
    }
    assert!(client.read_frame().is_some());
}

#[test]
fn a_thousand_pipelined_requests_are_answered_in_order() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let mut sender = client.socket().try_clone().expect("a socket can be doubled");
    let writer = thread::spawn(move || {
        use std::io::Write;
        for correlation_id in 0..1000_i32 {
            let mut request = frame(API_VERSIONS, 0, &[]);
            request[8..12].copy_from_slice(&correlation_id.to_be_bytes());
            sender.write_all(&request).expect("the broker reads");
        }
    });
    for correlation_id in 0..1000_i32 {
        let answer = client.read_frame().expect("an answer for each");
        assert_eq!(answer[..4], correlation_id.to_be_bytes());
    }
    writer.join().expect("everything was sent");
}

/// KIP-511: a client newer than the broker learns the broker's range instead of being cut off.
#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let broker = Broker::start();
    for version in [6_i16, 99, i16::MAX] {
        let mut client = broker.connect();
        // A body that no version we know could parse: only the version may be looked at.
        client.send_bytes(&frame(API_VERSIONS, version, &[0xff; 20]));
        let answer = client.read_frame().expect("an answer, not a closed connection");
        assert_eq!(answer[..4], 7_i32.to_be_bytes());
        let answer = Answer::new(answer, 0);
        let response: ApiVersionsResponse<'_> = answer.decode();
        assert_eq!(response.error_code, ErrorCode::UnsupportedVersion.code());
        let keys: Vec<i16> = response.api_keys.iter().map(|range| range.api_key).collect();
        assert_eq!(keys, [API_VERSIONS]);
        client.api_versions();
    }
}

#[test]
fn an_invalid_client_name_is_an_error_and_the_connection_lives() {
    let broker = Broker::start();
    let mut client = broker.connect();
    for (name, version) in [("", "1.0"), ("my client", "1.0"), ("client", ""), ("-client", "1.0")] {
        let request = ApiVersionsRequest {
            client_software_name: name.into(),
            client_software_version: version.into(),
            ..ApiVersionsRequest::default()
        };
        let answer = client.call(&request, 3);
        let response: ApiVersionsResponse<'_> = answer.decode();
        assert_eq!(response.error_code, ErrorCode::InvalidRequest.code(), "{name:?} {version:?}");
    }
    client.api_versions();
}

#[test]
fn a_bad_batch_is_an_error_in_the_answer_and_is_not_stored() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("batches", 1);
    let good = batch(NO_PRODUCER, 0, &[b"one", b"two", b"three"]);
    let changed = |at: usize, to: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    let last = good.len() - 1;
    let cases = [
        ("a flipped bit in a record", changed(last, &[good[last] ^ 1]), ErrorCode::CorruptMessage),
        ("a flipped bit in the checksum", changed(17, &[good[17] ^ 1]), ErrorCode::CorruptMessage),
        ("a flipped bit in the attributes", changed(22, &[good[22] ^ 8]), ErrorCode::CorruptMessage),
        ("a batch cut short", good[..last].to_vec(), ErrorCode::CorruptMessage),
        ("a length of nothing", changed(8, &0_i32.to_be_bytes()), ErrorCode::CorruptMessage),
        ("a negative length", changed(8, &(-1_i32).to_be_bytes()), ErrorCode::CorruptMessage),
        ("two batches for one partition", [good.clone(), good.clone()].concat(), ErrorCode::InvalidRecord),
    ];
    for (name, bytes, expected) in cases {
        let (error, _) = client.produce("batches", 0, -1, &bytes).expect("an answer");
        assert_eq!(ErrorCode::from_code(error), Some(expected), "{name}");
    }
    assert_eq!(
        client.produce("batches", 0, -1, &good),
        Some((0, 0)),
        "the first that is stored has offset 0"
    );
}

#[test]
fn a_bad_produce_is_told_what_is_wrong() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("there", 1);
    let good = batch(NO_PRODUCER, 0, &[b"v"]);
    for (topic, partition, acks, expected) in [
        ("there", 0, 5, ErrorCode::InvalidRequiredAcks),
        ("there", 7, 1, ErrorCode::UnknownTopicOrPartition),
        ("there", -1, 1, ErrorCode::UnknownTopicOrPartition),
        ("not-there", 0, 1, ErrorCode::UnknownTopicOrPartition),
    ] {
        let (error, _) = client.produce(topic, partition, acks, &good).expect("an answer");
        assert_eq!(ErrorCode::from_code(error), Some(expected), "{topic}-{partition} acks={acks}");
    }
}

/// With acks=0 there is no answer to put an error in: the connection is closed so that the client notices.
#[test]
fn a_failed_produce_without_acks_closes_the_connection() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("there", 1);
    client.send(&produce_request("there", 99, 0, &batch(NO_PRODUCER, 0, &[b"v"])), 7);
    assert_eq!(client.read_frame(), None);
}

// ---- start-up -----------------------------------------------------------------------------------------------

/// Runs the program to its end, which must come by itself.
fn run_to_end(mut command: Command) -> Output {
    const LIMIT: Duration = Duration::from_secs(20);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let began = Instant::now();
    while child.try_wait().expect("a child can be waited for").is_none() {
        if began.elapsed() > LIMIT {
            child.kill().ok();
            let mut said = String::new();
            child.stderr.take().expect("piped").read_to_string(&mut said).ok();
            panic!("{command:?} still runs after {LIMIT:?} and said {said:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().expect("it ended")
}

/// Expects exit code 2 and exactly one line on stderr, which contains all of `words`.
fn expect_one_clear_line(command: Command, words: &[&str]) {
    let what = format!("{command:?}");
    let output = run_to_end(command);
    let said = without_colours(&String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(2), "{what} said {said:?}");
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(lines.len(), 1, "{what} said {said:?}");
    for word in words {
        assert!(lines[0].contains(word), "{what}: no {word:?} in {:?}", lines[0]);
    }
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{what}: errors belong on stderr");
}

#[test]
fn a_bad_setting_is_one_clear_line_and_exit_code_2() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let data = directory.path().join("data");
    let cases: &[(&str, &str, &[&str])] = &[
        ("log.segment.bites", "1000", &["log.segment.bites", "log.segment.bytes"]),
        ("utter.nonsense", "1", &["utter.nonsense"]),
        ("num.partitions", "many", &["num.partitions", "many"]),
        ("num.partitions", "0", &["num.partitions", "0"]),
        ("listeners", "nowhere", &["listeners", "nowhere"]),
        ("http.listen", "nowhere", &["http.listen", "nowhere"]),
    ];
    for &(key, value, words) in cases {
        expect_one_clear_line(command(binary(), &data, &[(key.to_owned(), value.to_owned())]), words);
    }
    assert!(!data.exists(), "nothing is made before the settings are known to be good");
}

#[test]
fn a_bad_settings_file_is_one_clear_line_and_exit_code_2() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("kindred.toml");
    let start = |path: &Path| {
        let mut start = Command::new(binary());
        start.arg("serve").arg("--config").arg(path);
        start
    };
    expect_one_clear_line(start(&path), &["kindred.toml"]);
    std::fs::write(&path, "\"log.segment.bites\" = 1\n").expect("our own directory is writable");
    expect_one_clear_line(start(&path), &["log.segment.bites", "log.segment.bytes"]);
    std::fs::write(&path, "this is [no toml").expect("our own directory is writable");
    expect_one_clear_line(start(&path), &["kindred.toml"]);
}

#[test]
fn a_taken_port_is_one_clear_line_and_exit_code_2() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    for (key, value) in [("listeners", format!("PLAINTEXT://{address}")), ("http.listen", address.clone())] {
        let data = directory.path().join(key);
        expect_one_clear_line(command(binary(), &data, &[(key.to_owned(), value)]), &[&address]);
    }
}

#[test]
fn a_locked_data_directory_is_one_clear_line_and_exit_code_2() {
    let broker = Broker::start();
    let data = broker.data().display().to_string();
    expect_one_clear_line(command(binary(), broker.data(), &[]), &[&data]);
    broker.connect().api_versions();
}

#[test]
fn a_data_directory_that_cannot_be_made_is_one_clear_line_and_exit_code_2() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let file = directory.path().join("file");
    std::fs::write(&file, "not a directory").expect("our own directory is writable");
    let below = file.join("data");
    expect_one_clear_line(command(binary(), &below, &[]), &[&below.display().to_string()]);
}

// ---- a full disk --------------------------------------------------------------------------------------------

/// A small file system of its own, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, with the reason printed, where mounting is not allowed.
    fn mount(at: PathBuf, size: &str) -> Option<SmallDisk> {
        std::fs::create_dir(&at).expect("our own directory is writable");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&at)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk(at)),
            Ok(output) => {
                println!(
                    "SKIPPED: cannot mount a small disk: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                );
                None
            }
            Err(error) => {
                println!("SKIPPED: cannot run mount: {error}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a killed broker may take a moment to let go of its files.
        Command::new("umount").arg("--lazy").arg(&self.0).status().ok();
    }
}

#[test]
fn a_full_disk_is_an_error_on_that_produce() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let Some(disk) = SmallDisk::mount(directory.path().join("disk"), "24m") else { return };
    let data = disk.0.join("data");
    let mut broker = Broker::on(directory, data, &[("log.segment.bytes", "4194304")]);
    broker.announce("No space left on device");
    broker.announce("os error 28");
    let mut client = broker.connect();
    client.create_topic("big", 1);
    let large = batch(NO_PRODUCER, 0, &[&[b'x'; 900_000]]);
    let mut stored = 0;
    let refused = loop {
        let (error, offset) =
            client.produce("big", 0, -1, &large).expect("an answer, even when the disk is full");
        if error != 0 {
            break error;
        }
        assert_eq!(offset, stored);
        stored += 1;
        assert!(stored < 100, "24 MB cannot hold this");
    };
    assert_eq!(ErrorCode::from_code(refused), Some(ErrorCode::KafkaStorageError), "after {stored} records");
    assert!(stored > 3, "only {stored} records fitted");

    // The server lives: it answers, it serves what it acknowledged, and it can be stopped.
    broker.connect().api_versions();
    assert_eq!(client.fetch_values("big", 0).len() as i64, stored);
    let (status, _) = broker.stop(rustix::process::Signal::TERM);
    assert!(status.success(), "{status}");
    drop(disk);
}
