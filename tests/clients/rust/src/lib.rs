//! What the Rust programs share: records to send, waiting, and the lines that ../table.py reads.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A key and a value.
pub type Pair = (Option<&'static [u8]>, Option<&'static [u8]>);

/// Keys and values that are easily mistaken for one another.
pub const ODD: [Pair; 5] =
    [(None, Some(b"")), (Some(b""), Some(b"v")), (Some(b"k"), None), (Some(b""), None), (None, Some(b"v"))];

/// Keys of every kind.
pub const KEYS: [Pair; 3] = [(Some(b"k"), Some(b"1")), (Some(b""), Some(b"2")), (None, Some(b"3"))];

/// The broker's address: the first argument.
pub fn bootstrap() -> String {
    std::env::args().nth(1).expect("usage: PROGRAM BOOTSTRAP")
}

/// A topic or group that no other run uses.
pub fn name(stem: &str) -> String {
    format!("rust-{}-{stem}", std::process::id())
}

/// What is sent where nothing special is needed.
pub fn values(stem: &str, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|i| format!("{stem} {i} ").repeat(10).into_bytes()).collect()
}

/// 900,000 bytes.
pub fn large() -> Vec<u8> {
    (0..900_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// An hour ago: records of long ago could be removed by retention at any moment.
pub fn base_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    now.as_millis() as i64 - 3_600_000
}

/// Waits until the check holds.
pub async fn eventually(mut check: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !check().await {
        assert!(Instant::now() < deadline, "gave up waiting");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Runs a scenario if it is wanted and says that it passed; `remark` may be empty.
pub async fn scenario(name: &str, remark: &str, step: impl AsyncFnOnce()) {
    if let Ok(wanted) = std::env::var("SCENARIOS")
        && !wanted.split(' ').any(|one| one == name)
    {
        return;
    }
    let began = Instant::now();
    step().await;
    let colon = if remark.is_empty() { "" } else { ": " };
    println!("  ok {name}{colon}{remark} ({:.1} s)", began.elapsed().as_secs_f64());
}

/// Says why scenarios are left out.
pub fn without(reason: &str, scenarios: &[&str]) {
    scenarios.iter().for_each(|one| println!("  no {one}: {reason}"));
}

/// The version of a package this program was built with, from its lock file.
pub fn version(package: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let found = lock.split("[[package]]").find(|one| one.contains(&format!("name = \"{package}\"\n")));
    let line =
        found.and_then(|one| one.lines().find(|line| line.starts_with("version"))).expect("a locked package");
    line.split('"').nth(1).expect("a quoted version").to_owned()
}
