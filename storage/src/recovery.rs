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
//! | O | directory ending in `-delete` | removed | the topic was deleted |
//! | P | root checkpoint missing or damaged | recovery point, start and compacted offset count as 0 | costs reading, loses nothing |

use std::fmt;
use std::sync::Arc;

use protocol::types::{Offset, PartitionIndex};

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
        self.damage.iter().try_for_each(|damage| write!(f, "; {damage}"))
    }
}

#[cfg(test)]
mod tests {
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
