//! The program as a child process: started with settings, watched through its log, stopped by signals.
//!
//! It binds port 0 and says on its ready line which ports it got, so any number of tests run side by side. All
//! output goes to a file, which keeps a chatty child from blocking on a full pipe. Every wait has a limit, and a
//! child never outlives its handle.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long the program may take until it says that it serves.
const READY_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// One running process of the program.
pub(crate) struct Child {
    process: std::process::Child,
    log: PathBuf,
    pub(crate) kafka: SocketAddr,
    pub(crate) http: SocketAddr,
    /// From the start of the process until its ready line was seen.
    pub(crate) ready_after: Duration,
}

impl Child {
    /// Starts `binary serve` with `settings` on top of free ports and `data`, and waits until it is ready.
    ///
    /// # Panics
    /// With the log, if the process ends or stays silent instead.
    pub(crate) fn start(binary: &Path, data: &Path, log: PathBuf, settings: &[(String, String)]) -> Child {
        let output = File::create(&log).expect("the log file is created in a directory of our own");
        let began = Instant::now();
        let mut process = command(binary, data, settings)
            .stdout(output.try_clone().expect("a file handle can be doubled"))
            .stderr(output)
            .spawn()
            .expect("the binary under test starts");
        loop {
            if let Some((kafka, http)) = ready_line(&read(&log)) {
                return Child { process, log, kafka, http, ready_after: began.elapsed() };
            }
            if let Some(status) = process.try_wait().expect("a child can be waited for") {
                panic!("ended with {status} before it was ready:\n{}", read(&log));
            }
            if began.elapsed() > READY_TIMEOUT {
                process.kill().ok();
                panic!("not ready after {READY_TIMEOUT:?}:\n{}", read(&log));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// What it has printed so far, without colours.
    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("our own child can be signalled");
    }

    /// Waits for the end of the process; `None` if it still runs after `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let began = Instant::now();
        loop {
            let status = self.process.try_wait().expect("a child can be waited for");
            if status.is_some() || began.elapsed() > limit {
                return status;
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// For what `/proc` tells of it.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Already gone is as good as killed.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The name of the setting that is none: the configuration file.
pub(crate) const CONFIG_FILE: &str = "--config";

/// The command line of a server on free ports; `settings` come last and win.
pub(crate) fn command(binary: &Path, data: &Path, settings: &[(String, String)]) -> Command {
    let mut command = Command::new(binary);
    command.arg("serve").stdin(Stdio::null());
    command.env_remove("RUST_LOG");
    // A developer's own configuration must not reach the tests.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KINDRED_")) {
        command.env_remove(name);
    }
    let defaults = [
        ("listeners".to_owned(), "PLAINTEXT://127.0.0.1:0".to_owned()),
        ("http.listen".to_owned(), "127.0.0.1:0".to_owned()),
        ("log.dirs".to_owned(), data.display().to_string()),
    ];
    let overridden = |key: &str| settings.iter().any(|(name, _)| name == key);
    for (key, value) in defaults.iter().filter(|(key, _)| !overridden(key)).chain(settings) {
        match key.as_str() {
            CONFIG_FILE => command.arg(CONFIG_FILE).arg(value),
            key => command.arg("--set").arg(format!("{key}={value}")),
        };
    }
    command
}

/// Finds `kindred ready kafka=ADDRESS http=ADDRESS`.
fn ready_line(log: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line = log.lines().find(|line| line.contains("kindred ready "))?;
    let address = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name)?.parse().ok());
    Some((address("kafka=")?, address("http=")?))
}

fn read(log: &Path) -> String {
    without_colours(&String::from_utf8_lossy(&fs::read(log).unwrap_or_default()))
}

/// Drops ANSI escapes, so that a level next to its colour code is still a word.
pub(crate) fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}
