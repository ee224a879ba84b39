//! The brokers that are compared: each a process on loopback, in a directory of its own.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::child::Child;
use crate::connection::Connection;
use crate::process;

/// A JVM on a busy machine needs its time.
const KAFKA_START_TIMEOUT: Duration = Duration::from_secs(120);

/// One broker under test.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    program: Program,
    directory: TempDir,
    running: Option<Running>,
}

enum Program {
    Kindred { binary: PathBuf, settings: Vec<(String, String)> },
    Kafka { jars: PathBuf, heap: String },
}

enum Running {
    Kindred(Box<Child>),
    Kafka(std::process::Child, SocketAddr),
}

impl Contender {
    pub(crate) fn kindred(name: &'static str, binary: &Path, settings: &[(&str, &str)]) -> Contender {
        let settings = settings.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        Contender::started(name, Program::Kindred { binary: binary.to_owned(), settings })
    }

    pub(crate) fn kafka(jars: &Path, heap: &str) -> Contender {
        let program = Program::Kafka { jars: jars.to_owned(), heap: heap.to_owned() };
        Contender::started("Kafka", program)
    }

    fn started(name: &'static str, program: Program) -> Contender {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let mut contender = Contender { name, program, directory, running: None };
        contender.start();
        contender
    }

    pub(crate) fn is_kafka(&self) -> bool {
        matches!(self.program, Program::Kafka { .. })
    }

    /// Starts it again on the same data and gives how long it took to answer a request.
    pub(crate) fn start(&mut self) -> Duration {
        let began = Instant::now();
        self.running = Some(match &self.program {
            Program::Kindred { binary, settings } => {
                let (data, log) = (self.data(), self.directory.path().join("log"));
                Running::Kindred(Box::new(Child::start(binary, &data, log, settings)))
            }
            Program::Kafka { jars, heap } => start_kafka(jars, heap, self.directory.path()),
        });
        Connection::open(self.address()).api_versions();
        began.elapsed()
    }

    /// Asks it to stop and waits for it.
    pub(crate) fn stop(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(60);
        match self.running.take() {
            Some(Running::Kindred(mut child)) => {
                child.signal(Signal::TERM);
                assert!(child.wait(PATIENCE).is_some_and(|status| status.success()), "{}", child.log());
            }
            Some(Running::Kafka(mut child, _)) => {
                rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM)
                    .expect("our own child can be signalled");
                child.wait().expect("a child can be waited for");
            }
            None => {}
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self.running() {
            Running::Kindred(child) => child.kafka,
            Running::Kafka(_, address) => *address,
        }
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address())
    }

    /// A new topic with a name that was never used: Kafka takes its time over deleting one.
    pub(crate) fn new_topic(&self, what: &str, partitions: i32, configs: &[(&str, &str)]) -> String {
        static TOPICS: AtomicU32 = AtomicU32::new(0);
        let topic = format!("{what}-{}", TOPICS.fetch_add(1, Relaxed));
        self.connect().create_topic(&topic, partitions, configs);
        topic
    }

    fn id(&self) -> u32 {
        match self.running() {
            Running::Kindred(child) => child.id(),
            Running::Kafka(child, _) => child.id(),
        }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it was started")
    }

    pub(crate) fn cpu_time(&self) -> Duration {
        process::cpu_time(self.id())
    }

    /// Resident bytes now.
    pub(crate) fn resident_bytes(&self) -> u64 {
        process::memory_bytes(self.id()).0
    }

    /// The most bytes that were ever resident.
    pub(crate) fn peak_resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the process runs");
        let kilobytes =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
        kilobytes.and_then(|text| text.parse::<u64>().ok()).expect("a number of kB") * 1024
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        if let Some(Running::Kafka(child, _)) = &mut self.running {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Formats the directory if it is new, starts the broker with its defaults, and waits until it answers.
fn start_kafka(jars: &Path, heap: &str, directory: &Path) -> Running {
    let (broker, controller) = (free_port(), free_port());
    let properties = directory.join("server.properties");
    let data = directory.join("data");
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{broker}\ncontroller.listener.names=CONTROLLER\n\
         log.dirs={}\noffsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\nshare.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n",
        data.display()
    );
    fs::write(&properties, text).expect("a file in a directory of our own");
    if !data.exists() {
        let formatted = java(jars, "256m")
            .args(["kafka.tools.StorageTool", "format", "-t", "a2luZHJlZC1jb21wYXJlMQ", "-c"])
            .arg(&properties)
            .stdout(Stdio::null())
            .status()
            .expect("java runs");
        assert!(formatted.success(), "formatting {} failed", data.display());
    }
    let log = fs::File::create(directory.join("log")).expect("a file in a directory of our own");
    let mut child = java(jars, heap)
        .arg("kafka.Kafka")
        .arg(&properties)
        .stdout(log.try_clone().expect("a file handle can be doubled"))
        .stderr(log)
        .spawn()
        .expect("java runs");
    let address: SocketAddr = ([127, 0, 0, 1], broker).into();
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        let ended = child.try_wait().expect("a child can be waited for");
        assert!(ended.is_none() && began.elapsed() < KAFKA_START_TIMEOUT, "Kafka did not start: {ended:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Running::Kafka(child, address)
}

/// A JVM with Kafka's own choice of collector.
pub(crate) fn java(jars: &Path, heap: &str) -> Command {
    let mut command = Command::new("java");
    command
        .args([&format!("-Xmx{heap}"), &format!("-Xms{heap}"), "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"])
        .arg("-cp")
        .arg(jars.join("*"))
        .stdin(Stdio::null());
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}
