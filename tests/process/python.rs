//! Runs the pytest suites of `tests/python` with two versions of kafka-python against the real binary.
//!
//! Each version has a virtual environment of its own, made on first use from a pinned requirements file and kept
//! under the target directory by a hash of that file. A file lock lets test runs share it.
//! `KINDRED_PYTEST_ARGS="-k groups -x"` passes arguments on to pytest.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::binary;

#[test]
fn kafka_python_3_0_12() {
    run_suite("requirements-3.0.12.txt");
}

#[test]
fn kafka_python_2_0_6() {
    run_suite("requirements-2.0.6.txt");
}

fn run_suite(requirements: &str) {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    let environment = environment(&suite.join(requirements));
    let mut pytest = Command::new(environment.join("bin/python"));
    pytest.args(["-m", "pytest", "-q"]).arg(&suite).current_dir(&suite);
    if let Ok(arguments) = std::env::var("KINDRED_PYTEST_ARGS") {
        pytest.args(arguments.split_whitespace());
    }
    pytest.env("KINDRED_BINARY", binary()).env("PYTHONDONTWRITEBYTECODE", "1");
    run(&mut pytest);
}

/// The virtual environment of `requirements`, made if it is not there yet.
fn environment(requirements: &Path) -> PathBuf {
    let pinned = fs::read_to_string(requirements).expect("the requirements file is part of the project");
    let mut hasher = DefaultHasher::new();
    pinned.hash(&mut hasher);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{:016x}", hasher.finish()));
    fs::create_dir_all(&directory).expect("the target directory is writable");
    let lock = File::create(directory.join("lock")).expect("the target directory is writable");
    lock.lock().expect("a file of our own can be locked");
    let complete = directory.join("complete");
    if !complete.exists() {
        // `--clear` removes what an interrupted run left.
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(directory.join("venv")));
        run(Command::new(directory.join("venv/bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(requirements));
        File::create(&complete).expect("the target directory is writable");
    }
    directory.join("venv")
}

/// Runs to the end, passing the output on, and fails unless it succeeded.
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| {
        panic!("cannot run {command:?} ({error}); the tests need python3 with its venv module");
    });
    // Through print!, so that the test runner shows it with a failing test.
    print!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}", output.status);
}
