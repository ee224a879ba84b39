//! What the kernel knows of a process.

use std::fs;
use std::time::Duration;

/// User and system time so far.
pub(crate) fn cpu_time(id: u32) -> Duration {
    let stat = read(id, "stat");
    // The name in brackets may hold anything; what is behind it is separated by spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks: u64 = fields[11..=12].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

/// Resident bytes: all of them, and those not shared with files.
pub(crate) fn memory_bytes(id: u32) -> (u64, u64) {
    let pages: Vec<u64> =
        read(id, "statm").split_whitespace().map(|n| n.parse().expect("a number")).collect();
    let page_bytes = rustix::param::page_size() as u64;
    (pages[1] * page_bytes, (pages[1] - pages[2]) * page_bytes)
}

fn read(id: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{id}/{file}")).expect("the process runs")
}
