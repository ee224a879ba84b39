//! What the tests of the real program share: a broker on a directory of its own, and clients that speak to it.

pub(crate) mod child;
pub(crate) mod client;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use child::Child;
use client::Client;

/// How long a graceful stop may take on a busy machine; it normally takes milliseconds.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// How much of its log a failed test shows.
const LOG_LINES_SHOWN: usize = 60;

/// The program under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_kindred"))
}

/// A data directory and the broker running on it; restarts keep the directory and the ports.
///
/// Dropping it kills the process. If the test passed, the drop also fails on any ERROR, WARN or panic in the log that was
/// not announced; if the test failed, it shows the log.
pub(crate) struct Broker {
    program: PathBuf,
    directory: TempDir,
    data: PathBuf,
    settings: Vec<(String, String)>,
    starts: usize,
    child: Option<Child>,
    past_logs: String,
    announced: Vec<&'static str>,
}

impl Broker {
    pub(crate) fn start() -> Broker {
        Broker::with(&[])
    }

    /// Starts on a new directory with `settings`.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Broker {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let data = directory.path().join("data");
        Broker::on(directory, data, settings)
    }

    /// Starts with its data in `data`, which need not be inside `directory`.
    pub(crate) fn on(directory: TempDir, data: PathBuf, settings: &[(&str, &str)]) -> Broker {
        Broker::of_program(binary().to_owned(), directory, data, settings)
    }

    /// As [`Broker::on`], of a program that becomes the one under test.
    pub(crate) fn of_program(
        program: PathBuf,
        directory: TempDir,
        data: PathBuf,
        settings: &[(&str, &str)],
    ) -> Broker {
        let settings = settings.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        let announced = Vec::new();
        let past_logs = String::new();
        let mut broker =
            Broker { program, directory, data, settings, starts: 0, child: None, past_logs, announced };
        broker.start_again();
        broker
    }

    /// Starts on the same directory and the same ports as before.
    pub(crate) fn start_again(&mut self) {
        assert!(self.child.is_none(), "already running");
        self.starts += 1;
        let log = self.directory.path().join(format!("log-{}", self.starts));
        let child = Child::start(&self.program, &self.data, log, &self.settings);
        if self.starts == 1 {
            self.settings.push(("listeners".into(), format!("PLAINTEXT://{}", child.kafka)));
            self.settings.push(("http.listen".into(), child.http.to_string()));
        }
        self.child = Some(child);
    }

    /// Stops with `signal` and gives the exit status and how long it took.
    pub(crate) fn stop(&mut self, signal: Signal) -> (ExitStatus, Duration) {
        let mut child = self.child.take().expect("running");
        let began = Instant::now();
        child.signal(signal);
        let status = child.wait(STOP_TIMEOUT);
        let took = began.elapsed();
        self.past_logs += &child.log();
        match status {
            Some(status) => (status, took),
            None => panic!("still running {STOP_TIMEOUT:?} after {signal:?}:\n{}", child.log()),
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.child.is_some()
    }

    pub(crate) fn child(&self) -> &Child {
        self.child.as_ref().expect("running")
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.child().kafka)
    }

    /// What HTTP answers to a GET: head and body.
    pub(crate) fn http_get(&self, path: &str) -> String {
        let mut socket = TcpStream::connect(self.child().http).expect("HTTP is served");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("HTTP reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("HTTP answers in text");
        answer
    }

    /// Everything logged since the first start.
    pub(crate) fn log(&self) -> String {
        self.past_logs.clone() + &self.child.as_ref().map(Child::log).unwrap_or_default()
    }

    /// Lets ERROR and WARN lines that contain `text` pass.
    pub(crate) fn announce(&mut self, text: &'static str) {
        self.announced.push(text);
    }

    fn unannounced_alarms(&self) -> Vec<String> {
        let is_alarm = |line: &&str| {
            line.contains(" panicked at ")
                || line.split_whitespace().any(|word| word == "ERROR" || word == "WARN")
        };
        let is_announced = |line: &str| self.announced.iter().any(|text| line.contains(text));
        self.log().lines().filter(is_alarm).filter(|line| !is_announced(line)).map(str::to_owned).collect()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            println!("---- the end of the broker's log ----");
            println!("{}", lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n"));
            return;
        }
        let alarms = self.unannounced_alarms();
        assert!(alarms.is_empty(), "unannounced in the broker's log:\n{}", alarms.join("\n"));
    }
}

/// Asks `check` until it gives something, for at most half a minute.
pub(crate) fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    const PATIENCE: Duration = Duration::from_secs(30);
    let began = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "gave up waiting for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A setting of a test that may run for longer than usual.
pub(crate) fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
