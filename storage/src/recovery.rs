//! What may be found when a log is opened, and what is done about it.
//!
//! A clean shutdown leaves a marker; then nothing is scanned. Otherwise the *recovery point* of the last
//! checkpoint says up to which offset log, indexes, epochs and producers were synced; only what lies behind it
//! is read. `docs/formats.md` has the same table.
//!
//! | | found | done | why it is safe |
//! |---|---|---|---|
//! | A | clean marker | open by file sizes and the last batches; marker removed first | everything was synced before the marker was made |
//! | B | no marker, segment behind the recovery point | check every batch from the recovery point: order, structure, checksum | the rest was synced |
//! | C | B meets bytes that are no sound batch | cut the file off there; segments behind it are dropped | behind the recovery point only unsynced bytes can be torn, and those behind a tear were never acknowledged as durable |
//! | D | index missing, of a wrong size, or not fitting its log | made again from the log | indexes hold nothing that the log does not |
//! | E | zero-filled index tail | left out | Apache Kafka gives a growing index its full size |
//! | F | damage before the recovery point | what stands before it in that segment is served and the segments behind it are kept; the rest of the segment stays in the file but is not served, and of the last segment is cut off; the report says so | acknowledged data behind the damage must stay; the last segment goes on growing |
//! | G | snapshot torn, missing, or behind the end | an older one and more of the log | a snapshot holds nothing that the log does not |
//! | H | `leader-epoch-checkpoint` damaged or missing | made again from the batches | each batch carries its epoch |
//! | I | `.deleted` | removed | it had left the log |
//! | J | `.cleaned`, or `.swap` without a `.log.swap` | removed | compaction had not committed: its sources are there |
//! | K | `.log.swap` | sources it covers are removed, then it takes its name | compaction commits with that rename, after all its files were synced |
//! | L | index, or snapshot, without a `.log` | removed | left by a removal that was cut short |
//! | M | start offset behind the end | all segments dropped, one begun at the start offset | the records before it were deleted, those behind it lost |
//! | N | `partition.metadata` missing or damaged | the log opens with the zero topic id | the broker knows the id or gives a new one |
//! | O | directory ending in `-delete` | removed | the topic was deleted, or not made yet |
//! | P | root checkpoint missing or damaged | recovery point, start and compacted offset count as 0 | costs reading, loses nothing |

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use protocol::types::{Offset, PartitionIndex};

use crate::env::Clock;

/// How often a long recovery says how far it has come, in milliseconds.
const PROGRESS_INTERVAL_MS: i64 = 5_000;

/// What opening a log found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: PartitionIndex,
    /// Whether the log was closed properly.
    pub clean: bool,
    /// Where it begins now.
    pub start_offset: Offset,
    /// Where it ends now.
    pub end_offset: Offset,
    /// Segments whose batches were checked.
    pub segments_scanned: usize,
    /// Bytes of batches that were checked.
    pub bytes_scanned: u64,
    /// Bytes cut off because they were no sound batches.
    pub bytes_cut_off: u64,
    /// Segments dropped because a tear lies before them.
    pub segments_dropped: usize,
    /// Indexes made again.
    pub indexes_rebuilt: usize,
    /// An append that a crash cut short, with its file: nobody had been told of it.
    pub unfinished: Option<String>,
    /// What was wrong, in words, with the file it was found in.
    pub damage: Vec<String>,
}

impl RecoveryReport {
    /// Whether anything was found that a clean start would not have.
    pub fn is_notable(&self) -> bool {
        !self.clean
            || self.bytes_cut_off > 0
            || self.segments_dropped > 0
            || self.indexes_rebuilt > 0
            || !self.damage.is_empty()
    }
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{}: offsets {}..{}, {} bytes in {} segments checked, {} bytes cut off, {} segments dropped, \
             {} indexes made again",
            self.topic,
            self.partition,
            self.start_offset,
            self.end_offset,
            self.bytes_scanned,
            self.segments_scanned,
            self.bytes_cut_off,
            self.segments_dropped,
            self.indexes_rebuilt
        )?;
        self.unfinished.iter().chain(&self.damage).try_for_each(|damage| write!(f, "; {damage}"))
    }
}

/// How far opening the logs of a directory has come, said to the operator now and then.
pub(crate) struct Progress {
    clock: Arc<dyn Clock>,
    logs: usize,
    logs_done: AtomicUsize,
    bytes_checked: AtomicU64,
    began_ms: i64,
    said_ms: AtomicI64,
}

impl Progress {
    /// Nothing of `logs` is open yet.
    pub(crate) fn new(clock: Arc<dyn Clock>, logs: usize) -> Self {
        let began_ms = clock.now().0;
        Self {
            clock,
            logs,
            logs_done: AtomicUsize::new(0),
            bytes_checked: AtomicU64::new(0),
            began_ms,
            said_ms: AtomicI64::new(began_ms),
        }
    }

    /// Another segment was looked at, or left alone if `bytes` is 0.
    pub(crate) fn checked(&self, bytes: u64) {
        self.bytes_checked.fetch_add(bytes, Ordering::Relaxed);
        self.say_if_due();
    }

    /// Another log is open.
    pub(crate) fn log_done(&self) {
        self.logs_done.fetch_add(1, Ordering::Relaxed);
        self.say_if_due();
    }

    fn say_if_due(&self) {
        if self.is_due(self.clock.now().0) {
            tracing::info!(
                logs_done = self.logs_done.load(Ordering::Relaxed),
                logs = self.logs,
                bytes_checked = self.bytes_checked.load(Ordering::Relaxed),
                "opening logs"
            );
        }
    }

    /// Whether it is time to say something; true for one caller at a time.
    fn is_due(&self, now_ms: i64) -> bool {
        let said_ms = self.said_ms.load(Ordering::Relaxed);
        now_ms.saturating_sub(said_ms) >= PROGRESS_INTERVAL_MS
            && self.said_ms.compare_exchange(said_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Says how many logs were opened, and how long that took.
    pub(crate) fn finish(&self, clean: bool) {
        tracing::info!(
            logs = self.logs,
            clean,
            bytes_checked = self.bytes_checked.load(Ordering::Relaxed),
            took_ms = self.clock.now().0.saturating_sub(self.began_ms),
            "logs opened"
        );
    }
}

#[cfg(test)]
mod tests {
    use protocol::types::TimestampMs;

    use super::*;
    use crate::env::ManualClock;

    #[test]
    fn progress_is_said_every_few_seconds_and_no_more() {
        let clock = Arc::new(ManualClock::new(TimestampMs(1_000)));
        let progress = Progress::new(clock.clone(), 3);
        let times = [0, 4_999, 5_000, 5_001, 9_999, 10_000, 60_000, 60_000];
        let said = times.map(|after| progress.is_due(1_000 + after));
        assert_eq!(said, [false, false, true, false, false, true, true, false]);
    }

    /// The decision table stands in two places; this holds them together.
    #[test]
    fn the_manual_has_the_same_table() {
        let rows = |text: &str, prefix: &str| -> Vec<String> {
            text.lines().filter_map(|line| line.strip_prefix(prefix)).map(str::to_owned).collect()
        };
        let here = rows(include_str!("recovery.rs"), "//! |");
        let manual = rows(include_str!("../../docs/formats.md"), "|");
        let start = manual.iter().position(|row| *row == here[0]).expect("the table's head");
        assert_eq!(manual[start..start + here.len()], here);
    }
}
