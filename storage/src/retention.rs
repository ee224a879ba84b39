//! Which segments may go, and why.
//!
//! Only whole segments go, oldest first, and never one that holds a record above the high mark. The active
//! segment goes by time only, after a new one has taken its place, so an idle log empties in the end.
//!
//! | reason | goes |
//! |---|---|
//! | log start | segments that end at or before it (DeleteRecords, compaction's hole) |
//! | `retention.ms` | segments whose youngest record is older; without timestamps, those last written before |
//! | `retention.bytes` | oldest segments, while the rest is still at least that large |
//!
//! # Source
//! `UnifiedLog.deleteOldSegments` in Apache Kafka.

use std::sync::Arc;

use protocol::types::TimestampMs;

use crate::config::LogConfig;
use crate::log::Marks;
use crate::segment::Segment;

/// Why segments go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// They lie before the log's start.
    BeforeStart,
    /// They are older than `retention.ms`.
    Time,
    /// The log is larger than `retention.bytes`.
    Size,
}

/// How many of the oldest segments may go, and why; `None` if none.
pub(crate) fn removable(
    segments: &[Arc<Segment>],
    config: &LogConfig,
    marks: Marks,
    now: TimestampMs,
) -> Option<(usize, Reason)> {
    let sealed = segments.len() - 1;
    let committed = segments.iter().take_while(|segment| segment.next_offset() <= marks.high()).count();
    let before_start = segments.windows(2).take_while(|pair| pair[1].base() <= marks.start()).count();
    let mut best = (before_start, Reason::BeforeStart);
    if config.cleanup_policy.delete {
        let by_time =
            segments.iter().take(committed).take_while(|segment| is_old(segment, config, now)).count();
        if by_time > best.0 {
            best = (by_time, Reason::Time);
        }
        let by_size = oversize(segments, config).min(committed).min(sealed);
        if by_size > best.0 {
            best = (by_size, Reason::Size);
        }
    }
    (best.0 > 0).then_some(best)
}

fn is_old(segment: &Segment, config: &LogConfig, now: TimestampMs) -> bool {
    // Messages converted from magic 0 have no time, which is -1: the file's own counts then.
    let timed = segment.max_timestamp().map(|max| max.timestamp).filter(|youngest| youngest.0 >= 0);
    let youngest = timed.unwrap_or(segment.created());
    config.retention_ms >= 0
        && segment.size_bytes() > 0
        && now.0.saturating_sub(youngest.0) > config.retention_ms
}

/// How many segments, from the oldest, can go without the log falling below `retention.bytes`.
fn oversize(segments: &[Arc<Segment>], config: &LogConfig) -> usize {
    let Ok(limit) = u64::try_from(config.retention_bytes) else { return 0 };
    let mut size: u64 = segments.iter().map(|segment| segment.size_bytes()).sum();
    segments
        .iter()
        .take_while(|segment| {
            let goes = size.saturating_sub(segment.size_bytes()) >= limit && size > limit;
            size = size.saturating_sub(segment.size_bytes());
            goes
        })
        .count()
}
