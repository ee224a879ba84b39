//! Clients that cost a broker memory if it lets them: thousands that say nothing, some that never read, some that send
//! a byte now and then, some whose few bytes unpack to many. Nobody else is harmed, and memory has a bound.
//!
//! Each test prints the broker's peak resident memory (`--nocapture` shows it).

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use protocol::messages::metadata::MetadataRequest;
use protocol::records::BatchBuilder;
use protocol::records::compression::Compression;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::Broker;
use crate::support::client::{Client, NO_PRODUCER, batch, fetch_request, now, produce_request};

/// The largest resident memory the broker has had, in bytes, and how much of it since `before` is its own.
fn report(broker: &Broker, what: &str, before: u64) -> u64 {
    let own = own_bytes(broker);
    let peak = status_bytes(broker, "VmHWM:");
    let growth = own.saturating_sub(before);
    println!("{what}: peak {} MiB resident, own memory grew by {} KiB", peak >> 20, growth >> 10);
    growth
}

/// Resident memory that is not a file's.
fn own_bytes(broker: &Broker) -> u64 {
    status_bytes(broker, "RssAnon:")
}

fn status_bytes(broker: &Broker, field: &str) -> u64 {
    let path = format!("/proc/{}/status", broker.child().id());
    let status = std::fs::read_to_string(path).expect("the broker runs");
    let line = status.lines().find(|line| line.starts_with(field)).expect("Linux tells");
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kilobytes << 10
}

/// A broker is up if others can write and read through it.
fn expect_unharmed(broker: &Broker, topic: &str) {
    let mut client = broker.connect();
    client.create_topic(topic, 1);
    assert_eq!(client.produce(topic, 0, -1, &batch(NO_PRODUCER, 0, &[b"fine"])), Some((0, 0)));
    assert_eq!(client.fetch_values(topic, 0), [b"fine"]);
}

/// Lets this process, and the brokers it starts, have so many files open if the system permits; how many it permits.
fn raise_open_files(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    let current = wanted.min(maximum).max(limit.current.unwrap_or(u64::MAX));
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum })
        .expect("a soft limit may be raised up to the hard one");
    current
}

#[test]
fn five_thousand_idle_connections() {
    const WANTED: u64 = 5_000;
    /// Most of it is the buffer for the first read, of 16 KiB.
    const BYTES_EACH_MAX: u64 = 32 << 10;
    let files = raise_open_files(WANTED + 1_000);
    let count = WANTED.min(files.saturating_sub(1_000));
    if count < WANTED {
        println!("ONLY {count} CONNECTIONS: the limit of open files is {files}");
    }
    let broker = Broker::start();
    let before = own_bytes(&broker);
    let idle: Vec<TcpStream> = (0..count)
        .map(|_| TcpStream::connect(broker.child().kafka).expect("connections are accepted"))
        .collect();
    expect_unharmed(&broker, "among-the-idle");
    let growth = report(&broker, &format!("{count} idle connections"), before);
    assert!(growth < count * BYTES_EACH_MAX, "{} bytes each", growth / count);
    drop(idle);
    expect_unharmed(&broker, "after-the-idle");
}

#[test]
fn consumers_that_never_read() {
    const CLIENTS: usize = 40;
    const REQUESTS: usize = 500;
    let broker = Broker::start();
    let mut writer = broker.connect();
    writer.create_topic("large", 1);
    for _ in 0..16 {
        writer.produce("large", 0, 1, &batch(NO_PRODUCER, 0, &[&[b'x'; 900_000]])).expect("an answer");
    }
    let before = own_bytes(&broker);
    // Seven megabytes for each of 20,000 requests: 140 GB, if anybody read them.
    let deaf: Vec<Client> = (0..CLIENTS)
        .map(|_| {
            let mut client = broker.connect();
            client
                .socket()
                .set_write_timeout(Some(Duration::from_millis(200)))
                .expect("a timeout can be set");
            (0..REQUESTS).for_each(|_| client.send(&fetch_request("large", 0, 0, 0), 4));
            client
        })
        .collect();
    expect_unharmed(&broker, "beside-the-deaf");
    let growth = report(&broker, &format!("{CLIENTS} clients that never read"), before);
    assert!(growth < 64 << 20, "{growth} bytes");
    drop(deaf);
    expect_unharmed(&broker, "after-the-deaf");
}

#[test]
fn senders_that_take_their_time() {
    const CLIENTS: usize = 500;
    let broker = Broker::with(&[("connections.max.idle.ms", "3000")]);
    let before = own_bytes(&broker);
    let mut slow: Vec<Client> = (0..CLIENTS)
        .map(|_| {
            let mut client = broker.connect();
            client.send_bytes(&(100_i32 << 20).to_be_bytes());
            client
        })
        .collect();
    for byte in 0..5 {
        slow.iter_mut().for_each(|client| client.send_bytes(&[byte]));
        expect_unharmed(&broker, &format!("beside-the-slow-{byte}"));
    }
    let growth = report(&broker, &format!("{CLIENTS} clients that send a byte now and then"), before);
    // What the word of a length prefix alone reserves is 128 KiB.
    assert!(growth < CLIENTS as u64 * (256 << 10), "{growth} bytes");
    // Who falls silent is closed, in the middle of a frame or not.
    assert_eq!(slow[0].read_frame(), None);
}

#[test]
fn pipelines_of_thousands() {
    const CLIENTS: usize = 10;
    const REQUESTS: usize = 5_000;
    let broker = Broker::start();
    broker.connect().create_topic("wide", 200);
    let before = own_bytes(&broker);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = broker.connect();
            let mut reader = Client::of(client.socket().try_clone().expect("a socket can be doubled"));
            let sender = thread::spawn(move || {
                let all = MetadataRequest { topics: None, ..Default::default() };
                (0..REQUESTS).for_each(|_| client.send(&all, 12));
                client
            });
            (sender, thread::spawn(move || (0..REQUESTS).all(|_| reader.read_frame().is_some())))
        })
        .collect();
    expect_unharmed(&broker, "beside-the-pipelines");
    for (sender, reader) in clients {
        sender.join().expect("all was sent");
        assert!(reader.join().expect("nothing timed out"), "all was answered");
    }
    let growth = report(&broker, &format!("{CLIENTS} pipelines of {REQUESTS}"), before);
    assert!(growth < 96 << 20, "{growth} bytes");
}

/// As many bombs as there are connections, all at once: what they unpack to has a budget that they share, and who sends
/// none is served meanwhile.
#[test]
fn bombs_all_at_once() {
    const CLIENTS: usize = 16;
    const UNPACKED: usize = 24 << 20;
    /// The budget is 256 MiB; an allocator keeps what it was given back for a moment, and a thread 4 MiB.
    const PEAK_MAX: u64 = 768 << 20;
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    let mut bomb = BatchBuilder::new().compression(Compression::Gzip);
    bomb.append(now(), None, Some(&vec![0; UNPACKED]), &[]);
    let bomb = bomb.build();
    assert_eq!(client.produce("t", 0, 1, &bomb), Some((0, 0)));
    // Checked, looked through for a time, converted: whatever unpacks it.
    let ways: [&(dyn Fn(&mut Client) + Sync); 3] = [
        &|client| client.send(&produce_request("t", 0, 1, &bomb), 7),
        &|client| client.send(&offset_of_time("t", now().0 - 60_000), 5),
        &|client| client.send(&fetch_request("t", 0, 0, 0), 3),
    ];
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (broker, way) = (&broker, ways[number % ways.len()]);
            scope.spawn(move || {
                let mut client = broker.connect();
                way(&mut client);
                assert!(client.read_frame().is_some(), "an answer for each");
            });
        }
        expect_unharmed(&broker, "beside-the-bombs");
    });
    let peak = status_bytes(&broker, "VmHWM:");
    println!("{CLIENTS} bombs of {} MiB at once: peak {} MiB resident", UNPACKED >> 20, peak >> 20);
    assert!(peak < PEAK_MAX, "{peak} bytes at the peak");
    expect_unharmed(&broker, "after-the-bombs");
}

fn offset_of_time(topic: &str, timestamp: i64) -> ListOffsetsRequest<'_> {
    let partition = ListOffsetsPartition { timestamp, ..Default::default() };
    let topic = ListOffsetsTopic { name: topic.into(), partitions: vec![partition] };
    ListOffsetsRequest { topics: vec![topic], ..Default::default() }
}

/// As [`consumers_that_never_read`], in a version whose records are converted: these are in nobody's map of a file.
#[test]
fn old_consumers_that_never_read() {
    const CLIENTS: usize = 10;
    const REQUESTS: usize = 500;
    let broker = Broker::start();
    let mut writer = broker.connect();
    writer.create_topic("large", 1);
    writer.create_topic("quiet", 1);
    for _ in 0..16 {
        writer.produce("large", 0, 1, &batch(NO_PRODUCER, 0, &[&[b'x'; 900_000]])).expect("an answer");
    }
    let before = own_bytes(&broker);
    let deaf: Vec<Client> = (0..CLIENTS)
        .map(|number| {
            let mut client = broker.connect();
            client
                .socket()
                .set_write_timeout(Some(Duration::from_millis(200)))
                .expect("a timeout can be set");
            // Half of them with a long poll in front, behind which the others' answers pile up.
            if number % 2 == 0 {
                client.send(&fetch_request("quiet", 0, 0, 5_000), 3);
            }
            (0..REQUESTS).for_each(|_| client.send(&fetch_request("large", 0, 0, 0), 3));
            client
        })
        .collect();
    expect_unharmed(&broker, "beside-the-deaf");
    let growth = report(&broker, &format!("{CLIENTS} old clients that never read"), before);
    let peak = status_bytes(&broker, "VmHWM:");
    assert!(peak < CLIENTS as u64 * (32 << 20) + (64 << 20), "{peak} bytes at the peak, {growth} of it own");
    drop(deaf);
    expect_unharmed(&broker, "after-the-deaf");
}

/// Batches that unpack to a thousand times their size: checking one takes its unpacked size, converting it for an old
/// client that and the message set (both have limits of 256 MiB), and nothing of it stays from one to the next.
#[test]
fn bombs() {
    const UNPACKED: usize = 96 << 20;
    const PEAK_MAX: u64 = 5 * UNPACKED as u64;
    let broker = Broker::start();
    let mut client = broker.connect();
    let zeros = vec![0; UNPACKED];
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let name = format!("{codec:?}").to_lowercase();
        client.create_topic(&name, 1);
        let mut bomb = BatchBuilder::new().compression(codec);
        bomb.append(now(), None, Some(&zeros), &[]);
        let bomb = bomb.build();
        let before = own_bytes(&broker);
        let answer = client.produce(&name, 0, -1, &bomb);
        let size = bomb.len();
        let growth = report(&broker, &format!("{name}, {size} bytes, answered {answer:?}"), before);
        assert!(growth < PEAK_MAX, "{name}: {growth} bytes after the produce");
        // As old clients ask, for message sets.
        for version in [0, 3] {
            client.try_call(&fetch_request(&name, 0, 0, 0), version).expect("an answer");
        }
        report(&broker, &format!("{name}, down-converted"), before);
        let peak = status_bytes(&broker, "VmHWM:");
        assert!(peak < PEAK_MAX, "{name}: {peak} bytes at the peak");
    }
    // A bomb in a bomb is records whose bytes happen to be a batch: nothing unpacks it twice.
    let mut inner = BatchBuilder::new().compression(Compression::Gzip);
    inner.append(now(), None, Some(&zeros), &[]);
    let mut outer = BatchBuilder::new().compression(Compression::Gzip);
    outer.append(now(), None, Some(&inner.build()), &[]);
    let outer = outer.build();
    client.create_topic("nested", 1);
    let before = status_bytes(&broker, "VmHWM:");
    assert_eq!(client.produce("nested", 0, -1, &outer), Some((0, 0)));
    for version in [0, 3, 4] {
        client.try_call(&fetch_request("nested", 0, 0, 0), version).expect("an answer");
    }
    let after = status_bytes(&broker, "VmHWM:");
    assert!(after < before + (16 << 20), "a peak of {before} bytes became {after}");
    expect_unharmed(&broker, "after-the-bombs");
}
