//! `kindred demo`, as the README has it: replays the bundled sample, shows what was learnt, and serves.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::binary;

/// An unoptimised build on a busy machine learns the sample's 126,087 events in a fraction of this.
const LIMIT: Duration = Duration::from_secs(240);

#[test]
fn the_demo_shows_what_it_learnt() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let mut command = Command::new(binary());
    command.args([
        "demo",
        "--exit",
        "--set",
        "listeners=PLAINTEXT://127.0.0.1:0",
        "--set",
        "http.listen=127.0.0.1:0",
    ]);
    command.arg("--set").arg(format!("log.dirs={}", directory.path().join("data").display()));
    let mut child = command
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let began = Instant::now();
    while child.try_wait().expect("a child can be waited for").is_none() {
        if began.elapsed() > LIMIT {
            child.kill().ok();
        }
        thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().expect("it ended");
    let said = String::from_utf8_lossy(&output.stdout);
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}\n{log}");
    for expected in [
        "126087 purchases",
        "events/s",
        "PAPER CHAIN KIT 50'S CHRISTMAS",
        "PAPER CHAIN KIT VINTAGE CHRISTMAS",
        "Recommended to customer",
        "curl ",
        "kindred.similar-items",
    ] {
        assert!(said.contains(expected), "no {expected:?} in:\n{said}");
    }
    for alarm in [" ERROR ", " WARN ", " panicked at "] {
        assert!(!log.contains(alarm), "unannounced in the log:\n{log}");
    }
}
