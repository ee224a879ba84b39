//! Which log to compact, and up to where.

use std::sync::Arc;

use protocol::types::{Offset, TimestampMs};

use crate::config::LogConfig;
use crate::segment::Segment;

/// What of a log may be compacted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cleanable {
    /// The first offset not compacted yet.
    pub(crate) first_dirty: Offset,
    /// The first offset that may not be compacted yet; a segment begins here.
    pub(crate) end: Offset,
    /// Dirty bytes before `end`, as a share of all bytes before it.
    pub(crate) dirty_ratio: f64,
    /// Whether it is due: by its ratio, or because something is older than `max.compaction.lag.ms`.
    pub(crate) due: bool,
}

/// What of a log with these segments may be compacted; `None` if nothing is dirty.
///
/// `compacted`: up to where it was compacted before. `stable`: transactions that began before it are over.
pub(crate) fn cleanable(
    segments: &[Arc<Segment>],
    config: &LogConfig,
    compacted: Offset,
    start: Offset,
    stable: Offset,
    now: TimestampMs,
) -> Option<Cleanable> {
    let (active, sealed) = segments.split_last()?;
    // A checkpoint from before the log was cut or lost says nothing.
    let first_dirty = if compacted > active.base() { start } else { compacted.max(start) };
    let too_young = |segment: &Segment| {
        let youngest = segment.max_timestamp().map_or(segment.created(), |max| max.timestamp);
        config.min_compaction_lag_ms > 0 && now.0.saturating_sub(youngest.0) < config.min_compaction_lag_ms
    };
    let first_barred = sealed.iter().enumerate().find(|(i, segment)| {
        let next = segments[i + 1].base();
        segment.next_offset() > first_dirty && (next > stable || too_young(segment))
    });
    let end = first_barred.map_or(active.base(), |(_, segment)| segment.base());
    let (mut clean_bytes, mut dirty_bytes) = (0, 0);
    let mut overdue = false;
    for segment in sealed.iter().filter(|segment| segment.base() < end) {
        if segment.next_offset() <= first_dirty {
            clean_bytes += segment.size_bytes();
        } else {
            dirty_bytes += segment.size_bytes();
            let first = segment.first_timestamp().ok().flatten().unwrap_or(segment.created());
            overdue |= now.0.saturating_sub(first.0) > config.max_compaction_lag_ms;
        }
    }
    if dirty_bytes == 0 {
        return None;
    }
    let dirty_ratio = dirty_bytes as f64 / (clean_bytes + dirty_bytes) as f64;
    let due = overdue || dirty_ratio > config.min_cleanable_dirty_ratio;
    Some(Cleanable { first_dirty, end, dirty_ratio, due })
}

/// Groups of neighbouring segments that fit into one each, oldest first.
pub(crate) fn groups(segments: &[Arc<Segment>], config: &LogConfig) -> Vec<Vec<Arc<Segment>>> {
    let mut groups: Vec<Vec<Arc<Segment>>> = Vec::new();
    let mut bytes = 0;
    for segment in segments {
        let fits = groups.last().is_some_and(|group| {
            bytes + segment.size_bytes() <= config.segment_bytes
                && segment.next_offset() - group[0].base() <= i64::from(i32::MAX)
        });
        match groups.last_mut() {
            Some(group) if fits => group.push(segment.clone()),
            _ => {
                bytes = 0;
                groups.push(vec![segment.clone()]);
            }
        }
        bytes += segment.size_bytes();
    }
    groups
}
