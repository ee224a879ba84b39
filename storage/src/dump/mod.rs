//! Reads the files of a data directory one by one, without opening a log: what `kindred log dump` shows.
//!
//! ```text
//!  path ── FileKind::of ──▶ LogReader          .log, .checkpoint: batches, in bounded memory
//!                           offset_entries     .index
//!                           time_entries       .timeindex
//!                           aborted_entries    .txnindex
//!                           producer_entries   .snapshot
//!                           check_text         checkpoints, partition.metadata, meta.properties
//! ```
//! Everything here takes any bytes: what cannot be read is said, never a panic. Whether files agree with each other is
//! for [`verify`](crate::verify_path).
//!
//! Left out: message sets (magic 0 and 1), which nothing has written since Apache Kafka 0.11.

mod log_reader;

use std::path::Path;

use protocol::types::{Offset, ProducerId, TimestampMs};

use crate::checkpoint::{self, MetaProperties};
use crate::epochs::Epochs;
use crate::producers::{ProducerEntry, snapshot};
use crate::segment::aborted_index::{self, AbortedTransaction};
use crate::segment::offset_index::be_u32;
use crate::segment::{offset_index, time_index};

pub use log_reader::{BATCH_BYTES_MAX, LogReader, Piece};

/// What a file holds, as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// `<offset>.log`: batches.
    Log,
    /// `<offset>-<epoch>.checkpoint`: batches that stand for the metadata log up to there (KIP-630).
    MetadataSnapshot,
    /// `<offset>.index`.
    OffsetIndex,
    /// `<offset>.timeindex`.
    TimeIndex,
    /// `<offset>.txnindex`.
    AbortedIndex,
    /// `<offset>.snapshot`.
    Producers,
    /// `leader-epoch-checkpoint`.
    Epochs,
    /// `recovery-point-offset-checkpoint` and its like.
    Offsets,
    /// `partition.metadata`.
    PartitionMetadata,
    /// `meta.properties`.
    MetaProperties,
}

impl FileKind {
    /// What `path` holds; `None` for what is none of ours, or on its way in or out (`.deleted`, `.cleaned`, `.swap`).
    #[must_use]
    pub fn of(path: &Path) -> Option<FileKind> {
        match path.file_name()?.to_str()? {
            "leader-epoch-checkpoint" => return Some(FileKind::Epochs),
            "partition.metadata" => return Some(FileKind::PartitionMetadata),
            "meta.properties" => return Some(FileKind::MetaProperties),
            name if name.ends_with("-offset-checkpoint") => return Some(FileKind::Offsets),
            _ => {}
        }
        match path.extension()?.to_str()? {
            "log" => Some(FileKind::Log),
            "checkpoint" => Some(FileKind::MetadataSnapshot),
            "index" => Some(FileKind::OffsetIndex),
            "timeindex" => Some(FileKind::TimeIndex),
            "txnindex" => Some(FileKind::AbortedIndex),
            "snapshot" => Some(FileKind::Producers),
            _ => None,
        }
    }
}

/// The offset that a segment file's name begins with; `None` if it does not.
#[must_use]
pub fn base_offset(path: &Path) -> Option<Offset> {
    let digits = path.file_name()?.to_str()?.split(['.', '-']).next()?;
    digits.parse().ok().map(Offset)
}

/// What was read of an index, and what was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries<T> {
    /// The entries before the padding, if there is any: Apache Kafka gives a growing index its full size, zeros first.
    pub entries: Vec<T>,
    /// Bytes at the end that are no whole entry.
    pub torn_bytes: usize,
}

/// The entries of a `.index`: last offset of a batch, and where that batch begins.
#[must_use]
pub fn offset_entries(bytes: &[u8], base: Offset) -> Entries<(Offset, u32)> {
    let (entries, rest) = bytes.as_chunks::<{ offset_index::ENTRY_BYTES }>();
    let read = entries.iter().map_while(|entry| {
        let [relative, position] = [&entry[..4], &entry[4..]].map(be_u32);
        // The first batch never has an entry.
        ((relative, position) != (0, 0)).then(|| (absolute(base, relative), position))
    });
    Entries { entries: read.collect(), torn_bytes: rest.len() }
}

/// The entries of a `.timeindex`: a timestamp, and the last offset of the batch that holds it.
#[must_use]
pub fn time_entries(bytes: &[u8], base: Offset) -> Entries<(TimestampMs, Offset)> {
    let (entries, rest) = bytes.as_chunks::<{ time_index::ENTRY_BYTES }>();
    let read = entries.iter().enumerate().map_while(|(i, entry)| {
        let (timestamp, relative) = entry.split_at(8);
        let timestamp = i64::from_be_bytes(timestamp.try_into().expect("split off eight bytes"));
        let relative = be_u32(relative);
        (i == 0 || (timestamp, relative) != (0, 0))
            .then(|| (TimestampMs(timestamp), absolute(base, relative)))
    });
    Entries { entries: read.collect(), torn_bytes: rest.len() }
}

/// The entries of a `.txnindex`; `None` stands for an impossible one.
#[must_use]
pub fn aborted_entries(bytes: &[u8]) -> Entries<Option<AbortedTransaction>> {
    let (entries, rest) = bytes.as_chunks::<{ aborted_index::ENTRY_BYTES }>();
    Entries { entries: entries.iter().map(AbortedTransaction::decode).collect(), torn_bytes: rest.len() }
}

/// The producers in a `.snapshot`, by id.
///
/// # Errors
/// What is wrong with it.
pub fn producer_entries(bytes: &[u8]) -> Result<Vec<(ProducerId, ProducerEntry)>, &'static str> {
    let producers = snapshot::decode(bytes, TimestampMs(0))?;
    let mut entries: Vec<_> = producers.iter().map(|(id, entry)| (id, entry.clone())).collect();
    entries.sort_unstable_by_key(|(id, _)| *id);
    Ok(entries)
}

/// The text of a checkpoint or of properties, once its structure has been checked.
///
/// # Errors
/// What is wrong with it.
pub fn check_text(kind: FileKind, bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not text".to_owned())?;
    let sound = match kind {
        FileKind::Epochs => Epochs::decode(bytes).map(drop).ok_or("no whole list of epochs that rise"),
        // Apache Kafka makes an empty file where it has nothing to say.
        FileKind::Offsets if bytes.is_empty() => Ok(()),
        FileKind::Offsets => checkpoint::parse_offsets(bytes)
            .map(drop)
            .ok_or("no whole list of topics, partitions and offsets"),
        FileKind::PartitionMetadata => {
            checkpoint::parse_partition_metadata(bytes).map(drop).ok_or("no version 0 with a topic id")
        }
        FileKind::MetaProperties => return MetaProperties::decode(bytes).map(|_| text),
        FileKind::Log
        | FileKind::MetadataSnapshot
        | FileKind::OffsetIndex
        | FileKind::TimeIndex
        | FileKind::AbortedIndex
        | FileKind::Producers => Err("not a file of text"),
    };
    sound.map(|()| text).map_err(str::to_owned)
}

/// A damaged name may claim a base near the end of all offsets.
fn absolute(base: Offset, relative: u32) -> Offset {
    Offset(base.0.saturating_add(i64::from(relative)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_file_holds() {
        for (name, kind) in [
            ("00000000000000000007.log", Some(FileKind::Log)),
            ("00000000000000000007-0000000001.checkpoint", Some(FileKind::MetadataSnapshot)),
            ("00000000000000000007.index", Some(FileKind::OffsetIndex)),
            ("00000000000000000007.timeindex", Some(FileKind::TimeIndex)),
            ("00000000000000000007.txnindex", Some(FileKind::AbortedIndex)),
            ("00000000000000000007.snapshot", Some(FileKind::Producers)),
            ("leader-epoch-checkpoint", Some(FileKind::Epochs)),
            ("cleaner-offset-checkpoint", Some(FileKind::Offsets)),
            ("partition.metadata", Some(FileKind::PartitionMetadata)),
            ("meta.properties", Some(FileKind::MetaProperties)),
            ("00000000000000000007.log.deleted", None),
            ("00000000000000000007.log.swap", None),
            (".lock", None),
            ("notes.txt", None),
        ] {
            assert_eq!(FileKind::of(&Path::new("/d").join(name)), kind, "{name}");
        }
        assert_eq!(base_offset(Path::new("/d/00000000000000000007-0000000001.checkpoint")), Some(Offset(7)));
        assert_eq!(base_offset(Path::new("/d/x.log")), None);
    }

    #[test]
    fn padding_ends_an_index_and_a_rest_is_told() {
        let bytes = [0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let read = offset_entries(&bytes, Offset(10));
        assert_eq!(read, Entries { entries: vec![(Offset(13), 9)], torn_bytes: 1 });
        let bytes = [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 3, 1, 2];
        let read = time_entries(&bytes, Offset(10));
        assert_eq!(read, Entries { entries: vec![(TimestampMs(5), Offset(13))], torn_bytes: 2 });
        assert_eq!(aborted_entries(&[0xff; 35]), Entries { entries: vec![None], torn_bytes: 1 });
        assert_eq!(offset_entries(&[0xff; 8], Offset(i64::MAX)).entries, [(Offset(i64::MAX), u32::MAX)]);
    }

    #[test]
    fn texts_are_checked() {
        for (kind, text, sound) in [
            (FileKind::Epochs, "0\n1\n0 0\n", true),
            (FileKind::Epochs, "0\n2\n0 0\n", false),
            (FileKind::Offsets, "", true),
            (FileKind::Offsets, "0\n1\norders 0 7\n", true),
            (FileKind::Offsets, "0\n1\norders 7\n", false),
            (FileKind::PartitionMetadata, "version: 0\ntopic_id: W83XLbb-T9yFUcEKlHojRg", true),
            (FileKind::PartitionMetadata, "version: 1", false),
            (FileKind::MetaProperties, "version=1\ncluster.id=x\n", false),
            (FileKind::Log, "", false),
        ] {
            assert_eq!(check_text(kind, text.as_bytes()).is_ok(), sound, "{kind:?} {text:?}");
        }
        assert_eq!(check_text(FileKind::Epochs, &[0xff]), Err("not text".to_owned()));
    }
}
